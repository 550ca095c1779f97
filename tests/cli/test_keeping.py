"""``merge``, ``check`` and ``upgrade``."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from .conftest import SHOTS, Call


def test_merging_twice_changes_nothing(call: Call, ready: Path) -> None:
    """A shard is absorbed into a catalog that is made for it; the second time it is known."""
    assert call("merge", ready, "--json").json == {"merged": 1, "known": 0, "frames": 2 * SHOTS}
    assert call("merge", ready, "--json").json == {"merged": 0, "known": 1, "frames": 0}
    assert call("detect").code == 0
    assert len(call("defects", "--json").json["defects"]) == 3


def test_a_shard_that_is_here_in_part_is_refused(call: Call, ready: Path, photos: Path) -> None:
    """Exit code 5; the photos that are here already are named."""
    assert call("ingest", photos / "DSC_0003.NEF").code == 0
    result = call("merge", ready)
    assert (result.code, result.out) == (5, "")
    assert "DSC_0003.NEF" in result.err


def test_check(known: Call, tmp_path: Path) -> None:
    """A whole catalog is ok; one with torn bytes is not, with exit code 4."""
    assert known("check", "--json").json == {"ok": True, "problems": []}
    catalog = tmp_path / "catalog.sqlite"
    data = bytearray(catalog.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 20_000] = bytes(20_000)
    catalog.write_bytes(data)
    torn = known("check", "--json")
    assert torn.code == 4
    if torn.out:
        assert torn.json["ok"] is False and torn.json["problems"]
    else:
        assert "damaged" in torn.err


def test_upgrade_of_a_catalog_that_is_up_to_date(known: Call) -> None:
    """There is nothing to do, and no copy is made."""
    assert known("upgrade", "--json").json == {"ok": True, "upgraded": False, "copy": None, "usable": True}
    assert "is up to date" in known("upgrade").out


def test_upgrade_says_when_the_evidence_is_of_another_method(known: Call, tmp_path: Path) -> None:
    """Where the evidence cannot be judged any more, upgrade says so, and what to do."""
    database = sqlite3.connect(tmp_path / "catalog.sqlite")
    database.execute("update streams set method = method - 1")
    database.commit()
    database.close()
    result = known("upgrade", "--json")
    assert result.json["usable"] is False
    assert "into a new catalog" in result.err

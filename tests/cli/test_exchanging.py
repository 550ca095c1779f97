"""``export`` and ``import``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import Call


def test_export_proposes_a_name(known: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list goes into the working folder, named as its reader expects; what it cannot say is told."""
    monkeypatch.chdir(tmp_path)
    result = known("export", "--camera", "d80", "--format", "RawTherapee")
    assert result.code == 0
    assert "3 sites" in result.out and "Nikon D80 3012345.badpixels" in result.out
    assert "not in the list: since when" in result.err and "dark frames" in result.err
    assert (tmp_path / "Nikon D80 3012345.badpixels").read_text().splitlines()[1:] == [
        "24 20",
        "90 41",
        "100 70",
    ]
    again = known("export", "--format", "rawtherapee")
    assert (again.code, again.out) == (2, "") and "already there" in again.err
    assert known("export", "--format", "rawtherapee", "-o", "Nikon D80 3012345.badpixels").code == 0
    named = known("export", "--format", "rawtherapee", "--anonymous", "--json").json
    assert named["output"] == "Nikon D80.badpixels" and named["sites"] == 3


def test_export_to_stdout_and_of_a_day(known: Call) -> None:
    """A list goes to stdout with -, and nothing else does; --at leaves out what came later."""
    result = known("export", "--format", "pixinsight", "-o", "-", "--at", "2010-05-20")
    assert result.out == "Col 24 20 20\nCol 90 41 41\n"
    document = json.loads(known("export", "--format", "json", "--output", "-", "--grid", "jpeg").out)
    assert document["grid"] == "jpeg" and "visible" not in document


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("export",), "--format: dcraw, rawtherapee"),
        (("export", "--format", "gimp"), "there is no format"),
        (("export", "--format", "png", "-o", "-", "--json"), "both write to stdout"),
        (("export", "--format", "dng"), "--photo"),
        (("export", "--format", "dcraw", "--grid", "jpeg"), "raw files alone"),
        (("import",), "--remove"),
        (("import", "a", "--remove", "a"), "--remove"),
        (("import", "a"), "--format"),
        (("import", "--remove", "a"), "no list called 'a'"),
    ],
)
def test_usage(known: Call, words: tuple[str, ...], reason: str) -> None:
    """What cannot be meant is said in a sentence, with exit code 2."""
    result = known(*words)
    assert (result.code, result.out) == (2, "")
    assert reason in result.err


def test_import_and_remove(known: Call, tmp_path: Path) -> None:
    """A list is taken in, shown beside what the photos tell, and taken out again."""
    path = tmp_path / "old.badpixels"
    path.write_text("24 20 0 # bad here too\n50 30 1262304000\n", encoding="ascii")
    first = known("defects", "--json").json
    taken = known("import", path, "--format", "dcraw", "--json").json
    assert taken == {
        "camera": "NIKON D80 3012345",
        "revision": first["revision"] + 1,
        "list": "old.badpixels",
        "known": False,
        "sites": 2,
        "confirmed": 1,
    }
    shown = known("defects", "--json").json["defects"]
    assert [entry for entry in shown if not entry.get("lists")] == first["defects"][1:]
    both, only = (entry for entry in shown if entry.get("lists"))
    assert both == {**first["defects"][0], "lists": ["old.badpixels"]}
    assert (only["row"], only["col"], only["origin"]) == (30, 50, "list:old.badpixels")
    assert only["kind"] is only["strength"] is only["confidence"] is None
    assert only["first_bad"] == "2010-01-01T00:00:00" and only["visible"] == "where a photo shows it"
    table = known("defects")
    assert "3 defects" in table.out and "also in" in table.out and "list:old.badpixels" in table.out
    assert "1 site only imported lists name" in table.err
    assert known("cameras", "--json").json[0]["defects"] == 6
    assert "was here already" in known("import", path, "--format", "dcraw").out
    assert known("check", "--json").json["ok"]
    assert known("import", "--remove", "old.badpixels", "--json").json["removed"] == "old.badpixels"
    assert known("defects", "--json").json["defects"] == first["defects"]


def test_a_list_of_another_camera_is_noticed(known: Call, tmp_path: Path) -> None:
    """If no site is confirmed that is said; a list that does not fit is refused with its line."""
    path = tmp_path / "foreign"
    path.write_text("P 3 4 H\n")
    assert "the photos show none of them" in known("import", path, "--format", "siril").err
    path.write_text("P 3 4 H\nP 3000 4 H\n")
    result = known("import", path, "--format", "siril", "--name", "other")
    assert result.code == 1 and str(path) in result.err and "line 2" in result.err
    assert known("import", "--remove", "other").code == 2
    missing = known("import", tmp_path / "nowhere", "--format", "siril")
    assert missing.code == 1 and "does not exist" in missing.err

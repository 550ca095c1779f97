"""``defectmap ingest``: what is added, what is left out, and what is said about it."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import defectmap.ingest

from .conftest import SHOTS, Call


@pytest.fixture
def card(photos: Path, tmp_path: Path) -> Path:
    """Return a folder with two good photos, to be spoilt further."""
    folder = tmp_path / "card"
    folder.mkdir()
    for name in ("DSC_0001.NEF", "DSC_0002.JPG"):
        shutil.copy2(photos / name, folder)
    return folder


def test_ingest_tells_in_json_what_became_of_every_file(call: Call, photos: Path) -> None:
    """The document has exactly the promised keys, and a second ingest knows every photo."""
    first = call("ingest", photos, "--json")
    assert first.code == 0
    assert first.json == {
        "ingested": 2 * SHOTS,
        "known": 0,
        "skipped": [],
        "failed": [],
        "cameras": ["NIKON D80 3012345"],
    }
    second = call("ingest", photos, "--json")
    assert second.code == 0
    assert second.json == {"ingested": 0, "known": 2 * SHOTS, "skipped": [], "failed": [], "cameras": []}


def test_ingest_makes_the_map_and_names_the_next_step(call: Call, photos: Path) -> None:
    """The summary and the map are on stdout, the next step is the last line of stderr."""
    result = call("ingest", photos)
    assert result.code == 0
    assert result.out.splitlines()[0] == f"{2 * SHOTS} photos added"
    assert "raw 132x99" in result.out
    assert result.err.splitlines()[-1].strip() == "defectmap fix --camera D80"
    assert len(call("defects", "--json").json["defects"]) == 3


def test_no_detect_leaves_the_map_for_later(call: Call, card: Path) -> None:
    """With --no-detect there is no map; the next ingest without it makes one, though nothing is new."""
    assert call("ingest", card, "--no-detect").err == "next: defectmap detect\n"
    assert "run `defectmap detect`" in call("defects").err
    assert call("ingest", card).code == 0
    assert call("defects").code == 0


def test_a_dry_run_writes_nothing(call: Call, card: Path, tmp_path: Path) -> None:
    """What would be added is counted, and not even an empty catalog is made."""
    result = call("ingest", card, "--dry-run", "--json")
    assert (result.code, result.json["ingested"]) == (0, 2)
    assert not (tmp_path / "catalog.sqlite").exists()


def _cut(good: bytes) -> bytes:
    return good[: len(good) // 2]


def _garbled(good: bytes) -> bytes:
    return good[:2] + bytes(byte ^ 0x55 for byte in good[2:4000]) + good[4000:]


@pytest.mark.parametrize(
    ("name", "spoil", "bucket", "reason"),
    [
        ("cut.NEF", _cut, "failed", "ends too early"),
        ("cut.JPG", _cut, "failed", ""),
        ("empty.JPG", lambda _: b"", "failed", "is empty"),
        ("garbled.NEF", _garbled, "skipped", "is not a photo"),
        ("letter.JPG", lambda _: b"Dear aunt,\n", "skipped", "is not a photo"),
        ("movie.NEF", lambda _: b"\0\0\0\x18ftypmp42" + bytes(5000), "skipped", "is not a photo"),
    ],
)
def test_a_bad_file_is_named_with_its_reason_and_the_others_go_in(
    call: Call, card: Path, name: str, spoil: object, bucket: str, reason: str
) -> None:
    """The good photos are added, the bad file stands in the report, and the exit code says so."""
    good = card / ("DSC_0002.JPG" if name.endswith("JPG") else "DSC_0001.NEF")
    (card / name).write_bytes(spoil(good.read_bytes()))  # type: ignore[operator]
    result = call("ingest", card, "--json")
    assert (result.code, result.json["ingested"]) == (3, 2)
    (trouble,) = result.json[bucket]
    assert trouble["path"] == str(card / name)
    assert reason in trouble["reason"]
    assert f"{name} {trouble['reason']}" in call("ingest", card).err


def test_a_photo_is_known_by_its_content_not_by_its_name(call: Call, card: Path) -> None:
    """A JPEG called NEF is added as the JPEG it is."""
    (card / "DSC_0002.JPG").rename(card / "DSC_0002.NEF")
    assert call("ingest", card).code == 0
    kinds = [stream["kind"] for stream in call("cameras", "--json").json[0]["streams"]]
    assert sorted(kinds) == ["jpeg", "raw"]


def test_a_path_that_is_not_there_is_told(call: Call, card: Path, tmp_path: Path) -> None:
    """A name that was mistyped is in the report; the rest is added."""
    result = call("ingest", card, tmp_path / "nowhere", "--json")
    assert (result.code, result.json["ingested"]) == (3, 2)
    assert "does not exist" in result.json["failed"][0]["reason"]


def test_a_folder_that_vanishes_under_way_is_told(
    call: Call, card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A drive that is pulled out after its files were listed gives a reason for each, no crash."""
    look = defectmap.ingest.discover

    def pull_out(*arguments: Any) -> Iterator[object]:
        found = list(look(*arguments))
        shutil.rmtree(card)
        yield from found

    monkeypatch.setattr(defectmap.ingest, "discover", pull_out)
    result = call("ingest", card, "--json")
    assert (result.code, result.json["ingested"], len(result.json["failed"])) == (3, 0, 2)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read every file")
def test_a_file_without_permission_is_told(call: Call, card: Path) -> None:
    """A file that this user may not read is in the report; the rest is added."""
    (card / "DSC_0001.NEF").chmod(0)
    result = call("ingest", card, "--json")
    assert (result.code, result.json["ingested"]) == (3, 1)
    assert "permission denied" in result.json["failed"][0]["reason"]


def test_many_files_of_one_reason_are_counted_and_listed_on_demand(call: Call, card: Path) -> None:
    """Twenty notes beside the photos take one line, twenty with -v, wherever it is typed."""
    for number in range(20):
        (card / f"{number}.txt").write_text("a note")
    short = call("ingest", card)
    assert "20 files: is not a photo that this program reads" in short.err
    assert sum(".txt" in line for line in short.err.splitlines()) == 1
    assert sum(".txt" in line for line in call("ingest", card, "-v").err.splitlines()) == 20


def test_names_that_are_no_text_break_nothing(call: Call, card: Path) -> None:
    """A name of stray bytes and control characters is shown harmlessly, and its JSON is whole."""
    strange = os.fsdecode(os.fsencode(card) + b"/\xff\x1b[31m.JPG")
    try:
        Path(strange).write_bytes(b"no photo")
    except OSError:
        pytest.skip("this file system refuses such names")
    assert "\x1b" not in call("ingest", card).err
    assert call("ingest", card, "--json").json["skipped"][0]["path"] == strange


def test_a_file_that_is_no_catalog_is_left_alone(call: Call, card: Path, tmp_path: Path) -> None:
    """Exit code 4, the file named, and not a byte of it changed."""
    other = tmp_path / "notes.txt"
    other.write_text("not a catalog")
    result = call("ingest", card, "--catalog", other)
    assert (result.code, result.out) == (4, "")
    assert "notes.txt is not a catalog of defectmap" in result.err
    assert other.read_text() == "not a catalog"


def test_a_full_disk_ends_the_run_and_leaves_the_catalog_whole(
    call: Call, photos: Path, tmp_path: Path
) -> None:
    """Exit code 4 and a sentence; what was committed before is still there."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mounting, capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount a small disk")
    try:
        catalog = disk / "catalog.sqlite"
        assert call("--catalog", catalog, "ingest", photos / "DSC_0001.NEF").code == 0
        filler = disk / "filler"
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        # SQLite needs a little room to open a catalog at all.
        os.truncate(filler, filler.stat().st_size - 96 * 1024)
        result = call("--catalog", catalog, "ingest", photos)
        assert (result.code, result.out) == (4, "")
        assert "the disk is full" in result.err
        assert call("--catalog", catalog, "check").code == 0
        filler.unlink()
        assert call("--catalog", catalog, "cameras", "--json").json[0]["streams"][0]["frames"] == 1
    finally:
        subprocess.run(["umount", str(disk)], check=True)

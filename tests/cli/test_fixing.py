"""``fix``, ``undo`` and ``patch`` as they are typed."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from .conftest import Call


@pytest.fixture
def album(photos: Path, tmp_path: Path) -> Path:
    """Return a folder with a raw and a JPEG of a day when all three sites were bad."""
    folder = tmp_path / "album"
    folder.mkdir()
    for name in ("DSC_0015.NEF", "DSC_0016.JPG"):
        shutil.copy2(photos / name, folder)
    return folder


def _digests(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir() if p.is_file()}


def test_fix_writes_beside_and_reports_in_json(known: Call, album: Path) -> None:
    """The dry run lists the photos that the real run repairs; the originals stay as they are."""
    before = _digests(album)
    keys = {"source", "output", "camera", "revision", "repaired", "status", "reason"}
    planned = known("fix", album, "--dry-run", "--json")
    assert planned.code == 0
    assert [r["status"] for r in planned.json] == ["planned", "planned"]
    assert not (album / "defectmap").exists()
    done = known("fix", album, "--camera", "D80", "--json")
    assert done.code == 0
    assert all(set(r) == keys for r in done.json)
    assert [(r["source"], r["output"]) for r in done.json] == [
        (r["source"], r["output"]) for r in planned.json
    ]
    assert [20, 24] in done.json[0]["repaired"]
    assert {p.name for p in (album / "defectmap").iterdir()} == set(before)
    assert _digests(album) == before


def test_fix_in_place_and_undo(known: Call, album: Path) -> None:
    """In place the photos change; undo brings every bit back."""
    before = _digests(album)
    result = known("fix", album, "--in-place")
    assert result.code == 0
    assert result.err.endswith(f"undo {album}\n")
    assert all(_digests(album)[name] != digest for name, digest in before.items())
    undone = known("undo", album, "--json")
    assert undone.code == 0
    assert [r["status"] for r in undone.json] == ["restored", "restored"]
    assert _digests(album) == before


def test_a_second_fix_is_short(known: Call, album: Path) -> None:
    """What was repaired before is counted; why nothing was done is told with -v."""
    assert known("fix", album).code == 0
    again = known("fix", album)
    assert (again.code, again.out, again.err) == (0, "photos: 2 with nothing to repair\n", "")
    assert known("fix", album, "-v").err.count("was repaired with revision 1 already: ") == 2


def test_undo_without_a_catalog(known: Call, album: Path, tmp_path: Path) -> None:
    """The notes beside the originals suffice, and no catalog is made; a camera is known to a catalog only."""
    before = _digests(album)
    assert known("fix", album, "--in-place").code == 0
    catalog = tmp_path / "catalog.sqlite"
    for file in tmp_path.glob("catalog.sqlite*"):
        file.unlink()
    assert known("undo", "--camera", "D80").code == 4
    undone = known("undo", album)
    assert (undone.code, undone.out, undone.err) == (0, "photos: 2 restored\n", "")
    assert _digests(album) == before
    assert not catalog.exists()
    again = known("undo", album)
    assert (again.code, again.out) == (0, "nothing to undo\n")
    assert str(catalog) in again.err


def test_undo_with_nothing_to_undo(known: Call, album: Path) -> None:
    """A folder without repaired photos is no error, and is not called a repair."""
    result = known("undo", album)
    assert (result.code, result.out, result.err) == (0, "nothing to undo\n", "")
    assert known("undo", album, "--json").json == []


def test_fix_says_why_a_photo_is_left_out(known: Call, album: Path) -> None:
    """A file that is no photo is skipped with exit code 3, and the others are repaired."""
    (album / "letter.JPG").write_text("Dear aunt")
    result = known("fix", album, "--output", album.parent / "out")
    assert result.code == 3
    assert f"{album / 'letter.JPG'} is not a photo" in result.err
    assert "2 repaired, 1 skipped" in result.out
    assert len(list((album.parent / "out").iterdir())) == 2


def test_options_that_exclude_each_other(known: Call, album: Path) -> None:
    """Exit code 2 and a sentence."""
    result = known("fix", album, "--in-place", "--output", album)
    assert (result.code, result.out) == (2, "")
    assert "exclude each other" in result.err
    assert known("undo").code == 2
    assert known("fix", album, "--format", "bmp").code == 2


def test_patch_repairs_named_pixels(call: Call, tmp_path: Path) -> None:
    """A black pixel on grey becomes grey in a copy; the report says what it was and is."""
    grey = np.full((9, 9), 120, np.uint8)
    grey[3, 5] = 0
    picture = tmp_path / "grey.png"
    Image.fromarray(grey).save(picture)
    document = call("patch", picture, "5,3", "--json").json
    assert document["points"] == [{"x": 5, "y": 3, "old": [0], "new": [120]}]
    assert Path(document["output"]).name == "grey-patched.png"
    assert np.asarray(Image.open(picture))[3, 5] == 0
    assert np.asarray(Image.open(document["output"]))[3, 5] == 120


def test_patch_refuses_in_sentences(call: Call, tmp_path: Path) -> None:
    """No pixel, a pixel outside, no picture: each has its exit code and names what is wrong."""
    picture = tmp_path / "grey.png"
    Image.new("L", (9, 9)).save(picture)
    assert call("patch", picture, "five").code == 2
    assert call("patch", picture, "5,90").code == 2
    for outside in ("-1,2", "1,-2"):
        result = call("patch", picture, outside)
        assert (result.code, result.out) == (2, "")
        assert f"{outside} is outside of the picture" in result.err
    slip = call("patch", picture, "1,1", "--ouput")
    assert slip.code == 2 and "there is no option --ouput" in slip.err
    letter = tmp_path / "letter.txt"
    letter.write_text("Dear aunt")
    result = call("patch", letter, "1,1")
    assert result.code == 1
    assert "letter.txt is not a picture" in result.err


def test_raws_become_pictures(known: Call, album: Path) -> None:
    """With --format jpeg raws become JPEGs; with --format tiff JPEGs are left out, and why."""
    done = known("fix", album, "--format", "jpeg", "--json")
    assert done.code == 0
    assert sorted(Path(r["output"]).name for r in done.json) == ["DSC_0015.jpg", "DSC_0016.JPG"]
    done = known("fix", album, "--format", "tiff")
    assert done.code == 3
    assert "is a JPEG, and would lose by becoming a TIFF" in " ".join(done.err.split())
    with Image.open(album / "defectmap" / "DSC_0015.tif") as picture:
        assert picture.format == "TIFF"

"""Bringing originals back."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from defectmap.catalog.store import open_catalog
from defectmap.errors import UsageError
from defectmap.ingest import ingest
from defectmap.undo import undo

from .fixing import PLANTED, contents

NEF, JPG = "DSC_0001.NEF", "DSC_0001.JPG"


def state(folder: Path) -> dict[str, tuple[bytes, int, int]]:
    """Return content, time and mode of every file."""
    digests = contents(folder)
    status = {name: (folder / name).stat() for name in digests}
    return {
        name: (digest, status[name].st_mtime_ns, status[name].st_mode) for name, digest in digests.items()
    }


def test_bit_for_bit(world):
    """Undoing brings back content, time and mode of every photo, and leaves nothing else behind."""
    (world.photos / NEF).chmod(0o440)
    before = state(world.photos)
    repaired = {name for name, r in world.fix(in_place=True).items() if r.status == "repaired"}
    assert len(repaired) >= 6
    assert state(world.photos) != before
    undone = undo(world.catalog, [world.photos])
    assert {(u.path.name, u.status, u.reason) for u in undone} == {(n, "restored", "") for n in repaired}
    assert state(world.photos) == before
    assert not (world.photos / "defectmap-originals").exists()


def test_the_catalog_is_right_again(world):
    """After undoing, ingest knows every photo, undoing finds nothing, and fixing repairs again."""
    world.fix(in_place=True)
    repaired = contents(world.photos)
    undo(world.catalog, [], [world.sensor])
    assert ingest(world.catalog, [world.photos]).known == 7
    assert undo(world.catalog, [], [world.sensor]) == ()
    assert undo(world.catalog, [world.photos]) == ()
    (again,) = undo(world.catalog, [world.photos / JPG])
    assert (again.status, again.reason) == (
        "skipped",
        "was not repaired in place, so there is nothing to undo",
    )
    world.fix(in_place=True)
    assert contents(world.photos) == repaired


def test_after_several_repairs(world):
    """However often a photo was repaired, it is the camera's own file that comes back."""
    before = state(world.photos)
    for count in (4, 3, 2):
        world.save_map(PLANTED[:count])
        world.fix(world.photos / NEF, world.photos / JPG, in_place=True)
    assert len(undo(world.catalog, [world.photos / NEF, world.photos / JPG])) == 2
    assert state(world.photos) == before


def test_a_photo_edited_since(world):
    """A photo that was changed after its repair stays, and so does its original, which is named."""
    world.fix(world.photos / JPG, world.photos / NEF, in_place=True)
    (world.photos / JPG).write_bytes((world.photos / JPG).read_bytes() + b"edited")
    before = contents(world.photos)
    first, second = undo(world.catalog, [world.photos])
    assert (first.path.name, first.status, second.status) == (JPG, "skipped", "restored")
    assert str(world.photos / "defectmap-originals" / JPG) in first.reason
    after = contents(world.photos)
    assert after[JPG] == before[JPG]
    assert f"defectmap-originals/{JPG}" in after


def test_repaired_copies_are_not_touched(world):
    """Sources and copies of repairs that were not in place are left alone, with a sentence."""
    world.fix(world.photos / JPG)
    before = contents(world.photos)
    copy, source = undo(world.catalog, [world.photos / "defectmap" / JPG, world.photos / JPG])
    if copy.path.parent.name != "defectmap":
        copy, source = source, copy
    assert (copy.status, source.status) == ("skipped", "skipped")
    assert "is a repaired copy" in copy.reason
    assert "its repaired copy is" in source.reason
    assert contents(world.photos) == before


@pytest.mark.parametrize("remembered", [False, True])
def test_a_folder_that_was_moved(world, tmp_path, remembered):
    """Originals come back after the folder was moved, even for a catalog that never heard of the repair."""
    before = state(world.photos)
    world.fix(in_place=True)
    moved = world.photos.rename(tmp_path / "moved")
    if remembered:
        undone = undo(world.catalog, [moved])
        assert undo(world.catalog, [], [world.sensor]) == ()
    else:
        with open_catalog(tmp_path / "new.sqlite", create=True) as catalog:
            undone = undo(catalog, [moved])
    assert len(undone) >= 6
    assert {u.status for u in undone} == {"restored"}
    assert state(moved) == before


def test_a_lost_or_damaged_original(world):
    """Where the original is gone or damaged, the repaired photo stays and the reason is given."""
    world.fix(world.photos / JPG, world.photos / NEF, in_place=True)
    kept = world.photos / "defectmap-originals"
    (kept / JPG).unlink()
    (kept / NEF).write_bytes(b"damaged")
    before = contents(world.photos)
    first, second = undo(world.catalog, [], [world.sensor])
    assert (first.status, second.status) == ("failed", "failed")
    assert "is gone" in first.reason
    assert "is damaged" in second.reason
    assert contents(world.photos) == before


def test_a_photo_that_was_deleted(world):
    """A repaired photo that was deleted since comes back as its original."""
    before = state(world.photos)
    world.fix(world.photos / JPG, in_place=True)
    (world.photos / JPG).unlink()
    assert [u.status for u in undo(world.catalog, [world.photos])] == ["restored"]
    assert state(world.photos) == before


def test_the_other_of_two_copies(world):
    """Undoing one of two copies of a photo leaves the other as repaired, and it can be undone too."""
    (world.photos / "second").mkdir()
    second = Path(shutil.copy2(world.photos / JPG, world.photos / "second" / JPG))
    before = state(world.photos)
    world.fix(world.photos / JPG, second, in_place=True)
    undo(world.catalog, [world.photos / JPG])
    assert state(world.photos)[JPG] == before[JPG]
    assert state(world.photos)[f"second/{JPG}"] != before[f"second/{JPG}"]
    assert [u.status for u in undo(world.catalog, [second])] == ["restored"]
    assert state(world.photos) == before


def test_interrupted_before_the_photo_was_replaced(world, monkeypatch):
    """A photo whose repair was recorded but never happened is simply what it was."""
    before = state(world.photos)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("defectmap.fix.replace_with_backup", stop)
        with pytest.raises(KeyboardInterrupt):
            world.fix(world.photos / JPG, in_place=True)
    assert state(world.photos) == before
    (undone,) = undo(world.catalog, [world.photos / JPG])
    assert (undone.status, undone.reason) == ("skipped", "is its own original, so there is nothing to undo")
    assert state(world.photos) == before
    assert undo(world.catalog, [], [world.sensor]) == ()


def test_interrupted_after_the_photo_was_restored(world, monkeypatch):
    """A photo that is back, but not noted as such, is told of once and leaves nothing behind."""
    before = state(world.photos)
    world.fix(world.photos / JPG, in_place=True)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("defectmap.undo.forget", stop)
        with pytest.raises(KeyboardInterrupt):
            undo(world.catalog, [world.photos])
    assert [u.status for u in undo(world.catalog, [], [world.sensor])] == ["skipped"]
    assert state(world.photos) == before
    assert not (world.photos / "defectmap-originals").exists()
    assert undo(world.catalog, [], [world.sensor]) == ()


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may write anywhere"
)
def test_without_permission(world):
    """Where the folder cannot be written, the photo stays repaired and the reason is given."""
    world.fix(world.photos / JPG, in_place=True)
    world.photos.chmod(0o500)
    try:
        (undone,) = undo(world.catalog, [world.photos / JPG])
    finally:
        world.photos.chmod(0o700)
    assert (undone.status, "permission" in undone.reason) == ("failed", True)


def test_usage(world):
    """Naming neither photos nor cameras is a mistake of usage."""
    with pytest.raises(UsageError):
        undo(world.catalog, [])


def test_a_copy_of_a_repaired_photo(world, tmp_path):
    """A copy of a repaired photo cannot take the original away from the photo that is still in its place."""
    before = state(world.photos)
    world.fix(in_place=True)
    copy = Path(shutil.copy2(world.photos / JPG, tmp_path / "copy.jpg"))
    kept = copy.read_bytes()
    (undone,) = undo(world.catalog, [copy])
    assert undone.status == "skipped"
    assert f"is a copy of {world.photos / JPG}, which was repaired in place" in undone.reason
    assert copy.read_bytes() == kept
    undo(world.catalog, [world.photos])
    assert state(world.photos) == before

"""Repairing photos: what changes, and all that stays as it was."""

from __future__ import annotations

import errno
import io
import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

import numpy as np
import pytest
import rawpy
from PIL import Image

from defectmap.catalog.files import Files
from defectmap.fix import carry_out, plan
from defectmap.ingest import ingest
from defectmap.media import writing
from defectmap.model.defects import Kind
from defectmap.simulation.files import write_shoot

from .fixing import PLANTED, camera, contents, make_world

NEF, JPG, COMPRESSED = "DSC_0001.NEF", "DSC_0001.JPG", "DSC_0004.NEF"
SITES = tuple((d.row, d.col) for d in PLANTED)


def mosaic(path: Path) -> np.ndarray:
    """Return the visible mosaic, as LibRaw reads it."""
    with rawpy.imread(str(path)) as raw:
        return raw.raw_image_visible.copy()


def statuses(repairs: dict) -> set[str]:
    """Return the statuses of some repairs."""
    return {repair.status for repair in repairs.values()}


def test_originals_stay(world):
    """Without --in-place every file that was there stays, and the new ones are in folders of their own."""
    before = contents(world.photos)
    world.fix()
    after = contents(world.photos)
    assert before.items() <= after.items()
    names = [f"DSC_000{n}.{kind}" for n in (1, 2, 3) for kind in ("JPG", "NEF")]
    assert sorted(after.keys() - before.keys()) == [
        *(f"defectmap/{name}" for name in names),
        f"more/defectmap/{COMPRESSED}",
    ]


@pytest.mark.parametrize("name", [NEF, f"more/{COMPRESSED}"])
@pytest.mark.parametrize("form", ["same", "dng"])
def test_only_the_listed_photosites_change(world, name, form):
    """LibRaw reads the repaired raw as the original but for the photosites named, now near their truth."""
    source = world.photos / name
    (repair,) = world.fix(source, format=form).values()
    assert repair.output.suffix == (".NEF" if form == "same" else ".dng")
    before, after = mosaic(source), mosaic(repair.output)
    changed = tuple(sorted(map(tuple, np.argwhere(before != after).tolist())))
    assert changed == repair.repaired == SITES
    healthy = camera(defects=())
    index = int(source.stem[-4:]) - 1
    exposure = healthy.plan(3 if index < 3 else 1, first=0 if index < 3 else 3)[index % 3]
    truth = healthy.shot(exposure).mosaic
    for row, col in SITES:
        assert abs(int(after[row, col]) - int(truth[row, col])) < 0.35 * abs(
            int(before[row, col]) - int(truth[row, col])
        )


@pytest.mark.skipif(shutil.which("dcraw") is None, reason="dcraw is not installed")
def test_dcraw_agrees(world):
    """A second reader, dcraw, sees the same photosites changed."""
    (repair,) = world.fix(world.photos / NEF).values()

    def read(path: Path) -> np.ndarray:
        done = subprocess.run(["dcraw", "-D", "-4", "-c", path], capture_output=True, check=True)
        return np.asarray(Image.open(io.BytesIO(done.stdout))).astype(int)

    changed = np.argwhere(read(repair.source) != read(repair.output))
    assert tuple(map(tuple, changed.tolist())) == SITES


def test_a_jpeg_changes_around_its_spots_only(world):
    """A JPEG decodes as before away from the sites repaired; its length and headers are the same."""
    (repair,) = world.fix(world.photos / JPG).values()
    assert len(repair.repaired) >= 2
    old, new = repair.source.read_bytes(), repair.output.read_bytes()
    start = old.index(b"\xff\xda", old.index(b"\xff\xc0"))
    assert old[:start] == new[:start]
    far = np.ones((96, 128), np.bool_)
    for row, col in repair.repaired:
        far[max(row - 24, 0) : row + 24, max(col - 24, 0) : col + 24] = False
    assert far.sum() > 500
    with Image.open(repair.source) as first, Image.open(repair.output) as second:
        before, after = np.asarray(first).astype(int), np.asarray(second).astype(int)
    assert np.array_equal(before[far], after[far])
    for row, col in repair.repaired:
        around = np.median(after[row - 4 : row + 5, col - 4 : col + 5], axis=(0, 1))
        assert np.abs(after[row, col] - around).max() < np.abs(before[row, col] - around).max()


@pytest.mark.skipif(shutil.which("djpeg") is None, reason="djpeg is not installed")
def test_djpeg_reads_the_repaired_jpeg(world):
    """A decoder that warns of the slightest damage has nothing to say about a repaired JPEG."""
    (repair,) = world.fix(world.photos / JPG).values()
    done = subprocess.run(["djpeg", "-pnm", repair.output], capture_output=True, check=True)
    assert done.stderr == b""


def test_in_place(world):
    """The photo changes with its mode and time kept, and the original lies beside it bit for bit."""
    before, times = contents(world.photos), {}
    for path in world.photos.rglob("*.*"):
        path.chmod(0o640)
        times[path] = path.stat().st_mtime_ns
    repairs = world.fix(in_place=True)
    assert statuses(repairs) == {"repaired"}
    after = contents(world.photos)
    for path, moment in times.items():
        assert path.stat().st_mtime_ns == moment
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        name, folder = path.relative_to(world.photos).as_posix(), path.relative_to(world.photos).parent
        assert after[name] != before[name]
        assert after[(folder / "defectmap-originals" / path.name).as_posix()] == before[name]


def test_a_repaired_photo_is_no_new_evidence(world, tmp_path):
    """Photos repaired in place stay known to ingest, and copies of repaired ones never count."""
    frames = len(world.catalog.frames.of_stream(1))
    world.fix()
    world.fix(in_place=True)
    again = ingest(world.catalog, [world.photos])
    assert (again.ingested, again.known, again.failed, again.skipped) == (0, 7, (), ())
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(world.photos, elsewhere)
    shutil.copytree(world.photos / "defectmap", elsewhere / "copies")
    copied = ingest(world.catalog, [elsewhere])
    assert copied.ingested == 0
    assert {t.path.name for t in copied.skipped} == {
        *(f"DSC_000{n}.{k}" for n in (1, 2, 3) for k in ("JPG", "NEF")),
        COMPRESSED,
    }
    assert all("repaired copy" in t.reason for t in copied.skipped)
    assert len(world.catalog.frames.of_stream(1)) == frames
    # Size and time alone do not tell a repaired photo; touching it must not make it a new one either.
    os.utime(world.photos / NEF, ns=(1, 1))
    assert ingest(world.catalog, [world.photos]).ingested == 0


@pytest.mark.parametrize("in_place", [False, True])
def test_fixing_twice_does_nothing(world, in_place):
    """A second run finds everything repaired already and writes nothing."""
    paths = [world.photos / NEF, world.photos / JPG]
    world.fix(*paths, in_place=in_place)
    before = contents(world.photos)
    again = world.fix(*paths, in_place=in_place)
    assert statuses(again) == {"clean"}
    assert all("repaired" in repair.reason and "already" in repair.reason for repair in again.values())
    assert contents(world.photos) == before


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("name", [NEF, JPG])
def test_a_newer_map_starts_from_the_original(world, template, name, in_place):
    """With a newer revision the result is what it would have been without the older one."""
    world.fix(world.photos / name, in_place=in_place)
    world.save_map(PLANTED[1:2])
    (repair,) = world.fix(world.photos / name, in_place=in_place).values()
    assert (repair.status, repair.revision, repair.repaired) == ("repaired", 2, SITES[1:2])
    original = world.photos / "defectmap-originals" / name if in_place else world.photos / name
    assert original.read_bytes() == (template / name).read_bytes()
    (other,) = world.fix(original.rename(world.photos / f"other{original.suffix}")).values()
    assert other.output.read_bytes() == repair.output.read_bytes()


def test_a_file_that_appears_meanwhile(world):
    """A file that takes the output's place between plan and run is not overwritten."""
    made = plan(world.catalog, [], [world.photos / JPG, world.photos / NEF])
    target = world.photos / "defectmap" / JPG
    target.parent.mkdir()
    target.write_bytes(b"somebody's")
    first, second = carry_out(world.catalog, made)
    assert (first.status, second.status) == ("failed", "repaired")
    assert target.read_bytes() == b"somebody's"


def test_the_trouble_of_one_stops_no_other(world, tmp_path):
    """Each photo that cannot be repaired says why, and the others are repaired."""
    folder = world.photos
    cut = (folder / NEF).read_bytes()
    (folder / "cut.NEF").write_bytes(cut[:-2000])
    (folder / "text.txt").write_bytes(b"no photo")
    with Image.open(folder / JPG) as picture:
        exif = picture.info["exif"]
        picture.save(folder / "rgb.jpg", keep_rgb=True, exif=exif, quality=90)
        picture.crop((0, 0, 64, 64)).save(folder / "small.jpg", exif=exif)
    write_shoot(camera(serial="999"), tmp_path / "stranger", 1, ("jpeg",))
    (folder / "changed.JPG").write_bytes((folder / JPG).read_bytes()[:-2] + b"\xff\xff\xd9")
    made = plan(world.catalog, [], [folder, tmp_path / "stranger", tmp_path / "nowhere"])
    (folder / "changed.JPG").write_bytes(b"\xff\xd8\xff other content")
    done = {
        r.source.name if r.source.parent == folder else r.source.parent.name: r
        for r in carry_out(world.catalog, made)
    }
    assert {name: done[name].status for name in (NEF, JPG, "DSC_0002.JPG")} == {
        NEF: "repaired",
        JPG: "repaired",
        "DSC_0002.JPG": "repaired",
    }
    for name, status, reason in (
        ("cut.NEF", "failed", "too early"),
        ("text.txt", "skipped", "not a photo"),
        ("rgb.jpg", "skipped", "red, green and blue"),
        ("small.jpg", "skipped", "64 x 64, but the map of .* is of JPEG files of 128 x 96"),
        ("stranger", "skipped", "there is no map"),
        ("changed.JPG", "failed", "has changed"),
    ):
        assert done[name].status == status, name
        assert re.search(reason, done[name].reason), done[name].reason
        assert (done[name].output, done[name].repaired) == (None, ())
    assert any(r.status == "failed" and "does not exist" in r.reason for r in done.values())


def test_sites_that_a_photo_does_not_show(world):
    """Hot sites of the map that a photo does not show are left alone."""
    healthy = [type(d)(d.row + 8, d.col + 9, Kind.HOT, "weak") for d in PLANTED]
    world.save_map(healthy)
    repairs = world.fix(world.photos / NEF, world.photos / JPG)
    assert {name: (r.status, r.repaired) for name, r in repairs.items()} == {
        NEF: ("clean", ()),
        JPG: ("clean", ()),
    }
    assert not (world.photos / "defectmap").exists()


def test_any_number_of_workers(template, tmp_path):
    """One worker or three write the same files and report the same list."""
    results = []
    for workers in (1, 3):
        world = make_world(template, tmp_path / str(workers))
        repairs = world.fix(workers=workers)
        world.catalog.close()
        told = [
            (r.source.relative_to(world.photos), r.status, r.repaired, r.reason[:20])
            for r in repairs.values()
        ]
        results.append((told, contents(world.photos)))
    assert results[0] == results[1]


def test_interrupted_before_the_file_is_replaced(world, monkeypatch):
    """A run stopped at the last moment leaves the original in its place, and the next run repairs it."""
    before = contents(world.photos)
    rename = Path.replace

    def stop(path: Path, target: Path) -> Path:
        if target.name == NEF:
            raise KeyboardInterrupt
        return rename(path, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", stop)
        with pytest.raises(KeyboardInterrupt):
            world.fix(world.photos / NEF, in_place=True)
    assert contents(world.photos) == before
    assert ingest(world.catalog, [world.photos]).ingested == 0
    assert statuses(world.fix(world.photos / NEF, in_place=True)) == {"repaired"}


def test_interrupted_after_the_file_was_replaced(world, monkeypatch):
    """A run stopped right after leaves a finished photo that is known as such."""
    before = contents(world.photos)[JPG]

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Files, "remember", stop)
        with pytest.raises(KeyboardInterrupt):
            world.fix(world.photos / JPG, in_place=True)
    after = contents(world.photos)
    assert after[JPG] != before
    assert after[f"defectmap-originals/{JPG}"] == before
    os.utime(world.photos / JPG, ns=(1, 1))
    assert ingest(world.catalog, [world.photos]).ingested == 0
    assert statuses(world.fix(world.photos / JPG, in_place=True)) == {"clean"}


@pytest.mark.parametrize("in_place", [False, True])
def test_a_full_disk(world, monkeypatch, in_place):
    """When the disk is full every photo is reported, and nothing is left behind."""
    before = contents(world.photos)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(writing.os, "write", full)
        repairs = world.fix(world.photos / NEF, world.photos / JPG, in_place=in_place)
    assert statuses(repairs) == {"failed"}
    assert all("disk is full" in repair.reason for repair in repairs.values())
    assert contents(world.photos) == before
    assert statuses(world.fix(world.photos / NEF, in_place=in_place)) == {"repaired"}


@pytest.mark.parametrize("in_place", [True, False])
def test_a_repaired_photo_with_other_tags_is_no_new_evidence(world, in_place):
    """A repaired photo in which a program changed tags afterwards still does not count."""
    repaired = world.fix(world.photos / JPG, in_place=in_place)[JPG].output
    content = bytearray(repaired.read_bytes())
    content[2:2] = b"\xff\xfe\x00\x07words"
    repaired.write_bytes(content)
    outcome = ingest(world.catalog, [repaired])
    assert outcome.ingested == 0
    assert [trouble.path for trouble in outcome.skipped] == [repaired]
    assert "counts instead" in outcome.skipped[0].reason

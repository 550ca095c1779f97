"""How repairing behaves towards the photos of people: pairs, names, times, tags, many of them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from defectmap import repairing
from defectmap.catalog.store import open_catalog
from defectmap.errors import FailedPhotoError
from defectmap.fix import carry_out, plan
from defectmap.repairing import Corrected, correct_all
from defectmap.undo import undo

from .fixing import NOW, PLANTED, contents

NEF, JPG = "DSC_0001.NEF", "DSC_0001.JPG"
PAIRS = [f"DSC_000{number}.{kind}" for number in (1, 2, 3) for kind in ("JPG", "NEF")]


def tags(path: Path) -> dict[str, str]:
    """Return what exiftool reads of a file but its place, name and the times of the file system."""
    done = subprocess.run(["exiftool", "-json", "-G1", "-a", "-u", path], capture_output=True, check=True)
    (read,) = json.loads(done.stdout)
    return {k: v for k, v in read.items() if not k.startswith(("SourceFile", "System:", "ExifTool:"))}


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")
@pytest.mark.parametrize("in_place", [False, True])
def test_every_tag_stays(world, in_place):
    """Exiftool reads the same of a repaired photo as of its original, maker's notes included."""
    before = {name: tags(world.photos / name) for name in (NEF, JPG)}
    for name, repair in world.fix(world.photos / NEF, world.photos / JPG, in_place=in_place).items():
        assert repair.status == "repaired"
        assert tags(repair.output) == before[name]


def test_copies_have_the_times_of_their_sources(world):
    """A repaired copy has the name, the times and the mode of its source."""
    for number, name in enumerate((NEF, JPG)):
        (world.photos / name).chmod(0o640)
        os.utime(world.photos / name, ns=(10**18 + number, 10**18 + 1000 + number))
    for name, repair in world.fix(world.photos / NEF, world.photos / JPG).items():
        source, copy = (world.photos / name).stat(), repair.output.stat()
        assert repair.output.name == name
        assert (copy.st_mtime_ns, copy.st_mode) == (source.st_mtime_ns, source.st_mode)


@pytest.mark.parametrize("by_camera", [False, True])
def test_pairs_go_together(world, by_camera):
    """The raw and the JPEG of one release follow each other in the plan, and both are repaired."""
    paths = [] if by_camera else [world.photos]
    repairs = world.fix(*paths)
    order = [name for name in repairs if name in PAIRS]
    assert order == PAIRS
    assert all(repairs[name].status == "repaired" for name in PAIRS)


@pytest.mark.parametrize("broken", [NEF, JPG])
@pytest.mark.parametrize("in_place", [False, True])
def test_one_of_a_pair_does_not_strand_the_other(world, broken, in_place):
    """Where one file of a pair cannot be repaired, the other is, and the broken one stays as it is."""
    path = world.photos / broken
    made = plan(world.catalog, [], [world.photos / NEF, world.photos / JPG], in_place=in_place)
    path.write_bytes(path.read_bytes()[:-3000])
    left = path.read_bytes()
    done = {r.source.name: r for r in carry_out(world.catalog, made, now=NOW)}
    other = JPG if broken == NEF else NEF
    assert (done[broken].status, done[other].status) == ("failed", "repaired")
    assert path.read_bytes() == left
    assert done[other].output.is_file()


def test_undone_with_a_moved_catalog(world, tmp_path):
    """Originals come back bit for bit after the catalog file was moved, or lost and begun anew."""
    before = contents(world.photos)
    world.fix(in_place=True)
    world.catalog.close()
    moved = tmp_path / "elsewhere" / "other name.sqlite"
    moved.parent.mkdir()
    shutil.move(tmp_path / "catalog.sqlite", moved)
    with open_catalog(moved) as catalog:
        assert {u.status for u in undo(catalog, [], catalog.sensors.all())} == {"restored"}
    assert contents(world.photos) == before


def test_undone_after_catalog_and_photos_moved(world, tmp_path):
    """With both moved, the photos that are named come back bit for bit."""
    before = contents(world.photos)
    world.fix(in_place=True)
    world.catalog.close()
    moved = Path(shutil.move(tmp_path / "catalog.sqlite", tmp_path / "moved.sqlite"))
    photos = world.photos.rename(tmp_path / "other drive")
    with open_catalog(moved) as catalog:
        assert {u.status for u in undo(catalog, [photos])} == {"restored"}
    assert contents(photos) == before


def test_a_newer_map_after_a_move(world, tmp_path, template):
    """After a move of the folder a newer revision still starts from the original."""
    world.fix(world.photos / NEF, world.photos / JPG, in_place=True)
    once = contents(world.photos)
    moved = world.photos.rename(tmp_path / "moved")
    world.save_map()
    again = world.fix(moved / NEF, moved / JPG, in_place=True)
    assert {r.status for r in again.values()} == {"repaired"}
    after = contents(moved)
    for name in (NEF, JPG):
        assert after[name] == once[name]
        assert (moved / "defectmap-originals" / name).read_bytes() == (template / name).read_bytes()


def test_an_original_that_is_not_what_was_repaired(world):
    """A newer revision never starts from a backup whose content is not the camera's own."""
    world.fix(world.photos / JPG, in_place=True)
    kept = world.photos / "defectmap-originals" / JPG
    kept.write_bytes(kept.read_bytes()[:-4] + b"oops")
    before = contents(world.photos)
    world.save_map()
    (repair,) = world.fix(world.photos / JPG, in_place=True).values()
    assert repair.status == "failed"
    assert contents(world.photos) == before


def test_a_fault_of_the_program_stops_no_other(world, monkeypatch):
    """A photo that meets an error nobody foresaw fails with what to report, and the others are repaired."""
    correct_raw = repairing._correct_raw

    def faulty(data: bytes, task: repairing.Correction) -> Corrected:
        if task.source.name == NEF:
            raise IndexError("42")
        return correct_raw(data, task)

    monkeypatch.setattr(repairing, "_correct_raw", faulty)
    before = (world.photos / NEF).read_bytes()
    done = world.fix(*(world.photos / name for name in PAIRS), in_place=True)
    assert done[NEF].status == "failed"
    assert "please report it (IndexError: 42)" in done[NEF].reason
    assert all(repair.status == "repaired" for name, repair in done.items() if name != NEF)
    assert (world.photos / NEF).read_bytes() == before


def test_few_photos_wait_at_a_time(world, monkeypatch):
    """However many photos there are, no more than two per worker are under way or wait to be written."""
    made = plan(world.catalog, [], [world.photos / JPG])
    (task,) = [step.task for step in made.steps]
    given: list[int] = []

    class Crew:
        def __init__(self, workers: int) -> None:
            self.workers = workers

        def submit(self, task: repairing.Correction) -> int:
            given.append(len(given))
            return given[-1]

        def result(self, task: repairing.Correction, future: int) -> Corrected | FailedPhotoError:
            return FailedPhotoError("broken") if future == 1000 else Corrected(None, (), str(future))

        def close(self) -> None:
            pass

    monkeypatch.setattr(repairing, "_Crew", Crew)
    tasks = [replace(task, source=Path(f"{number}.jpg")) for number in range(2000)]
    for number, result in enumerate(correct_all(tasks, workers=2)):
        assert len(given) - number <= 4
        assert result.reason == ("broken" if number == 1000 else str(number))
    assert len(given) == 2000


def test_a_copy_of_a_photo_repaired_in_place(world, tmp_path):
    """A newer map does not touch a copy of a photo whose original is kept elsewhere, for another."""
    world.fix(world.photos / JPG, in_place=True)
    copy = Path(shutil.copy2(world.photos / JPG, tmp_path / "copy.jpg"))
    before = contents(world.photos), copy.read_bytes()
    world.save_map(PLANTED[:2])
    (repair,) = world.fix(copy, in_place=True).values()
    assert repair.status == "skipped"
    assert f"is a copy of {world.photos / JPG}, which was repaired in place" in repair.reason
    assert (contents(world.photos), copy.read_bytes()) == before

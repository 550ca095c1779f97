"""What is planned for which photo, and where it goes."""

from __future__ import annotations

import shutil
from datetime import datetime

import pytest

from defectmap.catalog.records import RevisionRecord
from defectmap.errors import UsageError
from defectmap.fix import carry_out, plan
from defectmap.ingest import ingest
from defectmap.model.defects import DefectMap, Period, Structure, StructureKind
from defectmap.simulation.files import write_shoot

from .fixing import NOW, PLANTED, camera, contents

NEF, JPG, COMPRESSED = "DSC_0001.NEF", "DSC_0001.JPG", "DSC_0004.NEF"
SITES = tuple((d.row, d.col) for d in PLANTED)


def statuses(repairs: dict) -> set[str]:
    """Return the statuses of some repairs."""
    return {repair.status for repair in repairs.values()}


def test_a_plan_is_what_is_done(world):
    """Planning writes nothing, planning again plans the same, and the run does what the plan says."""
    before = contents(world.photos)
    made = plan(world.catalog, [world.sensor], [])
    assert made.repairs == plan(world.catalog, [world.sensor], []).repairs
    assert contents(world.photos) == before
    assert len(made.repairs) == 7
    told = []
    done = carry_out(world.catalog, made, progress=lambda *args: told.append(args))
    assert [(r.source, r.output, r.camera, r.revision) for r in done] == [
        (r.source, r.output, r.camera, r.revision) for r in made.repairs
    ]
    for planned, repaired in zip(made.repairs, done, strict=True):
        assert (planned.status, planned.repaired) == ("planned", SITES)
        assert (repaired.status, repaired.reason) == ("repaired", "")
        assert set(repaired.repaired) <= set(SITES)
        assert repaired.output.is_file()
    assert told == [("Repairing", n, 7) for n in range(1, 8)]


def test_our_own_files_are_not_repaired(world):
    """A repaired copy and a kept original are left alone where they are named."""
    world.fix(world.photos / JPG)
    world.fix(world.photos / NEF, in_place=True)
    copy = world.photos / "defectmap" / JPG
    kept = world.photos / "defectmap-originals" / NEF
    for in_place in (False, True):
        repairs = world.fix(copy, kept, in_place=in_place)
        assert statuses(repairs) == {"skipped"}
        assert "repaired copy of" in repairs[JPG].reason
        assert "original of a photo" in repairs[NEF].reason


def test_no_other_file_is_overwritten(world):
    """A file that is in the way stays; one that we wrote and somebody changed stays too."""
    target = world.photos / "defectmap" / JPG
    target.parent.mkdir()
    target.write_bytes(b"somebody's")
    (repair,) = world.fix(world.photos / JPG).values()
    assert (repair.status, repair.output) == ("skipped", None)
    assert "not overwritten" in repair.reason
    assert target.read_bytes() == b"somebody's"
    target.unlink()
    assert statuses(world.fix(world.photos / JPG)) == {"repaired"}
    target.write_bytes(target.read_bytes() + b"edited")
    world.save_map(PLANTED[:2])
    assert statuses(world.fix(world.photos / JPG)) == {"skipped"}


def test_without_a_map(world):
    """A camera that was ingested but never judged says what to do."""
    (world.photos / NEF).unlink()
    write_shoot(camera(serial="999"), world.photos / "other", 1, ("jpeg",))
    ingest(world.catalog, [world.photos / "other"])
    (repair,) = plan(world.catalog, [], [world.photos / "other"]).repairs
    assert (repair.status, repair.revision) == ("skipped", None)
    assert "defectmap detect" in repair.reason
    gone = {r.source.name: r for r in plan(world.catalog, [world.sensor], []).repairs}[NEF]
    assert gone.status == "skipped"
    assert "bring its drive back" in gone.reason


def test_a_photo_that_is_not_in_the_catalog(world):
    """A later photo of the same camera is repaired from the map without being ingested."""
    write_shoot(camera(), world.photos / "later", 1, ("jpeg", "nef"), first=9, compressions=("packed",))
    repairs = world.fix(world.photos / "later")
    assert statuses(repairs) == {"repaired"}
    frames = len(world.catalog.frames.of_stream(1))
    assert statuses(world.fix(world.photos / "later", in_place=True)) == {"repaired"}
    assert statuses(world.fix(world.photos / "later", in_place=True)) == {"clean"}
    again = ingest(world.catalog, [world.photos / "later"])
    assert (again.ingested, len(again.skipped)) == (0, 2)
    assert len(world.catalog.frames.of_stream(1)) == frames


def test_the_map_of_the_day(world):
    """A photo from before the defects is clean, with a sentence, and nothing is written."""
    world.save_map(periods=(Period(datetime(2015, 1, 1), datetime(2015, 1, 2)),))
    before = contents(world.photos)
    repairs = world.fix()
    assert statuses(repairs) == {"clean"}
    assert {r.reason for r in repairs.values()} == {"has no known defect"}
    assert contents(world.photos) == before


def test_output_folder(world, tmp_path):
    """With --output the subfolders are kept below the folder that all photos share."""
    out = tmp_path / "out"
    repairs = world.fix(world.photos, output=out)
    assert repairs[NEF].output == out / NEF
    assert repairs[COMPRESSED].output == out / "more" / COMPRESSED
    assert sorted(contents(out)) == sorted(
        [f"more/{COMPRESSED}", *(f"DSC_000{n}.{kind}" for n in (1, 2, 3) for kind in ("JPG", "NEF"))]
    )


def test_raw_beside_its_dng(world):
    """A raw that lies beside a DNG of its name is made a DNG too, under a name that holds both."""
    write_shoot(camera(), world.photos / "more", 1, ("dng",), first=3)
    first = world.fix(world.photos / "more" / COMPRESSED, format="dng")[COMPRESSED]
    assert (first.status, first.output.name) == ("repaired", f"{COMPRESSED}.dng")
    again = world.fix(world.photos / "more" / COMPRESSED, format="dng")[COMPRESSED]
    assert (again.status, again.reason.endswith(f"{COMPRESSED}.dng")) == ("clean", True)


def test_a_raw_that_cannot_be_written(world):
    """A raw whose coding is not written here becomes a DNG, and is skipped in place with a way out."""
    source = world.photos / "more" / COMPRESSED
    plain = bytes.fromhex("4630 0800 0800 0800 0800")  # the table of lossless Nikon compression
    other = source.with_name("DSC_0005.NEF")
    other.write_bytes(source.read_bytes().replace(plain, b"\x44\x20" + plain[2:]))
    (step,) = plan(world.catalog, [], [other]).steps
    assert (step.task.form, step.repair.output.name) == ("dng", "DSC_0005.dng")
    (repair,) = plan(world.catalog, [], [other], in_place=True).repairs
    assert repair.status == "skipped"
    assert "split curve" in repair.reason and "write a DNG instead" in repair.reason


def test_names_of_renderings(world):
    """A rendered raw gets the suffix of its format, after its whole name where that picture exists."""
    tiff, jpeg = (plan(world.catalog, [], [world.photos / NEF], format=f).repairs for f in ("tiff", "jpeg"))
    assert tiff[0].output == world.photos / "defectmap" / "DSC_0001.tif"
    assert jpeg[0].output == world.photos / "defectmap" / "DSC_0001.NEF.jpg"
    (alone,) = plan(world.catalog, [], [world.photos / "more"], format="jpeg").repairs
    assert alone.output.name == "DSC_0004.jpg"


def test_a_jpeg_becomes_nothing_else(world):
    """A JPEG is not made a DNG or TIFF, and the reason says what keeps it; as JPEG it stays what it is."""
    jpg = world.photos / "DSC_0001.JPG"
    for form in ("dng", "tiff"):
        (repair,) = plan(world.catalog, [], [jpg], format=form).repairs
        assert repair.status == "skipped"
        assert "leave out --format" in repair.reason
    (step,) = plan(world.catalog, [], [jpg], format="jpeg").steps
    assert (step.task.form, step.repair.output.name) == ("same", "DSC_0001.JPG")


def test_photos_of_one_name(world):
    """Of two photos that would become the same file the second is skipped and says so."""
    shutil.copy2(world.photos / "more" / COMPRESSED, world.photos / "dsc_0001.nef")
    first, second = plan(
        world.catalog, [], [world.photos / NEF, world.photos / "dsc_0001.nef"], format="dng"
    ).repairs
    assert (first.status, second.status) == ("planned", "skipped")
    assert "same file" in second.reason


def test_usage(world):
    """Contradicting options, and naming neither photos nor cameras, are mistakes of usage."""
    for sensors, options in (
        ([world.sensor], {"in_place": True, "output": world.photos}),
        ([world.sensor], {"in_place": True, "format": "dng"}),
        ([], {}),
    ):
        with pytest.raises(UsageError):
            plan(world.catalog, sensors, [], **options)


def test_another_camera(world):
    """With a camera named, photos of other cameras are skipped."""
    write_shoot(camera(serial="999"), world.photos / "other", 1, ("jpeg",))
    ingest(world.catalog, [world.photos / "other"])
    other, ours = plan(world.catalog, [world.sensor], [world.photos / "other", world.photos / JPG]).repairs
    if other.source.parent.name != "other":
        other, ours = ours, other
    assert (other.status, ours.status) == ("skipped", "planned")
    assert "another camera" in other.reason


def test_photos_of_one_name_in_another_run(world):
    """What a run leaves out because another photo has its place, the next run leaves out as well."""
    shutil.copy2(world.photos / "more" / COMPRESSED, world.photos / "dsc_0001.nef")
    for status in ("repaired", "clean"):
        done = world.fix(world.photos / NEF, world.photos / "dsc_0001.nef", format="dng")
        assert (done[NEF].status, done["dsc_0001.nef"].status) == (status, "skipped")
        assert "same file" in done["dsc_0001.nef"].reason


def test_output_that_is_a_file(world):
    """A file named as the output folder is refused before anything is done."""
    with pytest.raises(UsageError, match="is a file"):
        world.fix(world.photos, output=world.photos / NEF)


def test_a_moved_folder(world, tmp_path):
    """Photos repaired in place, or into a copy beside them, are still known for it after a move."""
    world.fix(world.photos / NEF, in_place=True)
    world.fix(world.photos / JPG)
    moved = tmp_path / "moved"
    world.photos.rename(moved)
    outcome = ingest(world.catalog, [moved])
    assert (outcome.ingested, outcome.skipped, outcome.failed) == (0, (), ())
    done = world.fix()
    for name, there in ((NEF, moved / NEF), (JPG, moved / JPG)):
        assert (done[name].status, done[name].source) == ("clean", there)
        assert "already" in done[name].reason


def test_lines_are_planned_for_raw_files(world):
    """The sites of bad columns are planned in raw files; a JPEG with nothing else says why it is left."""
    column = Structure(StructureKind.COLUMN, 10, 50, 60, 51)
    lattice = Structure(StructureKind.LATTICE, 10, 64, 80, 90, (12, 6), sign=-1)
    streams = world.catalog.sensors.streams(world.sensor.id)
    maps = {stream.id: DefectMap(stream.grid, (), (column, lattice)) for stream in streams}
    world.catalog.revisions.save(world.sensor.id, RevisionRecord(maps, NOW, "0", 1, 7, 7))
    repairs = {r.source.name: r for r in plan(world.catalog, [world.sensor], []).repairs}
    assert (repairs[NEF].status, repairs[NEF].repaired) == ("planned", tuple(column.sites()))
    assert repairs[JPG].status == "clean"
    assert "only raw files" in repairs[JPG].reason

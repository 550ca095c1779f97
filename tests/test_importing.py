"""Lists of other programs beside the evidence."""

from __future__ import annotations

from pathlib import Path

import pytest

from defectmap.catalog.checking import check
from defectmap.catalog.records import StreamRecord
from defectmap.catalog.store import open_catalog
from defectmap.detect import detect
from defectmap.errors import DefectmapError, UsageError
from defectmap.export import export_list, write_export
from defectmap.fix import carry_out, plan
from defectmap.importing import import_list, remove_list
from defectmap.merge import merge
from defectmap.model.defects import DefectMap
from defectmap.model.listed import ListedSite, as_defect, is_listed, with_listed
from defectmap.model.registration import Registration
from defectmap.overview import cameras, naming_lists

from .fixing import NOW, World


def _raw(world: World) -> StreamRecord:
    return next(s for s in world.catalog.sensors.streams(world.sensor.id) if s.grid.kind == "raw")


def _map(world: World) -> DefectMap:
    latest = world.catalog.revisions.latest(world.sensor.id)
    assert latest is not None
    return latest.maps[_raw(world).id]


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """Return a list of dcraw: a site that is bad in the photos, a healthy one, one said to die in 2030."""
    path = tmp_path / "old.badpixels"
    path.write_text("24 20 0\n50 30 0\n62 44 1900000000\n", encoding="ascii")
    return path


def _take(world: World, path: Path, form: str = "dcraw", **options: str) -> None:
    import_list(world.catalog, world.sensor, path, form, now=NOW, **options)


def test_a_list_is_a_witness_of_its_own(world: World, old: Path) -> None:
    """What the photos tell is the same with and without a list; what it adds is marked, and not counted."""
    before = detect(world.catalog, world.sensor, now=NOW)
    taken = import_list(world.catalog, world.sensor, old, "dcraw", now=NOW)
    own = before.revision.maps[_raw(world).id]
    with_list = taken.detection.revision.maps[_raw(world).id]
    assert [d for d in with_list if not is_listed(d)] == list(own)
    assert with_list.structures == own.structures
    assert taken.detection.defects == before.defects
    assert {(d.row, d.col, d.origin) for d in with_list if is_listed(d)} == {
        (row, col, "list:old.badpixels") for row, col in {(20, 24), (30, 50), (44, 62)} - own.sites
    }
    assert taken.confirmed == len({(20, 24), (30, 50), (44, 62)} & own.sites)
    assert sum(camera.defects for camera in cameras(world.catalog)) == before.defects
    for entry in naming_lists(world.catalog, _raw(world), with_list):
        assert entry in {(20, 24), (30, 50), (44, 62)}


def test_taking_it_out_leaves_no_trace(world: World, old: Path) -> None:
    """After --remove the map is what it was before, and the list may come again."""
    before = detect(world.catalog, world.sensor, now=NOW).revision
    _take(world, old)
    after = remove_list(world.catalog, world.sensor, "old.badpixels", now=NOW).revision
    assert dict(after.maps) == dict(before.maps)
    with pytest.raises(UsageError, match="there is none"):
        remove_list(world.catalog, world.sensor, "old.badpixels")
    _take(world, old)
    with pytest.raises(UsageError, match=r"there is old\.badpixels"):
        remove_list(world.catalog, world.sensor, "new")


def test_a_listed_site_is_repaired_where_a_photo_shows_it(world: World, old: Path) -> None:
    """Fix leaves a healthy photosite alone that a list calls bad, now or later, and repairs a bad one."""
    _take(world, old)
    made = plan(world.catalog, [world.sensor], [world.photos / "DSC_0001.NEF"])
    (repair,) = carry_out(world.catalog, made, now=NOW)
    assert (20, 24) in repair.repaired
    assert not {(30, 50), (44, 62)} & set(repair.repaired)
    # The list names it from 2030 on, so that it is not even looked at.
    assert (30, 50) in made.repairs[0].repaired and (44, 62) not in made.repairs[0].repaired


def test_a_list_comes_twice(world: World, old: Path, tmp_path: Path) -> None:
    """The same list again changes nothing; another of the same name is refused, and taken under another."""
    first = import_list(world.catalog, world.sensor, old, "dcraw", now=NOW)
    again = import_list(world.catalog, world.sensor, old, "dcraw", now=NOW)
    assert (first.known, again.known) == (False, True)
    assert first.detection.revision == again.detection.revision
    other = tmp_path / "b" / "old.badpixels"
    other.parent.mkdir()
    other.write_text("1 2\n")
    with pytest.raises(UsageError, match="--name"):
        _take(world, other, "rawtherapee")
    _take(world, other, "rawtherapee", name="of RawTherapee")
    names = [stored.record.name for stored in world.catalog.imports.of_sensor(world.sensor.id)]
    assert names == ["old.badpixels", "of RawTherapee"]


def test_what_does_not_fit_is_refused_whole(world: World, tmp_path: Path) -> None:
    """The file is named with the reason, and the catalog is as it was."""
    path = tmp_path / "list"
    for text, name, reason in (
        ("1 1 0\n500 1 0\n", "dcraw", "list has column 500 of row 1 in line 2, outside of the 128 x 96"),
        ("1 1\n", "dcraw", "has no time in line 1"),
        ("\n", "dcraw", "names no photosite"),
        ("II", "dng", "is not a photo"),
    ):
        path.write_text(text)
        with pytest.raises(DefectmapError, match=reason):
            _take(world, path, name)
    with pytest.raises(DefectmapError, match="does not exist"):
        _take(world, tmp_path / "nowhere")
    with pytest.raises(DefectmapError, match="is not a file"):
        _take(world, tmp_path)
    with pytest.raises(UsageError, match="raw files alone"):
        _take(world, path, grid="jpeg")
    assert world.catalog.imports.of_sensor(world.sensor.id) == []


@pytest.mark.parametrize("name", ["dcraw", "siril", "pixinsight", "lsst", "fits", "png", "csv", "json"])
def test_what_was_exported_comes_back(name: str, world: World, tmp_path: Path) -> None:
    """All sites of an exported map are confirmed when the list is imported again."""
    world.save_map()
    exported = export_list(world.catalog, world.sensor, name)
    path = write_export(exported, tmp_path / exported.name)
    taken = import_list(world.catalog, world.sensor, path, name, now=NOW)
    assert taken.sites == exported.sites == 4


def test_merging_takes_lists_along(world: World, old: Path, tmp_path: Path) -> None:
    """A shard brings its lists, also when its photos are here already; two of one name are both kept."""
    shard = tmp_path / "shard.sqlite"
    shard.touch()
    world.catalog.database.backup(shard)
    with open_catalog(shard) as other:
        import_list(other, other.sensors.all()[0], old, "dcraw", now=NOW)
    old.write_text("7 8 0\n")
    _take(world, old)
    assert merge(world.catalog, [shard]).known == 1
    assert merge(world.catalog, [shard]).known == 1
    lists = world.catalog.imports.of_sensor(world.sensor.id)
    assert [(stored.record.name, len(stored.record.sites)) for stored in lists] == [
        ("old.badpixels", 1),
        ("old.badpixels (2)", 3),
    ]
    with open_catalog(tmp_path / "new.sqlite", create=True) as new:
        merge(new, [shard])
        (stored,) = new.imports.of_sensor(new.sensors.all()[0].id)
        assert len(stored.record.sites) == 3
    assert check(world.catalog.path).ok


def test_check_sees_sites_that_no_sensor_has(world: World, old: Path) -> None:
    """A site outside of its grid is a problem that names the list."""
    _take(world, old)
    world.catalog.database.connection.exec_driver_sql("UPDATE listed_sites SET row = 9999 WHERE row = 30")
    assert check(world.catalog.path).problems == (
        "list old.badpixels names row 9999, column 50, which the camera does not have",
    )


def test_a_suspect_stays_one_beside_a_list(world: World) -> None:
    """A list does not decide: the suspect is there as before, and the listed site beside it."""
    world.save_map(certain=False, missing="proof")
    found = _map(world)
    site = found.suspects[0]
    both = with_listed(found, [as_defect(ListedSite(site.row, site.col), "old", "R")] * 2)
    assert both.suspects == found.suspects
    assert [(d.row, d.col) for d in both.defects] == [(site.row, site.col)]


def test_a_list_of_raw_files_serves_jpegs_too(world: World, old: Path) -> None:
    """Where JPEGs are known to lie on raw files, listed sites are carried over as defects are."""
    raw = _raw(world)
    jpeg = next(s for s in world.catalog.sensors.streams(world.sensor.id) if s.grid.kind == "jpeg")
    lies = Registration(raw.grid, jpeg.grid, 1.0, 0.0, 0.0, 7, 9, 1e-20, "preview")
    world.catalog.sensors.register(raw.id, jpeg.id, lies)
    taken = import_list(world.catalog, world.sensor, old, "dcraw", now=NOW)
    for stream in (raw, jpeg):
        found = taken.detection.revision.maps[stream.id]
        assert {(30, 50), (44, 62)} <= {(d.row, d.col) for d in found.defects if is_listed(d)}

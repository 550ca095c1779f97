"""Revisions of the defect map: numbered, unchanged where nothing changed, and aware of time."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from defectmap.catalog.store import open_catalog
from defectmap.detect import detect
from defectmap.errors import CatalogError
from defectmap.fix import plan
from defectmap.ingest import ingest
from defectmap.model.defects import Kind
from defectmap.model.evidence import METHOD
from defectmap.model.footprints import Footprints
from defectmap.model.sensor import Grid, SensorIdentity
from defectmap.simulation import Habits, PlantedDefect, Planting
from defectmap.simulation.files import write_shoot

from .conftest import small_camera


@pytest.fixture(scope="module")
def two_years(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of two years; one site is dead all along, one from the new year on, one only in the old year."""
    turn = datetime(2011, 1, 1)
    defects = (
        PlantedDefect(20, 30, Kind.DEAD, "strong", gain=0.0),
        PlantedDefect(60, 81, Kind.STUCK, "strong", level=0.9, onset=turn),
        PlantedDefect(91, 120, Kind.STUCK, "strong", level=0.9, healed=turn),
    )
    camera = small_camera(
        seed=8, defects=defects, start=datetime(2010, 7, 1), days=360, habits=Habits(tripod_share=0.0)
    )
    folder = tmp_path_factory.mktemp("years")
    write_shoot(camera, folder, 60, formats=("nef",))
    return folder


def test_map_knows_since_when(two_years: Path, tmp_path: Path) -> None:
    """Onset and healing lie in the intervals of the map, and the map of a day holds what was bad then."""
    turn = datetime(2011, 1, 1)
    with open_catalog(tmp_path / "catalog.sqlite", create=True) as catalog:
        ingest(catalog, [two_years])
        (sensor,) = catalog.sensors.all()
        (found,) = detect(catalog, sensor).revision.maps.values()
        by_site = {(d.row, d.col): d for d in found.defects}
        assert set(by_site) == {(20, 30), (60, 81), (91, 120)}
        dead, late, healed = (by_site[site] for site in ((20, 30), (60, 81), (91, 120)))
        assert (dead.last_good, dead.first_bad, dead.last_bad, dead.first_good) == (None,) * 4
        assert late.last_good < turn <= late.first_bad
        assert late.first_good is None
        assert healed.last_good is None
        assert healed.last_bad < turn <= healed.first_good
        assert found.valid_on(datetime(2010, 8, 1)).sites == {(20, 30), (91, 120)}
        assert found.valid_on(datetime(2011, 5, 1)).sites == {(20, 30), (60, 81)}


def test_old_years_are_folded(two_years: Path, tmp_path: Path) -> None:
    """The newest year keeps sums of its own, all years before share theirs, whatever came first."""
    paths = sorted(two_years.glob("*.NEF"))
    for number, goes in enumerate(([paths], [paths[40:], paths[:40]], [paths[:20], paths[20:]])):
        with open_catalog(tmp_path / f"{number}.sqlite", create=True) as catalog:
            for go in goes:
                ingest(catalog, go)
            (stream,) = catalog.sensors.streams()
            assert catalog.evidence.epochs(stream.id) == [0, 2011]


def test_same_evidence_makes_no_new_revision(two_years: Path, tmp_path: Path) -> None:
    """Detecting twice leaves one revision; new photos make a second one, and the first stays as it was."""
    paths = sorted(two_years.glob("*.NEF"))
    with open_catalog(tmp_path / "catalog.sqlite", create=True) as catalog:
        ingest(catalog, paths[:30])
        (sensor,) = catalog.sensors.all()
        first = detect(catalog, sensor, now=datetime(2012, 1, 1, tzinfo=UTC))
        again = detect(catalog, sensor)
        assert (first.is_new, first.revision.number, again.is_new, again.revision.number) == (
            True,
            1,
            False,
            1,
        )
        before = first.revision.maps
        (source,) = first.revision.content.provenance["streams"]
        assert (source["kind"], source["frames"], source["height"]) == ("raw", 30, 123)
        ingest(catalog, paths[30:])
        second = detect(catalog, sensor)
        assert (second.is_new, second.revision.number) == (True, 2)
        assert catalog.revisions.numbered(sensor.id, 1).maps == before


def test_undated_photos_have_a_map_without_dates(tmp_path: Path) -> None:
    """Photos without a date are counted, and the map made from them says bad all along."""
    camera = small_camera(seed=9, planting=Planting(per_stratum=1, late_share=0, healed_share=0))
    truth = write_shoot(camera, tmp_path, 12, formats=("nef",))
    for exposure, (name,) in zip(truth.frames, truth.files, strict=True):
        assert exposure.conditions.captured is not None
        date = exposure.conditions.captured.strftime("%Y:%m:%d %H:%M:%S").encode()
        path = tmp_path / name
        path.write_bytes(path.read_bytes().replace(date, b"0000:00:00 00:00:00"))
    with open_catalog(tmp_path / "catalog.sqlite", create=True) as catalog:
        outcome = ingest(catalog, [tmp_path])
        assert outcome.ingested == 12
        (sensor,) = catalog.sensors.all()
        (found,) = detect(catalog, sensor).revision.maps.values()
        assert found.defects
        assert all(d.first_bad is None and d.first_good is None for d in found)


def test_sensor_without_photos_of_a_kind_has_an_empty_map(tmp_path: Path) -> None:
    """One photo is too little for any verdict, and that is no error."""
    write_shoot(small_camera(seed=10), tmp_path, 1, formats=("jpeg",))
    with open_catalog(tmp_path / "catalog.sqlite", create=True) as catalog:
        ingest(catalog, [tmp_path])
        (sensor,) = catalog.sensors.all()
        found = detect(catalog, sensor)
        assert (found.defects, found.suspects) == (0, 0)


def test_evidence_of_another_method_is_refused(tmp_path: Path) -> None:
    """Sums that an earlier version of the method measured are not judged as if they were of this one."""
    with open_catalog(tmp_path / "catalog.sqlite", create=True) as catalog:
        sensor_id = catalog.sensors.sensor(SensorIdentity("NIKON", "D80", "1")).id
        catalog.sensors.stream(sensor_id, Grid("jpeg", 40, 60), None, METHOD - 1)
        with pytest.raises(CatalogError, match="ingest the photos into a new catalog"):
            detect(catalog, catalog.sensors.all()[0])


def test_footprints_are_stored_with_the_map(tmp_path: Path) -> None:
    """Strong sites in JPEGs teach how their camera smears them; a repair of such a photo is told so."""
    # All of one phase, as each has a footprint of its own.
    places = [(20 + 24 * row, 20 + 24 * col) for row in range(4) for col in range(6)]
    defects = tuple(PlantedDefect(*place, Kind.STUCK, "strong", level=0.95) for place in places)
    photos = tmp_path / "photos"
    photos.mkdir()
    write_shoot(small_camera(seed=11, defects=defects), photos, 25, formats=("jpeg",))
    with open_catalog(tmp_path / "catalog.sqlite", create=True) as catalog:
        ingest(catalog, sorted(photos.iterdir()))
        (sensor,) = catalog.sensors.all()
        first = detect(catalog, sensor)
        assert not detect(catalog, sensor).is_new
        (source,) = first.revision.content.provenance["streams"]
        stored = Footprints.from_document(source["footprints"])
        assert stored.usual_dn is not None
        assert 20 < stored.usual_dn < 235
        assert stored.shapes
        assert all(shape.luma[4, 4] == pytest.approx(1.0, abs=0.01) for shape in stored.shapes.values())
        step = plan(catalog, [], sorted(photos.iterdir())[:1]).steps[0]
        assert step.task is not None
        assert step.task.footprints.document() == source["footprints"]


def test_years_make_room_for_the_next(tmp_path: Path) -> None:
    """A new year takes the room of the sums that are folded: never is there room for three."""
    camera = small_camera(seed=9, start=datetime(2010, 7, 1), days=900, habits=Habits(tripod_share=0.0))
    write_shoot(camera, tmp_path / "photos", 36, formats=("nef",))
    paths = sorted((tmp_path / "photos").glob("*.NEF"))
    with open_catalog(tmp_path / "catalog.sqlite", create=True) as catalog:
        for first in range(0, 36, 3):
            ingest(catalog, paths[first : first + 3])
        (stream,) = catalog.sensors.streams()
        assert catalog.evidence.epochs(stream.id) == [0, 2012]
        pages, free = (
            catalog.database.connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("page_count", "freelist_count")
        )
        assert free < 0.15 * pages

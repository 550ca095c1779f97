"""Promises to users of earlier releases: their catalogs are upgraded with all that they hold."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from defectmap.catalog.checking import check
from defectmap.catalog.schema import HEAD
from defectmap.catalog.store import open_catalog, upgrade
from defectmap.model.defects import Kind
from defectmap.model.listed import ListedSite

FROZEN = sorted((Path(__file__).parent / "assets").glob("schema-*.sqlite"))


def test_every_schema_is_frozen():
    """There is a frozen catalog of each schema up to the present one."""
    assert [f"schema-{number:04}" for number in range(1, int(HEAD) + 1)] == [path.stem for path in FROZEN]


@pytest.mark.parametrize("frozen", FROZEN, ids=lambda path: path.stem)
def test_frozen_catalog_keeps_all_that_it_holds(frozen, tmp_path):
    """A catalog of a released schema is upgraded, is whole, and still holds what its script wrote."""
    path = Path(shutil.copyfile(frozen, tmp_path / "catalog.sqlite"))

    copy = upgrade(path)

    assert (copy is None) == (frozen.stem == f"schema-{HEAD}")
    assert check(path).ok
    with open_catalog(path) as catalog:
        (sensor,) = catalog.sensors.find("the old one")
        raw, jpeg = catalog.sensors.streams(sensor.id)
        assert raw.geometry.cfa == ("RG", "GB")
        assert jpeg.grid.kind == "jpeg"
        frames = catalog.frames.of_stream(raw.id)
        assert [f"DSC_000{number}.NEF" for number in range(3)] == [frame.name for frame in frames]
        assert frames[2].conditions.captured == datetime(2009, 5, 3, 12, 0, 0, 70000)
        light = (900.0, 250.0) if frozen.stem >= "schema-0006" else (None, None)
        assert (frames[1].level_dn, frames[1].contrast_dn) == light
        ids = [frame.id for frame in frames]
        joined = [ids[0], ids[1], ids[0]] if frozen.stem >= "schema-0008" else ids
        assert joined == [frame.scene for frame in frames]
        assert [seen.tolist() for _, seen in catalog.frames.sightings(raw.id)] == [[(3, 4, 9.5)]] * 3
        faint = [(seen.least, seen.records.tolist()) for _, seen in catalog.frames.faint(raw.id)]
        assert faint == 3 * [(14, [(7, -15), (90, 14), (91, 20)])] * (frozen.stem >= "schema-0007")
        assert catalog.files.paths_of(frames[0].id) == [Path("/photos/DSC_0000.NEF")]
        assert catalog.files.by_path(Path("/photos/\udcff.jpg")).reason == "no permission"
        catalog.evidence.fold_epochs(raw.id, keep=0)
        np.testing.assert_array_equal(np.full((12, 16), 6), catalog.evidence.read_plane(raw.id, 0, "sum"))
        revision = catalog.revisions.latest(sensor.id)
        assert [(defect.row, defect.col, defect.kind) for defect in revision.maps[raw.id]] == [
            (3, 4, Kind.HOT)
        ]
        known_to = [defect.strength_sd for defect in revision.maps[raw.id]]
        assert known_to == [3.5 if frozen.stem >= "schema-0004" else None]
        (known,) = revision.maps[raw.id]
        dates = [(period.first_good, period.first_bad, period.onset) for period in known.periods]
        first, last = (datetime(2009, 4, 3, 12), None, None), (None, *2 * (datetime(2009, 5, 1, 12),))
        assert dates == ([first, last] if frozen.stem >= "schema-0006" else [(*last[:2], None)])
        columns = [(list(column.sites()), column.last_good) for column in revision.maps[raw.id].lines]
        half = ([(2, 5), (4, 5), (6, 5), (8, 5)], datetime(2009, 5, 1, 12))
        assert columns == ([half] if frozen.stem >= "schema-0003" else [])
        if frozen.stem >= "schema-0002":
            ((_, lies),) = catalog.sensors.registrations(sensor.id).items()
            assert (lies.scale, lies.row, lies.col, lies.basis) == (1.0, 1.0, 2.0, "preview")
            assert [defect.origin for defect in revision.maps[jpeg.id]] == ["raw:16x12"]
        else:
            assert catalog.sensors.registrations(sensor.id) == {}
            assert len(revision.maps[jpeg.id]) == 0
        lists = [(stored.record.name, stored.record.sites) for stored in catalog.imports.of_sensor(sensor.id)]
        sites = (ListedSite(3, 4), ListedSite(5, 6, datetime(2008, 2, 29, 12), datetime(2009, 5, 2)))
        assert lists == ([(".badpixels", sites)] if frozen.stem >= "schema-0005" else [])
        assert [stored.repair.backup for stored in catalog.repairs.select()] == [
            Path("/photos/kept/DSC_0001.NEF")
        ]


def test_frames_of_before_get_their_scenes(tmp_path):
    """Frames that an older program added are compared when their catalog is upgraded."""
    (frozen,) = (path for path in FROZEN if path.stem == "schema-0007")
    path = Path(shutil.copyfile(frozen, tmp_path / "catalog.sqlite"))
    looks = np.random.default_rng(1).integers(-127, 128, (2, 256)).astype(np.int8)
    with closing(sqlite3.connect(path)) as connection:
        for name, look in (("DSC_0000.NEF", 0), ("DSC_0001.NEF", 1), ("DSC_0002.NEF", 0)):
            values = looks[look].tobytes(), name
            connection.execute("UPDATE frames SET signature = ? WHERE name = ?", values)
        connection.commit()

    upgrade(path)

    with open_catalog(path) as catalog:
        first, second, third = (
            f for stream in catalog.sensors.streams() for f in catalog.frames.of_stream(stream.id)
        )
        assert (first.scene, second.scene, third.scene) == (first.id, second.id, first.id)

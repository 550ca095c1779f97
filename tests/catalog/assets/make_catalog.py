"""Make the frozen catalog of the present schema, once per released schema; never make an old one again.

Run in a checkout of the release, with the program of that release installed::

    python tests/catalog/assets/make_catalog.py

and commit the new ``schema-NNNN.sqlite``. The tests open every frozen catalog, upgrade it and look for what
is written here, so a later release may add to this script but not change what it writes.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from defectmap.catalog.records import FileRecord, FrameRecord, ListRecord, RepairRecord, RevisionRecord
from defectmap.catalog.schema import HEAD
from defectmap.catalog.store import open_catalog
from defectmap.model.defects import Defect, DefectMap, Kind, Period, Structure, StructureKind
from defectmap.model.faint import FAINT, FaintSightings
from defectmap.model.frame import Conditions
from defectmap.model.listed import ListedSite
from defectmap.model.registration import Registration
from defectmap.model.sensor import Grid, MosaicGeometry, SensorIdentity

GEOMETRY = MosaicGeometry(12, 16, 1, 2, 10, 12, ("RG", "GB"), (0, 0, 0, 0), 3880, "rawpy 0.24, LibRaw 0.21")
PERIODS = (
    Period(last_bad=datetime(2009, 4, 1, 12), first_good=datetime(2009, 4, 3, 12)),
    Period(first_bad=datetime(2009, 5, 1, 12), onset=datetime(2009, 5, 1, 12), confidence=0.75),
)
FAINTLY = FaintSightings(14, np.array([(7, -15), (90, 14), (91, 20)], FAINT))
CREATED = datetime(2024, 2, 29, 12, 0, tzinfo=UTC)


def make(path: Path) -> None:
    """Make a catalog with something in every table."""
    with open_catalog(path, create=True) as catalog, catalog.transaction():
        sensor = catalog.sensors.sensor(SensorIdentity("NIKON CORPORATION", "NIKON D80", "3012345"))
        catalog.sensors.set_nickname(sensor.id, "the old one")
        raw = catalog.sensors.stream(sensor.id, GEOMETRY.grid, GEOMETRY, method=1)
        jpeg = catalog.sensors.stream(sensor.id, Grid("jpeg", 10, 12), None, method=1)
        lies = Registration(raw.grid, jpeg.grid, 1.0, 1.0, 2.0, 7, 9, 1e-20, "preview")
        catalog.sensors.register(raw.id, jpeg.id, lies)
        for number in range(3):
            captured = datetime(2009, 5, 1 + number, 12, 0, 0, 70000)
            conditions = Conditions(captured, 0.5, 1600.0, 100 + number, 35.0, 21.5, 6, "Ver.1.01", "OFF")
            digest, name = bytes([number]) * 32, f"DSC_000{number}.NEF"
            frame = FrameRecord(digest, name, conditions, b"scene", True, number % 2, 900.0, 250.0)
            seen = np.array([(3, 4, 9.5)], dtype=[("row", "<u2"), ("col", "<u2"), ("z", "<f4")])
            frame_id = catalog.frames.add(raw.id, frame, seen, FAINTLY)
            photo = FileRecord(
                Path("/photos") / name, 1000, 1_240_000_000, digest, "frame", frame_id=frame_id
            )
            catalog.files.remember(photo)
            sums = np.full((12, 16), number + 1)
            catalog.evidence.add_to_planes(
                raw.id, frame.epoch, {"sum": sums, "n": (sums > 0).astype(np.uint32)}
            )
        (first, _, third) = catalog.frames.of_stream(raw.id)
        catalog.scenes.join(raw.id, {third.id: first.id})
        strange = FileRecord(Path("/photos/\udcff.jpg"), 9, 1, None, "failed", "no permission")
        catalog.files.remember(strange)
        hot = Defect(3, 4, Kind.HOT, "R", 41.5, "DN/s at ISO 100", 12.25, 3, 3, periods=PERIODS)
        hot = replace(hot, strength_sd=3.5)
        carried = replace(hot, row=2, col=2, origin="raw:16x12")
        half = Structure(
            StructureKind.COLUMN, 2, 5, 9, 6, (2, 1), ((0, 0),), 7.5, -1, datetime(2009, 5, 1, 12)
        )
        maps = {raw.id: DefectMap(raw.grid, (hot,), (half,)), jpeg.id: DefectMap(jpeg.grid, (carried,))}
        catalog.revisions.save(sensor.id, RevisionRecord(maps, CREATED, "0.1.0", 1, 3, 3, {"threshold": 6.2}))
        revision = catalog.revisions.latest(sensor.id)
        assert revision is not None
        sites = (ListedSite(3, 4), ListedSite(5, 6, datetime(2008, 2, 29, 12), datetime(2009, 5, 2)))
        catalog.imports.add(raw.id, ListRecord(".badpixels", "dcraw", b"d" * 32, CREATED, sites))
        source, kept = Path("/photos/DSC_0001.NEF"), Path("/photos/kept/DSC_0001.NEF")
        catalog.repairs.record(RepairRecord(source, source, kept, b"a" * 32, b"b" * 32, revision.id, CREATED))


if __name__ == "__main__":
    make(Path(__file__).with_name(f"schema-{HEAD}.sqlite"))

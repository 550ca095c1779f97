"""What the tests of fixing and undoing share: a few tiny photos, a catalog, and a map of what is planted."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from defectmap.catalog.records import RevisionRecord, SensorRecord
from defectmap.catalog.store import Catalog, open_catalog
from defectmap.fix import Repair, carry_out, plan
from defectmap.ingest import ingest
from defectmap.media.discover import content_digest
from defectmap.model.defects import Defect, DefectMap, Kind
from defectmap.simulation import TWELVE_BIT, Habits
from defectmap.simulation.camera import SimulatedCamera
from defectmap.simulation.files import write_shoot
from defectmap.simulation.sensor import PlantedDefect

from .conftest import small_camera

PLANTED = (
    PlantedDefect(20, 24, Kind.STUCK, "strong", level=1.0),
    PlantedDefect(40, 60, Kind.STUCK, "strong", level=0.9),
    PlantedDefect(41, 90, Kind.DEAD, "strong", gain=0.0),
    PlantedDefect(70, 100, Kind.BRIGHT, "strong", gain=1.8),
)
NOW = datetime(2024, 1, 1, tzinfo=UTC)


def camera(**options: object) -> SimulatedCamera:
    """Return a NIKON D80 of few photosites, four of them bad in every frame."""
    habits = Habits(tripod_share=0.0, portrait_share=0.0, isos=(100,), exposures_s=((1 / 200, 1 / 50, 1.0),))
    return small_camera(
        **{"height": 96, "width": 128, "electronics": TWELVE_BIT, "habits": habits, "defects": PLANTED}
        | options
    )


def take_photos(folder: Path) -> None:
    """Write three photos as packed NEF and JPEG, and one as a compressed NEF in a folder of its own."""
    write_shoot(camera(), folder, 3, ("nef", "jpeg"), compressions=("packed",))
    write_shoot(camera(), folder / "more", 1, first=3, compressions=("lossless",))


@dataclass(frozen=True)
class World:
    """Photos below a folder, in a catalog outside of it.

    Attributes
    ----------
    photos : Path
    catalog : Catalog
    sensor : SensorRecord
    """

    photos: Path
    catalog: Catalog
    sensor: SensorRecord

    def save_map(self, defects: Iterable[PlantedDefect] = PLANTED, **changes: object) -> None:
        """Add a revision with the same defects on every grid."""
        maps = {}
        for stream in self.catalog.sensors.streams(self.sensor.id):
            found = []
            for planted in defects:
                # A JPEG knows the colour of the spot, a raw that of the photosite; here they are the same.
                colour = camera().geometry.colour(planted.row, planted.col)
                defect = Defect(planted.row, planted.col, planted.kind, colour, 1.0, "DN", 9.0, 5, 5)
                found.append(replace(defect, **changes))
            maps[stream.id] = DefectMap(stream.grid, tuple(found))
        self.catalog.revisions.save(self.sensor.id, RevisionRecord(maps, NOW, "0", 1, 7, 7))

    def fix(self, *paths: Path, workers: int = 1, **options: object) -> dict[str, Repair]:
        """Plan and carry out; return what became of each photo, by its name."""
        made = plan(self.catalog, [self.sensor], paths, **options)
        return {r.source.name: r for r in carry_out(self.catalog, made, workers=workers, now=NOW)}


def make_world(template: Path, folder: Path) -> World:
    """Copy photos, ingest them, and save a map."""
    photos = folder / "photos"
    shutil.copytree(template, photos)
    catalog = open_catalog(folder / "catalog.sqlite", create=True)
    ingest(catalog, [photos])
    world = World(photos, catalog, catalog.sensors.all()[0])
    world.save_map()
    return world


def contents(folder: Path) -> dict[str, bytes]:
    """Return the digest of every file below a folder, hidden ones too."""
    return {
        path.relative_to(folder).as_posix(): content_digest(path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }

"""Everything at once on a camera that never existed, whose bad photosites are known."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from defectmap.catalog.store import Catalog, open_catalog
from defectmap.detect import detect
from defectmap.errors import UsageError
from defectmap.fix import Repair, carry_out, plan
from defectmap.ingest import ingest
from defectmap.model.defects import DefectMap, Kind
from defectmap.model.sensor import Grid
from defectmap.overview import newest_map
from defectmap.simulation import TWELVE_BIT, Exposure, GroundTruth, Habits, Planting, SimulatedCamera

if TYPE_CHECKING:
    from defectmap.catalog.records import SensorRecord

Progress = Callable[[str, int, int], None]
Picture = NDArray[np.uint8]

_SEED = 79
_REACH = {"raw": 0, "jpeg": 2}
"""How far from its photosite a defect may be found, in pixels: a JPEG smears it over its neighbours."""

_CROP = 24
_ZOOM = 10
_SITES_SHOWN = 4


@dataclass(frozen=True, slots=True)
class Tally:
    """How many photosites of one kind were planted on a grid, and what became of them.

    Attributes
    ----------
    kind : Kind
    planted : int
        Those that were bad in one frame at least.
    found : int
        Of these, those on the map, whatever kind it gives them.
    false_alarms : int
        Healthy photosites that the map gives this kind.
    """

    kind: Kind
    planted: int
    found: int
    false_alarms: int

    @property
    def missed(self) -> int:
        """Planted and not found."""
        return self.planted - self.found


@dataclass(frozen=True, slots=True)
class Comparison:
    """The map of one grid against the truth."""

    grid: Grid
    tallies: tuple[Tally, ...]

    @property
    def total(self) -> tuple[int, int, int]:
        """Planted, found, and false alarms, of all kinds."""
        return (
            sum(tally.planted for tally in self.tallies),
            sum(tally.found for tally in self.tallies),
            sum(tally.false_alarms for tally in self.tallies),
        )


@dataclass(frozen=True, slots=True)
class Demonstration:
    """What was made, and how it compares with the truth.

    Attributes
    ----------
    directory, catalog : Path
    camera : str
    photos : int
        Files.
    comparisons : tuple of Comparison
        One per grid, raw first.
    repairs : tuple of Repair
    pictures : tuple of Path
        PNG files that show repaired sites, before on the left and after on the right.
    """

    directory: Path
    catalog: Path
    camera: str
    photos: int
    comparisons: tuple[Comparison, ...]
    repairs: tuple[Repair, ...]
    pictures: tuple[Path, ...]


def demonstration_camera(height: int = 600, width: int = 800) -> SimulatedCamera:
    """Return a camera of 12 bits with defects of every kind and strength, used at night now and then."""
    habits = Habits(
        exposures_s=((1 / 1000, 1 / 15, 0.6), (1 / 15, 1.0, 0.2), (1.0, 10.0, 0.2)), tripod_share=0.25
    )
    return SimulatedCamera(
        seed=_SEED,
        height=height,
        width=width,
        electronics=TWELVE_BIT,
        planting=Planting(per_stratum=2),
        habits=habits,
    )


def demonstrate(
    directory: Path,
    *,
    camera: SimulatedCamera | None = None,
    shots: int = 60,
    workers: int = 1,
    progress: Progress | None = None,
) -> Demonstration:
    """Take photos with a simulated camera, find its defects, compare with the truth, and repair some photos.

    What a demonstration left in the folder is used again: photos are not taken twice.

    Parameters
    ----------
    directory : Path
        New, empty, or of an earlier demonstration.
    camera : SimulatedCamera, optional
        By default that of :func:`demonstration_camera`.
    shots : int
        Each gives a NEF and a JPEG.
    workers : int
        Processes that decode.
    progress : callable, optional
        Called as ``progress(what, done, total)``.

    Returns
    -------
    Demonstration

    Raises
    ------
    UsageError
        If the folder holds something else.
    CatalogError
        If the catalog in it cannot be used.
    """
    camera = camera or demonstration_camera()
    report = progress or (lambda *_: None)
    truth = _photos(directory, camera, shots, report)
    photos = directory / "photos"
    with open_catalog(directory / "catalog.sqlite", create=True) as catalog:
        ingest(catalog, [photos], workers=workers, progress=report)
        (sensor,) = (s for s in catalog.sensors.all() if s.identity == camera.identity)
        detect(catalog, sensor)
        comparisons = tuple(_comparisons(catalog, sensor, truth))
        chosen = [photos / name for name in truth.files[_telling(truth)]]
        planned = plan(catalog, [sensor], chosen, output=None, in_place=False, format="same")
        repairs = carry_out(catalog, planned, progress=report)
    pictures = tuple(_pictures(directory / "before-after", repairs, camera))
    return Demonstration(
        directory,
        directory / "catalog.sqlite",
        sensor.name,
        sum(map(len, truth.files)),
        comparisons,
        repairs,
        pictures,
    )


def _photos(directory: Path, camera: SimulatedCamera, shots: int, report: Progress) -> GroundTruth:
    """Return the truth about the photos in the folder, which are taken unless they are there."""
    from defectmap.simulation.files import write_shoot  # noqa: PLC0415 - loads the writers

    note = directory / "truth.json"
    photos = directory / "photos"
    if note.exists():
        try:
            truth = GroundTruth.load(note)
        except (ValueError, OSError) as error:
            raise UsageError(f"{note} cannot be read; name another folder, or remove this one") from error
        expected = camera.truth.with_frames(camera.plan(shots), truth.files)
        if truth == expected and all((photos / name).exists() for names in truth.files for name in names):
            return truth
    elif directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise UsageError(f"{directory} is not empty and holds no earlier demo; name another folder")
    made = 0

    def count(_: Path) -> None:
        nonlocal made
        made += 1
        report("Taking photos", made, 2 * shots)

    report("Taking photos", 0, 2 * shots)
    directory.mkdir(parents=True, exist_ok=True)
    camera.truth.save(note)
    truth = write_shoot(camera, photos, shots, ("nef", "jpeg"), on_file=count)
    truth.save(note)
    return truth


def _comparisons(catalog: Catalog, sensor: SensorRecord, truth: GroundTruth) -> Iterator[Comparison]:
    streams = sorted(catalog.sensors.streams(sensor.id), key=lambda stream: stream.grid.kind, reverse=True)
    for stream in streams:
        _, found = newest_map(catalog, sensor, stream)
        yield Comparison(found.grid, tuple(compare(truth, found)))


def compare(truth: GroundTruth, found: DefectMap) -> Iterator[Tally]:
    """Hold a map against the truth, kind by kind.

    Parameters
    ----------
    truth : GroundTruth
        With its frames.
    found : DefectMap

    Yields
    ------
    Tally
        For every kind that was planted or found.
    """
    raw = found.grid.kind == "raw"
    top, left = (0, 0) if raw else (truth.geometry.top, truth.geometry.left)
    planted = [d for d in truth.defects if truth.frames_where_bad(d)]
    at = {(d.row - top, d.col - left): d.kind for d in truth.defects}
    reach = _REACH[found.grid.kind]
    for kind in Kind:
        mine = [(d.row - top, d.col - left) for d in planted if d.kind is kind]
        hits = sum(any(_close(site, other, reach) for other in found.sites) for site in mine)
        false = sum(
            d.kind is kind and not any(_close((d.row, d.col), site, reach) for site in at)
            for d in found.defects
        )
        if mine or false:
            yield Tally(kind, len(mine), hits, false)


def _close(one: tuple[int, int], other: tuple[int, int], reach: int) -> bool:
    return max(abs(one[0] - other[0]), abs(one[1] - other[1])) <= reach


def _telling(truth: GroundTruth) -> int:
    """Return the number of the frame that collected most dark signal while most sites were bad."""

    def score(frame: Exposure) -> float:
        return math.sqrt(frame.conditions.dose or 0.0) * len(truth.bad_at(frame.captured))

    return max(range(len(truth.frames)), key=lambda number: score(truth.frames[number]))


def _pictures(folder: Path, repairs: Iterable[Repair], camera: SimulatedCamera) -> Iterator[Path]:
    """Write a picture of the sites that changed most, for each repaired photo."""
    from PIL import Image  # noqa: PLC0415

    for repair in repairs:
        if repair.status != "repaired" or repair.output is None:
            continue
        before, after = _rendered(repair.source, camera), _rendered(repair.output, camera)
        sheet = _sheet(before, after, repair.repaired)
        folder.mkdir(exist_ok=True)
        path = folder / f"{repair.source.name}.png"
        Image.fromarray(sheet).save(path)
        yield path


def _rendered(path: Path, camera: SimulatedCamera) -> Picture:
    """Return a photo as its camera would show it."""
    from PIL import Image  # noqa: PLC0415

    from defectmap.media.discover import read_photo, sniff  # noqa: PLC0415
    from defectmap.media.raw import decode_raw  # noqa: PLC0415
    from defectmap.simulation.render import render  # noqa: PLC0415

    data = read_photo(path)
    if sniff(data) == "jpeg":
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    frame = decode_raw(data)
    # The decoded mosaic is the visible area alone.
    return render(frame.mosaic, replace(frame.geometry, top=0, left=0), camera.white_balance)


def _sheet(before: Picture, after: Picture, sites: Sequence[tuple[int, int]]) -> Picture:
    """Return the neighbourhoods of the sites that changed most, before and after side by side, enlarged."""
    height, width = before.shape[:2]
    change = np.abs(before.astype(np.int16) - after).max(axis=2)

    def corner(site: tuple[int, int]) -> tuple[int, int]:
        row, col = site[0] - _CROP // 2, site[1] - _CROP // 2
        return min(max(row, 0), height - _CROP), min(max(col, 0), width - _CROP)

    def changed(site: tuple[int, int]) -> int:
        row, col = site
        return int(change[max(0, row - 1) : row + 2, max(0, col - 1) : col + 2].max(initial=0))

    rows = []
    gap = np.full((_CROP * _ZOOM, _ZOOM, 3), 255, np.uint8)
    for row, col in map(corner, sorted(sites, key=changed, reverse=True)[:_SITES_SHOWN]):
        pair = [
            picture[row : row + _CROP, col : col + _CROP].repeat(_ZOOM, 0).repeat(_ZOOM, 1)
            for picture in (before, after)
        ]
        strip = np.concatenate([pair[0], gap, pair[1]], axis=1)
        rows += [strip, np.full((_ZOOM, strip.shape[1], 3), 255, np.uint8)]
    return np.concatenate(rows[:-1])

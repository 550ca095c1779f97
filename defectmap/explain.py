"""Why a photosite is on the map, or is not: scores, photos, dates, structures and lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from defectmap.catalog.reading import stored_sums
from defectmap.catalog.records import Revision, SensorRecord, StoredFrame, StreamRecord
from defectmap.catalog.store import Catalog
from defectmap.errors import UsageError
from defectmap.model.bodyclock import BodyClock
from defectmap.model.decide import decide
from defectmap.model.defects import Defect, DefectMap, Structure
from defectmap.model.evidence import plane_names
from defectmap.model.fusing import plane_setup
from defectmap.model.prediction import PLANES
from defectmap.model.scores import SCORES
from defectmap.model.sensor import Grid
from defectmap.model.visibility import would_show
from defectmap.overview import choose_stream, grid_name, newest_map, photo_noise

_REACH = {"raw": 2, "jpeg": 8}
"""Within so many rows and columns of a stronger site a weaker one may be its echo."""


@dataclass(frozen=True, slots=True)
class Scores:
    """The figures that were decided on, of one plane.

    Attributes
    ----------
    plane : str
        "mosaic" of a raw; "luma", "blue" or "red" of a JPEG.
    frames : int
        Photos that counted: of each scene one, where the site was neither clipped nor black.
    scores : mapping of str to float
        In standard deviations of healthy sites, by name.
    decisive : float
        A normal score that is as unlikely by chance as the most unlikely of these.
    suspected, asked : float
        What that has to reach for a suspect, and for a defect.
    """

    plane: str
    frames: int
    scores: Mapping[str, float]
    decisive: float
    suspected: float
    asked: float


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo that has a part in it, with its time as far as that can be believed."""

    name: str
    captured: datetime | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """What is known of one photosite.

    Attributes
    ----------
    sensor : SensorRecord
    revision : Revision
    grid : Grid
    row, col : int
    colour : str
        Of its filter; "" in a JPEG.
    entry : Defect or None
        What the map has at this very place.
    structures : tuple of Structure
        Those of the map that it belongs to.
    near : Defect or None
        The strongest entry of the map so close that the site may be its echo.
    lists : tuple of str
        Imported lists that name it.
    scores : tuple of Scores
        None in a border that holds no picture.
    photos : int
        Photos of this grid.
    shown_in : tuple of Photo
        Those in which it stood out by itself, in order.
    expected_in : int
        Photos of the time in which it surely was bad that should have shown it; of a good site 0.
    shown_as_expected : int
        In so many of these it stood out.
    noise : float or None
        Noise of the photos at ISO 100 in DN, which tells where it shows.
    """

    sensor: SensorRecord
    revision: Revision
    grid: Grid
    row: int
    col: int
    colour: str
    entry: Defect | None
    structures: tuple[Structure, ...]
    near: Defect | None
    lists: tuple[str, ...]
    scores: tuple[Scores, ...]
    photos: int
    shown_in: tuple[Photo, ...]
    expected_in: int
    shown_as_expected: int
    noise: float | None


def explain(
    catalog: Catalog, sensor: SensorRecord, row: int, col: int, grid: str | None = None
) -> Explanation:
    """Say why a photosite is on the newest map, or is not.

    The evidence is judged anew, which takes as long as a map does; no photo is opened.

    Parameters
    ----------
    catalog : Catalog
    sensor : SensorRecord
    row, col : int
        On the full stored frame.
    grid : str, optional
        As of :func:`defectmap.overview.choose_stream`.

    Raises
    ------
    UsageError
        If there is no such place, or no such grid.
    DefectmapError
        If there is no map yet.
    """
    with catalog.snapshot():
        stream = choose_stream(catalog, sensor, grid)
        if not (0 <= row < stream.grid.height and 0 <= col < stream.grid.width):
            raise UsageError(
                f"{row},{col} is not on the grid {grid_name(stream.grid)}: rows end at "
                f"{stream.grid.height - 1}, columns at {stream.grid.width - 1}; say the row first"
            )
        revision, found = newest_map(catalog, sensor, stream)
        entry = next((one for one in found if (one.row, one.col) == (row, col)), None)
        noise = photo_noise(catalog, stream)
        clock = BodyClock.of(catalog.frames.moments(sensor.id))
        frames = catalog.frames.of_stream(stream.id, signatures=False)
        sites = flat_sites(stream, row, col)
        shown = _shown(catalog, stream, sites)
        expected = [
            frame.id
            for frame in frames
            if entry is not None
            and (day := clock.date(frame.conditions)) is not None
            and entry.surely_bad_on(day)
            and would_show(entry, frame.conditions, noise)
        ]
        return Explanation(
            sensor,
            revision,
            stream.grid,
            row,
            col,
            stream.geometry.colour(row, col) if stream.geometry else "",
            entry,
            tuple(structure for structure in found.structures if (row, col) in structure),
            _near(found, row, col),
            _lists(catalog, stream, row, col),
            _scores(catalog, stream, sites),
            len(frames),
            tuple(_photos(clock, [frame for frame in frames if frame.id in shown])),
            len(expected),
            len(shown.intersection(expected)),
            noise,
        )


def flat_sites(stream: StreamRecord, row: int, col: int) -> dict[str, int]:
    """Return the flat site of a place in each plane; none for a border that holds no picture."""
    geometry = stream.geometry
    if geometry is None:
        half = -(-stream.grid.width // 2)
        chroma = row // 2 * half + col // 2
        return {"luma": row * stream.grid.width + col, "blue": chroma, "red": chroma}
    y, x = row - geometry.top, col - geometry.left
    if 0 <= y < geometry.visible_height and 0 <= x < geometry.visible_width:
        return {"mosaic": y * geometry.visible_width + x}
    return {}


def _shown(catalog: Catalog, stream: StreamRecord, sites: Mapping[str, int]) -> set[int]:
    """Return the ids of the frames in which it stood out."""
    wanted = [(PLANES.index(plane), site) for plane, site in sites.items()]
    return {
        frame_id
        for frame_id, records in catalog.frames.sightings(stream.id)
        if any(((records["plane"] == plane) & (records["site"] == site)).any() for plane, site in wanted)
    }


def _photos(clock: BodyClock, frames: Sequence[StoredFrame]) -> list[Photo]:
    ordered = sorted(
        frames,
        key=lambda f: (clock.place(f.conditions) or datetime.max, f.conditions.shutter_count or 0, f.name),
    )
    return [Photo(frame.name, clock.date(frame.conditions)) for frame in ordered]


def _near(found: DefectMap, row: int, col: int) -> Defect | None:
    reach = _REACH[found.grid.kind]
    beside = [
        one
        for one in found
        if (one.row, one.col) != (row, col) and max(abs(one.row - row), abs(one.col - col)) <= reach
    ]
    return max(beside, key=lambda one: (one.certain, one.confidence), default=None)


def _lists(catalog: Catalog, stream: StreamRecord, row: int, col: int) -> tuple[str, ...]:
    return tuple(
        stored.record.name
        for stored in catalog.imports.of_sensor(stream.sensor_id)
        if stored.stream_id == stream.id
        and any((site.row, site.col) == (row, col) for site in stored.record.sites)
    )


def _scores(catalog: Catalog, stream: StreamRecord, sites: Mapping[str, int]) -> tuple[Scores, ...]:
    setup = plane_setup(stream.grid, stream.geometry)
    result = []
    epochs = catalog.evidence.epochs(stream.id)
    names = {name for epoch in epochs for name in catalog.evidence.plane_names(stream.id, epoch)}
    for plane in (plane for plane in PLANES if plane in sites and plane in plane_names(names)):
        sums = stored_sums(catalog.evidence, stream.id, epochs, plane)
        part = decide(sums, *setup[plane], look_at=sites[plane])
        scores = {name: part.looked_at[name] for name in SCORES}
        frames = int(sums.at("n", np.array([sites[plane]]))[0])
        result.append(Scores(plane, frames, scores, part.looked_at["unlikely"], part.suspected, part.asked))
    return tuple(result)

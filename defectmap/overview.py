"""What a catalog knows: its cameras and their streams, and which map a question is about."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from typing import TypeVar

from defectmap.catalog.records import Revision, SensorRecord, StoredFrame, StreamRecord
from defectmap.catalog.store import Catalog
from defectmap.errors import DefectmapError, UsageError
from defectmap.model.bodyclock import BodyClock, Contradiction
from defectmap.model.defects import Defect, DefectMap, Structure
from defectmap.model.events import periods_of
from defectmap.model.evidence import RAW_WEIGHTS, RENDERED_WEIGHTS
from defectmap.model.listed import is_listed, reach
from defectmap.model.sensor import Grid
from defectmap.model.visibility import usual_noise

_NOISE_ROWS = 256
"""Rows of a stream that its noise is read from."""

Span = tuple[datetime | None, datetime | None]
_Entry = TypeVar("_Entry", Defect, Structure)

Doubt = tuple[Contradiction, str, str]
"""What clock and shutter count do not agree on, with the names of the first and the last photo."""


@dataclass(frozen=True, slots=True)
class StreamSummary:
    """One stream in figures.

    Attributes
    ----------
    grid : Grid
    frames, scenes : int
    first, last : datetime or None
        Capture times of its first and last frame; None where no frame has one that can be believed.
    defects, suspects : int
        On the newest map of this grid, without sites that only imported lists name; 0 before the first.
    """

    grid: Grid
    frames: int
    scenes: int
    first: datetime | None
    last: datetime | None
    defects: int
    suspects: int


@dataclass(frozen=True, slots=True)
class CameraSummary:
    """One sensor in figures.

    Attributes
    ----------
    sensor : SensorRecord
    streams : tuple of StreamSummary
    revision : int or None
        Number of its newest revision.
    doubts : tuple of (Contradiction, str, str)
        As of :func:`believed_times`.
    """

    sensor: SensorRecord
    streams: tuple[StreamSummary, ...]
    revision: int | None
    doubts: tuple[Doubt, ...] = ()

    @property
    def defects(self) -> int:
        """Number of defects on all grids."""
        return sum(stream.defects for stream in self.streams)

    @property
    def suspects(self) -> int:
        """Number of suspects on all grids."""
        return sum(stream.suspects for stream in self.streams)


def cameras(catalog: Catalog) -> tuple[CameraSummary, ...]:
    """Summarise every sensor of a catalog, ordered by make, model and serial number."""
    with catalog.snapshot():
        return tuple(_summary(catalog, sensor) for sensor in catalog.sensors.all())


def outdated(catalog: Catalog) -> list[SensorRecord]:
    """Return the sensors whose newest revision does not rest on all of their frames, or that have none."""
    return [
        sensor
        for sensor in catalog.sensors.all()
        if (latest := catalog.revisions.latest(sensor.id)) is None
        or latest.content.frames != sum(_frames(catalog, s) for s in catalog.sensors.streams(sensor.id))
    ]


def choose_stream(catalog: Catalog, sensor: SensorRecord, grid: str | None = None) -> StreamRecord:
    """Choose the stream that a question is about.

    Parameters
    ----------
    catalog : Catalog
    sensor : SensorRecord
    grid : str, optional
        ``raw`` or ``jpeg``, with a size where there are several, such as ``jpeg:3600x2700`` (width first). By
        default raw files are preferred to JPEGs, then the stream with most frames.

    Raises
    ------
    UsageError
        If the text is no grid, or the sensor has no such stream; the choices are named.
    """
    streams = catalog.sensors.streams(sensor.id)
    chosen = streams
    if grid is not None:
        match = re.fullmatch(r"(raw|jpeg)(?::(\d+)x(\d+))?", grid.strip().lower())
        if match is None:
            raise UsageError(f"{grid!r} is no grid: say raw, jpeg, or a size such as jpeg:3600x2700")
        kind, width, height = match.groups()
        size = None if width is None else (int(width), int(height))
        chosen = [s for s in streams if s.grid.kind == kind and size in (None, (s.grid.width, s.grid.height))]
    if not chosen:
        there = ", ".join(sorted(grid_name(stream.grid) for stream in streams)) or "no photos at all"
        wanted = "photos" if grid is None else f"photos on grid {grid}"
        raise UsageError(f"{sensor.name} has no {wanted} in this catalog, it has {there}")
    return max(chosen, key=lambda s: (s.grid.kind == "raw", _frames(catalog, s), -s.id))


def grid_name(grid: Grid) -> str:
    """Return the name of a grid as :func:`choose_stream` understands it."""
    return f"{grid.kind}:{grid.width}x{grid.height}"


def newest_map(
    catalog: Catalog, sensor: SensorRecord, stream: StreamRecord | None = None
) -> tuple[Revision, DefectMap]:
    """Return the newest revision of a sensor and its map of one stream.

    Parameters
    ----------
    catalog : Catalog
    sensor : SensorRecord
    stream : StreamRecord, optional
        The one of :func:`choose_stream` by default.

    Raises
    ------
    DefectmapError
        If there is no map yet.
    """
    revision = catalog.revisions.latest(sensor.id)
    stream = stream or choose_stream(catalog, sensor)
    if revision is None or stream.id not in revision.maps:
        raise DefectmapError(
            f"{sensor.name} has no map of {grid_name(stream.grid)} yet: run `defectmap detect`"
        )
    return revision, revision.maps[stream.id]


def naming_lists(
    catalog: Catalog, stream: StreamRecord, found: DefectMap
) -> dict[tuple[int, int], tuple[str, ...]]:
    """Return the imported lists that name each entry of a stream's map, by the entry's (row, col).

    Only lists of the stream itself count: of one from another grid the place is not as certain.
    """
    width = reach(stream.grid)
    names: dict[tuple[int, int], set[str]] = {}
    for stored in catalog.imports.of_sensor(stream.sensor_id):
        for site in stored.record.sites if stored.stream_id == stream.id else ():
            for row in range(site.row - width, site.row + width + 1):
                for col in range(site.col - width, site.col + width + 1):
                    names.setdefault((row, col), set()).add(stored.record.name)
    places = {(entry.row, entry.col) for entry in found.entries}
    return {place: tuple(sorted(names[place])) for place in places if place in names}


def photo_noise(catalog: Catalog, stream: StreamRecord) -> float | None:
    """Return the noise at ISO 100 of the photos of a stream in DN, see :mod:`defectmap.model.visibility`.

    None where the catalog does not tell.
    """
    plane, scale = ("luma", RENDERED_WEIGHTS) if stream.geometry is None else ("mosaic", RAW_WEIGHTS)
    names = [f"{plane}.{field}" for field in ("offset_weight", "n")]
    epochs = catalog.evidence.epochs(stream.id)
    if not epochs or not set(names) <= set(catalog.evidence.plane_names(stream.id, epochs[-1])):
        return None
    height = stream.grid.height if stream.geometry is None else stream.geometry.visible_height
    first = max(0, (height - _NOISE_ROWS) // 2)
    rows = slice(first, min(first + _NOISE_ROWS, height))
    weight, n = (catalog.evidence.read_plane(stream.id, epochs[-1], name, rows) for name in names)
    frames = catalog.frames.of_stream(stream.id, signatures=False)
    return usual_noise(weight, n, (frame.conditions.gain for frame in frames), scale)


def bad_during(entries: Iterable[_Entry], moment: datetime) -> tuple[_Entry, ...]:
    """Return those that may have been bad at a moment; midnight stands for the whole day that begins then."""
    end = moment
    if moment.time() == time.min:
        end = datetime.combine(moment.date(), time.max)
    return tuple(
        entry
        for entry in entries
        if any(
            (period.last_good is None or period.last_good < end)
            and (period.first_good is None or period.first_good > moment)
            for period in periods_of(entry)
        )
    )


def believed_times(
    catalog: Catalog, sensor: SensorRecord, latest: Revision | None
) -> tuple[dict[int, Span], tuple[Doubt, ...]]:
    """Return the believed times of the first and the last photo of each stream, and what is not believed.

    Parameters
    ----------
    catalog : Catalog
    sensor : SensorRecord
    latest : Revision or None
        The newest map. Where it rests on all photos and all of them are believed, no photo is read.

    Returns
    -------
    spans : dict of int to (datetime or None, datetime or None)
        By stream.
    doubts : tuple of (Contradiction, str, str)
        What the clock and the shutter count of the body do not agree on.
    """
    streams = catalog.sensors.streams(sensor.id)
    told = _told(latest, {stream.grid: _frames(catalog, stream) for stream in streams})
    if told is not None:
        return {stream.id: told[stream.grid] for stream in streams}, ()
    known = {stream.id: catalog.frames.of_stream(stream.id, signatures=False) for stream in streams}
    everything = [frame for frames in known.values() for frame in frames]
    clock = BodyClock.of([frame.conditions for frame in everything])
    spans = {}
    for stream_id, frames in known.items():
        times = [day for frame in frames if (day := clock.date(frame.conditions)) is not None]
        spans[stream_id] = min(times, default=None), max(times, default=None)
    return spans, _doubts(everything)


def _told(latest: Revision | None, frames: Mapping[Grid, int]) -> dict[Grid, Span] | None:
    """Return the times that a map tells; None if it does not rest on so many, or not all are believed."""
    if latest is None or latest.content.provenance.get("contradictions") != 0:
        return None
    sources = {
        Grid(source["kind"], source["height"], source["width"]): source
        for source in latest.content.provenance["streams"]
    }
    if any(grid not in sources or sources[grid]["frames"] != count for grid, count in frames.items()):
        return None
    return {grid: (_time(sources[grid]["first"]), _time(sources[grid]["last"])) for grid in frames}


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _doubts(frames: Sequence[StoredFrame]) -> tuple[Doubt, ...]:
    conditions = [frame.conditions for frame in frames]
    found = BodyClock.of(conditions).contradictions(conditions)
    return tuple((one, frames[one.frames[0]].name, frames[one.frames[-1]].name) for one in found)


def _frames(catalog: Catalog, stream: StreamRecord) -> int:
    return catalog.frames.count(stream.id)


def _summary(catalog: Catalog, sensor: SensorRecord) -> CameraSummary:
    latest = catalog.revisions.latest(sensor.id)
    maps = latest.maps if latest else {}
    spans, doubts = believed_times(catalog, sensor, latest)
    streams = []
    for stream in catalog.sensors.streams(sensor.id):
        found = maps.get(stream.id, DefectMap(stream.grid))
        streams.append(
            StreamSummary(
                stream.grid,
                _frames(catalog, stream),
                catalog.scenes.count(stream.id),
                *spans[stream.id],
                sum(not is_listed(defect) for defect in found.defects),
                len(found.suspects),
            )
        )
    return CameraSummary(sensor, tuple(streams), latest.number if latest else None, doubts)

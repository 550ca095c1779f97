"""Make a new revision of the defect map from the evidence; no photo is opened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from defectmap import __version__
from defectmap.catalog.reading import stored_sums
from defectmap.catalog.records import (
    Revision,
    RevisionRecord,
    SensorRecord,
    StoredFrame,
    StoredList,
    StreamRecord,
)
from defectmap.catalog.store import Catalog
from defectmap.errors import CatalogError
from defectmap.measuring import capture_order
from defectmap.model.bodyclock import BodyClock
from defectmap.model.coincidence import register_defects
from defectmap.model.decide import FALSE_DEFECTS, FALSE_DISCOVERIES
from defectmap.model.defects import DefectMap
from defectmap.model.evidence import METHOD, plane_names
from defectmap.model.facts import FrameFacts
from defectmap.model.faint import FaintSightings
from defectmap.model.footprints import Footprints, learn
from defectmap.model.frame import Conditions
from defectmap.model.listed import as_defect, is_listed, with_listed
from defectmap.model.mapping import SCENES_FOR_CERTAINTY, build_map
from defectmap.model.registration import Attempt, combined, document
from defectmap.model.sensor import Grid
from defectmap.model.sums import Sums
from defectmap.model.supporting import FIELDS, carry_down, carry_up, confirm


@dataclass(frozen=True, slots=True)
class Detection:
    """The newest revision of one sensor.

    Attributes
    ----------
    sensor : SensorRecord
    revision : Revision
    is_new : bool
        False where the evidence led to the same map as before, so that the last revision stands.
    """

    sensor: SensorRecord
    revision: Revision
    is_new: bool

    @property
    def defects(self) -> int:
        """Number of defects on all grids, without those that only lists of other programs name."""
        return sum(not is_listed(d) for m in self.revision.maps.values() for d in m.defects)

    @property
    def suspects(self) -> int:
        """Number of suspects on all grids."""
        return sum(len(m.suspects) for m in self.revision.maps.values())


def detect(catalog: Catalog, sensor: SensorRecord, *, now: datetime | None = None) -> Detection:
    """Judge the evidence of one sensor and store the map as a new revision, unless nothing changed.

    Parameters
    ----------
    catalog : Catalog
    sensor : SensorRecord
    now : datetime, optional
        Noted as the time of making; the present by default.

    Returns
    -------
    Detection

    Raises
    ------
    CatalogError
        If the evidence was measured by another method.
    """
    maps: dict[int, DefectMap] = {}
    sources: list[dict[str, Any]] = []
    footprints: dict[int, Footprints] = {}
    with catalog.snapshot():
        moments = catalog.frames.moments(sensor.id)
        clock = BodyClock.of(moments)
        for stream in catalog.sensors.streams(sensor.id):
            if stream.method != METHOD:
                raise CatalogError(
                    f"the evidence in {catalog.path} was measured by method {stream.method}, this program "
                    f"judges by method {METHOD}; ingest the photos into a new catalog"
                )
            facts = _facts(catalog.frames.of_stream(stream.id), clock)
            maps[stream.id], footprints[stream.id] = _judge(catalog, stream, facts)
            sources.append(_source(stream, list(facts.values()), footprints[stream.id]))
        attempts = _register(catalog, sensor, maps)
        maps = _supported(catalog, sensor, maps, attempts)
        lists = catalog.imports.of_sensor(sensor.id)
        maps = _with_lists(catalog, sensor, maps, attempts, lists)
    record = RevisionRecord(
        maps,
        now or datetime.now(UTC),
        __version__,
        METHOD,
        sum(source["frames"] for source in sources),
        sum(source["scenes"] for source in sources),
        {
            "sensor": sensor.identity.name,
            "false_defects": FALSE_DEFECTS,
            "false_discoveries": FALSE_DISCOVERIES,
            "streams": sources,
            "contradictions": len(clock.contradictions(moments)),
            "registrations": [document(attempt) for attempt in attempts.values()],
            "lists": [
                {"name": one.record.name, "format": one.record.format, "sites": len(one.record.sites)}
                for one in lists
            ],
        },
    )
    with catalog.transaction():
        latest = catalog.revisions.latest(sensor.id)
        if latest is not None and _same(latest.content, record):
            return Detection(sensor, latest, is_new=False)
        number = catalog.revisions.save(sensor.id, record)
        return Detection(sensor, catalog.revisions.numbered(sensor.id, number), is_new=True)


def _source(stream: StreamRecord, facts: Sequence[FrameFacts], footprints: Footprints) -> dict[str, Any]:
    """Say what the map of a stream rests on."""
    times = [fact.conditions.captured for fact in facts if fact.conditions.captured is not None]
    return {
        "kind": stream.grid.kind,
        "height": stream.grid.height,
        "width": stream.grid.width,
        "decoder": stream.geometry.decoder if stream.geometry else None,
        "frames": len(facts),
        "scenes": len({fact.scene for fact in facts}),
        "first": min(times).isoformat() if times else None,
        "last": max(times).isoformat() if times else None,
        "footprints": None if stream.geometry else footprints.document(),
    }


def _same(old: RevisionRecord, new: RevisionRecord) -> bool:
    return (dict(old.maps), old.frames, old.scenes, old.method, old.program_version) == (
        dict(new.maps),
        new.frames,
        new.scenes,
        new.method,
        new.program_version,
    ) and all(old.provenance.get(part, []) == new.provenance[part] for part in ("registrations", "streams"))


def _register(
    catalog: Catalog, sensor: SensorRecord, maps: Mapping[int, DefectMap]
) -> dict[tuple[int, int], Attempt]:
    """Find out how the grids lie on each other, by the ids of a finer or larger stream and a JPEG stream."""
    streams = {stream.id: stream for stream in catalog.sensors.streams(sensor.id)}
    previews = catalog.sensors.registrations(sensor.id)
    # Raw first, then the larger pictures.
    order = sorted(streams, key=lambda i: (maps[i].grid.kind != "raw", -_size(maps[i].grid), i))
    attempts = {}
    for number, source in enumerate(order):
        for target in order[number + 1 :]:
            if maps[target].grid.kind == "jpeg":
                found = register_defects(maps[source], maps[target], streams[source].geometry)
                attempts[source, target] = combined(found, previews.get((source, target)))
    known = {pair: attempt.registration for pair, attempt in attempts.items() if attempt.registration}
    for (source, target), attempt in attempts.items():
        ways = (
            known[source, between].then(known[between, target])
            for between in order
            if (source, between) in known and (between, target) in known
        )
        if attempt.registration is None and (through := next(ways, None)) is not None:
            attempts[source, target] = replace(attempt, registration=through, reason="")
    return attempts


def _supported(
    catalog: Catalog,
    sensor: SensorRecord,
    maps: Mapping[int, DefectMap],
    attempts: Mapping[tuple[int, int], Attempt],
) -> dict[int, DefectMap]:
    """Let the maps of registered grids support each other."""
    streams = {stream.id: stream for stream in catalog.sensors.streams(sensor.id)}
    registered = {pair: a.registration for pair, a in attempts.items() if a.registration}
    own = dict(maps)
    for (source, target), found in registered.items():
        own[source], own[target] = confirm(own[source], own[target], found)
    result = dict(own)
    for (source, target), found in registered.items():
        result[target] = carry_down(own[source], result[target], found)
        stream = streams[source]
        look = partial(_look, catalog, stream)
        result[source] = carry_up(own[target], result[source], found, stream.geometry, look)
    return result


def _with_lists(
    catalog: Catalog,
    sensor: SensorRecord,
    maps: Mapping[int, DefectMap],
    attempts: Mapping[tuple[int, int], Attempt],
    lists: Sequence[StoredList],
) -> dict[int, DefectMap]:
    """Add what only imported lists name, on the lists' own grids and those that these tell the place on.

    It comes last: no list has a part in what is found, registered or confirmed.
    """
    streams = {stream.id: stream for stream in catalog.sensors.streams(sensor.id)}
    result = dict(maps)
    for stored in lists:
        record, geometry = stored.record, streams[stored.stream_id].geometry
        listed = [
            as_defect(site, record.name, geometry.colour(site.row, site.col) if geometry else "W")
            for site in record.sites
        ]
        result[stored.stream_id] = with_listed(result[stored.stream_id], listed)
        for (source, target), attempt in attempts.items():
            if source == stored.stream_id and attempt.registration is not None:
                places = [(one, attempt.registration.to_target(one.row, one.col)) for one in listed]
                moved = [replace(one, row=at[0], col=at[1]) for one, at in places if at is not None]
                result[target] = with_listed(result[target], moved)
    return result


def _look(catalog: Catalog, stream: StreamRecord, rows: slice, cols: slice) -> dict[str, NDArray[Any]]:
    """Return the sums of all epochs in a window of a stream's plane, of a JPEG its luma."""
    plane = "mosaic" if stream.geometry else "luma"
    shape = rows.stop - rows.start, cols.stop - cols.start
    window: dict[str, NDArray[Any]] = {field: np.zeros(shape) for field in FIELDS}
    for epoch in catalog.evidence.epochs(stream.id):
        for field in FIELDS:
            window[field] += catalog.evidence.read_plane(stream.id, epoch, f"{plane}.{field}", rows)[:, cols]
    return window


def _size(grid: Grid) -> int:
    return grid.height * grid.width


def _facts(stored: list[StoredFrame], clock: BodyClock) -> dict[int, FrameFacts]:
    """Return what the map needs of each frame, by frame id in order of capture.

    A frame whose clock its shutter count contradicts has its place by the count, and no date.
    """
    dates = {frame.id: clock.date(frame.conditions) for frame in stored}

    def order(frame: StoredFrame) -> tuple[Any, ...]:
        date = dates[frame.id]
        place = date or clock.place(frame.conditions)
        key = capture_order(frame.conditions, frame.name, frame.digest)
        return place is None, place or datetime.min, date is None, key

    def conditions(frame: StoredFrame) -> Conditions:
        date, own = dates[frame.id], frame.conditions
        return own if date is own.captured else replace(own, captured=date)

    return {
        frame.id: FrameFacts(frame.scene, conditions(frame), frame.framing)
        for frame in sorted(stored, key=order)
    }


def _judge(
    catalog: Catalog, stream: StreamRecord, facts: Mapping[int, FrameFacts]
) -> tuple[DefectMap, Footprints]:
    """Judge one stream: all its life, and the newest epoch alone, which ten clean years must not drown.

    Of JPEGs the footprints of defects are learned on the way.
    """
    index = {frame_id: number for number, frame_id in enumerate(facts)}

    def sightings() -> Iterator[tuple[int, NDArray[np.void]]]:
        for frame_id, records in catalog.frames.sightings(stream.id):
            yield index[frame_id], records

    def faint() -> Iterator[tuple[int, FaintSightings]]:
        for frame_id, seen in catalog.frames.faint(stream.id):
            yield index[frame_id], seen

    epochs = catalog.evidence.epochs(stream.id)
    if not epochs:
        return DefectMap(stream.grid), Footprints()
    result = DefectMap(stream.grid)
    if len(epochs) > 1:
        newest = _sums(catalog, stream, epochs[-1:])
        # Of fewer scenes nothing is certain; sightings of other years would make it seem so.
        if max(_most_frames(part) for part in newest.values()) >= SCENES_FOR_CERTAINTY:
            result = build_map(
                stream.grid, stream.geometry, newest, list(facts.values()), sightings(), faint()
            )
    every = _sums(catalog, stream, epochs)
    whole = build_map(stream.grid, stream.geometry, every, list(facts.values()), sightings(), faint())
    found = whole.joined(result, 2 if stream.geometry else 8)
    return found, Footprints() if stream.geometry else learn(every, found.defects)


def _sums(catalog: Catalog, stream: StreamRecord, epochs: Sequence[int]) -> dict[str, Sums]:
    names = {name for epoch in epochs for name in catalog.evidence.plane_names(stream.id, epoch)}
    return {plane: stored_sums(catalog.evidence, stream.id, epochs, plane) for plane in plane_names(names)}


def _most_frames(sums: Sums) -> int:
    return max(int(band.sums["n"].max(initial=0)) for band in sums.bands("n"))

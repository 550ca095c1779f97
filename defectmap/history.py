"""The life of a sensor: what went bad and when, what came back, and how fast it goes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from defectmap.catalog.records import Revision, SensorRecord, StoredFrame
from defectmap.catalog.store import Catalog
from defectmap.model.bodyclock import BodyClock, Contradiction
from defectmap.model.events import Event, events
from defectmap.model.growth import Growth, growth
from defectmap.model.sensor import Grid
from defectmap.overview import choose_stream, doubts, newest_map


@dataclass(frozen=True, slots=True)
class History:
    """What the newest map of one grid tells of the time.

    Attributes
    ----------
    sensor : SensorRecord
    revision : Revision
    grid : Grid
    events : tuple of Event
        In order.
    growth : Growth or None
        None where no photo has a date that can be believed.
    doubts : tuple of (Contradiction, str, str)
        What the body's clock and shutter count do not agree on, with the names of the first and the last of
        the photos.
    """

    sensor: SensorRecord
    revision: Revision
    grid: Grid
    events: tuple[Event, ...]
    growth: Growth | None
    doubts: tuple[tuple[Contradiction, str, str], ...]


def history(catalog: Catalog, sensor: SensorRecord, grid: str | None = None) -> History:
    """Tell the life of a sensor.

    Parameters
    ----------
    catalog : Catalog
    sensor : SensorRecord
    grid : str, optional
        As of :func:`defectmap.overview.choose_stream`.

    Raises
    ------
    DefectmapError
        If there is no map yet.
    UsageError
        If the sensor has no such grid.
    """
    with catalog.snapshot():
        stream = choose_stream(catalog, sensor, grid)
        revision, found = newest_map(catalog, sensor, stream)
        clock = BodyClock.of(catalog.frames.conditions(sensor.id))
        days = _days(clock, catalog.frames.of_stream(stream.id, signatures=False))
        told: tuple[Event, ...] = ()
        grown = None
        if days:
            told = events(found, days[0], days[-1])
            grown = growth(found, days[0], days[-1])
        return History(sensor, revision, stream.grid, told, grown, doubts(catalog, sensor))


def _days(clock: BodyClock, frames: list[StoredFrame]) -> list[datetime]:
    return sorted(day for frame in frames if (day := clock.date(frame.conditions)) is not None)

"""The life of a sensor: what went bad and when, what came back, and how fast it goes."""

from __future__ import annotations

from dataclasses import dataclass

from defectmap.catalog.records import Revision, SensorRecord
from defectmap.catalog.store import Catalog
from defectmap.model.bodyclock import Contradiction
from defectmap.model.events import Event, events
from defectmap.model.growth import Growth, growth
from defectmap.model.sensor import Grid
from defectmap.overview import believed_times, choose_stream, newest_map


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
        spans, doubts = believed_times(catalog, sensor, revision)
        first, last = spans[stream.id]
        told: tuple[Event, ...] = ()
        grown = None
        if first is not None and last is not None:
            told = events(found, first, last)
            grown = growth(found, first, last)
        return History(sensor, revision, stream.grid, told, grown, doubts)

"""Absorb catalogs that were made elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from defectmap.catalog.absorb import absorb
from defectmap.catalog.store import Catalog
from defectmap.settling import StreamScenes, fold_epochs


@dataclass(frozen=True, slots=True)
class MergeOutcome:
    """What became of the shards.

    Attributes
    ----------
    merged : int
        Shards whose evidence was added.
    known : int
        Shards that were here already, frame by frame.
    frames : int
        Frames added.
    sensor_ids : tuple of int
        Sensors whose evidence grew.
    overcounted : int
        Frames of a repeated scene that could not be read again, and so still count.
    """

    merged: int
    known: int
    frames: int
    sensor_ids: tuple[int, ...]
    overcounted: int


def merge(catalog: Catalog, shards: Iterable[Path]) -> MergeOutcome:
    """Add the evidence of shards; each is added whole or not at all.

    Parameters
    ----------
    catalog : Catalog
    shards : iterable of Path
        Catalogs. Their order does not matter.

    Returns
    -------
    MergeOutcome

    Raises
    ------
    ShardRefusedError
        If some, but not all, frames of a shard are here already, or it was measured otherwise. The shards
        before it stay merged.
    CatalogError
        If a catalog cannot be used.
    """
    merged = known = frames = 0
    overcounted: dict[int, int] = {}
    sensors: set[int] = set()
    for path in shards:
        with catalog.transaction():
            report = absorb(catalog, path)
            for stream in catalog.sensors.streams():
                if stream.id in report.streams:
                    sensor = next(s for s in catalog.sensors.all() if s.id == stream.sensor_id)
                    sensors.add(sensor.id)
                    overcounted[stream.id] = StreamScenes(catalog, sensor, stream).settle()
                    fold_epochs(catalog, sensor.id, stream.grid.kind)
        merged += not report.known
        known += report.known
        frames += report.frames_added
    return MergeOutcome(merged, known, frames, tuple(sorted(sensors)), sum(overcounted.values()))

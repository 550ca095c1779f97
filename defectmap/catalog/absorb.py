"""Absorbing a shard: a catalog made elsewhere, whose evidence is added to this one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import chain, count
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.dialects.sqlite import insert as insert_or

from defectmap.catalog.checking import problems
from defectmap.catalog.columns import Base
from defectmap.catalog.evidence import PlaneKey
from defectmap.catalog.records import AbsorbReport
from defectmap.catalog.schema import FaintSightingsRow, FileRow, FrameRow, SightingsRow
from defectmap.catalog.store import Catalog, open_catalog
from defectmap.errors import CatalogError, PhotoError, ShardRefusedError

_PAGE = 256
_NAMED_AT_MOST = 10


def absorb(catalog: Catalog, shard_path: Path) -> AbsorbReport:
    """Add a shard's sensors, streams, frames, sightings, evidence, files and lists; all or nothing.

    Of a shard whose frames are all here already only lists of other programs are added, where they are new.
    Files whose path is known keep what is known here. The shard is verified first and only read; its
    revisions and repairs stay with it.

    Parameters
    ----------
    catalog : Catalog
    shard_path : Path

    Raises
    ------
    ShardRefusedError
        If some but not all of its frames are here, if it is damaged, if it is this very catalog, or if its
        evidence is of another method or its frames are laid out differently.
    CatalogError
        If the shard is no catalog or of another schema version.
    """
    if shard_path.exists() and shard_path.samefile(catalog.path):
        raise ShardRefusedError(f"{shard_path} is the catalog itself; name a shard made elsewhere")
    with open_catalog(shard_path, read_only=True) as shard, shard.snapshot():
        _verify(shard)
        with catalog.transaction():
            new, known = _overlap(catalog, shard)
            if not new:
                _copy_lists(catalog, shard)
                return AbsorbReport(0, known=True, streams=())
            if known:
                raise ShardRefusedError(_partly_known(shard_path, known, len(new) + len(known)))
            try:
                streams = _match_streams(catalog, shard)
                _copy_registrations(catalog, shard, streams)
            except (CatalogError, PhotoError) as error:
                raise ShardRefusedError(f"{shard_path} cannot be merged: {error}") from error
            frames = _copy_frames(catalog, shard, streams)
            _copy_files(catalog, shard, frames)
            _add_planes(catalog, shard, streams)
            _copy_lists(catalog, shard)
    return AbsorbReport(len(frames), known=False, streams=tuple(sorted(set(streams.values()))))


def _verify(shard: Catalog) -> None:
    try:
        trouble = next(problems(shard), None)
    except CatalogError as error:
        raise ShardRefusedError(str(error)) from error
    if trouble:
        raise ShardRefusedError(f"{shard.path} is damaged: {trouble}; ingest its photos into a new shard")


def _overlap(catalog: Catalog, shard: Catalog) -> tuple[list[str], list[str]]:
    """Return the names of the shard's frames that are new here, and of those that are known."""
    ours = set(catalog.database.connection.scalars(select(FrameRow.digest)))
    theirs = shard.database.connection.execute(
        select(FrameRow.digest, FrameRow.name).order_by(FrameRow.captured, FrameRow.name)
    ).all()
    return [name for digest, name in theirs if digest not in ours], [
        name for digest, name in theirs if digest in ours
    ]


def _partly_known(path: Path, known: list[str], frames: int) -> str:
    names = ", ".join(known[:_NAMED_AT_MOST]) + (", ..." if len(known) > _NAMED_AT_MOST else "")
    return (
        f"{path} cannot be merged: {len(known)} of its {frames} frames are here already ({names}), and their "
        "evidence cannot be told from that of the others; ingest the photos that are missing here instead"
    )


def _match_streams(catalog: Catalog, shard: Catalog) -> dict[int, int]:
    """Return this catalog's stream for each of the shard's, added where it is new."""
    matched = {}
    for theirs in shard.sensors.all():
        ours = catalog.sensors.sensor(theirs.identity)
        if theirs.nickname and not ours.nickname:
            catalog.sensors.set_nickname(ours.id, theirs.nickname)
        for stream in shard.sensors.streams(theirs.id):
            found = catalog.sensors.stream(ours.id, stream.grid, stream.geometry, stream.method)
            matched[stream.id] = found.id
    return matched


def _copy_registrations(catalog: Catalog, shard: Catalog, streams: Mapping[int, int]) -> None:
    """Add what the shard knows of how grids lie on each other; what is known here stays."""
    for theirs in shard.sensors.all():
        for (source, target), found in shard.sensors.registrations(theirs.id).items():
            catalog.sensors.register(streams[source], streams[target], found)


def _copy_frames(catalog: Catalog, shard: Catalog, streams: Mapping[int, int]) -> dict[int, int]:
    """Copy frames and their sightings; return this catalog's id of each frame of the shard."""
    frames: dict[int, int] = {}
    for row in _rows(shard, FrameRow):
        frame_id = row.pop("id")
        # Scenes are named by frames, and new ones are yet to be compared with those that are here.
        row |= {"stream_id": streams[row["stream_id"]], "scene": None}
        frames[frame_id] = catalog.database.connection.execute(
            insert(FrameRow).values(**row).returning(FrameRow.id)
        ).scalar_one()
    for table in (SightingsRow, FaintSightingsRow):
        for row in _rows(shard, table):
            catalog.database.connection.execute(
                insert(table).values({**row, "frame_id": frames[row["frame_id"]]})
            )
    return frames


def _copy_files(catalog: Catalog, shard: Catalog, frames: Mapping[int, int]) -> None:
    for row in _rows(shard, FileRow):
        del row["id"]
        row["frame_id"] = frames.get(row["frame_id"])
        catalog.database.connection.execute(
            insert_or(FileRow).values(**row).on_conflict_do_nothing(index_elements=[FileRow.path])
        )


def _add_planes(catalog: Catalog, shard: Catalog, streams: Mapping[int, int]) -> None:
    for theirs, ours in streams.items():
        for epoch in shard.evidence.epochs(theirs):
            for name in shard.evidence.plane_names(theirs, epoch):
                catalog.evidence.add_plane_of(
                    shard.evidence, PlaneKey(theirs, epoch, name), PlaneKey(ours, epoch, name)
                )


def _copy_lists(catalog: Catalog, shard: Catalog) -> None:
    """Add the shard's lists of other programs that are not here; two of one name are both kept."""
    for theirs in shard.sensors.all():
        ours = next((s for s in catalog.sensors.all() if s.identity == theirs.identity), None)
        lists = shard.imports.of_sensor(theirs.id)
        if ours is None or not lists:
            continue
        grids = {stream.id: stream.grid for stream in shard.sensors.streams(theirs.id)}
        streams = {stream.grid: stream.id for stream in catalog.sensors.streams(ours.id)}
        for stored in lists:
            stream_id = streams.get(grids[stored.stream_id])
            here = [one.record for one in catalog.imports.of_sensor(ours.id) if one.stream_id == stream_id]
            if stream_id is None or any(record.digest == stored.record.digest for record in here):
                continue
            taken = {record.name for record in here}
            numbered = (f"{stored.record.name} ({number})" for number in count(2))
            name = next(n for n in chain([stored.record.name], numbered) if n not in taken)
            catalog.imports.add(stream_id, replace(stored.record, name=name))


def _rows(catalog: Catalog, kind: type[Base]) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table, page by page."""
    table = Base.metadata.tables[kind.__tablename__]
    (key,) = table.primary_key.columns
    page = select(table).order_by(key).limit(_PAGE)
    last = 0
    while rows := catalog.database.connection.execute(page.where(key > last)).all():
        for row in rows:
            yield row._asdict()
        last = rows[-1]._mapping[key]

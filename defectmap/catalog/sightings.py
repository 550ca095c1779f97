"""Reading what stood out in the frames of a stream: many small blobs, unpacked page by page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Row, select

from defectmap.catalog.database import Database
from defectmap.catalog.planes import Blob, DamagedBlobError, unpack_records
from defectmap.catalog.schema import FaintSightingsRow, FrameRow, SightingsRow
from defectmap.errors import CatalogError
from defectmap.model.faint import FAINT, FaintSightings

_PAGE = 256
_Table = type[SightingsRow] | type[FaintSightingsRow]
_Page = tuple[Sequence[Row[Any]], NDArray[np.void], NDArray[np.int64]]
"""Rows of one layout, the records of all of them, and where those of each begin, with the end of the last."""


def read_sightings(database: Database, stream_id: int) -> Iterator[tuple[int, NDArray[np.void]]]:
    """Yield (frame id, sightings) of every frame of a stream, in the order they were added.

    Raises
    ------
    CatalogError
        If a record is damaged.
    """
    for rows, records, bounds in _pages(database, SightingsRow, stream_id):
        for row, (start, stop) in zip(rows, pairwise(bounds.tolist()), strict=True):
            yield row.frame_id, records[start:stop]


def read_faint(database: Database, stream_id: int) -> Iterator[tuple[int, FaintSightings]]:
    """Yield (frame id, faint sightings) of every frame of a raw stream that has some.

    Raises
    ------
    CatalogError
        If a record is damaged.
    """
    for rows, gaps, bounds in _pages(database, FaintSightingsRow, stream_id):
        records = gaps.astype(FAINT, copy=False)
        # Distances to sites, of each frame from 0 on.
        sums = np.cumsum(records["site"], dtype=np.int64)
        before = np.concatenate([[0], sums])[bounds]
        records["site"] = sums - np.repeat(before[:-1], np.diff(bounds))
        for row, (start, stop) in zip(rows, pairwise(bounds.tolist()), strict=True):
            yield row.frame_id, FaintSightings(row.least, records[start:stop])


def _pages(database: Database, table: _Table, stream_id: int) -> Iterator[_Page]:
    """Yield the rows of a table that hold records of frames, some at a time: memory stays bounded."""
    query = select(FrameRow.id).where(FrameRow.stream_id == stream_id).order_by(FrameRow.id)
    frames = database.connection.scalars(query).all()
    # By number: in a page of what follows a frame, SQLite would sort all frames of the stream again.
    for start in range(0, len(frames), _PAGE):
        page = database.connection.execute(
            select(table.count.label("size"), *table.__table__.columns)
            .where(table.frame_id.in_(frames[start : start + _PAGE]))
            .order_by(table.frame_id)
        )
        for _, alike in groupby(page.all(), key=lambda row: row.dtype):
            rows = list(alike)
            bounds = np.cumsum([0, *(row.size for row in rows)])
            yield rows, _unpacked(database, rows), bounds


def _unpacked(database: Database, rows: Sequence[Row[Any]]) -> NDArray[np.void]:
    blobs = [Blob((row.size,), row.dtype, row.checksum, row.payload) for row in rows]
    try:
        return unpack_records(blobs)
    except DamagedBlobError:
        for row, blob in zip(rows, blobs, strict=True):
            _check(database, row.frame_id, blob)
        raise


def _check(database: Database, frame_id: int, blob: Blob) -> None:
    try:
        unpack_records([blob])
    except DamagedBlobError as error:
        name = database.connection.scalar(select(FrameRow.name).where(FrameRow.id == frame_id))
        raise CatalogError(
            f"{database.path} is damaged: the sightings of {name}: {error}; "
            "restore it from a copy, or ingest into a new catalog"
        ) from error

"""Whether a catalog is whole: SQLite's own checks, every checksum, and what must agree with what."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

from sqlalchemy import exists, select, true

from defectmap.catalog.evidence import Band, PlaneKey
from defectmap.catalog.planes import Blob, DamagedBlobError
from defectmap.catalog.records import CheckReport
from defectmap.catalog.schema import FaintSightingsRow, FrameRow, PlaneRow, SightingsRow
from defectmap.catalog.store import Catalog, open_catalog
from defectmap.errors import CatalogError


def check(path: Path) -> CheckReport:
    """Check a catalog; it is only read.

    Raises
    ------
    CatalogError
        If there is none, if the file is no catalog or if its schema is of another version.
    """
    with open_catalog(path, read_only=True) as catalog:
        found: list[str] = []
        try:
            with catalog.snapshot():
                found.extend(problems(catalog))
        except CatalogError as error:
            found.append(str(error))
    return CheckReport(tuple(found))


def problems(catalog: Catalog) -> Iterator[str]:
    """Yield what is wrong with an open catalog, each as a sentence.

    Raises
    ------
    CatalogError
        If the file is too damaged to be read on.
    """
    connection = catalog.database.connection
    for (message,) in connection.exec_driver_sql("PRAGMA integrity_check").all():
        if message != "ok":
            yield f"the database is damaged: {message}"
    for table, row_id, parent, _ in connection.exec_driver_sql("PRAGMA foreign_key_check").all():
        yield f"row {row_id} of table {table} belongs to a missing row of table {parent}"
    yield from _plane_problems(catalog)
    yield from _sightings_problems(catalog)
    yield from _ledger_problems(catalog)
    yield from catalog.imports.problems()


def _plane_problems(catalog: Catalog) -> Iterator[str]:
    rows = catalog.database.connection.execute(
        select(
            PlaneRow.stream_id,
            PlaneRow.epoch,
            PlaneRow.name,
            PlaneRow.id,
            PlaneRow.first_row,
            PlaneRow.rows,
            PlaneRow.cols,
            PlaneRow.dtype,
        ).order_by(PlaneRow.stream_id, PlaneRow.epoch, PlaneRow.name, PlaneRow.band)
    ).all()
    for key, group in groupby(rows, key=lambda row: PlaneKey(*row[:3])):
        bands = [Band(*row[3:]) for row in group]
        plane = f"plane {key.name!r} of stream {key.stream_id} in epoch {key.epoch}"
        if bands[0].first_row != 0 or any(
            (below.first_row, below.cols, below.dtype) != (above.past_row, above.cols, above.dtype)
            for above, below in pairwise(bands)
        ):
            yield f"{plane} has a gap or bands of different kinds"
        for band in bands:
            if trouble := _damage(catalog.evidence.read_blob(band)):
                yield f"{plane}, rows from {band.first_row}: {trouble}"


def _sightings_problems(catalog: Catalog) -> Iterator[str]:
    connection = catalog.database.connection
    frames = connection.execute(
        select(FrameRow.id, FrameRow.name, SightingsRow.frame_id.label("sightings_of")).outerjoin(
            SightingsRow, SightingsRow.frame_id == FrameRow.id
        )
    ).all()
    for frame in frames:
        if frame.sightings_of is None:
            yield f"frame {frame.name} lacks its sightings"
            continue
        row: Any = connection.execute(
            select(SightingsRow.count, SightingsRow.dtype, SightingsRow.checksum, SightingsRow.payload).where(
                SightingsRow.frame_id == frame.id
            )
        ).one()
        if trouble := _damage(Blob((row[0],), row[1], row[2], row[3])):
            yield f"sightings of frame {frame.name}: {trouble}"
    faint = select(
        FaintSightingsRow.count,
        FaintSightingsRow.dtype,
        FaintSightingsRow.checksum,
        FaintSightingsRow.payload,
        FrameRow.name,
    ).join(FrameRow, FrameRow.id == FaintSightingsRow.frame_id)
    for size, dtype, checksum, payload, name in connection.execute(faint):
        if trouble := _damage(Blob((size,), dtype, checksum, payload)):
            yield f"faint sightings of frame {name}: {trouble}"


def _ledger_problems(catalog: Catalog) -> Iterator[str]:
    connection = catalog.database.connection
    of_same_epoch = (PlaneRow.stream_id == FrameRow.stream_id, PlaneRow.epoch == FrameRow.epoch)
    for stream_id, epoch in connection.execute(
        select(FrameRow.stream_id, FrameRow.epoch)
        .where(FrameRow.counted == true(), ~exists().where(*of_same_epoch))
        .distinct()
    ).all():
        yield f"epoch {epoch} of stream {stream_id} counts frames but holds no evidence"
    for stream_id, epoch in connection.execute(
        select(PlaneRow.stream_id, PlaneRow.epoch).where(~exists().where(*of_same_epoch)).distinct()
    ).all():
        yield f"epoch {epoch} of stream {stream_id} holds evidence of no frame"


def _damage(blob: Blob) -> str | None:
    try:
        blob.verify()
    except DamagedBlobError as error:
        return str(error)
    return None

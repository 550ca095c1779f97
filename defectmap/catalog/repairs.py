"""Repairs: which files were written, and where their originals are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from sqlalchemy import exists, false, insert, or_, select, update

from defectmap.catalog.database import Database
from defectmap.catalog.records import RepairRecord, StoredRepair
from defectmap.catalog.schema import FrameRow, RepairRow, RevisionRow

_COLUMNS = tuple(getattr(RepairRow, field.name) for field in fields(RepairRecord))
_PAGE = 10_000
_Value = TypeVar("_Value", bytes, datetime)


class Repairs:
    """The repairs of a catalog."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, repair: RepairRecord) -> int:
        """Remember a repair and return its id."""
        with self._database.transaction():
            return self._database.connection.execute(
                insert(RepairRow).values(**asdict(repair), undone=False).returning(RepairRow.id)
            ).scalar_one()

    def select(
        self, *, path: Path | None = None, sensor_id: int | None = None, undone: bool = False
    ) -> list[StoredRepair]:
        """Return repairs, the last one first.

        Parameters
        ----------
        path : Path, optional
            Only those that read or wrote this file.
        sensor_id : int, optional
            Only those of this sensor.
        undone : bool
            Whether to return those too whose original is back.
        """
        query = select(RepairRow.id, RepairRow.undone, *_COLUMNS).order_by(RepairRow.id.desc())
        if path is not None:
            query = query.where(or_(RepairRow.source == path, RepairRow.output == path))
        if sensor_id is not None:
            query = query.join(RevisionRow, RevisionRow.id == RepairRow.revision_id).where(
                RevisionRow.sensor_id == sensor_id
            )
        if not undone:
            query = query.where(RepairRow.undone == false())
        return [
            StoredRepair(repair_id, RepairRecord(*values), was_undone)
            for repair_id, was_undone, *values in self._database.connection.execute(query)
        ]

    def of_outputs(self, digests: Sequence[bytes]) -> dict[bytes, RepairRecord]:
        """Return the repairs, also those undone, that wrote files of some contents, by these."""
        made: dict[bytes, RepairRecord] = {}
        for page in _pages(digests):
            query = select(*_COLUMNS).where(RepairRow.output_digest.in_(page)).order_by(RepairRow.id.desc())
            for row in self._database.connection.execute(query):
                repair = RepairRecord(*row)
                made[repair.output_digest] = repair
        return made

    def of_content(self, digest: bytes, output: Path | None = None) -> RepairRecord | None:
        """Return the newest repair, undone or not, that wrote a file of some content; None if there is none.

        Parameters
        ----------
        digest : bytes
        output : Path, optional
            Only one that wrote it to this place.
        """
        query = select(*_COLUMNS).where(RepairRow.output_digest == digest).order_by(RepairRow.id.desc())
        if output is not None:
            query = query.where(RepairRow.output == output)
        row = self._database.connection.execute(query.limit(1)).one_or_none()
        return None if row is None else RepairRecord(*row)

    def wrote(self, output: Path) -> bool:
        """Whether a repair, undone or not, wrote to a path."""
        query = select(exists().where(RepairRow.output == output))
        return bool(self._database.connection.execute(query).scalar_one())

    def of_moments(self, moments: Sequence[datetime]) -> list[tuple[RepairRecord, int, datetime]]:
        """Return the repairs, also those undone, of photos taken at some moments, the last one first.

        Parameters
        ----------
        moments : sequence of datetime
            By the camera's clock.

        Returns
        -------
        list of (RepairRecord, int, datetime)
            With the id of the photo's stream, and its moment.
        """
        found = []
        for page in _pages(moments):
            query = (
                select(RepairRow.id, FrameRow.stream_id, FrameRow.captured, *_COLUMNS)
                .join(FrameRow, FrameRow.digest == RepairRow.source_digest)
                .where(FrameRow.captured.in_(page))
            )
            for number, stream_id, captured, *values in self._database.connection.execute(query):
                if captured is not None:
                    found.append((number, RepairRecord(*values), stream_id, captured))
        found.sort(key=lambda one: one[0], reverse=True)
        return [(repair, stream_id, captured) for _, repair, stream_id, captured in found]

    def mark_undone(self, repair_id: int) -> None:
        """Note that the original is back in its place."""
        with self._database.transaction():
            self._database.connection.execute(
                update(RepairRow).where(RepairRow.id == repair_id).values(undone=True)
            )


def _pages(values: Sequence[_Value]) -> Iterator[Sequence[_Value]]:
    """Cut what is asked for into pieces that one statement takes."""
    for start in range(0, len(values), _PAGE):
        yield values[start : start + _PAGE]

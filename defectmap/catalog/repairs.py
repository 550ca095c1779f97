"""Repairs: which files were written, and where their originals are."""

from __future__ import annotations

from dataclasses import asdict, fields
from pathlib import Path

from sqlalchemy import false, insert, or_, select, update

from defectmap.catalog.database import Database
from defectmap.catalog.records import RepairRecord, StoredRepair
from defectmap.catalog.schema import RepairRow, RevisionRow

_REPAIR = tuple(field.name for field in fields(RepairRecord))


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
        query = select(
            RepairRow.id, RepairRow.undone, *(getattr(RepairRow, name) for name in _REPAIR)
        ).order_by(RepairRow.id.desc())
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

    def mark_undone(self, repair_id: int) -> None:
        """Note that the original is back in its place."""
        with self._database.transaction():
            self._database.connection.execute(
                update(RepairRow).where(RepairRow.id == repair_id).values(undone=True)
            )

"""Revisions: immutable, numbered defect maps of a sensor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, select

from defectmap.catalog.database import Database
from defectmap.catalog.records import Revision, RevisionRecord
from defectmap.catalog.schema import DefectRow, RevisionRow, RevisionStreamRow, StreamRow, StructureRow
from defectmap.model.defects import Defect, DefectMap, Kind, Period, Structure, StructureKind
from defectmap.model.sensor import Grid

_TIMES = ("last_good", "first_bad", "last_bad", "first_good")
_DEFECT = tuple(field.name for field in fields(Defect))
_STRUCTURE = tuple(
    field.name for field in fields(Structure) if field.name not in {"kind", "period", "offsets"}
)


class Revisions:
    """The revisions of a catalog; they are added and read, never changed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, sensor_id: int, revision: RevisionRecord) -> int:
        """Add a revision and return its number.

        Parameters
        ----------
        sensor_id : int
        revision : RevisionRecord
            The keys of its maps are streams of this sensor.

        Returns
        -------
        int
            One more than that of the sensor's latest revision; 1 for the first.
        """
        connection = self._database.connection
        with self._database.transaction():
            number = (self._latest_number(sensor_id) or 0) + 1
            revision_id = connection.execute(
                insert(RevisionRow)
                .values(
                    sensor_id=sensor_id,
                    number=number,
                    created=revision.created,
                    program_version=revision.program_version,
                    method=revision.method,
                    frames=revision.frames,
                    scenes=revision.scenes,
                    provenance=dict(revision.provenance),
                )
                .returning(RevisionRow.id)
            ).scalar_one()
            for stream_id, defects in revision.maps.items():
                connection.execute(
                    insert(RevisionStreamRow).values(revision_id=revision_id, stream_id=stream_id)
                )
                if defects:
                    connection.execute(
                        insert(DefectRow),
                        [
                            {"revision_id": revision_id, "stream_id": stream_id, **_values(defect)}
                            for defect in defects
                        ],
                    )
                if defects.structures:
                    connection.execute(
                        insert(StructureRow),
                        [
                            {"revision_id": revision_id, "stream_id": stream_id, **_parts(structure)}
                            for structure in defects.structures
                        ],
                    )
        return number

    def latest(self, sensor_id: int) -> Revision | None:
        """Return the newest revision of a sensor; None before the first."""
        number = self._latest_number(sensor_id)
        return None if number is None else self.numbered(sensor_id, number)

    def numbered(self, sensor_id: int, number: int) -> Revision:
        """Return a revision by its number.

        Raises
        ------
        KeyError
            If the sensor has no such revision.
        """
        row = self._database.connection.execute(
            select(*RevisionRow.__table__.c).where(
                RevisionRow.sensor_id == sensor_id, RevisionRow.number == number
            )
        ).one_or_none()
        if row is None:
            raise KeyError(f"sensor {sensor_id} has no revision {number}")
        content = RevisionRecord(
            self._maps(row.id),
            row.created,
            row.program_version,
            row.method,
            row.frames,
            row.scenes,
            row.provenance,
        )
        return Revision(row.id, sensor_id, number, content)

    def numbers(self, sensor_id: int) -> list[int]:
        """Return the numbers of a sensor's revisions, in ascending order."""
        return list(
            self._database.connection.scalars(
                select(RevisionRow.number)
                .where(RevisionRow.sensor_id == sensor_id)
                .order_by(RevisionRow.number)
            )
        )

    def _latest_number(self, sensor_id: int) -> int | None:
        return self._database.connection.execute(
            select(func.max(RevisionRow.number)).where(RevisionRow.sensor_id == sensor_id)
        ).scalar_one()

    def _maps(self, revision_id: int) -> dict[int, DefectMap]:
        streams = self._database.connection.execute(
            select(StreamRow.id, StreamRow.kind, StreamRow.height, StreamRow.width)
            .join(RevisionStreamRow, RevisionStreamRow.stream_id == StreamRow.id)
            .where(RevisionStreamRow.revision_id == revision_id)
            .order_by(StreamRow.id)
        ).all()
        rows = self._database.connection.execute(
            select(
                DefectRow.stream_id,
                *(getattr(DefectRow, name) for name in _DEFECT),
                *(getattr(DefectRow, name) for name in _TIMES),
            ).where(DefectRow.revision_id == revision_id)
        )
        entries: dict[int, list[Defect]] = {}
        for stream_id, *values in rows:
            found = dict(zip((*_DEFECT, *_TIMES), values, strict=True))
            last = Period(**{name: found.pop(name) for name in _TIMES})
            stored = found["periods"]
            periods = (last,) if stored is None else tuple(_period(part) for part in stored)
            made = found | {"kind": Kind(found["kind"]), "periods": periods}
            entries.setdefault(stream_id, []).append(Defect(**made))
        structures: dict[int, list[Structure]] = {}
        for row in self._database.connection.execute(
            select(*StructureRow.__table__.c).where(StructureRow.revision_id == revision_id)
        ):
            structures.setdefault(row.stream_id, []).append(
                Structure(
                    StructureKind(row.kind),
                    period=(row.period_rows, row.period_cols),
                    offsets=tuple((y, x) for y, x in row.offsets),
                    **{name: getattr(row, name) for name in _STRUCTURE},
                )
            )
        return {
            stream.id: DefectMap(
                Grid("raw" if stream.kind == "raw" else "jpeg", stream.height, stream.width),
                tuple(entries.get(stream.id, ())),
                tuple(structures.get(stream.id, ())),
            )
            for stream in streams
        }


def _values(defect: Defect) -> dict[str, Any]:
    return (
        {name: getattr(defect, name) for name in (*_DEFECT, *_TIMES)}
        | {"kind": defect.kind.value}
        | {"periods": [_period_document(period) for period in defect.periods]}
    )


def _period_document(period: Period) -> dict[str, str | float | None]:
    return {
        name: value.isoformat(timespec="microseconds") if isinstance(value, datetime) else value
        for name, value in asdict(period).items()
    }


def _period(stored: Mapping[str, Any]) -> Period:
    values: dict[str, Any] = {
        name: datetime.fromisoformat(value) if isinstance(value, str) else value
        for name, value in stored.items()
    }
    return Period(**values)


def _parts(structure: Structure) -> dict[str, Any]:
    return {name: getattr(structure, name) for name in _STRUCTURE} | {
        "kind": structure.kind.value,
        "period_rows": structure.period[0],
        "period_cols": structure.period[1],
        "offsets": [list(offset) for offset in structure.offsets],
    }

"""Lists of other programs: each kept whole under its name, apart from all evidence."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import delete, insert, or_, select

from defectmap.catalog.database import Database
from defectmap.catalog.records import ListRecord, StoredList
from defectmap.catalog.schema import ListedSiteRow, ListRow, StreamRow
from defectmap.model.listed import ListedSite


class Imports:
    """The imported lists of a catalog."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, stream_id: int, record: ListRecord) -> int:
        """Add a list and return its id; its name must be new to the stream."""
        connection = self._database.connection
        with self._database.transaction():
            list_id: int = connection.execute(
                insert(ListRow)
                .values(
                    stream_id=stream_id,
                    name=record.name,
                    format=record.format,
                    digest=record.digest,
                    imported=record.imported,
                )
                .returning(ListRow.id)
            ).scalar_one()
            if record.sites:
                connection.execute(
                    insert(ListedSiteRow),
                    [
                        {"list_id": list_id, "row": s.row, "col": s.col, "since": s.since, "until": s.until}
                        for s in record.sites
                    ],
                )
        return list_id

    def of_sensor(self, sensor_id: int) -> list[StoredList]:
        """Return the lists of all streams of a sensor, in the order they were added."""
        rows = self._database.connection.execute(
            select(*ListRow.__table__.c)
            .join(StreamRow, StreamRow.id == ListRow.stream_id)
            .where(StreamRow.sensor_id == sensor_id)
            .order_by(ListRow.id)
        ).all()
        return [
            StoredList(
                row.id,
                row.stream_id,
                ListRecord(row.name, row.format, row.digest, row.imported, self._sites(row.id)),
            )
            for row in rows
        ]

    def remove(self, list_id: int) -> None:
        """Take a list out again, with all of its sites."""
        with self._database.transaction():
            self._database.connection.execute(delete(ListedSiteRow).where(ListedSiteRow.list_id == list_id))
            self._database.connection.execute(delete(ListRow).where(ListRow.id == list_id))

    def problems(self) -> Iterator[str]:
        """Yield what is wrong with the lists, each as a sentence: sites outside of their grid."""
        rows = self._database.connection.execute(
            select(ListRow.name, ListedSiteRow.row, ListedSiteRow.col)
            .join(ListRow, ListRow.id == ListedSiteRow.list_id)
            .join(StreamRow, StreamRow.id == ListRow.stream_id)
            .where(
                or_(
                    ListedSiteRow.row < 0,
                    ListedSiteRow.row >= StreamRow.height,
                    ListedSiteRow.col < 0,
                    ListedSiteRow.col >= StreamRow.width,
                )
            )
        )
        for name, row, col in rows:
            yield f"list {name} names row {row}, column {col}, which the camera does not have"

    def _sites(self, list_id: int) -> tuple[ListedSite, ...]:
        return tuple(
            ListedSite(*values)
            for values in self._database.connection.execute(
                select(ListedSiteRow.row, ListedSiteRow.col, ListedSiteRow.since, ListedSiteRow.until)
                .where(ListedSiteRow.list_id == list_id)
                .order_by(ListedSiteRow.row, ListedSiteRow.col)
            )
        )

"""Sensors and their streams."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.dialects.sqlite import insert as insert_or

from defectmap.catalog.database import Database
from defectmap.catalog.records import SensorRecord, StreamRecord
from defectmap.catalog.schema import RegistrationRow, SensorRow, StreamRow
from defectmap.errors import CatalogError, FailedPhotoError
from defectmap.model.registration import Registration
from defectmap.model.sensor import Grid, MosaicGeometry, SensorIdentity


class Sensors:
    """The sensors of a catalog and their streams."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def sensor(self, identity: SensorIdentity) -> SensorRecord:
        """Return the sensor, added if it is new."""
        serial = identity.serial or None
        with self._database.transaction():
            row = self._database.connection.execute(
                select(SensorRow.id, SensorRow.nickname).where(
                    SensorRow.make == identity.make,
                    SensorRow.model == identity.model,
                    SensorRow.serial.is_not_distinct_from(serial),
                )
            ).one_or_none()
            if row is not None:
                return SensorRecord(row.id, identity, row.nickname)
            new_id = self._database.connection.execute(
                insert(SensorRow)
                .values(make=identity.make, model=identity.model, serial=serial)
                .returning(SensorRow.id)
            ).scalar_one()
        return SensorRecord(new_id, identity, None)

    def all(self) -> list[SensorRecord]:
        """Return every sensor, ordered by make, model and serial number."""
        rows = self._database.connection.execute(
            select(
                SensorRow.id, SensorRow.make, SensorRow.model, SensorRow.serial, SensorRow.nickname
            ).order_by(SensorRow.make, SensorRow.model, SensorRow.serial)
        )
        return [
            SensorRecord(row.id, SensorIdentity(row.make, row.model, row.serial), row.nickname)
            for row in rows
        ]

    def find(self, text: str) -> list[SensorRecord]:
        """Return the sensors that a text may mean.

        Parameters
        ----------
        text : str
            Any part of the nickname, serial number, make, model or name, upper or lower case alike. Where it
            is the whole of one of them, sensors that merely contain it are left out: `D80` is not a `D800`.
        """
        wanted = " ".join(text.split()).casefold()
        names = {sensor: _names(sensor) for sensor in self.all()}
        exact = [sensor for sensor, known in names.items() if wanted in known]
        return exact or [sensor for sensor, known in names.items() if any(wanted in name for name in known)]

    def set_nickname(self, sensor_id: int, nickname: str | None) -> None:
        """Give a sensor a name of the user's own, or take it away."""
        with self._database.transaction():
            self._database.connection.execute(
                update(SensorRow).where(SensorRow.id == sensor_id).values(nickname=nickname)
            )

    def stream(
        self, sensor_id: int, grid: Grid, geometry: MosaicGeometry | None, method: int
    ) -> StreamRecord:
        """Return the stream of a sensor on a grid, added if it is new.

        Parameters
        ----------
        sensor_id : int
        grid : Grid
        geometry : MosaicGeometry or None
            Of the frame at hand; None for a JPEG. Levels may differ from frame to frame: the stream keeps the
            lowest, whatever the order of the frames.
        method : int
            Version of the measure.

        Raises
        ------
        FailedPhotoError
            If the frame's visible area or colour filter array is not that of the stream.
        CatalogError
            If the stream's evidence was measured by another method.
        """
        with self._database.transaction():
            known = next((s for s in self.streams(sensor_id) if s.grid == grid), None)
            if known is None:
                new_id = self._database.connection.execute(
                    insert(StreamRow)
                    .values(
                        sensor_id=sensor_id,
                        kind=grid.kind,
                        height=grid.height,
                        width=grid.width,
                        geometry=None if geometry is None else asdict(geometry),
                        method=method,
                    )
                    .returning(StreamRow.id)
                ).scalar_one()
                return StreamRecord(new_id, sensor_id, grid, geometry, method)
        if known.method != method:
            raise CatalogError(
                f"the evidence in {self._database.path} was measured by method {known.method}, this program "
                f"measures by method {method}, and the two cannot be added; ingest into a new catalog"
            )
        if _layout(geometry) != _layout(known.geometry):
            raise FailedPhotoError(
                f"its mosaic is laid out as {_layout(geometry)}, other files of this camera as "
                f"{_layout(known.geometry)}"
            )
        return known if geometry is None else self._with_levels_of(known, geometry)

    def _with_levels_of(self, known: StreamRecord, geometry: MosaicGeometry) -> StreamRecord:
        """Keep the lowest levels of all frames: some cameras' differ a little from frame to frame."""
        stored = known.geometry
        assert stored is not None
        black = tuple(min(pair) for pair in zip(stored.black, geometry.black, strict=True))
        lowest = replace(stored, black=black, white=min(stored.white, geometry.white))
        if lowest == stored:
            return known
        with self._database.transaction():
            self._database.connection.execute(
                update(StreamRow).where(StreamRow.id == known.id).values(geometry=asdict(lowest))
            )
        return replace(known, geometry=lowest)

    def streams(self, sensor_id: int | None = None) -> list[StreamRecord]:
        """Return the streams of one sensor, or of all, in the order they were added."""
        query = select(
            StreamRow.id,
            StreamRow.sensor_id,
            StreamRow.kind,
            StreamRow.height,
            StreamRow.width,
            StreamRow.geometry,
            StreamRow.method,
        ).order_by(StreamRow.id)
        if sensor_id is not None:
            query = query.where(StreamRow.sensor_id == sensor_id)
        return [
            StreamRecord(
                row.id,
                row.sensor_id,
                Grid("raw" if row.kind == "raw" else "jpeg", row.height, row.width),
                None if row.geometry is None else _geometry(row.geometry),
                row.method,
            )
            for row in self._database.connection.execute(query)
        ]

    def register(self, source_id: int, target_id: int, registration: Registration) -> None:
        """Remember how the grid of one stream lies on that of another; what is known of the two stays.

        Parameters
        ----------
        source_id, target_id : int
            Streams of one sensor, on the grids of the registration.
        registration : Registration
            From the preview of a raw file: one from the defects is as old as the map, and kept with it.
        """
        with self._database.transaction():
            self._database.connection.execute(
                insert_or(RegistrationRow)
                .values(
                    source_id=source_id,
                    target_id=target_id,
                    scale=registration.scale,
                    row=registration.row,
                    col=registration.col,
                    tiles=registration.coincidences,
                    of=registration.of,
                    chance=registration.chance,
                )
                .on_conflict_do_nothing()
            )

    def registrations(self, sensor_id: int) -> dict[tuple[int, int], Registration]:
        """Return what is remembered of a sensor's grids, by the ids of source and target stream."""
        streams = {stream.id: stream.grid for stream in self.streams(sensor_id)}
        query = select(*RegistrationRow.__table__.c).where(RegistrationRow.source_id.in_(streams))
        return {
            (row.source_id, row.target_id): Registration(
                streams[row.source_id],
                streams[row.target_id],
                row.scale,
                row.row,
                row.col,
                row.tiles,
                row.of,
                row.chance,
                "preview",
            )
            for row in self._database.connection.execute(
                query.order_by(RegistrationRow.source_id, RegistrationRow.target_id)
            )
        }


def _names(sensor: SensorRecord) -> set[str]:
    identity = sensor.identity
    names = (sensor.nickname, identity.serial, identity.make, identity.model, identity.name)
    return {name.casefold() for name in names if name}


def _geometry(stored: Mapping[str, Any]) -> MosaicGeometry:
    return MosaicGeometry(**{**stored, "cfa": tuple(stored["cfa"]), "black": tuple(stored["black"])})


def _layout(geometry: MosaicGeometry | None) -> str:
    if geometry is None:
        return "none"
    return (
        f"{geometry.visible_height}x{geometry.visible_width} visible photosites from row {geometry.top}, "
        f"column {geometry.left} with colours {'/'.join(geometry.cfa)}"
    )

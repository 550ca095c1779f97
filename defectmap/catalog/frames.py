"""Frames, the sightings in them, and their conditions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, insert, null, select, update

from defectmap.catalog.database import Database
from defectmap.catalog.planes import pack_records
from defectmap.catalog.records import FrameRecord, StoredFrame
from defectmap.catalog.schema import FaintSightingsRow, FrameRow, SightingsRow, StreamRow
from defectmap.catalog.sightings import read_faint, read_sightings
from defectmap.errors import CatalogError
from defectmap.model.faint import FaintSightings
from defectmap.model.frame import Conditions

_CONDITIONS = tuple(field.name for field in fields(Conditions))
SCENE = func.coalesce(FrameRow.scene, FrameRow.id).label("scene")
"""A frame that was not yet compared is a scene of its own."""


class Frames:
    """The frames of a catalog: the ledger of what its evidence holds."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self,
        stream_id: int,
        frame: FrameRecord,
        sightings: NDArray[np.void],
        faint: FaintSightings | None = None,
    ) -> int:
        """Add a frame with its sightings and return its id.

        Parameters
        ----------
        stream_id : int
        frame : FrameRecord
        sightings : ndarray of shape (n,), structured dtype
            May be empty.
        faint : FaintSightings, optional
            Of a raw frame.

        Raises
        ------
        CatalogError
            If a frame of the same content is here already.
        """
        with self._database.transaction():
            if self.by_digest(frame.digest) is not None:
                raise CatalogError(
                    f"{frame.name} is in {self._database.path} already, under the same content"
                )
            frame_id = self._database.connection.execute(
                insert(FrameRow)
                .values(
                    stream_id=stream_id,
                    digest=frame.digest,
                    name=frame.name,
                    signature=frame.signature,
                    counted=frame.counted,
                    epoch=frame.epoch,
                    level_dn=frame.level_dn,
                    contrast_dn=frame.contrast_dn,
                    **{name: getattr(frame.conditions, name) for name in _CONDITIONS},
                )
                .returning(FrameRow.id)
            ).scalar_one()
            blob = pack_records(sightings)
            self._database.connection.execute(
                insert(SightingsRow).values(
                    frame_id=frame_id,
                    count=len(sightings),
                    dtype=blob.dtype,
                    checksum=blob.checksum,
                    payload=blob.payload,
                )
            )
            if faint is not None and faint.records.size:
                self._add_faint(frame_id, faint)
        return frame_id

    def _add_faint(self, frame_id: int, faint: FaintSightings) -> None:
        """Write them with the distances of sites for sites: these take two bytes of a record, at most."""
        gaps = faint.records.copy()
        gaps["site"][1:] = np.diff(faint.records["site"])
        blob = pack_records(gaps)
        self._database.connection.execute(
            insert(FaintSightingsRow).values(
                frame_id=frame_id,
                least=faint.least,
                count=len(gaps),
                dtype=blob.dtype,
                checksum=blob.checksum,
                payload=blob.payload,
            )
        )

    def set_counted(self, frame_id: int, counted: bool) -> None:
        """Note whether the evidence of a frame is in the planes."""
        with self._database.transaction():
            self._database.connection.execute(
                update(FrameRow).where(FrameRow.id == frame_id).values(counted=counted)
            )

    def count(self, stream_id: int) -> int:
        """Return the number of frames of a stream."""
        query = select(func.count()).select_from(FrameRow).where(FrameRow.stream_id == stream_id)
        return self._database.connection.execute(query).scalar_one()

    def of_stream(self, stream_id: int, *, signatures: bool = True) -> list[StoredFrame]:
        """Return the frames of a stream in the order they were taken.

        Parameters
        ----------
        stream_id : int
        signatures : bool
            Whether to read the signatures too.

        Returns
        -------
        list of StoredFrame
            By capture time, shutter count and name; frames without a time come last.
        """
        query = (
            select(*frame_columns(signatures))
            .where(FrameRow.stream_id == stream_id)
            .order_by(
                FrameRow.captured.is_(None),
                FrameRow.captured,
                FrameRow.shutter_count,
                FrameRow.name,
                FrameRow.id,
            )
        )
        return [stored_frame(row) for row in self._database.connection.execute(query)]

    def moments(self, sensor_id: int) -> list[Conditions]:
        """Return capture time and shutter count of all frames of a sensor, by which its clock is judged.

        The other conditions are None. Whatever the stream, and in no particular order.
        """
        query = (
            select(FrameRow.captured, FrameRow.shutter_count)
            .join(StreamRow, StreamRow.id == FrameRow.stream_id)
            .where(StreamRow.sensor_id == sensor_id)
        )
        return [
            Conditions(captured=captured, shutter_count=count)
            for captured, count in self._database.connection.execute(query)
        ]

    def by_digest(self, digest: bytes) -> StoredFrame | None:
        """Return the frame of a file's content, without its signature; None if there is none."""
        row = self._database.connection.execute(
            select(*frame_columns(signatures=False)).where(FrameRow.digest == digest)
        ).one_or_none()
        return None if row is None else stored_frame(row)

    def sightings(self, stream_id: int) -> Iterator[tuple[int, NDArray[np.void]]]:
        """Yield (frame id, sightings) of every frame of a stream, in the order they were added.

        Read page by page: memory stays bounded. Hold a snapshot where another program may write meanwhile.

        Raises
        ------
        CatalogError
            If a record is damaged.
        """
        return read_sightings(self._database, stream_id)

    def faint(self, stream_id: int) -> Iterator[tuple[int, FaintSightings]]:
        """Yield (frame id, faint sightings) of every frame of a raw stream that has some.

        As of :meth:`sightings`.

        Raises
        ------
        CatalogError
            If a record is damaged.
        """
        return read_faint(self._database, stream_id)


def frame_columns(signatures: bool) -> list[Any]:
    """Return the columns that :func:`stored_frame` takes, with or without the signature."""
    return [
        FrameRow.id,
        FrameRow.stream_id,
        FrameRow.digest,
        FrameRow.name,
        FrameRow.signature if signatures else null().label("signature"),
        FrameRow.counted,
        FrameRow.epoch,
        FrameRow.level_dn,
        FrameRow.contrast_dn,
        SCENE,
        *(getattr(FrameRow, name) for name in _CONDITIONS),
    ]


def stored_frame(row: Sequence[Any]) -> StoredFrame:
    """Return the frame of a row of these columns."""
    number, stream_id, digest, name, signature, counted, epoch, level, contrast, scene, *conditions = row
    return StoredFrame(
        number,
        stream_id,
        digest,
        name,
        Conditions(*conditions),
        signature,
        counted,
        epoch,
        level,
        contrast,
        scene,
    )

"""Accumulated evidence: planes of exact integer sums per stream and epoch.

Sums add whatever their order, so a batch of frames, a shard and an old epoch are all merged by the same
addition, and taking a frame out again is its subtraction.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import delete, insert, select, update

from defectmap.catalog.database import Database
from defectmap.catalog.planes import Blob, DamagedBlobError, added, band_starts, pack, unpack
from defectmap.catalog.schema import FrameRow, PlaneRow
from defectmap.errors import CatalogError


@dataclass(frozen=True, slots=True)
class PlaneKey:
    """Which plane: `name` of the sums of an epoch of a stream."""

    stream_id: int
    epoch: int
    name: str


@dataclass(frozen=True, slots=True)
class Band:
    """Rows `first_row` to `first_row + rows` of a plane as they are stored, without the payload."""

    id: int
    first_row: int
    rows: int
    cols: int
    dtype: str

    @property
    def past_row(self) -> int:
        """The row after the last."""
        return self.first_row + self.rows


class Evidence:
    """The planes of a catalog."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_to_planes(
        self, stream_id: int, epoch: int, arrays: Mapping[str, NDArray[Any]], *, sign: int = 1
    ) -> None:
        """Add arrays to the planes of an epoch, or take them out again; absent planes start from zero.

        Parameters
        ----------
        stream_id, epoch : int
        arrays : Mapping of str to ndarray of shape (rows, cols), integer dtype
            By name of the plane. Shape and dtype must be those of the plane.
        sign : {1, -1}
            -1 to subtract.

        Raises
        ------
        CatalogError
            If a sum leaves the range of its dtype (it never wraps), if shape or dtype differ from what is
            stored, or if a plane is damaged. Nothing is changed then.
        """
        with self._database.transaction():
            for name, array in arrays.items():
                key = PlaneKey(stream_id, epoch, name)
                if array.ndim != 2 or array.dtype.kind not in "iu":
                    raise TypeError(
                        f"plane {name!r} needs a 2-D array of integers, not {array.dtype}{array.shape}"
                    )
                bands = self.bands(key)
                if bands:
                    self._check_alike(key, bands, array.shape, array.dtype)
                    self._add_rows(key, bands, 0, array, sign)
                else:
                    self._create(key, array, sign)

    def fold_epochs(self, stream_id: int, keep: int) -> None:
        """Add every epoch but one into epoch 0, so that the stored state stays bounded.

        Frames of a folded epoch are from then on frames of epoch 0.

        Parameters
        ----------
        stream_id : int
        keep : int
            The epoch left as it is.

        Raises
        ------
        CatalogError
            As :meth:`add_to_planes`.
        """
        with self._database.transaction():
            for epoch in self.epochs(stream_id):
                if epoch not in (0, keep):
                    for name in self.plane_names(stream_id, epoch):
                        self._fold(PlaneKey(stream_id, epoch, name))
            self._database.connection.execute(
                update(FrameRow)
                .where(FrameRow.stream_id == stream_id, FrameRow.epoch.not_in((0, keep)))
                .values(epoch=0)
            )

    def epochs(self, stream_id: int) -> list[int]:
        """Return the epochs that a stream has planes of, in ascending order."""
        return list(
            self._database.connection.scalars(
                select(PlaneRow.epoch)
                .where(PlaneRow.stream_id == stream_id)
                .distinct()
                .order_by(PlaneRow.epoch)
            )
        )

    def plane_names(self, stream_id: int, epoch: int) -> list[str]:
        """Return the names of an epoch's planes, in alphabetical order."""
        return list(
            self._database.connection.scalars(
                select(PlaneRow.name)
                .where(PlaneRow.stream_id == stream_id, PlaneRow.epoch == epoch)
                .distinct()
                .order_by(PlaneRow.name)
            )
        )

    def read_plane(self, stream_id: int, epoch: int, name: str, rows: slice | None = None) -> NDArray[Any]:
        """Return a plane, or some of its rows.

        Parameters
        ----------
        stream_id, epoch : int
        name : str
        rows : slice, optional
            Rows to read, with step 1; only the bands they lie in are decompressed.

        Returns
        -------
        ndarray of shape (rows, cols), the dtype that was added

        Raises
        ------
        KeyError
            If there is no such plane.
        CatalogError
            If it is damaged.
        """
        key = PlaneKey(stream_id, epoch, name)
        bands = self.bands(key)
        if not bands:
            raise KeyError(f"no plane {name!r} of stream {stream_id} in epoch {epoch}")
        start, stop, step = (rows or slice(None)).indices(bands[-1].past_row)
        if step != 1:
            raise ValueError("rows are read with step 1")
        plane = np.empty((max(0, stop - start), bands[0].cols), np.dtype(bands[0].dtype).newbyteorder("="))
        for band in _overlapping(bands, start, stop):
            first, past = max(start, band.first_row), min(stop, band.past_row)
            block = self.read_band(key, band)
            plane[first - start : past - start] = block[first - band.first_row : past - band.first_row]
        return plane

    def add_plane_of(self, other: Evidence, source: PlaneKey, target: PlaneKey) -> None:
        """Add a plane of another catalog (or of this one) to a plane of this one, band by band.

        Parameters
        ----------
        other : Evidence
        source : PlaneKey
            In the other catalog.
        target : PlaneKey
            In this one.

        Raises
        ------
        CatalogError
            As :meth:`add_to_planes`.
        """
        with self._database.transaction():
            theirs, ours = other.bands(source), self.bands(target)
            if theirs and ours:
                shape = (theirs[-1].past_row, theirs[0].cols)
                self._check_alike(target, ours, shape, np.dtype(theirs[0].dtype))
            for number, band in enumerate(theirs):
                if ours:
                    self._add_rows(target, ours, band.first_row, other.read_band(source, band), 1)
                else:
                    self._insert(target, number, band.first_row, other.read_blob(band))

    def bands(self, key: PlaneKey) -> list[Band]:
        """Return the bands of a plane from the top down; none for an absent plane."""
        rows = self._database.connection.execute(
            select(PlaneRow.id, PlaneRow.first_row, PlaneRow.rows, PlaneRow.cols, PlaneRow.dtype)
            .where(
                PlaneRow.stream_id == key.stream_id, PlaneRow.epoch == key.epoch, PlaneRow.name == key.name
            )
            .order_by(PlaneRow.band)
        )
        return [Band(*row) for row in rows]

    def stored(self, key: PlaneKey) -> Generator[tuple[Band, Blob], None, None]:
        """Yield the bands of a plane from the top down, as they are stored, not yet verified."""
        rows = self._database.connection.execute(
            select(
                PlaneRow.id,
                PlaneRow.first_row,
                PlaneRow.rows,
                PlaneRow.cols,
                PlaneRow.dtype,
                PlaneRow.checksum,
                PlaneRow.payload,
            )
            .where(
                PlaneRow.stream_id == key.stream_id, PlaneRow.epoch == key.epoch, PlaneRow.name == key.name
            )
            .order_by(PlaneRow.band)
        )
        with rows:
            for number, first_row, height, cols, dtype, checksum, payload in rows:
                yield (
                    Band(number, first_row, height, cols, dtype),
                    Blob((height, cols), dtype, checksum, payload),
                )

    def read_blob(self, band: Band) -> Blob:
        """Return a band as it is stored, not yet verified."""
        checksum, payload = self._database.connection.execute(
            select(PlaneRow.checksum, PlaneRow.payload).where(PlaneRow.id == band.id)
        ).one()
        return Blob((band.rows, band.cols), band.dtype, checksum, payload)

    def read_band(self, key: PlaneKey, band: Band) -> NDArray[Any]:
        """Return the rows of a band.

        Raises
        ------
        CatalogError
            If it is damaged.
        """
        return self.restored(key, band, self.read_blob(band))

    def restored(self, key: PlaneKey, band: Band, blob: Blob, *, verified: bool = False) -> NDArray[Any]:
        """Return the rows of a band that was read; it may be called in any thread.

        Parameters
        ----------
        key : PlaneKey
        band : Band
        blob : Blob
        verified : bool
            As of :func:`defectmap.catalog.planes.unpack`.

        Raises
        ------
        CatalogError
            If it is damaged.
        """
        try:
            return unpack(blob, verified=verified)
        except DamagedBlobError as error:
            raise CatalogError(
                f"{self._database.path} is damaged: plane {key.name!r} of stream {key.stream_id}, rows from "
                f"{band.first_row}: {error}; restore it from a copy, or ingest into a new catalog"
            ) from error

    def _create(self, key: PlaneKey, array: NDArray[Any], sign: int) -> None:
        for number, (first, rows) in enumerate(
            band_starts(array.shape[0], array.shape[1], array.dtype.itemsize)
        ):
            block = array[first : first + rows]
            if sign < 0:
                block = self.summed(key, np.zeros_like(block), block, sign)
            self._insert(key, number, first, pack(block))

    def _add_rows(
        self, key: PlaneKey, bands: list[Band], first_row: int, block: NDArray[Any], sign: int
    ) -> None:
        for band in _overlapping(bands, first_row, first_row + len(block)):
            first, past = max(first_row, band.first_row), min(first_row + len(block), band.past_row)
            theirs = block[first - first_row : past - first_row]
            if not theirs.any():
                continue
            ours = self.read_band(key, band)
            mine = slice(first - band.first_row, past - band.first_row)
            ours[mine] = self.summed(key, ours[mine], theirs, sign)
            blob = pack(ours)
            self._database.connection.execute(
                update(PlaneRow)
                .where(PlaneRow.id == band.id)
                .values(checksum=blob.checksum, payload=blob.payload)
            )

    def _fold(self, key: PlaneKey) -> None:
        oldest = PlaneKey(key.stream_id, 0, key.name)
        of_epoch = (
            PlaneRow.stream_id == key.stream_id,
            PlaneRow.epoch == key.epoch,
            PlaneRow.name == key.name,
        )
        if self.bands(oldest):
            self.add_plane_of(self, key, oldest)
            self._database.connection.execute(delete(PlaneRow).where(*of_epoch))
        else:
            self._database.connection.execute(update(PlaneRow).where(*of_epoch).values(epoch=0))

    def _insert(self, key: PlaneKey, number: int, first_row: int, blob: Blob) -> None:
        rows, cols = blob.shape
        self._database.connection.execute(
            insert(PlaneRow).values(
                stream_id=key.stream_id,
                epoch=key.epoch,
                name=key.name,
                band=number,
                first_row=first_row,
                rows=rows,
                cols=cols,
                dtype=blob.dtype,
                checksum=blob.checksum,
                payload=blob.payload,
            )
        )

    def _check_alike(
        self, key: PlaneKey, bands: list[Band], shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> None:
        stored = (bands[-1].past_row, bands[0].cols), np.dtype(bands[0].dtype).newbyteorder("=")
        if stored != (shape, dtype.newbyteorder("=")):
            raise CatalogError(
                f"plane {key.name!r} of stream {key.stream_id} in {self._database.path} is "
                f"{stored[1].name} of shape {stored[0]}, what is to be added is {dtype.name} of shape {shape}"
            )

    def summed(self, key: PlaneKey, ours: NDArray[Any], theirs: NDArray[Any], sign: int = 1) -> NDArray[Any]:
        """Return the sum, or the difference, of parts of a plane.

        Raises
        ------
        CatalogError
            If it leaves the range of their type.
        """
        try:
            return added(ours, theirs, sign)
        except OverflowError as error:
            raise CatalogError(
                f"plane {key.name!r} of stream {key.stream_id} in {self._database.path} is full: {error}; "
                "start a new epoch or a new catalog"
            ) from error


def _overlapping(bands: list[Band], start: int, stop: int) -> Iterator[Band]:
    return (band for band in bands if band.first_row < stop and band.past_row > start)

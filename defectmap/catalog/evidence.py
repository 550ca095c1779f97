"""Accumulated evidence: planes of exact integer sums per stream and epoch.

Sums add whatever their order, so a batch of frames, a shard and an old epoch are all merged by the same
addition, and taking a frame out again is its subtraction.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, bindparam, delete, insert, select, update

from defectmap.catalog.addends import Addends, Change, carry_out
from defectmap.catalog.columns import Base
from defectmap.catalog.database import Database
from defectmap.catalog.planes import Blob, DamagedBlobError, added, band_starts, pack, total, unpack
from defectmap.catalog.schema import FrameRow, PlaneRow
from defectmap.errors import CatalogError

_TABLE = Base.metadata.tables[PlaneRow.__tablename__]

# Made once: to put a statement together takes longer than to compress what it writes.
_READ = select(_TABLE.c.checksum, _TABLE.c.payload).where(_TABLE.c.id == bindparam("band_id"))
_INSERT = insert(_TABLE)
_UPDATE = (
    update(_TABLE)
    .where(_TABLE.c.id == bindparam("band_id"))
    .values(checksum=bindparam("checksum"), payload=bindparam("payload"))
)


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
        self, stream_id: int, epoch: int, arrays: Mapping[str, NDArray[Any] | Addends], *, sign: int = 1
    ) -> None:
        """Add arrays to the planes of an epoch, or take them out again; absent planes start from zero.

        Parameters
        ----------
        stream_id, epoch : int
        arrays : Mapping of str to ndarray of shape (rows, cols), integer dtype, or Addends
            By name of the plane. Shape and dtype must be those of the plane.
        sign : {1, -1}
            -1 to subtract.

        Raises
        ------
        CatalogError
            If a sum leaves the range of its dtype (it never wraps), if shape or dtype differ from what is
            stored, or if a plane is damaged. Nothing is changed then.
        """

        def changes() -> Iterator[Change]:
            for name, array in arrays.items():
                addends = array if isinstance(array, Addends) else Addends(array.dtype, [array])
                if len(addends.shape) != 2 or addends.dtype.kind not in "iu":
                    raise TypeError(
                        f"plane {name!r} needs a 2-D array of integers, not {addends.dtype}{addends.shape}"
                    )
                key = PlaneKey(stream_id, epoch, name)
                bands = self.bands(key)
                if bands:
                    self._check_alike(key, bands, addends.shape, addends.dtype)
                    yield from (self._addition(key, band, addends.rows, sign) for band in bands)
                else:
                    yield from self._creation(key, addends, sign)

        with self._database.transaction():
            carry_out(changes())

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
            if ours:
                carry_out(
                    self._addition(target, band, other._reader(source, theirs, band), 1) for band in ours
                )
                return
            for number, band in enumerate(theirs):
                self._insert(target, number, band.first_row, other.read_blob(band))

    def bands(self, key: PlaneKey) -> list[Band]:
        """Return the bands of a plane from the top down; none for an absent plane."""
        rows = self._database.connection.execute(
            select(PlaneRow.id, PlaneRow.first_row, PlaneRow.rows, PlaneRow.cols, PlaneRow.dtype)
            .where(*_of(key))
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
            .where(*_of(key))
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
        checksum, payload = self._database.connection.execute(_READ, {"band_id": band.id}).one()
        return Blob((band.rows, band.cols), band.dtype, checksum, payload)

    def read_band(self, key: PlaneKey, band: Band) -> NDArray[Any]:
        """Return the rows of a band.

        Raises
        ------
        CatalogError
            If it is damaged.
        """
        return self.restored(key, band, self.read_blob(band))

    def restored(
        self, key: PlaneKey, band: Band, blob: Blob, *, verified: bool = False, narrow: bool = False
    ) -> NDArray[Any]:
        """Return the rows of a band that was read; it may be called in any thread.

        Parameters
        ----------
        key : PlaneKey
        band : Band
        blob : Blob
        verified, narrow : bool
            As of :func:`defectmap.catalog.planes.unpack`.

        Raises
        ------
        CatalogError
            If it is damaged.
        """
        try:
            return unpack(blob, verified=verified, narrow=narrow)
        except DamagedBlobError as error:
            raise CatalogError(
                f"{self._database.path} is damaged: plane {key.name!r} of stream {key.stream_id}, rows from "
                f"{band.first_row}: {error}; restore it from a copy, or ingest into a new catalog"
            ) from error

    def _creation(self, key: PlaneKey, addends: Addends, sign: int) -> Iterator[Change]:
        """Yield how the bands of a plane come about that is not there yet."""
        rows, cols = addends.shape
        for number, (first, height) in enumerate(band_starts(rows, cols, addends.dtype.itemsize)):
            nothing = np.zeros((height, cols), f"{addends.dtype.kind}1")

            def make(first: int = first, nothing: NDArray[Any] = nothing) -> Blob:
                blocks = addends.rows(first, first + len(nothing))
                with self._overflow_explained(key):
                    return pack(total(nothing, blocks, addends.dtype, sign), addends.dtype)

            yield make, partial(self._insert, key, number, first)

    def _addition(
        self, key: PlaneKey, band: Band, read: Callable[[int, int], Sequence[NDArray[Any]]], sign: int
    ) -> Change:
        """Return how something is added to a band; `read` returns it by rows, in any thread."""
        stored, dtype = self.read_blob(band), np.dtype(band.dtype)

        def make() -> Blob | None:
            blocks = read(band.first_row, band.past_row)
            if not blocks:
                return None
            ours = self.restored(key, band, stored, narrow=True)
            with self._overflow_explained(key):
                return pack(total(ours, blocks, dtype, sign), dtype)

        return make, partial(self._update, band)

    def _reader(
        self, key: PlaneKey, bands: list[Band], rows: Band
    ) -> Callable[[int, int], list[NDArray[Any]]]:
        """Read the bands that rows lie in; return what restores these rows in any thread."""
        stored = [(band, self.read_blob(band)) for band in _overlapping(bands, rows.first_row, rows.past_row)]

        def read(first: int, past: int) -> list[NDArray[Any]]:
            blocks = [(band, self.restored(key, band, blob, narrow=True)) for band, blob in stored]
            taken = [b[max(first - band.first_row, 0) : past - band.first_row] for band, b in blocks]
            block = np.concatenate(taken)
            return [block] if block.any() else []

        return read

    def _fold(self, key: PlaneKey) -> None:
        oldest = PlaneKey(key.stream_id, 0, key.name)
        if self.bands(oldest):
            self.add_plane_of(self, key, oldest)
            self._database.connection.execute(delete(PlaneRow).where(*_of(key)))
        else:
            self._database.connection.execute(update(PlaneRow).where(*_of(key)).values(epoch=0))

    def _insert(self, key: PlaneKey, number: int, first_row: int, blob: Blob) -> None:
        rows, cols = blob.shape
        values = {
            "stream_id": key.stream_id,
            "epoch": key.epoch,
            "name": key.name,
            "band": number,
            "first_row": first_row,
            "rows": rows,
            "cols": cols,
            "dtype": blob.dtype,
            "checksum": blob.checksum,
            "payload": blob.payload,
        }
        self._database.connection.execute(_INSERT, values)

    def _update(self, band: Band, blob: Blob) -> None:
        values = {"band_id": band.id, "checksum": blob.checksum, "payload": blob.payload}
        self._database.connection.execute(_UPDATE, values)

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
        with self._overflow_explained(key):
            return added(ours, theirs, sign)

    @contextmanager
    def _overflow_explained(self, key: PlaneKey) -> Iterator[None]:
        try:
            yield
        except OverflowError as error:
            raise CatalogError(
                f"plane {key.name!r} of stream {key.stream_id} in {self._database.path} is full: {error}; "
                "start a new epoch or a new catalog"
            ) from error


def _of(key: PlaneKey) -> tuple[ColumnElement[bool], ...]:
    return PlaneRow.stream_id == key.stream_id, PlaneRow.epoch == key.epoch, PlaneRow.name == key.name


def _overlapping(bands: list[Band], start: int, stop: int) -> Iterator[Band]:
    return (band for band in bands if band.first_row < stop and band.past_row > start)

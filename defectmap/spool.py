"""Sums, and frames that wait to be added to them, in temporary files.

So a worker's memory hardly grows with the sensor, and what it found is passed on without a copy. Some rows
are in memory at a time; the operating system keeps the files there as well as long as there is room.
"""

from __future__ import annotations

import os
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from defectmap.errors import DefectmapError
from defectmap.model.prediction import Rows
from defectmap.model.tally import Arrays, Shelf, Types

_MOST_WAITING_BYTES = 1 << 29
"""Of readings: sums are written and read once for so many."""


class SpoolDesk:
    """Keeps sums and waiting frames in files, see :class:`~defectmap.model.tally.Desk`.

    Parameters
    ----------
    folder : Path
        Where the files are made; those of sums stay until somebody removes them.

    Raises
    ------
    DefectmapError
        From its methods, if files cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._waiting: FileIO | None = None
        self._end = 0

    @property
    def full(self) -> bool:
        """Whether much waits."""
        return self._end >= _MOST_WAITING_BYTES

    def shelf(self, shape: tuple[int, int], types: Types) -> Shelf:
        """Make a file of sums."""
        return _Spool(self._folder, shape, types)

    def keep(self, readings: NDArray[Any]) -> Rows:
        """Write readings."""
        if self._waiting is None:
            with _explained(self._folder):
                place = _new_file(self._folder, ".frames")
                self._waiting = FileIO(place, "r+")
            weakref.finalize(self, self._waiting.close)
            # Nobody else needs it; where an open file cannot be removed, it goes with the folder.
            with suppress(OSError):
                place.unlink()
        start = self._waiting.seek(self._end)
        with _explained(self._folder):
            _write(self._waiting, readings)
        self._end += readings.nbytes
        return _WaitingRows(self._waiting, start, readings.shape, readings.dtype)

    def clear(self) -> None:
        """Let the next readings take the place of those before."""
        self._end = 0


class SpooledSums(dict[str, Any]):
    """Planes by name that are in files, which go when they are cleared."""

    def clear(self) -> None:
        """Let go of the planes, and remove their files."""
        paths = {plane.path for plane in self.values()}
        super().clear()
        for path in paths:
            path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class SpooledPlane:
    """One of the planes of a file of sums; ``plane[first:past]`` reads rows.

    Attributes
    ----------
    path : Path
    shape : tuple of int
        Rows and columns.
    dtype : dtype
    before, site_bytes : int
        Bytes per photosite of the planes before it, and of all.
    bands : tuple of (int, int)
        First row, and the row after the last, of what is stored together.
    """

    path: Path
    shape: tuple[int, int]
    dtype: np.dtype[Any]
    before: int
    site_bytes: int
    bands: tuple[tuple[int, int], ...]

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        """Read rows."""
        start, stop, step = rows.indices(self.shape[0])
        if step != 1:
            raise ValueError("rows are read with step 1")
        block = np.zeros((max(stop - start, 0), self.shape[1]), self.dtype)
        with FileIO(self.path) as file:
            for first, past in self.bands:
                low, high = max(start, first), min(stop, past)
                if low < high:
                    place = first * self.site_bytes + (past - first) * self.before
                    file.seek(self.shape[1] * (place + (low - first) * self.dtype.itemsize))
                    _read(file, block[low - start : high - start])
        return block

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        """Read all rows."""
        return np.asarray(self[:], dtype)


@dataclass(frozen=True, slots=True)
class _WaitingRows:
    """Readings in a file, from some place on."""

    file: FileIO
    start: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        first, past, _ = rows.indices(self.shape[0])
        block = np.empty((past - first, self.shape[1]), self.dtype)
        self.file.seek(self.start + first * self.shape[1] * self.dtype.itemsize)
        _read(self.file, block)
        return block


class _Spool:
    """The sums of some planes of one shape in a file, band after band."""

    def __init__(self, folder: Path, shape: tuple[int, int], types: Types) -> None:
        self._shape = shape
        # The widest first, so that all are aligned.
        self._types = dict(sorted(types.items(), key=lambda item: -item[1].itemsize))
        self._site_bytes = sum(dtype.itemsize for dtype in types.values())
        self._bands: list[tuple[int, int]] = []
        self._room = np.empty(0, np.uint8)
        self._folder = folder
        with _explained(folder):
            self._path = _new_file(folder, ".sums")

    def take(self, rows: slice) -> Arrays:
        """Read the sums of some rows, zero at first."""
        sites = (rows.stop - rows.start) * self._shape[1]
        if self._room.size < sites * self._site_bytes:
            self._room = np.empty(sites * self._site_bytes, np.uint8)
        room = self._room[: sites * self._site_bytes]
        if (rows.start, rows.stop) in self._bands:
            with FileIO(self._path) as file:
                file.seek(rows.start * self._shape[1] * self._site_bytes)
                _read(file, room)
        else:
            room[:] = 0
        sums, at = {}, 0
        for name, dtype in self._types.items():
            size = sites * dtype.itemsize
            sums[name] = room[at : at + size].view(dtype).reshape(-1, self._shape[1])
            at += size
        return sums

    def put(self, rows: slice, sums: Arrays) -> None:
        """Write the sums of the rows that were taken last."""
        room = self._room[: (rows.stop - rows.start) * self._shape[1] * self._site_bytes]
        with _explained(self._folder), FileIO(self._path, "r+") as file:
            file.seek(rows.start * self._shape[1] * self._site_bytes)
            _write(file, room)
        if (rows.start, rows.stop) not in self._bands:
            self._bands.append((rows.start, rows.stop))

    def planes(self) -> dict[str, SpooledPlane]:
        """Return the sums by name, to be read from the file."""
        planes, before = {}, 0
        for name, dtype in self._types.items():
            planes[name] = SpooledPlane(
                self._path, self._shape, dtype, before, self._site_bytes, tuple(self._bands)
            )
            before += dtype.itemsize
        return planes


def _new_file(folder: Path, suffix: str) -> Path:
    number, name = tempfile.mkstemp(suffix=suffix, dir=folder)
    os.close(number)
    return Path(name)


def _write(file: FileIO, array: NDArray[Any]) -> None:
    left = array.reshape(-1).view(np.uint8).data
    while left:
        left = left[file.write(left) :]


def _read(file: FileIO, target: NDArray[Any]) -> None:
    left = target.reshape(-1).view(np.uint8).data
    while left:
        count = file.readinto(left)
        if not count:
            raise OSError(f"{file.name!r} is shorter than it was")
        left = left[count:]


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DefectmapError(
            f"the temporary folder {folder} cannot be written to ({error}): make room there, or name another "
            "with the variable TMPDIR"
        ) from error

"""Sums on their way from a worker to who asked for them: compressed where they were made, read by rows."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from defectmap.catalog.addends import Rows
from defectmap.catalog.planes import Blob, band_starts, pack, unpack
from defectmap.model.evidence import FIELDS


class Band(Protocol):
    """Some rows of a plane, compressed."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns."""

    def blob(self) -> Blob:
        """Return it as it was packed."""


@dataclass(frozen=True, slots=True)
class HeldBand:
    """A band in memory."""

    held: Blob

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns."""
        return self.held.shape

    def blob(self) -> Blob:
        """Return it."""
        return self.held


@dataclass(frozen=True, slots=True)
class StoredBand:
    """A band in a file: `size` bytes from `start` on."""

    path: Path
    start: int
    size: int
    shape: tuple[int, ...]
    dtype: str
    checksum: bytes

    def blob(self) -> Blob:
        """Read it."""
        with self.path.open("rb", buffering=0) as file:
            file.seek(self.start)
            return Blob(self.shape, self.dtype, self.checksum, file.read(self.size))


@dataclass(frozen=True, slots=True)
class PackedPlane:
    """A plane of which rows are restored when they are asked for, by whatever thread.

    Attributes
    ----------
    dtype : dtype
        Of the plane in a catalog; rows come in types that may be narrower.
    bands : sequence of Band
        From the top down, cut as `band_starts` does.
    """

    dtype: np.dtype[Any]
    bands: Sequence[Band]

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns."""
        return sum(band.shape[0] for band in self.bands), self.bands[0].shape[1]

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        """Return some rows, with step 1.

        Raises
        ------
        DamagedBlobError
        """
        first, past, _ = rows.indices(self.shape[0])
        pieces = [np.empty((0, self.shape[1]), f"{self.dtype.kind}1")]
        top = 0
        for band in self.bands:
            bottom = top + band.shape[0]
            if top < past and bottom > first:
                block = unpack(band.blob(), narrow=True)
                pieces.append(block[max(first - top, 0) : past - top])
            top = bottom
        return pieces[1] if len(pieces) == 2 else np.concatenate(pieces)


class StoredSums(dict[str, Rows]):
    """Planes by name that are in files, which go when they are cleared.

    Parameters
    ----------
    planes : mapping of str to Rows
    paths : set of Path
        The files that hold them, and nothing else.
    """

    def __init__(self, planes: Mapping[str, Rows], paths: Set[Path]) -> None:
        super().__init__(planes)
        self._paths = paths

    def __reduce__(self) -> tuple[Any, ...]:
        return StoredSums, (dict(self), self._paths)

    def clear(self) -> None:
        """Let go of the planes, and remove their files."""
        super().clear()
        for path in self._paths:
            path.unlink(missing_ok=True)


def packed(name: str, array: Rows) -> list[Blob]:
    """Compress the sums of a plane, band by band.

    Parameters
    ----------
    name : str
        Such as ``luma.z_sum``: together with others they need the types of a catalog.
    array : ndarray of shape (rows, cols), or anything of which rows can be taken
    """
    dtype = FIELDS[name.rpartition(".")[2]]
    rows, cols = array.shape
    return [
        pack(array[first : first + height], dtype)
        for first, height in band_starts(rows, cols, dtype.itemsize)
    ]


def hand_over(arrays: Mapping[str, Rows], folder: Path) -> StoredSums:
    """Write sums to a new file in a folder.

    Parameters
    ----------
    arrays : mapping of str to ndarray of shape (rows, cols)
        Or anything of which rows can be taken.
    folder : Path

    Raises
    ------
    OSError
        If that fails; nothing is left behind.
    """
    planes = {}
    with tempfile.NamedTemporaryFile(dir=folder, prefix="sums-", delete=False) as file:
        path = Path(file.name)
        try:
            for name, array in arrays.items():
                bands = []
                for blob in packed(name, array):
                    place = path, file.tell(), len(blob.payload)
                    bands.append(StoredBand(*place, blob.shape, blob.dtype, blob.checksum))
                    file.write(blob.payload)
                planes[name] = PackedPlane(FIELDS[name.rpartition(".")[2]], bands)
            file.flush()
        except OSError:
            file.close()
            path.unlink(missing_ok=True)
            raise
    return StoredSums(planes, {path})

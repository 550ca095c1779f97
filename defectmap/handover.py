"""Sums on their way over a network: compressed where they were made, read by rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from defectmap.catalog.addends import Rows
from defectmap.catalog.planes import Blob, band_starts, pack, unpack
from defectmap.model.evidence import FIELDS


@dataclass(frozen=True, slots=True)
class PackedPlane:
    """A plane of which rows are restored when they are asked for, by whatever thread.

    Attributes
    ----------
    dtype : dtype
        Of the plane in a catalog; rows come in types that may be narrower.
    bands : sequence of Blob
        From the top down, cut as `band_starts` does.
    """

    dtype: np.dtype[Any]
    bands: Sequence[Blob]

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
                block = unpack(band, narrow=True)
                pieces.append(block[max(first - top, 0) : past - top])
            top = bottom
        return pieces[1] if len(pieces) == 2 else np.concatenate(pieces)


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

"""The samples of a JPEG, read from and changed in its quantised blocks, however these are coded."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from defectmap.media.jpegcodec.errors import CorruptJpegError
from defectmap.media.jpegcodec.markers import Component, Frame

Blocks = NDArray[np.int32]
Floats = NDArray[np.float64]
Length = Literal["any", "keep"]


def _zigzag() -> NDArray[np.intp]:
    """Row-major index of each coefficient in zigzag order (T.81 figure A.6)."""
    cells = [(r, c) for r in range(8) for c in range(8)]
    cells.sort(key=lambda rc: (rc[0] + rc[1], rc[1] if (rc[0] + rc[1]) % 2 == 0 else rc[0]))
    return np.array([8 * r + c for r, c in cells], np.intp)


ZIGZAG: Final = _zigzag()
_FREQUENCY: Final = np.arange(8)[:, None]
_DCT: Final[Floats] = np.cos((2 * np.arange(8) + 1) * _FREQUENCY * np.pi / 16) / np.where(
    _FREQUENCY, 2, 8**0.5
)


@dataclass(frozen=True, slots=True)
class Delta:
    """What to add to the samples of one component.

    Attributes
    ----------
    component : int
        0 for Y, 1 for Cb, 2 for Cr.
    top, left : int
        Place of the first value on the component's own grid.
    values : ndarray of shape (rows, columns), float64
    """

    component: int
    top: int
    left: int
    values: Floats


def check_written(wanted: NDArray[np.signedinteger], got: NDArray[np.signedinteger]) -> None:
    """Raise CorruptJpegError unless `got` is `wanted` but for steps of 1 or 2 that are one nearer to zero."""
    stepped = (np.abs(wanted) <= 2) & (got == wanted - np.sign(wanted))
    if ((got != wanted) & ~stepped).any():
        raise CorruptJpegError("it does not hold the values that were written")


class BlockPicture(ABC):
    """A JPEG whose samples can be read and changed in a few places.

    Attributes
    ----------
    header : Frame
    """

    header: Frame

    @abstractmethod
    def _block(self, component: int, row: int, col: int) -> Blocks:
        """Return the 64 coefficients of a block as they now are, in zigzag order; not to be written to."""

    @abstractmethod
    def add(self, deltas: Sequence[Delta]) -> None:
        """Add to samples: ``q += round(DCT(delta) / step)`` in the blocks concerned, all or nothing.

        Parameters
        ----------
        deltas : sequence of Delta

        Raises
        ------
        MissingSymbolError
            If the file cannot code what the repair needs; nothing is changed then.
        IndexError
            If a delta reaches out of its component.
        """

    @abstractmethod
    def to_bytes(self, length: Length = "any") -> bytes:
        """Return the file with the changes.

        It keeps its length where it can: a shorter scan is followed by fill bytes; for a longer one a few of
        the finest coefficients of changed blocks, of 1 or 2 steps, are taken back by a step.

        Parameters
        ----------
        length : {"any", "keep"}
            Whether the file may become longer where it cannot keep its length. A multi-picture index is
            corrected then.

        Returns
        -------
        bytes

        Raises
        ------
        JpegLengthError
            If the length cannot be kept and must be: because that was asked for, or because offsets that
            are not known might point to what lies behind the picture.
        """

    @abstractmethod
    def differences(self, data: bytes) -> list[tuple[int, int, int]]:
        """Find the blocks that another coding of this picture holds with other coefficients.

        Parameters
        ----------
        data : bytes
            A whole file, as :meth:`to_bytes` gives it.

        Returns
        -------
        list of (component, row, col)
            Blocks that differ from those of the file as it was, on each component's grid of blocks.

        Raises
        ------
        CorruptJpegError
            If it is not a sound file, not one of the same frame and tables, or if a block does not hold what
            it now should, fine coefficients aside that were dropped to keep the length.
        """

    def window(self, component: int, top: int, left: int, height: int, width: int) -> Floats:
        """Return samples of a component, neither rounded nor clipped.

        Parameters
        ----------
        component : int
            0 for Y, 1 for Cb, 2 for Cr.
        top, left, height, width : int
            Rectangle on the component's own grid.

        Returns
        -------
        ndarray of shape (height, width), float64
            Values around 128 for mid grey or no colour.

        Raises
        ------
        IndexError
            If the rectangle is empty or reaches out of the component.
        """
        chosen = self._checked(component, top, left, height, width)
        rows = range(top // 8, (top + height - 1) // 8 + 1)
        cols = range(left // 8, (left + width - 1) // 8 + 1)
        blocks = np.stack([self._block(component, row, col) for row in rows for col in cols])
        coefficients = np.zeros(blocks.shape)
        coefficients[:, ZIGZAG] = blocks * chosen.quantisation
        squares = _DCT.T @ coefficients.reshape(len(rows), len(cols), 8, 8) @ _DCT + 128.0
        whole = squares.swapaxes(1, 2).reshape(8 * len(rows), 8 * len(cols))
        up, across = top - 8 * rows[0], left - 8 * cols[0]
        return whole[up : up + height, across : across + width]

    def _checked(self, component: int, top: int, left: int, height: int, width: int) -> Component:
        chosen = self.header.components[component]
        if min(top, left) < 0 or min(height, width) < 1:
            raise IndexError("the window is empty or begins outside of the picture")
        if top + height > chosen.height or left + width > chosen.width:
            raise IndexError("the window reaches out of the picture")
        return chosen

    def _changed_blocks(self, delta: Delta) -> Iterator[tuple[int, int, Blocks]]:
        """Row, column and change of each block of a component that a delta changes."""
        height, width = delta.values.shape
        chosen = self._checked(delta.component, delta.top, delta.left, height, width)
        row, col = delta.top // 8, delta.left // 8
        rows, cols = (delta.top + height + 7) // 8 - row, (delta.left + width + 7) // 8 - col
        canvas = np.zeros((8 * rows, 8 * cols))
        up, across = delta.top - 8 * row, delta.left - 8 * col
        canvas[up : up + height, across : across + width] = delta.values
        squares = canvas.reshape(rows, 8, cols, 8).swapaxes(1, 2)
        spectra = (_DCT @ squares @ _DCT.T).reshape(rows, cols, 64)[..., ZIGZAG]
        changes = np.rint(spectra / chosen.quantisation).astype(np.int32)
        for i, j in np.argwhere(changes.any(axis=2)).tolist():
            yield row + i, col + j, changes[i, j]

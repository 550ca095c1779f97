"""Frames of coordinates: which rectangle of the stored grid a format counts in, and from which end.

The stored grid is the full stored raw frame, or the stored JPEG; rows and columns count from 0 at its top
left.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from defectmap.model.sensor import Grid, MosaicGeometry

Area = Literal["stored", "visible"]


@dataclass(frozen=True, slots=True)
class Frame:
    """A rectangle of a stored grid.

    Attributes
    ----------
    top, left : int
        Its first row and column on the grid; negative where it reaches beyond it.
    height, width : int
    bottom_up : bool
        Whether rows count from its lowest one upwards, as in FITS.
    """

    top: int
    left: int
    height: int
    width: int
    bottom_up: bool = False

    def from_grid(self, row: int, col: int) -> tuple[int, int] | None:
        """Return where a site of the grid is in this frame; None where that is outside."""
        row, col = row - self.top, col - self.left
        if not (0 <= row < self.height and 0 <= col < self.width):
            return None
        return (self.height - 1 - row if self.bottom_up else row), col

    def to_grid(self, row: int, col: int) -> tuple[int, int] | None:
        """Return which site of the grid a position in this frame is; None for one outside of the frame."""
        if not (0 <= row < self.height and 0 <= col < self.width):
            return None
        return (self.height - 1 - row if self.bottom_up else row) + self.top, col + self.left

    def box_from_grid(self, top: int, left: int, bottom: int, right: int) -> tuple[int, int, int, int] | None:
        """Return the part of a rectangle that is in this frame; `bottom` and `right` are the first beyond.

        None where no part of it is.
        """
        first, last = max(top - self.top, 0), min(bottom - self.top, self.height)
        begin, end = max(left - self.left, 0), min(right - self.left, self.width)
        if first >= last or begin >= end:
            return None
        if self.bottom_up:
            first, last = self.height - last, self.height - first
        return first, begin, last, end


def frame_of(
    grid: Grid, geometry: MosaicGeometry | None, area: Area = "stored", *, bottom_up: bool = False
) -> Frame:
    """Return the frame that a format counts in on a grid.

    Parameters
    ----------
    grid : Grid
    geometry : MosaicGeometry or None
        Of a raw grid; a JPEG is visible everywhere.
    area : {"stored", "visible"}
    bottom_up : bool
    """
    if area == "stored" or geometry is None:
        return Frame(0, 0, grid.height, grid.width, bottom_up)
    return Frame(geometry.top, geometry.left, geometry.visible_height, geometry.visible_width, bottom_up)

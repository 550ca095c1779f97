"""How a camera's own picture lies on its raw frame: found by laying the one over the other.

Many raw files hold the JPEG that the camera made of the same exposure. Tiles of both are correlated
(normalised cross-correlation by Fourier transform, Lewis, Vision Interface 1995). It is one exposure, so that
nothing moved between them: all tiles must agree to the pixel. Where they do not, the camera scaled the
picture or straightened the lens's distortion, and no shift brings the two together.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from defectmap.model.frame import RawFrame
from defectmap.model.registration import Attempt, Registration
from defectmap.model.sensor import Grid, MosaicGeometry

_TILE = 192  # pixels
_TILES = 5  # in each direction
_SPARE = 40  # photosites that a camera leaves out on each side, at most, beyond the difference in size
_SMOOTH = 16  # pixels of the mean that is taken away: brightness says nothing of place
_ALIKE = 0.5  # least correlation of a tile that has a say
_MARGIN = 0.05  # by which it exceeds that of any other place
_ASIDE = 4  # pixels from its peak at which another place begins
_AGREEING = 6  # tiles
_SHARE = 0.75  # of the tiles that have a say
_QUARTERS = 3  # of the picture in which there are such tiles

Picture = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Say:
    """What one tile says: the preview's origin in the visible area, and in which quarter it lies."""

    shift: tuple[int, int]
    quarter: tuple[bool, bool]


def register_preview(frame: RawFrame, luma: NDArray[np.uint8]) -> Attempt:
    """Find where a full-size picture lies on the raw frame of the same exposure.

    Parameters
    ----------
    frame : RawFrame
    luma : ndarray of shape (rows, cols), uint8
        Of the picture, as stored.

    Returns
    -------
    Attempt
        From the raw grid to that of a JPEG of the picture's size, at scale 1 and whole photosites.
    """
    grid = Grid("jpeg", *luma.shape)
    spare = frame.mosaic.shape[0] - luma.shape[0], frame.mosaic.shape[1] - luma.shape[1]
    if not may_be_full_size(frame.geometry, luma.shape):
        return Attempt(frame.grid, grid, None, "the preview is not of full size")
    tile = _TILE if min(luma.shape) >= 2 * _TILE else min(luma.shape) // 4
    # One period of the colour filter array, in both, holds all colours and leaves their place the same.
    box = frame.geometry.period
    if max(box) > 6 or tile < 4 * _ASIDE:
        return Attempt(frame.grid, grid, None, "the preview cannot be compared with this mosaic")
    black, white = min(frame.geometry.black), frame.geometry.white
    ours, theirs = _View(frame.mosaic, box, black, white, 0.45), _View(luma, box, 0, 255, 1.0)
    low = tuple(min(-_SPARE // 2, s - _SPARE // 2) for s in spare)
    high = tuple(max(_SPARE // 2, s + _SPARE // 2) for s in spare)
    says = [say for say in _says(ours, theirs, tile, low, high) if say is not None]
    return _verdict(frame, grid, says, (high[0] - low[0] + 1) * (high[1] - low[1] + 1))


def may_be_full_size(geometry: MosaicGeometry, shape: tuple[int, ...]) -> bool:
    """Whether a picture has about as many rows and columns as the visible area; a smaller one was resized."""
    spare = geometry.visible_height - shape[0], geometry.visible_width - shape[1]
    return max(spare) <= 2 * _SPARE and min(spare) >= -_SPARE


def _verdict(frame: RawFrame, grid: Grid, says: list[_Say], places: int) -> Attempt:
    if len(says) < _AGREEING:
        few = f"only {len(says)} parts of the preview have enough detail; {_AGREEING} are needed"
        return Attempt(frame.grid, grid, None, few)
    shift, count = min(Counter(say.shift for say in says).items(), key=lambda item: (-item[1], item[0]))
    quarters = {say.quarter for say in says if say.shift == shift}
    astray = max(max(abs(s.shift[0] - shift[0]), abs(s.shift[1] - shift[1])) for s in says)
    if count < max(_AGREEING, _SHARE * len(says)) or astray > 1 or len(quarters) < _QUARTERS:
        reason = (
            f"{count} of {len(says)} parts of the preview agree: it was scaled, or distortion straightened"
        )
        return Attempt(frame.grid, grid, None, reason)
    # The first tile chooses, each further one agrees by chance once in so many places.
    chance = max(float(places) ** -(count - 1), 1e-300)
    row, col = frame.geometry.top + shift[0], frame.geometry.left + shift[1]
    found = Registration(frame.grid, grid, 1.0, float(row), float(col), count, len(says), chance, "preview")
    return Attempt(frame.grid, grid, found)


@dataclass(frozen=True, slots=True)
class _View:
    """The fine detail of a picture, made where it is looked at: a frame may be large.

    Attributes
    ----------
    plane : ndarray of shape (rows, cols)
    box : tuple of int
        Rows and columns that each value is the mean of; the first of them is the value's own place.
    black, white : int
    power : float
        Of the light; near that of displays, a camera's tone curve changes little in the correlation.
    """

    plane: NDArray[np.integer[Any]]
    box: tuple[int, int]
    black: int
    white: int
    power: float

    @property
    def shape(self) -> tuple[int, int]:
        return self.plane.shape[0] - self.box[0] + 1, self.plane.shape[1] - self.box[1] + 1

    def detail(self, rows: slice, cols: slice) -> Picture:
        """Return the means over the box in a window, each less the mean around it."""
        top, left = max(rows.start - _SMOOTH, 0), max(cols.start - _SMOOTH, 0)
        part = self.plane[top : rows.stop + _SMOOTH + self.box[0], left : cols.stop + _SMOOTH + self.box[1]]
        light = np.clip((part.astype(np.float32) - self.black) / (self.white - self.black), 0.0, 1.0)
        fine = _mean(np.power(light, self.power, dtype=np.float32), *self.box)
        padded = np.pad(fine, (_SMOOTH, _SMOOTH), mode="reflect")
        level = fine - _mean(padded, 2 * _SMOOTH + 1, 2 * _SMOOTH + 1)
        return np.asarray(level[rows.start - top : rows.stop - top, cols.start - left : cols.stop - left])


def _mean(picture: Picture, rows: int, cols: int) -> Picture:
    """Return the mean over each window of so many rows and columns."""
    total = np.zeros((picture.shape[0] + 1, picture.shape[1] + 1))
    np.cumsum(np.cumsum(picture, axis=0, dtype=np.float64), axis=1, out=total[1:, 1:])
    inner = total[rows:, cols:] - total[:-rows, cols:] - total[rows:, :-cols] + total[:-rows, :-cols]
    return np.asarray(inner / (rows * cols), np.float32)


def _says(
    ours: _View, theirs: _View, tile: int, low: tuple[int, ...], high: tuple[int, ...]
) -> list[_Say | None]:
    """Correlate tiles of the picture, strewn evenly, with the raw frame around the same place."""
    result: list[_Say | None] = []
    for i in range(_TILES):
        for j in range(_TILES):
            row, col = (
                max(0, -least) + (min(size, whole - most) - tile - max(0, -least)) * place // (_TILES - 1)
                for size, whole, least, most, place in zip(
                    theirs.shape, ours.shape, low, high, (i, j), strict=True
                )
            )
            if row < 0 or col < 0:
                continue
            area = ours.detail(
                slice(row + low[0], row + high[0] + tile), slice(col + low[1], col + high[1] + tile)
            )
            peak = _match(area, theirs.detail(slice(row, row + tile), slice(col, col + tile)))
            quarter = i > _TILES // 2, j > _TILES // 2
            result.append(peak and _Say((peak[0] + low[0], peak[1] + low[1]), quarter))
    return result


def _match(area: Picture, tile: Picture) -> tuple[int, int] | None:
    """Return where in an area a tile is found; None where it is not, or in several places."""
    rows, cols = tile.shape
    down, right = area.shape[0] - rows + 1, area.shape[1] - cols + 1
    pattern = tile - tile.mean()
    energy = float(np.square(pattern, dtype=np.float64).sum())
    spectrum = np.fft.rfft2(area) * np.conj(np.fft.rfft2(pattern, area.shape))
    product = np.fft.irfft2(spectrum, area.shape)[:down, :right]
    mean = _mean(area, rows, cols).astype(np.float64)
    variance = _mean(np.square(area), rows, cols) - mean**2
    power = np.sqrt(np.maximum(variance * rows * cols * energy, 0.0))
    if not energy or power.min() <= 0.0:
        return None
    likeness = product / power
    row, col = divmod(int(np.argmax(likeness)), right)
    best = float(likeness[row, col])
    aside = np.ones(likeness.shape, np.bool_)
    aside[max(row - _ASIDE, 0) : row + _ASIDE + 1, max(col - _ASIDE, 0) : col + _ASIDE + 1] = False
    # A peak at the edge of what was searched may be the slope of one outside.
    inside = 0 < row < down - 1 and 0 < col < right - 1
    if best < _ALIKE or best < float(likeness[aside].max(initial=-1.0)) + _MARGIN or not inside:
        return None
    return row, col

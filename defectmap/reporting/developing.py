"""A few photosites as a picture: what surrounds a defect, before and after its repair, shown alike.

A raw converter would render the whole photo for it. Here the missing colours are the weighted mean of the
nearest photosites that have them, so that a bad photosite stays where it is.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from defectmap.model.frame import RawFrame

REACH = 16
"""Rows and columns around the site that are shown."""

_MARGIN = 2
"""Rows and columns beyond these from which colours are taken."""

_KERNELS = (np.outer([1, 2, 1], [1, 2, 1]), np.outer([1, 2, 3, 2, 1], [1, 2, 3, 2, 1]))
"""Weights of the nearest photosites: where the smaller one reaches none of a colour, the larger does."""

_DARKEST, _LIGHTEST = 1.0, 99.5
"""Percentiles of the repaired picture that become black and white."""

_LEAST_RAW, _LEAST_JPEG = 0.03, 0.2
"""Share of the range that is spread from black to white at least: noise alone shall not look like a scene."""

_BALANCE = 4.0
"""By how much a colour may be stronger than green at most for the light to be taken for it."""

Colours = NDArray[np.float64]
Pixels = NDArray[np.uint8]


def raw_crop(frame: RawFrame, row: int, col: int) -> Colours:
    """Return the colours around a photosite of a raw frame, in shares of its range above black.

    Parameters
    ----------
    frame : RawFrame
    row, col : int
        On the full stored frame, in the visible area. Beyond its edge it is mirrored.

    Returns
    -------
    ndarray of shape (2 REACH + 1, 2 REACH + 1, 3), float64
    """
    geometry = frame.geometry
    rows, cols = _around(row - geometry.top, col - geometry.left, frame.mosaic.shape, REACH + _MARGIN)
    pattern = np.array([list(line) for line in geometry.cfa])
    black = np.array(geometry.black, np.float64).reshape(pattern.shape)
    phase = np.ix_(rows % pattern.shape[0], cols % pattern.shape[1])
    values = (frame.mosaic[np.ix_(rows, cols)] - black[phase]) / max(geometry.white - black.min(), 1.0)
    letters = pattern[phase]
    # A colour of its own beside red and blue is another green, as cameras with four colours have.
    masks = letters == "R", (letters != "R") & (letters != "B"), letters == "B"
    inner = slice(_MARGIN, -_MARGIN)
    return np.stack([_filled(values, mask)[inner, inner] for mask in masks], axis=2)


def jpeg_crop(colours: Pixels, row: int, col: int) -> Colours:
    """Return the colours around a pixel, in shares of the range; beyond the edge it is mirrored.

    Parameters
    ----------
    colours : ndarray of shape (height, width, 3), uint8
    row, col : int

    Returns
    -------
    ndarray of shape (2 REACH + 1, 2 REACH + 1, 3), float64
    """
    rows, cols = _around(row, col, colours.shape[:2], REACH)
    return np.asarray(colours[np.ix_(rows, cols)] / 255.0)


def shown_raw(before: Colours, after: Colours) -> Iterator[Pixels]:
    """Yield two crops of a raw frame as pictures: balanced and spread as the second one asks for."""
    usual = np.median(after, axis=(0, 1))
    green = max(float(usual[1]), 1e-6)
    balance = green / np.clip(usual, green / _BALANCE, green * _BALANCE)
    for spread in _spread(before * balance, after * balance, _LEAST_RAW):
        yield _pixels(spread ** (1 / 2.2))


def shown_jpeg(before: Colours, after: Colours) -> Iterator[Pixels]:
    """Yield two crops of a JPEG as pictures: spread as the second one asks for."""
    yield from map(_pixels, _spread(before, after, _LEAST_JPEG))


def _around(
    row: int, col: int, shape: tuple[int, ...], reach: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    steps = np.arange(-reach, reach + 1)
    return _mirrored(row + steps, shape[0]), _mirrored(col + steps, shape[1])


def _mirrored(places: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Return places within a size, mirrored at its ends, which keeps a Bayer pattern in step."""
    turn = max(2 * (size - 1), 1)
    return np.asarray(size - 1 - np.abs(size - 1 - places % turn))


def _filled(values: Colours, mask: NDArray[np.bool_]) -> Colours:
    """Return the values of one colour everywhere: where it is not, the weighted mean of those around."""
    result: Colours = np.where(mask, values, np.nan)
    for kernel in _KERNELS:
        total = _summed(np.asarray(np.where(mask, values, 0.0)), kernel)
        weight = _summed(mask.astype(np.float64), kernel)
        mean = total / np.where(weight > 0, weight, np.nan)
        result = np.where(np.isnan(result), mean, result)
    return np.nan_to_num(result)


def _summed(plane: Colours, kernel: NDArray[np.int64]) -> Colours:
    """Return the sums of a plane under a kernel."""
    reach = kernel.shape[0] // 2
    padded = np.pad(plane, reach)
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape)
    return np.asarray(np.einsum("ijkl,kl->ij", windows, kernel))


def _spread(before: Colours, after: Colours, least: float) -> Iterator[Colours]:
    dark, light = (float(np.percentile(after, share)) for share in (_DARKEST, _LIGHTEST))
    width = max(light - dark, least)
    for crop in (before, after):
        yield np.clip((crop - dark) / width, 0.0, 1.0)


def _pixels(shares: Colours) -> Pixels:
    return np.rint(255.0 * shares).astype(np.uint8)

"""What a frame itself tells of its noise: at each level, and by how restless the scores around a site are."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

_QUARTILE = 0.31864
"""25th percentile of |x| of a standard normal variable: low, so that texture hardly moves it."""

MEDIAN_OF_EIGHT = 0.17
"""Variance of the median of eight normal variables, relative to theirs: so much it adds to residuals."""

_LEVELS, _RESIDUALS = 64, 4096

_SCORES = 1024
_CLASSES_PER_OCTAVE = 4
_STRIPS, _WHOLE = 8, 48
"""Strips of a wide frame that are looked at, and columns that are whole patterns and blocks of a JPEG."""

_FEWEST = 200
"""Scores that a class of activity needs to be calibrated."""

_COMMON = 0.02
"""Share of the residuals that are not 0 below which none is a step of rounding."""

_NARROWEST = 0.5
"""Scores are never taken to be narrower than that: coarse rounding makes most of them 0."""

_CORE, _WINGS = 0.6827, 0.9545
"""Shares of a normal variable within one and two standard deviations."""


@lru_cache(maxsize=8)
def _level_bins(black: float, top: int) -> NDArray[np.uint8]:
    """Return the bin of each twice predicted level up to `top`."""
    from defectmap.model import kernels  # noqa: PLC0415 - compiled code loads slowly

    bins = np.empty(top + 1, np.uint8)
    kernels.level_bins(np.float32(black), bins)
    return np.minimum(bins, _LEVELS - 1)


def noise_by_level(
    padded: NDArray[Any],
    pad: int,
    height: int,
    width: int,
    offsets: NDArray[np.int64],
    period: int,
    black: float,
    floor: float,
) -> tuple[NDArray[np.float32], int]:
    """Measure the noise variance as a function of level in the frame itself.

    Parameters
    ----------
    padded : ndarray of shape (height + 2 x pad, width + 2 x pad), uint8 or uint16
        DN.
    pad, height, width : int
    offsets : ndarray of shape (8, 2) or (rows, cols, 8, 2), int64
        Of the neighbours: of every site, or of each position in the pattern.
    period : int
        Rows after which the pattern repeats.
    black : float
        Level without light, in DN.
    floor : float
        Least noise variance, in DN squared.

    Returns
    -------
    variance : ndarray of float32
        By twice the predicted level, shifted right by `shift` bits.
    shift : int
    """
    from defectmap.model import kernels  # noqa: PLC0415 - compiled code loads slowly

    histogram = np.zeros((_LEVELS, _RESIDUALS), np.int32)
    step = 8 * _sparser(height) if height >= 512 else 1
    top = 2 * int(np.iinfo(padded.dtype).max)
    kernels.residual_histogram(
        padded,
        pad,
        height,
        width,
        offsets,
        period,
        step,
        _level_bins(black, top),
        histogram,
    )
    shift = max(0, top.bit_length() - 14)
    counts = histogram.sum(axis=1)
    usable = np.flatnonzero(counts >= 400)
    if usable.size == 0:
        usable = np.flatnonzero(counts)
    if usable.size == 0:  # fewer rows than the period of the pattern
        return np.full((top >> shift) + 1, floor, np.float32), shift
    quartile = _quantile(histogram[usable], 0.25)  # of |2 x residual|
    measured = np.maximum((0.5 * quartile / _QUARTILE) ** 2, floor)
    # Values that are coarsely rounded may agree with their neighbours more often than not: noise is one step.
    rounded = histogram[usable].copy()
    rounded[:, 0] = 0
    told = rounded.any(axis=1)
    smallest = np.argmax(rounded.cumsum(axis=1) >= _COMMON * rounded.sum(axis=1, keepdims=True), axis=1)
    measured = np.where(told, np.maximum(measured, (0.5 * smallest) ** 2), measured)
    twice = (np.arange((top >> shift) + 1) + 0.5) * (1 << shift) - 0.5
    position = 4.0 * np.log2(np.maximum(0.5 * twice - black, 0.0) * 0.25 + 1.0)
    return np.interp(position, usable + 0.5, measured).astype(np.float32), shift


def unrest_narrowings(
    rows: tuple[Any, ...], height: int, width: int, outer: int, inner: int
) -> NDArray[np.uint64]:
    """Measure in the frame itself how much wider the scores are where the scores around are restless.

    Parameters
    ----------
    rows : tuple
        The leading arguments of the kernels.
    height, width : int
        Of the plane.
    outer, inner : int
        Radii of the square that unrest is summed over, and of the one left out of it.

    Returns
    -------
    ndarray of shape (2 x sums,), uint64
        Pairs of factors as `kernels.score_rows` takes them, by summed unrest and sign of the score (noise of
        few electrons is lopsided): 1 over how much wider than normal scores are, of that sign and of either.
    """
    from defectmap.model import kernels  # noqa: PLC0415 - compiled code loads slowly

    summed = (2 * outer + 1) ** 2 - (2 * inner + 1) ** 2
    unrest = np.maximum(np.arange(summed * 3 * kernels.Z_UNIT + 1) / (summed * kernels.Z_UNIT), 0.05)
    position = _CLASSES_PER_OCTAVE * (np.log2(unrest) - np.log2(unrest[0]))
    classes = position.astype(np.uint8)
    histogram = np.zeros((2, int(classes[-1]) + 1, _SCORES), np.int32)
    step = 16 * _sparser(height) if height >= 1024 else max(1, height // 64)
    count: Any = kernels.activity_histogram
    padded, pad, *terms = rows
    strips = _strips(width)
    # What is beyond the edge of a strip is not looked at, so that nothing is told of the sites beside it.
    margin = outer if len(strips) > 1 else 0
    for first, past in strips:
        strip = np.ascontiguousarray(padded[:, first : past + 2 * pad])
        count(strip, pad, *terms, height, past - first, outer, inner, step, margin, classes, histogram)
    usable = np.flatnonzero(histogram.sum(axis=2).min(axis=0) >= _FEWEST)
    if usable.size == 0:
        return _paired(*np.ones((3, unrest.size), np.float32))
    widths = []
    for side in histogram[:, usable]:
        # The wings count too: where they are wide, texture peaks that no core tells of.
        core, wings = (_quantile(side, share) / kernels.Z_UNIT for share in (_CORE, _WINGS))
        measured = np.maximum(np.maximum(core, 0.5 * wings), _NARROWEST)
        widths.append(np.interp(position, usable + 0.5, measured))
    return _paired(*np.asarray(1.0 / np.stack([*widths, 0.5 * (widths[0] + widths[1])]), np.float32))


def _sparser(height: int) -> int:
    """Return how many times fewer rows of a large frame are looked at, since as many tell as much.

    The rows stay at the same place in the blocks of a JPEG, whose edges are restless.
    """
    return max(1, height // 1024)


def _strips(width: int) -> list[tuple[int, int]]:
    """Return the columns of a wide frame that are looked at: a quarter, in strips spread over its width."""
    if width < 8 * _STRIPS * _WHOLE:
        return [(0, width)]
    each = width // (4 * _STRIPS) // _WHOLE * _WHOLE
    middles = [(2 * number + 1) * width // (2 * _STRIPS) for number in range(_STRIPS)]
    firsts = [(middle - each // 2) // _WHOLE * _WHOLE for middle in middles]
    return [(first, first + each) for first in firsts]


def _paired(
    above: NDArray[np.float32], below: NDArray[np.float32], either: NDArray[np.float32]
) -> NDArray[np.uint64]:
    low = np.stack([above, below], axis=1).view(np.uint32).astype(np.uint64)
    high = either.view(np.uint32).astype(np.uint64) << np.uint64(32)
    return np.asarray(low | high[:, None]).ravel()


def _quantile(histogram: NDArray[np.int32], share: float) -> NDArray[np.float64]:
    """Return the quantile of each row of counts of |k|, where k stands for k - 1/2 to k + 1/2."""
    cumulative = np.cumsum(histogram, axis=1)
    wanted = cumulative[:, -1:] * share
    index = np.argmax(cumulative >= wanted, axis=1)
    rows = np.arange(len(histogram))
    here = histogram[rows, index]
    before = cumulative[rows, index] - here
    span = np.where(index == 0, 0.5, 1.0)
    return np.asarray(np.maximum(index - 0.5, 0.0) + span * (wanted[:, 0] - before) / here)

"""How much of a picture is the same in all frames: print covers what lies under it, a defect hardly does.

Demosaicing fills in the colours that a bad photosite lacks from its neighbours, which follow the light. Of
one that is stuck or dead a single pixel keeps still, if any; of a letter or a logo all but the rim.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from defectmap.model.sums import Sums

_STILL = 0.09
"""Share of the variance of its surroundings that a pixel under print has at most, 0.3 squared."""

_INNER, SURROUNDINGS = 8, 10
"""The surroundings of a site begin and end so many rows or columns away."""

_BESIDE = 2
"""Farthest that the most prominent pixel lies from the still ones."""


def still_pixels(sites: Sequence[tuple[int, int]], luma: Sums) -> list[int]:
    """Count the connected pixels around each site that do not follow the light.

    Parameters
    ----------
    sites : sequence of (row, col)
        Of the luma grid.
    luma : Sums

    Returns
    -------
    list of int
        Of each site. Simulated stuck and dead photosites have 1 at most, at qualities of 60 to 92 and whether
        sharpened or not; letters of 12 pixels and more have 3 to 100.
    """
    return [_still_around(row, col, luma) for row, col in sites]


def _still_around(row: int, col: int, luma: Sums) -> int:
    height, width = luma.shape
    rows = np.arange(max(0, row - SURROUNDINGS), min(height, row + SURROUNDINGS + 1))
    cols = np.arange(max(0, col - SURROUNDINGS), min(width, col + SURROUNDINGS + 1))
    value = luma.value_at(rows[:, None] * width + cols)
    away = np.maximum(np.abs(rows - row)[:, None], np.abs(cols - col))
    ring = (away >= _INNER) & (value.n > 1)
    if not ring.any():
        return 0
    # Print in clipped white is never counted, and never follows the light either.
    still = np.where(value.n > 1, value.variance, 0.0) < _STILL * np.median(value.variance[ring])
    return int(np.count_nonzero(_connected(still, still & (away <= _BESIDE))))


def _connected(marked: NDArray[np.bool_], seeds: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return what of the marked pixels touches the seeds, over edges, corners and each other."""
    grown = seeds
    while True:
        padded = np.pad(grown, 1)
        rows = padded[:-2] | padded[1:-1] | padded[2:]
        wider = (rows[:, :-2] | rows[:, 1:-1] | rows[:, 2:]) & marked
        if (wider == grown).all():
            return grown
        grown = wider

"""Which candidates of a JPEG are the smear or the ripple of a more prominent one: one defect, one report."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from defectmap.model.prediction import PlaneModel
from defectmap.model.sums import Sums

SMEAR = 4
"""Rows and columns over which demosaicing and sharpening spread a defect of a JPEG."""

_STILL = 0.25
"""A site of a JPEG with less than this share of its neighbours' variance does not follow the light."""


def prominence(sites: NDArray[np.int64], evidence: Sums, model: PlaneModel) -> NDArray[np.float64]:
    """Return how much sites of a smeared plane differ from their neighbours over all frames, in DN.

    The score says little of it: it is clipped. The mean picture does, but for a site that keeps to one level,
    which may be the mean of the light around: that one swings less than half as much as what it lies in.
    """
    own, near = evidence.value_at(sites), evidence.value_at(model.neighbours(sites, evidence.shape))
    contrast = own.mean - np.median(near.mean, axis=1)
    stillness = np.maximum(_STILL * np.median(near.variance, axis=1) - own.variance, 0.0)
    return np.asarray(np.sqrt(contrast**2 + stillness))


def unexplained(
    sites: NDArray[np.int64],
    prominence: NDArray[np.float64],
    certain: NDArray[np.bool_],
    shape: tuple[int, ...],
    reach: int,
    dominance: float,
) -> NDArray[np.bool_]:
    """Mark the candidates that no more prominent one within reach explains, whether itself explained or not.

    Close by, that is the smear of demosaicing and sharpening; farther off, the ripple of a coded block, which
    is so many times weaker. A certain one is not explained by one that may be chance.
    """
    rows, cols = np.divmod(sites, shape[1])
    kept = np.ones(sites.size, bool)
    before: dict[tuple[int, int], list[int]] = {}
    cell = reach + 1
    for i in np.lexsort((sites, -prominence, ~certain)):
        row, col = int(rows[i]), int(cols[i])
        block = (row // cell, col // cell)
        near = (
            j for y in (-1, 0, 1) for x in (-1, 0, 1) for j in before.get((block[0] + y, block[1] + x), ())
        )
        for j in near:
            apart = max(abs(int(rows[j]) - row), abs(int(cols[j]) - col))
            if apart <= SMEAR or (apart <= reach and prominence[j] >= dominance * prominence[i]):
                kept[i] = False
                break
        before.setdefault(block, []).append(int(i))
    return kept

"""How far the tail of a score reaches beyond a normal one, measured on the healthy photosites themselves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from defectmap.model.scores import value_of_rank
from defectmap.model.tails import normal_score

_SHARE = 0.01
"""Share of healthy scores, both signs together, beyond which the tail is measured."""

_FARTHER = 2.5
"""Where the tail decides, it is so many times more too wide than there.

Measured one in ten thousand out, on simulated sensors without defects (qualities 80 and 92, ten to a hundred
frames): 1 to 2.5.
"""

_SPARE = 0.1
"""Added for what is farther out still."""

_UNKNOWN = 1.5
"""What coarse coding asks for, where it cannot be measured."""

_ENOUGH = 5_000
"""Scores needed to measure; fewer say nothing of a hundredth of them."""

_PLENTY = 1_000_000
"""Of more, some are left out."""

_ROUNDS = 8
"""Times that defects are left out anew; two or three do."""


def tail_widening(score: NDArray[np.float32], known: NDArray[np.bool_], limit: float, reach: int) -> float:
    """Return the factor on a threshold for normal scores that allows for the tail of these.

    Scores of JPEGs are sums over frames of unequal weight, of differences that are small multiples of a
    quantum: their tails are wider than normal ones, the fewer frames count and the coarser the coding the
    more. So the width is measured where enough healthy photosites are, and carried on to the threshold.

    Parameters
    ----------
    score : ndarray of shape (rows, cols), float32
        Standardised by median and MAD.
    known : ndarray of shape (rows, cols), bool
        Sites that have a score.
    limit : float
        Threshold for normal scores. Sites beyond the widened one, and what lies around them, are left out.
    reach : int
        Rows and columns that a defect spreads to.

    Returns
    -------
    float
        More than 1.
    """
    from defectmap.model import score_kernels as kernels  # noqa: PLC0415 - compiled code loads slowly

    near = np.zeros(score.shape, bool)
    widening = _widening(kernels.some_sizes(score, known, near, _PLENTY))
    for _ in range(_ROUNDS):
        # From above: a tail that is cut where a normal one ends is never found to be wide.
        near[:] = False
        kernels.mark_around(score, np.float32(limit * widening), reach, near)
        narrower = _widening(kernels.some_sizes(score, known, near, _PLENTY))
        if narrower >= widening:
            break
        widening = narrower
    return widening


def _widening(sizes: NDArray[np.float32]) -> float:
    """Return the factor that the sizes of healthy scores ask for."""
    if sizes.size < _ENOUGH:
        return _UNKNOWN
    measured = value_of_rank(sizes, int((1.0 - _SHARE) * sizes.size)) / normal_score(_SHARE / 2)
    return 1.0 + _SPARE + _FARTHER * max(measured - 1.0, 0.0)

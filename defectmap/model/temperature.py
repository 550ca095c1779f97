"""How warm the sensor was in each frame, as its hot photosites tell.

Dark current doubles every six to eight degrees, of all hot photosites alike (R. Widenhorn et al., SPIE 4669,
2002), so their amplitudes rise and fall together. The common factor of a frame is the mean of what its hot
sites, by what they show and do not show, leave possible, weighed with how much warmth varies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from defectmap.model.showing import Background, Exposures, Seen, Strengths, log_gain

SPREAD = 0.6
"""Spread of the logarithm of warmth between frames: about six degrees."""

_GRID = np.linspace(-1.8, 1.8, 19)
_OWN = 0.12
"""Relative spread of one site's dark current about the common factor."""


@dataclass(frozen=True, slots=True)
class HotSite:
    """A hot photosite whose strength and times are known well enough.

    Attributes
    ----------
    strength : Strengths
        One.
    seen : Seen
    exposures : Exposures
    bad : ndarray of shape (frames,), bool
        Frames in which it was bad.
    """

    strength: Strengths
    seen: Seen
    exposures: Exposures
    bad: NDArray[np.bool_]


def warmth(
    sites: Sequence[HotSite], frames: int, background: Background
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the factor on dark current of each frame.

    Parameters
    ----------
    sites : sequence of HotSite
    frames : int
    background : Background

    Returns
    -------
    factor : ndarray of shape (frames,), float64
        About 1; 1 where nothing is known.
    slack : ndarray of shape (frames,), float64
        Relative spread of a dark current about that.
    """
    likelihood = np.repeat(-0.5 * (_GRID[:, None] / SPREAD) ** 2, frames, axis=1)
    for site in sites:
        exact = replace(site.exposures, slack=np.full(frames, _OWN))
        # A warmer sensor is a defect of a higher rate.
        one, size = site.strength, len(_GRID)
        warmer = Strengths.of(
            size,
            rate=one.rate * np.exp(_GRID),
            **{part: np.repeat(getattr(one, part), size) for part in ("offset", "share", "level")},
        )
        likelihood += np.where(site.bad, log_gain(warmer, site.seen, exact, background)[0], 0.0)
    weights = np.exp(likelihood - likelihood.max(axis=0))
    weights /= weights.sum(axis=0)
    mean = _GRID @ weights
    spread = np.sqrt(np.maximum((_GRID**2) @ weights - mean**2, 0.0))
    return np.exp(mean), np.minimum(np.hypot(spread, _OWN), SPREAD)

"""From sightings to the time a site was bad: onset and healing, each as an interval.

A maximum-likelihood change point on a sequence of yes and no (Fridrich and Goljan, SPIE 7880, 2011, date
defects that way): inside the bad period a frame shows the site with a chance that depends on its exposure,
outside only as often as chance specks do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_DROP = 5.0
"""Fall of the log-likelihood that bounds an interval: 3.3 would be 99 %, were the chances known exactly."""

_SURE = 0.75
"""Largest chance of a bad site to show: clipped or busy surroundings may hide any site in a frame or two."""


@dataclass(frozen=True, slots=True)
class BadPeriod:
    """When a site was bad, as indices into the frames in order of capture.

    Attributes
    ----------
    last_good, first_bad : int or None
        Onset lies between the two; both None when the site was bad from the first frame on.
    last_bad, first_good : int or None
        Healing lies between the two; both None when it is still bad.
    """

    last_good: int | None = None
    first_bad: int | None = None
    last_bad: int | None = None
    first_good: int | None = None


def date_site(seen: NDArray[np.bool_], dose: NDArray[np.float64], background: float) -> BadPeriod:
    """Find the period in which a site was bad.

    Parameters
    ----------
    seen : ndarray of shape (frames,), bool
        Whether the site stood out, frames in order of capture.
    dose : ndarray of shape (frames,), float64
        Seconds at ISO 100 of each frame for a site whose visibility depends on it; constant otherwise.
    background : float
        Chance of a healthy site to stand out in one frame.

    Returns
    -------
    BadPeriod
        Nothing is said (bad from the first frame on, and still) about a site seen in fewer than three frames.
    """
    hits = np.flatnonzero(seen)
    if hits.size < 3:
        return BadPeriod()
    quiet = min(max(background, 1e-5), 0.2)
    classes = _exposure_classes(seen, dose)
    first, last = int(hits[0]), int(hits[-1])
    for _ in range(4):
        gain = _log_gain(seen, _chance(seen, classes, first, last, quiet), quiet)
        start, stop = _best_segment(gain)
        if (start, stop) == (first, last):
            break
        first, last = start, stop
    total = np.concatenate(([0.0], np.cumsum(gain)))
    # Log-likelihood of an onset just before frame i, healing held, and the reverse.
    onset = total[last + 1] - total[: last + 1]
    likely = np.flatnonzero(onset >= onset.max() - _DROP)
    onset_low, onset_high = int(likely[0]), int(likely[-1])
    healing = total[first + 1 :] - total[first]
    likely = np.flatnonzero(healing >= healing.max() - _DROP) + first
    healing_low, healing_high = int(likely[0]), int(likely[-1])
    before = onset_low == 0
    still = healing_high == len(seen) - 1
    return BadPeriod(
        None if before else onset_low - 1,
        None if before else onset_high,
        None if still else healing_low,
        None if still else healing_high + 1,
    )


def _exposure_classes(seen: NDArray[np.bool_], dose: NDArray[np.float64]) -> NDArray[np.int64]:
    """Cut the exposures into those too short to show the site, and thirds of those that did show it."""
    edges = np.unique(np.quantile(dose[seen], (0.0, 1 / 3, 2 / 3)))
    return np.searchsorted(edges, dose, side="right").astype(np.int64)


def _chance(
    seen: NDArray[np.bool_], classes: NDArray[np.int64], first: int, last: int, quiet: float
) -> NDArray[np.float64]:
    """Chance of the bad site to show in each frame, by exposure class, measured inside its bad period."""
    chance = np.full(len(seen), quiet)
    inside = slice(first, last + 1)
    for k in np.unique(classes):
        members = classes == k
        shown = seen[inside][members[inside]]
        rate = (float(shown.sum()) + 0.5) / (shown.size + 1.0) if shown.size else quiet
        chance[members] = min(max(rate, quiet), _SURE)
    return chance


def _log_gain(seen: NDArray[np.bool_], chance: NDArray[np.float64], quiet: float) -> NDArray[np.float64]:
    return np.where(seen, np.log(chance / quiet), np.log((1.0 - chance) / (1.0 - quiet)))


def _best_segment(gain: NDArray[np.float64]) -> tuple[int, int]:
    """Return first and last index of the contiguous stretch with the largest sum."""
    total = np.concatenate(([0.0], np.cumsum(gain)))
    lowest = np.minimum.accumulate(total[:-1])
    stop = int(np.argmax(total[1:] - lowest))
    start = int(np.argmin(total[: stop + 1]))
    return start, stop

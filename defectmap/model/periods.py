"""Bad periods from what each frame says: change points by maximum likelihood, each with its interval.

A frame's word is the log likelihood of what it showed were the site bad, less that were it healthy. The
periods are those that gain most, less `PENALTY` for every onset and `HEALING` for every healing: a
segmentation by dynamic programming with a cost per change (Jackson et al., IEEE Signal Processing Letters 12
(2005) 105-108). Where the model holds, a site that never changed gains more than that by one change in
`exp(-PENALTY)` of all cases at most, however many frames there are (J. Ville's inequality for likelihood
ratios).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PENALTY = 4.5
"""Log likelihood that a change between good and bad must gain."""

_COMES_BACK = 0.1
"""Few sites come back: about that share of those that went bad."""

HEALING = PENALTY - float(np.log(_COMES_BACK))
"""The same as `PENALTY` of a change back to good."""

DROP = 4.0
"""Fall of the log likelihood that bounds an interval: 3.3 would be 99 %, were the chances known exactly."""

_SURE = 0.9
"""Probability from which a site is said to have been bad from the first frame on, or to be bad still."""

_NEAR = 2
"""Frames off up to which a date counts as right in its confidence."""


@dataclass(frozen=True, slots=True)
class BadPeriod:
    """When a site was bad, as indices into the frames in order of capture.

    Attributes
    ----------
    last_good, first_bad : int or None
        Onset lies between the two. Without `last_good` the site may have been bad before the first frame;
        both None when it most probably was.
    last_bad, first_good : int or None
        Healing lies between the two. Without `first_good` it may still be bad; both None when it most
        probably is.
    onset : int or None
        The likeliest first bad frame.
    healed : int or None
        The likeliest first good frame.
    confidence : float or None
        Probability that these two are right to within two frames, of the two the lower one.
    """

    last_good: int | None = None
    first_bad: int | None = None
    last_bad: int | None = None
    first_good: int | None = None
    onset: int | None = None
    healed: int | None = None
    confidence: float | None = None

    @classmethod
    def unknown(cls, frames: int) -> BadPeriod:
        """Return the period of a site of which no frame tells when it was bad."""
        return cls(first_bad=frames - 1 if frames else None)


def segments(gain: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Find the stretches in which a site was bad.

    Parameters
    ----------
    gain : ndarray of shape (frames,), float64
        Log likelihood of each frame were the site bad, less that were it healthy.

    Returns
    -------
    list of (int, int)
        First frame of each stretch and first frame after it, in order; none where that is likeliest.
    """
    from defectmap.model import showing_kernels as kernels  # noqa: PLC0415 - compiled code loads slowly

    began, ended, is_bad = kernels.changes(np.ascontiguousarray(gain, np.float64), PENALTY, HEALING)
    result: list[tuple[int, int]] = []
    stop = len(began)
    # A frame at which neither changes is passed over.
    for index in np.flatnonzero(began | ended)[::-1].tolist():
        if is_bad and began[index]:
            result.append((index, stop))
            is_bad = False
        elif not is_bad and ended[index]:
            stop, is_bad = index, True
    if is_bad:
        result.append((0, stop))
    return result[::-1]


def bound(gains: NDArray[np.float64], stretches: Sequence[tuple[int, int]]) -> list[BadPeriod]:
    """Find the interval of every change, the others held where they are.

    Parameters
    ----------
    gains : ndarray of shape (strengths, frames), float64
        As of :func:`segments`, for every strength that the defect may have: of each the likeliest counts.
    stretches : sequence of (int, int)
        From :func:`segments`, for the likeliest strength.

    Returns
    -------
    list of BadPeriod
        One for each stretch. A stretch that may begin with the first frame has no onset, one that may end
        with the last no healing.
    """
    frames = gains.shape[1]
    totals = np.concatenate((np.zeros((len(gains), 1)), np.cumsum(gains, axis=1)), axis=1)
    inside = sum((totals[:, stop] - totals[:, start] for start, stop in stretches), np.zeros(len(gains)))
    result = []
    for number, (start, stop) in enumerate(stretches):
        earliest = stretches[number - 1][1] + 1 if number else 0
        latest = stretches[number + 1][0] - 1 if number + 1 < len(stretches) else frames
        before = totals[:, [start]] - totals[:, earliest:stop]
        after = totals[:, start + 1 : latest + 1] - totals[:, [stop]]
        began = _interval(inside[:, None] + before, earliest)
        ended = _interval(inside[:, None] + after, start + 1)
        # Where a change may lie beyond the first or last frame, there may have been none.
        onset = began if start > 0 and began[0] > 0 else None
        healing = ended if stop < frames and ended[2] < frames else None
        always = start == 0 and _is_sure(before.max(axis=0), frames, 1.0)
        forever = stop == frames and _is_sure(after.max(axis=0)[::-1], frames, _COMES_BACK)
        sure = [change[3] for change in (onset, healing) if change is not None]
        result.append(
            BadPeriod(
                None if onset is None else onset[0] - 1,
                None if always else began[2],
                None if forever else ended[0] - 1,
                None if healing is None else healing[2],
                None if onset is None else onset[1],
                None if healing is None else healing[1],
                min(sure) if sure else None,
            )
        )
    return result


def _is_sure(profile: NDArray[np.float64], frames: int, prior: float) -> bool:
    """Tell whether a site was bad to the very end, by the log likelihood of that, first, and of each change.

    Before anything is seen a change has the odds `prior`, and is as likely in any frame.
    """
    odds = prior * float(np.exp(profile[1:] - profile[0]).sum()) / frames
    return 1.0 / (1.0 + odds) > _SURE


def _interval(likelihood: NDArray[np.float64], first: int) -> tuple[int, int, int, float]:
    """Return lowest, likeliest and highest index of a change, and how sure the likeliest is.

    Parameters
    ----------
    likelihood : ndarray of shape (strengths, indices), float64
    first : int
        What its first column stands for.
    """
    profile = likelihood.max(axis=0)
    best = int(profile.argmax())
    likely = np.flatnonzero(profile >= profile[best] - DROP)
    weights = np.exp(profile - profile[best])
    near = weights[max(best - _NEAR, 0) : best + _NEAR + 1].sum()
    return first + int(likely[0]), first + best, first + int(likely[-1]), float(near / weights.sum())

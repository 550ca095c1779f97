"""Where along a column or a row its values stand out: runs of the largest sum, see `lines`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def standing_out(
    values: NDArray[np.float64], free: NDArray[np.bool_], demanded: float, fewest: int
) -> list[tuple[int, int]]:
    """Return the runs [first, last) whose mean is at least `demanded`, in order.

    A run goes on over gaps that tell less against it than `fewest` healthy sites.

    Parameters
    ----------
    values : ndarray of shape (sites,), float64
        Of a column or a row.
    free : ndarray of shape (sites,), bool
        Those that may be part of a run.
    demanded : float
    fewest : int
        Sites of a run.
    """
    surplus = np.where(free, np.clip(values, -0.5 * demanded, 1.5 * demanded) - 0.5 * demanded, 0.0)
    least = fewest * 0.5 * demanded
    found = []
    waiting = [(0, surplus.size)]
    while waiting:
        begin, end = waiting.pop()
        if end - begin < fewest:
            continue
        first, last, total = _largest(surplus[begin:end])
        if total < least:
            continue
        first, last = begin + first, begin + last
        gap_first, gap_last, gap = _largest(-surplus[first:last])
        if gap >= least:
            waiting += [(begin, first + gap_first), (first + gap_last, end)]
            continue
        waiting += [(begin, first), (last, end)]
        inside = free[first:last]
        mean = np.clip(values[first:last][inside], -0.5 * demanded, 1.5 * demanded).mean()
        telling = np.count_nonzero(surplus[first:last] > 0)
        if telling >= fewest and mean >= demanded:
            found.append((first, last))
    return sorted(found)


def _largest(values: NDArray[np.float64]) -> tuple[int, int, float]:
    """Return the run [first, last) of the largest sum, and that sum."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    rise = sums - np.minimum.accumulate(sums)
    last = int(np.argmax(rise))
    first = last - int(np.argmin(sums[last::-1])) if last else 0
    return first, last, float(rise[last])

"""Running mean and variance that can be merged (Welford 1962; Chan, Golub and LeVeque 1979)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class WelfordState:
    """Count, mean and summed squared deviation of a sample, per photosite.

    Attributes
    ----------
    n : ndarray of int64
        Number of values.
    mean : ndarray of float64
        Their mean; 0 where there is none.
    m2 : ndarray of float64
        Sum of squared deviations from the mean.
    """

    n: NDArray[np.int64]
    mean: NDArray[np.float64]
    m2: NDArray[np.float64]

    @classmethod
    def from_sums(cls, n: NDArray[Any], total: NDArray[Any], squares: NDArray[Any]) -> WelfordState:
        """Read the state out of exact integer sums.

        Parameters
        ----------
        n, total, squares : ndarray of integers, all of one shape
            Count, sum and sum of squares. As long as ``n * squares`` stays below 2**63 the numerator
            ``n * squares - total**2`` is exact, so that nothing cancels; beyond, it is taken in long doubles.

        Returns
        -------
        WelfordState
        """
        count = n.astype(np.int64)
        safe = np.maximum(count, 1)
        sums, squared = total.astype(np.int64), squares.astype(np.int64)
        largest = int(squared.max(initial=0)) * int(count.max(initial=0))
        if largest < 2**63:
            numerator = (count * squared - sums * sums).astype(np.float64)
        else:
            wide = np.longdouble
            numerator = (count.astype(wide) * squared - sums.astype(wide) ** 2).astype(np.float64)
        return cls(count, sums / safe, np.maximum(numerator, 0.0) / safe)

    def merge(self, other: WelfordState) -> WelfordState:
        """Return the state of both samples together (Chan's formula)."""
        n = self.n + other.n
        safe = np.maximum(n, 1)
        delta = other.mean - self.mean
        mean = self.mean + delta * (other.n / safe)
        m2 = self.m2 + other.m2 + delta * delta * (self.n / safe) * other.n
        return WelfordState(n, mean, m2)

    @property
    def variance(self) -> NDArray[np.float64]:
        """Population variance; NaN where there is no value."""
        return np.where(self.n > 0, self.m2 / np.maximum(self.n, 1), np.nan)

"""Tails of distributions, in standard deviations of a normal one."""

from __future__ import annotations

from dataclasses import dataclass
from math import erfc, exp, lgamma, log, log1p, sqrt

import numpy as np
from numpy.typing import NDArray

FARTHEST = 40.0
"""Normal scores are told apart up to here."""


NEAR, FAR = 2.5, 3.25
"""Scores at which tails are measured: far out, but where chance still outnumbers weak defects."""


def normal_tail(score: float) -> float:
    """Return the share of a standard normal distribution above a score."""
    return 0.5 * erfc(score / sqrt(2.0))


def normal_score(tail: float) -> float:
    """Return the score whose upper tail of the standard normal distribution is `tail` (bisection)."""
    low, high = 0.0, FARTHEST
    for _ in range(80):
        middle = 0.5 * (low + high)
        if normal_tail(middle) > tail:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


def poisson_score(count: int, mean: float) -> float:
    """Return the normal score whose upper tail equals P(X >= count) for a Poisson mean."""
    return _score_of_log_tail(poisson_log_tail(count, mean)) if count > mean else 0.0


def poisson_log_tail(count: int, mean: float) -> float:
    """Return the logarithm of P(X >= count) for a Poisson mean below the count."""
    log_term = -mean + count * log(mean) - lgamma(count + 1.0)
    ratio, term = 1.0, 1.0
    for k in range(count + 1, count + 200):
        term *= mean / k
        ratio += term
        if term < 1e-12 * ratio:
            break
    return log_term + log(ratio)


def _score_of_log_tail(log_tail: float) -> float:
    if log_tail > -600.0:
        return normal_score(exp(log_tail))
    # Beyond the reach of erfc: the leading term of the tail, -z*z/2.
    return min(FARTHEST, sqrt(-2.0 * log_tail))


def binomial_score(count: int, trials: int, share: float) -> float:
    """Return the normal score whose upper tail equals P(X >= count) of so many trials (0 below the mean)."""
    if count <= trials * share:
        return 0.0
    odds = log(share) - log1p(-share)
    term = lgamma(trials + 1.0) - lgamma(count + 1.0) - lgamma(trials - count + 1.0)
    log_term = term + count * odds + trials * log1p(-share)
    total, ratio = 1.0, 1.0
    for k in range(count, trials):
        ratio *= (trials - k) / (k + 1.0) * exp(odds)
        total += ratio
        if ratio < 1e-12 * total:
            break
    return _score_of_log_tail(log_term + log(total))


@dataclass(frozen=True, slots=True)
class ChanceTail:
    """The tail of the scores of healthy photosites, wider than a normal one.

    The normal scores of the shares that are found above `NEAR` and `FAR` are carried on in a straight line,
    an empirical null (B. Efron, J. Am. Stat. Assoc. 99 (2004) 96-104).

    Attributes
    ----------
    far : float
        Normal score of the share above `FAR`.
    slope : float
        Growth of the normal score with the score; at most 1.
    """

    far: float = FAR
    slope: float = 1.0

    @classmethod
    def of(cls, near: float, far: float) -> ChanceTail:
        """Return the tail with these shares above `NEAR` and `FAR`, never narrower than normal."""
        nearer, farther = (
            min(normal_score(share), z) if share > 0 else z for share, z in ((near, NEAR), (far, FAR))
        )
        return cls(farther, min(max((farther - nearer) / (FAR - NEAR), 0.0), 1.0))

    def calibrated(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return normal scores that are as unlikely for a healthy photosite as these.

        Beyond `FAR` they grow with the mean of the measured slope and that of a normal tail: sums of limited
        terms have tails that end up steeper than they are where they can be measured. On clean simulated
        sensors the largest scores lie between the two.

        Parameters
        ----------
        scores : ndarray of float32
            Of those below `FAR` only that they are below it is told.

        Returns
        -------
        ndarray of float32, same shape
        """
        slope, shift = self.line
        return scores * np.float32(slope) + np.float32(shift)

    @property
    def line(self) -> tuple[float, float]:
        """Slope and shift of the normal scores beyond `FAR`."""
        slope = 0.5 * (1.0 + self.slope)
        return slope, self.far - slope * FAR


def discovery_score(scores: NDArray[np.float32], tests: int, rate: float, spare: float = 0.0) -> float:
    """Return the score from which on at most a share `rate` of the tests is expected to be chance.

    The step-up rule of Benjamini and Hochberg (J. R. Statist. Soc. B 57 (1995) 289-300). The more there is to
    find, the less is asked of each; of nothing but chance it finds something with a probability of `rate`.

    Parameters
    ----------
    scores : ndarray of shape (n,), float32
        The largest normal scores; those too small to matter may be missing.
    tests : int
        Number of tests in all.
    rate : float
        False-discovery rate.
    spare : float
        Number of chance discoveries that are accepted however little there is to find.

    Returns
    -------
    float
    """
    accepted = max(rate, spare)
    for rank, score in enumerate(np.sort(scores)[::-1].tolist(), 1):
        if rate * rank > accepted and normal_tail(score) * tests <= rate * rank:
            accepted = rate * rank
    return normal_score(accepted / tests)

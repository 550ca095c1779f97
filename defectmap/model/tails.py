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
    if count <= mean:
        return 0.0
    log_term = -mean + count * log(mean) - lgamma(count + 1.0)
    ratio, term = 1.0, 1.0
    for k in range(count + 1, count + 200):
        term *= mean / k
        ratio += term
        if term < 1e-12 * ratio:
            break
    return _score_of_log_tail(log_term + log(ratio))


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

    def above(self, score: float) -> float:
        """Return the share of healthy photosites above a score, which is `FAR` at least."""
        return normal_tail(self.far + self.slope * (score - FAR))

    def threshold(self, limit: float) -> float:
        """Return the score to demand where a normal one would have to reach `limit`.

        Half-way between what a normal tail and what the tail carried on ask for: scores are sums of limited
        terms, whose tails end up steeper than they are where they can be measured. On clean simulated sensors
        the largest scores lie between the two.
        """
        return max(limit, (2.0 * limit - self.far + self.slope * FAR) / (1.0 + self.slope))


def discoveries(chances: NDArray[np.float64], tests: int, rate: float) -> NDArray[np.bool_]:
    """Mark the tests among which at most a share `rate` is expected to be chance.

    The step-up rule of Benjamini and Hochberg (J. R. Statist. Soc. B 57 (1995) 289-300).

    Parameters
    ----------
    chances : ndarray of shape (n,), float64
        The smallest tail probabilities; those too large to matter may be missing.
    tests : int
        Number of tests in all.
    rate : float
        False-discovery rate.

    Returns
    -------
    ndarray of shape (n,), bool
    """
    ordered = np.sort(chances)
    passed = np.flatnonzero(ordered * tests <= rate * np.arange(1, ordered.size + 1))
    return np.asarray(chances <= ordered[passed[-1]]) if passed.size else np.zeros(chances.size, bool)

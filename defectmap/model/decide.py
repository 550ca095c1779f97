"""From evidence to candidates, with the rate of false alarms under control.

Each score is compared with what healthy photosites of the same CFA phase show in the same frames (an
empirical null: median and MAD, or a Poisson background for counts), and the thresholds follow from the number
of photosites, so that no knob is needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import erfc, exp, log, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from defectmap.model.evidence import PlaneEvidence
from defectmap.model.prediction import PlaneModel

FALSE_ALARMS = 0.05
"""False alarms to expect per map, if every photosite is healthy."""

_FEW_FRAMES = 3.0
"""Over n frames the tail of a mean of clipped scores is so much wider than a normal one: 1 + this / n."""

SCORES = ("level", "dose", "votes")
"""The scores decided on: mean score, exposure-weighted score, counts of standing out.

The variance of the score tells noisy sites from others, but its null has too heavy a tail to decide on.
"""


@dataclass(frozen=True, slots=True)
class PlaneRules:
    """What differs between the planes of a raw mosaic and of a JPEG.

    Attributes
    ----------
    period : tuple of int
        Rows and columns of the pattern whose positions have nulls of their own.
    widening : float
        Factor on the threshold of the Gaussian scores, for nulls with heavier tails.
    spare_votes : int
        Votes demanded above the Poisson threshold.
    reach : int
        A weaker candidate within so many rows and columns of a stronger one may be its echo.
    dominance : float
        How many times more prominent the other must be to explain it.
    smeared : bool
        Whether a defect spreads over its neighbours (a JPEG), so that the contrast of the mean picture, not
        the score, tells where its centre is.
    """

    period: tuple[int, int]
    widening: float
    spare_votes: int
    reach: int
    dominance: float
    smeared: bool


JPEG_LUMA = PlaneRules((1, 1), widening=1.5, spare_votes=1, reach=8, dominance=1.0, smeared=True)
JPEG_CHROMA = PlaneRules((1, 1), widening=1.5, spare_votes=1, reach=8, dominance=1.0, smeared=True)


def mosaic_rules(period: tuple[int, int]) -> PlaneRules:
    """Return the rules of an undemosaiced plane with that CFA period."""
    return PlaneRules(period, widening=1.0, spare_votes=0, reach=2, dominance=2.0, smeared=False)


@dataclass(frozen=True, slots=True)
class Candidates:
    """Photosites that no healthy photosite should resemble, most prominent first.

    Attributes
    ----------
    sites : ndarray of shape (n,), int64
        Flat site of the plane.
    strength : ndarray of shape (n,), float32
        Largest score in units of its own threshold; at least 1.
    level, dose, votes : ndarray of shape (n,), float32
        Standardised scores, with the sign of the deviation: mean score, exposure-weighted score, and counts
        of standing out as the normal score of the same tail.
    spread : ndarray of shape (n,), float64
        Standardised variance of the score: describes, does not decide.
    contrast : ndarray of shape (n,), float64
        Mean value less the median of the neighbours' mean values, in DN.
    """

    sites: NDArray[np.int64]
    strength: NDArray[np.float32]
    level: NDArray[np.float32]
    dose: NDArray[np.float32]
    votes: NDArray[np.float32]
    spread: NDArray[np.float64]
    contrast: NDArray[np.float64]


def gaussian_threshold(photosites: int, tests: int = 2 * len(SCORES)) -> float:
    """Return the score that healthy photosites exceed `FALSE_ALARMS` times per map (Bonferroni).

    Examples
    --------
    >>> round(gaussian_threshold(24_000_000), 2)
    6.45
    """
    return _normal_isf(FALSE_ALARMS / (photosites * tests))


def decide(evidence: PlaneEvidence, model: PlaneModel, rules: PlaneRules) -> Candidates:
    """Find the photosites that deviate beyond what chance explains.

    Parameters
    ----------
    evidence : PlaneEvidence
    model : PlaneModel
        The prediction that the evidence was gathered with.
    rules : PlaneRules

    Returns
    -------
    Candidates
        Without the echoes of stronger ones.
    """
    sums = evidence.sums
    n = sums["n"]
    level, dose = _scores(sums["z_sum"], n), _scores(sums["hot_sum"], sums["hot_weight"])
    _standardise(level, n > 0, rules.period)
    _standardise(dose, sums["hot_weight"] > 0, rules.period)
    votes = _vote_score(evidence, n)
    limit = gaussian_threshold(n.size)
    strength = np.maximum(np.abs(level), np.abs(dose))
    strength /= limit * max(rules.widening, 1.0 + _FEW_FRAMES / max(int(n.max(initial=0)), 1))
    np.maximum(strength, np.abs(votes) / (limit + 0.5 * rules.spare_votes), out=strength)
    found = np.flatnonzero(strength >= 1.0)
    around = evidence.value_at(model.neighbours(found, n.shape)).mean
    contrast = evidence.value_at(found).mean - np.median(around, axis=1)
    prominence = np.abs(contrast) if rules.smeared else strength.ravel()[found]
    kept = np.flatnonzero(_not_explained(found, prominence, n.shape, rules))
    order = kept[np.lexsort((found[kept], -prominence[kept]))]
    sites = found[order].astype(np.int64)
    return Candidates(
        sites,
        strength.ravel()[sites],
        level.ravel()[sites],
        dose.ravel()[sites],
        votes.ravel()[sites],
        _spread_at(sites, sums, rules.period),
        contrast[order],
    )


def _scores(total: NDArray[Any], weight: NDArray[Any]) -> NDArray[np.float32]:
    """Return total / sqrt(weight); 0 where the weight is."""
    score = np.zeros(weight.shape, np.float32)
    root = np.sqrt(weight, dtype=np.float32)
    np.divide(total, root, out=score, where=root > 0, casting="unsafe")
    return score


def _spread_at(
    sites: NDArray[np.int64], sums: Mapping[str, NDArray[Any]], period: tuple[int, int]
) -> NDArray[np.float64]:
    """Return the standardised excess of the variance of the clipped score at some sites."""
    width = sums["n"].shape[1]
    rows, cols = np.divmod(sites, width)
    result = np.zeros(sites.size)
    for phase, (r, c) in enumerate(np.ndindex(period)):
        mine = (rows % period[0]) * period[1] + cols % period[1] == phase
        sample = {f: _sample(sums[f][r :: period[0], c :: period[1]]) for f in ("n", "z_sum", "z_sumsq")}
        known = sample["n"] > 0
        usual = float(np.median(_variance(sample)[known])) if known.any() else 0.0
        excess = (_variance(sample) - usual) * np.sqrt(sample["n"])
        _, scale = _median_and_scale(excess[known])
        here = {f: sums[f].ravel()[sites[mine]] for f in sample}
        result[mine] = (_variance(here) - usual) * np.sqrt(here["n"]) / scale
    return result


def _variance(sums: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
    n = np.maximum(sums["n"], 1.0)
    return np.asarray(sums["z_sumsq"] / n - (sums["z_sum"] / n) ** 2)


def _standardise(score: NDArray[np.float32], known: NDArray[np.bool_], period: tuple[int, int]) -> None:
    """Centre and scale the scores in place by median and MAD of their own CFA phase."""
    rows, cols = period
    for r, c in np.ndindex(period):
        phase = score[r::rows, c::cols]
        centre, scale = _median_and_scale(_sample(phase)[_sample(known[r::rows, c::cols])])
        phase -= np.float32(centre)
        phase *= np.float32(1.0 / scale)
    score *= known


def _sample(plane: NDArray[Any]) -> NDArray[Any]:
    """Return a quarter of a million values, or all, spread over the plane: enough for a null."""
    step = max(1, int(np.sqrt(plane.size / 250_000)))
    return plane[step // 2 :: step, step // 2 :: step].ravel()


def _median_and_scale(sample: NDArray[Any]) -> tuple[float, float]:
    """Return the median and the standard deviation that the MAD stands for; infinite where there is none."""
    if sample.size == 0:
        return 0.0, np.inf
    median = float(np.median(sample))
    mad = float(np.median(np.abs(sample - median)))
    return median, 1.4826 * mad if mad > 0 else np.inf


def _vote_score(evidence: PlaneEvidence, n: NDArray[Any]) -> NDArray[np.float32]:
    """Return the normal-tail score of the counts of standing out, against a Poisson background."""
    score = np.zeros(n.shape, np.float32)
    for name, sign in (("over", 1.0), ("under", -1.0)):
        count = evidence.sums[name]
        rate = _background_rate(count, n)
        interesting = np.flatnonzero(count >= 2)
        counts = count.ravel()[interesting].astype(int)
        means = rate * n.ravel()[interesting]
        tails = np.array([_poisson_isf(k, mean) for k, mean in zip(counts, means, strict=True)])
        stronger = tails > np.abs(score.ravel()[interesting])
        score.ravel()[interesting[stronger]] = sign * tails[stronger]
    return score


def _background_rate(count: NDArray[Any], n: NDArray[Any]) -> float:
    """Chance of a healthy photosite to stand out in one frame, bad photosites left out of the mean."""
    total = float(n.sum())
    rate = float(count.sum()) / total if total else 0.0
    for _ in range(8):
        limit = max(3.0, 10.0 * rate * float(n.max(initial=0.0)))
        healthy = count <= limit
        trimmed = float(count[healthy].sum()) / max(float(n[healthy].sum()), 1.0)
        if trimmed >= 0.999 * rate:
            break
        rate = trimmed
    return max(rate, 1.0 / max(total, 1.0))


def _not_explained(
    sites: NDArray[np.int64], prominence: NDArray[np.float64], shape: tuple[int, ...], rules: PlaneRules
) -> NDArray[np.bool_]:
    """Mark the candidates that no more prominent one within reach explains."""
    rows, cols = np.divmod(sites, shape[1])
    kept = np.ones(sites.size, bool)
    taken: dict[tuple[int, int], list[int]] = {}
    cell = rules.reach + 1
    for i in np.lexsort((sites, -prominence)):
        row, col = int(rows[i]), int(cols[i])
        block = (row // cell, col // cell)
        near = (
            j for y in (-1, 0, 1) for x in (-1, 0, 1) for j in taken.get((block[0] + y, block[1] + x), ())
        )
        kept[i] = not any(
            abs(int(rows[j]) - row) <= rules.reach
            and abs(int(cols[j]) - col) <= rules.reach
            and prominence[j] >= rules.dominance * prominence[i]
            for j in near
        )
        if kept[i]:
            taken.setdefault(block, []).append(int(i))
    return kept


def _normal_isf(tail: float) -> float:
    """Invert the upper tail of the standard normal distribution by bisection."""
    low, high = 0.0, 40.0
    for _ in range(80):
        middle = 0.5 * (low + high)
        if 0.5 * erfc(middle / sqrt(2.0)) > tail:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


def _poisson_isf(count: int, mean: float) -> float:
    """Return the normal score whose upper tail equals P(X >= count) for a Poisson mean."""
    if count <= mean:
        return 0.0
    log_term = -mean + count * log(mean) - _log_factorial(count)
    ratio, term = 1.0, 1.0
    for k in range(count + 1, count + 200):
        term *= mean / k
        ratio += term
        if term < 1e-12 * ratio:
            break
    log_tail = log_term + log(ratio)
    if log_tail > -600.0:
        return _normal_isf(exp(log_tail))
    # Beyond the reach of erfc: the leading term of the tail, -z*z/2.
    return min(40.0, sqrt(-2.0 * log_tail))


def _log_factorial(n: int) -> float:
    from math import lgamma  # noqa: PLC0415

    return lgamma(n + 1.0)

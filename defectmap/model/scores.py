"""Standardised scores: each kind of deviation against what healthy photosites show in the same frames.

A defect that adds the same everywhere, one that grows with exposure, one that scales the light and one that
only sometimes stands out are each found best by a filter of their own. Every score is centred and scaled by
the median and the MAD of its CFA phase (an empirical null); counts have a Poisson background.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from defectmap.model.evidence import Z_UNIT, PlaneEvidence
from defectmap.model.tails import binomial_score, poisson_score

FILTERS: Mapping[str, tuple[str, str]] = {
    "level": ("z_sum", "n"),
    "dose": ("hot_sum", "hot_weight"),
    "offset": ("offset_sum", "offset_weight"),
    "light": ("light_sum", "light_weight"),
}
"""The Gaussian scores: the sums of weighted scores and of squared weights that each is made of."""

SCORES = (*FILTERS, "votes", "ties")
"""The scores decided on; votes are counts of standing out, ties of being equal to the largest neighbour.

The variance of the score tells noisy sites from others, but its null has too heavy a tail to decide on.
"""

_NARROWEST = 0.5 * Z_UNIT
"""Healthy scores are never taken to be narrower than that, where coarse coding makes most of them 0."""


def filter_score(evidence: PlaneEvidence, name: str, period: tuple[int, int]) -> NDArray[np.float32]:
    """Return one of the Gaussian scores of every site, standardised.

    Parameters
    ----------
    evidence : PlaneEvidence
    name : str
        One of `FILTERS`.
    period : tuple of int
        Rows and columns of the CFA.

    Returns
    -------
    ndarray of shape (rows, cols), float32
        0 where nothing is known.
    """
    total, weight = (evidence.sums[field] for field in FILTERS[name])
    score = _ratio(total, weight)
    standardise(score, weight > 0, period, _NARROWEST)
    return score


def filter_null(evidence: PlaneEvidence, name: str, period: tuple[int, int]) -> NDArray[np.float64]:
    """Return the usual value of sum / root of the weights, by position in the period.

    Parameters
    ----------
    evidence : PlaneEvidence
    name : str
        One of `FILTERS`.
    period : tuple of int
        Rows and columns of the CFA.

    Returns
    -------
    ndarray of shape `period`, float64
        In standard deviations of a score.
    """
    centres = np.zeros(period)
    for r, c in np.ndindex(period):
        total, weight = (
            _sample(evidence.sums[field][r :: period[0], c :: period[1]], period) for field in FILTERS[name]
        )
        centres[r, c] = median_and_scale(_ratio(total, weight)[weight > 0])[0] / Z_UNIT
    return centres


def _ratio(total: NDArray[Any], weight: NDArray[Any]) -> NDArray[np.float32]:
    ratio = np.zeros(weight.shape, np.float32)
    root = np.sqrt(weight, dtype=np.float32)
    np.divide(total, root, out=ratio, where=root > 0, casting="unsafe")
    return ratio


def known_sites(evidence: PlaneEvidence, name: str) -> NDArray[np.bool_]:
    """Tell the sites that have such a Gaussian score."""
    return np.asarray(evidence.sums[FILTERS[name][1]] > 0)


def standardise(
    score: NDArray[np.float32], known: NDArray[np.bool_], period: tuple[int, int], narrowest: float = 0.0
) -> None:
    """Centre and scale the scores in place by median and MAD of their own CFA phase.

    Where most scores are alike, as in JPEGs of coarse chroma, the MAD says nothing of those that are not:
    the scale is `narrowest` at least.
    """
    rows, cols = period
    for r in range(rows):
        lines, good = score[r::rows], known[r::rows]
        nulls = [
            median_and_scale(_sample(lines[:, c::cols], period)[_sample(good[:, c::cols], period)])
            for c in range(cols)
        ]
        # Whole rows at a time: memory is read in order.
        centres, scales = (
            np.resize(np.array(part, np.float32), score.shape[1]) for part in zip(*nulls, strict=True)
        )
        lines -= centres
        if narrowest > 0:
            scales = np.maximum(np.where(np.isfinite(scales), scales, 0.0), np.float32(narrowest))
        lines *= np.float32(1.0) / scales
    score *= known


def calm_edges(score: NDArray[np.float32], known: NDArray[np.bool_], reach: int) -> None:
    """Scale the outermost rows and columns down in place where their scores spread wider than all others.

    They are predicted from one side, and so worse.

    Parameters
    ----------
    score : ndarray of shape (rows, cols), float32
        Standardised.
    known : ndarray of shape (rows, cols), bool
    reach : int
        Rows and columns from each edge.
    """
    for values, good in ((score, known), (score.T, known.T)):
        for line in (*range(min(reach, len(values))), *range(-min(reach, len(values)), 0)):
            _, scale = median_and_scale(values[line][good[line]])
            if 1.0 < scale < np.inf:
                values[line] *= np.float32(1.0 / scale)


def median_and_scale(sample: NDArray[Any]) -> tuple[float, float]:
    """Return the median and the standard deviation that the MAD stands for; infinite where there is none."""
    if sample.size == 0:
        return 0.0, np.inf
    median = float(np.median(sample))
    mad = float(np.median(np.abs(sample - median)))
    return median, 1.4826 * mad if mad > 0 else np.inf


def vote_score(evidence: PlaneEvidence) -> NDArray[np.float32]:
    """Return the counts of standing out as the normal score of the same tail, with their sign."""
    n = evidence.sums["n"]
    score = np.zeros(n.shape, np.float32)
    for name, sign in (("over", 1.0), ("under", -1.0)):
        count = evidence.sums[name]
        rate = background_rate(count, n)
        interesting = np.flatnonzero(count >= 2)
        counts = count.ravel()[interesting].astype(int)
        means = rate * n.ravel()[interesting]
        tails = np.array([poisson_score(k, mean) for k, mean in zip(counts, means, strict=True)])
        stronger = tails > np.abs(score.ravel()[interesting])
        score.ravel()[interesting[stronger]] = sign * tails[stronger]
    return score


def tie_score(evidence: PlaneEvidence) -> NDArray[np.float32]:
    """Return the counts of ties with the largest neighbour as the normal score of the same tail.

    A site that the camera clamps to the largest of its neighbours equals one of them in frame after frame;
    nobody else does, beyond chance.
    """
    count, frames = evidence.sums["ties"], evidence.sums["tie_frames"]
    score = np.zeros(count.shape, np.float32)
    share = min(max(background_rate(count, frames), 1e-6), 0.5)
    interesting = np.flatnonzero((count > 2 * share * frames) & (count >= 3))
    counts, trials = (plane.ravel()[interesting].astype(np.int64) for plane in (count, frames))
    pairs, where = np.unique(np.stack([counts, trials]), axis=1, return_inverse=True)
    tails = [binomial_score(int(k), int(n), share) for k, n in pairs.T]
    score.ravel()[interesting] = np.array(tails, np.float32)[where.ravel()]
    return score


def background_rate(count: NDArray[Any], n: NDArray[Any]) -> float:
    """Chance of a healthy photosite to be counted in one frame, bad photosites left out of the mean."""
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


def spread_at(
    sites: NDArray[np.int64], evidence: PlaneEvidence, period: tuple[int, int]
) -> NDArray[np.float64]:
    """Return the standardised excess of the variance of the clipped score at some flat sites."""
    sums = evidence.sums
    rows, cols = np.divmod(sites, evidence.shape[1])
    result = np.zeros(sites.size)
    for phase, (r, c) in enumerate(np.ndindex(period)):
        mine = (rows % period[0]) * period[1] + cols % period[1] == phase
        sample = {
            f: _sample(sums[f][r :: period[0], c :: period[1]], period) for f in ("n", "z_sum", "z_sumsq")
        }
        known = sample["n"] > 0
        usual = float(np.median(_variance(sample)[known])) if known.any() else 0.0
        excess = (_variance(sample) - usual) * np.sqrt(sample["n"])
        _, scale = median_and_scale(excess[known])
        here = {f: sums[f].ravel()[sites[mine]] for f in sample}
        result[mine] = (_variance(here) - usual) * np.sqrt(here["n"]) / scale
    return result


def _variance(sums: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
    n = np.maximum(sums["n"], 1.0)
    return np.asarray(sums["z_sumsq"] / n - (sums["z_sum"] / n) ** 2)


def _sample(plane: NDArray[Any], period: tuple[int, int]) -> NDArray[Any]:
    """Return some values of one position in a period, spread over its plane: enough for a null."""
    wanted = min(250_000, 1_000_000 // (period[0] * period[1]))
    step = max(1, int(np.sqrt(plane.size / wanted)))
    return plane[step // 2 :: step, step // 2 :: step].ravel()

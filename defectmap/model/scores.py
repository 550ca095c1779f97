"""Standardised scores: each kind of deviation against what healthy photosites show in the same frames.

A defect that adds the same everywhere, one that grows with exposure, one that scales the light and one that
only sometimes stands out are each found best by a filter of their own. Every score is centred and scaled by
the median and the MAD of its CFA phase (an empirical null); counts have a Poisson background, see `counts`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from defectmap.model.abreast import each, for_each
from defectmap.model.evidence import Z_UNIT
from defectmap.model.sums import Band, Sites, Sums

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

SPREAD_FIELDS = ("n", "z_sum", "z_sumsq")
"""The sums that the variance of the clipped score is made of."""

_MANY = 2_000
"""Numbers of which sorting takes longer than counting."""

Plane = NDArray[np.float32]
Known = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class SpreadNull:
    """What the variance of the clipped score of healthy sites is, by position in the period.

    Attributes
    ----------
    usual, scale : ndarray of shape `period`, float64
        Median variance, and standard deviation of its excess times the root of the number of frames.
    """

    usual: NDArray[np.float64]
    scale: NDArray[np.float64]

    def standardised(self, sums: Sums, sites: Sites) -> NDArray[np.float64]:
        """Return the standardised excess of the variance at some flat sites."""
        period = self.usual.shape
        rows, cols = np.divmod(sites, sums.shape[1])
        phase = rows % period[0], cols % period[1]
        here = {name: sums.at(name, sites) for name in SPREAD_FIELDS}
        return np.asarray((_variance(here) - self.usual[phase]) * np.sqrt(here["n"]) / self.scale[phase])


@dataclass(frozen=True, slots=True)
class GaussianScores:
    """The Gaussian scores of a plane.

    Attributes
    ----------
    planes : dict of str to ndarray of shape (rows, cols), float32
        By name in `FILTERS`; 0 where nothing is known.
    known : dict of str to ndarray of shape (rows, cols), bool
        The sites that have such a score.
    centres : dict of str to ndarray of shape `period`, float64
        Usual value of sum / root of the weights by position in the period, in standard deviations of a score.
    spread : SpreadNull
    """

    planes: dict[str, Plane]
    known: dict[str, Known]
    centres: dict[str, NDArray[np.float64]]
    spread: SpreadNull

    @classmethod
    def of(cls, sums: Sums, period: tuple[int, int]) -> GaussianScores:
        """Read the scores of a plane, standardised, in one pass over its sums.

        Parameters
        ----------
        sums : Sums
        period : tuple of int
            Rows and columns of the pattern whose positions have nulls of their own.
        """
        from defectmap.model import score_kernels as kernels  # noqa: PLC0415 - compiled code loads slowly

        planes = {name: np.empty(sums.shape, np.float32) for name in FILTERS}
        known = {name: np.empty(sums.shape, bool) for name in FILTERS}
        samples = _SpreadSamples(sums.shape, period)
        fields = dict.fromkeys([field for pair in FILTERS.values() for field in pair] + [*SPREAD_FIELDS])

        alike = dict.fromkeys(combinations(FILTERS, 2), True)

        def add(band: Band) -> None:
            for name, (total, weight) in FILTERS.items():
                part = planes[name][band.rows], known[name][band.rows]
                kernels.ratios(band.sums[total], band.sums[weight], *part)
            for name, other in [pair for pair, so_far in alike.items() if so_far]:
                if not np.array_equal(known[name][band.rows], known[other][band.rows]):
                    alike[name, other] = False
            samples.add(band)

        for_each(add, sums.bands(*fields))
        for name, other in [pair for pair, always in alike.items() if always]:
            known[other] = known[name]  # what is the same is kept once
        centres = each(lambda name: standardise(planes[name], known[name], period, _NARROWEST), FILTERS)
        usual = {name: part / Z_UNIT for name, part in zip(FILTERS, centres, strict=True)}
        return cls(planes, known, usual, samples.null())

    def at(self, sites: Sites) -> dict[str, Plane]:
        """Return the scores of flat sites by name."""
        return {name: plane.ravel()[sites] for name, plane in self.planes.items()}


def standardise(
    score: Plane, known: Known, period: tuple[int, int], narrowest: float = 0.0
) -> NDArray[np.float64]:
    """Centre and scale the scores in place by median and MAD of their own CFA phase.

    Where most scores are alike, as in JPEGs of coarse chroma, the MAD says nothing of those that are not:
    the scale is `narrowest` at least. Returns the medians, of shape `period`.
    """
    from defectmap.model import score_kernels as kernels  # noqa: PLC0415 - compiled code loads slowly

    centres, scales = np.empty(period), np.empty(period)
    for r, c in np.ndindex(period):
        part = score[r :: period[0], c :: period[1]], known[r :: period[0], c :: period[1]]
        values, good = (_sample(plane, period) for plane in part)
        centres[r, c], scales[r, c] = median_and_scale(values[good])
    if narrowest > 0:
        scales = np.maximum(np.where(np.isfinite(scales), scales, 0.0), np.float32(narrowest))
    repeats = -(-score.shape[1] // period[1])
    wide = [np.tile(part.astype(np.float32), (1, repeats)) for part in (centres, scales)]
    kernels.standardise(score, known, wide[0], np.float32(1.0) / wide[1])
    return centres


def calm_edges(score: Plane, known: Known, reach: int) -> None:
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
    median = median_of(sample)
    mad = median_of(np.abs(sample - median))
    return median, 1.4826 * mad if mad > 0 else np.inf


def median_of(sample: NDArray[Any]) -> float:
    """Return the median of numbers as numpy does, of many float32 sooner."""
    if sample.dtype != np.float32 or sample.size < _MANY:
        return float(np.median(sample))
    below, above = _ranked(sample, (sample.size - 1) // 2)
    return float(below if sample.size % 2 else np.mean(np.array([below, above])))


def value_of_rank(sample: Plane, rank: int) -> float:
    """Return the value that so many others of the sample are less than."""
    return float(_ranked(sample, rank)[0])


def _ranked(sample: Plane, rank: int) -> Plane:
    from defectmap.model import score_kernels as kernels  # noqa: PLC0415 - compiled code loads slowly

    found: NDArray[np.uint32] = kernels.ranked(np.ascontiguousarray(sample).view(np.uint32), rank)
    return found.view(np.float32)


class _SpreadSamples:
    """Collects the variances of the clipped score that tell what is usual, band by band."""

    def __init__(self, shape: tuple[int, int], period: tuple[int, int]) -> None:
        self._period = period
        self._places: dict[tuple[int, int], tuple[NDArray[np.int64], slice]] = {}
        for r, c in np.ndindex(period):
            rows = np.arange(shape[0])[r :: period[0]]
            size = rows.size * len(range(shape[1])[c :: period[1]])
            step = _step(size, period)
            cols = slice(c + step // 2 * period[1], None, step * period[1])
            self._places[r, c] = rows[step // 2 :: step], cols
        self._found: dict[tuple[int, int], list[dict[str, NDArray[Any]]]] = {p: [] for p in self._places}

    def add(self, band: Band) -> None:
        for phase, (rows, cols) in self._places.items():
            low, high = np.searchsorted(rows, (band.rows.start, band.rows.stop))
            chosen = rows[low:high] - band.first_row
            if chosen.size:
                self._found[phase].append(
                    {name: band.sums[name][chosen, cols].ravel() for name in SPREAD_FIELDS}
                )

    def null(self) -> SpreadNull:
        usual, scale = np.zeros(self._period), np.full(self._period, np.inf)
        for phase, parts in self._found.items():
            sample = {
                name: np.concatenate([np.empty(0, np.uint32), *(part[name] for part in parts)])
                for name in SPREAD_FIELDS
            }
            known = sample["n"] > 0
            variance = _variance(sample)
            usual[phase] = float(np.median(variance[known])) if known.any() else 0.0
            excess = (variance - usual[phase]) * np.sqrt(sample["n"])
            scale[phase] = median_and_scale(excess[known])[1]
        return SpreadNull(usual, scale)


def _variance(sums: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
    n = np.maximum(sums["n"], 1.0)
    return np.asarray(Z_UNIT * (sums["z_sumsq"] / n) - (sums["z_sum"] / n) ** 2)


def _sample(plane: NDArray[Any], period: tuple[int, int]) -> NDArray[Any]:
    """Return some values of one position in a period, spread over its plane: enough for a null."""
    step = _step(plane.size, period)
    return plane[step // 2 :: step, step // 2 :: step].ravel()


def _step(size: int, period: tuple[int, int]) -> int:
    """Return the distance of the rows and columns that stand for all of so many sites."""
    wanted = min(250_000, 1_000_000 // (period[0] * period[1]))
    return max(1, int(np.sqrt(size / wanted)))

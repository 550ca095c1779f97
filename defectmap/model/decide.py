"""From evidence to candidates, with the rate of false alarms under control.

The thresholds follow from the number of photosites and from how many stand out, so that no knob is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from defectmap.model import counts as counted
from defectmap.model.clusters import grow_clusters
from defectmap.model.counts import Counts
from defectmap.model.defects import Structure, StructureKind
from defectmap.model.echoes import SMEAR, prominence, unexplained
from defectmap.model.evidence import PlaneEvidence
from defectmap.model.lattices import find_lattices, on_structures
from defectmap.model.line_members import worse_than_their_line
from defectmap.model.lines import Lines, find_lines, visible_threshold, without_fixed_pattern
from defectmap.model.nulls import tail_widening
from defectmap.model.prediction import PlaneModel
from defectmap.model.scores import (
    FILTERS,
    SCORES,
    SPREAD_FIELDS,
    GaussianScores,
    calm_edges,
    standardise,
)
from defectmap.model.sums import VALUE_FIELDS, Sums, around
from defectmap.model.tails import FAR, NEAR, ChanceTail, discovery_score, normal_score

FALSE_DEFECTS = 0.0015
"""Share of chance among the defects of a map, and of the maps of clean sensors that hold any.

Held by the tails of simulated sensors; real scenes may be worse than they are.
"""

FALSE_DISCOVERIES = 0.01
"""Share of chance among defects and suspects together."""

_FALSE_ALARMS = 0.05
"""What healthy photosites exceed so often per map is nothing to measure healthy ones by."""

_FEW_FRAMES = 1.5
"""Over n frames the tail of a mean of clipped scores is so much wider than a normal one: 1 + this / n."""

_LOWEST = 4.0
"""Scores below this are never looked at one by one: on a megapixel a hundred healthy ones reach it."""

_FRAMES_FOR_LINES = 12
"""Of fewer, edges of the scenes pass for parts of bad columns."""

_LINK, _LINKED = 3, 3.0
"""Sites of a JPEG with such a score, so near to each other, are of one piece."""

_THREADS = 2
"""Filters that are levelled at a time: each has planes of its own, so that the result is the same."""

_LEAST = 2.5
"""Counts with a smaller score say nothing: less than half a deviation below what links sites."""

_HEAP = 10
"""Rows and columns around a candidate whose mean values heaps of them may ask for."""

_SAMPLES = 400
"""Sites of a line that stand for all of it."""


Mean = Callable[[NDArray[np.int64]], NDArray[np.float64]]
Outstanding = Mapping[str, tuple[NDArray[np.int64], NDArray[np.float32]]]


@dataclass(frozen=True, slots=True)
class PlaneRules:
    """What differs between the planes of a raw mosaic and of a JPEG.

    Attributes
    ----------
    period : tuple of int
        Rows and columns of the pattern whose positions have nulls of their own.
    spare_votes : int
        Votes demanded above the Poisson threshold.
    reach : int
        A weaker candidate within so many rows and columns of a stronger one may be its echo.
    dominance : float
        How many times more prominent the other must be to explain it.
    smeared : bool
        Whether a defect spreads over its neighbours (a JPEG), so that the contrast of the mean picture, not
        the score, tells where its centre is, and so that structures cannot be told.
    spare_alarms : float
        False alarms per map that are accepted however little there is to find.
    """

    period: tuple[int, int]
    spare_votes: int
    reach: int
    dominance: float
    smeared: bool
    spare_alarms: float = 0.0


# Shared by three planes. The tails of JPEGs are taken wider than those of simulated ones are.
JPEG_LUMA = PlaneRules(
    (1, 1), spare_votes=3, reach=8, dominance=3.0, smeared=True, spare_alarms=_FALSE_ALARMS
)
JPEG_CHROMA = JPEG_LUMA


def mosaic_rules(period: tuple[int, int]) -> PlaneRules:
    """Return the rules of an undemosaiced plane with that CFA period."""
    return PlaneRules(period, spare_votes=1, reach=2, dominance=2.0, smeared=False)


@dataclass(frozen=True, slots=True)
class Candidates:
    """Photosites that hardly any healthy photosite would resemble, most prominent first.

    Attributes
    ----------
    sites : ndarray of shape (n,), int64
        Flat site of the plane.
    strength : ndarray of shape (n,), float32
        How unlikely the most unlikely score is by chance, as a normal score in units of what is asked of a
        defect: defects reach 1, the others are suspects.
    scores : dict of str to ndarray of shape (n,), float32
        Standardised scores by their name in `SCORES`, with the sign of the deviation.
    spread : ndarray of shape (n,), float64
        Standardised variance of the score: describes, does not decide.
    beside : ndarray of shape (n,), int64
        The site itself; for one that the others of its cluster hid, the strongest of them.
    structures : tuple of Structure
        Bad lines and lattices, whose members are not among the sites.
    span : ndarray of shape (n,), int64
        Longer side of what stands out in one piece with the site, in sites; 1 where that is not looked at.
    centres : dict of str to ndarray
        Usual value of each Gaussian score before it is standardised, see `GaussianScores`.
    counts : Counts
        Of the whole plane.
    asked, suspected : float
        Normal score that is asked of a defect, and of a suspect.
    looked_at : dict of str to float
        The scores of the site that was asked for, and as ``unlikely`` the normal score that is as unlikely by
        chance as the most unlikely of them; empty where none was.
    """

    sites: NDArray[np.int64]
    strength: NDArray[np.float32]
    scores: dict[str, NDArray[np.float32]]
    spread: NDArray[np.float64]
    beside: NDArray[np.int64]
    structures: tuple[Structure, ...]
    span: NDArray[np.int64]
    centres: dict[str, NDArray[np.float64]]
    counts: Counts
    asked: float = 0.0
    suspected: float = 0.0
    looked_at: dict[str, float] = field(default_factory=dict)


def gaussian_threshold(photosites: int, tests: int = 2 * len(SCORES)) -> float:
    """Return the score that healthy photosites exceed once in twenty maps (Bonferroni).

    Examples
    --------
    >>> round(gaussian_threshold(24_000_000), 2)
    6.28
    """
    return normal_score(_FALSE_ALARMS / (photosites * tests))


def decide(
    evidence: PlaneEvidence | Sums, model: PlaneModel, rules: PlaneRules, look_at: int | None = None
) -> Candidates:
    """Find the photosites that deviate beyond what chance explains.

    Parameters
    ----------
    evidence : PlaneEvidence or Sums
        Read by bands of rows, several times.
    model : PlaneModel
        The prediction that the evidence was gathered with.
    rules : PlaneRules
    look_at : int, optional
        Flat site whose scores are wanted, whatever they are.

    Returns
    -------
    Candidates
        Without the echoes of stronger ones.
    """
    sums = Sums.of(evidence)
    limit = gaussian_threshold(sums.size)
    counts = Counts.of(sums)
    scores = GaussianScores.of(sums, rules.period)
    lines, worse, excess = _levelled(scores, counts.frames, model, rules, limit)
    unlikely = _unlikely(scores, counts.outstanding(sums, _LEAST), counts.frames, rules, limit)
    for line in lines:
        for part in line.slices():
            unlikely[part] = 0
    unlikely.ravel()[worse] = excess * np.float32(limit)
    found = np.flatnonzero(unlikely >= _LOWEST).astype(np.int64)
    if rules.smeared:
        # Before counting discoveries: a smeared defect is one, not as many as sites show it.
        _hold_values(sums, found, model)
        clear = prominence(found, sums, model)
        sure = unlikely.ravel()[found] >= limit
        found = found[unexplained(found, clear, sure, unlikely.shape, rules.reach, rules.dominance)]
    tests = unlikely.size * 2 * len(SCORES)
    found = _discovered(found, unlikely, tests)
    sums.hold(dict.fromkeys((*counted.FIELDS, *SPREAD_FIELDS), found))

    def all_scores(sites: NDArray[np.int64]) -> dict[str, NDArray[np.float32]]:
        return scores.at(sites) | {"votes": counts.votes(sums, sites), "ties": counts.ties(sums, sites)}

    beside = found
    lattices: tuple[Structure, ...] = ()
    if not rules.smeared:
        found, beside, lattices = _without_echoes(found, all_scores(found), unlikely, sums, model, rules)
    # Once more: neither echoes nor the members of a lattice count.
    kept = np.isin(found, _discovered(found, unlikely, tests))
    found, beside = found[kept], beside[kept]
    sums.hold(dict.fromkeys((*counted.FIELDS, *SPREAD_FIELDS), found))
    asked = discovery_score(unlikely.ravel()[found], tests, FALSE_DEFECTS, rules.spare_alarms)
    prominent = prominence(found, sums, model) if rules.smeared else unlikely.ravel()[found]
    order = np.lexsort((found, -prominent))
    found, beside = found[order], beside[order]
    looked_at = {}
    if look_at is not None:
        here = np.array([look_at])
        every = all_scores(here) | {"unlikely": unlikely.ravel()[here]}
        looked_at = {name: float(one[0]) for name, one in every.items()}
    return Candidates(
        sites=found,
        strength=unlikely.ravel()[found] / np.float32(asked),
        scores=all_scores(found),
        spread=scores.spread.standardised(sums, found),
        beside=beside,
        structures=(*lines, *lattices),
        span=_spans(found, unlikely, scores.known["level"], rules),
        centres=scores.centres,
        counts=counts,
        asked=asked,
        suspected=discovery_score(unlikely.ravel()[found], tests, FALSE_DISCOVERIES),
        looked_at=looked_at,
    )


def _discovered(sites: NDArray[np.int64], unlikely: NDArray[np.float32], tests: int) -> NDArray[np.int64]:
    """Return those of the sites that are suspects at least."""
    scores = unlikely.ravel()[sites]
    return sites[scores >= discovery_score(scores, tests, FALSE_DISCOVERIES)]


def _levelled(
    scores: GaussianScores, frames: int, model: PlaneModel, rules: PlaneRules, limit: float
) -> tuple[list[Structure], NDArray[np.int64], NDArray[np.float32]]:
    """Take the fixed pattern of columns and rows out of the scores; return the bad lines.

    Returns
    -------
    lines : list of Structure
    worse : ndarray of shape (n,), int64
        Flat sites on them that are bad by themselves.
    excess : ndarray of shape (n,), float32
        By how much, in units of the limit.
    """
    listed: list[Structure] = []
    bad: list[Structure] = []
    slight: list[Structure] = []
    planes, known = scores.planes, scores.known
    if not rules.smeared and frames >= _FRAMES_FOR_LINES:
        for name in ("level", "dose"):
            found = find_lines(planes[name], known[name], rules.period, visible_threshold(limit, frames))
            listed += [s for s in found.bad if not any(s.kind is t.kind and s.touches(t, 0) for t in listed)]
            bad += found.bad
            slight += found.slight
    worse, excess = worse_than_their_line(listed, planes["level"], known["level"], rules.period, limit)
    if rules.smeared:
        listed += _printed_lines(planes["level"], limit)
    # All filters have to know them: a line bad by half would shift the median of its healthy rest.
    lines = Lines(tuple(bad), tuple(slight))

    def level(name: str) -> None:
        without_fixed_pattern(planes[name], known[name], rules.period, lines)
        # The pattern was part of the MAD; that of coarse coding must not shrink again.
        standardise(planes[name], known[name], rules.period, 1.0 if rules.smeared else 0.0)
        calm_edges(planes[name], known[name], model.pad)

    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(level, planes))
    return listed, worse, excess


def _printed_lines(score: NDArray[np.float32], limit: float) -> list[Structure]:
    """Return the rows and columns of a picture that stand out as a whole, with what they smear over.

    They are sides of a frame, or bad lines that demosaicing spread: no place to look for single defects.
    """
    height, width = score.shape
    rows = np.flatnonzero(np.abs(np.median(score[:, :: max(1, width // _SAMPLES)], axis=1)) > limit)
    cols = np.flatnonzero(np.abs(np.median(score[:: max(1, height // _SAMPLES)], axis=0)) > limit)
    return [
        Structure(StructureKind.ROW, max(0, int(row) - SMEAR), 0, min(height, int(row) + SMEAR + 1), width)
        for row in rows
    ] + [
        Structure(StructureKind.COLUMN, 0, max(0, int(col) - SMEAR), height, min(width, int(col) + SMEAR + 1))
        for col in cols
    ]


def _measured_tails(
    planes: Mapping[str, NDArray[np.float32]], outstanding: Outstanding, limit: float
) -> dict[str, tuple[ChanceTail, ChanceTail]]:
    """Measure the tails of the Gaussian scores, above and below, on all sites but defects by any score."""
    from defectmap.model import score_kernels as kernels  # noqa: PLC0415 - compiled code loads slowly

    scores, bounds = [planes[name] for name in FILTERS], np.array([limit, NEAR, FAR], np.float32)
    beyond = kernels.tails(*scores, *bounds)
    # Those that a count makes a defect were taken for healthy: few.
    defects = np.unique(np.concatenate([sites[np.abs(z) >= limit] for sites, z in outstanding.values()]))
    beyond -= kernels.tails(*(plane.ravel()[defects][None] for plane in scores), *bounds)
    shares = beyond / scores[0].size
    return {
        name: (ChanceTail.of(*above), ChanceTail.of(*below))
        for name, (above, below) in zip(FILTERS, shares.tolist(), strict=True)
    }


def _unlikely(
    scores: GaussianScores, outstanding: Outstanding, frames: int, rules: PlaneRules, limit: float
) -> NDArray[np.float32]:
    """Return of each site the normal score that is as unlikely by chance as its most unlikely score.

    Counts have a say where they come to `_LEAST`.
    """
    from defectmap.model import score_kernels as kernels  # noqa: PLC0415 - compiled code loads slowly

    few = 1.0 + _FEW_FRAMES / max(frames, 1)
    result = np.zeros(scores.planes["level"].shape, np.float32)
    sites, votes = outstanding["votes"]
    result.ravel()[sites] = np.maximum(np.abs(votes) - np.float32(0.5 * rules.spare_votes), 0)
    sites, ties = outstanding["ties"]
    result.ravel()[sites] = np.maximum(result.ravel()[sites], ties)
    if rules.smeared:
        with ThreadPoolExecutor(_THREADS) as pool:
            widenings = pool.map(
                lambda name: tail_widening(scores.planes[name], scores.known[name], limit, rules.reach),
                FILTERS,
            )
            for name, wide in zip(FILTERS, widenings, strict=True):
                kernels.raise_sizes(result, scores.planes[name], np.float32(max(few, wide)))
        return result
    tails = _measured_tails(scores.planes, outstanding, limit)
    for name, score in scores.planes.items():
        if name == "level" and scores.known["offset"].any():
            # Where exposures are known, whatever is wrong with a photosite has a filter that fits it better.
            continue
        slopes, shifts = np.array([tail.line for tail in tails[name]], np.float32).T.copy()
        kernels.raise_calibrated(result, score, slopes, shifts, np.float32(few))
    return result


def _hold_values(sums: Sums, sites: NDArray[np.int64], model: PlaneModel) -> None:
    """Read the values of sites and of the neighbours that predict them, all at once."""
    near = np.concatenate([sites, model.neighbours(sites, sums.shape).ravel()])
    sums.hold(dict.fromkeys(VALUE_FIELDS, near))


def _mean_of(sums: Sums) -> Mean:
    """Return what looks up the mean value of flat sites, NaN where no frame counts."""

    def mean(sites: NDArray[np.int64]) -> NDArray[np.float64]:
        state = sums.value_at(sites)
        return np.where(state.n > 0, state.mean, np.nan)

    return mean


def _without_echoes(
    found: NDArray[np.int64],
    scores: Mapping[str, NDArray[np.float32]],
    unlikely: NDArray[np.float32],
    sums: Sums,
    model: PlaneModel,
    rules: PlaneRules,
) -> tuple[NDArray[np.int64], NDArray[np.int64], tuple[Structure, ...]]:
    """Drop echoes and the members of lattices, and add what clusters hid."""
    sums.hold(dict.fromkeys(VALUE_FIELDS, around(found, sums.shape, _HEAP)))
    grown = grow_clusters(
        found,
        unlikely.ravel()[found],
        _mean_of(sums),
        unlikely.shape,
        model.colours,
        reach=rules.reach,
        dominance=rules.dominance,
    )
    table = np.stack([scores[name] for name in SCORES])
    deciding = np.take_along_axis(table, np.abs(table).argmax(axis=0)[None], axis=0)[0]
    signs = np.sign(deciding).astype(np.int64)
    rows, cols = np.divmod(found, unlikely.shape[1])
    lattices = find_lattices(found, signs, unlikely.shape, np.abs(deciding))
    single = grown.kept.copy()
    for one in lattices:
        single &= ~(on_structures([one], rows, cols) & (signs == one.sign))
    # A hidden site is as certain as the strongest of its cluster.
    unlikely.ravel()[grown.added] = np.maximum(
        unlikely.ravel()[grown.added], unlikely.ravel()[found[grown.beside]]
    )
    sites = np.concatenate([found[single], grown.added])
    return sites, np.concatenate([found[single], found[grown.beside]]), lattices


def _spans(
    sites: NDArray[np.int64], unlikely: NDArray[np.float32], said: NDArray[np.bool_], rules: PlaneRules
) -> NDArray[np.int64]:
    """Return of each site of a smeared plane how far what stands out in one piece with it reaches."""
    if not rules.smeared or not sites.size:
        return np.ones(sites.size, np.int64)
    from defectmap.model.pattern_kernels import spans  # noqa: PLC0415 - compiled code loads slowly

    # A site that never says anything is one that lies in clipped white: a frame, a letter.
    found: NDArray[np.int64] = spans((unlikely >= _LINKED) | ~said, sites, _LINK)
    return found

"""From evidence to candidates, with the rate of false alarms under control.

The thresholds follow from the number of photosites, so that no knob is needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from defectmap.model.clusters import grow_clusters
from defectmap.model.defects import Structure, StructureKind
from defectmap.model.echoes import SMEAR, prominence, unexplained
from defectmap.model.evidence import PlaneEvidence
from defectmap.model.lattices import find_lattices, on_structures
from defectmap.model.lines import Lines, find_lines, visible_threshold, without_fixed_pattern
from defectmap.model.nulls import tail_widening
from defectmap.model.prediction import PlaneModel
from defectmap.model.scores import (
    FILTERS,
    SCORES,
    calm_edges,
    filter_score,
    known_sites,
    spread_at,
    standardise,
    tie_score,
    vote_score,
)
from defectmap.model.tails import FAR, NEAR, ChanceTail, discoveries, normal_score

FALSE_ALARMS = 0.05
"""False alarms to expect per map, if every photosite is healthy and tails are as they are taken to be.

Clean sensors of one megapixel in ordinary scenes gave 5 in 20 maps of 100 frames each.
"""

FALSE_DISCOVERIES = 0.01
"""Share of chance among defects and suspects together."""

_FEW_FRAMES = 1.5
"""Over n frames the tail of a mean of clipped scores is so much wider than a normal one: 1 + this / n."""

_LOWEST = 4.0
"""Scores below this are never looked at one by one."""

_FRAMES_FOR_LINES = 12
"""Of fewer, edges of the scenes pass for parts of bad columns."""

_LINK, _LINKED = 3, 3.0
"""Sites of a JPEG with such a score, so near to each other, are of one piece."""

_SAMPLES = 400
"""Sites of a line that stand for all of it."""


_Tails = Mapping[tuple[str, int], ChanceTail]


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
    """

    period: tuple[int, int]
    spare_votes: int
    reach: int
    dominance: float
    smeared: bool


JPEG_LUMA = PlaneRules((1, 1), spare_votes=3, reach=8, dominance=3.0, smeared=True)
JPEG_CHROMA = PlaneRules((1, 1), spare_votes=3, reach=8, dominance=3.0, smeared=True)


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
        Largest score in units of its own threshold: defects reach 1, the others are suspects.
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
    """

    sites: NDArray[np.int64]
    strength: NDArray[np.float32]
    scores: dict[str, NDArray[np.float32]]
    spread: NDArray[np.float64]
    beside: NDArray[np.int64]
    structures: tuple[Structure, ...]
    span: NDArray[np.int64]


def gaussian_threshold(photosites: int, tests: int = 2 * len(SCORES)) -> float:
    """Return the score that healthy photosites exceed `FALSE_ALARMS` times per map (Bonferroni).

    Examples
    --------
    >>> round(gaussian_threshold(24_000_000), 2)
    6.28
    """
    return normal_score(FALSE_ALARMS / (photosites * tests))


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
    limit = gaussian_threshold(evidence.sums["n"].size)
    planes, lines = _levelled_scores(evidence, model, rules, limit)
    tails = _measured_tails(planes, limit)
    thresholds = _thresholds(planes, evidence, rules, limit, tails)
    strength = _strength(planes, thresholds)
    for line in lines:
        for part in line.slices():
            strength[part] = 0
    found = np.flatnonzero(strength >= _LOWEST / limit).astype(np.int64)
    if rules.smeared:
        # Before counting discoveries: a smeared defect is one, not as many as sites show it.
        clear = prominence(found, evidence, model)
        sure = strength.ravel()[found] >= 1.0
        found = found[unexplained(found, clear, sure, strength.shape, rules.reach, rules.dominance)]
    certain = strength.ravel()[found] >= 1.0
    chances = _chances(found, planes, tails)
    tests = strength.size * 2 * len(SCORES)
    found = found[certain | discoveries(chances, tests, FALSE_DISCOVERIES)]
    beside = found
    lattices: tuple[Structure, ...] = ()
    if not rules.smeared:
        found, beside, lattices = _without_echoes(found, planes, strength, evidence, model, rules)
    return _candidates(found, beside, (*lines, *lattices), planes, strength, limit, evidence, model, rules)


def _levelled_scores(
    evidence: PlaneEvidence, model: PlaneModel, rules: PlaneRules, limit: float
) -> tuple[dict[str, NDArray[np.float32]], list[Structure]]:
    """Return the scores less the fixed pattern of columns and rows, and the bad lines."""
    frames = int(evidence.sums["n"].max(initial=0))
    planes = {name: filter_score(evidence, name, rules.period) for name in FILTERS}
    listed: list[Structure] = []
    bad: list[Structure] = []
    slight: list[Structure] = []
    if not rules.smeared and frames >= _FRAMES_FOR_LINES:
        for name in ("level", "dose"):
            known = known_sites(evidence, name)
            found = find_lines(planes[name], known, rules.period, visible_threshold(limit, frames))
            listed += [s for s in found.bad if not any(s.kind is t.kind and s.touches(t, 0) for t in listed)]
            bad += found.bad
            slight += found.slight
    if rules.smeared:
        listed += _printed_lines(planes["level"], limit)
    # All filters have to know them: a line bad by half would shift the median of its healthy rest.
    lines = Lines(tuple(bad), tuple(slight))
    for name, score in planes.items():
        known = known_sites(evidence, name)
        without_fixed_pattern(score, known, rules.period, lines)
        # The pattern was part of the MAD; that of coarse coding must not shrink again.
        standardise(score, known, rules.period, 1.0 if rules.smeared else 0.0)
        calm_edges(score, known, model.pad)
    planes["votes"] = vote_score(evidence)
    planes["ties"] = tie_score(evidence)
    return planes, listed


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


def _chances(
    sites: NDArray[np.int64], planes: Mapping[str, NDArray[np.float32]], tails: _Tails
) -> NDArray[np.float64]:
    """Return how rarely a healthy photosite has the most unlikely score of each site."""
    chances = np.ones(sites.size)
    for name, plane in planes.items():
        for sign in (1, -1):
            tail = tails.get((name, sign), ChanceTail())
            score = sign * plane.ravel()[sites]
            for i in np.flatnonzero(score >= FAR):
                chances[i] = min(chances[i], tail.above(float(score[i])))
    return chances


def _measured_tails(planes: Mapping[str, NDArray[np.float32]], limit: float) -> _Tails:
    """Measure the tails of the Gaussian scores on all sites that no score makes a defect."""
    doubtful = np.ones(planes["votes"].shape, bool)
    for plane in planes.values():
        doubtful &= np.abs(plane) < limit
    return {
        (name, sign): ChanceTail.of(
            *(np.count_nonzero((sign * planes[name] > z) & doubtful) / doubtful.size for z in (NEAR, FAR))
        )
        for name in FILTERS
        for sign in (1, -1)
    }


def _thresholds(
    planes: Mapping[str, NDArray[np.float32]],
    evidence: PlaneEvidence,
    rules: PlaneRules,
    limit: float,
    tails: _Tails,
) -> dict[tuple[str, int], float]:
    """Return the size from which each score, above and below zero, decides."""
    few = limit * (1.0 + _FEW_FRAMES / max(int(evidence.sums["n"].max(initial=0)), 1))
    thresholds = {}
    for sign in (1, -1):
        thresholds["votes", sign] = limit + 0.5 * rules.spare_votes
        thresholds["ties", sign] = limit
        for name in FILTERS:
            if rules.smeared:
                wide = limit * tail_widening(planes[name], known_sites(evidence, name), limit, rules.reach)
            else:
                wide = tails[name, sign].threshold(limit)
            thresholds[name, sign] = max(few, wide)
    return thresholds


def _strength(
    planes: Mapping[str, NDArray[np.float32]], thresholds: Mapping[tuple[str, int], float]
) -> NDArray[np.float32]:
    """Return the largest score of each site in units of its threshold."""
    strength = np.zeros(planes["votes"].shape, np.float32)
    for name, plane in planes.items():
        for sign in (1, -1):
            np.maximum(strength, plane * np.float32(sign / thresholds[name, sign]), out=strength)
    return strength


def _without_echoes(
    found: NDArray[np.int64],
    planes: Mapping[str, NDArray[np.float32]],
    strength: NDArray[np.float32],
    evidence: PlaneEvidence,
    model: PlaneModel,
    rules: PlaneRules,
) -> tuple[NDArray[np.int64], NDArray[np.int64], tuple[Structure, ...]]:
    """Drop echoes and the members of lattices, and add what clusters hid."""

    def mean(sites: NDArray[np.int64]) -> NDArray[np.float64]:
        state = evidence.value_at(sites)
        return np.where(state.n > 0, state.mean, np.nan)

    grown = grow_clusters(
        found,
        strength.ravel()[found],
        mean,
        strength.shape,
        model.colours,
        reach=rules.reach,
        dominance=rules.dominance,
    )
    table = np.stack([planes[name].ravel()[found] for name in SCORES])
    deciding = np.take_along_axis(table, np.abs(table).argmax(axis=0)[None], axis=0)[0]
    signs = np.sign(deciding).astype(np.int64)
    rows, cols = np.divmod(found, strength.shape[1])
    lattices = find_lattices(found, signs, evidence.shape, np.abs(deciding))
    single = grown.kept.copy()
    for one in lattices:
        single &= ~(on_structures([one], rows, cols) & (signs == one.sign))
    # A hidden site is as certain as the strongest of its cluster.
    strength.ravel()[grown.added] = np.maximum(
        strength.ravel()[grown.added], np.minimum(strength.ravel()[found[grown.beside]], 1.0)
    )
    sites = np.concatenate([found[single], grown.added])
    return sites, np.concatenate([found[single], found[grown.beside]]), lattices


def _candidates(
    sites: NDArray[np.int64],
    beside: NDArray[np.int64],
    structures: tuple[Structure, ...],
    planes: Mapping[str, NDArray[np.float32]],
    strength: NDArray[np.float32],
    limit: float,
    evidence: PlaneEvidence,
    model: PlaneModel,
    rules: PlaneRules,
) -> Candidates:
    prominent = prominence(sites, evidence, model) if rules.smeared else strength.ravel()[sites]
    order = np.lexsort((sites, -prominent))
    sites = sites[order]
    span = np.ones(sites.size, np.int64)
    if rules.smeared and sites.size:
        from defectmap.model.pattern_kernels import spans  # noqa: PLC0415 - compiled code loads slowly

        # A site that never says anything is one that lies in clipped white: a frame, a letter.
        standing_out = (strength >= _LINKED / limit) | (evidence.sums["n"] == 0)
        span = spans(standing_out, sites, _LINK)
    return Candidates(
        sites,
        strength.ravel()[sites],
        {name: plane.ravel()[sites] for name, plane in planes.items()},
        spread_at(sites, evidence, rules.period),
        beside[order],
        structures,
        span,
    )

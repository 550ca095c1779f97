"""Scores less the fixed pattern of columns and rows, and how unlikely each is by chance."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from defectmap.model.abreast import each, halves
from defectmap.model.defects import Structure, StructureKind
from defectmap.model.echoes import SMEAR
from defectmap.model.line_members import worse_than_their_line
from defectmap.model.lines import Lines, find_lines, visible_threshold, without_fixed_pattern
from defectmap.model.nulls import tail_widening
from defectmap.model.prediction import PlaneModel
from defectmap.model.rules import PlaneRules
from defectmap.model.scores import FILTERS, GaussianScores, calm_edges, standardise
from defectmap.model.tails import FAR, NEAR, ChanceTail

_FEW_FRAMES = 1.5
"""Over n frames the tail of a mean of clipped scores is so much wider than a normal one: 1 + this / n."""

_FRAMES_FOR_LINES = 12
"""Of fewer, edges of the scenes pass for parts of bad columns."""

_SAMPLES = 400
"""Sites of a line that stand for all of it."""

Outstanding = Mapping[str, tuple[NDArray[np.int64], NDArray[np.float32]]]


def levelled(
    scores: GaussianScores, frames: int, model: PlaneModel, rules: PlaneRules, limit: float
) -> tuple[list[Structure], NDArray[np.int64], NDArray[np.float32]]:
    """Take the fixed pattern of columns and rows out of the scores in place; return the bad lines.

    Parameters
    ----------
    scores : GaussianScores
    frames : int
        Most frames that any score rests on.
    model : PlaneModel
    rules : PlaneRules
    limit : float
        Score from which a single photosite is a defect.

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

    each(level, planes)
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
    counts = each(lambda part: kernels.tails(*(s[part] for s in scores), *bounds), halves(len(scores[0])))
    beyond = np.sum(counts, axis=0)
    # Those that a count makes a defect were taken for healthy: few.
    defects = np.unique(np.concatenate([sites[np.abs(z) >= limit] for sites, z in outstanding.values()]))
    beyond -= kernels.tails(*(plane.ravel()[defects][None] for plane in scores), *bounds)
    shares = beyond / scores[0].size
    return {
        name: (ChanceTail.of(*above), ChanceTail.of(*below))
        for name, (above, below) in zip(FILTERS, shares.tolist(), strict=True)
    }


def unlikely_scores(
    scores: GaussianScores, outstanding: Outstanding, frames: int, rules: PlaneRules, limit: float
) -> NDArray[np.float32]:
    """Return of each site the normal score that is as unlikely by chance as its most unlikely score.

    Parameters
    ----------
    scores : GaussianScores
        Levelled.
    outstanding : mapping of str to (sites, scores)
        Sites with ``votes`` or ``ties`` worth a mention; other counts have no say.
    frames : int
        Most frames that any score rests on.
    rules : PlaneRules
    limit : float
        Score from which a single photosite is a defect.

    Returns
    -------
    ndarray of shape (rows, cols), float32
    """
    from defectmap.model import score_kernels as kernels  # noqa: PLC0415 - compiled code loads slowly

    few = 1.0 + _FEW_FRAMES / max(frames, 1)
    result = np.zeros(scores.planes["level"].shape, np.float32)
    sites, votes = outstanding["votes"]
    result.ravel()[sites] = np.maximum(np.abs(votes) - np.float32(0.5 * rules.spare_votes), 0)
    sites, ties = outstanding["ties"]
    result.ravel()[sites] = np.maximum(result.ravel()[sites], ties)
    if rules.smeared:
        wide = each(
            lambda name: tail_widening(scores.planes[name], scores.known[name], limit, rules.reach), FILTERS
        )
        most = dict(zip(FILTERS, wide, strict=True))

        def raise_all(part: slice) -> None:
            for name in FILTERS:
                kernels.raise_sizes(result[part], scores.planes[name][part], np.float32(max(few, most[name])))

        each(raise_all, halves(len(result)))
        return result
    tails = _measured_tails(scores.planes, outstanding, limit)
    # Where exposures are known, whatever is wrong with a photosite has a filter that fits it better.
    names = [name for name in FILTERS if name != "level" or not scores.known["offset"].any()]
    lines = {name: np.array([tail.line for tail in tails[name]], np.float32).T.copy() for name in names}

    def raise_parts(part: slice) -> None:
        for name in names:
            slopes, shifts = lines[name]
            score = scores.planes[name][part]
            kernels.raise_calibrated(result[part], score, slopes, shifts, np.float32(few))

    each(raise_parts, halves(len(result)))
    return result

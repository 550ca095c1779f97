"""From evidence to candidates, with the rate of false alarms under control.

The thresholds follow from the number of photosites and from how many stand out, so that no knob is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from defectmap.model import counts as counted
from defectmap.model.clusters import grow_clusters
from defectmap.model.counts import Counts
from defectmap.model.defects import Structure
from defectmap.model.echoes import prominence, unexplained
from defectmap.model.evidence import PlaneEvidence
from defectmap.model.lattices import find_lattices, on_structures
from defectmap.model.levelling import levelled, unlikely_scores
from defectmap.model.prediction import PlaneModel
from defectmap.model.rules import FALSE_ALARMS, PlaneRules
from defectmap.model.scores import SCORES, SPREAD_FIELDS, GaussianScores
from defectmap.model.sums import VALUE_FIELDS, Sums, around
from defectmap.model.tails import discovery_score, normal_score

FALSE_DEFECTS = 0.0015
"""Share of chance among the defects of a map, and of the maps of clean sensors that hold any.

Held by the tails of simulated sensors; real scenes may be worse than they are.
"""

FALSE_DISCOVERIES = 0.01
"""Share of chance among defects and suspects together."""

_LOWEST = 4.0
"""Scores below this are never looked at one by one: on a megapixel a hundred healthy ones reach it."""

_LINK, _LINKED = 3, 3.0
"""Sites of a JPEG with such a score, so near to each other, are of one piece."""

_LEAST = 2.5
"""Counts with a smaller score say nothing: less than half a deviation below what links sites."""

_HEAP = 10
"""Rows and columns around a candidate whose mean values heaps of them may ask for."""

Mean = Callable[[NDArray[np.int64]], NDArray[np.float64]]


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
    return normal_score(FALSE_ALARMS / (photosites * tests))


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
    lines, worse, excess = levelled(scores, counts.frames, model, rules, limit)
    unlikely = unlikely_scores(scores, counts.outstanding(sums, _LEAST), counts.frames, rules, limit)
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
        shown = all_scores(here) | {"unlikely": unlikely.ravel()[here]}
        looked_at = {name: float(one[0]) for name, one in shown.items()}
    every = all_scores(found)
    spread = scores.spread.standardised(sums, found)
    said = scores.known["level"]
    scores.planes.clear()  # by far the most of what is in memory; spans take some too
    return Candidates(
        sites=found,
        strength=unlikely.ravel()[found] / np.float32(asked),
        scores=every,
        spread=spread,
        beside=beside,
        structures=(*lines, *lattices),
        span=_spans(found, unlikely, said, rules),
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

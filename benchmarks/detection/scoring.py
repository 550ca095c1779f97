"""A map held against the truth: what was found, what else was, and how well it is described."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from benchmarks.detection.sensor import Truth
from defectmap.model.defects import Defect, DefectMap, Kind

_BESIDE = 8
"""A false alarm this near to a planted defect may be its echo."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What one map, or several together, got right.

    Attributes
    ----------
    photosites : int
    planted, found, rightly : Counter of str
        By class: planted sites, those on the map, and those of the right kind on the map.
    called : Counter of (str, str)
        By class and kind: what found sites were taken for.
    false : int
        Entries that lie on no planted defect.
    beside : int
        Those of them within eight rows and columns of one.
    twice : int
        Further entries for a defect that has one.
    suspects, true_suspects : int
        Sites not yet certain, and those of them that were planted.
    ratios : dict of Kind to tuple of float
        Of hot and offset sites of the right kind: found strength over true strength.
    own_ratios : tuple of float
        Of hot sites, without the factor that is common to those of a sensor: its temperature is unknown.
    gain_errors : tuple of float
        Found gain less true gain.
    """

    photosites: int
    planted: Counter[str]
    found: Counter[str]
    rightly: Counter[str]
    called: Counter[tuple[str, str]]
    false: int
    beside: int
    twice: int
    suspects: int
    true_suspects: int
    ratios: dict[Kind, tuple[float, ...]]
    own_ratios: tuple[float, ...]
    gain_errors: tuple[float, ...]

    @property
    def recall(self) -> float:
        """Share of all planted sites that were found."""
        return share(self.found.total(), self.planted.total())

    @property
    def false_per_million(self) -> float:
        """False alarms per million photosites."""
        return 1e6 * self.false / self.photosites

    @property
    def kinds_right(self) -> float:
        """Share of all found sites that are of the right kind."""
        return share(self.rightly.total(), self.found.total())


def share(part: int, whole: int) -> float:
    """Return part / whole, NaN of nothing."""
    return part / whole if whole else float("nan")


def score(found: DefectMap, truths: Sequence[Truth], *, reach: int = 0) -> Tally:
    """Hold a map against the truth.

    Parameters
    ----------
    found : DefectMap
    truths : sequence of Truth
    reach : int
        A hit may lie so many rows and columns away: 0 on a raw grid, 1 in a JPEG.

    Returns
    -------
    Tally
    """
    near = _around(truths, reach)
    hits: dict[Truth, Defect] = {}
    false: list[Defect] = []
    twice = 0
    for entry in sorted(found.defects, key=lambda d: -d.confidence):
        truth = near.get((entry.row, entry.col))
        if truth is None:
            false.append(entry)
        elif truth in hits:
            twice += 1
        else:
            hits[truth] = entry
    right = {truth: entry for truth, entry in hits.items() if entry.kind == truth.kind}
    ratios = {
        kind: tuple(e.strength / t.strength for t, e in right.items() if t.kind == kind)
        for kind in (Kind.HOT, Kind.OFFSET)
    }
    common = float(np.median(ratios[Kind.HOT])) if ratios[Kind.HOT] else 1.0
    beside = _around(truths, _BESIDE)
    return Tally(
        photosites=found.grid.height * found.grid.width,
        planted=Counter(t.name for t in truths),
        found=Counter(t.name for t in hits),
        rightly=Counter(t.name for t in right),
        called=Counter((t.name, str(entry.kind)) for t, entry in hits.items()),
        false=len(false),
        beside=sum((entry.row, entry.col) in beside for entry in false),
        twice=twice,
        suspects=len(found.suspects),
        true_suspects=sum((entry.row, entry.col) in near for entry in found.suspects),
        ratios=ratios,
        own_ratios=tuple(ratio / common for ratio in ratios[Kind.HOT]) if common > 0 else (),
        gain_errors=tuple(
            e.strength - t.strength for t, e in right.items() if t.kind in {Kind.DIM, Kind.BRIGHT}
        ),
    )


def together(tallies: Iterable[Tally]) -> Tally:
    """Add up the tallies of several sensors."""
    every = list(tallies)
    return Tally(
        photosites=sum(t.photosites for t in every),
        planted=sum((t.planted for t in every), Counter()),
        found=sum((t.found for t in every), Counter()),
        rightly=sum((t.rightly for t in every), Counter()),
        called=sum((t.called for t in every), Counter()),
        false=sum(t.false for t in every),
        beside=sum(t.beside for t in every),
        twice=sum(t.twice for t in every),
        suspects=sum(t.suspects for t in every),
        true_suspects=sum(t.true_suspects for t in every),
        ratios={
            kind: tuple(chain.from_iterable(t.ratios[kind] for t in every))
            for kind in (Kind.HOT, Kind.OFFSET)
        },
        own_ratios=tuple(chain.from_iterable(t.own_ratios for t in every)),
        gain_errors=tuple(chain.from_iterable(t.gain_errors for t in every)),
    )


def _around(truths: Sequence[Truth], reach: int) -> dict[tuple[int, int], Truth]:
    """Return which planted defect each site within reach of one belongs to."""
    steps = range(-reach, reach + 1)
    return {(t.row + down, t.col + right): t for t in truths for down in steps for right in steps}

"""Figures of one method on sites of one kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.dating.methods import SITES, Date, Method
from benchmarks.dating.simulating import FRAMES, Life, Shoots, SiteKind, live, shoot

FEWEST = 3
"""Sightings from which a site can be dated; others are left out for every method."""

_MIDDLE = (FRAMES // 10, FRAMES - FRAMES // 10)
_EARLY, _NEAR = 100, 2


@dataclass(frozen=True, slots=True)
class Figures:
    """How well a method dated.

    Attributes
    ----------
    sites : int
        With three sightings or more.
    undated : float
        Share of them to which no onset was given, because it may lie before the first frame.
    near : float
        Share of all, undated ones too, that were dated within two frames.
    error : float
        Median error of the dated ones in frames.
    covered : float
        Share of all, undated ones too, whose interval holds the truth; NaN for a method without intervals.
    width : float
        Median length of the intervals in frames.
    early : float
        Share that were dated more than a hundred frames too early.
    """

    sites: int
    undated: float
    near: float
    error: float
    covered: float
    width: float
    early: float


def cameras(
    seed: int, kind: SiteKind, count: int, onset: int | None = None
) -> list[tuple[Shoots, list[Life]]]:
    """Follow that many sites, up to a hundred of a camera; onsets lie in the middle 80 % of the frames."""
    rng = np.random.default_rng(seed)
    result = []
    while count > 0:
        shoots = shoot(rng, slow=kind.slow)
        onsets = rng.integers(*_MIDDLE, min(count, 100, SITES))
        lives = [live(rng, shoots, kind, int(one) if onset is None else onset) for one in onsets]
        result.append((shoots, [life for life in lives if life.seen.frames.size >= FEWEST]))
        count -= len(onsets)
    return result


def measure(method: Method, kind: SiteKind, followed: Sequence[tuple[Shoots, list[Life]]]) -> Figures:
    """Date them all."""
    pairs = [
        (life.onset, date)
        for shoots, lives in followed
        for life, date in zip(lives, method(shoots, kind, lives), strict=True)
    ]
    dated = [(truth, date) for truth, date in pairs if date.onset is not None]
    errors = np.array([date.onset - truth for truth, date in dated])
    intervals = [d for _, d in dated if d.last_good is not None and d.first_bad is not None]
    return Figures(
        len(pairs),
        1.0 - len(dated) / len(pairs),
        int((np.abs(errors) <= _NEAR).sum()) / len(pairs),
        float(np.median(np.abs(errors))),
        float(np.mean([_holds(d, t) for t, d in pairs])) if intervals else float("nan"),
        float(np.median([d.first_bad - d.last_good for d in intervals])) if intervals else float("nan"),
        float(np.mean(errors < -_EARLY)),
    )


def _holds(date: Date, truth: int) -> bool:
    """Whether the interval of a date, which may be open to the past, holds the true onset."""
    return (-1 if date.last_good is None else date.last_good) < truth <= (date.first_bad or 0)


def share_dated(method: Method, kind: SiteKind, shoots: Shoots, lives: Sequence[Life]) -> float:
    """Share of sites that never changed to which an onset is given; a site never sighted has none."""
    sighted = [life for life in lives if life.seen.frames.size]
    dates = method(shoots, kind, sighted) if sighted else []
    return sum(date.onset is not None for date in dates) / max(len(lives), 1)

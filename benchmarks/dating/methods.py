"""The ways to date an onset that are compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import numpy as np
from numpy.typing import NDArray

from benchmarks.dating.simulating import FRAMES, LEAST, SPECKS, Life, Shoots, SiteKind, live
from benchmarks.detection.sensor import BLACK, WHITE
from defectmap.model.defects import Kind, Period
from defectmap.model.facts import FrameFacts
from defectmap.model.faint import FAINTEST, LOUDEST, STEP
from defectmap.model.frame import Conditions
from defectmap.model.lives import Judged, date_all
from defectmap.model.prediction import mosaic_model
from defectmap.model.scenes import Framing
from defectmap.model.sensor import MosaicGeometry
from defectmap.model.showing import Background

SIDE = 16
SITES = SIDE * SIDE
"""Sites that one camera can have here: each lies in a block of its own."""

_HEALTHY = 200
_T, _T_PEAK, _WIDTH = 8.0, 0.38670, 1.05
"""Shape of the scores of simulated sites: a Student's t of eight degrees of freedom, and its width."""

_LEAST = -4.6
_START = datetime(2020, 1, 1, 12)
_GEOMETRY = MosaicGeometry(SIDE, SIDE, 0, 0, SIDE, SIDE, ("RG", "GB"), (BLACK,) * 4, WHITE, "benchmark")


@dataclass(frozen=True, slots=True)
class Date:
    """An onset as a method gives it.

    Attributes
    ----------
    onset : int or None
        First bad frame; None for bad all along.
    last_good, first_bad : int or None
        Its interval, where the method gives one.
    """

    onset: int | None
    last_good: int | None = None
    first_bad: int | None = None


Method = Callable[[Shoots, SiteKind, Sequence[Life]], list[Date]]


def first_sighting(shoots: Shoots, kind: SiteKind, lives: Sequence[Life]) -> list[Date]:
    """Take the first frame in which the site stood out."""
    return [Date(int(life.seen.frames[0])) for life in lives]


def accumulated(shoots: Shoots, kind: SiteKind, lives: Sequence[Life]) -> list[Date]:
    """Accumulate the odds of being bad frame by frame, every score read (Leung et al., SPIE 7249, 2009).

    A bad site is taken to read two standard deviations off more often than not. It is bad from the frame on
    in which the odds left their floor, 1 to 99, once they exceed 99 to 1.
    """
    dates = []
    for life in lives:
        z = np.abs(np.nan_to_num(life.z))
        step = np.where(z > 2.0, np.log(0.6 / 0.08), np.log(0.4 / 0.92))
        odds, left, start = 0.0, 0, None
        for frame, one in enumerate(step):
            odds = min(max(odds + one, _LEAST), -2.0 * _LEAST)
            if odds <= _LEAST:
                left, start = frame + 1, None
            elif odds > -_LEAST and start is None:
                start = left
        dates.append(Date(start or None))
    return dates


def bound(shoots: Shoots, kind: SiteKind, lives: Sequence[Life], least: float) -> list[Date]:
    """Know the amplitude of the defect in every frame, and the score where it is larger than `least`.

    No method that reads no more can do better than by luck.
    """
    dates = []
    for life in lives:
        valid = np.isfinite(life.z)
        z, truth = np.where(valid, life.z, 0.0), np.where(valid, life.truth, 0.0)
        gain = _log_density(z, truth, least) - _log_density(z, np.zeros(FRAMES), least)
        dates.append(Date(int(np.argmax(np.cumsum(gain[::-1])[::-1])) or None))
    return dates


def _log_density(z: NDArray[np.float64], mean: NDArray[np.float64], least: float) -> NDArray[np.float64]:
    """Return the log density of scores, of those up to `least` the chance of lying there."""
    off = (z - mean) / _WIDTH
    seen = (1.0 - SPECKS) * _T_PEAK / _WIDTH * (1.0 + off**2 / _T) ** (-0.5 * (_T + 1.0))
    seen += SPECKS * np.where(np.abs(z - mean) < 20.0, 1.0 / 40.0, 1e-6)
    grid = np.linspace(-least, least, 81)
    near = (grid - mean[:, None]) / _WIDTH
    quiet = np.trapezoid(_T_PEAK / _WIDTH * (1.0 + near**2 / _T) ** (-0.5 * (_T + 1.0)), grid, axis=1)
    return np.where(np.abs(z) > least, np.log(seen), np.log((1.0 - SPECKS) * quiet + 1e-3 * SPECKS))


def program(shoots: Shoots, kind: SiteKind, lives: Sequence[Life]) -> list[Date]:
    """Date them as the program does, from sightings and what frames leave."""
    blocks = np.full((SITES, FRAMES), np.nan)
    blocks[: len(lives)] = BLACK + np.stack([life.block for life in lives])
    blocks[len(lives) :] = blocks[0]
    facts = []
    for number, column in enumerate(blocks.T):
        level = float(column.mean())
        contrast = float(np.abs(column - level).max())
        codes = np.rint((column - level) * 127.0 / max(contrast, 1.0)).astype(np.int8)
        when = _START + timedelta(days=number)
        shot = Conditions(when, float(shoots.exposure_s[number]), 100.0 * float(shoots.gain[number]))
        facts.append(FrameFacts(number, shot, Framing(codes.tobytes(), level, contrast)))
    judged = [Judged(i, kind.kind, "G", 0.0, life.seen, life.clearness) for i, life in enumerate(lives)]
    least = np.full(FRAMES, LEAST, np.int64)
    found = date_all(judged, facts, least, mosaic_model(_GEOMETRY), (SIDE, SIDE), _background(shoots))
    return [_date(periods) for periods in found]


def _background(shoots: Shoots) -> Background:
    """Measure how often healthy sites of that camera stand out, as the program does on whole frames."""
    rng = np.random.default_rng(0)
    healthy = [live(rng, shoots, SiteKind(Kind.OFFSET), FRAMES) for _ in range(_HEALTHY)]
    loud = sum(life.seen.frames.size for life in healthy)
    steps = np.abs(np.concatenate([life.seen.faint_steps for life in healthy]))
    faint = np.bincount(steps, minlength=LOUDEST + 1)[FAINTEST:]
    return Background.of(loud / (_HEALTHY * FRAMES), faint / (_HEALTHY * FRAMES))


def _date(periods: Sequence[Period]) -> Date:
    """Take the onset of the last period."""
    last = periods[-1]
    return Date(
        *(None if t is None else (t - _START).days for t in (last.onset, last.last_good, last.first_bad))
    )


METHODS: Mapping[str, Method] = {
    "first sighting": first_sighting,
    "Bayes, every score read": accumulated,
    "defectmap, from sightings": program,
    "bound for sightings": partial(bound, least=STEP * LEAST),
    "bound for every score": partial(bound, least=0.0),
}

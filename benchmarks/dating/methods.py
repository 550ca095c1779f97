"""The ways to date an onset that are compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from benchmarks.dating.simulating import FRAMES, SPECKS, Life, Shoots, SiteKind
from benchmarks.detection.sensor import BLACK, WHITE
from defectmap.model.defects import Period
from defectmap.model.frame import Conditions
from defectmap.model.lives import Judged, date_all
from defectmap.model.prediction import mosaic_model
from defectmap.model.scenes import Framing
from defectmap.model.sensor import MosaicGeometry

SIDE = 16
SITES = SIDE * SIDE
"""Sites that one camera can have here: each lies in a block of its own."""

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


def program(shoots: Shoots, kind: SiteKind, lives: Sequence[Life]) -> list[Date]:
    """Date them as the program does, from sightings and what frames leave."""
    conditions = [
        Conditions(_START + timedelta(days=i), float(exposure), 100.0 * float(gain))
        for i, (exposure, gain) in enumerate(zip(shoots.exposure_s, shoots.gain, strict=True))
    ]
    blocks = np.full((SITES, FRAMES), np.nan)
    blocks[: len(lives)] = BLACK + np.stack([life.block for life in lives])
    blocks[len(lives) :] = blocks[0]
    framings = []
    for column in blocks.T:
        level = float(column.mean())
        contrast = float(np.abs(column - level).max())
        codes = np.rint((column - level) * 127.0 / max(contrast, 1.0)).astype(np.int8)
        framings.append(Framing(codes.tobytes(), level, contrast))
    judged = [Judged(i, kind.kind, "G", 0.0, life.seen) for i, life in enumerate(lives)]
    found = date_all(judged, conditions, framings, mosaic_model(_GEOMETRY), (SIDE, SIDE), 2.0 * SPECKS)
    return [_date(periods) for periods in found]


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
}

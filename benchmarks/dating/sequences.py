"""Whole frames of a reference sensor whose defects come and go, through the whole program."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.random import Generator

from benchmarks.detection.printing import print_rows
from benchmarks.detection.scenes import scenes_of
from benchmarks.detection.sensor import GEOMETRY, ReferenceSensor, Truth, behind_filters, draw_setting, expose
from defectmap.model.defects import Defect, Period
from defectmap.model.frame import Conditions, RawFrame
from defectmap.model.study import Study

_ALWAYS, _HEALING = 1 / 3, 1 / 4
_CHANGES = (0.1, 0.9)
"""Changes lie in the middle of the frames."""

_LEAST_BAD = 0.2
"""Share of the frames in which a site that heals is bad at least."""

_START = datetime(2020, 1, 1, 12)
_NEAR = 2


@dataclass(frozen=True, slots=True)
class Fate:
    """When one defect was bad, as indices of frames.

    Attributes
    ----------
    truth : Truth
    onset : int or None
        First bad frame; None for bad all along.
    healed : int or None
        First good frame after; None for never.
    """

    truth: Truth
    onset: int | None
    healed: int | None

    def is_there(self, index: int) -> bool:
        """Whether it is bad in a frame."""
        return (self.onset or 0) <= index and (self.healed is None or index < self.healed)


def fates(rng: Generator, truths: Sequence[Truth], frames: int) -> list[Fate]:
    """Draw when each defect is bad: a third of them all along; a quarter heal again, unless too soon."""
    low, high = (int(share * frames) for share in _CHANGES)
    result = []
    for truth in truths:
        first, second = sorted(rng.integers(low, high, 2).tolist())
        onset = None if rng.random() < _ALWAYS else first
        heals = rng.random() < _HEALING and second - (onset or 0) >= _LEAST_BAD * frames
        result.append(Fate(truth, onset, second if heals else None))
    return result


def frames_of(
    sensor: ReferenceSensor, lives: Sequence[Fate], count: int
) -> Iterator[tuple[RawFrame, Conditions]]:
    """Take frames, a day apart, with the defects that are there on the day."""
    for index in range(count):
        rng = np.random.default_rng([sensor.seed, 7, index])
        setting = draw_setting(rng)
        light = behind_filters(sensor.draw_scene(rng), setting.level)
        there = tuple(life.truth for life in lives if life.is_there(index))
        conditions = Conditions(_START + timedelta(days=index), setting.exposure_s, setting.iso)
        yield RawFrame(expose(light, setting, there, rng), GEOMETRY), conditions


def print_sequence(scenes: Path, seed: int, frames: int) -> None:
    """Print how the periods of found defects compare with their fates, by class."""
    draw_scene, told = scenes_of(scenes)
    sensor = ReferenceSensor(seed, draw_scene)
    lives = fates(np.random.default_rng(seed), sensor.truths, frames)
    study = Study()
    for frame, conditions in frames_of(sensor, lives, frames):
        study.add(frame, conditions)
    found = {(one.row, one.col): one for one in study.map().defects}
    pairs = [
        (life, found[life.truth.row, life.truth.col])
        for life in lives
        if (life.truth.row, life.truth.col) in found
    ]
    rows = [["class", "found", "onset told", "held", "within 2", "healing told", "held", "false changes"]]
    for name in [*dict.fromkeys(life.truth.name for life in lives), "all"]:
        rows.append([name, *_figures([p for p in pairs if name in {p[0].truth.name, "all"}])])
    print(f"{frames} frames of sensor {seed}; {told}")
    print_rows(rows)


def _figures(pairs: Sequence[tuple[Fate, Defect]]) -> list[str]:
    began = [(life.onset, one.periods[0]) for life, one in pairs if life.onset is not None]
    ended = [(life.healed, one.periods[-1]) for life, one in pairs if life.healed is not None]
    return [
        str(len(pairs)),
        _of([period.last_good is not None for _, period in began]),
        _of([_holds(onset, period.last_good, period.first_bad) for onset, period in began]),
        _of([_near(onset, period.onset) for onset, period in began]),
        _of([period.first_good is not None for _, period in ended]),
        _of([_holds(healed, period.last_bad, period.first_good) for healed, period in ended]),
        _of([_false(life, one.periods) for life, one in pairs]),
    ]


def _of(cases: Sequence[bool]) -> str:
    return f"{sum(cases)} of {len(cases)}"


def _false(life: Fate, periods: Sequence[Period]) -> bool:
    """Whether a change is told that there was not."""
    onset = life.onset is None and periods[0].last_good is not None
    return onset or len(periods) > 1 or (life.healed is None and periods[-1].first_good is not None)


def _holds(truth: int, after: datetime | None, before: datetime | None) -> bool:
    """Whether an interval, which may be open, holds a change."""
    day = _START + timedelta(days=truth)
    return (after is None or after < day) and (before is None or day <= before)


def _near(truth: int, likely: datetime | None) -> bool:
    return likely is not None and abs((likely - _START).days - truth) <= _NEAR

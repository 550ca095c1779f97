"""Sequences followed frame by frame, one process per seed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.detection.scenes import scenes_of
from benchmarks.detection.scoring import Tally, score
from benchmarks.detection.sensor import ReferenceSensor, Truth
from defectmap.model.frame import Conditions, JpegFrame, RawFrame
from defectmap.model.study import Study

Frames = Iterable[tuple[RawFrame | JpegFrame, Conditions]]


@dataclass(frozen=True, slots=True)
class Job:
    """One sequence of one sensor.

    Attributes
    ----------
    seed : int
    checkpoints : tuple of int
        Numbers of frames after which a map is asked for, ascending.
    scenes : Path
        Folder of pictures.
    per_class : int
    tripod_share : float
    variant : tuple
        What else a table varies.
    """

    seed: int
    checkpoints: tuple[int, ...]
    scenes: Path
    per_class: int = 100
    tripod_share: float = 0.0
    variant: tuple[Any, ...] = ()

    def sensor(self) -> ReferenceSensor:
        """Return the sensor that takes the frames."""
        draw, _ = scenes_of(self.scenes)
        return ReferenceSensor(self.seed, draw, self.per_class, self.tripod_share)


def follow(
    frames: Frames, truths: Sequence[Truth], checkpoints: Sequence[int], *, reach: int = 0
) -> Iterator[Tally]:
    """Study the frames in one pass and yield the score of the map at each checkpoint."""
    study = Study()
    for number, (frame, conditions) in enumerate(frames, 1):
        study.add(frame, conditions)
        if number in checkpoints:
            yield score(study.map(), truths, reach=reach)


def over_seeds(
    measure: Callable[[Job], list[Any]], jobs: Sequence[Job], workers: int
) -> list[tuple[Job, list[Any]]]:
    """Measure every job, some at a time, and return the results in the order of the jobs."""
    results: dict[Job, list[Any]] = {}
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        futures = {pool.submit(measure, job): job for job in jobs}
        for future in as_completed(futures):
            results[futures[future]] = future.result()
            print(f"{len(results)} of {len(jobs)} sequences", file=sys.stderr)
    return [(job, results[job]) for job in jobs]

"""The table of JPEGs: qualities and subsamplings of the same frames."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.detection.printing import print_tallies
from benchmarks.detection.rendering import as_jpeg
from benchmarks.detection.running import Job, follow, over_seeds
from benchmarks.detection.scoring import Tally, together


def measure(job: Job) -> list[Tally]:
    """Score one sequence in one coding at its checkpoints; a hit may be one pixel off."""
    sensor = job.sensor()
    quality, subsampling, sharpening = job.variant
    frames = (
        (as_jpeg(frame, quality=quality, subsampling=subsampling, sharpening=sharpening), conditions)
        for frame, conditions in sensor.frames(job.checkpoints[-1])
    )
    return list(follow(frames, sensor.truths, job.checkpoints, reach=1))


def print_jpeg(
    seeds: Sequence[int],
    frames: Sequence[int],
    scenes: Path,
    workers: int,
    *,
    per_class: int,
    qualities: Sequence[int],
    subsamplings: Sequence[str],
    sharpening: float,
) -> None:
    """Print what is found of the twelve classes in JPEGs, one block per coding."""
    codings = [(quality, subsampling, sharpening) for quality in qualities for subsampling in subsamplings]
    jobs = [Job(s, tuple(frames), scenes, per_class, variant=coding) for coding in codings for s in seeds]
    results = over_seeds(measure, jobs, workers)
    for coding in codings:
        mine = [tallies for job, tallies in results if job.variant == coding]
        columns = [(f"N={n}", together(t[i] for t in mine)) for i, n in enumerate(frames)]
        print(f"\nquality {coding[0]}, {coding[1]}")
        print_tallies(columns, strengths=False)

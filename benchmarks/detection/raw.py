"""The tables of undemosaiced frames: ordinary scenes, a clean sensor, a tripod."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.detection.printing import print_rows, print_tallies
from benchmarks.detection.running import Job, follow, over_seeds
from benchmarks.detection.scoring import Tally, together


def measure(job: Job) -> list[Tally]:
    """Score one sequence at its checkpoints."""
    sensor = job.sensor()
    return list(follow(sensor.frames(job.checkpoints[-1]), sensor.truths, job.checkpoints))


def print_raw(
    seeds: Sequence[int],
    frames: Sequence[int],
    scenes: Path,
    workers: int,
    *,
    per_class: int,
    tripod_share: float = 0.0,
) -> None:
    """Print what is found of the twelve classes."""
    jobs = [Job(seed, tuple(frames), scenes, per_class, tripod_share) for seed in seeds]
    results = [tallies for _, tallies in over_seeds(measure, jobs, workers)]
    print_tallies([(f"N={n}", together(t[i] for t in results)) for i, n in enumerate(frames)])


def print_clean(seeds: Sequence[int], frames: Sequence[int], scenes: Path, workers: int) -> None:
    """Print what is reported of sensors without a defect, seed by seed."""
    jobs = [Job(seed, tuple(frames), scenes, per_class=0) for seed in seeds]
    results = over_seeds(measure, jobs, workers)
    rows = [["seed", *(cell for n in frames for cell in (f"N={n}", "suspects"))]]
    for job, tallies in results:
        rows.append([str(job.seed), *(str(c) for t in tallies for c in (t.false, t.suspects))])
    sums = [together(t[i] for _, t in results) for i in range(len(frames))]
    rows.append(["all", *(str(c) for t in sums for c in (t.false, t.suspects))])
    print_rows(rows)

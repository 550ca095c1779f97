"""The table of cameras that clamp hot photosites to their neighbours before they write the raw file.

The rules are those that users worked out of Nikon bodies: the largest of the eight neighbours of the same
colour, or of the 24 nearest of any colour, or the first of these only where a photosite stands out far.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.detection.printing import print_rows
from benchmarks.detection.running import Job, follow, over_seeds
from benchmarks.detection.scoring import Tally, share, together
from benchmarks.detection.sensor import BLACK
from defectmap.model.frame import Conditions

RULES = {
    "same": "clamped to the largest of 8 of the same colour",
    "any": "clamped to the largest of the 24 nearest",
    "far": "clamped to the largest of 8 where above twice the largest of the 24 nearest, plus 400 DN",
}
LONG_S, HIGH_ISO = 0.25, 6400
"""From this exposure time, or from this sensitivity on, the camera clamps."""

_FAR_DN = 400
_CLASSES = ("hot_mid", "hot_strong", "off_mid", "off_strong")
_SAME = [(y, x) for y in (-2, 0, 2) for x in (-2, 0, 2) if (y, x) != (0, 0)]
_NEAREST = [(y, x) for y in range(-2, 3) for x in range(-2, 3) if (y, x) != (0, 0)]


def is_active(conditions: Conditions) -> bool:
    """Whether the camera clamps in such a frame."""
    return (conditions.exposure_s or 0.0) >= LONG_S or (conditions.iso or 0.0) >= HIGH_ISO


def clamp(mosaic: NDArray[np.uint16], rule: str) -> NDArray[np.uint16]:
    """Clamp every photosite as `RULES` says; all compare with what was read out."""
    same = _largest(mosaic, _SAME)
    if rule == "same":
        return np.minimum(mosaic, same)
    nearest = _largest(mosaic, _NEAREST)
    if rule == "any":
        return np.minimum(mosaic, nearest)
    limit = 2 * (nearest.astype(np.int32) - BLACK) + _FAR_DN
    return np.where(mosaic.astype(np.int32) - BLACK > limit, np.minimum(mosaic, same), mosaic)


def _largest(mosaic: NDArray[np.uint16], steps: Sequence[tuple[int, int]]) -> NDArray[np.uint16]:
    height, width = mosaic.shape
    padded = np.pad(mosaic, 2, mode="reflect")
    largest = np.zeros_like(mosaic)
    for down, right in steps:
        np.maximum(largest, padded[2 + down :][:height, 2 + right :][:, :width], out=largest)
    return largest


def measure(job: Job) -> list[Tally]:
    """Score one sequence under one rule at its checkpoints."""
    sensor = job.sensor()
    (rule,) = job.variant
    frames = (
        (replace(frame, mosaic=clamp(frame.mosaic, rule)) if is_active(conditions) else frame, conditions)
        for frame, conditions in sensor.frames(job.checkpoints[-1])
    )
    return list(follow(frames, sensor.truths, job.checkpoints))


def print_clamped(
    seeds: Sequence[int], frames: Sequence[int], scenes: Path, workers: int, *, per_class: int
) -> None:
    """Print what is found of hot and offset sites of middle and strong degree."""
    jobs = [Job(s, tuple(frames), scenes, per_class, variant=(rule,)) for rule in RULES for s in seeds]
    results = over_seeds(measure, jobs, workers)
    for rule, meaning in RULES.items():
        mine = [tallies for job, tallies in results if job.variant == (rule,)]
        sums = [together(t[i] for t in mine) for i in range(len(frames))]
        rows = [["", *(f"N={n}" for n in frames)]]
        for names in (*((name,) for name in _CLASSES), _CLASSES):
            label = names[0] if len(names) == 1 else "these four"
            rows.append([f"recall {label}", *(f"{_recall(t, names):.2f}" for t in sums)])
        rows.append(["recall, all twelve", *(f"{t.recall:.3f}" for t in sums)])
        rows.append(["false alarms per million", *(f"{t.false_per_million:.1f}" for t in sums)])
        print(f"\n{meaning}")
        print_rows(rows)


def _recall(tally: Tally, names: Sequence[str]) -> float:
    return share(sum(tally.found[name] for name in names), sum(tally.planted[name] for name in names))

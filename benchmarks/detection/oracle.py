"""The table of what the frames hold: a detector that knows what nobody knows.

It knows strength and kind of each defect, the temperature of the chip in each frame and the prediction error
at each site, and adds up the evidence in the best way that there is (the matched filter). What it misses at
the same threshold no detector with this prediction can find.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.detection.printing import print_rows
from benchmarks.detection.running import Job, over_seeds
from benchmarks.detection.sensor import BLACK, CLASSES, E_PER_DN, SIDE, ReferenceSensor, Truth, warming
from defectmap.model.decide import FALSE_DEFECTS
from defectmap.model.frame import Conditions
from defectmap.model.kernels import Z_INVALID
from defectmap.model.prediction import ScoredPlane, code_sigma, planes_of
from defectmap.model.scores import SCORES
from defectmap.model.tails import normal_score, normal_tail

_ROUNDS = 10


def measure(job: Job) -> list[dict[str, float]]:
    """Return the expected recall by class at the checkpoints."""
    sensor = job.sensor()
    information = np.zeros(len(sensor.truths))
    recalls = []
    for number in range(job.checkpoints[-1]):
        frame, conditions = sensor.frame(number)
        information += _information(planes_of(frame)["mosaic"].score(), conditions, number, sensor)
        if number + 1 in job.checkpoints:
            recalls.append(_recall(np.sqrt(information), sensor.truths))
    return recalls


def _information(
    plane: ScoredPlane, conditions: Conditions, number: int, sensor: ReferenceSensor
) -> NDArray[np.float64]:
    """Return the squared signal-to-noise ratio of each defect in one frame."""
    rows, cols = (np.array([getattr(t, name) for t in sensor.truths]) for name in ("row", "col"))
    sigma = code_sigma(plane.noise_code[rows, cols])
    light = plane.light_code[rows, cols] * sigma
    assert conditions.gain is not None
    assert conditions.dose is not None
    dose = conditions.dose * warming(sensor.setting(number))
    signal = np.array(
        [
            (t.rate_e_per_s * dose + t.offset_e * conditions.gain) / E_PER_DN + (t.gain - 1.0) * lit
            if t.level < 0
            else t.level * (plane.values.max() - BLACK) - lit
            for t, lit in zip(sensor.truths, light, strict=True)
        ]
    )
    return np.where(plane.z[rows, cols] != Z_INVALID, (signal / sigma) ** 2, 0.0)


def _recall(ratios: NDArray[np.float64], truths: Sequence[Truth]) -> dict[str, float]:
    tests = SIDE * SIDE * 2 * len(SCORES)
    found = float(len(truths))
    for _ in range(_ROUNDS):
        # The more is found, the less is asked: from above to where both agree.
        threshold = normal_score(FALSE_DEFECTS * max(found, 1.0) / tests)
        chances = np.array([normal_tail(threshold - ratio) for ratio in ratios])
        found = float(chances.sum())
    names = np.array([t.name for t in truths])
    return {name: float(chances[names == name].mean()) for name in CLASSES} | {"all": float(chances.mean())}


def print_oracle(
    seeds: Sequence[int], frames: Sequence[int], scenes: Path, workers: int, *, per_class: int
) -> None:
    """Print the recall that the frames allow."""
    jobs = [Job(seed, tuple(frames), scenes, per_class) for seed in seeds]
    results = [recalls for _, recalls in over_seeds(measure, jobs, workers)]
    rows = [["", *(f"N={n}" for n in frames)]]
    for name in (*CLASSES, "all"):
        means = (float(np.mean([recalls[i][name] for recalls in results])) for i in range(len(frames)))
        rows.append([f"at best {name}", *(f"{mean:.3f}" for mean in means)])
    print_rows(rows)

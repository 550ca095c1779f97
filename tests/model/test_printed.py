"""How much of a picture keeps still: print does, a defect hardly."""

from __future__ import annotations

import numpy as np
import pytest

from defectmap.model.defects import Kind
from defectmap.model.evidence import PlaneEvidence
from defectmap.model.printed import still_pixels
from defectmap.model.study import Study
from defectmap.simulation import Habits, Planting, SimulatedCamera


def seen(frames: np.ndarray) -> PlaneEvidence:
    """Return evidence that holds the values of some frames, and of white ones none."""
    evidence = PlaneEvidence.empty(frames.shape[1:])
    told = frames < 255
    evidence.sums["n"][:] = told.sum(axis=0)
    evidence.sums["value_sum"][:] = (frames * told).sum(axis=0)
    evidence.sums["value_sumsq"][:] = (frames.astype(np.int64) ** 2 * told).sum(axis=0)
    return evidence


@pytest.mark.parametrize("level", [20, 200, 255])
@pytest.mark.parametrize(("row", "col"), [(20, 30), (0, 0), (38, 56)])
def test_counts_what_covers_the_picture(level: int, row: int, col: int) -> None:
    """The pixels under a letter are counted, at the edges too and in white; those of another are not."""
    rng = np.random.default_rng(1)
    frames = np.repeat(rng.integers(30, 220, (30, 1, 1)), 40, axis=1).repeat(60, axis=2)
    frames[:, row : row + 2, col : col + 3] = level
    frames[:, 20, 12:18] = level
    assert still_pixels([(row, col)], seen(frames)) == [6]


def test_nothing_keeps_still_where_all_does() -> None:
    """Frames of one level say nothing of print, and neither do none."""
    assert still_pixels([(20, 20)], seen(np.full((10, 40, 40), 90))) == [0]
    assert still_pixels([(20, 20)], PlaneEvidence.empty((40, 40))) == [0]


@pytest.mark.parametrize(("quality", "sharpening"), [(92, 0.0), (80, 0.6), (60, 0.3)])
def test_a_bad_photosite_covers_one_pixel(quality: int, sharpening: float) -> None:
    """Of a demosaiced stuck or dead photosite two pixels at most keep still."""
    planting = Planting(per_stratum=4, late_share=0.0, healed_share=0.0, kinds=(Kind.STUCK, Kind.DEAD))
    camera = SimulatedCamera(
        seed=5, height=240, width=320, planting=planting, habits=Habits(tripod_share=0.0)
    )
    study = Study()
    for frame, conditions in camera.frames_jpeg(24, quality=quality, sharpening=sharpening):
        study.add(frame, conditions)
    sites = [(d.row, d.col) for d in camera.truth.defects]
    assert max(still_pixels(sites, study.planes()["luma"])) <= 2

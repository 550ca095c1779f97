from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest

from defectmap.model.defects import Kind
from defectmap.simulation import (
    Electronics,
    Habits,
    PlantedDefect,
    Planting,
    SimulatedCamera,
)

SMALL = SimulatedCamera(seed=11, height=120, width=160, planting=Planting(per_stratum=1))
QUIET = Electronics(gain_spread=0.0)


def _mosaics(camera, n=6, **span):
    return [shot.mosaic for shot in camera.shots(n, **span)]


def test_same_seed_same_frames():
    """Two cameras of one seed take the same frames; another seed takes others."""
    first, again = _mosaics(SMALL), _mosaics(replace(SMALL))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(
        np.array_equal(a, b) for a, b in zip(first, _mosaics(replace(SMALL, seed=12)), strict=True)
    )
    assert SMALL.truth == replace(SMALL).truth


def test_any_order():
    """A frame is the same whichever frames were taken before it."""
    plan = SMALL.plan(6)
    forwards = [SMALL.shot(exposure).mosaic for exposure in plan]
    backwards = [SMALL.shot(exposure).mosaic for exposure in reversed(plan)][::-1]
    assert all(np.array_equal(a, b) for a, b in zip(forwards, backwards, strict=True))


def test_plan():
    """Frames are in order of time within the given span, and are numbered on from the first."""
    begin = datetime(2021, 5, 1)
    plan = SMALL.plan(200, first=30, start=begin, days=10)
    moments = [exposure.captured for exposure in plan]
    assert moments == sorted(set(moments))
    assert begin <= moments[0]
    assert moments[-1] < begin + timedelta(days=10, minutes=5)
    assert [exposure.index for exposure in plan] == list(range(30, 230))
    assert [exposure.conditions.shutter_count for exposure in plan] == list(range(1030, 1230))
    assert all(15 <= exposure.temperature_c <= 40 for exposure in plan)


def test_habits():
    """Exposure times follow the shares asked for."""
    exposures = np.array([exposure.conditions.exposure_s for exposure in SMALL.plan(2000)])
    assert np.mean(exposures < 1 / 15) == pytest.approx(0.80, abs=0.03)
    assert np.mean(exposures >= 1.0) == pytest.approx(0.05, abs=0.02)
    assert exposures.min() >= 1 / 1001
    assert exposures.max() <= 10.0


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 1.0])
def test_tripod_share(share):
    """The share of frames that belong to a run of one scene is the one asked for."""
    camera = replace(SMALL, habits=Habits(tripod_share=share))
    scenes = [exposure.scene_id for exposure in camera.plan(3000)]
    in_runs = np.mean([scenes.count(scene) > 1 for scene in scenes[:1500]])
    assert in_runs == pytest.approx(share, abs=0.06)


def test_tripod_runs_share_the_scene():
    """Frames of one run differ by noise and a little light only; frames of other scenes differ wholly."""
    camera = replace(SMALL, habits=Habits(tripod_share=0.6, isos=(100,)), electronics=QUIET)
    shots = list(camera.shots(12))
    same, other = [], []
    for a, b in pairwise(shots):
        likeness = np.corrcoef(a.mosaic.ravel(), b.mosaic.ravel())[0, 1]
        (same if a.scene_id == b.scene_id else other).append(likeness)
    assert min(same) > 0.99
    assert max(other) < 0.9


def test_onset_and_healing():
    """A site shows its defect from its onset until it heals, and in no other frame."""
    onset, healed = datetime(2020, 1, 1), datetime(2021, 6, 1)
    late = PlantedDefect(50, 60, Kind.STUCK, "strong", level=0.9, onset=onset, healed=healed)
    camera = replace(SMALL, defects=(late,))
    truth = camera.truth.with_frames(camera.plan(40))
    bad = truth.frames_where_bad(late)
    assert 0 < len(bad) < 40
    for exposure in truth.frames:
        reading = int(camera.shot(exposure).mosaic[50, 60])
        stands_out = abs(reading - (512 + 0.9 * 15871)) < 12
        assert stands_out == (exposure in bad) == (onset <= exposure.captured < healed)


def test_only_planted_sites_change():
    """With its defects, a frame differs from the healthy camera's at planted sites alone."""
    planted = PlantedDefect(50, 60, Kind.OFFSET, "strong", offset_e=5000.0)
    camera = replace(SMALL, defects=(planted,))
    exposure = camera.plan(1)[0]
    healthy = replace(SMALL, defects=(replace(planted, offset_e=0.0),)).shot(exposure).mosaic
    changed = np.argwhere(camera.shot(exposure).mosaic != healthy)
    assert changed.tolist() == [[50, 60]]


def test_frames_raw():
    """Raw frames hold the visible area of the shots, with the geometry of the stored frame."""
    for (frame, conditions), shot in zip(SMALL.frames_raw(2), SMALL.shots(2), strict=True):
        assert np.array_equal(frame.mosaic, shot.mosaic[:120, :160])
        assert shot.mosaic.shape == (frame.geometry.height, frame.geometry.width) == (123, 164)
        assert conditions == shot.conditions
        assert conditions.captured is not None


def test_frames_jpeg():
    """JPEG frames show a planted site at its visible position."""
    stuck = PlantedDefect(50, 61, Kind.STUCK, "strong", level=1.0)
    camera = replace(SMALL, defects=(stuck,))
    frames = zip(camera.frames_jpeg(2), replace(camera, defects=()).frames_jpeg(2), strict=True)
    for (frame, _), (healthy, _) in frames:
        assert frame.luma.shape == (120, 160)
        assert frame.blue is not None
        assert frame.blue.shape == (60, 80)
        difference = np.abs(frame.luma.astype(int) - healthy.luma)
        row, col = np.unravel_index(difference.argmax(), difference.shape)
        assert (abs(row - 50), abs(col - 61)) <= (1, 1)

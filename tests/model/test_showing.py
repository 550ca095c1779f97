"""What a frame says of a defect, and what healthy photosites do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from defectmap.model.faint import FAINTEST, LOUDEST
from defectmap.model.showing import Background, Exposures, Noise, Seen, Strengths, log_gain

FRAMES = 40
GAIN = np.tile([1.0, 4.0, 16.0, 64.0], FRAMES // 4)
LIGHT = np.geomspace(20.0, 8000.0, FRAMES)


@given(st.floats(1e-6, 0.5))
def test_texture_makes_a_site_as_clear_as_it_is(texture):
    """The texture that a site is given makes light as clear there, in the mean, as its sums say."""
    true = Noise(2.0, 0.3, texture)
    clearness = float(((LIGHT / true.sigma(GAIN, LIGHT)) ** 2).mean())
    found = Noise(2.0, 0.3, 0.01).as_clear_as(clearness, GAIN, LIGHT)
    assert found.texture == pytest.approx(texture, rel=0.02)


def test_unknown_clearness_changes_nothing():
    """Without sums the noise of a site is that of the sensor."""
    usual = Noise(2.0, 0.3, 0.01)
    assert usual.as_clear_as(0.0, GAIN, LIGHT) == usual


def test_background_counts_what_is_kept():
    """The chance to be seen is that of standing out, and of each faint score that a frame keeps."""
    faint = np.linspace(0.02, 0.01, LOUDEST - FAINTEST + 1)
    usual = Background.of(1e-3, faint)
    least = np.arange(FAINTEST, LOUDEST + 2)
    beyond = usual.beyond(least)
    assert beyond[-1] == usual.loud == 2e-3
    np.testing.assert_allclose(-np.diff(beyond), usual.faint)


def test_frames_that_cannot_show_a_site_say_nothing():
    """Of a hot site a frame without exposure says nothing, even by a faint score; others do."""
    ones = np.ones(FRAMES)
    least, scene = np.full(FRAMES, FAINTEST), np.arange(FRAMES)
    dose = np.where(scene < FRAMES // 2, 0.0, 1.0)
    noise = Noise(100.0, 0.0, 0.0)
    exposures = Exposures(dose, ones, ones, 0.6, 0.1 * ones, 1e4, ones < 0, ones, noise, least, scene)
    empty = np.empty(0)
    seen = Seen(np.empty(0, np.int64), empty, empty, empty, empty > 0, np.array([3, 30]), np.array([15, 15]))
    gain, chance = log_gain(Strengths.of(1, rate=np.array([400.0])), seen, exposures, Background.of(1e-4))
    assert np.abs(gain[0, : FRAMES // 2]).max() < 0.02
    assert chance[0, FRAMES // 2 :].min() > 0.6
    silent = np.setdiff1d(np.arange(FRAMES // 2, FRAMES), seen.faint_frames)
    assert gain[0, silent].max() < -0.5

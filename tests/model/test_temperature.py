"""Warmth of frames from hot photosites, and the light that frames leave."""

from __future__ import annotations

import numpy as np

from defectmap.model.faint import LOUDEST
from defectmap.model.frame import JpegFrame
from defectmap.model.scenes import framing, level_at
from defectmap.model.showing import Background, Exposures, Noise, Seen, Strengths, fit_noise
from defectmap.model.temperature import SPREAD, HotSite, warmth

FRAMES = 60


def test_hot_sites_tell_how_warm_it_was():
    """Twenty hot sites tell the warmth of a frame to a tenth; without any it is 1, and not well known."""
    rng = np.random.default_rng(1)
    true = np.exp(rng.normal(0.0, 0.5, FRAMES))
    ones, noise = np.ones(FRAMES), Noise(100.0, 0.0, 0.0)
    slack, long = np.full(FRAMES, SPREAD), np.zeros(FRAMES, bool)
    least, scene = np.full(FRAMES, LOUDEST + 1), np.arange(FRAMES)
    sites = []
    for rate in rng.uniform(200.0, 900.0, 20):
        excess = rate * true + rng.normal(0.0, 10.0, FRAMES)
        at = np.flatnonzero(excess > 50.0)
        loud = at, excess[at], np.full(at.size, 10.0), np.full(at.size, 9.0), np.zeros(at.size, bool)
        seen = Seen(*loud, *np.empty((2, 0), np.int64))
        exposures = Exposures(ones, ones, 9.0 * ones, 0.6, slack, 1e4, long, ones, noise, least, scene)
        strength = Strengths.of(1, rate=np.array([rate]))
        sites.append(HotSite(strength, seen, exposures, np.ones(FRAMES, bool)))
    factor, spread = warmth(sites, FRAMES, Background.of(1e-3))
    assert np.std(np.log(factor / true)) < 0.1
    assert spread.max() < 0.3
    nothing, wide = warmth([], FRAMES, Background.of(1e-3))
    np.testing.assert_allclose(nothing, 1.0)
    assert wide.min() > 0.9 * SPREAD


def test_noise_comes_back():
    """Shares of read noise, shot noise and texture are those that the sightings were made with."""
    rng = np.random.default_rng(2)
    true = Noise(30.0, 0.5, 0.001)
    gain, light = rng.choice([1.0, 4.0, 16.0], 500), np.exp(rng.uniform(2.0, 9.0, 500))
    found = fit_noise(true.sigma(gain, light), gain, light)
    assert found is not None
    np.testing.assert_allclose(found.sigma(gain, light), true.sigma(gain, light), rtol=0.05)


def test_blocks_tell_how_light_it_was():
    """The level around a site is that of its block to a hundredth of the contrast."""
    ramp = np.repeat(np.arange(0, 256, 16, dtype=np.uint8), 24)
    frame = JpegFrame(np.tile(ramp, (384, 1)), None, None)
    sites = 200 * 384 + np.arange(12, 384, 24)
    told = level_at(framing(frame), sites, frame.luma.shape)
    np.testing.assert_allclose(told, ramp[12::24], atol=2.5)

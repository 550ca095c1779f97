"""How far a pixel stands out of its surroundings."""

import numpy as np

from defectmap.model.spots import WIDEST, covered
from defectmap.model.surroundings import Plane, RenderedSite, light_under, standing_out

SITE = RenderedSite(60, 70, "G")


def measured(values, height=0.0):
    """Return how far the middle stands out once a height was added to it."""
    changed = values.copy()
    changed[16, 16] += height
    plane = Plane(changed, 44, 54)
    return standing_out(plane, covered(plane, [SITE], WIDEST), 60, 70)


def scenes():
    """Yield windows of noise, of coarser texture and with an edge, off the middle."""
    for seed in range(30):
        rng = np.random.default_rng(seed)
        noise = rng.normal(0, 4, (33, 33))
        yield 100 + noise
        yield 100 + 2 * (noise + np.roll(noise, 1, 0) + np.roll(noise, 1, 1))
        yield 100 + noise + 60 * (np.arange(33) > 10)


def test_healthy_pixels_do_not_stand_out():
    """Of healthy pixels few are three times as far off as their surroundings usually are."""
    found = np.array([measured(values) for values in scenes()])
    assert np.mean(np.abs(found) > 3.0) < 0.03
    assert 0.5 < np.sqrt(np.mean(found**2)) < 1.5


def test_spots_stand_out_by_sign():
    """A bright pixel stands out upwards, a dark one downwards, in proportion."""
    for values in scenes():
        assert measured(values, 80.0) > 3.0
        assert measured(values, -80.0) < -3.0
        assert measured(values, 160.0) - measured(values, 80.0) > 2.0


def test_no_texture_is_no_trouble():
    """In a flat window any change stands out, and none does not."""
    assert abs(measured(np.full((33, 33), 50.0))) < 1.0
    assert measured(np.full((33, 33), 50.0), 9.0) > 3.0


def test_light_is_guessed_from_around():
    """The level under a spot does not depend on the spot."""
    values = 80 + np.arange(33)[:, None] * np.ones(33)
    plane = Plane(values, 44, 54)
    before = light_under(plane, covered(plane, [SITE], WIDEST), 60, 70)
    plane.values[14:19, 14:19] = 255.0
    after = light_under(plane, covered(plane, [SITE], WIDEST), 60, 70)
    assert before == after
    assert abs(before - 96) < 1.0

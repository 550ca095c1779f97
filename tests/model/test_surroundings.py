"""How far a pixel stands out of its surroundings."""

import numpy as np
import pytest

from defectmap.model.spots import Ground, disc
from defectmap.model.surroundings import Plane, RenderedSite, Surroundings

SITE = RenderedSite(60, 70, "G")


def surveyed(values):
    """Return the surroundings of the middle of a window."""
    plane = Plane(values, 44, 54)
    return Surroundings.of([plane], [Ground.of(0, plane, [SITE], []).spoiled])


def measured(values, height=0.0):
    """Return how far the middle stands out once a height was added to it."""
    changed = values.copy()
    changed[16, 16] += height
    around = surveyed(changed)
    return around.at(around.standing_out(), 60, 70)[0]


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
    before = surveyed(values).light_under(60, 70)
    values[14:19, 14:19] = 255.0
    after = surveyed(values).light_under(60, 70)
    assert before == pytest.approx(after)
    assert abs(before - 96) < 1.0


def test_a_slope_is_no_texture():
    """What is left of a slanted plane is nothing, whatever spot hides part of it."""
    rows, cols = np.indices((33, 29))
    values = 100 + 2.5 * rows - 1.5 * cols
    spoiled = (rows - 16) ** 2 + (cols - 14) ** 2 < 30
    values[spoiled] = 255.0
    around = Surroundings.of([Plane(values, 0, 0)], [spoiled])
    np.testing.assert_allclose(around.filled, 0.0, atol=1e-5)
    np.testing.assert_allclose(around.residual[0, :33, :29][~spoiled], 0.0, atol=1e-5)


def test_covariance_is_that_of_the_tapered_window():
    """Each lag holds the mean product of all samples so far apart, negative ones at the end."""
    values = np.random.default_rng(4).normal(100, 5, (21, 17))
    around = Surroundings.of([Plane(values, 0, 0)], [np.zeros(values.shape, bool)], 15)
    ramps = [np.sin(np.minimum((np.minimum(i, i[::-1]) + 0.5) / 8, 1) * np.pi / 2) ** 2
             for i in (np.arange(21), np.arange(17))]  # fmt: skip
    taper = np.outer(*ramps)
    window = around.filled[0, :21, :17] * taper
    norm = np.sum(taper**2)
    table = around.covariance[0]
    assert table[3, 2] == pytest.approx(np.sum(window[3:, 2:] * window[:-3, :-2]) / norm)
    assert table[-3, 2] == pytest.approx(np.sum(window[:-3, 2:] * window[3:, :-2]) / norm)
    assert table[14, 14] == pytest.approx(np.sum(window[14:, 14:] * window[:-14, :-14]) / norm)


def test_all_spoiled_is_no_trouble():
    """Where nothing is to be trusted, nothing stands out and all figures are finite."""
    values = np.random.default_rng(5).normal(100, 5, (9, 7))
    around = Surroundings.of([Plane(values, 0, 0)], [np.ones(values.shape, bool)])
    assert not around.standing_out().any()
    assert np.isfinite(around.covariance).all()


@pytest.mark.parametrize("steps", [(1, 1), (1, 2), (2, 2), (4, 1), (4, 2)])
def test_spots_on_coarser_grids(steps):
    """A sample shows the mean of the luma pixels it stands for, inside of the window and across its edge."""
    rng = np.random.default_rng(6)
    for spot in (rng.normal(size=(9, 9)), disc(5.2)):
        for top, left in rng.integers(-14, 60, (30, 2)).tolist():
            luma = np.zeros((120, 120))
            luma[20 + top : 20 + top + len(spot), 20 + left : 20 + left + len(spot)] = spot
            means = luma.reshape(120 // steps[0], steps[0], 120 // steps[1], steps[1]).mean((1, 3))
            row, col = 20 // steps[0] + 3, 20 // steps[1] + 2
            plane = Plane(np.zeros((11, 13)), 3, 2, *steps)
            np.testing.assert_allclose(
                plane.laid(spot, top, left), means[row : row + 11, col : col + 13], atol=1e-12
            )

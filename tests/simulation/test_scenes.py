import numpy as np
import pytest

from defectmap.simulation.scenes import draw_scene, point_spread


def test_scenes_are_natural():
    """Scenes are about as hard to predict from same-colour neighbours as soft photographs are."""
    residuals = []
    for index in range(12):
        light = draw_scene(np.random.default_rng([5, index]), 240, 320).light[..., 1]
        neighbours = [
            np.roll(light, (row, col), (0, 1))
            for row in (-2, 0, 2)
            for col in (-2, 0, 2)
            if (row, col) != (0, 0)
        ]
        predicted = np.median(neighbours, axis=0)
        residuals.append(np.quantile(np.abs(light / predicted - 1), [0.5, 0.9]))
    median, tail = np.median(residuals, axis=0)
    assert 0.01 < median < 0.1
    assert 0.1 < tail < 0.5


def test_no_point_is_sharper_than_the_lens():
    """The lens spreads light over several photosites."""
    psf = point_spread(0.6)
    assert psf.sum() == pytest.approx(1.0)
    assert psf.max() < 0.7

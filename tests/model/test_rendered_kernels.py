"""The linear algebra under the repair of rendered pictures, against the textbook's."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from defectmap.model.rendered_kernels import TRUSTED, UNKNOWN, WANTED, condition, respond


def covariance(seed, size=40):
    """Return an autocovariance by lag, of a texture that is not the same in both directions."""
    rng = np.random.default_rng(seed)
    texture = rng.normal(0, 6, (24, 24))
    texture = texture + np.roll(texture, 1, 0) + 0.5 * np.roll(texture, (1, 2), (0, 1))
    table = np.fft.irfft2(np.abs(np.fft.rfft2(texture, (size, size))) ** 2, (size, size)) / texture.size
    table[0, 0] += 0.25
    return table


@settings(max_examples=60, deadline=None)
@given(
    kinds=st.tuples(st.integers(1, 9), st.integers(1, 9)).flatmap(
        lambda shape: arrays(np.uint8, shape, elements=st.sampled_from([TRUSTED, TRUSTED, WANTED, UNKNOWN]))
    ),
    seed=st.integers(0, 99),
)
def test_condition(kinds, seed):
    """Halves of a rectangle tell the same as the whole: any form, any part unknown."""
    table, values = covariance(seed), np.random.default_rng(seed).normal(0, 9, kinds.shape)
    rows, cols = np.indices(kinds.shape).reshape(2, -1)
    full = table[rows[:, None] - rows, cols[:, None] - cols]
    seen, wanted = (np.flatnonzero(kinds == kind) for kind in (TRUSTED, WANTED))
    gain = np.linalg.solve(full[np.ix_(seen, seen)], full[np.ix_(seen, wanted)])
    flat = values.ravel()
    expected = np.linalg.inv(full[np.ix_(wanted, wanted)] - full[np.ix_(wanted, seen)] @ gain)
    precision, pull, energy = condition(table, values, kinds)
    scale = np.abs(expected).max(initial=1e-3)
    np.testing.assert_allclose(precision, expected, atol=1e-8 * scale)
    away = flat[wanted] - gain.T @ flat[seen]
    np.testing.assert_allclose(pull, expected @ away, atol=1e-7 * scale)
    usual = flat[seen] @ np.linalg.solve(full[np.ix_(seen, seen)], flat[seen])
    np.testing.assert_allclose(energy, usual, rtol=1e-7, atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 999), sites=st.integers(1, 3))
def test_respond(seed, sites):
    """Likelihood and expected spot are those of a Gaussian spot seen on a Gaussian scene."""
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(12, 14))
    scene, seen = root @ root.T + np.eye(12), rng.normal(0, 20, 12)
    precision = np.linalg.inv(scene)
    free = rng.uniform(0.1, 1.0, (2, 12))
    free[1, 7:] = 0.0
    shapes = rng.normal(size=(sites, 12)) * (free[1] > 0)
    amplitudes = np.array([0.7, 5.0])
    gain, force, stiffness, answers = respond(precision, precision @ seen, shapes, free, amplitudes)
    for kind in range(2):
        for a, amplitude in enumerate(amplitudes):
            spot = amplitude**2 * (shapes.T @ shapes + np.diag(free[kind]))
            expected = spot @ np.linalg.solve(scene + spot, seen)
            quadratic = seen @ precision @ seen - seen @ np.linalg.solve(scene + spot, seen)
            volume = np.linalg.slogdet(scene + spot)[1] - np.linalg.slogdet(scene)[1]
            system = np.eye(sites) + amplitude**2 * stiffness[kind, a]
            heights = amplitude**2 * np.linalg.solve(system, force[kind, a])
            found = gain[kind, a] + 0.5 * heights @ force[kind, a] - 0.5 * np.linalg.slogdet(system)[1]
            np.testing.assert_allclose(found, 0.5 * (quadratic - volume), atol=1e-7)
            free_part = answers[kind, a, 0] - heights @ answers[kind, a, 1:]
            np.testing.assert_allclose(heights @ shapes + free_part, expected, atol=1e-7)

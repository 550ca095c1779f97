"""What is compiled of dating, against its plain form."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from defectmap.model import showing_kernels as kernels

GAINS = arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(1, 40)), elements=st.floats(-20, 20))


@given(arrays(np.float64, 8, elements=st.floats(-40, 40)))
def test_chance_to_show_is_logistic(far):
    """A site shows by the logistic curve of how far its amplitude lies beyond what is asked."""
    ones = np.ones((1, 8))
    table = np.array([[0.0, 1.0, 0.0, 0.0]])
    limit = np.abs(far)[None] + 1.0
    gain = (limit + far)[0]
    found = kernels.shapes(table, 0 * gain, gain, 0 * gain, 0.0, ones, limit, ones, 0.5 * ones)
    expected = 0.5 / (1.0 + np.exp(-np.clip(1.702 * (np.abs(gain) - limit), -30.0, 30.0)))
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@given(GAINS)
def test_best_sum_is_that_of_some_stretch(gain):
    """The largest sum over a stretch of frames is the largest difference of two running totals."""
    total = np.concatenate([np.zeros((len(gain), 1)), np.cumsum(gain, axis=1)], axis=1)
    best = [max(row[j] - row[i] for j in range(1, row.size) for i in range(j)) for row in total]
    np.testing.assert_allclose(kernels.best_sums(gain), best, atol=1e-9)

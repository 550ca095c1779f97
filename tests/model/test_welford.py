"""Laws of the running mean and variance."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from defectmap.model.welford import WelfordState

samples = hnp.arrays(np.uint16, st.tuples(st.integers(1, 30), st.just(3)))


def state_of(values: np.ndarray) -> WelfordState:
    """Return the state of values of shape (frames, sites)."""
    wide = values.astype(np.uint64)
    n = np.full(values.shape[1], len(values), np.uint32)
    return WelfordState.from_sums(n, wide.sum(axis=0), (wide * wide).sum(axis=0))


@given(samples)
def test_state_is_mean_and_variance(values: np.ndarray) -> None:
    """The state read out of the sums is numpy's mean and variance."""
    state = state_of(values)
    np.testing.assert_allclose(state.mean, values.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(state.variance, values.var(axis=0), rtol=1e-9, atol=1e-9)


@given(samples, samples)
def test_merge_is_the_state_of_both_samples(first: np.ndarray, second: np.ndarray) -> None:
    """Chan's merge of two states is the state of the sums added."""
    merged = state_of(first).merge(state_of(second))
    both = state_of(np.concatenate([first, second]))
    assert np.array_equal(merged.n, both.n)
    np.testing.assert_allclose(merged.mean, both.mean, rtol=1e-12)
    np.testing.assert_allclose(merged.m2, both.m2, rtol=1e-9, atol=1e-6)


def test_sums_too_large_for_integers_still_give_a_variance() -> None:
    """Where count times squares leaves 64 bits the variance is still right to many digits."""
    n, value = 3_000_000, 65_535
    state = WelfordState.from_sums(
        np.array([n]),
        np.array([n // 2 * (value - 1) + n // 2 * value]),
        np.array([n // 2 * ((value - 1) ** 2 + value**2)]),
    )
    np.testing.assert_allclose(state.variance, 0.25, rtol=1e-3)


def test_no_value_is_no_variance() -> None:
    """A photosite that never said anything has no variance, and its mean is zero."""
    zero = np.zeros(1, np.uint64)
    state = WelfordState.from_sums(zero, zero, zero)
    assert np.isnan(state.variance[0])
    assert state.mean[0] == 0

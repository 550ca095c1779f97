"""Compiled passes over planes of scores, against plain numpy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from defectmap.model import score_kernels as kernels
from defectmap.model.scores import median_of

FLOATS = st.floats(width=32, allow_nan=False, allow_subnormal=False)


@given(hnp.arrays(np.float32, st.integers(1, 60), elements=FLOATS), st.data())
def test_ranks_are_those_of_the_sorted(values: np.ndarray, data: st.DataObject) -> None:
    """The value of any rank, and the next, are those that sorting gives."""
    rank = data.draw(st.integers(0, values.size - 1))
    ordered = np.sort(values)
    found = kernels.ranked(values.view(np.uint32), rank).view(np.float32)
    assert found[0] == ordered[rank]
    if rank + 1 < values.size:
        assert found[1] == ordered[rank + 1]


@pytest.mark.parametrize("size", [5_000, 5_001])
def test_median_is_that_of_numpy(size: int) -> None:
    """The median of many numbers has the same bits as numpy's."""
    values = np.random.default_rng(size).standard_normal(size).astype(np.float32)
    assert median_of(values) == float(np.median(values))


def test_ratios_are_those_of_numpy() -> None:
    """Sums over roots of weights have the bits that numpy gives them; without weight they are 0."""
    rng = np.random.default_rng(1)
    total, weight = rng.integers(-(1 << 40), 1 << 40, (30, 40)), rng.integers(0, 1 << 50, (30, 40))
    weight[rng.random(weight.shape) < 0.2] = 0
    score, known = np.empty(total.shape, np.float32), np.empty(total.shape, bool)
    kernels.ratios(total, weight.astype(np.uint64), score, known)
    expected = np.zeros(total.shape, np.float32)
    root = np.sqrt(weight.astype(np.uint64), dtype=np.float32)
    np.divide(total, root, out=expected, where=root > 0, casting="unsafe")
    np.testing.assert_array_equal(score, expected)
    np.testing.assert_array_equal(known, weight > 0)


def test_sizes_of_the_healthy() -> None:
    """Sizes are told of what is known and not around what stands out; of many every k-th."""
    rng = np.random.default_rng(2)
    score = rng.standard_normal((50, 60)).astype(np.float32)
    score[20, 30], score[0, 0] = 9, -9
    known = rng.random(score.shape) < 0.9
    near = np.zeros(score.shape, bool)
    kernels.mark_around(score, np.float32(6), 4, near)
    expected = np.zeros(score.shape, bool)
    expected[16:25, 26:35] = expected[:5, :5] = True
    np.testing.assert_array_equal(near, expected)
    healthy = np.abs(score[known & ~near])
    np.testing.assert_array_equal(kernels.some_sizes(score, known, near, 10_000), healthy)
    np.testing.assert_array_equal(
        kernels.some_sizes(score, known, near, 100), healthy[:: healthy.size // 100]
    )


def test_lanes_are_the_columns_or_the_rows() -> None:
    """Every k-th site of some columns, or of some rows, is told, and NaN where nothing is known."""
    rng = np.random.default_rng(3)
    score = rng.standard_normal((37, 50)).astype(np.float32)
    known = rng.random(score.shape) < 0.9
    seen = np.where(known, score, np.float32(np.nan))
    for first, step in ((0, 1), (1, 2), (2, 5)):
        down, across = seen[first::step].T, seen[:, first::step]
        for begin, past in ((0, 37), (7, 30)):
            part = kernels.lanes(score, known, first, step, down.shape[1], begin, past)
            np.testing.assert_array_equal(part, down[begin:past])
            part = kernels.lanes_across(score, known, first, step, across.shape[1], begin, past)
            np.testing.assert_array_equal(part, across[begin:past])


@pytest.mark.parametrize("step", [1, 2])
def test_lines_with_runs_are_marked(step: int) -> None:
    """A line is marked if some run, of all or of every second site, sums up to what is asked, either way."""
    rng = np.random.default_rng(4)
    values = np.clip(rng.standard_normal((200, 8)), -1.5, 1.5).astype(np.float32)
    values[50 : 50 + 14 * step : step, 3] = 3
    values[101 : 101 + 14 * step : step, 5] = -3
    demands = np.full((1, 8), 2, np.float32)
    known = np.ones(values.shape, bool)
    assert np.flatnonzero(kernels.holding_runs(values, known, demands, 12)).tolist() == [3, 5]
    known[40:140] = False
    assert not kernels.holding_runs(values, known, demands, 12).any()

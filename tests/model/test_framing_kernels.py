"""Sums of blocks."""

from __future__ import annotations

import numpy as np
import pytest

from defectmap.model.framing_kernels import block_sums


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_blocks_are_summed_exactly(dtype: type) -> None:
    """Each block has the sum of its photosites; one without rows or columns has that of its first."""
    top = np.iinfo(dtype).max
    plane = np.random.default_rng(1).integers(top // 2, top, (300, 700), dtype, endpoint=True)
    rows, cols = np.array([0, 120, 120, 300]), np.array([0, 1, 650, 700])
    sums = np.empty((3, 3), np.uint64)
    block_sums(plane, rows, cols, sums)
    for i, (top_row, bottom) in enumerate([(0, 120), (120, 121), (120, 300)]):
        for j, (left, right) in enumerate([(0, 1), (1, 650), (650, 700)]):
            assert sums[i, j] == plane[top_row:bottom, left:right].sum(dtype=np.uint64)

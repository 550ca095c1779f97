"""Compiled inner loop that sums a plane block by block; called through `scenes`."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def block_sums(plane, rows, cols, sums):  # type: ignore[no-untyped-def]
    """Sum the blocks that begin at `rows` and `cols` (one more of each: the ends) into `sums`, uint64.

    A block of no rows or columns counts the one that it begins at.
    """
    sums[...] = 0
    for i in range(sums.shape[0]):
        for r in range(rows[i], max(rows[i + 1], rows[i] + 1)):
            for j in range(sums.shape[1]):
                part = plane[r, cols[j] : max(cols[j + 1], cols[j] + 1)]
                total = np.uint32(0)
                for c in range(part.shape[0]):
                    total = np.uint32(total + np.uint32(part[c]))
                sums[i, j] += np.uint64(total)

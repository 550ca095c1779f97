"""Compiled search for connected sites; called through `decide`."""

# numba infers the types; annotations would only repeat them.
# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator"

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def spans(marked, sites, link):
    """Return the longer side, in sites, of what each flat site is connected with.

    Those of `marked` (rows, cols), bool, that are no more than `link` rows and columns apart are connected.
    """
    height, width = marked.shape
    owner = np.zeros((height, width), np.int32)
    found = np.zeros(sites.shape[0] + 1, np.int64)
    result = np.zeros(sites.shape[0], np.int64)
    stack = np.empty(1024, np.int64)
    for number in range(sites.shape[0]):
        start = sites[number]
        if owner[start // width, start % width]:
            result[number] = found[owner[start // width, start % width]]
            continue
        stack[0], waiting = start, 1
        owner[start // width, start % width] = number + 1
        top, left, bottom, right = height, width, 0, 0
        while waiting:
            waiting -= 1
            r, c = stack[waiting] // width, stack[waiting] % width
            top, bottom, left, right = min(top, r), max(bottom, r), min(left, c), max(right, c)
            for y in range(max(r - link, 0), min(r + link + 1, height)):
                for x in range(max(c - link, 0), min(c + link + 1, width)):
                    if marked[y, x] and owner[y, x] == 0:
                        owner[y, x] = number + 1
                        if waiting == stack.shape[0]:
                            grown = np.empty(2 * waiting, np.int64)
                            grown[:waiting] = stack
                            stack = grown
                        stack[waiting] = y * width + x
                        waiting += 1
        found[number + 1] = max(bottom - top, right - left) + 1
        result[number] = found[number + 1]
    return result

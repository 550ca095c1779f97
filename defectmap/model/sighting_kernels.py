"""Compiled inner loops that take up the few sites that stand out in a frame; called through `prediction`."""

from __future__ import annotations

import numpy as np
from numba import njit

from defectmap.model.kernels import VOTE, Z_INVALID, Z_UNIT, rank8

_GATE = 4 * Z_UNIT
_FAINTEST = 7 * Z_UNIT // 2

_STRETCH = 64
"""Sites of a row that are looked at together: mostly none of them stands out."""

_SHARED = 0.12
"""Share of a spike in an adjacent site of another colour above which that one shows it."""


@njit(inline="always", cache=True)
def _neighbourhood(padded, r, c, dy, dx):  # type: ignore[no-untyped-def]
    """Rank the eight neighbours of padded position (r, c) that the offsets name."""
    return rank8(
        np.int32(padded[r + dy[0], c + dx[0]]),
        np.int32(padded[r + dy[1], c + dx[1]]),
        np.int32(padded[r + dy[2], c + dx[2]]),
        np.int32(padded[r + dy[3], c + dx[3]]),
        np.int32(padded[r + dy[4], c + dx[4]]),
        np.int32(padded[r + dy[5], c + dx[5]]),
        np.int32(padded[r + dy[6], c + dx[6]]),
        np.int32(padded[r + dy[7], c + dx[7]]),
    )


@njit(cache=True, nogil=True)
def _residual2(padded, pad, r, c, o):  # type: ignore[no-untyped-def]
    """Twice the value less the prediction, in DN."""
    _, low, high, _, _ = _neighbourhood(padded, r + pad, c + pad, o[:, 0], o[:, 1])
    return 2 * np.int32(padded[r + pad, c + pad]) - low - high


@njit(cache=True, nogil=True)
def _shared(padded, pad, r, c, offsets, colours, residual, height, width):  # type: ignore[no-untyped-def]
    """Whether the adjacent photosites of other colours show the spike: a lens cannot light one site alone.

    All but one of four must, so that neither a bad neighbour nor a block of two by two makes a scene.
    """
    rows, cols = colours.shape
    sharing, others = 0, 0
    for dy, dx in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        rr = r + dy
        cc = c + dx
        if rr < 0 or cc < 0 or rr >= height or cc >= width:
            continue
        if colours[rr % rows, cc % cols] == colours[r % rows, c % cols]:
            continue
        share = np.float32(_residual2(padded, pad, rr, cc, offsets[rr % rows, cc % cols])) / residual
        sharing += share > np.float32(_SHARED)
        others += 1
    return others > 1 and sharing >= min(others, 3)


@njit(inline="always", cache=True)
def _room(found, count):  # type: ignore[no-untyped-def]
    """Return the records with room for one more."""
    if count < found.shape[0]:
        return found
    grown = np.empty((2 * count, found.shape[1]), found.dtype)
    for i in range(count):  # a slice would take seconds to compile
        for k in range(found.shape[1]):
            grown[i, k] = found[i, k]
    return grown


@njit(cache=True, nogil=True)
def _stands_out(scores):  # type: ignore[no-untyped-def]
    """Whether any of some scores needs a look; without a branch, so that many are compared at once."""
    some = False
    for c in range(scores.shape[0]):
        some |= (scores[c] >= _FAINTEST) | ((scores[c] <= -_FAINTEST) & (scores[c] != Z_INVALID))
    return some


@njit(cache=True, nogil=True)
def _next(row, c):  # type: ignore[no-untyped-def]
    """Return the next site of a row that stands out, from c on; the end of the row where none does."""
    width = row.shape[0]
    while c < width:
        stop = min(c + _STRETCH, width)
        if _stands_out(row[c:stop]):
            while abs(np.int32(row[c])) < _FAINTEST or row[c] == Z_INVALID:
                c += 1
            return c
        c = stop
    return width


@njit(cache=True, nogil=True)
def gate_and_sight(padded, pad, offsets, colours, gated, first, z):  # type: ignore[no-untyped-def]
    """Void the spikes of the scene; return the sites that stand out, and those that do so faintly.

    The rows of `z` are those from `first` on of the padded readings; sites are counted from its first.

    Returns
    -------
    loud : ndarray of shape (n, 3), float64
        Site, value, prediction.
    faint : ndarray of shape (m, 2), int64
        Site and score, of at least 3.5 standard deviations.
    """
    rows, cols = colours.shape
    height, width = padded.shape[0] - 2 * pad, z.shape[1]
    loud, faint = np.empty((4096, 3), np.float64), np.empty((4096, 2), np.int64)
    louds, faints = 0, 0
    for r in range(first, first + z.shape[0]):
        row = z[r - first]
        c = -1
        while True:
            c = _next(row, c + 1)
            if c == width:
                break
            score = np.int32(row[c])
            if abs(score) >= _GATE:
                residual = _residual2(padded, pad, r, c, offsets[r % rows, c % cols])
                if gated and _shared(
                    padded, pad, r, c, offsets, colours, np.float32(residual), height, width
                ):
                    row[c] = np.int8(Z_INVALID)
                    continue
                if abs(score) > VOTE:
                    loud = _room(loud, louds)
                    value = np.int32(padded[r + pad, c + pad])
                    loud[louds, 0] = (r - first) * width + c
                    loud[louds, 1] = value
                    loud[louds, 2] = value - 0.5 * residual
                    louds += 1
                    continue
            faint = _room(faint, faints)
            faint[faints, 0] = (r - first) * width + c
            faint[faints, 1] = score
            faints += 1
    return loud[:louds], faint[:faints]

"""Compiled inner loops that add scored frames to the sums; called through `evidence`.

Every sum is an exact integer, so that frames may be added in any order, in any number of parts, and taken out
again, with the same bits as result.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from defectmap.model.kernels import VOTE, Z_INVALID, Z_UNIT

_CLIP = 5 * Z_UNIT


@njit(cache=True, nogil=True)
def mark_ties(padded, z, ties, frames):  # type: ignore[no-untyped-def]
    """Count ties with the largest neighbour into `ties`, and the frames that could show one into `frames`.

    The largest of the eight nearest of the same phase of a 2x2 pattern, or of the 24 nearest of any colour;
    `padded` reaches two beyond the plane.
    """
    height, width = z.shape
    tall, middle = np.empty(width + 4, padded.dtype), np.empty(width + 4, padded.dtype)
    wide = np.empty(width + 4, padded.dtype)
    for r in range(height):
        a, b, c, d, e = padded[r], padded[r + 1], padded[r + 2], padded[r + 3], padded[r + 4]
        for i in range(width + 4):
            tall[i] = max(a[i], e[i])
            middle[i] = max(tall[i], c[i])
            wide[i] = max(middle[i], b[i], d[i])
        for i in range(width):
            value = c[i + 2]
            same = max(middle[i], middle[i + 4], tall[i + 2])
            column = max(tall[i + 2], b[i + 2], d[i + 2])
            nearest = max(wide[i], wide[i + 1], wide[i + 3], wide[i + 4], column)
            valid = z[r, i] != Z_INVALID
            tied = (value == same) | (value == nearest)
            ties[r, i] += np.uint16(valid & tied)
            frames[r, i] += np.uint16(valid)


@njit(cache=True, nogil=True)
def _add_values(values, valid, n, value_sum, value_sumsq):  # type: ignore[no-untyped-def]
    for c in range(n.shape[0]):
        value = np.uint64(values[c]) * np.uint64(valid[c])
        n[c] += np.uint32(valid[c])
        value_sum[c] += value
        value_sumsq[c] += value * value


@njit(cache=True, nogil=True)
def _add_scores(z, clipped, z_sum, z_sumsq, over, under):  # type: ignore[no-untyped-def]
    for c in range(z.shape[0]):
        score = np.int32(clipped[c])
        z_sum[c] += score
        z_sumsq[c] += np.uint32(score * score)
        over[c] += np.uint16(np.int32(z[c]) > VOTE)
        under[c] += np.uint16((np.int32(z[c]) < -VOTE) & (z[c] != Z_INVALID))


@njit(cache=True, nogil=True)
def _add_weighted(weight, clipped, total, squares):  # type: ignore[no-untyped-def]
    for c in range(clipped.shape[0]):
        total[c] += weight[c] * np.int64(clipped[c])
        squares[c] += np.uint64(weight[c] * weight[c])


@njit(cache=True, nogil=True)
def accumulate(  # type: ignore[no-untyped-def]
    frames,
    values,
    z,
    noise_code,
    light_code,
    hot_weights,
    offset_weights,
    n,
    value_sum,
    value_sumsq,
    z_sum,
    z_sumsq,
    hot_sum,
    hot_weight,
    offset_sum,
    offset_weight,
    light_sum,
    light_weight,
    over,
    under,
):
    """Add a batch of frames to the sums, one pass over the sums per batch.

    `values`, `z`, `noise_code` and `light_code` are tuples of (rows, cols) arrays, of which the first
    `frames` are added; `hot_weights` and `offset_weights` (frames, 128) int64 give the weights of each
    noise code.
    """
    rows, cols = n.shape
    valid, clipped, weight = np.empty(cols, np.uint8), np.empty(cols, np.int8), np.empty(cols, np.int64)
    for r in range(rows):
        for f in range(frames):
            score, code, light = z[f][r], noise_code[f][r], light_code[f][r]
            for c in range(cols):
                valid[c] = np.uint8(score[c] != Z_INVALID)
                limited = min(max(np.int32(score[c]), np.int32(-_CLIP)), np.int32(_CLIP))
                clipped[c] = np.int8(limited * np.int32(valid[c]))
            _add_values(values[f][r], valid, n[r], value_sum[r], value_sumsq[r])
            _add_scores(score, clipped, z_sum[r], z_sumsq[r], over[r], under[r])
            for c in range(cols):
                weight[c] = hot_weights[f, code[c]] * np.int64(valid[c])
            _add_weighted(weight, clipped, hot_sum[r], hot_weight[r])
            for c in range(cols):
                weight[c] = offset_weights[f, code[c]] * np.int64(valid[c])
            _add_weighted(weight, clipped, offset_sum[r], offset_weight[r])
            for c in range(cols):
                weight[c] = np.int64(light[c]) * np.int64(valid[c])
            _add_weighted(weight, clipped, light_sum[r], light_weight[r])

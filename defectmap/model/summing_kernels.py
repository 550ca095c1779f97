"""Compiled inner loops that add scored frames to the sums; called through `tally`.

Every sum is an exact integer, so that frames may be added in any order, in any number of parts, and taken out
again, with the same bits as result. Four frames are added up before memory is touched, each kind of sums in a
loop of its own that runs on vector registers.
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
    `padded` reaches two beyond the rows and columns of `z`.
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
            ties[r, i] += np.uint8(valid & tied)
            frames[r, i] += np.uint8(valid)


@njit(inline="always", cache=True)
def _valid(z):  # type: ignore[no-untyped-def]
    return np.uint8(z != Z_INVALID)


@njit(inline="always", cache=True)
def _over(z):  # type: ignore[no-untyped-def]
    return np.uint8(z > VOTE)


@njit(inline="always", cache=True)
def _under(z):  # type: ignore[no-untyped-def]
    return np.uint8((z < -VOTE) & (z != Z_INVALID))


@njit(inline="always", cache=True)
def _clipped(z):  # type: ignore[no-untyped-def]
    limited = min(max(np.int32(z), np.int32(-_CLIP)), np.int32(_CLIP))
    return np.int32(0) if z == Z_INVALID else limited


@njit(inline="always", cache=True)
def _sixteenths(z):  # type: ignore[no-untyped-def]
    """Square a score in sixteenths."""
    return (z * z + np.int32(Z_UNIT // 2)) >> np.int32(4)


@njit(inline="always", cache=True)
def _known(value, z):  # type: ignore[no-untyped-def]
    return np.uint32(0) if z == Z_INVALID else np.uint32(value)


@njit(inline="always", cache=True)
def _squared(number):  # type: ignore[no-untyped-def]
    return np.uint64(number) * np.uint64(number)


@njit(cache=True, nogil=True)
def _add_counts(z, n, over, under):  # type: ignore[no-untyped-def]
    s, t, u, v = z
    for c in range(n.shape[0]):
        n[c] += np.uint8(_valid(s[c]) + _valid(t[c]) + _valid(u[c]) + _valid(v[c]))
        over[c] += np.uint8(_over(s[c]) + _over(t[c]) + _over(u[c]) + _over(v[c]))
        under[c] += np.uint8(_under(s[c]) + _under(t[c]) + _under(u[c]) + _under(v[c]))


@njit(cache=True, nogil=True)
def _add_scores(z, z_sum, z_sumsq):  # type: ignore[no-untyped-def]
    s, t, u, v = z
    for c in range(z_sum.shape[0]):
        i, j, k, m = _clipped(s[c]), _clipped(t[c]), _clipped(u[c]), _clipped(v[c])
        z_sum[c] += np.int16(i + j + k + m)
        z_sumsq[c] += np.uint16(_sixteenths(i) + _sixteenths(j) + _sixteenths(k) + _sixteenths(m))


@njit(cache=True, nogil=True)
def _add_values(values, z, value_sum, value_sumsq):  # type: ignore[no-untyped-def]
    (a, b, d, e), (s, t, u, v) = values, z
    for c in range(value_sum.shape[0]):
        i, j = _known(a[c], s[c]), _known(b[c], t[c])
        k, m = _known(d[c], u[c]), _known(e[c], v[c])
        value_sum[c] += np.uint32(i + j + k + m)
        value_sumsq[c] += _squared(i) + _squared(j) + _squared(k) + _squared(m)


@njit(cache=True, nogil=True)
def _add_light(light, z, total, squares):  # type: ignore[no-untyped-def]
    (a, b, d, e), (s, t, u, v) = light, z
    for c in range(total.shape[0]):
        i, j = np.int32(_known(a[c], s[c])), np.int32(_known(b[c], t[c]))
        k, m = np.int32(_known(d[c], u[c])), np.int32(_known(e[c], v[c]))
        scores = i * _clipped(s[c]) + j * _clipped(t[c]) + k * _clipped(u[c]) + m * _clipped(v[c])
        total[c] += np.int32(scores)
        squares[c] += np.uint32(i * i + j * j + k * k + m * m)


@njit(cache=True, nogil=True)
def _fetch(pairs, code, z, place, pair, low, high):  # type: ignore[no-untyped-def]
    """Look up the pair of weights of each noise code; from 128 on `pairs` is for sites that say nothing."""
    for c in range(place.shape[0]):
        place[c] = np.uint8(code[c] | (np.uint8(z[c] == Z_INVALID) << np.uint8(7)))
    for c in range(place.shape[0]):
        pair[c] = pairs[place[c]]
    for c in range(place.shape[0]):
        low[c] = np.int32(pair[c])
        high[c] = np.int32(pair[c] >> np.uint64(32))


@njit(cache=True, nogil=True)
def _add_weighted(weights, z, total, squares):  # type: ignore[no-untyped-def]
    a, b, d, e = weights[0], weights[1], weights[2], weights[3]
    s, t, u, v = z
    for c in range(total.shape[0]):
        scores = a[c] * _clipped(s[c]) + b[c] * _clipped(t[c]) + d[c] * _clipped(u[c]) + e[c] * _clipped(v[c])
        total[c] += np.int32(scores)
        squares[c] += _squared(a[c]) + _squared(b[c]) + _squared(d[c]) + _squared(e[c])


@njit(cache=True, nogil=True)
def add_frames(  # type: ignore[no-untyped-def]
    frames,
    padded,
    pad,
    z,
    noise_code,
    light_code,
    weights,
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
    """Add some rows of four frames to the sums.

    `padded`, `z`, `noise_code` and `light_code` are tuples of four (rows, cols) arrays, of which the first
    `frames` are added, `padded` with `pad` more on each side; `weights` (4, 256) uint64 give for each noise
    code the hot weight in the low half and the offset's in the high one, 0 from 128 on.
    """
    rows, cols = n.shape
    hot, offset = np.empty((4, cols), np.int32), np.empty((4, cols), np.int32)
    place, pair = np.empty(cols, np.uint8), np.empty(cols, np.uint64)
    silent = np.full(cols, Z_INVALID, np.int8)
    for r in range(rows):
        scores = (
            z[0][r],
            z[1][r] if frames > 1 else silent,
            z[2][r] if frames > 2 else silent,
            z[3][r] if frames > 3 else silent,
        )
        _add_counts(scores, n[r], over[r], under[r])
        _add_scores(scores, z_sum[r], z_sumsq[r])
        values = (
            padded[0][r + pad, pad : pad + cols],
            padded[1][r + pad, pad : pad + cols],
            padded[2][r + pad, pad : pad + cols],
            padded[3][r + pad, pad : pad + cols],
        )
        _add_values(values, scores, value_sum[r], value_sumsq[r])
        light = (light_code[0][r], light_code[1][r], light_code[2][r], light_code[3][r])
        _add_light(light, scores, light_sum[r], light_weight[r])
        for f in range(4):
            _fetch(weights[f], noise_code[f][r], scores[f], place, pair, hot[f], offset[f])
        _add_weighted(hot, scores, hot_sum[r], hot_weight[r])
        _add_weighted(offset, scores, offset_sum[r], offset_weight[r])

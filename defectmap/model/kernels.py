"""Compiled inner loops of scoring and accumulation; called through `prediction` and `evidence`.

Every sum is an exact integer, so that frames may be added in any order, in any number of parts, and taken out
again, with the same bits as result.
"""

from __future__ import annotations

import numpy as np
from numba import njit

Z_UNIT = 16
"""Steps per standard deviation of the int8 score planes."""

Z_INVALID = -128
"""Marks a photosite that says nothing in this frame."""

_CLIP = 3 * Z_UNIT
_VOTE = 5 * Z_UNIT
_GATE = 3 * Z_UNIT


@njit(inline="always", cache=True)
def _ordered(a, b):  # type: ignore[no-untyped-def]
    return min(a, b), max(a, b)


@njit(inline="always", cache=True)
def _rank8(a, b, c, d, e, f, g, h):  # type: ignore[no-untyped-def]
    """Return the 2nd, 4th, 5th, 7th and 8th smallest of eight (Batcher's odd-even merge sort)."""
    a, b = _ordered(a, b)
    c, d = _ordered(c, d)
    e, f = _ordered(e, f)
    g, h = _ordered(g, h)
    a, c = _ordered(a, c)
    b, d = _ordered(b, d)
    e, g = _ordered(e, g)
    f, h = _ordered(f, h)
    b, c = _ordered(b, c)
    f, g = _ordered(f, g)
    a, e = _ordered(a, e)
    b, f = _ordered(b, f)
    c, g = _ordered(c, g)
    d, h = _ordered(d, h)
    c, e = _ordered(c, e)
    d, f = _ordered(d, f)
    b, c = _ordered(b, c)
    d, e = _ordered(d, e)
    f, g = _ordered(f, g)
    return b, d, e, g, h


@njit(inline="always", cache=True)
def _neighbourhood(padded, r, c, dy, dx):  # type: ignore[no-untyped-def]
    """Rank the eight neighbours of padded position (r, c) that the offsets name."""
    return _rank8(
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
def _rank_row(a, b, c, d, e, f, g, h, second, low, high, seventh, top):  # type: ignore[no-untyped-def]
    """Rank eight rows site by site; plain slices, so that the loop runs on vector registers."""
    for i in range(top.shape[0]):
        second[i], low[i], high[i], seventh[i], top[i] = _rank8(
            np.int32(a[i]),
            np.int32(b[i]),
            np.int32(c[i]),
            np.int32(d[i]),
            np.int32(e[i]),
            np.int32(f[i]),
            np.int32(g[i]),
            np.int32(h[i]),
        )


@njit(inline="always", cache=True)
def _neighbour_row(padded, pad, row, offset, width):  # type: ignore[no-untyped-def]
    start = pad + offset[1]
    return padded[row + pad + offset[0], start : start + width]


@njit(inline="always", cache=True)
def _neighbour_part(padded, pad, row, offset, width, phase, cols):  # type: ignore[no-untyped-def]
    start = pad + offset[1]
    return padded[row + pad + offset[0], start + phase : start + width : cols]


@njit(cache=True, nogil=True)
def _rank_neighbours(padded, pad, row, offsets, ranks):  # type: ignore[no-untyped-def]
    """Fill `ranks` (5, width) with the 2nd, 4th, 5th, 7th and 8th smallest neighbour of each site of a row.

    `offsets` (cols of the pattern, 8, 2) holds one set where the whole row has the same.
    """
    cols, width = offsets.shape[0], ranks.shape[1]
    if cols == 1:
        o = offsets[0]
        _rank_row(
            _neighbour_row(padded, pad, row, o[0], width),
            _neighbour_row(padded, pad, row, o[1], width),
            _neighbour_row(padded, pad, row, o[2], width),
            _neighbour_row(padded, pad, row, o[3], width),
            _neighbour_row(padded, pad, row, o[4], width),
            _neighbour_row(padded, pad, row, o[5], width),
            _neighbour_row(padded, pad, row, o[6], width),
            _neighbour_row(padded, pad, row, o[7], width),
            ranks[0],
            ranks[1],
            ranks[2],
            ranks[3],
            ranks[4],
        )
        return
    for phase in range(cols):
        o = offsets[phase]
        _rank_row(
            _neighbour_part(padded, pad, row, o[0], width, phase, cols),
            _neighbour_part(padded, pad, row, o[1], width, phase, cols),
            _neighbour_part(padded, pad, row, o[2], width, phase, cols),
            _neighbour_part(padded, pad, row, o[3], width, phase, cols),
            _neighbour_part(padded, pad, row, o[4], width, phase, cols),
            _neighbour_part(padded, pad, row, o[5], width, phase, cols),
            _neighbour_part(padded, pad, row, o[6], width, phase, cols),
            _neighbour_part(padded, pad, row, o[7], width, phase, cols),
            ranks[0, phase::cols],
            ranks[1, phase::cols],
            ranks[2, phase::cols],
            ranks[3, phase::cols],
            ranks[4, phase::cols],
        )


@njit(cache=True, nogil=True)
def residual_histogram(  # type: ignore[no-untyped-def]
    padded, pad, height, width, offsets, step, black, histogram
):
    """Count |2 x residual| by level on every `step`-th group of rows into `histogram` (levels, residuals)."""
    rows = offsets.shape[0]
    levels, residuals = histogram.shape
    ranks = np.empty((5, width), np.int32)
    for group in range(0, height // rows, step):
        for phase_row in range(rows):
            r = group * rows + phase_row
            _rank_neighbours(padded, pad, r, offsets[phase_row], ranks)
            for c in range(width):
                twice = ranks[1, c] + ranks[2, c]
                level = level_bin(twice * np.float32(0.5) - black)
                difference = abs(2 * np.int32(padded[r + pad, c + pad]) - twice)
                histogram[min(level, levels - 1), min(difference, residuals - 1)] += 1


@njit(cache=True, nogil=True)
def level_bin(level):  # type: ignore[no-untyped-def]
    """Bin of a level above black: four per octave from 4 DN up."""
    return max(
        np.int64(0), np.int64(4.0 * np.log2(max(level, np.float32(1.0)) * np.float32(0.25) + np.float32(1.0)))
    )


@njit(cache=True, nogil=True)
def score_rows(  # type: ignore[no-untyped-def]
    padded, pad, first, last, offsets, variance, shift, texture, clipped, z, noise_code
):
    """Score rows first..last-1 into `z` (int8) and `noise_code` (uint8).

    `noise_code` holds log2(sigma) in eighths of an octave in its low seven bits, and in the high bit whether
    the value ties with the largest neighbour.
    """
    rows = offsets.shape[0]
    width = z.shape[1]
    ranks = np.empty((5, width), np.int32)
    noise = np.empty(width, np.float32)
    for r in range(first, last):
        _rank_neighbours(padded, pad, r, offsets[r % rows], ranks)
        for c in range(width):
            noise[c] = variance[np.uint32(ranks[1, c] + ranks[2, c]) >> np.uint32(shift)]
        _score_row(padded[r + pad, pad : pad + width], ranks, noise, texture, clipped, z[r], noise_code[r])


@njit(cache=True, nogil=True)
def _score_row(values, ranks, noise, texture, clipped, z, noise_code):  # type: ignore[no-untyped-def]
    for c in range(z.shape[0]):
        value = np.int32(values[c])
        twice = ranks[1, c] + ranks[2, c]
        spread = np.float32(ranks[3, c] - ranks[0, c])
        sigma = np.sqrt(noise[c] + texture * spread * spread)
        score = np.float32(2 * value - twice) * np.float32(0.5 * Z_UNIT) / sigma
        score = min(max(score, np.float32(-127.0)), np.float32(127.0))
        rounded = np.int32(np.floor(score + np.float32(0.5)))
        z[c] = np.int8(np.int32(Z_INVALID) if ranks[3, c] >= clipped else rounded)
        code = (np.float32(max(sigma, np.float32(1.0))).view(np.int32) >> 20) - np.int32(127 << 3)
        tied = np.int32(128) if value == ranks[4, c] else np.int32(0)
        noise_code[c] = np.uint8(min(code, np.int32(127)) | tied)


@njit(cache=True, nogil=True)
def _shared(padded, pad, r, c, offsets, colours, residual, height, width):  # type: ignore[no-untyped-def]
    """Whether adjacent photosites of other colours show the spike: a lens cannot light one site alone."""
    rows, cols = colours.shape
    total = np.float32(0.0)
    others = 0
    for dy, dx in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        rr = r + dy
        cc = c + dx
        if rr < 0 or cc < 0 or rr >= height or cc >= width:
            continue
        if colours[rr % rows, cc % cols] == colours[r % rows, c % cols]:
            continue
        o = offsets[rr % rows, cc % cols]
        _, low, high, _, _ = _neighbourhood(padded, rr + pad, cc + pad, o[:, 0], o[:, 1])
        share = np.float32(2 * np.int32(padded[rr + pad, cc + pad]) - low - high) / residual
        if share > np.float32(0.5):
            return True
        total += share
        others += 1
    return others > 0 and total > np.float32(0.15) * others


@njit(cache=True, nogil=True)
def gate_and_sight(  # type: ignore[no-untyped-def]
    padded, pad, offsets, colours, variance, shift, texture, gated, z
):
    """Void the spikes of the scene; return (site, value, prediction, sigma) of the sites that stand out.

    Returns
    -------
    ndarray of shape (n, 4), float64
    """
    rows, cols = colours.shape
    height, width = z.shape
    found = np.empty((4096, 4), np.float64)
    count = 0
    for r in range(height):
        for c in range(width):
            score = np.int32(z[r, c])
            if score == Z_INVALID or abs(score) < _GATE:
                continue
            o = offsets[r % rows, c % cols]
            second, low, high, seventh, _ = _neighbourhood(padded, r + pad, c + pad, o[:, 0], o[:, 1])
            twice = low + high
            value = np.int32(padded[r + pad, c + pad])
            residual = np.float32(2 * value - twice)
            if gated and _shared(padded, pad, r, c, offsets, colours, residual, height, width):
                z[r, c] = np.int8(Z_INVALID)
            elif abs(score) > _VOTE:
                spread = np.float32(seventh - second)
                sigma = np.sqrt(variance[twice >> shift] + texture * spread * spread)
                if count == found.shape[0]:
                    grown = np.empty((2 * count, 4), np.float64)
                    grown[:count] = found
                    found = grown
                found[count, 0] = r * width + c
                found[count, 1] = value
                found[count, 2] = 0.5 * twice
                found[count, 3] = sigma
                count += 1
    return found[:count]


@njit(cache=True, nogil=True)
def accumulate(  # type: ignore[no-untyped-def]
    frames,
    values,
    z,
    noise_code,
    weights,
    n,
    value_sum,
    value_sumsq,
    z_sum,
    z_sumsq,
    hot_sum,
    hot_weight,
    over,
    under,
    ties,
):
    """Add a batch of frames to the sums, one pass over the sums per batch.

    `values`, `z` and `noise_code` are tuples of (rows, cols) arrays, of which the first `frames` are added;
    `weights` (frames, 128) int64 gives the exposure weight of each noise code.
    """
    rows, cols = n.shape
    for r in range(rows):
        for f in range(frames):
            weight = weights[f]
            frame_values, frame_z, frame_code = values[f], z[f], noise_code[f]
            for c in range(cols):
                score = np.int32(frame_z[r, c])
                if score == Z_INVALID:
                    continue
                value = np.uint64(frame_values[r, c])
                code = frame_code[r, c]
                clipped = min(max(score, np.int32(-_CLIP)), np.int32(_CLIP))
                w = weight[code & np.uint8(127)]
                n[r, c] += 1
                value_sum[r, c] += value
                value_sumsq[r, c] += value * value
                z_sum[r, c] += clipped
                z_sumsq[r, c] += clipped * clipped
                hot_sum[r, c] += w * clipped
                hot_weight[r, c] += w * w
                over[r, c] += score > _VOTE
                under[r, c] += score < -_VOTE
                ties[r, c] += code >> np.uint8(7)

"""Compiled inner loops of scoring; called through `prediction`."""

from __future__ import annotations

import numpy as np
from numba import njit

Z_UNIT = 16
"""Steps per standard deviation of the int8 score planes."""

Z_INVALID = -128
"""Marks a photosite that says nothing in this frame."""

VOTE = 5 * Z_UNIT
"""Scores beyond stand out."""

_WIDE, _SILENT = 32767, -32768
_UNREST_LIMIT = 3 * Z_UNIT
_USUAL_UNREST = Z_UNIT


@njit(inline="always", cache=True)
def _ordered(a, b):  # type: ignore[no-untyped-def]
    return min(a, b), max(a, b)


@njit(inline="always", cache=True)
def rank8(a, b, c, d, e, f, g, h):  # type: ignore[no-untyped-def]
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


@njit(cache=True, nogil=True)
def _rank_row(a, b, c, d, e, f, g, h, second, low, high, seventh, top):  # type: ignore[no-untyped-def]
    """Rank eight rows site by site; plain slices, so that the loop runs on vector registers."""
    for i in range(top.shape[0]):
        second[i], low[i], high[i], seventh[i], top[i] = rank8(
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
def _first_score(  # type: ignore[no-untyped-def]
    padded, pad, r, offsets, variance, shift, texture, clipped, ranks, noise, score, sigma, light, height
):
    """Score row r against the noise at its level and the spread of the neighbours.

    `score` (int16) is in sixteenths of `sigma`, the standard deviation in DN; `light` is the prediction in
    DN. Beyond the plane the nearest row stands in.
    """
    r = min(max(r, 0), height - 1)
    width = score.shape[0]
    _rank_neighbours(padded, pad, r, offsets[r % offsets.shape[0]], ranks)
    for c in range(width):
        noise[c] = variance[np.uint32(ranks[1, c] + ranks[2, c]) >> np.uint32(shift)]
    _score_row(padded[r + pad, pad : pad + width], ranks, noise, texture, clipped, score, sigma, light)


@njit(cache=True, nogil=True)
def _score_row(  # type: ignore[no-untyped-def]
    values, ranks, noise, texture, clipped, score, sigma, light
):
    second, low, high, seventh = ranks[0], ranks[1], ranks[2], ranks[3]
    for c in range(score.shape[0]):
        twice = low[c] + high[c]
        spread = np.float32(seventh[c] - second[c])
        width = np.sqrt(noise[c] + texture * spread * spread)
        sigma[c] = width
        light[c] = np.float32(0.5) * np.float32(twice)
        wide = np.float32(2 * np.int32(values[c]) - twice) * np.float32(0.5 * Z_UNIT) / width
        rounded = np.int32(np.floor(wide + np.float32(0.5)))
        rounded = min(max(rounded, np.int32(-_WIDE)), np.int32(_WIDE))
        score[c] = np.int16(np.int32(_SILENT) if seventh[c] >= clipped else rounded)


@njit(cache=True, nogil=True)
def _unrest(score, unrest):  # type: ignore[no-untyped-def]
    """Size of the scores of a row, limited so that no single one says much; unknown ones count as usual."""
    for c in range(score.shape[0]):
        size = min(np.int32(abs(np.int32(score[c]))), np.int32(_UNREST_LIMIT))
        unrest[c] = np.int16(np.int32(_USUAL_UNREST) if score[c] == _SILENT else size)


@njit(cache=True, nogil=True)
def _box_row(column, reach, radius, total):  # type: ignore[no-untyped-def]
    """Sum `column`, which begins `reach` before the row, over 2 x radius + 1 columns around each site."""
    width = total.shape[0]
    first = column[reach - radius : reach - radius + width]
    for c in range(width):
        total[c] = first[c]
    for shift in range(1, 2 * radius + 1):
        part = column[reach - radius + shift : reach - radius + shift + width]
        for c in range(width):
            total[c] += part[c]


@njit(cache=True, nogil=True)
def _column_sums(ring, r, radius, reach, column):  # type: ignore[no-untyped-def]
    """Sum the rows r - radius .. r + radius of the ring; beyond the edges the nearest column stands in."""
    rows, width = ring.shape
    middle = column[reach : reach + width]
    first = ring[(r - radius + rows) % rows]
    for c in range(width):
        middle[c] = first[c]
    for y in range(1 - radius, radius + 1):
        row = ring[(r + y + rows) % rows]
        for c in range(width):
            middle[c] += row[c]
    for i in range(reach):
        column[i] = column[reach]
        column[-1 - i] = column[-1 - reach]


@njit(cache=True, nogil=True)
def _activity_row(ring, r, outer, inner, column, inside, activity):  # type: ignore[no-untyped-def]
    """Sum the unrest around each site of row r: a square of radius `outer` without that of radius `inner`."""
    _column_sums(ring, r, outer, outer, column)
    _box_row(column, outer, outer, activity)
    _column_sums(ring, r, inner, outer, column)
    _box_row(column, outer, inner, inside)
    for c in range(activity.shape[0]):
        activity[c] -= inside[c]


@njit(cache=True, nogil=True)
def activity_histogram(  # type: ignore[no-untyped-def]
    padded,
    pad,
    offsets,
    variance,
    shift,
    texture,
    clipped,
    height,
    width,
    outer,
    inner,
    step,
    classes,
    histogram,
):
    """Count scores by sign, class of activity and size on every `step`-th row into `histogram`.

    `histogram` (2, classes, scores): those above 0 first; 0 counts on both sides.
    """
    rows = 2 * outer + 1
    ring = np.empty((rows, width), np.int16)
    score, light = np.empty((rows, width), np.int16), np.empty(width, np.float32)
    ranks, noise, sigma = (
        np.empty((5, width), np.int32),
        np.empty(width, np.float32),
        np.empty(width, np.float32),
    )
    column, inside = np.empty(width + 2 * outer, np.int16), np.empty(width, np.int16)
    activity = np.empty(width, np.int16)
    last = histogram.shape[2] - 1
    for middle in range(step // 2, height, step):
        for y in range(-outer, outer + 1):
            slot = (middle + y + rows) % rows
            _first_score(
                padded, pad, middle + y, offsets, variance, shift, texture, clipped,
                ranks, noise, score[slot], sigma, light, height,
            )  # fmt: skip
            _unrest(score[slot], ring[slot])
        _activity_row(ring, middle, outer, inner, column, inside, activity)
        own = score[(middle + rows) % rows]
        for c in range(width):
            if own[c] != _SILENT:
                size = min(abs(np.int32(own[c])), last)
                if own[c] >= 0:
                    histogram[0, classes[activity[c]], size] += 1
                if own[c] <= 0:
                    histogram[1, classes[activity[c]], size] += 1


@njit(cache=True, nogil=True)
def score_rows(  # type: ignore[no-untyped-def]
    padded,
    pad,
    offsets,
    variance,
    shift,
    texture,
    clipped,
    black,
    outer,
    inner,
    narrowings,
    z,
    noise_code,
    light_code,
):
    """Score every site against the noise, the neighbours' spread and the unrest around it.

    Fills `z` (int8, sixteenths of a standard deviation), `noise_code` (uint8, log2 of four times the standard
    deviation in eighths of an octave) and `light_code` (uint8, light in standard deviations). `narrowings`
    (3, sums of activity) float32 are factors on the scores above 0, below 0, and of either sign.
    """
    height, width = z.shape
    rows = 2 * outer + 2
    ring = np.empty((rows, width), np.int16)
    score, sigma = np.empty((rows, width), np.int16), np.empty((rows, width), np.float32)
    light = np.empty((rows, width), np.float32)
    ranks, noise = np.empty((5, width), np.int32), np.empty(width, np.float32)
    column, inside = np.empty(width + 2 * outer, np.int16), np.empty(width, np.int16)
    activity, narrowing = np.empty(width, np.int16), np.empty((2, width), np.float32)
    sums = narrowings.shape[1]
    by_sign = narrowings.ravel()
    for ahead in range(-outer, height + outer):
        slot = (ahead + rows) % rows
        _first_score(
            padded, pad, ahead, offsets, variance, shift, texture, clipped,
            ranks, noise, score[slot], sigma[slot], light[slot], height,
        )  # fmt: skip
        _unrest(score[slot], ring[slot])
        r = ahead - outer
        if r < 0:
            continue
        _activity_row(ring, r, outer, inner, column, inside, activity)
        for c in range(width):
            narrowing[0, c] = by_sign[
                np.int32(activity[c]) + (np.int32(sums) if score[r % rows, c] < 0 else 0)
            ]
            narrowing[1, c] = by_sign[np.int32(activity[c]) + np.int32(2 * sums)]
        slot = r % rows
        _final_score(
            score[slot],
            sigma[slot],
            light[slot],
            narrowing[0],
            narrowing[1],
            black,
            z[r],
            noise_code[r],
            light_code[r],
        )


@njit(cache=True, nogil=True)
def _final_score(  # type: ignore[no-untyped-def]
    score, sigma, light, narrowing, usual, black, z, noise_code, light_code
):
    for c in range(z.shape[0]):
        rounded = np.int32(np.floor(np.float32(score[c]) * narrowing[c] + np.float32(0.5)))
        rounded = min(max(rounded, np.int32(-127)), np.int32(127))
        z[c] = np.int8(np.int32(Z_INVALID) if score[c] == _SILENT else rounded)
    for c in range(z.shape[0]):
        bits = np.float32(np.float32(4.0) * sigma[c] / usual[c]).view(np.int32)
        code = min(max((bits >> 20) - np.int32(127 << 3), np.int32(0)), np.int32(127))
        noise_code[c] = np.uint8(code)
        # In units of what the code stands for, the middle of its step, so that the sums agree with the codes.
        coded = np.int32(((code + np.int32(127 << 3)) << 20) | np.int32(1 << 19)).view(np.float32)
        signal = np.int32((light[c] - black) * np.float32(4.0) / coded + np.float32(0.5))
        light_code[c] = np.uint8(min(max(signal, np.int32(0)), np.int32(255)))

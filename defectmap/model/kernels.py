"""Compiled inner loops of scoring; called through `prediction`.

They run on vector registers as long as nothing in them branches. That is why nothing is raised on a division
by zero (`error_model`), why ranks keep the type of the readings, and why tables are looked up in loops of
their own.
"""

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


@njit(cache=True, nogil=True, error_model="numpy")
def _rank_row(a, b, c, d, e, f, g, h, second, low, high, seventh):  # type: ignore[no-untyped-def]
    """Rank eight rows site by site."""
    for i in range(low.shape[0]):
        second[i], low[i], high[i], seventh[i], _ = rank8(a[i], b[i], c[i], d[i], e[i], f[i], g[i], h[i])


@njit(inline="always", cache=True)
def _neighbour_row(padded, pad, row, offset, width):  # type: ignore[no-untyped-def]
    start = pad + offset[1]
    return padded[row + pad + offset[0], start : start + width]


@njit(inline="always", cache=True)
def _neighbour_part(padded, pad, row, offset, width, phase, cols):  # type: ignore[no-untyped-def]
    start = pad + offset[1]
    return padded[row + pad + offset[0], start + phase : start + width : cols]


@njit(cache=True, nogil=True, error_model="numpy")
def _rank_neighbours(padded, pad, row, offsets, ranks):  # type: ignore[no-untyped-def]
    """Fill `ranks` (4, width) with the 2nd, 4th, 5th and 7th smallest neighbour of each site of a row.

    `offsets` (8, 2) holds those of every site, or (rows, cols of the pattern, 8, 2) those of each phase. Only
    the branch for its dimensions is compiled.
    """
    width = ranks.shape[1]
    if offsets.ndim == 2:
        _rank_row(
            _neighbour_row(padded, pad, row, offsets[0], width),
            _neighbour_row(padded, pad, row, offsets[1], width),
            _neighbour_row(padded, pad, row, offsets[2], width),
            _neighbour_row(padded, pad, row, offsets[3], width),
            _neighbour_row(padded, pad, row, offsets[4], width),
            _neighbour_row(padded, pad, row, offsets[5], width),
            _neighbour_row(padded, pad, row, offsets[6], width),
            _neighbour_row(padded, pad, row, offsets[7], width),
            ranks[0],
            ranks[1],
            ranks[2],
            ranks[3],
        )
    else:
        cols = offsets.shape[1]
        for phase in range(cols):
            o = offsets[row % offsets.shape[0], phase]
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
            )


@njit(cache=True, nogil=True, error_model="numpy")
def residual_histogram(  # type: ignore[no-untyped-def]
    padded, pad, height, width, offsets, period, step, bins, histogram
):
    """Count |2 x residual| by level on every `step`-th group of `period` rows.

    `bins` holds the bin of each twice predicted level; `histogram` (levels, residuals) is added to.
    """
    last = np.int32(histogram.shape[1] - 1)
    ranks = np.empty((4, width), padded.dtype)
    twice, size = np.empty(width, np.int32), np.empty(width, np.int32)
    for group in range(0, height // period, step):
        for r in range(group * period, (group + 1) * period):
            _rank_neighbours(padded, pad, r, offsets, ranks)
            _residual_row(padded[r + pad, pad : pad + width], ranks[1], ranks[2], last, twice, size)
            for c in range(width):
                histogram[bins[twice[c]], size[c]] += 1


@njit(cache=True, nogil=True, error_model="numpy")
def _residual_row(values, low, high, last, twice, size):  # type: ignore[no-untyped-def]
    for c in range(size.shape[0]):
        twice[c] = np.int32(low[c]) + np.int32(high[c])
        size[c] = min(abs(np.int32(2) * np.int32(values[c]) - twice[c]), last)


@njit(cache=True, nogil=True, error_model="numpy")
def level_bins(black, bins):  # type: ignore[no-untyped-def]
    """Fill `bins` by twice the level in DN: four per octave from 4 DN above black up."""
    for twice in range(bins.shape[0]):
        level = np.float32(0.5) * np.float32(twice) - black
        octaves = np.log2(max(level, np.float32(1.0)) * np.float32(0.25) + np.float32(1.0))
        bins[twice] = np.uint8(max(np.int64(0), np.int64(4.0 * octaves)))


@njit(cache=True, nogil=True, error_model="numpy")
def _first_score(  # type: ignore[no-untyped-def]
    padded, pad, r, offsets, variance, shift, texture, clipped, ranks, noise, score, sigma, light, height
):
    """Score row r against the noise at its level and the spread of the neighbours.

    `score` (int16) is in sixteenths of `sigma`, the standard deviation in DN; `light` is the prediction in
    DN. Beyond the plane the nearest row stands in.
    """
    r = min(max(r, 0), height - 1)
    width = score.shape[0]
    _rank_neighbours(padded, pad, r, offsets, ranks)
    for c in range(width):
        noise[c] = variance[(np.uint32(ranks[1, c]) + np.uint32(ranks[2, c])) >> np.uint32(shift)]
    _score_row(padded[r + pad, pad : pad + width], ranks, noise, texture, clipped, score, sigma, light)


@njit(cache=True, nogil=True, error_model="numpy")
def _score_row(  # type: ignore[no-untyped-def]
    values, ranks, noise, texture, clipped, score, sigma, light
):
    second, low, high, seventh = ranks[0], ranks[1], ranks[2], ranks[3]
    for c in range(score.shape[0]):
        twice = np.int32(low[c]) + np.int32(high[c])
        spread = np.float32(np.int32(seventh[c]) - np.int32(second[c]))
        width = np.sqrt(noise[c] + texture * spread * spread)
        sigma[c] = width
        light[c] = np.float32(0.5) * np.float32(twice)
        wide = np.float32(np.int32(2) * np.int32(values[c]) - twice) * np.float32(0.5 * Z_UNIT) / width
        rounded = np.int32(np.floor(wide + np.float32(0.5)))
        rounded = min(max(rounded, np.int32(-_WIDE)), np.int32(_WIDE))
        score[c] = np.int16(np.int32(_SILENT) if np.int32(seventh[c]) >= clipped else rounded)


@njit(cache=True, nogil=True, error_model="numpy")
def _unrest(score, unrest):  # type: ignore[no-untyped-def]
    """Size of the scores of a row, limited so that no single one says much; unknown ones count as usual."""
    for c in range(score.shape[0]):
        size = min(np.int32(abs(np.int32(score[c]))), np.int32(_UNREST_LIMIT))
        unrest[c] = np.int16(np.int32(_USUAL_UNREST) if score[c] == _SILENT else size)


@njit(cache=True, nogil=True, error_model="numpy")
def _box_row(column, reach, radius, total):  # type: ignore[no-untyped-def]
    """Sum `column`, which begins `reach` before the row, over 2 x radius + 1 columns around each site."""
    width = total.shape[0]
    middle = column[reach : reach + width]
    for c in range(width):
        total[c] = middle[c]
    for shift in range(1, radius + 1):
        left = column[reach - shift : reach - shift + width]
        right = column[reach + shift : reach + shift + width]
        for c in range(width):
            total[c] += left[c] + right[c]


@njit(cache=True, nogil=True, error_model="numpy")
def _exchange(column, reach, entering, leaving):  # type: ignore[no-untyped-def]
    """Let a row enter the sums by column and another leave; beyond the edges the nearest column stands in."""
    middle = column[reach : reach + entering.shape[0]]
    for c in range(entering.shape[0]):
        middle[c] += entering[c] - leaving[c]
    column[:reach] = column[reach]
    column[reach + entering.shape[0] :] = column[reach + entering.shape[0] - 1]


@njit(cache=True, nogil=True, error_model="numpy")
def _activity_row(  # type: ignore[no-untyped-def]
    wide, narrow, outer, inner, inside, activity
):
    """Sum the unrest around each site of a row: a square of radius `outer` without that of radius `inner`.

    `wide` and `narrow` are the sums by column over the rows of the two squares.
    """
    _box_row(wide, outer, outer, activity)
    _box_row(narrow, outer, inner, inside)
    for c in range(activity.shape[0]):
        activity[c] -= inside[c]


@njit(cache=True, nogil=True, error_model="numpy")
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
    margin,
    classes,
    histogram,
):
    """Count scores by sign, class of activity and size on every `step`-th row into `histogram`.

    As many columns as `margin` are left out on each side.

    `histogram` (2, classes, scores): those above 0 first; 0 counts on both sides.
    """
    score, own = np.empty(width, np.int16), np.empty(width, np.int16)
    unrest, nothing = np.empty(width, np.int16), np.zeros(width, np.int16)
    ranks, noise = np.empty((4, width), padded.dtype), np.empty(width, np.float32)
    sigma, light = np.empty(width, np.float32), np.empty(width, np.float32)
    wide, narrow = np.empty(width + 2 * outer, np.int16), np.empty(width + 2 * outer, np.int16)
    activity, inside = np.empty(width, np.int16), np.empty(width, np.int16)
    last = np.int32(histogram.shape[2] - 1)
    for middle in range(step // 2, height, step):
        wide[:] = 0
        narrow[:] = 0
        for y in range(-outer, outer + 1):
            _first_score(
                padded, pad, middle + y, offsets, variance, shift, texture, clipped,
                ranks, noise, score, sigma, light, height,
            )  # fmt: skip
            _unrest(score, unrest)
            _exchange(wide, outer, unrest, nothing)
            if abs(y) <= inner:
                _exchange(narrow, outer, unrest, nothing)
            if y == 0:
                for c in range(width):  # a slice would take seconds to compile
                    own[c] = score[c]
        _activity_row(wide, narrow, outer, inner, inside, activity)
        for c in range(margin, width - margin):
            if own[c] != _SILENT:
                size = min(abs(np.int32(own[c])), last)
                histogram[np.uint32(own[c] < 0), classes[np.uint16(activity[c])], np.uint32(size)] += 1
    for kind in range(histogram.shape[1]):
        histogram[1, kind, 0] = histogram[0, kind, 0]


@njit(cache=True, nogil=True, error_model="numpy")
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
    first,
    height,
    z,
    noise_code,
    light_code,
):
    """Score the sites of some rows against the noise, the neighbours' spread and the unrest around them.

    The rows of `z` are those from `first` on of a plane of `height`.

    Fills `z` (int8, sixteenths of a standard deviation), `noise_code` (uint8, log2 of four times the standard
    deviation in eighths of an octave) and `light_code` (uint8, light in standard deviations). `narrowings`
    (2 x sums of activity) uint64, for scores above 0 and for those below by turns, hold two float32, so that
    both are fetched at once: in the low half a factor on the score, in the high one of scores of either sign.
    """
    count, width = z.shape
    rows = 2 * outer + 2  # those of the square, and the one that has just left it
    unrest = np.zeros((rows, width), np.int16)
    score, sigma = np.empty((rows, width), np.int16), np.empty((rows, width), np.float32)
    light = np.empty((rows, width), np.float32)
    ranks, noise = np.empty((4, width), padded.dtype), np.empty(width, np.float32)
    wide, narrow = np.zeros(width + 2 * outer, np.int16), np.zeros(width + 2 * outer, np.int16)
    activity, inside = np.empty(width, np.int16), np.empty(width, np.int16)
    place, pair = np.empty(width, np.uint16), np.empty(width, np.uint64)
    narrowing, usual = np.empty(width, np.float32), np.empty(width, np.float32)
    for ahead in range(first - outer, first + count + outer):
        slot = ahead % rows
        _first_score(
            padded, pad, ahead, offsets, variance, shift, texture, clipped,
            ranks, noise, score[slot], sigma[slot], light[slot], height,
        )  # fmt: skip
        _unrest(score[slot], unrest[slot])
        r = ahead - outer
        _exchange(wide, outer, unrest[slot], unrest[(r - outer - 1) % rows])
        _exchange(narrow, outer, unrest[(r + inner) % rows], unrest[(r - inner - 1) % rows])
        if r < first:
            continue
        _activity_row(wide, narrow, outer, inner, inside, activity)
        slot = r % rows
        _fetch(narrowings, activity, score[slot], place, pair, narrowing, usual)
        _final_score(
            score[slot],
            sigma[slot],
            light[slot],
            narrowing,
            usual,
            black,
            z[r - first],
            noise_code[r - first],
            light_code[r - first],
        )


@njit(cache=True, nogil=True, error_model="numpy")
def _fetch(pairs, activity, score, place, pair, narrowing, usual):  # type: ignore[no-untyped-def]
    for c in range(place.shape[0]):
        place[c] = np.uint16(np.int32(2) * np.int32(activity[c]) + np.int32(score[c] < 0))
    for c in range(place.shape[0]):
        pair[c] = pairs[place[c]]
    for c in range(place.shape[0]):
        narrowing[c] = np.uint32(pair[c]).view(np.float32)
        usual[c] = np.uint32(pair[c] >> np.uint64(32)).view(np.float32)


@njit(cache=True, nogil=True, error_model="numpy")
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

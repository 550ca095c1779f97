"""Compiled passes over planes of scores; called through `scores`, `nulls`, `lines` and `decide`.

What they compute in float32 they compute in the order in which whole planes were computed by numpy, so that
maps do not change by a bit.
"""

# numba infers the types; annotations would only repeat them.
# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator"

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def ratios(total, weight, score, known):
    """Write total / sqrt(weight) into `score`, 0 where there is no weight, and where there is one."""
    for i in range(total.shape[0]):
        for j in range(total.shape[1]):
            root = np.sqrt(np.float32(weight[i, j]))
            known[i, j] = root > 0
            if root > 0:
                score[i, j] = np.float32(np.float64(total[i, j]) / np.float64(root))
            else:
                score[i, j] = np.float32(0)


@njit(cache=True, nogil=True)
def _ordered(bits):
    """Return an integer that is the greater the greater a float32 is, of which `bits` are the bits."""
    one = np.int64(bits)
    return one ^ (0x80000000 + (one >> 31) * 0x7FFFFFFF)


@njit(cache=True, nogil=True)
def ranked(bits, rank):
    """Return the value of a rank (0 for the least) and of the next, among float32 given as their bits.

    Counts of the leading bits tell which numbers are to be looked at more closely.
    """
    left = np.int64(rank)
    counts = np.zeros(2048, np.int64)
    for one in bits:
        counts[_ordered(one) >> 21] += 1
    wanted = 0
    while left >= counts[wanted]:
        left -= counts[wanted]
        wanted += 1
    near = np.empty(counts[wanted] + 1, np.uint32)
    size = 0
    for one in bits:
        key = _ordered(one)
        near[size] = key
        size += key >> 21 == wanted
    for shift, width in ((10, 11), (0, 10)):
        counts[:] = 0
        for key in near[:size]:
            counts[(np.int64(key) >> shift) & ((1 << width) - 1)] += 1
        digit = 0
        while left >= counts[digit]:
            left -= counts[digit]
            digit += 1
        equal, wanted, kept = counts[digit], (wanted << width) | digit, 0
        for key in near[:size]:
            near[kept] = key
            kept += np.int64(key) >> shift == wanted
        size = kept
    following = np.int64(wanted)
    if left + 1 >= equal:
        following = np.int64(0xFFFFFFFF)
        for one in bits:
            key = _ordered(one)
            if wanted < key < following:
                following = key
    result = np.empty(2, np.uint32)
    result[0] = wanted ^ 0x80000000 if wanted >> 31 else 0xFFFFFFFF - wanted
    result[1] = following ^ 0x80000000 if following >> 31 else 0xFFFFFFFF - following
    return result


@njit(cache=True, nogil=True)
def standardise(score, known, centres, factors):
    """Centre and scale in place, by rows of centres and factors that repeat; 0 where nothing is known."""
    period = centres.shape[0]
    for i in range(score.shape[0]):
        centre, factor = centres[i % period], factors[i % period]
        for j in range(score.shape[1]):
            score[i, j] = (score[i, j] - centre[j]) * factor[j] * np.float32(known[i, j])


@njit(cache=True, nogil=True)
def less_row_pattern(score, pattern):
    """Take pattern[column % period, row] out of every score in place."""
    period = pattern.shape[0]
    for i in range(score.shape[0]):
        for phase in range(period):
            shift = pattern[phase, i]
            for j in range(phase, score.shape[1], period):
                score[i, j] -= shift


@njit(cache=True, nogil=True)
def flattened(score, known, columns, rows, flat):
    """Write the scores less columns[row % period, column] and rows[column % period, row], 0 if unknown."""
    for i in range(score.shape[0]):
        column = columns[i % columns.shape[0]]
        for j in range(score.shape[1]):
            flat[i, j] = score[i, j] - column[j]
        for phase in range(rows.shape[0]):
            shift = rows[phase, i]
            for j in range(phase, score.shape[1], rows.shape[0]):
                flat[i, j] -= shift
        for j in range(score.shape[1]):
            flat[i, j] *= np.float32(known[i, j])


@njit(cache=True, nogil=True)
def promising_columns(flat, block, clips, least):
    """Mark the columns with a block of rows of which the sum of clipped values exceeds any of `least`."""
    height, width = flat.shape
    near = np.zeros(width, np.bool_)
    total = np.empty(width, np.float32)
    for first in range(0, height, block):
        for k in range(clips.shape[0]):
            clip = clips[k]
            total[:] = 0
            for i in range(first, min(first + block, height)):
                for j in range(width):
                    total[j] += min(max(flat[i, j], -clip), clip)
            for j in range(width):
                near[j] |= abs(total[j]) > least[k]
    return near


@njit(cache=True, nogil=True)
def promising_rows(flat, block, clips, least):
    """Mark the rows with a block of columns of which the sum of clipped values exceeds any of `least`."""
    height, width = flat.shape
    near = np.zeros(height, np.bool_)
    for i in range(height):
        for k in range(clips.shape[0]):
            clip = clips[k]
            for first in range(0, width, block):
                total = np.float32(0)
                for j in range(first, min(first + block, width)):
                    total += min(max(flat[i, j], -clip), clip)
                near[i] |= abs(total) > least[k]
    return near


@njit(cache=True, nogil=True)
def side_by_side(plane, lines, across):
    """Return some columns of a plane, or across some of its rows, as columns of shape (length, lines)."""
    length, count = plane.shape[1] if across else plane.shape[0], lines.size
    values = np.empty((length, count), plane.dtype)
    for k in range(0, length, 16):
        for first in range(0, count, 16):
            for i in range(first, min(first + 16, count)):
                line = lines[i]
                for j in range(k, min(k + 16, length)):
                    values[j, i] = plane[line, j] if across else plane[j, line]
    return values


@njit(cache=True, nogil=True)
def holding_runs(values, known, demands, fewest):
    """Mark the lines that may hold a run whose mean comes to any demand, whole or at every second site.

    The largest sum of any run is found in one pass (J. Bentley, Commun. ACM 27 (1984) 865-873), here over
    many lines side by side.

    Parameters
    ----------
    values : ndarray of shape (length, lines), float32
    known : ndarray of shape (length, lines), bool
    demands : ndarray of shape (n, lines), float32
    fewest : int
    """
    length, lines = values.shape
    holding = np.zeros(lines, np.bool_)
    whole, most = np.empty(lines, np.float32), np.empty(lines, np.float32)
    halves = np.empty((2, lines), np.float32)
    for d in range(demands.shape[0]):
        half = np.float32(0.5) * demands[d]
        for sign in (np.float32(1), np.float32(-1)):
            whole[:], halves[:], most[:] = 0, 0, 0
            for k in range(length):
                every_second = halves[k & 1]
                for i in range(lines):
                    surplus = min(max(sign * values[k, i], -half[i]), np.float32(3) * half[i]) - half[i]
                    surplus *= np.float32(known[k, i])
                    whole[i] = max(whole[i] + surplus, np.float32(0))
                    every_second[i] = max(every_second[i] + surplus, np.float32(0))
                    most[i] = max(most[i], whole[i], every_second[i])
            for i in range(lines):
                # Sums are rounded: what is equal must not be missed.
                holding[i] |= most[i] >= np.float32(0.999) * fewest * half[i]
    return holding


@njit(cache=True, nogil=True)
def lanes(score, known, first, step, count, left, right):
    """Return the values of some columns at rows `first`, `first + step` and so on, NaN where unknown.

    Returns
    -------
    ndarray of shape (right - left, count), float32
    """
    values = np.empty((right - left, count), np.float32)
    for low in range(0, count, 16):
        for begin in range(left, right, 64):
            for k in range(low, min(low + 16, count)):
                line, good = score[first + k * step], known[first + k * step]
                for j in range(begin, min(begin + 64, right)):
                    values[j - left, k] = line[j] if good[j] else np.float32(np.nan)
    return values


@njit(cache=True, nogil=True)
def lanes_across(score, known, first, step, count, top, bottom):
    """Return the same of some rows at columns `first`, `first + step` and so on."""
    values = np.empty((bottom - top, count), np.float32)
    for i in range(top, bottom):
        line, good = score[i], known[i]
        for k in range(count):
            j = first + k * step
            values[i - top, k] = line[j] if good[j] else np.float32(np.nan)
    return values


@njit(cache=True, nogil=True)
def tails(level, dose, offset, light, limit, near, far):
    """Count the scores beyond `near` and `far`, by filter and sign, of sites all of whose are within limits.

    Returns int64 of shape (4, 2, 2): filter; above, below; near, far.
    """
    counts = np.zeros((4, 2, 2), np.int64)
    for i in range(level.shape[0]):
        for j in range(level.shape[1]):
            a, b, c, d = level[i, j], dose[i, j], offset[i, j], light[i, j]
            most = max(abs(a), abs(b), abs(c), abs(d))
            if near < most < limit:
                for k, one in enumerate((a, b, c, d)):
                    if abs(one) > near:
                        side = 0 if one > 0 else 1
                        counts[k, side, 0] += 1
                        counts[k, side, 1] += abs(one) > far
    return counts


@njit(cache=True, nogil=True)
def raise_calibrated(result, score, slopes, shifts, widening):
    """Raise `result` to the calibrated scores above and below 0, as `ChanceTail` has them, where greater."""
    for i in range(score.shape[0]):
        for j in range(score.shape[1]):
            one = score[i, j]
            side = 0 if one > 0 else 1
            size = abs(one)
            calibrated = min(size * slopes[side] + shifts[side], size) / widening
            result[i, j] = max(result[i, j], calibrated)


@njit(cache=True, nogil=True)
def raise_sizes(result, score, widening):
    """Raise `result` to the sizes of the scores over `widening`, where greater."""
    for i in range(score.shape[0]):
        for j in range(score.shape[1]):
            result[i, j] = max(result[i, j], abs(score[i, j]) / widening)


@njit(cache=True, nogil=True)
def mark_around(score, limit, reach, near):
    """Mark all within so many rows and columns of the scores beyond a limit."""
    height, width = score.shape
    for i in range(height):
        for j in range(width):
            if abs(score[i, j]) > limit:
                for y in range(max(i - reach, 0), min(i + reach + 1, height)):
                    for x in range(max(j - reach, 0), min(j + reach + 1, width)):
                        near[y, x] = True


@njit(cache=True, nogil=True)
def some_sizes(score, known, near, plenty):
    """Return the sizes of the known scores that are not marked as near; of more than `plenty` every k-th."""
    count = 0
    for i in range(score.shape[0]):
        for j in range(score.shape[1]):
            count += known[i, j] & ~near[i, j]
    step = max(1, count // plenty)
    sizes = np.empty((count + step - 1) // step, np.float32)
    number = 0
    for i in range(score.shape[0]):
        for j in range(score.shape[1]):
            if known[i, j] and not near[i, j]:
                if number % step == 0:
                    sizes[number // step] = abs(score[i, j])
                number += 1
    return sizes

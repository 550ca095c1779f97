"""Compiled loops over the code stream of Nikon's compressed raws; see :mod:`defectmap.media.nefcodec`."""

from __future__ import annotations

import numba as nb
import numpy as np
from numpy.typing import NDArray

OK, TRUNCATED, CORRUPT = 0, 1, 2

WINDOW = 10
"""Length of the longest code, so that one look at so many bits tells symbol and length."""

UNKNOWN = 1 << 15
"""Entry of a look-up table for bits that no code begins with."""

_LONGEST = 3  # bytes of a photosite at most: a code of 10 bits and a difference of 14
_LOAD = 8


def margin(columns: int) -> int:
    """Return how many bytes a row may reach beyond where it begins in a stream."""
    return _LONGEST * columns + 2 * _LOAD


@nb.njit(cache=True, nogil=True)
def encode_plane(
    indices: NDArray[np.uint16],
    predictors: NDArray[np.int64],
    codes: NDArray[np.int64],
    lengths: NDArray[np.int64],
    buffer: NDArray[np.uint8],
) -> int:
    """Fill `buffer` (4 bytes per photosite suffice) and return how many bytes are used; -1 without a code."""
    height, width = indices.shape
    position = np.int64(0)
    pending = np.int64(0)
    held = np.int64(0)
    for row in range(height):
        for col in range(width):
            value = np.int64(indices[row, col])
            if col >= 2:
                difference = value - np.int64(indices[row, col - 2])
            elif row >= 2:
                difference = value - np.int64(indices[row - 2, col])
            else:
                difference = value - predictors[row, col]
            size = np.int64(0)
            rest = abs(difference)
            while rest > 0:
                size += 1
                rest >>= 1
            if size > 15 or lengths[size] == 0:
                return -1
            if difference < 0:
                difference += (np.int64(1) << size) - 1
            pending = ((pending << lengths[size] | codes[size]) << size) | difference
            held += lengths[size] + size
            while held >= 8:
                held -= 8
                buffer[position] = np.uint8(pending >> held & 0xFF)
                position += 1
            pending &= (np.int64(1) << held) - 1
    if held:
        buffer[position] = np.uint8(pending << (8 - held) & 0xFF)
        position += 1
    return int(position)


@nb.njit(cache=True, nogil=True)
def _difference(window: np.uint64, entry: np.uint64) -> np.int64:
    """Return the difference whose code begins a window; `entry` is the code's."""
    size = entry >> np.uint64(5) & np.uint64(15)
    bits = window << ((entry & np.uint64(31)) - size)
    risen = np.int64(bits >> np.uint64(1) >> (np.uint64(63) - size))
    # Of those that begin with 0, the highest is -1.
    fallen = ~(np.int64(bits) >> 63)
    return risen - (((np.int64(1) << np.int64(size)) - 1) & fallen)


@nb.njit(cache=True, nogil=True)
def _decode_row(
    stream: NDArray[np.uint8],
    at: np.uint64,
    window: np.uint64,
    held: np.uint64,
    lookup: NDArray[np.uint16],
    even: np.int64,
    odd: np.int64,
    limit: int,
    line: NDArray[np.uint16],
) -> tuple[np.uint64, np.uint64, np.uint64, np.bool]:
    """Fill `line` with the indices of one row; return the place in the stream and whether all were in range.

    The first `held` bits of `window` are those before byte `at` that are not used yet. Filling it up takes no
    branch, and which bytes it takes does not hang on the code read last. Two photosites take 48 bits at most.
    """
    one = np.uint64(1)
    shown = np.uint64(64 - WINDOW)
    top = np.int64(limit) - 1
    outside = np.int64(0)
    entries = np.uint64(0)
    col = np.uint64(0)
    for _ in range((line.size + 1) >> 1):
        word = (
            np.uint64(stream[at]) << np.uint64(56)
            | np.uint64(stream[at + np.uint64(1)]) << np.uint64(48)
            | np.uint64(stream[at + np.uint64(2)]) << np.uint64(40)
            | np.uint64(stream[at + np.uint64(3)]) << np.uint64(32)
            | np.uint64(stream[at + np.uint64(4)]) << np.uint64(24)
            | np.uint64(stream[at + np.uint64(5)]) << np.uint64(16)
            | np.uint64(stream[at + np.uint64(6)]) << np.uint64(8)
            | np.uint64(stream[at + np.uint64(7)])
        )
        window |= word >> held
        at += (np.uint64(63) - held) >> np.uint64(3)
        held |= np.uint64(56)

        entry = np.uint64(lookup[window >> shown])
        even += _difference(window, entry)
        line[col] = np.uint16(even)
        outside |= even | (top - even)
        entries |= entry
        used = entry & np.uint64(31)
        window <<= used
        held -= used
        col += one
        if col == line.size:
            break

        entry = np.uint64(lookup[window >> shown])
        odd += _difference(window, entry)
        line[col] = np.uint16(odd)
        outside |= odd | (top - odd)
        entries |= entry
        used = entry & np.uint64(31)
        window <<= used
        held -= used
        col += one
    return at, window, held, outside >= 0 and entries < np.uint64(UNKNOWN)


@nb.njit(cache=True, nogil=True)
def decode_rows(
    stream: NDArray[np.uint8],
    tail: NDArray[np.uint8],
    predictors: NDArray[np.int64],
    lookup: NDArray[np.uint16],
    limit: int,
    curve: NDArray[np.uint16],
    left: int,
    line: NDArray[np.uint16],
    values: NDArray[np.uint16],
) -> tuple[int, int]:
    """Decode rows from the first on and keep some columns of them.

    Parameters
    ----------
    stream : ndarray of shape (n,), uint8
    tail : ndarray of shape (m + margin(columns),), uint8
        The last ``m = min(n, margin(columns))`` bytes of the stream, and zeros.
    predictors : ndarray of shape (2, 2), int64
        Overwritten.
    lookup : ndarray of shape (1 << WINDOW,), uint16
        By the next bits: bits of the difference << 5 | bits of code and difference; or `UNKNOWN`.
    limit : int
        Number of valid indices.
    curve : ndarray of uint16
        Value of each index; empty where they are the same.
    left : int
        First column kept.
    line : ndarray of shape (columns,), uint16
        Room for one row.
    values : ndarray of shape (rows, columns kept), uint16
        Filled.

    Returns
    -------
    int
        `OK`, `TRUNCATED` or `CORRUPT`.
    int
        The row that it was reached in.
    """
    height, width = values.shape
    reach = _LONGEST * line.size + 2 * _LOAD
    end = stream.size
    last_part = False
    at, window, held = np.uint64(0), np.uint64(0), np.uint64(0)
    for row in range(height):
        if not last_part and np.int64(at) + reach > end:
            last_part = True
            before = max(end - reach, 0)
            stream = tail
            at -= np.uint64(before)
            end -= before
        at, window, held, sound = _decode_row(
            stream, at, window, held, lookup, predictors[row & 1, 0], predictors[row & 1, 1], limit, line
        )
        if 8 * np.int64(at) - np.int64(held) > 8 * end:
            return TRUNCATED, row
        if not sound:
            return CORRUPT, row
        for col in range(min(line.size, 2)):
            predictors[row & 1, col] = line[col]
        if curve.size:
            for col in range(width):
                values[row, col] = curve[line[left + col]]
        else:
            for col in range(width):
                values[row, col] = line[left + col]
    return OK, height

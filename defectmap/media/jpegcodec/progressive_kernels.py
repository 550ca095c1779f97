"""Loops over the entropy-coded bits of progressive scans (ITU-T T.81 annex G), compiled.

A scan codes the blocks that `order` lists, as rows of `blocks`: 64 coefficients in zigzag order. Block i of a
unit belongs to component `slots[i]` of the scan; the DC prediction of a component begins anew with each
segment of `per_segment` blocks. Readers note in `behind` the bit behind each segment. Kernels return a code
instead of raising: see :mod:`.kernels`.
"""

# numba infers the types; annotations would only repeat them.
# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator"
# ruff: noqa: ANN001, ANN201, ANN202

from __future__ import annotations

import numba as nb
import numpy as np

from defectmap.media.jpegcodec.kernels import (
    BAD_CODE,
    GUARD,
    NO_SYMBOL,
    OK,
    RAN_OUT,
    _extend,
    _peek,
    _put,
    _size,
    unstuff,
)

__all__ = [
    "BAD_CODE",
    "GUARD",
    "NO_SYMBOL",
    "OK",
    "RAN_OUT",
    "find_scan_end",
    "read_ac",
    "read_dc",
    "refine_ac",
    "rewrite_ac",
    "unstuff",
    "write_ac",
    "write_dc",
]

_LARGEST = 2047  # magnitude of any coefficient of 8-bit samples
_HELD = 1000  # correction bits that an encoder may hold back, as libjpeg does
_LONGEST_RUN = 0x7FFF


@nb.njit(cache=True, nogil=True)
def find_scan_end(data, start):
    """Return where the entropy-coded bytes from `start` end, and how many restart markers they hold."""
    at, n, restarts = np.int64(start), len(data), np.int64(0)
    while at < n:
        if data[at] != 0xFF:
            at += 1
            continue
        first = at
        while at < n and data[at] == 0xFF:
            at += 1
        if at >= n:
            break
        if 0xD0 <= data[at] <= 0xD7:
            restarts += 1
        elif data[at] != 0 or at != first + 1:
            return first, restarts
        at += 1
    return np.int64(-1), restarts


@nb.njit(cache=True, nogil=True, inline="always")
def _bit(clean, at):
    """Return bit `at`."""
    return np.int64((clean[at >> 3] >> (7 - (at & 7))) & 1)


@nb.njit(cache=True, nogil=True)
def read_dc(clean, spans, per_segment, order, slots, lookups, high, low, blocks, behind):
    """Decode a DC scan into `blocks`: its first pass, or a further bit of each. Returns (code, block)."""
    dc = np.zeros(4, np.int64)
    at, end = np.int64(0), np.int64(0)
    for i in range(len(order)):
        if i % per_segment == 0:
            dc[:] = 0
            at, end = spans[i // per_segment, 0] * 8, spans[i // per_segment, 1] * 8
        block = order[i]
        if high:
            blocks[block, 0] |= _bit(clean, at) << low
            at += 1
        else:
            slot = slots[i % len(slots)]
            word = _peek(clean, at)
            entry = np.int64(lookups[slot, word >> 16])
            length, size = entry >> 8, entry & 255
            if length == 0 or size > 11:
                return BAD_CODE, np.int64(i)
            if size:
                dc[slot] += _extend((word >> (32 - length - size)) & ((1 << size) - 1), size)
            at += length + size
            value = dc[slot] << low
            if abs(value) > _LARGEST:
                return BAD_CODE, np.int64(i)
            blocks[block, 0] = value
        if at > end:
            return RAN_OUT, np.int64(i)
        behind[i // per_segment] = at
    return OK, np.int64(0)


@nb.njit(cache=True, nogil=True)
def read_ac(clean, spans, per_segment, order, lookup, first, last, low, blocks, behind):
    """Decode the first pass of an AC band into `blocks`. Returns (code, block)."""
    at, end, run = np.int64(0), np.int64(0), np.int64(0)
    for i in range(len(order)):
        if i % per_segment == 0:
            if run:
                return BAD_CODE, np.int64(i)
            at, end = spans[i // per_segment, 0] * 8, spans[i // per_segment, 1] * 8
        if run:
            run -= 1
            continue
        block = order[i]
        k = np.int64(first)
        while k <= last:
            word = _peek(clean, at)
            entry = np.int64(lookup[word >> 16])
            length, zeros, size = entry >> 8, (entry >> 4) & 15, entry & 15
            if length == 0:
                return BAD_CODE, np.int64(i)
            if size == 0 and zeros < 15:
                run = (np.int64(1) << zeros) - 1
                run += (word >> (32 - length - zeros)) & ((1 << zeros) - 1)
                at += length + zeros
                break
            at += length + size
            k += zeros
            if k > last:
                return BAD_CODE, np.int64(i)
            if size:
                value = _extend((word >> (32 - length - size)) & ((1 << size) - 1), size) << low
                if abs(value) > _LARGEST:
                    return BAD_CODE, np.int64(i)
                blocks[block, k] = value
            k += 1
        if at > end:
            return RAN_OUT, np.int64(i)
        behind[i // per_segment] = at
    return (BAD_CODE if run else OK), np.int64(len(order) - 1)


@nb.njit(cache=True, nogil=True, inline="always")
def _corrected(clean, at, value, low):
    """Return a coefficient with its next bit, away from zero."""
    if not _bit(clean, at):
        return value
    return value + (np.int64(1) << low) if value > 0 else value - (np.int64(1) << low)


@nb.njit(cache=True, nogil=True)
def refine_ac(clean, spans, per_segment, order, lookup, first, last, low, blocks, behind):
    """Decode a further bit of an AC band into `blocks` (T.81 G.1.2.3). Returns (code, block)."""
    at, end, run = np.int64(0), np.int64(0), np.int64(0)
    for i in range(len(order)):
        if i % per_segment == 0:
            if run:
                return BAD_CODE, np.int64(i)
            at, end = spans[i // per_segment, 0] * 8, spans[i // per_segment, 1] * 8
        block = order[i]
        k = np.int64(first)
        while run == 0 and k <= last:
            word = _peek(clean, at)
            entry = np.int64(lookup[word >> 16])
            length, zeros, size = entry >> 8, (entry >> 4) & 15, entry & 15
            if length == 0 or size > 1:
                return BAD_CODE, np.int64(i)
            at += length
            value = np.int64(0)
            if size:
                value = (np.int64(1) if _bit(clean, at) else np.int64(-1)) * (np.int64(1) << low)
                at += 1
            elif zeros < 15:
                run = np.int64(1) << zeros
                run += (word >> (32 - length - zeros)) & ((1 << zeros) - 1)
                at += zeros
                break
            while k <= last:
                if blocks[block, k]:
                    blocks[block, k] = _corrected(clean, at, np.int64(blocks[block, k]), low)
                    at += 1
                elif zeros == 0:
                    break
                else:
                    zeros -= 1
                k += 1
            if k > last:
                return BAD_CODE, np.int64(i)
            if value:
                blocks[block, k] = value
            k += 1
        if run:
            while k <= last:
                if blocks[block, k]:
                    blocks[block, k] = _corrected(clean, at, np.int64(blocks[block, k]), low)
                    at += 1
                k += 1
            run -= 1
        if at > end:
            return RAN_OUT, np.int64(i)
        behind[i // per_segment] = at
    return (BAD_CODE if run else OK), np.int64(len(order) - 1)


@nb.njit(cache=True, nogil=True, inline="always")
def _symbol(symbol, table, codes, lengths, counts, out, state):
    """Count a symbol, and write it where there is anything to write to. `state[3]` notes a missing code."""
    counts[table, symbol] += 1
    if len(out):
        if lengths[table, symbol] == 0:
            state[3] = 1
        else:
            _put(out, state, np.int64(codes[table, symbol]), np.int64(lengths[table, symbol]))


@nb.njit(cache=True, nogil=True, inline="always")
def _bits(value, length, out, state):
    """Write bits as they are; `state[4]` counts them."""
    state[4] += length
    if length and len(out):
        _put(out, state, value, length)


@nb.njit(cache=True, nogil=True)
def _end_run(run, held, kept, codes, lengths, counts, out, state):
    """Write a run of ended blocks and the correction bits that were held back for them."""
    if run:
        size = _size(run) - 1
        _symbol(size << 4, 0, codes, lengths, counts, out, state)
        _bits(run & ((np.int64(1) << size) - 1), size, out, state)
        for i in range(held):
            _bits(np.int64(kept[i]), 1, out, state)


@nb.njit(cache=True, nogil=True)
def _restart(number, out, state):
    """Fill the last byte with 1 bits and write restart marker `number`, or none for a negative one."""
    if len(out) == 0:
        return
    if state[2]:
        fill = 8 - state[2]
        _put(out, state, (np.int64(1) << fill) - 1, fill)
    if number >= 0:
        out[state[0]], out[state[0] + 1] = 0xFF, 0xD0 + number % 8
        state[0] += 2


@nb.njit(cache=True, nogil=True)
def write_dc(per_segment, order, slots, high, low, blocks, codes, lengths, counts, out):
    """Write a DC scan, or only count where `out` is empty.

    Returns (code, bytes written, bits besides symbols).
    """
    state, dc = np.zeros(5, np.int64), np.zeros(4, np.int64)
    for i in range(len(order)):
        if i and i % per_segment == 0:
            _restart(i // per_segment - 1, out, state)
            dc[:] = 0
        value = np.int64(blocks[order[i], 0]) >> low
        if high:
            _bits(value & 1, 1, out, state)
            continue
        slot = slots[i % len(slots)]
        difference = value - dc[slot]
        dc[slot] = value
        size = _size(difference)
        if size > 11:
            return NO_SYMBOL, np.int64(0), np.int64(0)
        _symbol(size, slot, codes, lengths, counts, out, state)
        _bits(difference if difference > 0 else difference + (1 << size) - 1, size, out, state)
    _restart(-1, out, state)
    return (NO_SYMBOL if state[3] else OK), state[0], state[4]


@nb.njit(cache=True, nogil=True)
def write_ac(per_segment, order, first, last, low, blocks, codes, lengths, counts, out):
    """Write the first pass of an AC band, or only count; returns as :func:`write_dc` does."""
    state, none = np.zeros(5, np.int64), np.zeros(0, np.uint8)
    run = np.int64(0)
    for i in range(len(order)):
        if i and i % per_segment == 0:
            _end_run(run, 0, none, codes, lengths, counts, out, state)
            run = np.int64(0)
            _restart(i // per_segment - 1, out, state)
        block, zeros = order[i], np.int64(0)
        for k in range(first, last + 1):
            value = np.int64(blocks[block, k])
            magnitude = abs(value) >> low
            if magnitude == 0:
                zeros += 1
                continue
            _end_run(run, 0, none, codes, lengths, counts, out, state)
            run = np.int64(0)
            while zeros > 15:
                _symbol(0xF0, 0, codes, lengths, counts, out, state)
                zeros -= 16
            size = _size(magnitude)
            _symbol(zeros << 4 | size, 0, codes, lengths, counts, out, state)
            _bits(magnitude if value > 0 else (1 << size) - 1 - magnitude, size, out, state)
            zeros = np.int64(0)
        if zeros:
            run += 1
            if run == _LONGEST_RUN:
                _end_run(run, 0, none, codes, lengths, counts, out, state)
                run = np.int64(0)
    _end_run(run, 0, none, codes, lengths, counts, out, state)
    _restart(-1, out, state)
    return (NO_SYMBOL if state[3] else OK), state[0], state[4]


@nb.njit(cache=True, nogil=True)
def rewrite_ac(per_segment, order, first, last, low, blocks, codes, lengths, counts, out):
    """Write a further bit of an AC band (T.81 G.1.2.3), or only count; returns as :func:`write_dc` does."""
    state = np.zeros(5, np.int64)
    kept, own = np.zeros(_HELD + 64, np.uint8), np.zeros(64, np.uint8)
    run, held = np.int64(0), np.int64(0)
    for i in range(len(order)):
        if i and i % per_segment == 0:
            _end_run(run, held, kept, codes, lengths, counts, out, state)
            run, held = np.int64(0), np.int64(0)
            _restart(i // per_segment - 1, out, state)
        block = order[i]
        newest = np.int64(-1)
        for k in range(first, last + 1):
            if abs(np.int64(blocks[block, k])) >> low == 1:
                newest = np.int64(k)
        zeros, mine = np.int64(0), np.int64(0)
        for k in range(first, last + 1):
            value = np.int64(blocks[block, k])
            magnitude = abs(value) >> low
            if magnitude == 0:
                zeros += 1
                continue
            while zeros > 15 and k <= newest:
                _end_run(run, held, kept, codes, lengths, counts, out, state)
                run, held = np.int64(0), np.int64(0)
                _symbol(0xF0, 0, codes, lengths, counts, out, state)
                zeros -= 16
                for b in range(mine):
                    _bits(np.int64(own[b]), 1, out, state)
                mine = np.int64(0)
            if magnitude > 1:
                own[mine] = magnitude & 1
                mine += 1
                continue
            _end_run(run, held, kept, codes, lengths, counts, out, state)
            run, held = np.int64(0), np.int64(0)
            _symbol(zeros << 4 | 1, 0, codes, lengths, counts, out, state)
            _bits(np.int64(value > 0), 1, out, state)
            for b in range(mine):
                _bits(np.int64(own[b]), 1, out, state)
            mine, zeros = np.int64(0), np.int64(0)
        if zeros or mine:
            run += 1
            for b in range(mine):
                kept[held] = own[b]
                held += 1
            if run == _LONGEST_RUN or held > _HELD - 63:
                _end_run(run, held, kept, codes, lengths, counts, out, state)
                run, held = np.int64(0), np.int64(0)
    _end_run(run, held, kept, codes, lengths, counts, out, state)
    _restart(-1, out, state)
    return (NO_SYMBOL if state[3] else OK), state[0], state[4]

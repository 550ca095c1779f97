"""Loops over the entropy-coded bits of a scan (ITU-T T.81 annex F), compiled.

Bit positions count from the first bit of the *clean* bytes: stuffing and restart markers taken out.
Blocks are 64 coefficients in zigzag order; the first is the DC value itself, not its difference.
Kernels return a code instead of raising: see the constants.
"""

# numba infers the types; annotations would only repeat them.
# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator"
# ruff: noqa: ANN001, ANN201, ANN202

from __future__ import annotations

import numba as nb
import numpy as np

OK, BAD_CODE, RAN_OUT, BAD_RESTART, NO_SYMBOL = 0, 1, 2, 3, 4
SHORT = 10  # bits; the tables of common symbols then stay in the fastest memory
GUARD = 256
"""Zero bytes behind the clean ones: no block, however garbled, is longer (64 symbols of 27 bits)."""


@nb.njit(cache=True, nogil=True)
def unstuff(data, start, restarts, clean, spans):
    """Take out stuffing and restart markers.

    `clean` receives the bytes, `spans[i]` the (clean start, clean end, raw start, raw end) of segment i.
    Returns (code, number of segments, raw end of the scan).
    """
    n, at, out, segment = len(data), start, np.int64(0), np.int64(0)
    spans[0, 0], spans[0, 2] = 0, start
    while at < n:
        value = data[at]
        if value != 0xFF:
            clean[out] = value
            out += 1
            at += 1
            continue
        first = at
        at += 1
        while at < n and data[at] == 0xFF:
            at += 1
        if at >= n:
            return RAN_OUT, segment, first
        if data[at] == 0 and at == first + 1:
            clean[out] = 0xFF
            out += 1
            at += 1
            continue
        spans[segment, 1], spans[segment, 3] = out, first
        segment += 1
        if not 0xD0 <= data[at] <= 0xD7:
            return OK, segment, first
        at += 1
        if not restarts or segment >= len(spans) or data[at - 1] != 0xD0 + (segment - 1) % 8:
            return BAD_RESTART, segment, first
        spans[segment, 0], spans[segment, 2] = out, at
    return RAN_OUT, segment, np.int64(n)


@nb.njit(cache=True, nogil=True, inline="always")
def _peek(clean, at):
    """Return the 32 bits at bit `at`."""
    byte = at >> 3
    word = (
        (np.uint64(clean[byte]) << np.uint64(32))
        | (np.uint64(clean[byte + 1]) << np.uint64(24))
        | (np.uint64(clean[byte + 2]) << np.uint64(16))
        | (np.uint64(clean[byte + 3]) << np.uint64(8))
        | np.uint64(clean[byte + 4])
    )
    return np.int64((word >> np.uint64(8 - (at & 7))) & np.uint64(0xFFFFFFFF))


@nb.njit(cache=True, nogil=True, inline="always")
def _extend(bits, size):
    """Signed value of the `size` magnitude bits (T.81 F.2.2.1)."""
    return bits if bits >> (size - 1) else bits - (np.int64(1) << size) + 1


@nb.njit(cache=True, nogil=True)
def _read_block(clean, at, dc, ac, block):
    """Decode one block into zeros, its DC as a difference; the bit behind it, -1 for a bad code."""
    word = _peek(clean, at)
    entry = np.int64(dc[word >> 16])
    length, size = entry >> 8, entry & 255
    if length == 0 or size > 11:
        return np.int64(-1)
    block[0] = 0
    if size:
        block[0] = _extend((word >> (32 - length - size)) & ((1 << size) - 1), size)
    at += length + size
    k = np.int64(1)
    while k < 64:
        word = _peek(clean, at)
        entry = np.int64(ac[word >> 16])
        length, run, size = entry >> 8, (entry >> 4) & 15, entry & 15
        if length == 0 or size > 10:
            return np.int64(-1)
        at += length + size
        if size == 0:
            if run != 15:
                if run:
                    return np.int64(-1)
                break
            k += 16
            if k > 63:
                return np.int64(-1)
            continue
        k += run
        if k > 63:
            return np.int64(-1)
        block[k] = _extend((word >> (32 - length - size)) & ((1 << size) - 1), size)
        k += 1
    return at


@nb.njit(cache=True, nogil=True)
def shorten(lookup, short):
    """Fill `short`, by the next SHORT bits, with ``bits of code and value << 8 | coefficients``.

    The end of a block counts as 128 coefficients. It is 0 for what needs a longer look: longer codes, runs of
    16 zeros, and what stands for nothing.
    """
    for prefix in range(1 << SHORT):
        entry = np.int64(lookup[prefix << (16 - SHORT)])
        length, run, size = entry >> 8, (entry >> 4) & 15, entry & 15
        if 0 < length <= SHORT and size <= 10 and (size or not run):
            short[prefix] = (length + size) << 8 | (run + 1 if size else 128)


@nb.njit(cache=True, nogil=True, inline="always")
def _next(clean, at):
    """Return the 57 bits or more from bit `at`, at the top of 64."""
    byte, word = at >> 3, np.uint64(0)
    for i in range(8):
        word = (word << np.uint64(8)) | np.uint64(clean[byte + i])
    return word << np.uint64(at & 7)


@nb.njit(cache=True, nogil=True)
def _skip_block(clean, at, dc, ac, short):
    """Return the bit behind a block, -1 for a bad code, and its DC difference."""
    word = _next(clean, at)
    entry = np.int64(dc[np.int64(word >> np.uint64(48))])
    length, size = entry >> 8, entry & 255
    if length == 0 or size > 11:
        return np.int64(-1), np.int64(0)
    difference = np.int64(0)
    if size:
        bits = np.int64((word << np.uint64(length)) >> np.uint64(64 - size))
        difference = _extend(bits, size)
    at += length + size
    word, left = word << np.uint64(length + size), 57 - length - size
    k = np.int64(1)
    while k < 64:
        if left < 32:
            word, left = _next(clean, at), np.int64(57)
        entry = np.int64(short[np.int64(word >> np.uint64(64 - SHORT))])
        if entry:
            taken, k = entry >> 8, k + (entry & 255)
            if 64 < k < 128:
                return np.int64(-1), np.int64(0)
        else:
            entry = np.int64(ac[np.int64(word >> np.uint64(48))])
            length, run, size = entry >> 8, (entry >> 4) & 15, entry & 15
            taken = length + size
            if length == 0 or size > 10 or (size == 0 and 0 < run < 15):
                return np.int64(-1), np.int64(0)
            k += run + 1 if size or run else 128
            if k < 128 and k > (64 if size else 63):
                return np.int64(-1), np.int64(0)
        at += taken
        left -= taken
        word <<= np.uint64(taken)
    return at, difference


@nb.njit(cache=True, nogil=True)
def walk(clean, spans, interval, plan, lookups, shorts, first, behind, predictors):
    """Walk every MCU; note where it begins and ends and the DC predictors it begins with.

    `plan[b]` is (component, DC table, AC table) of block b of an MCU, `shorts` are the tables that
    :func:`shorten` fills. Returns (code, MCU).
    """
    dc = np.zeros(predictors.shape[1], np.int32)
    at = np.int64(0)
    for mcu in range(len(first)):
        if mcu % interval == 0:
            dc[:] = 0
            at = spans[mcu // interval, 0] * 8
        end = spans[mcu // interval, 1] * 8
        first[mcu] = at
        predictors[mcu] = dc
        for b in range(len(plan)):
            a = plan[b, 2]
            at, difference = _skip_block(clean, at, lookups[plan[b, 1]], lookups[a], shorts[a])
            if at < 0:
                return BAD_CODE, mcu
            if at > end:
                return RAN_OUT, mcu
            dc[plan[b, 0]] += difference
        behind[mcu] = at
    return OK, np.int64(0)


@nb.njit(cache=True, nogil=True)
def read_mcu(clean, at, plan, lookups, predictors, blocks):
    """Decode the MCU at bit `at`, which :func:`walk` has found sound, into `blocks` (zeros)."""
    dc = predictors.copy()
    for b in range(len(plan)):
        at = _read_block(clean, at, lookups[plan[b, 1]], lookups[plan[b, 2]], blocks[b])
        dc[plan[b, 0]] += blocks[b, 0]
        blocks[b, 0] = dc[plan[b, 0]]


@nb.njit(cache=True, nogil=True, inline="always")
def _size(value):
    """Bits of the magnitude of `value`."""
    value, size = abs(value), np.int64(0)
    while value:
        value >>= 1
        size += 1
    return size


@nb.njit(cache=True, nogil=True)
def settle_block(block, changed, predictor, dc_length, ac_length):
    """Nudge the coefficients of a changed block to the nearest ones that the tables can code.

    A block that is not `changed` is only checked. Returns whether the block can be coded.
    """
    difference = np.int64(block[0]) - predictor
    size = _size(difference)
    if size > 11 or dc_length[size] == 0:
        if not changed:
            return False
        for step in range(1, 2048):
            low, high = _size(difference - step), _size(difference + step)
            if low <= 11 and dc_length[low]:
                block[0] -= step
                break
            if high <= 11 and dc_length[high]:
                block[0] += step
                break
        else:
            return False
    run = np.int64(0)
    for k in range(1, 64):
        value = np.int64(block[k])
        if value == 0:
            run += 1
            continue
        if run > 15 and ac_length[0xF0] == 0:
            if not changed:
                return False
            block[k] = 0
            run += 1
            continue
        high_nibble = (run & 15) << 4
        size = _size(value)
        if size > 10 or ac_length[high_nibble | size] == 0:
            if not changed:
                return False
            sign = 1 if value > 0 else -1
            best = np.int64(0)
            for step in range(1, abs(value)):
                nearer, farther = _size(abs(value) - step), _size(abs(value) + step)
                if nearer <= 10 and ac_length[high_nibble | nearer]:
                    best = sign * (abs(value) - step)
                    break
                if farther <= 10 and ac_length[high_nibble | farther]:
                    best = sign * (abs(value) + step)
                    break
            block[k] = best
            if best == 0:
                run += 1
                continue
        run = np.int64(0)
    return run == 0 or ac_length[0] > 0


@nb.njit(cache=True, nogil=True)
def unit_bits(blocks, dc, plan, lengths):
    """Return the bits of an MCU behind the DC predictors `dc`, which become its own; -1 if uncodable."""
    bits = np.int64(0)
    for b in range(len(plan)):
        block, difference = blocks[b], np.int64(blocks[b, 0]) - dc[plan[b, 0]]
        dc[plan[b, 0]] = block[0]
        size = _size(difference)
        if size > 11 or lengths[plan[b, 1], size] == 0:
            return np.int64(-1)
        bits += np.int64(lengths[plan[b, 1], size]) + size
        length, run = lengths[plan[b, 2]], np.int64(0)
        for k in range(1, 64):
            if block[k] == 0:
                run += 1
                continue
            size = _size(np.int64(block[k]))
            symbol = (run & 15) << 4 | size
            if size > 10 or length[symbol] == 0 or (run > 15 and length[0xF0] == 0):
                return np.int64(-1)
            bits += (run >> 4) * np.int64(length[0xF0]) + np.int64(length[symbol]) + size
            run = np.int64(0)
        if run:
            if length[0] == 0:
                return np.int64(-1)
            bits += np.int64(length[0])
    return bits


@nb.njit(cache=True, nogil=True, inline="always")
def _put(out, state, value, length):
    """Append up to 32 bits, stuffing a zero behind every FF. `state` is (end, bits, number of bits)."""
    bits = (state[1] << length) | value
    held = state[2] + length
    end = state[0]
    while held >= 8:
        held -= 8
        byte = (bits >> held) & 0xFF
        out[end] = byte
        end += 1
        if byte == 0xFF:
            out[end] = 0
            end += 1
    state[0], state[1], state[2] = end, bits & ((1 << held) - 1), held


@nb.njit(cache=True, nogil=True)
def _copy(clean, at, end, out, state):
    """Append the bits from `at` to `end` as they are."""
    while end - at >= 32:
        _put(out, state, _peek(clean, at), 32)
        at += 32
    if end > at:
        _put(out, state, _peek(clean, at) >> (32 - (end - at)), end - at)


@nb.njit(cache=True, nogil=True)
def _write_block(block, predictor, dc_code, dc_length, ac_code, ac_length, out, state):
    """Append one block; whether the tables had a code for all of it."""
    difference = np.int64(block[0]) - predictor
    size = _size(difference)
    if size > 11 or dc_length[size] == 0:
        return False
    _put(out, state, np.int64(dc_code[size]), np.int64(dc_length[size]))
    if size:
        _put(out, state, difference if difference > 0 else difference + (1 << size) - 1, size)
    run = np.int64(0)
    for k in range(1, 64):
        value = np.int64(block[k])
        if value == 0:
            run += 1
            continue
        while run > 15:
            if ac_length[0xF0] == 0:
                return False
            _put(out, state, np.int64(ac_code[0xF0]), np.int64(ac_length[0xF0]))
            run -= 16
        size = _size(value)
        symbol = run << 4 | size
        if size > 10 or ac_length[symbol] == 0:
            return False
        _put(out, state, np.int64(ac_code[symbol]), np.int64(ac_length[symbol]))
        _put(out, state, value if value > 0 else value + (1 << size) - 1, size)
        run = np.int64(0)
    if run:
        if ac_length[0] == 0:
            return False
        _put(out, state, np.int64(ac_code[0]), np.int64(ac_length[0]))
    return True


@nb.njit(cache=True, nogil=True)
def write_segment(clean, at, end, mcus, blocks, first, behind, predictors, plan, codes, lengths, out):
    """Write the bits from `at` to `end` with the given MCUs (rising) coded anew; 1 bits fill the last byte.

    Returns (code, bytes written).
    """
    state = np.zeros(3, np.int64)
    dc = np.zeros(predictors.shape[1], np.int64)
    for i in range(len(mcus)):
        mcu = mcus[i]
        _copy(clean, at, first[mcu], out, state)
        if i == 0 or mcus[i - 1] != mcu - 1:
            dc[:] = predictors[mcu]
        for b in range(len(plan)):
            d, a = plan[b, 1], plan[b, 2]
            block = blocks[i, b]
            if not _write_block(
                block, dc[plan[b, 0]], codes[d], lengths[d], codes[a], lengths[a], out, state
            ):
                return NO_SYMBOL, np.int64(0)
            dc[plan[b, 0]] = block[0]
        at = behind[mcu]
    _copy(clean, at, end, out, state)
    if state[2]:
        fill = 8 - state[2]
        _put(out, state, (np.int64(1) << fill) - 1, fill)
    return OK, state[0]


@nb.njit(cache=True, nogil=True)
def compare(clean, first, behind, predictors, other_clean, other_first, other_behind, other_predictors, same):
    """Note in `same` which MCUs of two scans with the same tables have the same bits and predictors."""
    for mcu in range(len(first)):
        at, there, left = first[mcu], other_first[mcu], behind[mcu] - first[mcu]
        alike = other_behind[mcu] - there == left
        for c in range(predictors.shape[1]):
            alike = alike and predictors[mcu, c] == other_predictors[mcu, c]
        while alike and left >= 32:
            alike = _peek(clean, at) == _peek(other_clean, there)
            at, there, left = at + 32, there + 32, left - 32
        if alike and left:
            alike = (_peek(clean, at) ^ _peek(other_clean, there)) >> (32 - left) == 0
        same[mcu] = alike

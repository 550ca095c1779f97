"""Compiled loops that decode sequential JPEGs to planes; see :mod:`defectmap.media.jpegplanes`.

They give what libjpeg gives, bit for bit: its inverse transform ``islow`` (jidctint.c, after Loeffler,
Ligtenberg and Moschytz, ICASSP 1989) and its triangular upsampling of chroma (jdsample.c).
"""

# numba infers the types; annotations would only repeat them.
# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator"
# ruff: noqa: ANN001, ANN202, ANN201

from __future__ import annotations

import numba as nb
import numpy as np
from numba.extending import intrinsic

SHORT = 10
"""Bits that most codes are told by: tables of so many stay in the fastest memory."""

GUARD = 512
"""Zero bytes behind a stream: no block, however garbled, is longer (64 values of 31 bits)."""

COMPONENT, DC, AC, PLACE, ACROSS = range(5)
"""Columns of a plan, by block of a unit: its component and tables, its first place, and places per unit."""

COEFFICIENTS, STRIDE, BLOCKS, DOWN, PLANE = range(5)
"""Columns of a layout, by component: where its coefficients begin and how far apart they are, blocks in a row
and rows of blocks in a row of units, and where its plane begins."""

_END = 80

_WILD = 1 << 14
"""No picture has coefficients as large; on these the versions of libjpeg disagree."""


@nb.njit(cache=True, nogil=True)
def squeeze(scan, escapes, clean, ends):
    """Take out stuffing and restart markers up to any other marker.

    `escapes` are the places of FF in `scan`; `ends` receives the end of each segment in `clean`. Returns
    where the other marker begins; -1 without one, and where restart markers are not as they should be.
    """
    out, segment, last = np.int64(0), np.int64(0), len(ends) - 1
    begin = np.int64(0)
    for i in range(escapes.size):
        at = escapes[i]
        if at + 1 == scan.size:
            return np.int64(-1)
        code = scan[at + 1]
        size = at + (code == 0) - begin
        _copy(scan[begin : begin + size], clean[out : out + size])
        out += size
        if code != 0:
            ends[segment] = out
            if not 0xD0 <= code <= 0xD7:
                return at if segment == last else np.int64(-1)
            if segment == last or code != 0xD0 + segment % 8:
                return np.int64(-1)
            segment += 1
        begin = at + 2
    return np.int64(-1)


@nb.njit(inline="always")
def _copy(here, there):
    for i in range(here.shape[0]):  # a slice would take seconds to compile
        there[i] = here[i]


@nb.njit(cache=True, nogil=True)
def index_codes(lookup, long, short):
    """Turn a table of ``length << 8 | symbol`` by 16 bits into entries, by 16 and by `SHORT` bits.

    An entry holds the bits of code and value (5 bits), those of the value (4), and the coefficients it stands
    for (7); it is 0 where no code begins so, or none as short.
    """
    for prefix in range(1 << 16):
        code = np.int64(lookup[prefix])
        length, run, size = code >> 8, (code >> 4) & 15, code & 15
        entry = np.int64(0)
        if length:
            entry = (length + size) | size << 5 | (run + 1 if size or run == 15 else _END) << 9
        long[prefix] = entry
        if length <= SHORT:
            short[prefix >> (16 - SHORT)] = entry


@nb.njit(inline="always")
def _filled(clean, at, window, held):
    """Fill a window up to 56 bits or more.

    The first `held` of its bits are those before byte `at` that are not used yet. It takes no branch, and
    which bytes it takes does not hang on the code read last.
    """
    word = (
        np.uint64(clean[at]) << np.uint64(56)
        | np.uint64(clean[at + np.uint64(1)]) << np.uint64(48)
        | np.uint64(clean[at + np.uint64(2)]) << np.uint64(40)
        | np.uint64(clean[at + np.uint64(3)]) << np.uint64(32)
        | np.uint64(clean[at + np.uint64(4)]) << np.uint64(24)
        | np.uint64(clean[at + np.uint64(5)]) << np.uint64(16)
        | np.uint64(clean[at + np.uint64(6)]) << np.uint64(8)
        | np.uint64(clean[at + np.uint64(7)])
    )
    return at + ((np.uint64(63) - held) >> np.uint64(3)), window | (word >> held), held | np.uint64(56)


@nb.njit(inline="always")
def _value(window, entry):
    """Return the value behind the code that begins a window (T.81 F.2.2.1)."""
    size = (entry >> np.uint64(5)) & np.uint64(15)
    bits = window << ((entry & np.uint64(31)) - size)
    risen = np.int64(bits >> np.uint64(1) >> (np.uint64(63) - size))
    # Of those that begin with 0, the highest is -1.
    fallen = ~(np.int64(bits) >> 63)
    return risen - (((np.int64(1) << np.int64(size)) - 1) & fallen)


@nb.njit(cache=True, nogil=True, error_model="numpy")
def decode_planes(
    clean, ends, interval, rows, cols, plan, layout, longs, shorts, steps, places, lines, work, planes
):
    """Decode all units into `planes`, eight samples at a time; return whether the stream is sound.

    `lines` (int16) holds the coefficients of a row of units, all first ones of a component before all
    second ones, so that blocks are transformed side by side, and from `work` on room for that. `steps` and
    `places`, by component and number of the coefficient from 1 on, say what to multiply it with and where it
    belongs; numbers beyond 64 go to waste.
    """
    at, window, held = np.uint64(0), np.uint64(0), np.uint64(0)
    limit = np.uint64(0)
    dc = np.zeros(len(layout), np.int32)
    left, segment = np.int64(0), np.int64(-1)
    wild = np.int32(0)
    for row in range(rows):
        for i in range(work):
            lines[i] = 0
        for col in range(cols):
            if left == 0:
                if segment >= 0 and (at * np.uint64(8) - held + np.uint64(7)) >> np.uint64(3) != limit:
                    return False
                at, window, held = limit, np.uint64(0), np.uint64(0)
                segment += 1
                limit = np.uint64(ends[segment])
                left = interval
                dc[:] = 0
            left -= 1
            for b in range(len(plan)):
                if at > limit + np.uint64(8):
                    return False
                component, table = plan[b, COMPONENT], plan[b, AC]
                step, place, short = steps[component], places[component], shorts[table]
                first = np.uint64(plan[b, PLACE] + col * plan[b, ACROSS])
                at, window, held = _filled(clean, at, window, held)
                entry = np.uint64(longs[plan[b, DC], window >> np.uint64(48)])
                if entry == np.uint64(0):
                    return False
                dc[component] += np.int32(_value(window, entry))
                lines[first] = np.int16(dc[component] * step[1])
                window <<= entry & np.uint64(31)
                held -= entry & np.uint64(31)
                k = np.uint64(1)
                while k < np.uint64(64):
                    at, window, held = _filled(clean, at, window, held)
                    entry = np.uint64(short[window >> np.uint64(64 - SHORT)])
                    if entry == np.uint64(0):
                        entry = np.uint64(longs[table, window >> np.uint64(48)])
                        if entry == np.uint64(0):
                            return False
                    value = np.int32(_value(window, entry))
                    window <<= entry & np.uint64(31)
                    held -= entry & np.uint64(31)
                    k += entry >> np.uint64(9)
                    lines[first + place[k]] = np.int16(value * step[k])
                if np.uint64(64) < k < np.uint64(_END):
                    return False
        for i in range(work):
            wild |= np.int32(lines[i] ^ (lines[i] >> 15))
        for component in range(len(layout)):
            size, stride = layout[component, BLOCKS], layout[component, STRIDE]
            for v in range(layout[component, DOWN]):
                begin = layout[component, COEFFICIENTS] + v * size
                to = layout[component, PLANE] + (row * layout[component, DOWN] + v) * 8 * size
                for i in range(16):
                    if i < 8:  # first the columns of the blocks, then their rows
                        here, far, shift = begin + i * stride, 8 * stride, 11
                        there, next_to = work + i * size, 8 * size
                    else:
                        here, far, shift = work + (i - 8) * 8 * size, size, 18
                        there, next_to = work + 64 * size, size
                    wild |= _transform(
                        lines, here, np.uint64(far), np.int32(shift), there, np.uint64(next_to), size
                    )
                    if i >= 8:
                        _pack(lines, there, np.uint64(size), size, planes, to + (i - 8) * size)
    return at * np.uint64(8) - held <= limit * np.uint64(8) and wild < _WILD


def _in_32_bits(operation):
    """Return an operation on int32 whose result numba does not widen: twice as many then fit a register."""

    @intrinsic
    def operate(typing_context, a, b):
        def generate(context, builder, signature, values):
            return getattr(builder, operation)(*values)

        return nb.int32(nb.int32, nb.int32), generate

    return operate


_plus, _minus, _times, _shifted = (_in_32_bits(operation) for operation in ("add", "sub", "mul", "ashr"))


@nb.njit(inline="always")
def _size(value):
    """Return a number whose highest bit set tells how large a value is."""
    return value ^ (value >> 31)


@nb.njit(inline="always")
def _transform(lines, here, far, shift, there, next_to, size):
    """Transform eight values of each of `size` blocks, less `shift` bits; return the bits of their sizes.

    Those of the same block are `far` apart, and what is made of them `next_to`.
    """
    seen = np.int32(0)
    half = np.int32(1) << np.int32(shift - 1)
    for b in range(size):
        a0, o0 = np.uint64(here + b), np.uint64(there + b)
        a1, o1 = a0 + far, o0 + next_to
        a2, o2 = a1 + far, o1 + next_to
        a3, o3 = a2 + far, o2 + next_to
        a4, o4 = a3 + far, o3 + next_to
        a5, o5 = a4 + far, o4 + next_to
        a6, o6 = a5 + far, o5 + next_to
        a7, o7 = a6 + far, o6 + next_to
        e2, e6 = np.int32(lines[a2]), np.int32(lines[a6])
        z1 = _times(_plus(e2, e6), np.int32(4433))
        t2, t3 = _minus(z1, _times(e6, np.int32(15137))), _plus(z1, _times(e2, np.int32(6270)))
        e0, e4 = np.int32(lines[a0]), np.int32(lines[a4])
        t0 = _plus(_times(_plus(e0, e4), np.int32(8192)), half)
        t1 = _plus(_times(_minus(e0, e4), np.int32(8192)), half)
        even0, even3 = _plus(t0, t3), _minus(t0, t3)
        even1, even2 = _plus(t1, t2), _minus(t1, t2)
        d1, d3 = np.int32(lines[a1]), np.int32(lines[a3])
        d5, d7 = np.int32(lines[a5]), np.int32(lines[a7])
        z3, z4 = _plus(d7, d3), _plus(d5, d1)
        z5 = _times(_plus(z3, z4), np.int32(9633))
        z1, z2 = _times(_plus(d7, d1), np.int32(-7373)), _times(_plus(d5, d3), np.int32(-20995))
        z3, z4 = _plus(_times(z3, np.int32(-16069)), z5), _plus(_times(z4, np.int32(-3196)), z5)
        odd3 = _plus(_plus(_times(d7, np.int32(2446)), z1), z3)
        odd2 = _plus(_plus(_times(d5, np.int32(16819)), z2), z4)
        odd1 = _plus(_plus(_times(d3, np.int32(25172)), z2), z3)
        odd0 = _plus(_plus(_times(d1, np.int32(12299)), z1), z4)
        r0 = _shifted(_plus(even0, odd0), shift)
        r7 = _shifted(_minus(even0, odd0), shift)
        lines[o0], lines[o7] = r0, r7
        r1 = _shifted(_plus(even1, odd1), shift)
        r6 = _shifted(_minus(even1, odd1), shift)
        lines[o1], lines[o6] = r1, r6
        r2 = _shifted(_plus(even2, odd2), shift)
        r5 = _shifted(_minus(even2, odd2), shift)
        lines[o2], lines[o5] = r2, r5
        r3 = _shifted(_plus(even3, odd3), shift)
        r4 = _shifted(_minus(even3, odd3), shift)
        lines[o3], lines[o4] = r3, r4
        seen |= (_size(r0) | _size(r7) | _size(r1) | _size(r6)) | (
            _size(r2) | _size(r5) | _size(r3) | _size(r4)
        )
    return seen


@nb.njit(inline="always")
def _sample(value, shift):
    return np.uint32(np.uint32(min(max(value + 128, 0), 255)) << np.uint32(shift))


@nb.njit(inline="always")
def _pack(lines, here, far, size, samples, to):
    """Put eight samples of each block side by side, the first in the lowest byte."""
    for b in range(size):
        a0 = np.uint64(here + b)
        a1, a2, a3 = a0 + far, a0 + far + far, a0 + far + far + far
        a4 = a2 + far + far
        a5, a6, a7 = a4 + far, a4 + far + far, a4 + far + far + far
        low = _sample(lines[a0], 0) | _sample(lines[a1], 8) | _sample(lines[a2], 16) | _sample(lines[a3], 24)
        high = _sample(lines[a4], 0) | _sample(lines[a5], 8) | _sample(lines[a6], 16) | _sample(lines[a7], 24)
        samples[np.uint64(to + b)] = np.uint64(low) | np.uint64(high) << np.uint64(32)


@nb.njit(cache=True, nogil=True, error_model="numpy")
def halve(plane, down, height, width, halved):
    """Average over 2x2 positions what libjpeg would make of a chroma plane in a picture of height x width.

    `plane` (uint8) holds a sample for two columns, and for `down` rows. At an odd edge the positions that are
    there count twice.
    """
    cols = halved.shape[1]
    above, below = np.empty(cols + 2, np.int16), np.empty(cols + 2, np.int16)
    # Which way halves are rounded: by turns, but in this order.
    low, high = (np.int16(8), np.int16(7)) if down == 2 else (np.int16(4), np.int16(8))
    for r in range(halved.shape[0]):
        single = 2 * r + 1 == height
        if down == 2:
            upper, lower = max(r - 1, 0), min(r + 1, halved.shape[0] - 1)
            _weigh(plane[r], plane[upper], above)
            _weigh(plane[r], plane[upper if single else lower], below)
        else:
            lower = 2 * r if single else 2 * r + 1
            _weigh(plane[2 * r], plane[2 * r], above)
            _weigh(plane[lower], plane[lower], below)
        _halve_row(above, below, low, high, halved[r])
        if width % 2:
            c = cols - 1
            one = (3 * above[c + 1] + above[c] + low) >> 4
            two = (3 * below[c + 1] + below[c] + low) >> 4
            halved[r, c] = (one + two + 1) >> 1


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _weigh(near, far, line):
    """Three parts of a row and one of another; beyond its ends the nearest column stands in."""
    cols = line.shape[0] - 2
    for c in range(cols):
        line[c + 1] = np.int16(3) * np.int16(near[c]) + np.int16(far[c])
    line[0], line[cols + 1] = line[1], line[cols]


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _halve_row(above, below, low, high, halved):
    for c in range(halved.shape[0]):
        a, b = np.int16(3 * above[c + 1]), np.int16(3 * below[c + 1])
        left = np.int16(np.int16(a + above[c] + low) >> 4) + np.int16(np.int16(b + below[c] + low) >> 4)
        right = np.int16(np.int16(a + above[c + 2] + high) >> 4)
        right += np.int16(np.int16(b + below[c + 2] + high) >> 4)
        halved[c] = np.uint8(np.uint16(left + right + 2) >> 2)

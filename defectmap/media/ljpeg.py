"""Lossless JPEG as DNG stores mosaics in it (ITU-T T.81 annex H; DNG 1.7, chapter 3, "Compression").

Each tile of the mosaic is a picture of two components that take turns along a row, so that a photosite is
predicted from the one two columns to the left (predictor 1), or two columns being all there is there, from
the one above. Both components share a Huffman table that is made for the tile.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numba as nb
import numpy as np
from numpy.typing import NDArray

from defectmap.media.jpegcodec.optimal import optimal_table

_COMPONENTS = 2
# Bits that a number takes: the category of a difference (T.81, table H.2).
_BITS = np.array([n.bit_length() for n in range((1 << 15) + 1)], dtype=np.uint8)


def encoded_tiles(mosaic: NDArray[np.uint16], side: int) -> Iterator[bytes]:
    """Yield the tiles of a mosaic, row by row, each a whole lossless JPEG.

    Parameters
    ----------
    mosaic : ndarray of shape (height, width), uint16
    side : int
        Rows and columns of a tile, even. Tiles at the right and the bottom repeat the last photosites of
        each colour as far as they are beyond the mosaic.
    """
    height, width = mosaic.shape
    precision = max(int(mosaic.max(initial=0)).bit_length(), 2)
    for top in range(0, height, side):
        for left in range(0, width, side):
            part = mosaic[top : top + side, left : left + side]
            rows = _repeated(part.shape[0], side)
            cols = _repeated(part.shape[1], side)
            yield encode(part[rows[:, None], cols], precision)


def encode(samples: NDArray[np.uint16], precision: int) -> bytes:
    """Return a lossless JPEG of two components that take turns along the rows.

    Parameters
    ----------
    samples : ndarray of shape (height, 2 * columns), uint16
        Values below ``2 ** precision``.
    precision : int
        Bits per sample, 2 to 16.

    Returns
    -------
    bytes

    Raises
    ------
    ValueError
        If the samples do not fit.
    """
    height, width = samples.shape
    fits = width % _COMPONENTS == 0 and 2 <= precision <= 16 and int(samples.max(initial=0)) >> precision == 0
    if not fits or not 1 <= height < 1 << 16 or not 1 <= width // _COMPONENTS < 1 << 16:
        raise ValueError(f"{height} x {width} samples do not make a lossless JPEG of {precision} bits")
    differences = _differences(samples, precision)
    sizes = _BITS[np.abs(differences)]
    table = optimal_table(np.bincount(sizes.ravel(), minlength=256).astype(np.int64))
    bits = table.length[sizes].sum(dtype=np.int64) + sizes.sum(dtype=np.int64)
    buffer = np.empty(2 * (int(bits) // 8 + 1), np.uint8)  # every byte may need a zero behind it
    used = _pack(differences.ravel(), sizes.ravel(), table.code, table.length, buffer)
    frame = struct.pack(">BHHB", precision, height, width // _COMPONENTS, _COMPONENTS)
    frame += b"".join(bytes((number, 0x11, 0)) for number in range(1, _COMPONENTS + 1))
    scan = bytes((_COMPONENTS, 1, 0, 2, 0, 1, 0, 0))  # table 0 for both; predictor 1, no point transform
    return b"".join(
        (
            b"\xff\xd8",
            _segment(0xC3, frame),
            _segment(0xC4, b"\0" + table.specification),
            _segment(0xDA, scan),
            buffer[:used].tobytes(),
            b"\xff\xd9",
        )
    )


def _repeated(there: int, wanted: int) -> NDArray[np.int64]:
    """Return indices that go on with the last two, in turns, behind the end."""
    index = np.arange(wanted)
    return np.where(index < there, index, np.maximum(there - 2 + (index - there) % 2, 0))


def _segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def _differences(samples: NDArray[np.uint16], precision: int) -> NDArray[np.int32]:
    """Return what is coded of each sample: the difference to its prediction, modulo 65536."""
    values = samples.astype(np.int32)
    differences = np.empty_like(values)
    differences[:, 2:] = values[:, 2:] - values[:, :-2]
    differences[1:, :2] = values[1:, :2] - values[:-1, :2]
    differences[0, :2] = values[0, :2] - (1 << precision - 1)
    wrapped: NDArray[np.int32] = (differences + (1 << 15)) % (1 << 16) - (1 << 15)
    return wrapped


@nb.njit(cache=True, nogil=True)
def _pack(
    differences: NDArray[np.int32],
    sizes: NDArray[np.uint8],
    codes: NDArray[np.uint32],
    lengths: NDArray[np.uint8],
    buffer: NDArray[np.uint8],
) -> int:
    """Fill `buffer` with the entropy-coded data and return how many bytes are used."""
    position = np.int64(0)
    pending = np.int64(0)
    held = np.int64(0)
    for i in range(differences.size):
        size = np.int64(sizes[i])
        length = np.int64(lengths[size])
        pending = pending << length | np.int64(codes[size])
        held += length
        if size < 16:  # the largest difference needs no bits of its own
            value = np.int64(differences[i])
            if value < 0:
                value += (np.int64(1) << size) - 1
            pending = pending << size | value
            held += size
        while held >= 8:
            held -= 8
            byte = pending >> held & 0xFF
            buffer[position] = np.uint8(byte)
            position += 1
            if byte == 0xFF:
                buffer[position] = np.uint8(0)
                position += 1
        pending &= (np.int64(1) << held) - 1
    if held:
        byte = (pending << (8 - held) | ((np.int64(1) << (8 - held)) - 1)) & 0xFF
        buffer[position] = np.uint8(byte)
        position += 1
        if byte == 0xFF:
            buffer[position] = np.uint8(0)
            position += 1
    return int(position)

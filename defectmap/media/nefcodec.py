"""The code stream of Nikon's compressed raws: photosites to bits and back.

Per photosite the stream holds one Huffman symbol, the number of bits of a difference, then those bits. The
difference is to the photosite two columns to the left; in the first two columns, to the one two rows above.
What is coded are indices into a curve: the identity for lossless files, a table of a few hundred steps
for lossy ones. The format is not published by its maker; the facts are those that dcraw 9.28
(``nikon_load_raw``) and LibRaw made known.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from defectmap.errors import FailedPhotoError, UnsupportedRawError
from defectmap.media import nefkernels

# Codes per code length (1, 2, ...), then the symbols in the order of their codes; keys are (bits, lossless).
_TABLES: dict[tuple[int, bool], tuple[tuple[int, ...], tuple[int, ...]]] = {
    (12, False): ((0, 1, 5, 1, 1, 1, 1, 1, 1, 2), (5, 4, 3, 6, 2, 7, 1, 0, 8, 9, 11, 10, 12)),
    (12, True): ((0, 1, 4, 2, 3, 1, 2), (5, 4, 6, 3, 7, 2, 8, 1, 9, 0, 10, 11, 12)),
    (14, False): ((0, 1, 4, 3, 1, 1, 1, 1, 1, 2), (5, 6, 4, 7, 8, 3, 9, 2, 1, 0, 10, 11, 12, 13, 14)),
    (14, True): ((0, 1, 4, 2, 2, 3, 1, 2), (7, 6, 8, 5, 9, 4, 10, 3, 11, 12, 2, 0, 1, 13, 14)),
}
_LOSSLESS = (0x46, 0x30)
_LOSSY = (0x44, 0x10)


@dataclass(frozen=True, slots=True)
class NefCoding:
    """How a stream is coded: the linearisation table of the MakerNote (tag 0x0096).

    Attributes
    ----------
    bits : {12, 14}
        BitsPerSample of the raw image.
    predictors : tuple of 4 int
        Start values of the first two columns: even row (col 0, col 1), odd row (col 0, col 1).
    curve : tuple of int
        DN of each index, not decreasing; empty for lossless files, where index and DN are the same.
    """

    bits: Literal[12, 14]
    predictors: tuple[int, int, int, int]
    curve: tuple[int, ...] = ()

    @property
    def lossless(self) -> bool:
        """Whether every DN has an index of its own."""
        return not self.curve

    @property
    def size(self) -> int:
        """Number of valid indices."""
        return len(self.curve) or 1 << self.bits

    @property
    def values_dn(self) -> NDArray[np.uint16]:
        """DN of every index, shape (size,), uint16."""
        return np.array(self.curve or range(self.size), dtype=np.uint16)

    @classmethod
    def parse(cls, table: bytes, bits: int, order: Literal["<", ">"] = ">") -> NefCoding:
        """Read the linearisation table.

        Parameters
        ----------
        table : bytes
            Value of MakerNote tag 0x0096.
        bits : int
            BitsPerSample of the raw image.
        order : {"<", ">"}
            Byte order of the MakerNote.

        Raises
        ------
        UnsupportedRawError
            For a variant whose tables change at a row of the picture, or another unknown one.
        FailedPhotoError
            If the table is cut short or its curve falls.
        """
        if bits not in (12, 14):
            raise UnsupportedRawError(f"Nikon compression with {bits} bits per photosite is not known")
        if len(table) < 12:
            raise FailedPhotoError("the Nikon linearisation table is cut short")
        version = (table[0], table[1])
        if version[0] == _LOSSY[0] and version[1] in (0x20, 0x40):
            raise UnsupportedRawError("its Nikon compression has a split curve")
        if version not in (_LOSSLESS, _LOSSY):
            raise UnsupportedRawError(
                f"Nikon compression variant {version[0]:02x} {version[1]:02x} is not known"
            )
        first, second, third, fourth, length = struct.unpack_from(f"{order}5H", table, 2)
        curve: tuple[int, ...] = ()
        if version == _LOSSY:
            if not 2 <= length <= 1 << bits or len(table) < 12 + 2 * length:
                raise FailedPhotoError("the curve of the Nikon linearisation table is cut short")
            curve = struct.unpack_from(f"{order}{length}H", table, 12)
            if any(after < before for before, after in pairwise(curve)):
                raise FailedPhotoError("the curve of the Nikon linearisation table is not rising")
        return cls(12 if bits == 12 else 14, (first, second, third, fourth), curve)

    def to_bytes(self, order: Literal["<", ">"] = ">") -> bytes:
        """Return the value of MakerNote tag 0x0096."""
        version = bytes(_LOSSLESS if self.lossless else _LOSSY)
        return version + struct.pack(
            f"{order}{5 + len(self.curve)}H", *self.predictors, len(self.curve), *self.curve
        )

    def indices(self, mosaic: NDArray[np.uint16]) -> NDArray[np.uint16]:
        """Return the index of the nearest curve entry for every DN; same shape, uint16."""
        if self.lossless:
            return mosaic
        values = self.values_dn.astype(np.int64)
        every = np.arange(1 << 16).clip(values[0], values[-1])
        above = np.searchsorted(values, every).clip(1)
        nearest: NDArray[np.uint16] = np.where(
            every - values[above - 1] <= values[above] - every, above - 1, above
        ).astype(np.uint16)
        return nearest[mosaic]


def lossless_coding(bits: Literal[12, 14]) -> NefCoding:
    """Return the coding under which every DN is kept."""
    middle = 1 << bits - 1
    return NefCoding(bits, (middle, middle, middle, middle))


def lossy_coding(bits: Literal[12, 14]) -> NefCoding:
    """Return a lossy coding of the usual kind: single steps in the shadows, then wider ones.

    Steps grow linearly with the index, so a step stays about proportional to the shot noise. A 12-bit curve
    has 683 entries from 0 to 4095 with single steps up to 215, as early Nikon bodies have it; the 14-bit
    one is four times as long.
    """
    scale = 1 << bits - 12
    size, knee, white = 683 * scale, 215 * scale, (1 << bits) - 1
    index = np.arange(size, dtype=np.int64)
    beyond = np.maximum(index - knee, 0)
    rest = size - 1 - knee
    curve = index + beyond * beyond * (white - (size - 1)) // (rest * rest)
    middle = size // 2
    return NefCoding(bits, (middle, middle, middle, middle), tuple(curve.tolist()))


def encode(indices: NDArray[np.uint16], coding: NefCoding) -> bytes:
    """Write a stream.

    Parameters
    ----------
    indices : ndarray of shape (height, width), uint16
        Curve indices, all below ``coding.size``.
    coding : NefCoding

    Returns
    -------
    bytes
        The stream, padded with zero bits to a whole byte.

    Raises
    ------
    ValueError
        If an index or a difference has no code.
    """
    lengths, codes = _code_book(coding.bits, coding.lossless)
    if indices.ndim != 2 or (indices.size and int(indices.max()) >= coding.size):
        raise ValueError(f"indices must be a plane of values below {coding.size}")
    buffer = np.zeros(4 + indices.size * 4, dtype=np.uint8)  # a code and its bits: 24 at most
    plane = np.ascontiguousarray(indices, dtype=np.uint16)
    used = nefkernels.encode_plane(plane, _predictors(coding), codes, lengths, buffer)
    if used < 0:
        raise ValueError("a difference between photosites is too large for this coding's table")
    return buffer[:used].tobytes()


def decode(stream: bytes, height: int, width: int, coding: NefCoding) -> NDArray[np.uint16]:
    """Read a stream.

    Parameters
    ----------
    stream : bytes
        May be longer than needed.
    height, width : int
        Stored size.
    coding : NefCoding

    Returns
    -------
    ndarray of shape (height, width), uint16
        Curve indices; ``coding.values_dn[indices]`` is the mosaic.

    Raises
    ------
    FailedPhotoError
        If the stream ends too early or an index leaves the curve.
    """
    return _decoded(np.frombuffer(stream, np.uint8), height, width, coding, (), coding.size, slice(0, width))


def decode_mosaic(
    stream: NDArray[np.uint8], height: int, width: int, coding: NefCoding, columns: slice
) -> NDArray[np.uint16]:
    """Read the first rows of a stream, and of these some columns, in DN.

    Parameters
    ----------
    stream : ndarray of shape (n,), uint8
        As :func:`numpy.frombuffer` makes it of bytes: not to be written to. May be longer than needed.
    height : int
        Rows wanted.
    width : int
        Stored columns.
    coding : NefCoding
    columns : slice
        The columns wanted, with a step of one.

    Returns
    -------
    ndarray of shape (height, columns.stop - columns.start), uint16

    Raises
    ------
    FailedPhotoError
        If the stream ends too early or an index leaves the curve; also for an index within a flat end of the
        curve, which cameras do not write and LibRaw takes for damage.
    """
    limit = coding.size
    while limit > 2 and coding.curve and coding.curve[limit - 2] == coding.curve[limit - 1]:
        limit -= 1
    return _decoded(stream, height, width, coding, coding.curve, limit, columns)


def _decoded(
    stream: NDArray[np.uint8],
    height: int,
    width: int,
    coding: NefCoding,
    curve: tuple[int, ...],
    limit: int,
    columns: slice,
) -> NDArray[np.uint16]:
    # Every symbol takes 2 bits or more: a damaged header must not make us allocate for a missing stream.
    if height < 1 or width < 1 or height * width > 4 * len(stream):
        raise FailedPhotoError("its compressed raw data is cut short")
    margin = nefkernels.margin(width)
    # Rows that may reach beyond the end are read from a copy of it with zeros behind.
    tail = np.frombuffer(stream[-margin:].tobytes() + bytes(margin), np.uint8)
    values = np.empty((height, columns.stop - columns.start), np.uint16)
    state, row = nefkernels.decode_rows(
        stream,
        tail,
        _predictors(coding),
        _lookup(coding.bits, coding.lossless),
        limit,
        np.array(curve, np.uint16),
        columns.start,
        np.empty(width, np.uint16),
        values,
    )
    if state == nefkernels.TRUNCATED:
        raise FailedPhotoError(f"its compressed raw data is cut short in row {row}")
    if state == nefkernels.CORRUPT:
        raise FailedPhotoError(f"its compressed raw data is corrupt in row {row}")
    return values


def taken_for_uncompressed(length: int, height: int, width: int) -> bool:
    """Whether a strip has a length by which readers tell the uncompressed variants of this compression.

    Parameters
    ----------
    length : int
        Bytes of the strip.
    height, width : int
        Stored size.
    """
    rows, packed = (width + 9) // 10 * 16 * height, width * height * 3
    return length in {rows, packed, width * height * 2} or 2 * length == packed


def code_bits(coding: NefCoding) -> NDArray[np.int64]:
    """Return what a difference takes in bits, by the number of its own; 0 where it has no code."""
    lengths, _ = _code_book(coding.bits, coding.lossless)
    bits: NDArray[np.int64] = np.where(lengths > 0, lengths + np.arange(16), 0)
    return bits


def _predictors(coding: NefCoding) -> NDArray[np.int64]:
    return np.array(coding.predictors, dtype=np.int64).reshape(2, 2)


@lru_cache
def _code_book(bits: int, lossless: bool) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return code lengths and codes by symbol; length 0 for a symbol that the table lacks."""
    counts, symbols = _TABLES[bits, lossless]
    lengths = np.zeros(16, dtype=np.int64)
    codes = np.zeros(16, dtype=np.int64)
    code_lengths = [length for length, count in enumerate(counts, start=1) for _ in range(count)]
    code, last = 0, code_lengths[0]
    # One of the tables has a code more than symbols; it is never written.
    for symbol, length in zip(symbols, code_lengths, strict=False):
        code <<= length - last
        lengths[symbol], codes[symbol] = length, code
        code, last = code + 1, length
    return lengths, codes


@lru_cache
def _lookup(bits: int, lossless: bool) -> NDArray[np.uint16]:
    """Return what every `nefkernels.WINDOW` bits begin with, as `nefkernels.decode_rows` takes it."""
    lengths, codes = _code_book(bits, lossless)
    table = np.full(1 << nefkernels.WINDOW, nefkernels.UNKNOWN, dtype=np.uint16)
    for symbol in np.flatnonzero(lengths):
        free = nefkernels.WINDOW - int(lengths[symbol])
        first = int(codes[symbol]) << free
        table[first : first + (1 << free)] = symbol << 5 | lengths[symbol] + symbol
    return table

"""The tables of a JPEG file: quantisation steps and Huffman codes (ITU-T T.81 annexes B and C)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from defectmap.media.jpegcodec.errors import CorruptJpegError


@dataclass(frozen=True, slots=True)
class HuffmanTable:
    """A Huffman table in both directions.

    Attributes
    ----------
    lookup : ndarray of shape (65536,), uint16
        ``length << 8 | symbol`` for every 16-bit prefix; 0 where no code begins so.
    code : ndarray of shape (256,), uint32
        Code of a symbol, right-aligned.
    length : ndarray of shape (256,), uint8
        Bits of a symbol's code; 0 where the table has none.
    specification : bytes
        Counts and symbols, as a DHT segment holds them.
    """

    lookup: NDArray[np.uint16]
    code: NDArray[np.uint32]
    length: NDArray[np.uint8]
    specification: bytes


def huffman_table(counts: bytes, symbols: bytes) -> HuffmanTable:
    """Build a table from a DHT segment's counts and symbols (T.81 annex C).

    Parameters
    ----------
    counts : bytes
        Number of codes of each length 1 to 16.
    symbols : bytes
        Symbols in order of rising code.

    Returns
    -------
    HuffmanTable

    Raises
    ------
    CorruptJpegError
        If the lengths describe no prefix code.
    """
    lookup = np.zeros(1 << 16, np.uint16)
    code_of, length_of = np.zeros(256, np.uint32), np.zeros(256, np.uint8)
    code = used = 0
    for length, count in enumerate(counts, start=1):
        for symbol in symbols[used : used + count]:
            first = code << (16 - length)
            if code >= (1 << length):
                raise CorruptJpegError("its Huffman table has more codes than fit")
            lookup[first : first + (1 << (16 - length))] = length << 8 | symbol
            code_of[symbol], length_of[symbol] = code, length
            code += 1
        used += count
        code <<= 1
    return HuffmanTable(lookup, code_of, length_of, counts + symbols)


def quantisation_tables(body: bytes) -> dict[int, NDArray[np.int32]]:
    """Read a DQT segment: steps in zigzag order by number of the table."""
    found: dict[int, NDArray[np.int32]] = {}
    at = 0
    while at < len(body):
        wide, index = body[at] >> 4, body[at] & 15
        size = 128 if wide else 64
        values = body[at + 1 : at + 1 + size]
        if wide > 1 or index > 3 or len(values) != size:
            raise CorruptJpegError("its quantisation tables are malformed")
        steps = np.frombuffer(values, ">u2" if wide else np.uint8).astype(np.int32)
        if not steps.all():
            raise CorruptJpegError("its quantisation tables hold a step of zero")
        found[index] = steps
        at += 1 + size
    return found


def huffman_tables(body: bytes) -> dict[int, HuffmanTable]:
    """Read a DHT segment: tables by their class (0x00 for DC, 0x10 for AC) and number."""
    found: dict[int, HuffmanTable] = {}
    at = 0
    while at < len(body):
        key, counts = body[at], body[at + 1 : at + 17]
        symbols = body[at + 17 : at + 17 + sum(counts)]
        if key & 0xEC or len(counts) != 16 or len(symbols) != sum(counts) or len(symbols) > 256:
            raise CorruptJpegError("its Huffman tables are malformed")
        found[key] = huffman_table(counts, symbols)
        at += 17 + len(symbols)
    return found

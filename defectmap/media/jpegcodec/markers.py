"""The headers of a JPEG file: everything outside its entropy-coded scan.

Names follow ITU-T T.81 (ISO/IEC 10918-1), annex B.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from defectmap.media.jpegcodec.errors import CorruptJpegError, UnsupportedJpegError
from defectmap.media.jpegcodec.tables import HuffmanTable, huffman_tables, quantisation_tables

_SOI, _EOI, _SOS, _DQT, _DNL, _DRI, _DHT, _DAC, _COM = 0xD8, 0xD9, 0xDA, 0xDB, 0xDC, 0xDD, 0xC4, 0xCC, 0xFE
_APP0, _APP14, _APP15 = 0xE0, 0xEE, 0xEF
_SUPPORTED_FRAMES: Final = {0xC0, 0xC1}
_REFUSED_FRAMES: Final = {
    0xC2: "progressive",
    0xC3: "lossless",
    0xC5: "hierarchical",
    0xC6: "hierarchical progressive",
    0xC7: "hierarchical lossless",
    0xC8: "JPEG extension",
    0xC9: "arithmetic",
    0xCA: "progressive arithmetic",
    0xCB: "lossless arithmetic",
    0xCD: "hierarchical arithmetic",
    0xCE: "hierarchical progressive arithmetic",
    0xCF: "hierarchical lossless arithmetic",
}


@dataclass(frozen=True, slots=True)
class Component:
    """One colour plane of a frame.

    Attributes
    ----------
    identifier : int
        As the file names it.
    across, down : int
        Sampling factors H and V.
    height, width : int
        Samples of the plane, without the padding to whole blocks.
    row_step, col_step : int
        Luma rows and columns per sample.
    quantisation : ndarray of shape (64,), int32
        Quantisation steps in zigzag order.
    """

    identifier: int
    across: int
    down: int
    height: int
    width: int
    row_step: int
    col_step: int
    quantisation: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Frame:
    """What the frame header says of the picture.

    Attributes
    ----------
    height, width : int
        Stored size in luma samples.
    components : tuple of Component
        One (grey) or three (Y, Cb, Cr).
    mcu_rows, mcu_cols : int
        Grid of minimum coded units of a scan of all components.
    """

    height: int
    width: int
    components: tuple[Component, ...]
    mcu_rows: int
    mcu_cols: int

    @property
    def block_components(self) -> tuple[int, ...]:
        """Component of each block of an MCU, in coding order."""
        if len(self.components) == 1:
            return (0,)
        return tuple(i for i, c in enumerate(self.components) for _ in range(c.across * c.down))

    def shows_like(self, other: Frame) -> bool:
        """Whether the same coefficients mean the same picture in both."""
        if (self.height, self.width, len(self.components)) != (
            other.height, other.width, len(other.components)
        ):  # fmt: skip
            return False
        return all(
            (a.across, a.down) == (b.across, b.down) and np.array_equal(a.quantisation, b.quantisation)
            for a, b in zip(self.components, other.components, strict=True)
        )


@dataclass(frozen=True, slots=True)
class Header(Frame):
    """What the markers of a single-scan Huffman JPEG say.

    Attributes
    ----------
    tables : tuple of HuffmanTable
    choices : tuple of (int, int)
        Index into `tables` of the DC and the AC table of each component.
    restart_interval : int
        MCUs between restart markers; 0 for none.
    scan_start : int
        Offset of the first entropy-coded byte.
    """

    tables: tuple[HuffmanTable, ...]
    choices: tuple[tuple[int, int], ...]
    restart_interval: int
    scan_start: int

    def codes_like(self, other: Header) -> bool:
        """Whether the same bits mean the same picture in both."""
        codes = [tuple(h.tables[i].specification for pair in h.choices for i in pair) for h in (self, other)]
        same = codes[0] == codes[1] and self.restart_interval == other.restart_interval
        return same and self.shows_like(other)


class Reader:
    """Walks the marker segments of `data`, never past its end."""

    def __init__(self, data: bytes, offset: int) -> None:
        self.data, self.offset = data, offset

    def marker(self) -> int:
        """Next marker code; stands behind it afterwards."""
        data, at = self.data, self.offset
        if at >= len(data):
            raise CorruptJpegError("it ends before its picture does, so it is truncated")
        if data[at] != 0xFF:
            raise CorruptJpegError(f"it has no marker at byte {at}, where one must stand")
        while at < len(data) and data[at] == 0xFF:
            at += 1
        if at >= len(data):
            raise CorruptJpegError("it ends before its picture does, so it is truncated")
        self.offset = at + 1
        return data[at]

    def body(self) -> bytes:
        """Content of the segment whose marker was just read."""
        size = int.from_bytes(self.data[self.offset : self.offset + 2], "big")
        if size < 2 or self.offset + size > len(self.data):
            raise CorruptJpegError("a header segment runs past its end, so it is truncated")
        body = self.data[self.offset + 2 : self.offset + size]
        self.offset += size
        return body


def parse_header(data: bytes) -> Header:
    """Read the markers up to the scan.

    Parameters
    ----------
    data : bytes
        A whole JPEG file.

    Returns
    -------
    Header

    Raises
    ------
    UnsupportedJpegError
        If the coding is not sequential Huffman with 8 bits, one scan, and grey or YCbCr colour.
    CorruptJpegError
        If the headers contradict themselves or the file ends in them.
    """
    if data[:2] != b"\xff\xd8":
        raise CorruptJpegError("it does not begin like a JPEG file")
    reader = Reader(data, 2)
    quantisation: dict[int, NDArray[np.int32]] = {}
    tables: dict[int, HuffmanTable] = {}
    frame: bytes | None = None
    restart, transform = 0, 1
    while (marker := reader.marker()) != _SOS:
        if marker in (_EOI, _SOI) or marker in range(0xD0, 0xD8) or marker in (0x00, 0x01):
            raise CorruptJpegError("it ends or begins anew before any picture data")
        if marker in _REFUSED_FRAMES:
            raise UnsupportedJpegError(f"its coding is {_REFUSED_FRAMES[marker]}, which cannot be patched")
        if marker == _DNL:
            raise UnsupportedJpegError("its height is given only after the scan, which cannot be patched")
        if marker == _DAC:
            raise UnsupportedJpegError("its coding is arithmetic, which cannot be patched")
        body = reader.body()
        if marker in _SUPPORTED_FRAMES:
            if frame is not None:
                raise CorruptJpegError("it has two frame headers")
            frame = body
        elif marker == _DQT:
            quantisation |= quantisation_tables(body)
        elif marker == _DHT:
            tables |= huffman_tables(body)
        elif marker == _DRI:
            if len(body) != 2:
                raise CorruptJpegError("its restart interval is malformed")
            restart = int.from_bytes(body, "big")
        elif marker == _APP14 and body[:5] == b"Adobe" and len(body) >= 12:
            transform = body[11]
    if frame is None:
        raise CorruptJpegError("it has no frame header before its scan")
    return _assemble(parse_frame(frame, quantisation, transform), reader, tables, restart)


def end_of_picture(data: bytes, offset: int) -> int:
    """Find the byte behind the end-of-image marker.

    Parameters
    ----------
    data : bytes
    offset : int
        Where the scan's entropy-coded data ends.

    Returns
    -------
    int
        Offset behind the marker; what follows is trailing data.

    Raises
    ------
    UnsupportedJpegError
        If another scan follows.
    CorruptJpegError
        If the file ends first.
    """
    reader = Reader(data, offset)
    while (marker := reader.marker()) != _EOI:
        if marker == _DNL:
            raise UnsupportedJpegError("its height is given again after the scan, which cannot be patched")
        if marker in (_SOS, _DQT, _DHT, _DRI):
            raise UnsupportedJpegError("it has several scans, which cannot be patched")
        if marker != _COM and not _APP0 <= marker <= _APP15:
            raise CorruptJpegError(f"an unexpected marker FF{marker:02X} follows its scan")
        reader.body()
    return reader.offset


def parse_frame(body: bytes, quantisation: dict[int, NDArray[np.int32]], transform: int) -> Frame:
    """Read a frame header.

    Parameters
    ----------
    body : bytes
        Content of the SOF segment.
    quantisation : dict
        Tables by number.
    transform : int
        Colour transform that an Adobe segment names; 1 without one.

    Returns
    -------
    Frame

    Raises
    ------
    UnsupportedJpegError
        If the picture is not grey or YCbCr with 8 bits, or its chroma is sampled unusually.
    CorruptJpegError
        If the header contradicts itself or names a table that is not there.
    """
    if len(body) < 6 or len(body) != 6 + 3 * body[5]:
        raise CorruptJpegError("its frame header is malformed")
    precision, count = body[0], body[5]
    height, width = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
    if precision != 8:
        raise UnsupportedJpegError(f"it has {precision} bits per sample, and only 8 can be patched")
    if height == 0:
        raise UnsupportedJpegError("its height is given only after the scan, which cannot be patched")
    if width == 0 or count == 0:
        raise CorruptJpegError("its frame is empty")
    entries = [tuple(body[6 + 3 * i : 9 + 3 * i]) for i in range(count)]
    if count not in (1, 3):
        raise UnsupportedJpegError(f"it has {count} colour components, and only 1 or 3 can be patched")
    if count == 3 and (transform == 0 or bytes(e[0] for e in entries) == b"RGB"):
        raise UnsupportedJpegError("it stores red, green and blue planes, and only YCbCr can be patched")
    samplings = [(e[1] >> 4, e[1] & 15) for e in entries]
    if not all(1 <= h <= 4 and 1 <= v <= 4 for h, v in samplings):
        raise CorruptJpegError("its sampling factors are out of range")
    most_h, most_v = max(h for h, _ in samplings), max(v for _, v in samplings)
    if any(most_h % h or most_v % v for h, v in samplings) or samplings[0] != (most_h, most_v):
        raise UnsupportedJpegError("its chroma is sampled in an unusual ratio, which cannot be patched")
    if count > 1 and sum(h * v for h, v in samplings) > 10:
        raise CorruptJpegError("its units hold more than 10 blocks")
    if any(table not in quantisation for _, _, table in entries):
        raise CorruptJpegError("it lacks a table that its scan needs")
    components = tuple(
        Component(
            identifier, h, v, -(-height * v // most_v), -(-width * h // most_h), most_v // v, most_h // h,
            quantisation[table],
        )
        for (identifier, _, table), (h, v) in zip(entries, samplings, strict=True)
    )  # fmt: skip
    # The unit of a single component is one block, whatever its sampling factors (T.81 A.2.2).
    unit_v, unit_h = (8 * most_v, 8 * most_h) if count > 1 else (8, 8)
    return Frame(height, width, components, -(-height // unit_v), -(-width // unit_h))


def _assemble(frame: Frame, reader: Reader, tables: dict[int, HuffmanTable], restart: int) -> Header:
    """Check the scan header against the frame and the tables."""
    scan = reader.body()
    count = len(frame.components)
    if not scan or len(scan) != 4 + 2 * scan[0]:
        raise CorruptJpegError("its scan header is malformed")
    if scan[0] != count:
        raise UnsupportedJpegError("it has several scans, which cannot be patched")
    if scan[-3:] != b"\x00\x3f\x00":
        raise UnsupportedJpegError("its scan is not sequential, which cannot be patched")
    used: dict[int, int] = {}
    choices = []
    for i, component in enumerate(frame.components):
        selector, choice = scan[1 + 2 * i], scan[2 + 2 * i]
        dc, ac = choice >> 4, 0x10 | (choice & 15)
        if selector != component.identifier:
            raise CorruptJpegError("its scan names components that its frame does not have")
        if dc not in tables or ac not in tables:
            raise CorruptJpegError("it lacks a table that its scan needs")
        choices.append((used.setdefault(dc, len(used)), used.setdefault(ac, len(used))))
    return Header(
        frame.height, frame.width, frame.components, frame.mcu_rows, frame.mcu_cols,
        tuple(tables[key] for key in used), tuple(choices), restart, reader.offset,
    )  # fmt: skip

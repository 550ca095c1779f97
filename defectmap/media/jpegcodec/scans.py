"""The scans of a progressive JPEG: which coefficients each codes, with which tables, and where it lies.

ITU-T T.81 annexes B and G.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from defectmap.media.jpegcodec.errors import CorruptJpegError, UnsupportedJpegError
from defectmap.media.jpegcodec.markers import Frame, Reader, parse_frame
from defectmap.media.jpegcodec.tables import HuffmanTable, huffman_tables, quantisation_tables

PROGRESSIVE: Final = 0xC2
_EOI, _SOS, _DQT, _DNL, _DRI, _DHT, _COM = 0xD9, 0xDA, 0xDB, 0xDC, 0xDD, 0xC4, 0xFE
_MOST_SCANS: Final = 128  # three components take 64 scans at the very most that any known encoder writes
_LARGEST_PIXELS: Final = 500_000_000
_CONTRADICTION: Final = "its scans do not follow each other as progressive ones must"


@dataclass(frozen=True, slots=True)
class Scan:
    """One scan.

    Attributes
    ----------
    at : int
        Offset of its SOS marker.
    start, end : int
        Where its entropy-coded bytes lie.
    components : tuple of int
    keys : tuple of int
        Class (0x00 or 0x10) and number of the Huffman table of each component; none for a further bit of DC.
    tables : tuple of HuffmanTable
        These tables.
    first, last : int
        Band of coefficients, in zigzag order.
    high, low : int
        Bits known before (0 for a first pass) and lowest bit coded.
    interval : int
        Units between restart markers; 0 for none.
    restarts : int
        Number of its restart markers.
    defines : tuple of (key, specification)
        Tables defined between the scan before and this one.
    """

    at: int
    start: int
    end: int
    components: tuple[int, ...]
    keys: tuple[int, ...]
    tables: tuple[HuffmanTable, ...]
    first: int
    last: int
    high: int
    low: int
    interval: int
    restarts: int
    defines: tuple[tuple[int, bytes], ...]


@dataclass(frozen=True, slots=True)
class Progression:
    """A whole progressive file, its coefficients not yet read.

    Attributes
    ----------
    frame : Frame
    scans : tuple of Scan
    picture_end : int
        Offset behind the end-of-image marker.
    """

    frame: Frame
    scans: tuple[Scan, ...]
    picture_end: int


def is_progressive(data: bytes) -> bool:
    """Whether a file's first frame is a progressive one; anything else is not for this module to judge."""
    reader = Reader(data, 2)
    try:
        while (marker := reader.marker()) not in (_SOS, _EOI):
            if marker == PROGRESSIVE:
                return data[:2] == b"\xff\xd8"
            reader.body()
    except CorruptJpegError:
        pass
    return False


def read_progression(data: bytes, kernels: ModuleType) -> Progression:
    """Read all markers of a progressive file.

    Parameters
    ----------
    data : bytes
        A whole file.
    kernels : module
        :mod:`.progressive_kernels`.

    Returns
    -------
    Progression

    Raises
    ------
    UnsupportedJpegError
        If the picture is not grey or YCbCr with 8 bits, or is not coded to its last bit.
    CorruptJpegError
        If the markers contradict themselves or the file ends in them.
    """
    reader, raw = Reader(data, 2), np.frombuffer(data, np.uint8)
    quantisation: dict[int, NDArray[np.int32]] = {}
    tables: dict[int, HuffmanTable] = {}
    frame: Frame | None = None
    frame_body: bytes | None = None
    scans: list[Scan] = []
    defined: dict[int, bytes] = {}
    restart, transform = 0, 1
    while (marker := reader.marker()) != _EOI:
        at = reader.offset - 2
        if marker == _DNL:
            raise UnsupportedJpegError("its height is given only after the scan, which cannot be patched")
        if marker in range(0xD0, 0xD9) or marker in (0x00, 0x01):
            raise CorruptJpegError(f"an unexpected marker FF{marker:02X} stands between its scans")
        body = reader.body()
        if marker == _SOS:
            if frame_body is None:
                raise CorruptJpegError("it has no frame header before its scan")
            frame = frame or _checked(parse_frame(frame_body, quantisation, transform), len(data))
            end, restarts = kernels.find_scan_end(raw, reader.offset)
            if end < 0:
                raise CorruptJpegError("its picture data has no end, so it is truncated")
            place = (at, reader.offset, int(end), int(restarts))
            scans.append(_scan(body, frame, tables, place, restart, tuple(defined.items())))
            if len(scans) > _MOST_SCANS:
                raise CorruptJpegError("it has more scans than any picture needs")
            defined.clear()
            reader.offset = int(end)
        elif marker == PROGRESSIVE and frame_body is None:
            frame_body = body
        elif marker == _DHT:
            new = huffman_tables(body)
            tables |= new
            defined |= {key: table.specification for key, table in new.items()}
        elif marker == _DQT:
            if scans:
                raise UnsupportedJpegError("its quantisation changes between scans, which cannot be patched")
            quantisation |= quantisation_tables(body)
        elif marker == _DRI and len(body) == 2:
            restart = int.from_bytes(body, "big")
        elif marker == 0xEE and body[:5] == b"Adobe" and len(body) >= 12:
            transform = body[11]
        elif marker != _COM and not 0xE0 <= marker <= 0xEF:
            raise CorruptJpegError(f"an unexpected marker FF{marker:02X} stands between its scans")
    if frame is None:
        raise CorruptJpegError("it ends or begins anew before any picture data")
    _check_order(frame, scans)
    return Progression(frame, tuple(scans), reader.offset)


def _checked(frame: Frame, size: int) -> Frame:
    """Refuse a frame that would take far more memory than the file has picture for."""
    if frame.height * frame.width > _LARGEST_PIXELS:
        raise UnsupportedJpegError(f"is larger than any camera's: {frame.width} x {frame.height} pixels")
    blocks = frame.mcu_rows * frame.mcu_cols * len(frame.block_components)
    # The first pass of the DC values takes one bit of each block at the least.
    if blocks > 8 * size:
        raise CorruptJpegError("it holds less picture data than its size needs, so it is truncated")
    return frame


def _scan(
    body: bytes,
    frame: Frame,
    tables: dict[int, HuffmanTable],
    place: tuple[int, int, int, int],
    interval: int,
    defines: tuple[tuple[int, bytes], ...],
) -> Scan:
    if not body or not 1 <= body[0] <= 4 or len(body) != 4 + 2 * body[0]:
        raise CorruptJpegError("its scan header is malformed")
    known = {c.identifier: i for i, c in enumerate(frame.components)}
    named = [(body[1 + 2 * i], body[2 + 2 * i]) for i in range(body[0])]
    if any(identifier not in known for identifier, _ in named):
        raise CorruptJpegError("its scan names components that its frame does not have")
    components = tuple(known[identifier] for identifier, _ in named)
    first, last, high, low = body[-3], body[-2], body[-1] >> 4, body[-1] & 15
    if list(components) != sorted(set(components)) or (high and high != low + 1) or low > 13:
        raise CorruptJpegError(_CONTRADICTION)
    if not ((first == last == 0) if first == 0 else (first <= last <= 63 and len(components) == 1)):
        raise CorruptJpegError(_CONTRADICTION)
    keys: tuple[int, ...] = ()
    if first:
        keys = (0x10 | named[0][1] & 15,)
    elif not high:
        keys = tuple(choice >> 4 for _, choice in named)
    if any(key not in tables for key in keys):
        raise CorruptJpegError("it lacks a table that its scan needs")
    at, start, end, restarts = place
    return Scan(
        at, start, end, components, keys, tuple(tables[key] for key in keys),
        first, last, high, low, interval, restarts, defines,
    )  # fmt: skip


def _check_order(frame: Frame, scans: list[Scan]) -> None:
    """Check that every coefficient is coded once in each of its bits, the highest first."""
    lowest = np.full((len(frame.components), 64), -1)
    for scan in scans:
        for component in scan.components:
            band = lowest[component, scan.first : scan.last + 1]
            if (band != (scan.high if scan.high else -1)).any():
                raise CorruptJpegError(_CONTRADICTION)
            if scan.first and lowest[component, 0] < 0:
                raise CorruptJpegError(_CONTRADICTION)
            band[:] = scan.low
    if (lowest != 0).any():
        raise UnsupportedJpegError("its picture is not coded to the last bit, which cannot be patched")

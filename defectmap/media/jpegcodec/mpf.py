"""The index of a multi-picture file, and what a longer first picture does to it.

CIPA DC-007, Multi-Picture Format: an APP2 segment of the first picture holds a TIFF directory whose entries
name the place, counted from that directory's own header, and the size of every picture in the file.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from defectmap.media.jpegcodec.errors import JpegLengthError

_ENTRIES, _ENTRY_SIZE, _UNDEFINED = 0xB002, 16, 7
_BLANK: Final = b"\x00\xff"
_STAYS_SHORT: Final = "the repaired picture needs more bytes, and data behind it would no longer be found"


@dataclass(frozen=True, slots=True)
class Entry:
    """One picture of a multi-picture file.

    Attributes
    ----------
    start, size : int
        Its bytes, as absolute offset and length.
    at : int
        Offset of its 16-byte entry in the file.
    """

    start: int
    size: int
    at: int


@dataclass(frozen=True, slots=True)
class Index:
    """Where the pictures of a file lie.

    Attributes
    ----------
    base : int
        Offset that the entries' own offsets count from.
    order : {"<", ">"}
        Byte order, as :mod:`struct` names it.
    entries : tuple of Entry
        The first is the picture that holds the index.
    """

    base: int
    order: str
    entries: tuple[Entry, ...]


def segments(data: bytes, scan_start: int) -> Iterator[tuple[int, int, int]]:
    """Yield (marker, start, end) of the content of each segment between the start and the first scan.

    Parameters
    ----------
    data : bytes
        A JPEG whose headers have been found sound.
    scan_start : int
        Offset of the first entropy-coded byte.
    """
    at = 2
    while at + 4 <= scan_start:
        while data[at + 1] == 0xFF:
            at += 1
        size = int.from_bytes(data[at + 2 : at + 4], "big")
        yield data[at + 1], at + 4, at + 2 + size
        at += 2 + size


def read_index(data: bytes, scan_start: int) -> Index | None:
    """Read the multi-picture index.

    Parameters
    ----------
    data : bytes
        A JPEG whose headers have been found sound.
    scan_start : int
        Offset of its first entropy-coded byte.

    Returns
    -------
    Index or None
        None if there is none, or none that makes sense.
    """
    for marker, start, end in segments(data, scan_start):
        if marker == 0xE2 and data[start : start + 4] == b"MPF\0":
            return _parsed(data, start + 4, end)
    return None


def _parsed(data: bytes, base: int, end: int) -> Index | None:
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[base : base + 4])
    if order is None:
        return None
    try:
        directory = base + struct.unpack_from(order + "I", data, base + 4)[0]
        (count,) = struct.unpack_from(order + "H", data, directory)
        for i in range(count):
            tag, kind, size, offset = struct.unpack_from(order + "HHII", data, directory + 2 + 12 * i)
            if tag == _ENTRIES and kind == _UNDEFINED:
                places = range(base + offset, base + offset + size, _ENTRY_SIZE)
                if base + offset + size > end:
                    return None
                fields = [struct.unpack_from(order + "III", data, at) for at in places]
                entries = (
                    Entry(base + where if where else 0, length, at)
                    for at, (_, length, where) in zip(places, fields, strict=True)
                )
                return Index(base, order, tuple(entries))
    except struct.error:
        pass
    return None


def head_of_grown(data: bytes, scan_start: int, picture_end: int, growth: int) -> bytes:
    """Return the bytes before the scan as they must be when the picture becomes longer.

    Parameters
    ----------
    data : bytes
        The file as it was.
    scan_start, picture_end : int
        Offsets of the first entropy-coded byte, and of the byte behind the picture's end.
    growth : int
        Bytes by which everything behind the picture moves.

    Returns
    -------
    bytes
        Of the same length as before; the multi-picture index points to where the pictures now are.

    Raises
    ------
    JpegLengthError
        If something behind the picture may be found by other means than this index.
    """
    head = bytearray(data[:scan_start])
    index = read_index(data, scan_start)
    behind = [e for e in index.entries if e.start >= picture_end] if index else []
    if _uncovered(data, picture_end, behind) or any(_named_elsewhere(data, scan_start, e) for e in behind):
        raise JpegLengthError(_STAYS_SHORT)
    if index is not None:
        for entry in index.entries:
            if entry in behind:
                struct.pack_into(index.order + "I", head, entry.at + 8, entry.start + growth - index.base)
            elif entry.start == 0 and entry.size == picture_end:
                struct.pack_into(index.order + "I", head, entry.at + 4, entry.size + growth)
    return bytes(head)


def _uncovered(data: bytes, picture_end: int, behind: list[Entry]) -> bool:
    """Whether something lies behind the picture that the index does not name."""
    at = picture_end
    for entry in sorted(behind, key=lambda e: e.start):
        if data[at : max(at, entry.start)].strip(_BLANK):
            return True
        at = max(at, entry.start + entry.size)
    return bool(data[at:].strip(_BLANK))


def _named_elsewhere(data: bytes, scan_start: int, entry: Entry) -> bool:
    """Whether other metadata, such as a maker's note, seem to hold a picture's place or size."""
    bases, bodies = [0], []
    for marker, start, end in segments(data, scan_start):
        if marker == 0xE2 and data[start : start + 4] == b"MPF\0":
            continue
        if 0xE0 <= marker <= 0xEF:
            bodies.append(data[start:end])
        if data[start : start + 6] == b"Exif\0\0":
            bases.append(start + 6)
    bare = len(data[entry.start : entry.start + entry.size].rstrip(b"\0"))
    figures = {entry.start - base for base in bases} | {entry.size, bare}
    patterns = [n.to_bytes(4, order) for n in figures if n > 0 for order in ("little", "big")]
    return any(pattern in body for body in bodies for pattern in patterns)

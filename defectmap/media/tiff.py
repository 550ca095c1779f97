"""The directories of a TIFF-structured file (NEF, DNG, ARW, CR2, ...), read without trusting them.

Follows TIFF revision 6.0, section 2, and Supplement 1 (SubIFDs). Only what this package asks about is kept:
integers, text, and where opaque values are; every offset is checked against the file, and damaged entries are
left out.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

MAKE = 271
PHOTOMETRIC = 262
COMPRESSION = 259
STRIP_OFFSETS, STRIP_BYTE_COUNTS = 273, 279
SUB_DIRECTORIES = 330
EXIF = 34665
MAKER_NOTE = 37500
DNG_VERSION = 50706

#: A JPEG within the file: TIFF 6.0, section 22, as Exif and raw files use it.
JPEG_OFFSET, JPEG_LENGTH = 513, 514

#: Photometric interpretations of a colour filter array and of linear raw data (DNG 1.7, chapter 2).
CFA, LINEAR_RAW = 32803, 34892

_TILE_OFFSETS, _TILE_BYTE_COUNTS = 324, 325

# Header words that mean TIFF structure: TIFF itself, Olympus (RO, RS, OR) and Panasonic (U).
_MAGIC = {42, 0x4F52, 0x5352, 0x55}
_LETTERS = {1: "B", 2: "s", 3: "H", 4: "I", 13: "I"}  # TIFF field type -> struct letter
_UNDEFINED = 7
_MOST_DIRECTORIES = 64
_MOST_VALUES = 1 << 16


@dataclass(frozen=True, slots=True)
class Directory:
    """One image file directory.

    Attributes
    ----------
    fields : dict
        Tag to its values: a tuple of int, or bytes for text. Fields of other types are left out.
    opaque : dict
        Tag to (offset, length) in bytes of a value that only the tag defines, such as a MakerNote.
    """

    fields: dict[int, tuple[int, ...] | bytes]
    opaque: dict[int, tuple[int, int]] = field(default_factory=dict)

    def integers(self, tag: int) -> tuple[int, ...]:
        """Values of an integer field; () where the directory has none."""
        values = self.fields.get(tag, ())
        return values if isinstance(values, tuple) else ()

    def first(self, tag: int) -> int | None:
        """First value of an integer field, None where the directory has none."""
        values = self.integers(tag)
        return values[0] if values else None

    @property
    def data_end(self) -> int:
        """File offset behind the last byte of this directory's strips or tiles; 0 where it has none."""
        ends = [0]
        for offsets, counts in ((STRIP_OFFSETS, STRIP_BYTE_COUNTS), (_TILE_OFFSETS, _TILE_BYTE_COUNTS)):
            pairs = zip(self.integers(offsets), self.integers(counts), strict=False)
            ends += [offset + count for offset, count in pairs]
        return max(ends)


def byte_order(data: bytes) -> str | None:
    """Return the struct letter of a file's byte order, "<" or ">"; None if it is not of TIFF structure."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 8 or struct.unpack_from(order + "H", data, 2)[0] not in _MAGIC:
        return None
    return order


def directory_at(data: bytes, offset: int) -> Directory:
    """Return one directory of a TIFF-structured file; an empty one where there is none."""
    order = byte_order(data)
    if order is None or not 8 <= offset <= len(data) - 2:
        return Directory({})
    return _read_directory(data, order, offset)[0]


def directories(data: bytes) -> Iterator[Directory]:
    """Walk all directories of a TIFF-structured file, SubIFDs included, in file order.

    Parameters
    ----------
    data : bytes
        The whole file.

    Yields
    ------
    Directory
        Nothing at all where `data` is not of TIFF structure; loops and offsets outside the file end the walk.
    """
    order = byte_order(data)
    if order is None:
        return
    (first,) = struct.unpack_from(order + "I", data, 4)
    waiting, seen = [first], {0}
    while waiting and len(seen) <= _MOST_DIRECTORIES:
        offset = waiting.pop(0)
        if offset in seen or offset + 2 > len(data):
            continue
        seen.add(offset)
        directory, following = _read_directory(data, order, offset)
        waiting += [*directory.integers(SUB_DIRECTORIES)[:_MOST_DIRECTORIES], following]
        yield directory


def _read_directory(data: bytes, order: str, offset: int) -> tuple[Directory, int]:
    """Read one directory, and the offset of the one after it (0 for none)."""
    count = struct.unpack_from(order + "H", data, offset)[0]
    end = offset + 2 + 12 * count
    if end > len(data):
        return Directory({}), 0
    fields: dict[int, tuple[int, ...] | bytes] = {}
    opaque: dict[int, tuple[int, int]] = {}
    for at in range(offset + 2, end, 12):
        tag, kind, length = struct.unpack_from(order + "HHI", data, at)
        if kind == _UNDEFINED:
            place = at + 8 if length <= 4 else struct.unpack_from(order + "I", data, at + 8)[0]
            if place + length <= len(data):
                opaque[tag] = (place, length)
            continue
        letter = _LETTERS.get(kind)
        if letter is None or length > _MOST_VALUES:
            continue
        layout = f"{order}{length}{letter}"
        size = struct.calcsize(layout)
        place = at + 8 if size <= 4 else struct.unpack_from(order + "I", data, at + 8)[0]
        if place + size > len(data):
            continue
        values = struct.unpack_from(layout, data, place)
        fields[tag] = values[0] if kind == 2 else values
    following = struct.unpack_from(order + "I", data, end)[0] if end + 4 <= len(data) else 0
    return Directory(fields, opaque), following

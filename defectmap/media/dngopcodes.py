"""OpcodeList1 of a DNG: what a raw converter is to do to the stored values before anything else.

Follows the DNG specification 1.7.1.0 (tag 51008, chapter 7) and TIFF 6.0. A list is added by a new copy of
the raw image's directory at the end of the file; nothing that is there moves, and the one thing changed is
the offset that named the old directory.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from defectmap.errors import FailedPhotoError, SkippedPhotoError
from defectmap.media import tiff

OPCODE_LIST_1 = 51008

_NEW_SUBFILE_TYPE, _WIDTH, _HEIGHT, _ACTIVE_AREA = 254, 256, 257, 50829
_UNDEFINED = 7
_MOST_DIRECTORIES = 64
_LARGEST = (1 << 32) - 1


@dataclass(frozen=True, slots=True)
class DngImage:
    """The raw image of a DNG.

    Attributes
    ----------
    height, width : int
        As it is stored, masked areas included; opcodes count in this frame.
    active : tuple of int
        Top, left, bottom and right of the visible area; the last two are the first row and column beyond.
    opcodes : bytes
        OpcodeList1 as it is stored; empty where there is none.
    """

    height: int
    width: int
    active: tuple[int, int, int, int]
    opcodes: bytes


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a directory is, and where its offset is written."""

    offset: int
    pointer: int


def read_image(data: bytes) -> DngImage:
    """Read the size of a DNG's raw image, and the opcodes that it has.

    Parameters
    ----------
    data : bytes
        The whole file.

    Raises
    ------
    SkippedPhotoError
        If the file is no DNG, or holds no mosaic.
    FailedPhotoError
        If it is damaged.
    """
    order, place = _raw_directory(data)
    directory = tiff.directory_at(data, place.offset)
    width, height = directory.first(_WIDTH), directory.first(_HEIGHT)
    if not width or not height:
        raise FailedPhotoError("is damaged: its raw image has no size")
    active = directory.integers(_ACTIVE_AREA)
    area = (active[0], active[1], active[2], active[3]) if len(active) == 4 else (0, 0, height, width)
    opcodes = b""
    for entry in _entries(data, order, place.offset):
        tag, _, count = struct.unpack_from(order + "HHI", entry)
        if tag == OPCODE_LIST_1:
            (at,) = struct.unpack_from(order + "I", entry, 8)
            opcodes = entry[8 : 8 + count] if count <= 4 else data[at : at + count]
            if len(opcodes) != count:
                raise FailedPhotoError("is damaged: its list of opcodes is outside of the file")
    return DngImage(height, width, area, opcodes)


def with_opcodes(data: bytes, opcodes: bytes) -> bytes:
    """Return a DNG with another OpcodeList1.

    Parameters
    ----------
    data : bytes
        The whole file.
    opcodes : bytes
        The list, as it is to be stored.

    Returns
    -------
    bytes
        `data` with one offset changed, and the new directory and list after its end.

    Raises
    ------
    SkippedPhotoError
        If the file is no DNG, holds no mosaic, or would outgrow its offsets.
    FailedPhotoError
        If it is damaged.
    """
    order, place = _raw_directory(data)
    kept = [
        e
        for e in _entries(data, order, place.offset)
        if struct.unpack_from(order + "H", e)[0] != OPCODE_LIST_1
    ]
    (following,) = struct.unpack_from(
        order + "I", data, place.offset + 2 + 12 * _count(data, order, place.offset)
    )
    list_at = len(data) + len(data) % 2
    directory_at = list_at + len(opcodes) + len(opcodes) % 2
    if directory_at + 6 + 12 * (len(kept) + 1) > _LARGEST:
        raise SkippedPhotoError("is too large for another directory")
    # A list without opcodes is four bytes long, which stand in the entry itself.
    value = struct.pack(order + "I", list_at) if len(opcodes) > 4 else opcodes.ljust(4, b"\0")
    entry = struct.pack(order + "HHI", OPCODE_LIST_1, _UNDEFINED, len(opcodes)) + value
    entries = sorted([*kept, entry], key=lambda e: struct.unpack_from(order + "H", e)[0])
    added = struct.pack(order + "H", len(entries)) + b"".join(entries) + struct.pack(order + "I", following)
    result = bytearray(data)
    result += bytes(list_at - len(data)) + opcodes
    result += bytes(directory_at - len(result)) + added
    struct.pack_into(order + "I", result, place.pointer, directory_at)
    written = bytes(result)
    if read_image(written).opcodes != opcodes:
        raise FailedPhotoError("cannot take a list of opcodes: it does not read back as it should")
    return written


def _raw_directory(data: bytes) -> tuple[str, _Place]:
    """Return the byte order, and where the directory of the full-size raw image is."""
    order = tiff.byte_order(data)
    if order is None:
        raise SkippedPhotoError("is not a DNG")
    is_dng, found = False, []
    for place in _places(data, order):
        directory = tiff.directory_at(data, place.offset)
        is_dng = is_dng or tiff.DNG_VERSION in directory.fields
        if directory.first(tiff.PHOTOMETRIC) == tiff.CFA and not directory.first(_NEW_SUBFILE_TYPE):
            found.append(place)
    if not is_dng:
        raise SkippedPhotoError("is not a DNG")
    if len(found) != 1:
        raise SkippedPhotoError("holds no mosaic" if not found else "holds several mosaics")
    return order, found[0]


def _places(data: bytes, order: str) -> Iterator[_Place]:
    """Walk all directories, SubIFDs included, with the place of the offset that names each."""
    waiting, seen = [4], set[int]()
    while waiting and len(seen) < _MOST_DIRECTORIES:
        pointer = waiting.pop(0)
        (offset,) = struct.unpack_from(order + "I", data, pointer)
        if offset in seen or not 8 <= offset <= len(data) - 2:
            continue
        end = offset + 2 + 12 * _count(data, order, offset)
        if end + 4 > len(data):
            continue
        seen.add(offset)
        for at in range(offset + 2, end, 12):
            tag, _, count = struct.unpack_from(order + "HHI", data, at)
            if tag == tiff.SUB_DIRECTORIES and 1 <= count <= _MOST_DIRECTORIES:
                first = at + 8 if count == 1 else struct.unpack_from(order + "I", data, at + 8)[0]
                if first + 4 * count <= len(data):
                    waiting += [first + 4 * number for number in range(count)]
        waiting.append(end)
        yield _Place(offset, pointer)


def _count(data: bytes, order: str, offset: int) -> int:
    count: int = struct.unpack_from(order + "H", data, offset)[0]
    return count


def _entries(data: bytes, order: str, offset: int) -> list[bytes]:
    first = offset + 2
    return [data[first + 12 * n : first + 12 * n + 12] for n in range(_count(data, order, offset))]

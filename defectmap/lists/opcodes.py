"""DNG OpcodeList1 with FixBadPixelsList, after the DNG specification 1.7.1.0, chapter 7.

A list is big-endian whatever the file is; rows come before columns and count from 0 at the top left of the
whole stored image, before any crop. A rectangle ends before its bottom and right.
"""

from __future__ import annotations

import struct
from typing import Final

from defectmap.lists.content import Box, Content, Found, ListError, Mark
from defectmap.model.sensor import MosaicGeometry

_CONSTANT: Final = 4
_LIST: Final = 5
_SINCE: Final = 0x01030000
_OPTIONAL: Final = 1
# The phases of the DNG SDK, by the colours of the first photosites.
_PHASES: Final = {"GRBG": 0, "RGGB": 1, "BGGR": 2, "GBRG": 3}


def write(content: Content) -> bytes:
    """Return an OpcodeList1 with one optional FixBadPixelsList."""
    points = [struct.pack(">ii", mark.row, mark.col) for mark in content.marks]
    boxes = [struct.pack(">iiii", box.top, box.left, box.bottom, box.right) for box in content.boxes]
    phase = bayer_phase(content.about.geometry, content.frame.top, content.frame.left)
    body = struct.pack(">III", phase, len(points), len(boxes)) + b"".join(points + boxes)
    return struct.pack(">I", 1) + _opcode(_LIST, body)


def read(data: bytes) -> Found:
    """Read what an OpcodeList1 says of bad photosites; other opcodes are passed over.

    Raises
    ------
    ListError
        If it is cut off, or has bad photosites told by a value that the image has in their place.
    """
    marks: list[Mark] = []
    boxes: list[Box] = []
    for kind, opcode in _split(data):
        body = opcode[16:]
        if kind == _CONSTANT:
            raise ListError("tells its bad photosites by a value in the image, not by a list")
        if kind != _LIST:
            continue
        if len(body) < 12:
            raise ListError("has a list of bad photosites that is cut off")
        _, points, rectangles = struct.unpack_from(">III", body)
        if len(body) < 12 + 8 * points + 16 * rectangles:
            raise ListError("has a list of bad photosites that is cut off")
        marks += [Mark(*struct.unpack_from(">ii", body, 12 + 8 * n)) for n in range(points)]
        at = 12 + 8 * points
        boxes += [Box(*struct.unpack_from(">iiii", body, at + 16 * n)) for n in range(rectangles)]
    return Found(tuple(marks), tuple(boxes))


def joined(present: bytes, added: bytes) -> bytes:
    """Return the opcodes of two lists as one; what both have is there once.

    Raises
    ------
    ListError
        If one of them is cut off.
    """
    opcodes = list(dict.fromkeys(opcode for data in (present, added) for _, opcode in _split(data)))
    return struct.pack(">I", len(opcodes)) + b"".join(opcodes)


def _split(data: bytes) -> list[tuple[int, bytes]]:
    """Return the opcodes of a list as (id, bytes with head)."""
    if not data:
        return []
    if len(data) < 4:
        raise ListError("has a list of opcodes that is cut off")
    (count,) = struct.unpack_from(">I", data)
    opcodes, at = [], 4
    for _ in range(count):
        if at + 16 > len(data):
            raise ListError("has a list of opcodes that is cut off")
        kind, _, _, size = struct.unpack_from(">IIII", data, at)
        if at + 16 + size > len(data):
            raise ListError("has a list of opcodes that is cut off")
        opcodes.append((kind, data[at : at + 16 + size]))
        at += 16 + size
    return opcodes


def _opcode(kind: int, body: bytes) -> bytes:
    return struct.pack(">IIII", kind, _SINCE, _OPTIONAL, len(body)) + body


def bayer_phase(geometry: MosaicGeometry | None, top: int = 0, left: int = 0) -> int:
    """Return the Bayer phase at the first photosite of the frame; 0 for other patterns, which have none."""
    if geometry is None:
        return 0
    letters = "".join(geometry.colour(top + row, left + col) for row in (0, 1) for col in (0, 1))
    return _PHASES.get(letters, 0) if geometry.period == (2, 2) else 0

"""The directories of a big-endian TIFF file (TIFF 6.0), as NEF files and Exif segments are made of them."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

_ASCII, _SHORT, _LONG, _RATIONAL, _UNDEFINED, _BYTE, _SRATIONAL = 2, 3, 4, 5, 7, 1, 10
_SIZES = {_BYTE: 1, _ASCII: 1, _SHORT: 2, _LONG: 4, _RATIONAL: 8, _UNDEFINED: 1, _SRATIONAL: 8}
_LARGEST_TERM = 1_000_000  # of a fraction

HEADER_BYTES = 8


@dataclass(frozen=True, slots=True)
class Field:
    """One entry of a TIFF directory, its value already in big-endian bytes.

    Attributes
    ----------
    tag, kind : int
        Tag and field type.
    value : bytes
    """

    tag: int
    kind: int
    value: bytes


def text(tag: int, content: str) -> Field:
    """Return a field of ASCII text."""
    return Field(tag, _ASCII, content.encode("ascii") + b"\0")


def shorts(tag: int, *numbers: int) -> Field:
    """Return a field of 16-bit numbers."""
    return Field(tag, _SHORT, _packed("H", numbers))


def longs(tag: int, *numbers: int) -> Field:
    """Return a field of 32-bit numbers."""
    return Field(tag, _LONG, _packed("I", numbers))


def rationals(tag: int, *numbers: float) -> Field:
    """Return a field of fractions, the simplest close ones."""
    return Field(tag, _RATIONAL, _packed("I", _fractions(numbers)))


def signed_rationals(tag: int, *numbers: float) -> Field:
    """Return a field of fractions that may be negative, the simplest close ones."""
    return Field(tag, _SRATIONAL, _packed("i", _fractions(numbers)))


def undefined(tag: int, content: bytes) -> Field:
    """Return a field of bytes whose meaning the tag defines."""
    return Field(tag, _UNDEFINED, content)


def octets(tag: int, content: bytes) -> Field:
    """Return a field of 8-bit numbers."""
    return Field(tag, _BYTE, content)


def header(first_at: int = HEADER_BYTES) -> bytes:
    """Return the head of a file whose first directory begins at this offset."""
    return struct.pack(">2sHI", b"MM", 42, first_at)


def directory(fields: Sequence[Field], start: int, following: int = 0) -> bytes:
    """Return a directory that begins at offset `start`, followed by its longer values.

    Parameters
    ----------
    fields : sequence of Field
        In any order.
    start : int
        Offset of the directory from the TIFF header.
    following : int
        Offset of the next directory; 0 for none.

    Returns
    -------
    bytes
    """
    entries = b""
    values = b""
    values_at = start + 2 + 12 * len(fields) + 4
    for field in sorted(fields, key=lambda f: f.tag):
        entries += struct.pack(">HHI", field.tag, field.kind, len(field.value) // _SIZES[field.kind])
        if len(field.value) <= 4:
            entries += field.value.ljust(4, b"\0")
        else:
            entries += struct.pack(">I", values_at + len(values))
            values += field.value + bytes(len(field.value) % 2)
    return struct.pack(">H", len(fields)) + entries + struct.pack(">I", following) + values


def _fractions(numbers: Sequence[float]) -> list[int]:
    parts = [Fraction(number).limit_denominator(_LARGEST_TERM) for number in numbers]
    return [term for part in parts for term in (part.numerator, part.denominator)]


def _packed(kind: str, numbers: Sequence[int]) -> bytes:
    try:
        return struct.pack(f">{len(numbers)}{kind}", *numbers)
    except struct.error as error:
        raise ValueError(f"a metadata value does not fit its field: {list(numbers)}") from error

"""The MakerNote of a Nikon's raw file: a TIFF structure of its own within the Exif directory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from defectmap.media import tiff

_HEAD = b"Nikon\0\x02"  # then a minor version and two zeros; the TIFF header follows
_TIFF_AT = 10
_ORDERS: dict[bytes, Literal["<", ">"]] = {b"II*\0": "<", b"MM\0*": ">"}


@dataclass(frozen=True, slots=True)
class NikonNote:
    """A MakerNote of the kind "Nikon 3".

    Attributes
    ----------
    base : int
        File offset that the note's own offsets count from.
    order : {"<", ">"}
        Byte order of the note, which need not be the file's.
    directory : Directory
        Its directory; offsets of opaque values count from `base`.
    """

    base: int
    order: Literal["<", ">"]
    directory: tiff.Directory

    def opaque(self, data: bytes, tag: int) -> bytes | None:
        """Return the bytes of an opaque value; None where the note has none of that tag."""
        place = self.directory.opaque.get(tag)
        if place is None:
            return None
        start = self.base + place[0]
        return data[start : start + place[1]]

    def sub_directory(self, data: bytes, tag: int) -> tiff.Directory:
        """Return the directory that a field points to; an empty one where there is none."""
        offset = self.directory.first(tag)
        return tiff.directory_at(data[self.base :], offset) if offset else tiff.Directory({})


def nikon_note(data: bytes) -> NikonNote | None:
    """Return the MakerNote of a TIFF-structured raw; None where it has no Nikon's.

    Parameters
    ----------
    data : bytes
        The whole file.
    """
    first = next(tiff.directories(data), None)
    exif = first.first(tiff.EXIF) if first else None
    place = tiff.directory_at(data, exif).opaque.get(tiff.MAKER_NOTE) if exif else None
    if place is None or not data.startswith(_HEAD, place[0]):
        return None
    base = place[0] + _TIFF_AT
    note = data[base:]  # values may lie behind the stated end of the note
    order = _ORDERS.get(note[:4])
    directory = next(tiff.directories(note), None)
    if order is None or directory is None:
        return None
    return NikonNote(base, order, directory)

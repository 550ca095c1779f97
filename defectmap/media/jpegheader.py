"""What the header of a JPEG says before any picture data (ITU-T T.81, annex B)."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from defectmap.errors import FailedPhotoError

_END_OF_IMAGE = b"\xff\xd9"
_START_OF_SCAN = 0xDA
_STANDALONE = {0x01, *range(0xD0, 0xD9)}  # TEM, RSTn, SOI: markers without a length
_NO_FRAME = {0xC4, 0xC8, 0xCC}  # DHT, JPG and DAC lie among the start-of-frame markers


@dataclass(frozen=True, slots=True)
class JpegHeader:
    """The frame header of the first picture, and how its colours are coded.

    Attributes
    ----------
    width, height : int
        Stored size in pixels.
    bits : int
        Bits per sample.
    components : tuple of int
        Component identifiers.
    jfif : bool
        Whether there is a JFIF marker.
    adobe_transform : int or None
        Colour transform of the Adobe marker: 0 none, 1 YCbCr, 2 YCCK; None without the marker.
    scan : int
        File offset of the first scan's marker.
    coding : bytes
        The file up to `scan` without what only describes the photo (Exif, XMP, colour profile, comments):
        with the bytes from `scan` to `end` behind it, a whole JPEG of the same picture.
    """

    width: int
    height: int
    bits: int
    components: tuple[int, ...]
    jfif: bool
    adobe_transform: int | None
    scan: int
    coding: bytes
    _data: bytes = field(repr=False, compare=False)

    @property
    def end(self) -> int:
        """File offset behind the end of the picture; it is looked for in the whole scan."""
        return self._data.find(_END_OF_IMAGE, self.scan) + len(_END_OF_IMAGE)

    @property
    def is_rgb(self) -> bool:
        """Whether three components are red, green and blue, by the rules libjpeg goes by."""
        if self.jfif or len(self.components) != 3:
            return False
        if self.adobe_transform is not None:
            return self.adobe_transform == 0
        return bytes(self.components) == b"RGB"


def read_header(data: bytes) -> JpegHeader:
    """Read the header of a JPEG's first picture.

    Parameters
    ----------
    data : bytes
        The whole file.

    Raises
    ------
    FailedPhotoError
        There is no sound header, or the picture data have no end.
    """
    try:
        return _parse(data)
    except (struct.error, IndexError):
        raise FailedPhotoError("ends too early: its JPEG header is incomplete") from None


def _parse(data: bytes) -> JpegHeader:
    """Walk the marker segments up to the first scan."""
    if data[:3] != b"\xff\xd8\xff":
        raise FailedPhotoError("is not a JPEG")
    jfif, adobe_transform, at = False, None, 2
    coding = [data[:2]]
    frame: tuple[int, int, int, tuple[int, ...]] | None = None
    while True:
        while data[at] != 0xFF or data[at + 1] in {0x00, 0xFF}:  # stray bytes and fill bytes
            at += 1
        marker = data[at + 1]
        if marker in _STANDALONE:
            at += 2
            continue
        (length,) = struct.unpack_from(">H", data, at + 2)
        segment = data[at + 4 : at + 2 + length]
        if marker == _START_OF_SCAN:
            break
        if marker == 0xE0 and segment.startswith(b"JFIF\0"):
            jfif = True
        elif marker == 0xEE and segment.startswith(b"Adobe") and len(segment) >= 12:
            adobe_transform = segment[11]
        elif 0xC0 <= marker <= 0xCF and marker not in _NO_FRAME:
            bits, height, width, count = struct.unpack_from(">BHHB", segment)
            frame = (width, height, bits, tuple(segment[6 : 6 + 3 * count : 3]))
        if marker in {0xE0, 0xEE} or not (0xE0 <= marker <= 0xEF or marker == 0xFE):
            coding.append(data[at : at + 2 + length])
        at += 2 + length
    if frame is None or 0 in frame[:2]:
        raise FailedPhotoError("has a corrupt JPEG header: no picture size")
    if data.rfind(_END_OF_IMAGE, at) < 0:  # from behind, where it nearly always is
        raise FailedPhotoError("ends too early: its JPEG data have no end marker")
    return JpegHeader(*frame, jfif, adobe_transform, at, b"".join(coding), data)

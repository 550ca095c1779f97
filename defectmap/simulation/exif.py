"""The Exif segment of a simulated camera's JPEG, as a Nikon body writes it."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray

from defectmap.media import tiffwriter as tiff
from defectmap.media.nefwriter import exif_fields
from defectmap.model.frame import Conditions
from defectmap.model.sensor import SensorIdentity

_MAKER_NOTE = 0x927C


def thumbnail(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the picture at most 160 x 120 pixels large, uint8 RGB like the picture."""
    from PIL import Image  # noqa: PLC0415 - only needed for files

    height, width = picture.shape[:2]
    scale = min(160 / width, 120 / height, 0.5)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))


def exif_segment(
    picture: NDArray[np.uint8],
    identity: SensorIdentity,
    conditions: Conditions,
    white_balance: tuple[float, float, float],
) -> bytes:
    """Return the content of the Exif segment (APP1), with a thumbnail and, for a Nikon, a MakerNote.

    Parameters
    ----------
    picture : ndarray of shape (height, width, 3), uint8
    identity : SensorIdentity
    conditions : Conditions
        With capture time, exposure time and sensitivity.
    white_balance : tuple of float
        Multipliers of red, green and blue.

    Returns
    -------
    bytes
        Exif 2.21 behind its six-byte ``Exif`` header.

    Raises
    ------
    ValueError
        Where the conditions lack what every camera writes.
    """
    captured, exposure_s, iso = conditions.captured, conditions.exposure_s, conditions.iso
    if captured is None or exposure_s is None or iso is None:
        raise ValueError("a photo needs a capture time, an exposure time and a sensitivity")
    exif = exif_fields(
        exposure_s=exposure_s,
        iso=round(iso),
        captured=captured,
        serial=identity.serial,
        shutter_count=conditions.shutter_count or 0,
        white_balance=white_balance,
        noise_reduction=conditions.noise_reduction or "OFF",
        black_14bit=0,
        file_type="FINE",
        quality=None,
        table=None,
    )
    if not identity.make.upper().startswith("NIKON"):
        exif = [field for field in exif if field.tag != _MAKER_NOTE]
    height, width = picture.shape[:2]
    exif += [
        tiff.undefined(0x9101, b"\1\2\3\0"),  # ComponentsConfiguration: YCbCr
        tiff.undefined(0xA000, b"0100"),  # FlashpixVersion
        tiff.shorts(0xA001, 1),  # ColorSpace: sRGB
        tiff.longs(0xA002, width),  # PixelXDimension
        tiff.longs(0xA003, height),
    ]
    small = _jpeg(thumbnail(picture))
    first = [
        tiff.text(0x010F, identity.make),
        tiff.text(0x0110, identity.model),
        tiff.shorts(0x0112, conditions.orientation or 1),
        tiff.rationals(0x011A, 300.0),  # XResolution
        tiff.rationals(0x011B, 300.0),
        tiff.shorts(0x0128, 2),  # ResolutionUnit: inch
        tiff.text(0x0131, conditions.software or ""),
        tiff.text(0x0132, captured.strftime("%Y:%m:%d %H:%M:%S")),
        tiff.shorts(0x0213, 2),  # YCbCrPositioning: co-sited
        tiff.longs(0x8769, 0),  # ExifIFD
    ]
    exif_at = tiff.HEADER_BYTES + len(tiff.directory(first, tiff.HEADER_BYTES))
    second_at = exif_at + len(tiff.directory(exif, exif_at))
    second = [
        tiff.shorts(0x0103, 6),  # Compression: JPEG
        tiff.rationals(0x011A, 300.0),
        tiff.rationals(0x011B, 300.0),
        tiff.shorts(0x0128, 2),
        tiff.longs(0x0201, 0),  # JPEGInterchangeFormat
        tiff.longs(0x0202, len(small)),
        tiff.shorts(0x0213, 2),
    ]
    small_at = second_at + len(tiff.directory(second, second_at))
    first[-1] = tiff.longs(0x8769, exif_at)
    second[4] = tiff.longs(0x0201, small_at)
    return b"".join(
        (
            b"Exif\0\0",
            tiff.header(),
            tiff.directory(first, tiff.HEADER_BYTES, second_at),
            tiff.directory(exif, exif_at),
            tiff.directory(second, second_at),
            small,
        )
    )


def _jpeg(picture: NDArray[np.uint8]) -> bytes:
    from PIL import Image  # noqa: PLC0415 - only needed for files

    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", quality=75)
    return stream.getvalue()

"""Write a Nikon raw file (NEF) from a mosaic: what the simulated camera takes its photos with.

The file is as small as one can be that LibRaw, dcraw, exiv2 and exiftool take for a Nikon's: a big-endian
TIFF 6.0 with a thumbnail in its first directory, the raw image in a sub-directory, and an Exif directory with
a MakerNote of the kind "Nikon 3". The raw data come last.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from defectmap.media.tiffwriter import (
    HEADER_BYTES,
    Field,
    directory,
    header,
    longs,
    octets,
    rationals,
    shorts,
    text,
    undefined,
)

NefCompression = Literal["lossless", "lossy", "packed", "uncompressed"]

NEF_MODEL: Final = "NIKON D80"
NEF_BLACK: Final = 0
"""Black level in DN that LibRaw and dcraw take for this model when the file names none."""
NEF_WHITE: Final[dict[int, int]] = {12: 4095, 14: 16383}
"""White level in DN by bits per photosite that LibRaw and dcraw take, whatever the compression."""
NEF_MARGINS: Final = (3, 4)
"""Stored rows at the bottom and columns at the right that LibRaw and dcraw do not show for a NIKON D80."""

_NIKON_COMPRESSED = 34713
_CFA = 32803
_SUB_DIRECTORIES = 0x014A
_BITS = {"packed": 12, "uncompressed": 14}  # the only depth of these two
_QUALITY = {"lossy": 1, "uncompressed": 2, "packed": 2, "lossless": 3}  # MakerNote tag 0x0093


def nef_bytes(
    mosaic: NDArray[np.uint16],
    *,
    compression: NefCompression = "lossless",
    bits: Literal[12, 14] = 12,
    model: str = NEF_MODEL,
    serial: str | None = None,
    exposure_s: float = 1 / 60,
    iso: int = 100,
    captured: datetime,
    shutter_count: int = 1,
    white_balance: tuple[float, float, float] = (2.0, 1.0, 1.5),
    software: str = "Ver.1.01 ",
    orientation: int = 1,
    noise_reduction: str = "OFF ",
    black: int = NEF_BLACK,
    thumbnail: NDArray[np.uint8] | None = None,
    preview: bytes | None = None,
) -> bytes:
    """Return a NEF file with this mosaic, RGGB from its first photosite.

    Parameters
    ----------
    mosaic : ndarray of shape (height, width), uint16
        Stored frame in DN, 0 to ``NEF_WHITE[bits]``; for a NIKON D80 readers hide the last `NEF_MARGINS`.
    compression : {"lossless", "lossy", "packed", "uncompressed"}
        Nikon's Huffman stream with the identity or a curve (values become the nearest of
        ``lossy_coding(bits).values_dn``), 12-bit samples in 3-byte pairs, or 14-bit samples in two bytes.
    bits : {12, 14}
        Bits per photosite; "packed" has 12 only (and an even width), "uncompressed" 14 only.
    model : str
        As Nikon bodies write it.
    serial : str or None
        Serial number of the body; None leaves it out.
    exposure_s : float
        Exposure time in seconds.
    iso : int
        Sensitivity, 1 to 65535.
    captured : datetime
        The camera's clock; microseconds become the sub-second tag, in hundredths as the camera has them.
    shutter_count : int
        Releases so far.
    white_balance : tuple of 3 float
        Multipliers of red, green and blue.
    software : str
        Firmware.
    orientation : int
        EXIF orientation, 1 to 8.
    noise_reduction : str
        The MakerNote's noise-reduction text.
    black : int
        Black level in DN, the same for every colour.
    thumbnail : ndarray of shape (rows, columns, 3), uint8, or None
        RGB picture for the first directory, smaller than the mosaic; None draws one from the mosaic.
    preview : bytes or None
        A JPEG of the picture, kept in a sub-directory of its own; None leaves it out.

    Returns
    -------
    bytes

    Raises
    ------
    ValueError
        If the mosaic does not fit the bits, or the bits the compression.
    """
    if mosaic.ndim != 2 or mosaic.dtype != np.uint16:
        raise ValueError("a mosaic must be a plane of uint16")
    if int(mosaic.max(initial=0)) > NEF_WHITE[bits]:
        raise ValueError(f"the mosaic has values over {NEF_WHITE[bits]}, the most that {bits} bits hold")
    if _BITS.get(compression, bits) != bits:
        raise ValueError(f"{compression} raw files have {_BITS[compression]} bits per photosite")
    data, table = _raw_data(mosaic, compression, bits)
    picture = _drawn_thumbnail(mosaic, NEF_WHITE[bits]) if thumbnail is None else thumbnail
    if picture.shape[2:] != (3,) or picture.dtype != np.uint8 or picture.size >= 3 * mosaic.size:
        raise ValueError("a thumbnail must be an RGB picture of uint8, smaller than the mosaic")

    date = captured.strftime("%Y:%m:%d %H:%M:%S")
    exif = exif_fields(
        exposure_s=exposure_s,
        iso=iso,
        captured=captured,
        serial=serial,
        shutter_count=shutter_count,
        white_balance=white_balance,
        noise_reduction=noise_reduction,
        black_14bit=black << 14 - bits,
        file_type="RAW",
        quality=_QUALITY[compression],
        table=table,
    )
    height, width = mosaic.shape
    raw = [
        longs(0x00FE, 0),  # NewSubfileType: the full picture
        longs(0x0100, width),
        longs(0x0101, height),
        shorts(0x0102, bits),
        shorts(0x0103, 1 if table is None else _NIKON_COMPRESSED),
        shorts(0x0106, _CFA),
        longs(0x0111, 0),  # StripOffsets
        shorts(0x0115, 1),
        longs(0x0116, height),
        longs(0x0117, len(data)),
        shorts(0x828D, 2, 2),  # CFARepeatPatternDim
        octets(0x828E, bytes((0, 1, 1, 2))),  # CFAPattern
    ]
    first = [
        longs(0x00FE, 1),  # NewSubfileType: a reduced picture
        longs(0x0100, picture.shape[1]),
        longs(0x0101, picture.shape[0]),
        shorts(0x0102, 8, 8, 8),
        shorts(0x0103, 1),
        shorts(0x0106, 2),
        text(0x010F, "NIKON CORPORATION"),
        text(0x0110, model),
        longs(0x0111, 0),  # StripOffsets
        shorts(0x0112, orientation),
        shorts(0x0115, 3),
        longs(0x0116, picture.shape[0]),
        longs(0x0117, picture.size),
        text(0x0131, software),
        text(0x0132, date),
        longs(_SUB_DIRECTORIES, 0),
        longs(0x8769, 0),  # ExifIFD
    ]
    inside = [] if preview is None else _preview_fields(0, len(preview))
    if inside:
        first = [longs(f.tag, 0, 0) if f.tag == _SUB_DIRECTORIES else f for f in first]
    first_at = HEADER_BYTES
    raw_at = first_at + len(directory(first, 0))
    inside_at = raw_at + len(directory(raw, 0))
    exif_at = inside_at + (len(directory(inside, 0)) if inside else 0)
    picture_at = exif_at + len(directory(exif, 0))
    preview_at = picture_at + picture.size + picture.size % 2
    jpeg = b"" if preview is None else preview + bytes(len(preview) % 2)
    data_at = preview_at + len(jpeg)
    # The preview comes first, as Nikon has it.
    parts = (inside_at, raw_at) if inside else (raw_at,)
    pointers = {0x0111: (picture_at,), _SUB_DIRECTORIES: parts, 0x8769: (exif_at,)}
    first = [longs(f.tag, *pointers[f.tag]) if f.tag in pointers else f for f in first]
    raw = [longs(f.tag, data_at) if f.tag == 0x0111 else f for f in raw]
    inside = _preview_fields(preview_at, len(preview)) if preview is not None else []
    return b"".join(
        (
            header(first_at),
            directory(first, first_at),
            directory(raw, raw_at),
            directory(inside, inside_at) if inside else b"",
            directory(exif, exif_at),
            picture.tobytes() + bytes(picture.size % 2),
            jpeg,
            data,
        )
    )


def _preview_fields(at: int, size: int) -> list[Field]:
    """Return the directory of a JPEG within the file."""
    return [
        longs(0x00FE, 1),  # NewSubfileType: a reduced picture
        shorts(0x0103, 6),  # Compression: JPEG
        longs(0x0201, at),  # JPEGInterchangeFormat
        longs(0x0202, size),  # JPEGInterchangeFormatLength
    ]


def _raw_data(
    mosaic: NDArray[np.uint16], compression: NefCompression, bits: Literal[12, 14]
) -> tuple[bytes, bytes | None]:
    """Return the strip and, for a compressed one, its linearisation table."""
    if compression == "uncompressed":
        return mosaic.astype(">u2").tobytes(), None
    height, width = mosaic.shape
    if compression == "packed":
        if width % 2:  # LibRaw and dcraw let such rows overlap
            raise ValueError("packed raw files have an even number of columns")
        wide = mosaic.astype(np.uint32)
        pairs = (wide[:, 0::2] << 12 | wide[:, 1::2]).astype(">u4")
        return pairs.view(np.uint8).reshape(height, -1, 4)[:, :, 1:].tobytes(), None
    from defectmap.media.nefcodec import (  # noqa: PLC0415 - loads numba
        encode,
        lossless_coding,
        lossy_coding,
        taken_for_uncompressed,
    )

    coding = lossless_coding(bits) if compression == "lossless" else lossy_coding(bits)
    data = encode(coding.indices(mosaic), coding)
    while taken_for_uncompressed(len(data), height, width):
        data += b"\0"
    return data, coding.to_bytes()


def exif_fields(
    *,
    exposure_s: float,
    iso: int,
    captured: datetime,
    serial: str | None,
    shutter_count: int,
    white_balance: tuple[float, float, float],
    noise_reduction: str,
    black_14bit: int,
    file_type: str,
    quality: int | None,
    table: bytes | None,
) -> list[Field]:
    """Return the Exif directory of a Nikon's file, raw or JPEG, with its MakerNote.

    Parameters
    ----------
    exposure_s, iso, captured, serial, shutter_count, white_balance, noise_reduction
        As in :func:`nef_bytes`.
    black_14bit : int
        Black level in DN of 14 bits; 0 leaves it out.
    file_type : str
        "RAW", or a JPEG's quality such as "FINE".
    quality : int or None
        MakerNote tag 0x0093, how the raw data are compressed; None for a JPEG.
    table : bytes or None
        Linearisation table of compressed raw data.

    Returns
    -------
    list of Field
    """
    date = captured.strftime("%Y:%m:%d %H:%M:%S")
    hundredths = f"{captured.microsecond // 10_000:02d}"
    red, green, blue = white_balance
    note = [
        undefined(0x0001, b"0210"),
        shorts(0x0002, 0, iso),
        text(0x0004, file_type),
        rationals(0x000C, red / green, blue / green, 1.0, 1.0),
        text(0x0095, noise_reduction),
        longs(0x00A7, shutter_count),
    ]
    if quality is not None:
        note.append(shorts(0x0093, quality))
    if black_14bit:
        note.append(shorts(0x003D, *[black_14bit] * 4))
    if serial is not None:
        note.append(text(0x001D, serial))
    if table is not None:
        note.append(undefined(0x0096, table))
    # The MakerNote's offsets count from a TIFF header of its own.
    maker_note = b"Nikon\0\x02\x10\0\0" + header() + directory(note, HEADER_BYTES)
    return [
        rationals(0x829A, exposure_s),  # ExposureTime
        shorts(0x8827, iso),  # ISOSpeedRatings
        undefined(0x9000, b"0221"),  # ExifVersion
        text(0x9003, date),  # DateTimeOriginal
        text(0x9004, date),  # DateTimeDigitized
        undefined(0x927C, maker_note),
        text(0x9290, hundredths),  # SubSecTime
        text(0x9291, hundredths),  # SubSecTimeOriginal
    ]


def _drawn_thumbnail(mosaic: NDArray[np.uint16], white: int) -> NDArray[np.uint8]:
    """Return a small grey picture of the mosaic with a display's gamma."""
    height, width = mosaic.shape
    # At most 160x120, as Nikon has it, but readers take the largest picture of the file for the raw one.
    tall, wide = max(1, min(120, height // 2)), max(1, min(160, width // 2))
    rows = np.arange(tall) * height // tall
    cols = np.arange(wide) * width // wide
    level = mosaic[rows[:, None], cols[None, :]] / white
    grey = np.rint(255.0 * level ** (1 / 2.2)).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)

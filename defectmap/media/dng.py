"""Write a mosaic as DNG, for raws whose own format cannot be written.

The file follows the Digital Negative specification 1.3.0.0: 16-bit tiles in the first directory, each a
lossless JPEG, or one strip that is not compressed. It holds the **visible** area only (ActiveArea is all of
it): full-frame site ``(row, col)`` is ``(row - top, col - left)`` of the DNG. Exif, GPS and MakerNote, and
XMP and IPTC if there are any, are copied from the source file.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from defectmap.errors import UnsupportedRawError
from defectmap.media.carrying import with_metadata_of
from defectmap.media.tiffwriter import (
    HEADER_BYTES,
    Field,
    directory,
    header,
    longs,
    octets,
    rationals,
    shorts,
    signed_rationals,
    text,
)
from defectmap.model.sensor import MosaicGeometry, RawColour

_PLANES = "RGB"
_D65 = 21
_TILE = 512  # photosites on a side

# XYZ (D65) to linear sRGB (IEC 61966-2-1): rendering as sRGB is the best guess for an unknown camera.
_SRGB = ((3.2406, -1.5372, -0.4986), (-0.9689, 1.8758, 0.0415), (0.0557, -0.2040, 1.0570))


def dng_bytes(
    mosaic: NDArray[np.uint16],
    geometry: MosaicGeometry,
    colour: RawColour,
    *,
    source: bytes | None,
    orientation: int = 1,
    compressed: bool = True,
) -> bytes:
    """Return a DNG file with this mosaic.

    Parameters
    ----------
    mosaic : ndarray of shape (visible_height, visible_width), uint16
        Visible area in DN, black level not subtracted.
    geometry : MosaicGeometry
        Pattern and levels of the mosaic.
    colour : RawColour
    source : bytes or None
        The whole file that the mosaic comes from, to copy its metadata; None for a file without.
    orientation : int
        EXIF orientation, 1 to 8.
    compressed : bool
        Whether as lossless JPEG: readers get the same mosaic from about half the bytes. A mosaic of less
        than 16 columns is not compressed.

    Returns
    -------
    bytes

    Raises
    ------
    UnsupportedRawError
        If the colour filter array has other colours than red, green and blue, or a pattern that DNG readers
        do not know.
    ValueError
        If the mosaic is not the geometry's visible area.
    """
    if mosaic.shape != (geometry.visible_height, geometry.visible_width) or mosaic.dtype != np.uint16:
        raise ValueError("the mosaic is not the visible area of this geometry")
    pattern = _readable_pattern(geometry.cfa)
    rows, cols = len(pattern), len(pattern[0])
    height, width = mosaic.shape
    periodic_rows, periodic_cols = geometry.period
    black = [
        geometry.black[row % periodic_rows * periodic_cols + col % periodic_cols]
        for row in range(rows)
        for col in range(cols)
    ]
    repeat = (rows, cols)
    if len(set(black)) == 1:  # a single level is what the most readers get right
        black, repeat = black[:1], (1, 1)
    matrix = colour.matrix if any(map(any, colour.matrix)) else _SRGB
    name = colour.model if colour.model.startswith(colour.make) else f"{colour.make} {colour.model}".strip()
    plane = [_PLANES.index(letter) for line in pattern for letter in line]
    fields = [
        longs(254, 0),  # NewSubfileType: the full picture
        longs(256, width),
        longs(257, height),
        shorts(258, 16),  # BitsPerSample
        shorts(262, 32803),  # PhotometricInterpretation: colour filter array
        text(271, _ascii(colour.make)),  # Make
        text(272, _ascii(colour.model)),  # Model
        shorts(274, orientation),
        shorts(277, 1),  # SamplesPerPixel
        shorts(33421, rows, cols),  # CFARepeatPatternDim
        octets(33422, bytes(plane)),  # CFAPattern
        octets(50706, bytes((1, 3, 0, 0))),  # DNGVersion
        octets(50707, bytes((1, 1, 0, 0))),  # DNGBackwardVersion
        text(50708, _ascii(name)),  # UniqueCameraModel
        octets(50710, bytes((0, 1, 2))),  # CFAPlaneColor
        shorts(50711, 1),  # CFALayout: rectangular
        shorts(50713, *repeat),  # BlackLevelRepeatDim
        longs(50714, *black),  # BlackLevel
        longs(50717, geometry.white),  # WhiteLevel
        longs(50719, 0, 0),  # DefaultCropOrigin
        longs(50720, width, height),  # DefaultCropSize
        signed_rationals(50721, *(value for line in matrix for value in line)),  # ColorMatrix1
        rationals(50728, *colour.neutral),  # AsShotNeutral
        shorts(50778, _D65),  # CalibrationIlluminant1
        longs(50829, 0, 0, height, width),  # ActiveArea
    ]
    data = _file(fields, mosaic, compressed)
    return data if source is None else with_metadata_of(source, data)


def _file(fields: Sequence[Field], mosaic: NDArray[np.uint16], compressed: bool) -> bytes:
    """Return the file of one directory and its picture."""
    # Multiples of 16 (TIFF 6.0, section 15); LibRaw and dcraw misread tiles that are wider than the mosaic.
    side = min(_TILE, mosaic.shape[1] // 16 * 16)
    if compressed and side:
        from defectmap.media.ljpeg import encoded_tiles  # noqa: PLC0415 - loads numba

        parts = [part + bytes(len(part) % 2) for part in encoded_tiles(mosaic, side)]
        shape = [shorts(259, 7), longs(322, side), longs(323, side)]  # Compression, TileWidth, TileLength
        places, lengths = 324, 325  # TileOffsets, TileByteCounts
    else:
        parts = [mosaic.astype(">u2").tobytes()]
        shape = [shorts(259, 1), longs(278, mosaic.shape[0])]  # Compression, RowsPerStrip
        places, lengths = 273, 279  # StripOffsets, StripByteCounts
    sizes = [len(part) for part in parts]
    fixed = [*fields, *shape, longs(lengths, *sizes)]
    first = HEADER_BYTES + len(directory([*fixed, longs(places, *sizes)], HEADER_BYTES))
    offsets = accumulate(sizes[:-1], initial=first)
    return b"".join((header(), directory([*fixed, longs(places, *offsets)], HEADER_BYTES), *parts))


def _ascii(words: str) -> str:
    return words.encode("ascii", "replace").decode("ascii") or "unknown"


def _readable_pattern(cfa: tuple[str, ...]) -> tuple[str, ...]:
    """Return the pattern repeated to a size that LibRaw and dcraw read: 2, 4 or 8 rows by 2, or 6 by 6."""
    rows, cols = len(cfa), len(cfa[0])
    if set("".join(cfa)) - set(_PLANES):
        raise UnsupportedRawError("its colour filters are not red, green and blue")
    if 8 % rows == 0 and 2 % cols == 0:
        tall, wide = max(rows, 2), 2
    elif 6 % rows == 0 and 6 % cols == 0:
        tall, wide = 6, 6
    else:
        raise UnsupportedRawError(f"its colour filters repeat every {rows} rows and {cols} columns")
    return tuple(cfa[row % rows] * (wide // cols) for row in range(tall))

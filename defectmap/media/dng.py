"""Write a mosaic as DNG, for raws whose own format cannot be written.

The file follows the Digital Negative specification 1.3.0.0: one uncompressed 16-bit strip in the first
directory. It holds the **visible** area only (ActiveArea is all of it): full-frame site ``(row, col)`` is
``(row - top, col - left)`` of the DNG. Exif, GPS and MakerNote, and XMP and IPTC if there are any, are copied
from the source file.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import tifffile
from numpy.typing import NDArray

from defectmap.errors import UnsupportedRawError
from defectmap.media.carrying import with_metadata_of
from defectmap.model.sensor import MosaicGeometry, RawColour

_BYTE, _ASCII, _SHORT, _LONG, _RATIONAL, _SRATIONAL = 1, 2, 3, 4, 5, 10
_PLANES = "RGB"
_D65 = 21

# XYZ (D65) to linear sRGB (IEC 61966-2-1): rendering as sRGB is the best guess for an unknown camera.
_SRGB = ((3.2406, -1.5372, -0.4986), (-0.9689, 1.8758, 0.0415), (0.0557, -0.2040, 1.0570))

_Tag = tuple[int, int, int, object, bool]


def dng_bytes(
    mosaic: NDArray[np.uint16],
    geometry: MosaicGeometry,
    colour: RawColour,
    *,
    source: bytes | None,
    orientation: int = 1,
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
    tags: list[_Tag] = [
        _numbers(33421, _SHORT, (rows, cols)),  # CFARepeatPatternDim
        _numbers(33422, _BYTE, [_PLANES.index(letter) for line in pattern for letter in line]),  # CFAPattern
        _text(271, colour.make or "unknown"),  # Make
        _text(272, colour.model or "unknown"),  # Model
        _numbers(274, _SHORT, (orientation,)),
        _numbers(50706, _BYTE, (1, 3, 0, 0)),  # DNGVersion
        _numbers(50707, _BYTE, (1, 1, 0, 0)),  # DNGBackwardVersion
        _text(50708, name or "unknown"),  # UniqueCameraModel
        _numbers(50710, _BYTE, (0, 1, 2)),  # CFAPlaneColor
        _numbers(50711, _SHORT, (1,)),  # CFALayout: rectangular
        _numbers(50713, _SHORT, repeat),  # BlackLevelRepeatDim
        _numbers(50714, _LONG, black),
        _numbers(50717, _LONG, (geometry.white,)),
        _numbers(50719, _LONG, (0, 0)),  # DefaultCropOrigin
        _numbers(50720, _LONG, (width, height)),  # DefaultCropSize
        _rationals(50721, _SRATIONAL, [value for line in matrix for value in line]),  # ColorMatrix1
        _rationals(50728, _RATIONAL, colour.neutral),  # AsShotNeutral
        _numbers(50778, _SHORT, (_D65,)),  # CalibrationIlluminant1
        _numbers(50829, _LONG, (0, 0, height, width)),  # ActiveArea
    ]
    stream = io.BytesIO()
    tifffile.imwrite(
        stream,
        mosaic,
        photometric="cfa",
        rowsperstrip=height,
        metadata=None,
        software=False,
        subfiletype=0,
        byteorder="<",
        extratags=tags,
    )
    data = stream.getvalue()
    return data if source is None else with_metadata_of(source, data)


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


def _numbers(tag: int, kind: int, values: Sequence[int]) -> _Tag:
    return tag, kind, len(values), values[0] if len(values) == 1 else tuple(values), True


def _text(tag: int, text: str) -> _Tag:
    return tag, _ASCII, 0, text.encode("ascii", "replace").decode("ascii"), True


def _rationals(tag: int, kind: int, values: Sequence[float]) -> _Tag:
    parts = [Fraction(value).limit_denominator(10_000_000) for value in values]
    terms = tuple(term for part in parts for term in (part.numerator, part.denominator))
    return tag, kind, len(values), terms, True

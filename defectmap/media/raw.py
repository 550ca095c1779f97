"""Raw files decoded to mosaics by LibRaw. The only importer of rawpy."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Literal

import numpy as np
import rawpy
from numpy.typing import NDArray

from defectmap.errors import FailedPhotoError, SkippedPhotoError
from defectmap.media import tiff
from defectmap.model.frame import RawFrame
from defectmap.model.sensor import Grid, MosaicGeometry, RawColour, SensorIdentity

#: Name and version of the decoder that margins, levels and colours come from.
DECODER = f"rawpy {version('rawpy')}, LibRaw {'.'.join(map(str, rawpy.libraw_version))}"

# The longest colour filter array period that LibRaw knows (Leaf Catchlight); 8 and 6 (X-Trans) also occur.
_LONGEST_PERIOD = 16
# XYZ (D65) to linear sRGB (IEC 61966-2-1), with which LibRaw derives its camera matrices.
_SRGB_FROM_XYZ = np.array([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])
_STDERR = 2
Picture = NDArray[np.uint8] | NDArray[np.uint16]

_NO_FILTER = 6  # LibRaw's colour index of a sensor without colour filters


@dataclass(frozen=True, slots=True)
class AnnouncedLayout:
    """What LibRaw makes of a raw file's header alone.

    Attributes
    ----------
    height, width : int
        Full stored frame.
    top, left, visible_height, visible_width : int
        Visible area.
    colours : int
    description : bytes
        Letters of the colours.
    """

    height: int
    width: int
    top: int
    left: int
    visible_height: int
    visible_width: int
    colours: int
    description: bytes


def decode_raw(data: bytes) -> RawFrame:
    """Decode a raw file to its mosaic, untouched by any correction of LibRaw's.

    Parameters
    ----------
    data : bytes
        The whole file.

    Returns
    -------
    RawFrame
        A copy of the visible area in DN, and the geometry of the full stored frame. The border outside the
        visible area is left out because LibRaw does not always initialise it (Nikon).

    Raises
    ------
    SkippedPhotoError
        The file holds demosaiced colour, or a sensor whose photosites do not lie in rows and columns.
    FailedPhotoError
        The file is truncated, damaged, or of a format that LibRaw does not know.
    """
    _refuse_truncated(data)
    with _opened(data) as raw:
        if raw.raw_type != rawpy.RawType.Flat:
            raise SkippedPhotoError("holds demosaiced colour, not a mosaic")
        geometry = _geometry(raw)
        rows = slice(geometry.top, geometry.top + geometry.visible_height)
        cols = slice(geometry.left, geometry.left + geometry.visible_width)
        return RawFrame(raw.raw_image[rows, cols].copy(), geometry)


def announced_layout(data: bytes) -> AnnouncedLayout:
    """Return what a raw file's header says of its frame; the mosaic is not decoded, and nothing is checked.

    Raises
    ------
    FailedPhotoError
        As for :func:`decode_raw`.
    """
    with _opened(data, unpack=False) as raw:
        sizes = raw.sizes
        return AnnouncedLayout(
            sizes.raw_height,
            sizes.raw_width,
            sizes.top_margin,
            sizes.left_margin,
            sizes.height,
            sizes.width,
            raw.num_colors,
            raw.color_desc,
        )


def stored_grid(data: bytes) -> Grid:
    """Return the grid of a raw file's full stored frame; the mosaic is not decoded.

    Raises
    ------
    FailedPhotoError
        As for :func:`decode_raw`.
    """
    with _opened(data, unpack=False) as raw:
        return Grid("raw", raw.sizes.raw_height, raw.sizes.raw_width)


def read_preview(data: bytes) -> bytes | None:
    """Return the largest JPEG that the camera put into a raw file beside the mosaic, None where it put none.

    Raises
    ------
    FailedPhotoError
        As for :func:`decode_raw`.
    """
    with _opened(data, unpack=False) as raw:
        try:
            found = raw.extract_thumb()
        except (rawpy.LibRawNoThumbnailError, rawpy.LibRawUnsupportedThumbnailError):
            return None
        return bytes(found.data) if found.format == rawpy.ThumbFormat.JPEG else None


def read_colour(data: bytes, identity: SensorIdentity) -> RawColour:
    """Read what a raw converter needs to render a raw file's mosaic.

    Parameters
    ----------
    data : bytes
        The whole file.
    identity : SensorIdentity
        The camera as the file names it, which LibRaw does not hand over.

    Returns
    -------
    RawColour
        Neutral as shot, or under daylight where the file does not say it.

    Raises
    ------
    FailedPhotoError
        As for :func:`decode_raw`.
    """
    with _opened(data) as raw:
        multipliers = np.array(raw.camera_whitebalance[:3])
        daylight = np.array(raw.daylight_whitebalance[:3])
        matrix = np.array(raw.rgb_xyz_matrix[:3], dtype=np.float64)
        srgb_from_camera = np.array(raw.color_matrix[:, :3], dtype=np.float64)
    if not np.all(multipliers > 0):
        multipliers = daylight if np.all(daylight > 0) else np.ones(3)
    if not matrix.any() and np.linalg.matrix_rank(srgb_from_camera) == 3 and np.all(daylight > 0):
        # A DNG of a camera that is in none of LibRaw's tables: undo what LibRaw made of the file's matrix.
        matrix = np.diag(1 / daylight) @ np.linalg.inv(srgb_from_camera) @ _SRGB_FROM_XYZ
    red, green, blue = (1 / multipliers) / (1 / multipliers).max()
    first, second, third = (_triple(row) for row in matrix)
    return RawColour(
        (first, second, third), (float(red), float(green), float(blue)), identity.make, identity.model
    )


def render_mosaics(
    data: bytes, mosaics: Sequence[NDArray[np.uint16]], bits: Literal[8, 16]
) -> tuple[list[Picture], int]:
    """Render mosaics in the place of a raw file's own, in sRGB with its white balance.

    Nothing of a picture as a whole is used: no automatic brightness, and no scaling to the brightest
    photosite, which LibRaw does unless told otherwise.

    Parameters
    ----------
    data : bytes
        The whole file.
    mosaics : sequence of ndarray of shape (visible_height, visible_width), uint16
        Visible areas in DN.
    bits : {8, 16}
        Per channel.

    Returns
    -------
    list of ndarray of shape (rows, cols, 3), uint8 or uint16
        Not turned.
    int
        LibRaw's code of how to turn them upright: 2 mirrors the rows, 1 the columns, 4 then exchanges both.

    Raises
    ------
    FailedPhotoError
        As for :func:`decode_raw`.
    """
    with _opened(data) as raw:
        shown, flip = raw.raw_image_visible, int(raw.sizes.flip)
        pictures: list[Picture] = []
        for mosaic in mosaics:
            shown[...] = mosaic
            pictures.append(
                raw.postprocess(
                    # Where the file has none, LibRaw would take the mean of the picture for grey.
                    use_camera_wb=all(factor > 0 for factor in raw.camera_whitebalance[:3]),
                    no_auto_bright=True,
                    adjust_maximum_thr=0.0,
                    output_color=rawpy.ColorSpace.sRGB,
                    gamma=(2.4, 12.92),  # the curve of IEC 61966-2-1
                    output_bps=bits,
                    user_flip=0,
                )
            )
        return pictures, flip


def _triple(row: NDArray[np.float64]) -> tuple[float, float, float]:
    """Round one row of a matrix to the four digits that matrices are published with."""
    return round(float(row[0]), 4), round(float(row[1]), 4), round(float(row[2]), 4)


@contextmanager
def _opened(data: bytes, *, unpack: bool = True) -> Iterator[rawpy.RawPy]:
    """Open and unpack a raw file; LibRaw's troubles come out as :class:`FailedPhotoError`."""
    try:
        with _unheard():
            raw = rawpy.imread(io.BytesIO(data))
        with raw:
            if unpack:
                with _unheard():
                    raw.unpack()
            yield raw
    except rawpy.LibRawFileUnsupportedError:
        raise FailedPhotoError(f"is damaged, or of a camera that {DECODER} does not know") from None
    except rawpy.LibRawIOError:
        raise FailedPhotoError("ends too early: the raw data are truncated") from None
    except (rawpy.LibRawError, rawpy.NotSupportedError, OSError, MemoryError) as error:
        raise FailedPhotoError(f"cannot be decoded: {_text(error)}") from error


@contextmanager
def _unheard() -> Iterator[None]:
    """Drop what LibRaw itself writes to stderr of damaged data: it names no file, and the reason is raised.

    rawpy has no way to take that callback away.
    """
    try:
        kept = os.dup(_STDERR)
    except OSError:  # stderr is closed
        yield
        return
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, _STDERR)
        os.close(nowhere)
        yield
    finally:
        os.dup2(kept, _STDERR)
        os.close(kept)


def _text(error: Exception) -> str:
    """Return LibRaw's message, which rawpy passes on as bytes."""
    message = error.args[0] if error.args else ""
    return message.decode("ascii", "replace") if isinstance(message, bytes) else str(error) or "out of memory"


def _refuse_truncated(data: bytes) -> None:
    """Refuse a file whose mosaic is announced to end behind the end of the file.

    LibRaw fills the missing part of some formats (Sony ARW) with garbage and does not complain.
    """
    for directory in tiff.directories(data):
        missing = directory.data_end - len(data)
        if missing > 0 and directory.first(tiff.PHOTOMETRIC) == tiff.CFA:
            raise FailedPhotoError(f"ends too early: the last {missing} bytes of the raw data are missing")


def _geometry(raw: rawpy.RawPy) -> MosaicGeometry:
    """Read the frame's layout, colours and levels."""
    sizes = raw.sizes
    top, left, height, width = sizes.top_margin, sizes.left_margin, sizes.height, sizes.width
    fits = top + height <= sizes.raw_height and left + width <= sizes.raw_width and height > 0 and width > 0
    # LibRaw turns Fuji's diagonal sensors by 45 degrees into a frame that is one column wider than high.
    if not fits or height == width - 1:
        raise SkippedPhotoError("comes from a sensor with diagonal rows, which is not supported")

    indices = _pattern(raw, top, left)
    black = [int(level) for level in raw.black_level_per_channel]
    white = int(raw.white_level)
    cfa: tuple[str, ...]
    if raw.num_colors == 1:
        cfa, levels = ("W",), black[:1]
    elif _NO_FILTER in indices:
        raise SkippedPhotoError("holds colour without a colour filter array, not a mosaic")
    else:
        letters = raw.color_desc.decode("ascii", "replace")
        cfa = tuple("".join(letters[index] for index in row) for row in indices)
        levels = [black[index] for index in indices.ravel()]
    if white <= max(levels):
        raise FailedPhotoError(f"states a white level ({white}) that is not above its black level")
    return MosaicGeometry(
        height=sizes.raw_height,
        width=sizes.raw_width,
        top=top,
        left=left,
        visible_height=height,
        visible_width=width,
        cfa=cfa,
        black=tuple(levels),
        white=white,
        decoder=DECODER,
    )


def _pattern(raw: rawpy.RawPy, top: int, left: int) -> NDArray[np.uint8]:
    """Read one period of colour indices, counted from the origin of the visible area.

    Asked photosite by photosite: rawpy's own `raw_pattern` is counted from the stored frame's origin and
    knows periods of 2, 4, 6 and 16 only, while some old sensors repeat after 8 rows.
    """
    span = 2 * _LONGEST_PERIOD
    indices = np.array(
        [[raw.raw_color(top + row, left + col) for col in range(span)] for row in range(span)], dtype=np.uint8
    )
    rows = next(n for n in range(1, span + 1) if np.array_equal(indices[n:], indices[:-n]))
    cols = next(n for n in range(1, span + 1) if np.array_equal(indices[:, n:], indices[:, :-n]))
    return indices[:rows, :cols]

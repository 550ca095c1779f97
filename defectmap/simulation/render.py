"""From a mosaic to the JPEG that a camera would have made of it."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
from numpy.typing import NDArray

from defectmap.model.sensor import MosaicGeometry

Picture = NDArray[np.uint8]

_CHANNEL = {"R": 0, "G": 1, "B": 2}


def render(
    mosaic: NDArray[np.uint16],
    geometry: MosaicGeometry,
    white_balance: tuple[float, float, float],
    *,
    sharpening: float = 0.0,
) -> Picture:
    """Render the visible area: white balance, edge-aware demosaic, sRGB curve.

    Parameters
    ----------
    mosaic : ndarray of shape (height, width), uint16
        DN of the full stored frame, with a 2 x 2 colour filter array.
    geometry : MosaicGeometry
    white_balance : tuple of float
        Response to grey light of the red, green and blue photosites.
    sharpening : float
        Share of the difference from a 3 x 3 mean that is added to the picture; 0.3 is mild.

    Returns
    -------
    ndarray of shape (visible_height, visible_width, 3), uint8
        The picture's pixel (row, col) lies on the visible photosite (row, col).
    """
    from defectmap.simulation.kernels import demosaic  # noqa: PLC0415 - loads numba

    colours = np.array([[_CHANNEL[letter] for letter in row] for row in geometry.cfa], np.uint8)
    rows = slice(geometry.top, geometry.top + geometry.visible_height)
    columns = slice(geometry.left, geometry.left + geometry.visible_width)
    factor = np.empty((2, 2), np.float32)
    for phase, black in enumerate(geometry.black):
        row, col = divmod(phase, 2)
        factor[row, col] = 1.0 / ((geometry.white - black) * white_balance[colours[row, col]])
    balanced = mosaic[rows, columns].astype(np.float32)
    for row in range(2):
        for col in range(2):
            plane = balanced[row::2, col::2]
            plane -= np.float32(geometry.black[2 * row + col])
            plane *= factor[row, col]
    linear = demosaic(np.pad(balanced, 4, mode="reflect"), colours)
    picture = _curve()[(np.clip(linear, 0.0, 1.0) * np.float32(65535)).astype(np.uint16)]
    return _sharpened(picture, sharpening) if sharpening else picture


def framed(picture: Picture, crop: tuple[int, int, int, int], scale: float = 1.0) -> Picture:
    """Return what a camera's JPEG shows of the visible area.

    Parameters
    ----------
    picture : ndarray of shape (rows, cols, 3), uint8
    crop : tuple of int
        Rows and columns to leave out: top, left, bottom, right.
    scale : float
        At most 1; sizes are rounded.

    Returns
    -------
    ndarray of shape (rows, cols, 3), uint8
    """
    top, left, bottom, right = crop
    part = picture[top : picture.shape[0] - bottom, left : picture.shape[1] - right]
    if scale == 1.0:
        return np.ascontiguousarray(part)
    from PIL import Image  # noqa: PLC0415 - only needed for files

    size = round(part.shape[1] * scale), round(part.shape[0] * scale)
    return np.asarray(Image.fromarray(np.ascontiguousarray(part)).resize(size, Image.Resampling.BICUBIC))


def encode(
    picture: Picture, *, quality: int = 92, subsampling: str = "4:2:0", exif: bytes | None = None
) -> bytes:
    """Return the picture as a JPEG stream; `exif` is the Exif segment's content with its `Exif` header."""
    from PIL import Image  # noqa: PLC0415 - only needed for files

    stream = io.BytesIO()
    extra = {} if exif is None else {"exif": exif}
    Image.fromarray(picture).save(stream, "JPEG", quality=quality, subsampling=subsampling, **extra)
    return stream.getvalue()


def _sharpened(picture: Picture, amount: float) -> Picture:
    values = picture.astype(np.float32)
    mean: NDArray[np.float32] = np.pad(values, ((1, 1), (1, 1), (0, 0)), mode="edge")
    mean = mean[:-2] + mean[1:-1] + mean[2:]
    mean = (mean[:, :-2] + mean[:, 1:-1] + mean[:, 2:]) / np.float32(9)
    sharper: Picture = np.clip(np.rint(values + amount * (values - mean)), 0, 255).astype(np.uint8)
    return sharper


@cache
def _curve() -> Picture:
    """Return the sRGB transfer curve (IEC 61966-2-1) as a table from 16-bit linear light to 8 bits."""
    linear = np.arange(65536) / 65535
    curve = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    table: Picture = np.rint(255 * curve).astype(np.uint8)
    return table

"""Pictures for people to look at: JPEGs decoded to colours, and small pictures without loss."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from defectmap.errors import FailedPhotoError


def decode_colours(data: bytes) -> NDArray[np.uint8]:
    """Return the colours of a JPEG.

    Parameters
    ----------
    data : bytes
        The whole file.

    Returns
    -------
    ndarray of shape (height, width, 3), uint8
        Red, green and blue on the stored grid, not turned.

    Raises
    ------
    FailedPhotoError
        If the file cannot be decoded.
    """
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG", "MPO")) as picture:
            return np.asarray(picture.convert("RGB"))
    # Pillow's parsers let many kinds of exception through on corrupt data.
    except Exception as error:
        raise FailedPhotoError(f"cannot be read: {error or type(error).__name__}") from error


def webp(colours: NDArray[np.uint8]) -> bytes:
    """Return a picture of shape (height, width, 3) as WebP without loss: the same colours, the same bytes."""
    stream = io.BytesIO()
    Image.fromarray(colours).save(stream, "WEBP", lossless=True, quality=90, method=4)
    return stream.getvalue()

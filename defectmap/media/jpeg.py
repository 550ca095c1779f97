"""JPEG files decoded to luma and chroma as they are stored: no colour conversion, no turning.

Luma is bit for bit what the camera coded, as libjpeg's exact inverse transform gives it. The usual kinds are
decoded by this package itself, all others by Pillow, to the same planes.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL.JpegImagePlugin import JpegImageFile

from defectmap.errors import FailedPhotoError, SkippedPhotoError
from defectmap.media.jpegheader import JpegHeader, read_header
from defectmap.media.jpegplanes import decode_planes
from defectmap.model.frame import JpegFrame

if TYPE_CHECKING:
    from PIL.Image import Image

#: Larger pictures are refused before memory is set aside for them; far above any camera of today.
LARGEST_PIXELS = 500_000_000


def decode_jpeg(data: bytes) -> JpegFrame:
    """Decode a JPEG, baseline or progressive, to its luma and chroma planes.

    Parameters
    ----------
    data : bytes
        The whole file. Of a multi-picture file the first picture is decoded.

    Returns
    -------
    JpegFrame
        Luma on the stored grid. Chroma, whatever the file's own subsampling, as the mean of 2x2 luma
        positions rounded half up; at an odd edge, of the one or two positions that there are.

    Raises
    ------
    SkippedPhotoError
        The JPEG is coded as CMYK or RGB, with more than 8 bits, or is larger than `LARGEST_PIXELS`.
    FailedPhotoError
        The file is truncated or corrupt.
    """
    header = read_header(data)
    _refuse_unsuitable(header)
    return decode_planes(data) or _decode_by_pillow(data, header)


def _decode_by_pillow(data: bytes, header: JpegHeader) -> JpegFrame:
    # Only what codes the picture: Pillow need not parse, and warn of, anything else.
    alone = io.BytesIO(header.coding + data[header.scan : header.end])
    try:
        picture = JpegImageFile(alone)  # not Image.open, which refuses large pictures
        picture.draft("YCbCr", picture.size)
        picture.load()
    # Pillow's parser lets many kinds of exception through on corrupt data.
    except Exception as error:
        raise FailedPhotoError(f"has corrupt JPEG data: {error or type(error).__name__}") from error
    if picture.mode == "L":
        return JpegFrame(_plane(picture, "L"), None, None)
    halved = picture.reduce(2)
    return JpegFrame(_plane(picture, "Y"), _plane(halved, "Cb"), _plane(halved, "Cr"))


def _refuse_unsuitable(header: JpegHeader) -> None:
    """Refuse sound JPEGs that no camera writes as a photo."""
    if header.bits != 8:
        raise SkippedPhotoError(f"is a JPEG with {header.bits} bits per sample; only 8 are supported")
    if len(header.components) not in {1, 3}:
        raise SkippedPhotoError(
            f"is a JPEG of {len(header.components)} colours (CMYK or the like), not YCbCr"
        )
    if header.is_rgb:
        raise SkippedPhotoError("is a JPEG coded as RGB, not YCbCr")
    if header.width * header.height > LARGEST_PIXELS:
        raise SkippedPhotoError(f"is larger than any camera's: {header.width} x {header.height} pixels")


def _plane(picture: Image, channel: str) -> NDArray[np.uint8]:
    """Copy one channel of a picture, by Pillow's name of it, into an array."""
    samples = bytearray(picture.tobytes("raw", channel))
    return np.frombuffer(samples, np.uint8).reshape(picture.height, picture.width)

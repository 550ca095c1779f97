"""Write the picture of a mosaic: what LibRaw renders of it, as 16-bit TIFF or as JPEG, in sRGB.

The rendering uses nothing of the picture as a whole (no automatic brightness, no scaling to the brightest
photosite), so that replacing a photosite changes its surroundings only; which is proved against the rendering
of the mosaic as it was.
"""

from __future__ import annotations

import io
from functools import cache
from typing import Literal

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageCms

from defectmap import __version__
from defectmap.errors import FailedPhotoError
from defectmap.media.carrying import with_metadata_of
from defectmap.media.raw import Picture, render_mosaics
from defectmap.model.sensor import SensorIdentity

_REACH = 16  # photosites around a changed one beyond which no demosaicing may see it
_QUALITY = 95
# What Exif 2.32 demands of a JPEG besides (section 4.6.8).
_JPEG_TAGS = {
    "Exif.Image.XResolution": "300/1",
    "Exif.Image.YResolution": "300/1",
    "Exif.Image.ResolutionUnit": "2",
    "Exif.Image.YCbCrPositioning": "1",
    "Exif.Photo.ComponentsConfiguration": "1 2 3 0",
}


def rendered_bytes(
    data: bytes,
    before: NDArray[np.uint16],
    mosaic: NDArray[np.uint16],
    form: Literal["tiff", "jpeg"],
    identity: SensorIdentity,
) -> bytes:
    """Return the picture of a mosaic, turned upright, with the metadata of its raw file.

    Parameters
    ----------
    data : bytes
        The whole raw file: levels, colours and white balance are its own.
    before, mosaic : ndarray of shape (visible_height, visible_width), uint16
        The visible area in DN as the file has it, and as it is to be rendered.
    form : {"tiff", "jpeg"}
        16 bits per channel, not compressed; or 8 bits of quality 95 without chroma subsampling.
    identity : SensorIdentity

    Returns
    -------
    bytes

    Raises
    ------
    FailedPhotoError
        If the file cannot be rendered, or the picture differs from that of `before` elsewhere too.
    """
    bits: Literal[8, 16] = 16 if form == "tiff" else 8
    (old, new), flip = render_mosaics(data, (before, mosaic), bits)
    different = (old != new).any(axis=2)
    if (different & ~_surroundings(before != mosaic, different.shape)).any():
        raise FailedPhotoError("was left alone: its rendering changes where nothing was repaired")
    picture = _turned(new, flip)
    own = {
        "Exif.Image.Make": identity.make,
        "Exif.Image.Model": identity.model,
        "Exif.Image.Orientation": "1",  # the picture stands upright as it is
        "Exif.Image.Software": f"defectmap {__version__}",
        "Exif.Photo.ExifVersion": "48 50 51 50",
        "Exif.Photo.ColorSpace": "1",
        "Exif.Photo.FlashpixVersion": "48 49 48 48",
    }
    if form == "tiff":
        plain = _tiff(picture)
    else:
        plain = _jpeg(picture)
        own |= _JPEG_TAGS | {
            "Exif.Photo.PixelXDimension": str(picture.shape[1]),
            "Exif.Photo.PixelYDimension": str(picture.shape[0]),
        }
    return with_metadata_of(data, plain, {key: value for key, value in own.items() if value})


def _surroundings(changed: NDArray[np.bool_], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Mark the pixels of a picture that changed photosites may reach.

    Photosites that are not square make the picture larger than the mosaic one way.
    """
    near = np.zeros_like(changed)
    for row, col in np.argwhere(changed):
        near[max(row - _REACH, 0) : row + _REACH + 1, max(col - _REACH, 0) : col + _REACH + 1] = True
    rows = np.arange(shape[0]) * changed.shape[0] // shape[0]
    cols = np.arange(shape[1]) * changed.shape[1] // shape[1]
    stretched: NDArray[np.bool_] = near[rows[:, None], cols]
    return stretched


def _turned(picture: Picture, flip: int) -> Picture:
    """Apply LibRaw's flip code: 2 mirrors the rows, 1 the columns, 4 then exchanges both."""
    if flip & 2:
        picture = picture[::-1]
    if flip & 1:
        picture = picture[:, ::-1]
    if flip & 4:
        picture = picture.transpose(1, 0, 2)
    return picture.copy()


def _tiff(picture: Picture) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(
        stream,
        picture,
        photometric="rgb",
        rowsperstrip=picture.shape[0],
        metadata=None,
        software=False,
        byteorder="<",
        iccprofile=_profile(),
    )
    return stream.getvalue()


def _jpeg(picture: Picture) -> bytes:
    stream = io.BytesIO()
    image = Image.fromarray(picture)
    image.save(stream, "JPEG", quality=_QUALITY, subsampling="4:4:4", icc_profile=_profile())
    return stream.getvalue()


@cache
def _profile() -> bytes:
    """Return the ICC profile of sRGB, without the time of its making: the same photo gives the same file."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = bytes.fromhex("07d0 0001 0001 0000 0000 0000")  # ICC.1, 7.2.8: the first of January 2000
    return bytes(profile)

"""Smaller copies of a photo inside its file: previews that show its bad photosites too.

A single bad photosite, averaged with the others of s x s pixels, keeps 1 / s**2 of its height; its spot in a
rendered picture, smeared over about 4 pixels, keeps 4 / s**2. At a quarter of the size of the photo a spot
of 60 levels is one of 16, which is seen; at an eighth it is one of 4, less than the usual noise of a JPEG; in
a thumbnail of 160 x 120 it is gone. So pictures of at least a quarter of the photo's sides are repaired.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from defectmap.errors import PhotoError
from defectmap.media.jpegcodec import RenderedSite, repair_jpeg
from defectmap.media.jpegcodec.mpf import segments
from defectmap.media.jpegheader import JpegHeader, read_header

logger = logging.getLogger(__name__)

_SMALLEST_SCALE: Final = 0.25
_MOST: Final = 16  # pictures looked at in one file
_GLANCE: Final = 24  # pixels per side at which two pictures are compared
_SAME_SCENE: Final = 0.95  # correlation from which they show the same
_START: Final = b"\xff\xd8\xff"

Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class EmbeddedRepair:
    """A file with its previews repaired.

    Attributes
    ----------
    data : bytes
        The file; as long as the one given, and equal to it if no preview was changed.
    repaired : tuple of (width, height)
        Previews that were changed.
    left : tuple of ((width, height), reason)
        Previews that are large enough, but could not be changed.
    """

    data: bytes
    repaired: tuple[Size, ...]
    left: tuple[tuple[Size, str], ...]


def repair_embedded(data: bytes, sites: Sequence[RenderedSite]) -> EmbeddedRepair:
    """Remove the spots of bad sites from the previews of a JPEG.

    A preview is a JPEG in an application segment, or behind the picture, with the proportions of the photo
    (one with black bars has others), that shows the same scene in at least a quarter of its size. It is
    changed in place at its own length, so that nothing moves, and only where its own pixels show the spot.

    Parameters
    ----------
    data : bytes
        A whole JPEG file.
    sites : sequence of RenderedSite
        On the stored grid of the photo; those that it shows.

    Returns
    -------
    EmbeddedRepair

    Raises
    ------
    FailedPhotoError
        If the photo itself has no sound header.
    """
    photo = read_header(data)
    repaired: list[Size] = []
    left: list[tuple[Size, str]] = []
    for start, end in _previews(data, photo) if sites else ():
        header = read_header(data[start:end])
        size = header.width, header.height
        try:
            preview = repair_jpeg(data[start:end], _scaled(sites, photo, header), length="keep")
        except PhotoError as error:
            logger.info("its preview of %d x %d was left alone: %s", *size, error.reason)
            left.append((size, error.reason))
            continue
        if preview.data != data[start:end]:
            data = data[:start] + preview.data + data[end:]
            repaired.append(size)
    return EmbeddedRepair(data, tuple(repaired), tuple(left))


def _previews(data: bytes, photo: JpegHeader) -> Iterator[tuple[int, int]]:
    """Start and end of each JPEG in the file that shows the photo in a useful size."""
    regions = [(start, end) for marker, start, end in segments(data, photo.scan) if 0xE0 <= marker <= 0xEF]
    glance: NDArray[np.float64] | None = None
    looked = 0
    for region_start, region_end in [*regions, (photo.end, len(data))]:
        at = data.find(_START, region_start, region_end)
        while at >= 0 and looked < _MOST:
            looked += 1
            after = at + len(_START)
            header = _sound_header(data[at:region_end])
            if header is not None:
                after = at + header.end
                if _matches(header, photo):
                    glance = _glance(data[: photo.end]) if glance is None else glance
                    if _alike(glance, _glance(data[at:after])):
                        yield at, after
            at = data.find(_START, after, region_end)


def _sound_header(data: bytes) -> JpegHeader | None:
    try:
        return read_header(data)
    except PhotoError:
        return None


def _matches(preview: JpegHeader, photo: JpegHeader) -> bool:
    """Whether a picture has the photo's proportions, to a pixel, and a useful size."""
    scale = preview.width / photo.width
    return _SMALLEST_SCALE <= scale <= 1.0 and abs(preview.height - photo.height * scale) <= 1.0


def _glance(data: bytes) -> NDArray[np.float64] | None:
    """Return the brightness of a picture in very few pixels; None if it cannot be decoded."""
    try:
        # Not Image.open, which warns of large pictures and of odd multi-picture files.
        with JpegImageFile(io.BytesIO(data)) as picture:
            picture.draft("L", (_GLANCE, _GLANCE))
            small = picture.convert("L").resize((_GLANCE, _GLANCE), Image.Resampling.BOX)
            return np.asarray(small, np.float64)
    # Pillow's parser lets many kinds of exception through on corrupt data.
    except Exception:
        return None


def _alike(one: NDArray[np.float64] | None, other: NDArray[np.float64] | None) -> bool:
    """Whether two glances are of the same scene; a picture of one even tone is like any other such."""
    if one is None or other is None:
        return False
    a, b = one - one.mean(), other - other.mean()
    energy = float(np.sqrt(np.sum(a * a) * np.sum(b * b)))
    if energy < a.size:
        return bool(np.abs(one - other).mean() < 2.0)
    return float(np.sum(a * b)) / energy >= _SAME_SCENE


def _scaled(
    sites: Sequence[RenderedSite], photo: JpegHeader, preview: JpegHeader
) -> tuple[RenderedSite, ...]:
    """Sites on the preview's grid; what is known of their strength holds for the full size alone."""
    if (preview.width, preview.height) == (photo.width, photo.height):
        return tuple(sites)
    found = {}
    for site in sites:
        row = int((site.row + 0.5) * preview.height / photo.height)
        col = int((site.col + 0.5) * preview.width / photo.width)
        found[row, col] = RenderedSite(row, col, site.colour)
    return tuple(found.values())

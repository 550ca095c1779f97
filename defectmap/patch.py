"""Repair named pixels of one picture by hand."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from defectmap.errors import FailedPhotoError, UsageError
from defectmap.media.discover import LARGEST_BYTES
from defectmap.media.jpegcodec.errors import (
    CorruptJpegError,
    JpegLengthError,
    MissingSymbolError,
    UnsupportedJpegError,
)
from defectmap.media.writing import write_new


class PatchedPoint(NamedTuple):
    """One pixel before and after.

    Attributes
    ----------
    x, y : int
        As a viewer shows the picture.
    old, new : tuple of int
        One value per channel.
    """

    x: int
    y: int
    old: tuple[int, ...]
    new: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Patched:
    """A picture and its patched copy.

    Attributes
    ----------
    source, output : Path
    points : tuple of PatchedPoint
        In the order they were named.
    """

    source: Path
    output: Path
    points: tuple[PatchedPoint, ...]


def patch(image: Path, points: Sequence[tuple[int, int]], output: Path | None = None) -> Patched:
    """Write a copy of a picture with some pixels replaced by the weighted mean of the eight around them.

    Parameters
    ----------
    image : Path
        A JPEG, of which only the blocks with these pixels change, or a picture in a format without loss.
    points : sequence of (x, y)
        As an image viewer shows the picture, from its upper left corner, counted from 0.
    output : Path, optional
        The copy; an existing file is replaced. By default beside the picture, with ``-patched`` added to its
        name, and no file is replaced.

    Returns
    -------
    Patched

    Raises
    ------
    UsageError
        If there are no points, one is outside of the picture, or the output is the picture itself or named
        as another format.
    PhotoError
        If the picture cannot be read, or not be written again without loss, or the output not be written.
    """
    if not points:
        raise UsageError("name at least one pixel as X,Y")
    data = _read(image)
    target = output or image.with_name(f"{image.stem}-patched{image.suffix}")
    if target.exists() and target.samefile(image):
        raise UsageError(f"{image} would be overwritten: name another file with --output")
    if target.suffix.lower() != image.suffix.lower():
        raise UsageError(f"the format stays as it is: let the name of the output end in {image.suffix}")
    from defectmap.media.pictures import patch_pixels  # noqa: PLC0415 - loads Pillow

    try:
        repaired, changes = patch_pixels(data, points)
    except (CorruptJpegError, JpegLengthError, MissingSymbolError, UnsupportedJpegError) as error:
        raise FailedPhotoError(f"cannot be patched without a new loss: {error.reason}") from error
    write_new(target, repaired, like=image, overwrite=output is not None)
    return Patched(image, target, tuple(PatchedPoint(c.x, c.y, c.old, c.new) for c in changes))


def _read(path: Path) -> bytes:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise FailedPhotoError("is not a file")
        if status.st_size > LARGEST_BYTES:
            raise FailedPhotoError("is larger than any picture")
        return path.read_bytes()
    except OSError as error:
        raise FailedPhotoError(f"cannot be read: {(error.strerror or str(error)).lower()}") from error

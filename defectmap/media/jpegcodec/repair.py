"""Take the spots of bad photosites out of a JPEG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from defectmap.errors import FailedPhotoError
from defectmap.media.jpegcodec.errors import MissingSymbolError
from defectmap.media.jpegcodec.opening import open_picture
from defectmap.media.jpegcodec.picture import BlockPicture, Delta, Length
from defectmap.model.footprints import Footprints
from defectmap.model.rendered import REACH, Plane, RenderedSite, groups, remove

_TOUCHED = 16  # luma pixels from a site within which its repair may change samples
_SPOT = 4  # luma pixels from a site within which its repair changes samples if it changes any
_UNSEEN = "not visible in this photo"


@dataclass(frozen=True, slots=True)
class JpegRepair:
    """A repaired file.

    Attributes
    ----------
    data : bytes
        The file; equal to the one given if nothing was repaired.
    repaired : tuple of (row, col)
    left : tuple of ((row, col), reason)
        Sites that were not repaired, each with why.
    """

    data: bytes
    repaired: tuple[tuple[int, int], ...]
    left: tuple[tuple[tuple[int, int], str], ...]


def repair_jpeg(
    data: bytes,
    sites: Sequence[RenderedSite],
    *,
    length: Length = "any",
    footprints: Footprints | None = None,
) -> JpegRepair:
    """Remove the spots of bad sites; every bit that they do not concern stays as it is.

    Parameters
    ----------
    data : bytes
        A whole JPEG file.
    sites : sequence of RenderedSite
        On the stored grid of the file.
    length : {"any", "keep"}
        Whether the file may become longer where its length cannot be kept; see :meth:`BlockPicture.to_bytes`.
    footprints : Footprints or None
        What sites do to the pictures of this camera, where it is known.

    Returns
    -------
    JpegRepair

    Raises
    ------
    UnsupportedJpegError, CorruptJpegError
        If the file cannot be patched at all.
    JpegLengthError
        If the length of the file cannot be kept and must be.
    FailedPhotoError
        If the repaired file, read anew, differs anywhere but in blocks around the repaired sites.
    """
    patch = open_picture(data)
    left: dict[tuple[int, int], str] = {}
    inside: dict[tuple[int, int], RenderedSite] = {}
    for site in sites:
        if 0 <= site.row < patch.header.height and 0 <= site.col < patch.header.width:
            inside[site.row, site.col] = site
        else:
            left[site.row, site.col] = "outside of this photo"
    waiting = groups(inside.values())
    # Fierce spots first: the ring of one must not be taken for the surroundings of a faint one.
    waiting.sort(key=lambda group: -_contrast(patch, group))
    while waiting:
        group = waiting.pop(0)
        planes = _planes(patch, group)
        removal = remove(
            planes, group, [s for other in waiting for s in other if _close(s, group)], footprints
        )
        reasons = [None if visible else _UNSEEN for visible in removal.visible]
        try:
            patch.add([_delta(i, p, d) for i, (p, d) in enumerate(zip(planes, removal.deltas, strict=True))])
        except MissingSymbolError as error:
            reasons = [reason or error.reason for reason in reasons]
        left |= {(s.row, s.col): reason for s, reason in zip(group, reasons, strict=True) if reason}
    repaired = [place for place in inside if place not in left]
    written = patch.to_bytes(length) if repaired else data
    blocks = patch.differences(written) if written is not data else []
    if not all(any(_near(patch, block, site, _TOUCHED) for site in repaired) for block in blocks):
        raise FailedPhotoError("was left alone: its repaired copy does not read back as it should")
    # What is less than half a step of every coefficient is rounded away, and nothing was changed there.
    done = tuple(sorted(s for s in repaired if any(_near(patch, block, s, _SPOT) for block in blocks)))
    left |= dict.fromkeys(set(repaired) - set(done), _UNSEEN)
    return JpegRepair(written if done else data, done, tuple(sorted(left.items())))


def _near(patch: BlockPicture, block: tuple[int, int, int], site: tuple[int, int], reach: int) -> bool:
    """Whether a block has pixels no farther than `reach` from a site."""
    index, row, col = block
    component = patch.header.components[index]
    height, width = 8 * component.row_step, 8 * component.col_step
    down, across = site[0] - row * height, site[1] - col * width
    return -reach <= down < height + reach and -reach <= across < width + reach


def _delta(component: int, plane: Plane, values: NDArray[np.float64]) -> Delta:
    return Delta(component, plane.top, plane.left, values)


def _close(site: RenderedSite, group: Sequence[RenderedSite]) -> bool:
    return any(max(abs(site.row - s.row), abs(site.col - s.col)) < 4 * REACH for s in group)


def _contrast(patch: BlockPicture, group: Sequence[RenderedSite]) -> float:
    """How far the group's strongest pixel is from its surroundings."""
    strongest = 0.0
    for site in group:
        luma = _plane(patch, 0, (site,), 4).values
        strongest = max(strongest, float(np.abs(luma - np.median(luma)).max()))
    return strongest


def _planes(patch: BlockPicture, group: Sequence[RenderedSite]) -> list[Plane]:
    return [_plane(patch, i, group, REACH) for i in range(len(patch.header.components))]


def _plane(patch: BlockPicture, index: int, group: Sequence[RenderedSite], reach: int) -> Plane:
    """Window of a component around the group, as far as the picture goes."""
    component = patch.header.components[index]
    rows = [s.row // component.row_step for s in group]
    cols = [s.col // component.col_step for s in group]
    top, left = max(min(rows) - reach, 0), max(min(cols) - reach, 0)
    height = min(max(rows) + reach + 1, component.height) - top
    width = min(max(cols) + reach + 1, component.width) - left
    values = patch.window(index, top, left, height, width)
    return Plane(values, top, left, component.row_step, component.col_step)

"""The JPEGs that a camera puts into a raw file beside the mosaic: they show its bad photosites too.

Most browsers of raw files show nothing but such a preview. It is changed in place at its own length, so that
nothing in the file moves. Previews are found in the directories of the file (TIFF 6.0, section 22, and DNG
1.7, "Preview images") and in the one that a Nikon's MakerNote has of its own (tag 0x0011).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from defectmap.errors import PhotoError
from defectmap.media import tiff
from defectmap.media.jpegcodec import RenderedSite, repair_jpeg
from defectmap.media.jpegheader import read_header
from defectmap.media.nefnote import nikon_note
from defectmap.model.registration import Registration
from defectmap.model.sensor import Grid

_log = logging.getLogger(__name__)

_SMALLEST_SCALE: Final = 0.25  # below it the spot of a single photosite is no more than a JPEG's noise
_NIKON_PREVIEW: Final = 0x0011
_JPEG: Final = (6, 7)  # TIFF compressions
_YCBCR: Final = 6
_START: Final = b"\xff\xd8\xff"


@dataclass(frozen=True, slots=True)
class PreviewRepair:
    """A raw file with its previews repaired.

    Attributes
    ----------
    data : bytes
        The file; as long as the one given, and equal to it if no preview was changed.
    repaired : tuple of Grid
        Previews that were changed.
    left : tuple of (Grid, reason)
        Previews large enough to show bad photosites that could not be changed, each with why.
    """

    data: bytes
    repaired: tuple[Grid, ...]
    left: tuple[tuple[Grid, str], ...]


def repair_previews(
    data: bytes, raw: Grid, sites: Sequence[RenderedSite], registrations: Sequence[Registration]
) -> PreviewRepair:
    """Remove the spots of bad photosites from the previews of a raw file.

    Parameters
    ----------
    data : bytes
        The whole raw file.
    raw : Grid
        Of the mosaic, full stored frame.
    sites : sequence of RenderedSite
        On that grid.
    registrations : sequence of Registration
        How JPEGs of this camera lie on that grid. A smaller preview is taken for a smaller copy of the
        largest of them that has its proportions.

    Returns
    -------
    PreviewRepair
    """
    repaired: list[Grid] = []
    left: list[tuple[Grid, str]] = []
    for start, end in embedded_jpegs(data):
        try:
            header = read_header(data[start:end])
        except PhotoError as error:
            _log.debug("a preview is left alone: it %s", error.reason)
            continue
        grid = Grid("jpeg", header.height, header.width)
        if grid.width < _SMALLEST_SCALE * raw.width:
            continue
        way = _way(registrations, grid)
        if way is None:
            left.append((grid, "how it lies on the raw frame is not known"))
            continue
        try:
            preview = repair_jpeg(data[start:end], _moved(sites, way, grid), length="keep")
        except PhotoError as error:
            left.append((grid, error.reason))
            continue
        if preview.data != data[start:end]:
            data = data[:start] + preview.data + data[end:]
            repaired.append(grid)
    return PreviewRepair(data, tuple(repaired), tuple(left))


def embedded_jpegs(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield start and end of each JPEG that the directories of a raw file name, once, in file order.

    Parameters
    ----------
    data : bytes
        The whole file; nothing is yielded where it is not of TIFF structure.
    """
    places = {place for directory in tiff.directories(data) for place in _jpegs(directory)}
    note = nikon_note(data)
    if note is not None:
        inside = _jpegs(note.sub_directory(data, _NIKON_PREVIEW))
        places |= {(note.base + start, note.base + end) for start, end in inside}
    behind = 0
    for start, end in sorted(places):
        if behind <= start < end <= len(data) and data.startswith(_START, start):
            behind = end
            yield start, end


def _jpegs(directory: tiff.Directory) -> Iterator[tuple[int, int]]:
    start, length = directory.first(tiff.JPEG_OFFSET), directory.first(tiff.JPEG_LENGTH)
    if start and length:
        yield start, start + length
    strips, sizes = directory.integers(tiff.STRIP_OFFSETS), directory.integers(tiff.STRIP_BYTE_COUNTS)
    coded = directory.first(tiff.COMPRESSION) in _JPEG and directory.first(tiff.PHOTOMETRIC) == _YCBCR
    if coded and len(strips) == len(sizes) == 1:
        yield strips[0], strips[0] + sizes[0]


def _way(registrations: Sequence[Registration], grid: Grid) -> Registration | None:
    """Return the registration of a picture of this size, or of the largest with its proportions."""
    pictures = sorted(
        (r for r in registrations if r.target.kind == "jpeg" and r.target.width >= grid.width),
        key=lambda r: (r.target != grid, -r.target.width),
    )
    for way in pictures:
        height = way.target.height * grid.width / way.target.width
        if way.target == grid or (way.target.width > grid.width and abs(grid.height - height) <= 1):
            return way
    return None


def _moved(sites: Sequence[RenderedSite], way: Registration, grid: Grid) -> tuple[RenderedSite, ...]:
    """Sites on the preview's grid; what is known of their strength holds for the full size alone."""
    scale = grid.width / way.target.width
    moved: dict[tuple[int, int], RenderedSite] = {}
    for site in sites:
        pixel = way.to_target(site.row, site.col)
        if pixel is None:
            continue
        row, col = int((pixel[0] + 0.5) * scale), int((pixel[1] + 0.5) * scale)
        if not (row < grid.height and col < grid.width):
            continue
        full_size = way.scale * scale == 1
        moved[row, col] = (
            replace(site, row=row, col=col) if full_size else RenderedSite(row, col, site.colour)
        )
    return tuple(moved.values())

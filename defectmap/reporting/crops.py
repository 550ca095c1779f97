"""Crops of photos around defects, as they are and as `fix` would write them. Photos are only read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from defectmap.errors import FailedPhotoError, PhotoError
from defectmap.media.discover import content_digest, read_photo
from defectmap.model.defects import Defect
from defectmap.repairing import Correction, correct_all, corrected_frame
from defectmap.reporting.developing import Pixels, jpeg_crop, raw_crop, shown_jpeg, shown_raw


@dataclass(frozen=True, slots=True)
class Crop:
    """The surroundings of one defect in one photo, as WebP without loss.

    Attributes
    ----------
    before : bytes
    after : bytes or None
        Repaired; None where the site is left as it is.
    """

    before: bytes
    after: bytes | None

    @property
    def size(self) -> int:
        """Bytes of both."""
        return len(self.before) + len(self.after or b"")


def crops_of(
    paths: Iterable[Path], task: Correction, defects: Sequence[Defect]
) -> dict[tuple[int, int], Crop]:
    """Open a photo, correct it in memory, and cut out what surrounds some defects.

    Parameters
    ----------
    paths : iterable of Path
        Where the photo may be; the first file with the content that is asked for is taken.
    task : Correction
        Its `source` does not count.
    defects : sequence of Defect

    Returns
    -------
    dict of (row, col) to Crop

    Raises
    ------
    PhotoError
        If the photo is not there any more, has changed, or cannot be read.
    """
    trouble: PhotoError = FailedPhotoError("is not where it was seen last")
    for path in paths:
        try:
            data = read_photo(path)
        except PhotoError as error:
            trouble = error
            continue
        if content_digest(data) == task.digest:
            task = replace(task, source=path)
            cut = _raw_crops if task.grid.kind == "raw" else _jpeg_crops
            return cut(data, task, defects)
        trouble = FailedPhotoError("has changed since it was added")
    raise trouble


def _raw_crops(data: bytes, task: Correction, defects: Sequence[Defect]) -> dict[tuple[int, int], Crop]:
    from defectmap.media.raw import decode_raw  # noqa: PLC0415 - LibRaw loads slowly

    before = decode_raw(data)
    if before.grid != task.grid:
        raise FailedPhotoError("is decoded to another size than when it was added")
    after, repaired = corrected_frame(before, task)
    result = {}
    for row, col in ((defect.row, defect.col) for defect in defects):
        pair = shown_raw(raw_crop(before, row, col), raw_crop(after, row, col))
        result[row, col] = _crop(*pair, changed=(row, col) in repaired)
    return result


def _jpeg_crops(data: bytes, task: Correction, defects: Sequence[Defect]) -> dict[tuple[int, int], Crop]:
    from defectmap.media.viewing import decode_colours  # noqa: PLC0415 - loads Pillow

    before = after = decode_colours(data)
    if before.shape[:2] != (task.grid.height, task.grid.width):
        raise FailedPhotoError("is decoded to another size than when it was added")
    (corrected,) = correct_all([task], workers=1)
    repaired: frozenset[tuple[int, int]] = frozenset()
    if not isinstance(corrected, PhotoError) and corrected.data is not None:
        after, repaired = decode_colours(corrected.data), frozenset(corrected.repaired)
    result = {}
    for row, col in ((defect.row, defect.col) for defect in defects):
        pair = shown_jpeg(jpeg_crop(before, row, col), jpeg_crop(after, row, col))
        result[row, col] = _crop(*pair, changed=(row, col) in repaired)
    return result


def _crop(before: Pixels, after: Pixels, *, changed: bool) -> Crop:
    from defectmap.media.viewing import webp  # noqa: PLC0415 - loads Pillow

    return Crop(webp(before), webp(after) if changed else None)

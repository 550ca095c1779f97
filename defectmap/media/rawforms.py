"""A repaired mosaic as a file, in the raw itself or in another format, and the proof that it is right."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from defectmap.errors import FailedPhotoError, UnsupportedRawError
from defectmap.media.raw import decode_raw
from defectmap.model.frame import RawFrame
from defectmap.model.sensor import SensorIdentity

RawForm = Literal["same", "dng", "tiff", "jpeg"]
Sites = tuple[tuple[int, int], ...]


def write_mosaic(
    data: bytes,
    before: RawFrame,
    mosaic: NDArray[np.uint16],
    form: RawForm,
    *,
    identity: SensorIdentity,
    orientation: int = 1,
) -> tuple[bytes, Sites]:
    """Return the file of a repaired mosaic, read back and compared.

    Parameters
    ----------
    data : bytes
        The whole raw file.
    before : RawFrame
        What it holds.
    mosaic : ndarray of the shape of ``before.mosaic``, uint16
        What it should hold, in DN.
    form : {"same", "dng", "tiff", "jpeg"}
        The file's own format, a DNG, or a picture rendered from the mosaic.
    identity : SensorIdentity
    orientation : int
        EXIF orientation, 1 to 8.

    Returns
    -------
    bytes
    tuple of (row, col)
        Photosites of the full stored frame that are others than before, ordered.

    Raises
    ------
    UnsupportedRawError
        If the format cannot hold this mosaic.
    FailedPhotoError
        If the file does not read back as it should.
    """
    top, left = before.geometry.top, before.geometry.left
    places = np.argwhere(before.mosaic != mosaic)
    if form == "tiff" or form == "jpeg":  # noqa: PLR1714 - as mypy reads it
        from defectmap.media.rendering import rendered_bytes  # noqa: PLC0415 - loads tifffile and Pillow

        repaired = rendered_bytes(data, before.mosaic, mosaic, form, identity)
        read = wanted = mosaic
    elif form == "dng":
        from defectmap.media.dng import dng_bytes  # noqa: PLC0415 - loads exiv2
        from defectmap.media.raw import read_colour  # noqa: PLC0415

        colour = read_colour(data, identity)
        repaired = dng_bytes(mosaic, before.geometry, colour, source=data, orientation=orientation)
        read, wanted = decode_raw(repaired).mosaic, mosaic
    else:
        from defectmap.media.rawpatch import patch_raw  # noqa: PLC0415

        values = {(int(row) + top, int(col) + left): int(mosaic[row, col]) for row, col in places}
        try:
            repaired = patch_raw(data, values)
        except UnsupportedRawError as error:
            raise UnsupportedRawError(
                f"cannot be changed as it is ({error.reason}): write a DNG instead, with --format dng"
            ) from error
        read, wanted = decode_raw(repaired).mosaic, before.mosaic.copy()
        # A lossy file takes the nearest value that it can hold, which is proved where it is written.
        rows, cols = places.T
        wanted[rows, cols] = read[rows, cols]
    if not np.array_equal(read, wanted):
        raise FailedPhotoError("was left alone: its repaired copy does not read back as it should")
    changed = np.argwhere(before.mosaic != read)
    return repaired, tuple((int(row) + top, int(col) + left) for row, col in changed)

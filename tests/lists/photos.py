"""A DNG with margins and bad photosites, for other programs to judge."""

from __future__ import annotations

import io
from datetime import datetime

import numpy as np
import tifffile

from defectmap.model.sensor import MosaicGeometry

MARGINS = MosaicGeometry(320, 424, 10, 20, 300, 396, ("RG", "GB"), (0,) * 4, 16383, "made for the test")
SITES = ((110, 140), (111, 233), (10, 20), (309, 415), (200, 300))  # corners of the visible area too
LEVEL, BAD = 4000, 16000
TAKEN = datetime(2015, 6, 15, 12)


def mosaic(sites: tuple[tuple[int, int], ...] = SITES) -> np.ndarray:
    """Return an even grey frame, a little uneven, with some photosites far too bright."""
    rows, cols = np.mgrid[0 : MARGINS.height, 0 : MARGINS.width]
    frame = (LEVEL + rows + cols).astype(np.uint16)
    for row, col in sites:
        frame[row, col] = BAD
    return frame


def dng(frame: np.ndarray, *, taken: datetime | None = TAKEN) -> bytes:
    """Return a DNG of a Canon that stores its margins."""
    top, left = MARGINS.top, MARGINS.left
    height, width = MARGINS.visible_height, MARGINS.visible_width
    rational = (10000, 10000, 0, 1, 0, 1, 0, 1, 10000, 10000, 0, 1, 0, 1, 0, 1, 10000, 10000)
    tags = [
        (33421, 3, 2, (2, 2), True),
        (33422, 1, 4, (0, 1, 1, 2), True),
        (271, 2, 0, "Canon", True),
        (272, 2, 0, "Canon EOS 450D", True),
        (50706, 1, 4, (1, 3, 0, 0), True),
        (50707, 1, 4, (1, 1, 0, 0), True),
        (50708, 2, 0, "Canon EOS 450D", True),
        (50710, 1, 3, (0, 1, 2), True),
        (50711, 3, 1, 1, True),
        (50714, 4, 1, 0, True),
        (50717, 4, 1, 16383, True),
        (50719, 4, 2, (0, 0), True),
        (50720, 4, 2, (width, height), True),
        (50721, 10, 9, rational, True),
        (50728, 5, 3, (1, 1, 1, 1, 1, 1), True),
        (50778, 3, 1, 21, True),
        (50829, 4, 4, (top, left, top + height, left + width), True),
    ]
    if taken is not None:
        tags.append((306, 2, 20, taken.strftime("%Y:%m:%d %H:%M:%S"), True))
    stream = io.BytesIO()
    tifffile.imwrite(
        stream,
        frame,
        photometric="cfa",
        rowsperstrip=MARGINS.height,
        metadata=None,
        software=False,
        subfiletype=0,
        byteorder="<",
        extratags=tags,
    )
    return stream.getvalue()

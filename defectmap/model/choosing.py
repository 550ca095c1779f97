"""Which photosites of a map are changed in one photo.

A photosite is replaced by a guess, however good, so one that reads right is left alone. By kind:

- stuck, dead, dim, bright and offset sites are wrong in every frame of their time: they are replaced unseen
  in a photo of known date;
- hot and noisy sites are wrong in some frames only (long exposures, warm sensors, one of two states): they
  are replaced where the frame itself shows them, by more than `SHOWN_SIGMA`;
- on a day on which a site may have been bad, but was not seen either way (between the last good frame and the
  first bad one, or while healing), it is replaced only where the frame shows it, whatever its kind, and never
  before the one or after the other; so it is in a photo of which nobody knows the day;
- so is a site that was found on another grid and carried over: of one that a JPEG told, the place is not as
  certain as the defect, and what a raw shows may be too faint for a JPEG;
- the sites of a bad column or row are replaced together, where the frame shows the line.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import numpy as np

from defectmap.model.defects import Defect, Kind, Structure
from defectmap.model.evidence import Z_UNIT
from defectmap.model.expecting import expected, sign
from defectmap.model.frame import Conditions, RawFrame
from defectmap.model.prediction import planes_of
from defectmap.model.rendered import RenderedSite

SHOWN_SIGMA = 3.0
"""Distance from the prediction, in standard deviations, from which a frame shows a known defect."""

LINE_SIGMA = 1.0
"""Median distance of the members of a bad line from which a frame shows it, in standard deviations."""

_ALWAYS = frozenset({Kind.STUCK, Kind.DEAD, Kind.DIM, Kind.BRIGHT, Kind.OFFSET})
_SILENT = -128  # the score of a photosite that says nothing, such as one among clipped highlights


def surely_bad(defect: Defect, day: datetime | None) -> bool:
    """Whether a site is wrong in every frame of that moment, so that no frame need show it.

    Never, where the moment is unknown (None).

    It is asked of sites for which :meth:`Defect.bad_on` holds.
    """
    if day is None or defect.kind not in _ALWAYS or defect.origin:
        return False
    return defect.surely_bad_on(day)


def mosaic_sites(
    frame: RawFrame, defects: Iterable[Defect], day: datetime | None
) -> tuple[tuple[int, int], ...]:
    """Return the photosites to replace in a raw frame.

    Parameters
    ----------
    frame : RawFrame
    defects : iterable of Defect
        Those that may have been bad on the day, in coordinates of the full stored frame.
    day : datetime or None
        When the frame was taken.

    Returns
    -------
    tuple of (row, col)
        In coordinates of the full stored frame, ordered.
    """
    top, left = frame.geometry.top, frame.geometry.left
    height, width = frame.mosaic.shape
    sites: list[tuple[int, int]] = []
    doubtful: list[tuple[int, int]] = []
    for defect in defects:
        if 0 <= defect.row - top < height and 0 <= defect.col - left < width:
            (sites if surely_bad(defect, day) else doubtful).append((defect.row, defect.col))
    if doubtful:
        z = planes_of(frame)["mosaic"].score().z
        for row, col in doubtful:
            score = int(z[row - top, col - left])
            if score != _SILENT and abs(score) > SHOWN_SIGMA * Z_UNIT:
                sites.append((row, col))
    return tuple(sorted(sites))


def line_sites(frame: RawFrame, lines: Iterable[Structure]) -> tuple[tuple[int, int], ...]:
    """Return the photosites of the bad columns and rows that a raw frame shows.

    Parameters
    ----------
    frame : RawFrame
    lines : iterable of Structure
        Those that may have been bad on the day, in coordinates of the full stored frame.

    Returns
    -------
    tuple of (row, col)
        In coordinates of the full stored frame, line by line. Of a line that is off by less than
        `LINE_SIGMA` none: a guess is farther from the truth than its photosites are.
    """
    chosen = list(lines)
    if not chosen:
        return ()
    geometry = frame.geometry
    scores = np.full((geometry.height, geometry.width), _SILENT, np.int8)
    height, width = frame.mosaic.shape
    visible = slice(geometry.top, geometry.top + height), slice(geometry.left, geometry.left + width)
    scores[visible] = planes_of(frame)["mosaic"].score().z
    sites: list[tuple[int, int]] = []
    for line in chosen:
        members = np.concatenate([scores[part].ravel() for part in line.slices()])
        heard = members[members != _SILENT]
        if heard.size and line.sign * float(np.median(heard)) >= LINE_SIGMA * Z_UNIT:
            rows = range(geometry.top, geometry.top + height)
            cols = range(geometry.left, geometry.left + width)
            sites += [(row, col) for row, col in line.sites() if row in rows and col in cols]
    return tuple(sites)


def rendered_sites(
    defects: Iterable[Defect], conditions: Conditions, usual_dn: float | None = None
) -> tuple[RenderedSite, ...]:
    """Return the sites to look at in a JPEG; whether a spot shows there is for its repair to judge.

    Parameters
    ----------
    defects : iterable of Defect
        Those that may have been bad on the day, on the stored grid of the JPEG.
    conditions : Conditions
        Of the photo.
    usual_dn : float or None
        Mean luma of the photos that the map was made from; None where it is not known.
    """
    return tuple(
        RenderedSite(
            d.row,
            d.col,
            d.colour,
            surely_bad(d, conditions.captured),
            expected(d, conditions, usual_dn),
            sign(d),
        )
        for d in defects
    )

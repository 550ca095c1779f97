"""Maps of two registered grids support each other: one sensor's defects are bad on every grid.

A suspect that is a defect of the other grid becomes one. What a grid does not know at all is carried over, so
that a map made from raw files alone repairs JPEGs, and the other way round.

Two suspects that coincide stay what they are: raw and JPEG of one exposure show the same star or glint, and
are no two witnesses of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from defectmap.model.coincidence import sign
from defectmap.model.defects import Defect, DefectMap
from defectmap.model.registration import Registration
from defectmap.model.sensor import Grid, MosaicGeometry

FIELDS = ("n", "z_sum", "hot_sum", "hot_weight")
"""Sums of a plane that tell which photosite of several is the bad one."""

SURROUNDINGS = 12
"""Sites on each side of a place whose sums are asked for: the null that its own are compared with."""

_SIGNIFICANT = 4.0  # sigma: a place that is known from elsewhere is one test, or a few, not millions
_SMEAR = 2  # pixels of a JPEG within which an entry is the same one

Window = Mapping[str, NDArray[Any]]
Look = Callable[[slice, slice], Window]


def confirm(source: DefectMap, target: DefectMap, found: Registration) -> tuple[DefectMap, DefectMap]:
    """Make certain what one grid suspects and the other is certain of.

    Parameters
    ----------
    source, target : DefectMap
        On the grids of the registration.
    found : Registration

    Returns
    -------
    source, target : DefectMap
    """
    ours, theirs = list(source.entries), list(target.entries)
    for i, one in enumerate(source.entries):
        place = found.to_target(one.row, one.col)
        if place is None:
            continue
        for j, other in enumerate(target.entries):
            near = max(abs(other.row - place[0]), abs(other.col - place[1])) <= 1
            strong = min(one.confidence, other.confidence) >= _SIGNIFICANT
            if near and strong and one.certain != other.certain and sign(one) * sign(other) >= 0:
                ours[i], theirs[j] = _certain(ours[i]), _certain(theirs[j])
    return replace(source, entries=tuple(ours)), replace(target, entries=tuple(theirs))


def carry_down(own: DefectMap, target: DefectMap, found: Registration) -> DefectMap:
    """Add to the target's map what its grid does not know of the defects of the source.

    A defect may be too weak for the target to show. That contradicts nothing, and does no harm: a repair of a
    rendered picture asks the picture itself whether there is a spot.

    Parameters
    ----------
    own : DefectMap
        What was found on the source itself.
    target : DefectMap
    found : Registration

    Returns
    -------
    DefectMap
    """
    added: list[Defect] = []
    for one in own.defects:
        place = found.to_target(one.row, one.col)
        if place is not None and not _knows(target, added, place, _SMEAR):
            colour = one.colour if one.colour in {"R", "G", "B"} else "W"
            added.append(_moved(one, place, colour, own.grid))
    return replace(target, entries=target.entries + tuple(added))


def carry_up(
    own: DefectMap,
    source: DefectMap,
    found: Registration,
    geometry: MosaicGeometry | None,
    look: Look,
) -> DefectMap:
    """Add to the source's map what its finer grid does not know of the defects of the target.

    A rendered defect tells its photosite to a pixel either way only, and a healthy photosite must not be
    repaired in place of a bad one. So the sums of the finer grid decide: of the photosites in question the
    one that stands out most is taken, if it stands out at all. Where none does, the sums contradict (a raw
    shows better what a JPEG shows), or the frames are too few to tell which it is.

    Parameters
    ----------
    own : DefectMap
        What was found on the target itself.
    source : DefectMap
    found : Registration
    geometry : MosaicGeometry or None
        Of a raw source.
    look : callable
        Returns the sums `FIELDS` of some rows and columns of the source's grid; a raw's visible area alone.

    Returns
    -------
    DefectMap
    """
    top, left, height, width = 0, 0, source.grid.height, source.grid.width
    if geometry is not None:
        top, left = geometry.top, geometry.left
        height, width = geometry.visible_height, geometry.visible_width
    added: list[Defect] = []
    for one in own.defects:
        place = found.to_source(one.row, one.col)
        if place is None or _knows(source, added, place, found.slack + 1):
            continue
        row, col = place[0] - top, place[1] - left
        if not (0 <= row < height and 0 <= col < width):
            continue
        rows, cols = _around(row, height), _around(col, width)
        site = outstanding(look(rows, cols), (row - rows.start, col - cols.start), found.slack, sign(one))
        if site is not None:
            place = rows.start + site[0] + top, cols.start + site[1] + left
            colour = geometry.colour(*place) if geometry else one.colour
            added.append(_moved(one, place, colour, own.grid))
    return replace(source, entries=source.entries + tuple(added))


def outstanding(window: Window, place: tuple[int, int], slack: int, direction: int) -> tuple[int, int] | None:
    """Return the site near a place whose sums stand out most from their surroundings, if any does.

    Parameters
    ----------
    window : mapping of str to ndarray of shape (rows, cols)
        The sums `FIELDS`.
    place : (row, col)
        Within the window.
    slack : int
        Rows and columns on each side that are looked at.
    direction : int
        1 for a site that reads too much, -1 for too little, 0 for either.

    Returns
    -------
    (row, col) or None
        Within the window.
    """
    level = _standardised(window["z_sum"], window["n"])
    dose = _standardised(window["hot_sum"], window["hot_weight"])
    score = np.maximum(np.abs(level), np.abs(dose)) if not direction else direction * level
    if direction:
        score = np.maximum(score, direction * dose)
    near = np.full(score.shape, -np.inf)
    rows, cols = (slice(max(at - slack, 0), at + slack + 1) for at in place)
    near[rows, cols] = score[rows, cols]
    row, col = divmod(int(np.argmax(near)), score.shape[1])
    return (row, col) if near[row, col] >= _SIGNIFICANT else None


def _standardised(total: NDArray[Any], weight: NDArray[Any]) -> NDArray[np.float64]:
    """Return total / sqrt(weight) in standard deviations (median and MAD) of the window."""
    score = np.zeros(total.shape)
    known = weight > 0
    np.divide(total, np.sqrt(weight, dtype=np.float64), out=score, where=known)
    if not known.any():
        return score
    middle = float(np.median(score[known]))
    spread = 1.4826 * float(np.median(np.abs(score[known] - middle)))
    return np.where(known, (score - middle) / spread, 0.0) if spread > 0 else np.zeros(total.shape)


def _around(at: int, size: int) -> slice:
    return slice(max(at - SURROUNDINGS, 0), min(at + SURROUNDINGS + 1, size))


def _knows(found: DefectMap, added: list[Defect], place: tuple[int, int], reach: int) -> bool:
    """Whether a map has an entry or a structure at a place, or has been given one."""
    near = (
        max(abs(entry.row - place[0]), abs(entry.col - place[1])) <= reach
        for entry in (*found.entries, *added)
    )
    return any(near) or any(place in structure for structure in found.structures)


def _certain(entry: Defect) -> Defect:
    return replace(entry, certain=True, missing="")


def _moved(entry: Defect, place: tuple[int, int], colour: str, grid: Grid) -> Defect:
    origin = f"{grid.kind}:{grid.width}x{grid.height}"
    return replace(entry, row=place[0], col=place[1], colour=colour, origin=origin)

"""Photosites that another program's list calls bad, beside what the photos of this sensor tell.

A list is a witness of its own: it adds nothing to the evidence and makes no suspect certain. A site that only
a list names is kept apart by its origin, and is repaired only in photos that show it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from defectmap.model.defects import Defect, DefectMap, Kind, Period
from defectmap.model.sensor import Grid

ORIGIN: Final = "list:"
"""What the origin of a site begins with that only lists name; the name of the list follows."""

_MOMENT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, order=True)
class ListedSite:
    """One site of a list.

    Attributes
    ----------
    row, col : int
        On the stored grid.
    since : datetime or None
        From when on it is called bad, by the camera's clock; None for always.
    until : datetime or None
        From when on it is called good again; None for never.
    """

    row: int
    col: int
    since: datetime | None = None
    until: datetime | None = None


def is_listed(entry: Defect) -> bool:
    """Whether a site of a map is known from lists alone."""
    return entry.origin.startswith(ORIGIN)


def as_defect(site: ListedSite, name: str, colour: str) -> Defect:
    """Return a listed site as an entry of a map.

    A list measures nothing: strength, confidence and counts are 0, and the kind is a placeholder.
    """
    return Defect(
        site.row,
        site.col,
        Kind.HOT,
        colour,
        strength=0.0,
        unit="",
        confidence=0.0,
        frames_seen=0,
        scenes=0,
        periods=(
            Period(
                last_good=None if site.since is None else site.since - _MOMENT,
                first_bad=site.since,
                last_bad=None if site.until is None else site.until - _MOMENT,
                first_good=site.until,
            ),
        ),
        origin=f"{ORIGIN}{name}",
    )


def reach(grid: Grid) -> int:
    """Rows and columns within which a listed site is one of the map: a spot of a JPEG has no sharp place."""
    return 0 if grid.kind == "raw" else 2


def same_site(one: tuple[int, int], other: tuple[int, int], grid: Grid) -> bool:
    """Whether two positions on a grid mean one site."""
    return max(abs(one[0] - other[0]), abs(one[1] - other[1])) <= reach(grid)


def with_listed(found: DefectMap, listed: Iterable[Defect]) -> DefectMap:
    """Add those sites of lists that a map has no defect and no line or lattice at.

    A suspect stays one beside the listed site: a list does not decide.
    """
    width = reach(found.grid)
    taken = {
        (row, col)
        for one in found.defects
        for row in range(one.row - width, one.row + width + 1)
        for col in range(one.col - width, one.col + width + 1)
    }
    patterns = [structure for structure in found.structures if not structure.lists_members]
    added: list[Defect] = []
    for one in listed:
        site = one.row, one.col
        if site not in taken and not any(site in pattern for pattern in patterns):
            taken.add(site)
            added.append(one)
    return replace(found, entries=found.entries + tuple(added))

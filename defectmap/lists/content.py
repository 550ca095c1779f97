"""What a list holds, in the coordinates of its format."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from defectmap.errors import DefectmapError
from defectmap.lists.frames import Frame
from defectmap.model.defects import Defect
from defectmap.model.sensor import Grid, MosaicGeometry, SensorIdentity


class ListError(DefectmapError):
    """A list cannot be read, or does not fit the sensor.

    Its text is the end of a sentence that begins with the name of the file; no full stop.
    """


@dataclass(frozen=True, slots=True)
class Mark:
    """One bad photosite.

    Attributes
    ----------
    row, col : int
        As the format counts them.
    since : datetime or None
        From when on it may be bad; None for always.
    until : datetime or None
        From when on it is good again; None for never.
    defect : Defect or None
        All that is known of it; None for one that was read, or is a member of a structure.
    line : int
        Where it was read, for messages; 0 where there are no lines.
    """

    row: int
    col: int
    since: datetime | None = None
    until: datetime | None = None
    defect: Defect | None = None
    line: int = 0


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of bad photosites; `bottom` and `right` are the first row and column beyond it."""

    top: int
    left: int
    bottom: int
    right: int
    since: datetime | None = None
    until: datetime | None = None
    line: int = 0

    def marks(self) -> Iterator[Mark]:
        """Yield its photosites."""
        for row in range(self.top, self.bottom):
            for col in range(self.left, self.right):
                yield Mark(row, col, self.since, self.until, None, self.line)


@dataclass(frozen=True, slots=True)
class About:
    """What a list says of itself.

    Attributes
    ----------
    camera : SensorIdentity
        Without its serial number where the list is to be anonymous.
    grid : Grid
    geometry : MosaicGeometry or None
    program : str
        Name and version of this program.
    revision : int
        Number of the map.
    day : datetime or None
        The day that the list is for; None for the present.
    """

    camera: SensorIdentity
    grid: Grid
    geometry: MosaicGeometry | None
    program: str
    revision: int
    day: datetime | None = None

    @property
    def camera_name(self) -> str:
        """Name of the camera; one without a serial number may have one that is not to be told."""
        return self.camera.name.removesuffix(" (no serial)")

    @property
    def sentence(self) -> str:
        """Which list this is, in one line of ASCII."""
        day = f" on {self.day.date().isoformat()}" if self.day else ""
        text = f"{self.program}: bad photosites of {self.camera_name}{day}, revision {self.revision}"
        return " ".join(text.encode("ascii", "replace").decode("ascii").split())


@dataclass(frozen=True, slots=True)
class Content:
    """What is to be written.

    Attributes
    ----------
    about : About
    frame : Frame
        Which the positions count in.
    marks : tuple of Mark
        Ordered by (row, col).
    boxes : tuple of Box
        Whole or partial columns and rows.
    suspects : tuple of Mark
        For formats that can tell them from defects.
    """

    about: About
    frame: Frame
    marks: tuple[Mark, ...]
    boxes: tuple[Box, ...] = ()
    suspects: tuple[Mark, ...] = ()

    def expanded(self) -> tuple[Mark, ...]:
        """Return all photosites one by one, those of boxes too, ordered by (row, col)."""
        sites = {(mark.row, mark.col): mark for box in self.boxes for mark in box.marks()}
        sites |= {(mark.row, mark.col): mark for mark in self.marks}
        return tuple(sites[site] for site in sorted(sites))


@dataclass(frozen=True, slots=True)
class Found:
    """What was read.

    Attributes
    ----------
    marks, boxes : tuple
    size : (height, width) or None
        Of the frame, where the list says it.
    bottom_up : bool or None
        From which end its rows count, where the list says it.
    """

    marks: tuple[Mark, ...] = ()
    boxes: tuple[Box, ...] = ()
    size: tuple[int, int] | None = None
    bottom_up: bool | None = None


def lines_of(data: bytes) -> Iterator[tuple[int, str]]:
    """Yield the lines of a text with their numbers, from 1; whatever is no UTF-8 is replaced.

    Raises
    ------
    ListError
        If it is no text.
    """
    if b"\0" in data:
        raise ListError("is not a text file: check --format")
    yield from enumerate(data.decode("utf-8-sig", "replace").splitlines(), 1)


def whole_numbers(words: list[str], line: int, least: int, what: str) -> list[int]:
    """Return the numbers of a line.

    Raises
    ------
    ListError
        If there are fewer than `least`, or one is no whole number; `what` says what is expected.
    """
    try:
        numbers = [int(word) for word in words]
    except ValueError:
        raise ListError(f"has {' '.join(words)[:40]!r} in line {line}, where {what} should be") from None
    if len(numbers) < least:
        raise ListError(f"has {' '.join(words)[:40]!r} in line {line}, where {what} should be")
    return numbers

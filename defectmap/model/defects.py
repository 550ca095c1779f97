"""Defects and the defect map: a value with set algebra and a sense of time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from defectmap.model.sensor import Grid


class Kind(StrEnum):
    """What is wrong with a photosite."""

    HOT = "hot"
    OFFSET = "offset"
    STUCK = "stuck"
    DEAD = "dead"
    DIM = "dim"
    BRIGHT = "bright"
    NOISY = "noisy"


@dataclass(frozen=True, slots=True)
class Period:
    """A time in which a photosite was bad, by the camera's clock.

    Attributes
    ----------
    last_good, first_bad : datetime or None
        Onset lies between them: the last frame that would have shown the defect and did not, and the first
        that surely belongs to the period. Without `last_good` it may have been bad before the first frame;
        both None for a site that most probably was.
    last_bad, first_good : datetime or None
        Healing lies between them. Without `first_good` it may still be bad; both None for a site that most
        probably is.
    onset : datetime or None
        The first bad frame, by maximum likelihood; None where onset is.
    healed : datetime or None
        The first good frame, by maximum likelihood; None where healing is.
    confidence : float or None
        Probability, 0 to 1, that `onset` and `healed` are right to within two frames, the lower of the two;
        None where nothing is dated, or was dated by other means.
    """

    last_good: datetime | None = None
    first_bad: datetime | None = None
    last_bad: datetime | None = None
    first_good: datetime | None = None
    onset: datetime | None = None
    healed: datetime | None = None
    confidence: float | None = None

    def bad_on(self, day: datetime | None) -> bool:
        """Whether the site may have been bad at that moment, by this period alone (None: unknown, so yes)."""
        return _may_be_bad(self, day)


@dataclass(frozen=True, slots=True)
class Defect:
    """One bad photosite.

    Attributes
    ----------
    row, col : int
        Position on the map's grid.
    kind : Kind
    colour : str
        CFA colour letter of the site; for a JPEG grid the colour it tints the picture with (R, G, B or
        W for no tint).
    strength : float
        How strong, in the unit of `unit`.
    unit : str
        "DN/s at ISO 100" (hot), "DN at ISO 100" (offset), "DN" (stuck, dead, noisy) or "gain" (dim, bright).
    confidence : float
        Standardised score that decided, in standard deviations of healthy sites.
    frames_seen : int
        Frames in which the site stood out on its own.
    scenes : int
        Distinct scenes among them.
    certain : bool
        True for a defect, False for a suspect.
    missing : str
        For a suspect, what it lacks for certainty; else "".
    periods : tuple of Period
        The times in which it was bad, in order and apart from each other, at least one.
        `last_good`, `first_bad`, `last_bad` and `first_good` are those of the last.
    origin : str
        The grid it was found on, such as ``raw:3904x2616``, where that is another than the map's: the site
        was carried over, and `strength` is in DN of that grid. Else "".
    strength_sd : float or None
        Standard error of `strength`, in the same unit; None where it is not known.
    """

    row: int
    col: int
    kind: Kind
    colour: str
    strength: float
    unit: str
    confidence: float
    frames_seen: int
    scenes: int
    certain: bool = True
    missing: str = ""
    periods: tuple[Period, ...] = (Period(),)
    origin: str = ""
    strength_sd: float | None = None

    @property
    def last_good(self) -> datetime | None:
        """That of the last period."""
        return self.periods[-1].last_good

    @property
    def first_bad(self) -> datetime | None:
        """That of the last period."""
        return self.periods[-1].first_bad

    @property
    def last_bad(self) -> datetime | None:
        """That of the last period."""
        return self.periods[-1].last_bad

    @property
    def first_good(self) -> datetime | None:
        """That of the last period."""
        return self.periods[-1].first_good

    def bad_on(self, day: datetime | None) -> bool:
        """Whether the site may have been bad at that moment (None: unknown, so yes)."""
        return any(period.bad_on(day) for period in self.periods)

    def surely_bad_on(self, day: datetime | None) -> bool:
        """Whether it was bad at that moment beyond the doubt of its dates (None: unknown, so always)."""
        return any(_was_bad(period, day) for period in self.periods)


class StructureKind(StrEnum):
    """What photosites that are bad together form."""

    COLUMN = "column"
    ROW = "row"
    LATTICE = "lattice"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True)
class Structure:
    """Photosites that are bad together, listed as one.

    The members of a column, a row or a lattice are not listed as single defects; those of a cluster are.
    A structure is a pattern of positions that repeats over a rectangle: every site of a column has the period
    (1, 1), every second one (2, 1); a cluster is one period that names all of its members.

    Attributes
    ----------
    kind : StructureKind
    top, left, bottom, right : int
        The rectangle on the map's grid; `bottom` and `right` are the first row and column beyond it.
    period : tuple of int
        Rows and columns after which the pattern repeats.
    offsets : tuple of (row, col)
        The members within one period, counted from (top, left); ordered.
    strength : float
        Usual standardised score of the members, in standard deviations of healthy sites; positive.
    sign : int
        1 where the members read too much, -1 where they read too little.
    last_good, first_bad, last_bad, first_good : datetime or None
        As those of a :class:`Defect`.
    """

    kind: StructureKind
    top: int
    left: int
    bottom: int
    right: int
    period: tuple[int, int] = (1, 1)
    offsets: tuple[tuple[int, int], ...] = ((0, 0),)
    strength: float = 0.0
    sign: int = 1
    last_good: datetime | None = None
    first_bad: datetime | None = None
    last_bad: datetime | None = None
    first_good: datetime | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "offsets", tuple(sorted(self.offsets)))

    def __len__(self) -> int:
        return sum(
            len(range(self.top + row, self.bottom, self.period[0]))
            * len(range(self.left + col, self.right, self.period[1]))
            for row, col in self.offsets
        )

    def __contains__(self, site: tuple[int, int]) -> bool:
        row, col = site
        if not (self.top <= row < self.bottom and self.left <= col < self.right):
            return False
        return ((row - self.top) % self.period[0], (col - self.left) % self.period[1]) in self.offsets

    @property
    def is_line(self) -> bool:
        """Whether it is a column or a row, whole or in part."""
        return self.kind in {StructureKind.COLUMN, StructureKind.ROW}

    @property
    def lists_members(self) -> bool:
        """Whether its members are listed as single defects too."""
        return self.kind is StructureKind.CLUSTER

    def sites(self) -> Iterator[tuple[int, int]]:
        """Yield the members, ordered by (row, col)."""
        rows: dict[int, list[int]] = {}
        for row, col in self.offsets:
            rows.setdefault(row, []).append(col)
        for row in range(self.top, self.bottom):
            members = rows.get((row - self.top) % self.period[0], [])
            for left in range(self.left, self.right, self.period[1]) if members else ():
                yield from ((row, left + col) for col in members if left + col < self.right)

    def slices(self) -> Iterator[tuple[slice, slice]]:
        """Yield rows and columns of the members for each offset, to index an array of the grid's shape."""
        for row, col in self.offsets:
            yield (
                slice(self.top + row, self.bottom, self.period[0]),
                slice(self.left + col, self.right, self.period[1]),
            )

    def moved(self, rows: int, cols: int) -> Structure:
        """Return the same structure so many rows and columns farther from the origin."""
        return replace(
            self,
            top=self.top + rows,
            left=self.left + cols,
            bottom=self.bottom + rows,
            right=self.right + cols,
        )

    def touches(self, other: Structure, reach: int) -> bool:
        """Whether the rectangles overlap, or come within `reach` rows and columns of each other."""
        rows = min(self.bottom, other.bottom) + reach >= max(self.top, other.top) + 1
        return rows and min(self.right, other.right) + reach >= max(self.left, other.left) + 1

    def bad_on(self, day: datetime | None) -> bool:
        """Whether it may have been bad at that moment (None: unknown, so yes)."""
        return _may_be_bad(self, day)


def _was_bad(period: Period, day: datetime | None) -> bool:
    if day is None:
        return period.first_bad is None and period.last_bad is None
    if period.first_bad is not None and day < period.first_bad:
        return False
    return not (period.last_bad is not None and day > period.last_bad)


def _may_be_bad(one: Period | Structure, day: datetime | None) -> bool:
    if day is None:
        return True
    if one.last_good is not None and day <= one.last_good:
        return False
    return not (one.first_good is not None and day >= one.first_good)


@dataclass(frozen=True, slots=True)
class DefectMap:
    """The defects and suspects of one grid of a sensor, ordered by (row, col).

    Attributes
    ----------
    grid : Grid
    entries : tuple of Defect
        Defects and suspects together; iterate over :attr:`defects` or :attr:`suspects`.
    structures : tuple of Structure
        Ordered by kind and place. Members of lines and lattices are not among the entries.
    """

    grid: Grid
    entries: tuple[Defect, ...] = ()
    structures: tuple[Structure, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "entries", tuple(sorted(self.entries, key=lambda d: (d.row, d.col))))
        object.__setattr__(self, "structures", tuple(sorted(self.structures, key=_place)))

    def __iter__(self) -> Iterator[Defect]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def defects(self) -> tuple[Defect, ...]:
        """The certain ones."""
        return tuple(d for d in self.entries if d.certain)

    @property
    def suspects(self) -> tuple[Defect, ...]:
        """Those not yet certain."""
        return tuple(d for d in self.entries if not d.certain)

    @property
    def sites(self) -> frozenset[tuple[int, int]]:
        """Positions of the certain defects."""
        return frozenset((d.row, d.col) for d in self.entries if d.certain)

    @property
    def lines(self) -> tuple[Structure, ...]:
        """The bad columns and rows, whole or in part."""
        return tuple(s for s in self.structures if s.is_line)

    def joined(self, other: DefectMap, reach: int) -> DefectMap:
        """Add what another map of the grid has more than `reach` rows or columns from everything here.

        A line or lattice of either map takes in the entries of the other that are its members.
        """
        more = tuple(
            s
            for s in other.structures
            if not any(s.kind is t.kind and s.touches(t, reach) for t in self.structures)
        )
        kept = tuple(d for d in self.entries if not _taken_in(d, more))
        mine = [(d.row, d.col) for d in self.entries]
        new = tuple(
            d
            for d in other.entries
            if all(max(abs(d.row - row), abs(d.col - col)) > reach for row, col in mine)
            and not _taken_in(d, self.structures)
        )
        listed = {(d.row, d.col) for d in kept + new}
        # A cluster some of whose members were left out is none.
        structures = tuple(
            s
            for s in self.structures + more
            if not s.lists_members or all(site in listed for site in s.sites())
        )
        return DefectMap(self.grid, kept + new, structures)

    def valid_on(self, day: datetime | None) -> DefectMap:
        """Return the map of the sites that may have been bad at that moment."""
        return DefectMap(
            self.grid,
            tuple(d for d in self.entries if d.bad_on(day)),
            tuple(s for s in self.structures if s.bad_on(day)),
        )


def _taken_in(defect: Defect, structures: Iterable[Structure]) -> bool:
    return any((defect.row, defect.col) in s for s in structures if not s.lists_members)


def _place(structure: Structure) -> tuple[str, int, int, int, int]:
    return structure.kind.value, structure.top, structure.left, structure.bottom, structure.right

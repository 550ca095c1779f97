"""Defects and the defect map: a value with set algebra and a sense of time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
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
    last_good, first_bad : datetime or None
        Onset lies between them; both None for a site that was bad from the first frame on.
    last_bad, first_good : datetime or None
        Healing lies between them; both None for a site that is still bad.
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
    last_good: datetime | None = None
    first_bad: datetime | None = None
    last_bad: datetime | None = None
    first_good: datetime | None = None

    def bad_on(self, day: datetime | None) -> bool:
        """Whether the site may have been bad at that moment (None: unknown, so yes)."""
        if day is None:
            return True
        if self.last_good is not None and day <= self.last_good:
            return False
        return not (self.first_good is not None and day >= self.first_good)


@dataclass(frozen=True, slots=True)
class DefectMap:
    """The defects and suspects of one grid of a sensor, ordered by (row, col).

    Attributes
    ----------
    grid : Grid
    entries : tuple of Defect
        Defects and suspects together; iterate over :attr:`defects` or :attr:`suspects`.
    """

    grid: Grid
    entries: tuple[Defect, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "entries", tuple(sorted(self.entries, key=lambda d: (d.row, d.col))))

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

    def joined(self, other: DefectMap, reach: int) -> DefectMap:
        """Add what another map of the grid has more than `reach` rows or columns from every entry here."""
        mine = [(d.row, d.col) for d in self.entries]
        more = tuple(
            d
            for d in other.entries
            if all(max(abs(d.row - row), abs(d.col - col)) > reach for row, col in mine)
        )
        return DefectMap(self.grid, self.entries + more)

    def valid_on(self, day: datetime | None) -> DefectMap:
        """Return the map of the sites that may have been bad at that moment."""
        return DefectMap(self.grid, tuple(d for d in self.entries if d.bad_on(day)))

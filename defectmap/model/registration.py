"""How the pixels of one stream lie on the photosites of another, and with what certainty.

Mirrored and turned pictures do not occur: both streams are stored as the sensor is read, and what the camera
writes about orientation is only for showing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil, floor
from typing import Any, Literal

from defectmap.model.sensor import Grid, MosaicGeometry


@dataclass(frozen=True, slots=True)
class Registration:
    """Where one grid lies on another: ``target = (source - (row, col)) x scale``.

    Attributes
    ----------
    source, target : Grid
        The target is no finer than the source.
    scale : float
        Pixels of the target per photosite of the source; 1 unless the camera made its picture smaller.
    row, col : float
        Corner of the target's first pixel on the source: whole sites at scale 1, else to half a site.
    coincidences : int
        Defects that coincide, or tiles of a preview that agree.
    of : int
        How many could have.
    chance : float
        Probability that grids without anything in common would do as well.
    basis : {"defects", "preview"}
    """

    source: Grid
    target: Grid
    scale: float
    row: float
    col: float
    coincidences: int
    of: int
    chance: float
    basis: Literal["defects", "preview"] = "defects"

    def to_target(self, row: int, col: int) -> tuple[int, int] | None:
        """Return the target's pixel that a site of the source lies in; None where that is outside."""
        return _within(
            self.target,
            floor((row + 0.5 - self.row) * self.scale),
            floor((col + 0.5 - self.col) * self.scale),
        )

    def to_source(self, row: int, col: int) -> tuple[int, int] | None:
        """Return the source's site under the middle of a pixel of the target; None where that is outside."""
        return _within(
            self.source,
            floor((row + 0.5) / self.scale + self.row),
            floor((col + 0.5) / self.scale + self.col),
        )

    @property
    def slack(self) -> int:
        """Sites of the source within which a defect of the target may truly lie, each way."""
        return ceil(1 / self.scale)

    def colour(self, row: int, col: int, geometry: MosaicGeometry) -> str | None:
        """Return the filter colour of the photosite under a pixel of the target, if the source is raw."""
        site = self.to_source(row, col)
        return None if site is None else geometry.colour(*site)

    def then(self, other: Registration) -> Registration:
        """Return where the target of another one, whose source is this target, lies on this source."""
        weaker = max((self, other), key=lambda one: one.chance)
        return Registration(
            self.source,
            other.target,
            self.scale * other.scale,
            self.row + other.row / self.scale,
            self.col + other.col / self.scale,
            weaker.coincidences,
            weaker.of,
            min(1.0, self.chance + other.chance),
            weaker.basis,
        )

    @property
    def sentence(self) -> str:
        """The same for people."""
        names = {kind: "raw" if kind == "raw" else "JPEG" for kind in ("raw", "jpeg")}
        if self.source.kind == self.target.kind:
            names = {}
        source = names.get(self.source.kind) or f"JPEG {self.source.width}x{self.source.height}"
        target = names.get(self.target.kind) or f"JPEG {self.target.width}x{self.target.height}"
        shifted = f"{source} - ({self.row:g}, {self.col:g})"
        place = shifted if self.scale == 1 else f"({shifted}) x {self.scale:.4g}"
        what = "defects coincide" if self.basis == "defects" else "parts of a raw file's preview agree"
        count = f"{self.coincidences} of {self.of} {what}"
        return f"{source} and {target} lie in one frame: {target} = {place}, {count}"


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of registering two grids.

    Attributes
    ----------
    source, target : Grid
    registration : Registration or None
        None when unsure.
    reason : str
        Why it is None, such as "2 of the 9 defects coincide; 4 are needed"; else "".
    """

    source: Grid
    target: Grid
    registration: Registration | None
    reason: str = ""


def combined(attempt: Attempt, preview: Registration | None) -> Attempt:
    """Return what the defects and a preview say together; where they contradict each other, nothing.

    A preview is exact. Where the defects agree with it they are reported, being the stronger proof.
    """
    found = attempt.registration
    if preview is None:
        return attempt
    if found is None or found.row != preview.row or found.col != preview.col:
        apart = found and max(abs(found.row - preview.row), abs(found.col - preview.col))
        if found is not None and (found.scale != preview.scale or (apart or 0.0) > 1.0):
            return replace(
                attempt, registration=None, reason="the defects and a preview contradict each other"
            )
        return replace(attempt, registration=preview, reason="")
    return attempt


def document(attempt: Attempt) -> dict[str, Any]:
    """Return an attempt as plain values that JSON holds."""
    result: dict[str, Any] = {"source": _grid(attempt.source), "target": _grid(attempt.target)}
    found = attempt.registration
    if found is None:
        return result | {"registered": False, "reason": attempt.reason}
    return result | {
        "registered": True,
        "scale": found.scale,
        "row": found.row,
        "col": found.col,
        "coincidences": found.coincidences,
        "of": found.of,
        "chance": found.chance,
        "basis": found.basis,
        "text": found.sentence,
    }


def registration_of(stored: Mapping[str, Any]) -> Registration | None:
    """Return what :func:`document` wrote of an attempt; None where it was unsure."""
    if not stored.get("registered"):
        return None
    fields = ("scale", "row", "col", "coincidences", "of", "chance", "basis")
    return Registration(
        Grid(**stored["source"]), Grid(**stored["target"]), **{field: stored[field] for field in fields}
    )


def _within(grid: Grid, row: int, col: int) -> tuple[int, int] | None:
    return (row, col) if 0 <= row < grid.height and 0 <= col < grid.width else None


def _grid(grid: Grid) -> dict[str, Any]:
    return {"kind": grid.kind, "height": grid.height, "width": grid.width}

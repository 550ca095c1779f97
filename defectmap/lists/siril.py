"""Siril, ``.lst`` of its cosmetic correction: points, whole columns and whole lines.

As ``cosmetic_correction.c`` reads it: ``P x y H`` a hot and ``P x y C`` a cold point, ``C x 0 H`` a column,
``L y 0 H`` a line, each letter followed by one blank; x and y from 0 at the top left of the picture as shown,
which is that of the visible area. ``#`` begins a comment. Parts of columns and lines cannot be said.
"""

from __future__ import annotations

from defectmap.lists.content import Box, Content, Found, ListError, Mark, lines_of
from defectmap.model.defects import Kind

_COLD = frozenset({Kind.DEAD, Kind.DIM})
_FAR = 1 << 30
_WANTED = "P x y, C x or L y"


def write(content: Content) -> bytes:
    """Return the list; parts of columns and lines are written point by point."""
    whole: list[tuple[Box, bool]] = []
    parts: list[Box] = []
    for box in content.boxes:
        is_column = (box.top, box.bottom) == (0, content.frame.height)
        is_line = (box.left, box.right) == (0, content.frame.width)
        if is_column or is_line:
            whole.append((box, is_column))
        else:
            parts.append(box)
    lines = [f"# {content.about.sentence}"]
    for box, is_column in whole:
        if is_column:
            lines += [f"C {col} 0 H" for col in range(box.left, box.right)]
        else:
            lines += [f"L {row} 0 H" for row in range(box.top, box.bottom)]
    points = Content(content.about, content.frame, content.marks, tuple(parts)).expanded()
    lines += [f"P {mark.col} {mark.row} {_letter(mark)}" for mark in points]
    return ("\n".join(lines) + "\n").encode("ascii")


def read(data: bytes) -> Found:
    """Read a list.

    Raises
    ------
    ListError
        If a line is none of points, columns and lines.
    """
    marks, boxes = [], []
    for number, line in lines_of(data):
        words = line.split()
        if not words or line.startswith("#"):
            continue
        try:
            first, *more = (round(float(word)) for word in words[1:3])
        except (ValueError, OverflowError):
            raise ListError(
                f"has {line.strip()[:40]!r} in line {number}, where {_WANTED} should be"
            ) from None
        match words[0]:
            case "P" if more:
                marks.append(Mark(more[0], first, line=number))
            case "C":
                boxes.append(Box(0, first, _FAR, first + 1, line=number))
            case "L":
                boxes.append(Box(first, 0, first + 1, _FAR, line=number))
            case _:
                raise ListError(f"has {line.strip()[:40]!r} in line {number}, where {_WANTED} should be")
    return Found(tuple(marks), tuple(boxes))


def _letter(mark: Mark) -> str:
    return "C" if mark.defect is not None and mark.defect.kind in _COLD else "H"

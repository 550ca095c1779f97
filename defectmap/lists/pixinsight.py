"""PixInsight, the defect list of CosmeticCorrection: columns and rows, whole or from one place to another.

As ``CosmeticCorrectionInterface.cpp`` reads it: ``Col x``, ``Row y``, or with two more numbers the first and
the last photosite of a part, from 0 at the top left; words are parted by single blanks, and there are no
comments. One photosite is a part of a column.
"""

from __future__ import annotations

from defectmap.lists.content import Box, Content, Found, ListError, lines_of, whole_numbers

_FAR = 1 << 30
_WANTED = "Col or Row, a number, and first and last of a part"


def write(content: Content) -> bytes:
    """Return the list; it has no header, since the reader knows no comments."""
    lines = []
    for box in content.boxes:
        if box.bottom - box.top >= box.right - box.left:
            part = (
                "" if (box.top, box.bottom) == (0, content.frame.height) else f" {box.top} {box.bottom - 1}"
            )
            lines += [f"Col {col}{part}" for col in range(box.left, box.right)]
        else:
            part = "" if (box.left, box.right) == (0, content.frame.width) else f" {box.left} {box.right - 1}"
            lines += [f"Row {row}{part}" for row in range(box.top, box.bottom)]
    lines += [f"Col {mark.col} {mark.row} {mark.row}" for mark in content.marks]
    return "".join(f"{line}\n" for line in lines).encode("ascii")


def read(data: bytes) -> Found:
    """Read a list.

    Raises
    ------
    ListError
        If a line is neither a column nor a row.
    """
    boxes = []
    for number, line in lines_of(data):
        words = line.split()
        if not words:
            continue
        numbers = whole_numbers(words[1:], number, 1, _WANTED)
        if words[0] not in {"Col", "Row"} or len(numbers) == 2:
            raise ListError(f"has {line.strip()[:40]!r} in line {number}, where {_WANTED} should be")
        at, first, past = numbers[0], *((numbers[1], numbers[2] + 1) if len(numbers) > 2 else (0, _FAR))
        if past <= first:
            raise ListError(f"has a part in line {number} that ends before it begins: {line.strip()[:40]!r}")
        boxes.append(
            Box(first, at, past, at + 1, line=number)
            if words[0] == "Col"
            else Box(at, first, at + 1, past, line=number)
        )
    return Found((), tuple(boxes))

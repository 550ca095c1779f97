"""RawTherapee and ART, ``Make Model Serial.badpixels`` in the folder of dark frames: column and row.

As ``rtengine/dfmanager.cc`` reads it: the visible area as LibRaw cuts it, from 0; if the first line is a
single number, it is added to both columns and rows; further columns are not looked at. There are no dates.
"""

from __future__ import annotations

from defectmap.lists.content import Content, Found, Mark, lines_of, whole_numbers

_WANTED = "a column and a row"


def write(content: Content) -> bytes:
    """Return the list. Its first line is a comment, which the readers pass over, and no offset."""
    lines = [f"# {content.about.sentence}", *(f"{mark.col} {mark.row}" for mark in content.expanded())]
    return ("\n".join(lines) + "\n").encode("ascii")


def read(data: bytes) -> Found:
    """Read a list.

    Raises
    ------
    ListError
        If a line does not begin with two numbers.
    """
    marks = []
    offset = 0
    for number, line in lines_of(data):
        words = line.partition("#")[0].split()
        if not words:
            continue
        if number == 1 and len(words) == 1:
            (offset,) = whole_numbers(words, number, 1, _WANTED)
            continue
        col, row = whole_numbers(words[:2], number, 2, _WANTED)
        marks.append(Mark(row + offset, col + offset, line=number))
    return Found(tuple(marks))

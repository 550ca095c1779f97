"""dcraw and LibRaw, ``.badpixels``: column, row and the UNIX time of death, in the visible area.

The format is that of dcraw's manual page (section FILES) and its ``bad_pixels()``; LibRaw reads the same. An
entry acts on photos taken at or after its time; there is no end. ``#`` begins a comment, and lines are
shorter than 127 bytes. Readers take the photo's clock for UTC (dcraw) or for their own time zone (LibRaw),
and replace a site by the mean of its same-colour neighbours, in the order of the list.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from defectmap.lists.content import Content, Found, ListError, Mark, lines_of, whole_numbers

GUARD: Final = timedelta(hours=14)
"""How far ahead of UTC a reader's clock may be: entries begin that much earlier."""

_LATEST: Final = (1 << 31) - 1  # dcraw reads the time into an int
_ROUNDS: Final = 4  # after which less than one part in 200 of a bad neighbour is left in a site
_NEIGHBOURS: Final = 2  # rows and columns from which a reader takes its mean
_WANTED: Final = "a column, a row and a time"


def write(content: Content) -> bytes:
    """Return the list; the sites beside others are named several times.

    A reader that has filled a site from a neighbour that is bad itself comes by again when that one is right.
    """
    marks = content.expanded()
    places = {(mark.row, mark.col) for mark in marks}
    crowded = [mark for mark in marks if _has_neighbour((mark.row, mark.col), places)]
    lines = [
        f"# {content.about.sentence}"[:120],
        "# column row time: from 0 at the top left of the visible area; bad since, less 14 hours; 0: always",
        *map(_line, marks),
    ]
    if crowded:
        lines.append("# sites beside bad ones again, so that none is filled from a bad one")
        lines += [_line(mark) for _ in range(_ROUNDS - 1) for mark in crowded]
    return ("\n".join(lines) + "\n").encode("ascii")


def read(data: bytes) -> Found:
    """Read a list.

    Raises
    ------
    ListError
        If a line does not have three numbers: readers would pass over it silently.
    """
    marks = []
    for number, line in lines_of(data):
        words = line.partition("#")[0].split()
        if not words:
            continue
        numbers = whole_numbers(words, number, 2, _WANTED)
        if len(numbers) < 3:
            raise ListError(
                f"has no time in line {number} ({line.strip()[:40]!r}), so dcraw would pass over it: a list "
                "of RawTherapee is read with --format rawtherapee"
            )
        col, row, time = numbers[:3]
        marks.append(Mark(row, col, _moment(time, number), line=number))
    return Found(tuple(marks))


def unix_time(since: datetime | None) -> int:
    """Return the time of an entry that acts on every photo taken after a moment of the camera's clock."""
    if since is None:
        return 0
    return min(max(int((since.replace(tzinfo=UTC) - GUARD).timestamp()), 0), _LATEST)


def _moment(time: int, line: int) -> datetime | None:
    if time <= 0:
        return None
    try:
        return datetime.fromtimestamp(time, UTC).replace(tzinfo=None)
    except (OverflowError, OSError, ValueError):
        raise ListError(f"has a time in line {line} that is in no calendar: {time}") from None


def _line(mark: Mark) -> str:
    return f"{mark.col} {mark.row} {unix_time(mark.since)}"


def _has_neighbour(site: tuple[int, int], places: set[tuple[int, int]]) -> bool:
    row, col = site
    span = range(-_NEIGHBOURS, _NEIGHBOURS + 1)
    return any((row + y, col + x) in places for y in span for x in span if (y, x) != (0, 0))

"""A table of boxes as the Defects of LSST's ``ip_isr`` have it, as ECSV text.

Columns ``x0, y0, width, height``, from 0 at the lower left of the visible area (Astropy Proposal for
Enhancement 6 describes ECSV). Its name is ``YYYYMMDDTHHMMSS.ecsv`` in that program: valid from then on.
"""

from __future__ import annotations

import csv
import io

from defectmap.lists.content import Box, Content, Found, ListError, lines_of, whole_numbers

_COLUMNS = ("x0", "y0", "width", "height")


def write(content: Content) -> bytes:
    """Return the table: a box for each single photosite, then for each column and row."""
    camera = content.about.camera
    meta = {
        "OBSTYPE": "defects",
        "INSTRUME": camera.model or camera.make,
        "DETECTOR": 0,
        **({"DET_SER": camera.serial} if camera.serial else {}),
        "DEFECTS_SCHEMA": "Simple",
        "DEFECTS_SCHEMA_VERSION": 1,
        "comment": content.about.sentence,
    }
    lines = ["# %ECSV 1.0", "# ---", "# datatype:"]
    lines += [f"# - {{name: {name}, datatype: int64}}" for name in _COLUMNS]
    lines += ["# delimiter: ','", "# meta: !!omap"]
    lines += [f"# - {{{key}: {_scalar(value)}}}" for key, value in meta.items()]
    lines += ["# schema: astropy-2.0", ",".join(_COLUMNS)]
    lines += [f"{mark.col},{mark.row},1,1" for mark in content.marks]
    lines += [f"{b.left},{b.top},{b.right - b.left},{b.bottom - b.top}" for b in content.boxes]
    return ("\n".join(lines) + "\n").encode("ascii")


def read(data: bytes) -> Found:
    """Read a table, ECSV or plain CSV with these columns.

    Raises
    ------
    ListError
        If a column is missing, a value is no whole number, or a box is empty.
    """
    rows = [(number, line) for number, line in lines_of(data) if line.strip() and not line.startswith("#")]
    if not rows:
        raise ListError("has no table: its columns should be x0, y0, width and height")
    comma = "," if "," in rows[0][1] else " "
    names = [name.strip() for name in next(csv.reader(io.StringIO(rows[0][1]), delimiter=comma))]
    if not set(_COLUMNS) <= set(names):
        raise ListError(f"has the columns {', '.join(names)[:60]}, not x0, y0, width and height")
    boxes = []
    for number, line in rows[1:]:
        cells = dict(zip(names, next(csv.reader([line], delimiter=comma)), strict=False))
        words = [cells.get(name, "") for name in _COLUMNS]
        x, y, width, height = whole_numbers(words, number, 4, "x0, y0, width and height")
        if width < 1 or height < 1:
            raise ListError(f"has an empty box in line {number}: {line.strip()[:40]!r}")
        boxes.append(Box(y, x, y + height, x + width, line=number))
    return Found((), tuple(boxes))


def _scalar(value: object) -> str:
    if isinstance(value, int):
        return str(value)
    text = str(value).encode("ascii", "replace").decode("ascii").replace("'", "''")
    return f"'{text}'"

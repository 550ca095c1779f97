"""The program's own lists, with all that a map knows: CSV, and JSON as ``defects --json`` writes it.

Rows and columns are those of the stored grid. Times are ISO 8601 by the camera's clock.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from defectmap.lists.content import Box, Content, Found, ListError, Mark, lines_of
from defectmap.model.defects import Defect

_TIMES: Final = ("last_good", "first_bad", "last_bad", "first_good")
_FIGURES: Final = ("kind", "colour", "strength", "unit", "confidence", "frames_seen", "scenes")
_COLUMNS: Final = ("row", "col", *_FIGURES, *_TIMES, "certain", "missing", "origin")


def write_csv(content: Content) -> bytes:
    """Return a table with a line for each defect and suspect; members of columns and rows are "line"."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    for mark in sorted((*content.expanded(), *content.suspects), key=lambda m: (m.row, m.col)):
        if mark.defect is None:
            row: dict[str, Any] = {
                "kind": "line",
                "last_good": mark.since,
                "first_good": mark.until,
                "certain": True,
            }
        else:
            row = {**_document(mark.defect), "certain": mark.defect.certain, "missing": mark.defect.missing}
        row = {name: _plain(value) for name, value in row.items()}
        writer.writerow({**row, "row": mark.row, "col": mark.col})
    return stream.getvalue().encode("utf-8")


def read_csv(data: bytes) -> Found:
    """Read a table with columns ``row`` and ``col``, or ``y`` and ``x``, and with dates where there are some.

    Raises
    ------
    ListError
        If these columns are missing, or a value cannot be read.
    """
    rows = [(number, line) for number, line in lines_of(data) if line.strip() and not line.startswith("#")]
    if not rows:
        raise ListError("has no table: its first line should name the columns row and col")
    names = [{"y": "row", "x": "col"}.get(n, n) for n in (c.strip().lower() for c in _cells(rows[0][1]))]
    if not {"row", "col"} <= set(names):
        raise ListError(f"has the columns {', '.join(names)[:60]!r}, not row and col (or x and y)")
    found = (_mark(dict(zip(names, _cells(line), strict=False)), f"line {n}", n) for n, line in rows[1:])
    return Found(tuple(mark for mark in found if mark is not None))


def write_json(content: Content) -> bytes:
    """Return a document with defects, suspects, and columns and rows as structures."""
    about = content.about
    document: dict[str, Any] = {
        "program": about.program,
        "camera": about.camera_name,
        "make": about.camera.make,
        "model": about.camera.model,
        "serial": about.camera.serial,
        "revision": about.revision,
        "at": about.day,
        "grid": about.grid.kind,
        "width": about.grid.width,
        "height": about.grid.height,
    }
    if (geometry := about.geometry) is not None:
        document["visible"] = {
            "top": geometry.top,
            "left": geometry.left,
            "width": geometry.visible_width,
            "height": geometry.visible_height,
        }
    document["structures"] = [
        {
            "rows": [box.top, box.bottom - 1],
            "cols": [box.left, box.right - 1],
            "last_good": box.since,
            "first_good": box.until,
        }
        for box in content.boxes
    ]
    document["defects"] = [_entry(mark) for mark in content.marks]
    document["suspects"] = [_entry(mark) for mark in content.suspects]
    return (json.dumps(document, indent=1, default=_plain, ensure_ascii=False) + "\n").encode("utf-8")


def read_json(data: bytes) -> Found:
    """Read such a document: its defects, and its columns and rows.

    Raises
    ------
    ListError
        If it is no such document.
    """
    try:
        document = json.loads(data)
        entries = document["defects"]
        structures = document.get("structures", [])
        size = (int(document["height"]), int(document["width"])) if "height" in document else None
        marks = tuple(
            mark
            for n, entry in enumerate(entries, 1)
            if (mark := _mark(entry, f"its defect {n}", 0)) is not None
        )
        boxes = tuple(box for structure in structures for box in _boxes(structure))
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise ListError(
            "is no list that this program wrote: it should be what `defects --json` says"
        ) from error
    return Found(marks, boxes, size)


def _cells(line: str) -> list[str]:
    return next(csv.reader([line], delimiter=";" if ";" in line and "," not in line else ","), [])


def _mark(entry: Mapping[str, Any], place: str, line: int) -> Mark | None:
    """Return the mark of a line or an entry; None for a suspect."""
    if str(entry.get("certain", True)).strip().lower() in {"false", "0", "no"}:
        return None
    try:
        row, col = int(entry["row"]), int(entry["col"])
        last_good, first_bad, _, first_good = (_moment(entry.get(name)) for name in _TIMES)
    except (KeyError, TypeError, ValueError):
        raise ListError(f"cannot be understood at {place}: check its row, column and dates") from None
    return Mark(row, col, last_good or first_bad, first_good, line=line)


def _boxes(structure: Mapping[str, Any]) -> list[Box]:
    """Return a structure as boxes: one for a column or row, one for each photosite of a pattern."""
    if structure.get("kind") == "cluster":
        return []
    (top, bottom), (left, right) = structure["rows"], structure["cols"]
    since = _moment(structure.get("last_good") or structure.get("first_bad"))
    until = _moment(structure.get("first_good"))
    step_rows, step_cols = structure.get("period", (1, 1))
    offsets = structure.get("offsets", [[0, 0]])
    if (step_rows, step_cols) == (1, 1):
        return [Box(top, left, bottom + 1, right + 1, since, until)]
    return [
        Box(row, col, row + 1, col + 1, since, until)
        for first_row, first_col in offsets
        for row in range(top + first_row, bottom + 1, step_rows)
        for col in range(left + first_col, right + 1, step_cols)
    ]


def _moment(value: object) -> datetime | None:
    if value is None or not str(value).strip():
        return None
    return datetime.fromisoformat(str(value).strip()).replace(tzinfo=None)


def _entry(mark: Mark) -> dict[str, Any]:
    if mark.defect is None:
        return {"row": mark.row, "col": mark.col, "last_good": mark.since, "first_good": mark.until}
    more = {} if mark.defect.certain else {"missing": mark.defect.missing}
    return {"row": mark.row, "col": mark.col, **_document(mark.defect), **more}


def _document(defect: Defect) -> dict[str, Any]:
    figures = {name: getattr(defect, name) for name in (*_FIGURES, *_TIMES)}
    for name in ("strength", "confidence"):
        figures[name] = figures[name] if math.isfinite(figures[name]) else None
    return {**figures, "kind": defect.kind.value, "origin": defect.origin or None}


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value

"""The map and the lists of a report: every photosite that is bad, or may be."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from defectmap.model.defects import Defect, Structure
from defectmap.model.listed import is_listed
from defectmap.model.visibility import visible
from defectmap.reporting import words
from defectmap.reporting.charts import sensor_map
from defectmap.reporting.findings import Findings
from defectmap.reporting.page import Part, Table
from defectmap.reporting.words import count

_ON_MAP = 3_000
_IN_TABLE = 500
"""So many are shown, so that the page stays small enough to be sent, whatever the camera has."""

_HEADINGS = ("row", "column", "kind", "colour", "strength", "sigma", "photos", "scenes", "bad", "shows")
_NUMERIC = (True, True, False, False, False, True, True, True, False, False)


def map_part(it: Findings) -> Part:
    """Return the sensor with all that is known of it."""
    entries = surest(it.found.entries)
    structures = it.found.structures[:_IN_TABLE]
    if not entries and not structures:
        nothing = "No photosite of this sensor is known to be bad. More photos of different scenes show more."
        return Part((nothing,))
    notes = [
        "Each mark is a bad photosite: shape and colour tell the kind; filled ones are certain, hollow ones "
        "are suspects or known from lists alone."
    ]
    if len(entries) > _ON_MAP:
        notes.append(f"The {_ON_MAP:,} surest of {len(entries):,} are drawn.")
    sites = [_site(it, entry) for entry in entries[:_ON_MAP]]
    chart = sensor_map(it.stream.grid, sites, [_area(one) for one in structures])
    return Part(tuple(notes), chart, {"structures": _structures(structures)} if structures else {})


def list_part(it: Findings) -> Part:
    """Return the tables of all defects and suspects."""
    if not it.found.entries:
        return Part(("There is none.",))
    notes = []
    tables = {}
    for name, entries in (("defects", it.found.defects), ("suspects", it.found.suspects)):
        if len(entries) > _IN_TABLE:
            command = "defectmap defects" + " --suspects" * (name == "suspects")
            notes.append(
                f"The {_IN_TABLE} surest of {len(entries):,} {name} are listed; `{command}` lists all."
            )
        if entries:
            lacks = name == "suspects"
            tables[name] = Table(
                (*_HEADINGS, *["lacks"] * lacks),
                (*_NUMERIC, *[False] * lacks),
                tuple((*_row(it, one), *[one.missing] * lacks) for one in surest(entries)[:_IN_TABLE]),
            )
    return Part(tuple(notes), None, tables)


def surest(entries: Iterable[Defect]) -> list[Defect]:
    """Return entries of a map, certain ones first, those of most confidence first."""
    return sorted(entries, key=lambda one: (not one.certain, -one.confidence, one.row, one.col))


def seen(entry: Defect) -> str:
    """Return in how many photos an entry stood out."""
    if is_listed(entry):
        return ""
    return f"in {count(entry.frames_seen, 'photo')}, {count(entry.scenes, 'scene')}"


def anchor(entry: Defect) -> str:
    """Return the name of the part of the page that shows an entry in pictures."""
    return f"site-{entry.row}-{entry.col}"


def _row(it: Findings, one: Defect) -> tuple[object, ...]:
    measured = (f"{one.confidence:.1f}", one.frames_seen, one.scenes)
    return (
        *(one.row, one.col, words.kind_of(one), one.colour, words.strength(one)),
        *(("", "", "") if is_listed(one) else measured),
        *(words.bad(one), _visible(it, one)),
    )


def _site(it: Findings, entry: Defect) -> dict[str, Any]:
    has_card = bool(it.strips.get((entry.row, entry.col)))
    return {
        "col": entry.col,
        "row": entry.row,
        "place": f"{entry.row}, {entry.col}",
        "kind": words.kind_of(entry),
        "what": words.verdict(entry),
        "strength": words.strength(entry),
        "bad": words.bad(entry),
        "visible": _visible(it, entry),
        "seen": seen(entry),
        "anchor": anchor(entry) if has_card else "",
        "label": f"{words.kind_of(entry)} at row {entry.row}, column {entry.col}",
    }


def _area(one: Structure) -> dict[str, Any]:
    return {
        "left": one.left - 0.5,
        "right": one.right - 0.5,
        "top": one.top - 0.5,
        "bottom": one.bottom - 0.5,
        "what": f"{one.kind.value} of {count(len(one), 'photosite')}",
        "bad": words.bad(one),
    }


def _structures(structures: Iterable[Structure]) -> Table:
    return Table(
        ("structure", "rows", "columns", "photosites", "sigma", "bad"),
        (False, False, False, True, True, False),
        tuple(
            (
                one.kind.value,
                _range(one.top, one.bottom - 1),
                _range(one.left, one.right - 1),
                f"{len(one):,}",
                f"{one.strength:.1f}",
                words.bad(one),
            )
            for one in structures
        ),
    )


def _range(first: int, last: int) -> str:
    return str(first) if first == last else f"{first} to {last}"


def _visible(it: Findings, entry: Defect) -> str:
    return "where a photo shows it" if is_listed(entry) else visible(entry, it.noise)

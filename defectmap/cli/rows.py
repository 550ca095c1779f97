"""Defects and structures as rows of tables and as JSON."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from defectmap.model.defects import Defect, Period, Structure
from defectmap.model.listed import is_listed

if TYPE_CHECKING:
    from defectmap.overview import Doubt

_UNSEEN = "where a photo shows it"
_AT_ISO = " at ISO 100"
_TIMES = ("last_good", "first_bad", "last_bad", "first_good")


def entry_document(entry: Defect, visible: str, lists: Sequence[str] = ()) -> dict[str, Any]:
    """Return a defect as JSON has it, with the words for where it shows and the lists that name it.

    Of a site that only lists name nothing was measured.
    """
    document: dict[str, Any] = {
        "row": entry.row,
        "col": entry.col,
        "kind": entry.kind.value,
        "colour": entry.colour,
        "strength": _finite(entry.strength),
        "unit": entry.unit,
        "confidence": _finite(entry.confidence),
        "frames_seen": entry.frames_seen,
        "scenes": entry.scenes,
        **{name: getattr(entry, name) for name in _TIMES},
        "periods": [asdict(period) for period in entry.periods],
        "origin": entry.origin or None,
    }
    if is_listed(entry):
        document |= dict.fromkeys(("kind", "strength", "unit", "confidence"))
        visible = _UNSEEN
    if lists:
        document["lists"] = list(lists)
    if not entry.certain:
        document["missing"] = entry.missing
    return document | {"visible": visible}


def structure_document(structure: Structure) -> dict[str, Any]:
    """Return a structure as JSON has it."""
    return {
        "kind": structure.kind.value,
        "rows": [structure.top, structure.bottom - 1],
        "cols": [structure.left, structure.right - 1],
        "period": list(structure.period),
        "offsets": [list(offset) for offset in structure.offsets],
        "sites": len(structure),
        "sign": structure.sign,
        "strength": _finite(structure.strength),
        **{name: getattr(structure, name) for name in _TIMES},
    }


def structure_row(structure: Structure) -> list[object]:
    """Return the cells of a structure."""
    one = structure.lists_members or structure.period == (1, 1)
    return [
        structure.kind.value,
        _range(structure.top, structure.bottom - 1),
        _range(structure.left, structure.right - 1),
        "" if one else f"{structure.period[0]} x {structure.period[1]}",
        len(structure),
        "high" if structure.sign > 0 else "low",
        round(float(structure.strength), 1),
        _span(structure),
    ]


def _range(first: int, last: int) -> str:
    return str(first) if first == last else f"{first} to {last}"


def entry_row(entry: Defect) -> list[object]:
    """Return the cells of a defect."""
    if is_listed(entry):
        return [entry.row, entry.col, "", entry.colour, "", "", "", "", "", _span(entry)]
    return [
        entry.row,
        entry.col,
        entry.kind.value,
        entry.colour,
        float(f"{entry.strength:.3g}"),
        entry.unit,
        round(float(entry.confidence), 1),
        entry.frames_seen,
        entry.scenes,
        _span(entry),
    ]


def short_row(entry: Defect) -> list[object]:
    """Return the cells of a defect for a terminal: colour beside kind, unit beside figure."""
    row, col, kind, colour, strength, unit, *rest = entry_row(entry)
    if is_listed(entry):
        return [row, col, colour, "", *rest]
    short = str(unit).removesuffix(_AT_ISO)
    return [row, col, f"{kind} {colour}", f"{strength:.5g} {short}", *rest]


def short_visible(text: str) -> str:
    """Return where a defect shows for a terminal: at ISO 100, without saying so."""
    first = text.partition(f"{_AT_ISO}, ")[0]
    return first.removesuffix(_AT_ISO)


def where_visible(entry: Defect, visible: str) -> str:
    """Return the words for where a defect shows; of a site that only lists name, no photo told."""
    return _UNSEEN if is_listed(entry) else visible


def _span(entry: Defect | Structure) -> str:
    """Return when it was bad, in words."""
    periods = [entry] if isinstance(entry, Structure) else entry.periods
    return ", ".join(_one_span(period) for period in periods)


def _one_span(period: Period | Structure) -> str:
    if period.last_good:
        since = f"since {day(period.first_bad)}"
    else:
        since = f"before {day(period.first_bad)}" if period.first_bad else "always"
    return f"{since} until {day(period.last_bad)}" if period.first_good else since


def day(moment: datetime | None) -> str:
    """Return a day as people write it; nothing for none."""
    return moment.date().isoformat() if moment else ""


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def count(number: int, noun: str) -> str:
    """Return a number with its noun."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def doubt_documents(doubts: Iterable[Doubt]) -> list[dict[str, Any]]:
    """Return what clock and shutter count do not agree on as JSON has it."""
    return [
        {
            "reason": one.reason,
            "photos": len(one.frames),
            "names": [first, last],
            "first": one.first,
            "last": one.last,
            "after": one.after,
            "before": one.before,
        }
        for one, first, last in doubts
    ]


def doubt_sentences(doubts: Iterable[Doubt]) -> list[str]:
    """Return the same in words."""
    result = []
    for one, first, last in doubts:
        which = first if len(one.frames) == 1 else f"{first} to {last}"
        if one.reason == "count":
            result.append(f"the shutter count begins anew after {first}, with {last}; the clock is believed")
        elif one.reason == "date":
            result.append(f"{which}: {day(one.first)} is no date of a digital photo, and is not believed")
        else:
            edges = [("after", one.after), ("before", one.before)]
            true = " and ".join(f"{word} {day(time)}" for word, time in edges if time is not None)
            result.append(
                f"{which}: the clock said {day(one.first)}, the shutter count says {true}; they date nothing"
            )
    return result

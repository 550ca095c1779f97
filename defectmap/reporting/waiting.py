"""The photos of a report: which of them show defects and wait for their repair."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from defectmap.reporting import words
from defectmap.reporting.charts import moment, photo_chart
from defectmap.reporting.findings import Findings
from defectmap.reporting.needs import PhotoNeed
from defectmap.reporting.page import Part, Table
from defectmap.reporting.words import count, day

_POINTS = 2_000
_ROWS = 50
"""So many are shown, so that the page stays small enough to be sent, however many photos there are."""


def photo_part(it: Findings) -> Part:
    """Return the photos that need repair."""
    wanted = [photo for photo in it.photos if photo.needs_repair]
    notes = [
        f"{len(wanted):,} of {count(len(it.photos), 'photo')} show a defect of the map: by exposure and date "
        "they should, or it stood out."
    ]
    if done := sum(photo.repaired for photo in it.photos):
        notes.append(f"{count(done, 'photo')} {'was' if done == 1 else 'were'} repaired with this map.")
    dated = [photo for photo in it.photos if photo.day is not None]
    if len(dated) > _POINTS:
        notes.append(f"Those {_POINTS:,} of {len(dated):,} are drawn that show most.")
        most = sorted(range(len(dated)), key=lambda place: (-dated[place].visible, place))[:_POINTS]
        dated = [dated[place] for place in sorted(most)]
    if len(wanted) > _ROWS:
        notes.append(f"The {_ROWS} of them that show most are listed.")
    ranked = sorted(wanted, key=lambda one: (-one.visible, one.day or datetime.max, one.frame.name))
    return Part(
        tuple(notes),
        photo_chart([_point(photo) for photo in dated]) if dated else None,
        {"photos": _table(ranked[:_ROWS])} if ranked else {},
    )


def _table(photos: Sequence[PhotoNeed]) -> Table:
    return Table(
        ("photo", "taken", "exposure", "should show", "stood out"),
        (False, False, False, True, True),
        tuple(
            (one.frame.name, day(one.day), words.exposure(one.frame.conditions), one.shows, one.seen)
            for one in photos
        ),
    )


def _point(photo: PhotoNeed) -> dict[str, Any]:
    state = "repaired" if photo.repaired else "to be repaired" if photo.needs_repair else "nothing shows"
    return {
        "when": moment(photo.day or datetime.min),
        "taken": day(photo.day),
        "name": words.shortened(photo.frame.name),
        "exposure": words.exposure(photo.frame.conditions),
        "number": photo.visible,
        "shows": photo.shows,
        "seen": photo.seen,
        "state": state,
    }

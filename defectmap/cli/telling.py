"""Telling the life of a sensor, and why a site is on its map."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from defectmap.cli.listing import Grid
from defectmap.cli.rows import (
    count,
    day,
    doubt_documents,
    doubt_sentences,
    entry_document,
    structure_document,
)
from defectmap.cli.session import Camera, Json, Session, choose_camera
from defectmap.errors import UsageError

if TYPE_CHECKING:
    from defectmap.explain import Explanation, Photo, Scores
    from defectmap.model.defects import Defect, Period
    from defectmap.model.events import Entry, Event
    from defectmap.model.growth import Growth, Rate, Year

_COLOURS = {"R": "red", "G": "green", "B": "blue"}
_HAPPENED = {"onset": "went bad", "healing": "came back", "remap": "remapped"}
_WORDS = {
    "hot": "too bright the longer the exposure",
    "offset": "too bright by the same amount at any exposure time",
    "stuck": "reads the same whatever the light",
    "dead": "stays near black whatever the light",
    "dim": "takes up less light than its neighbours",
    "bright": "takes up more light than its neighbours",
    "noisy": "right on the whole, but restless",
}
_SCORES = {
    "level": "the same in every photo",
    "dose": "growing with exposure time and ISO",
    "offset": "growing with ISO",
    "light": "growing with the light",
    "votes": "standing out, photo by photo",
    "ties": "equal to its largest neighbour, photo by photo",
}
_ENOUGH_FOR_A_RATE = timedelta(days=30)

_STEADY = 2.0
"""Onsets farther from a constant rate than so many standard deviations are told to be so."""


def history(ctx: typer.Context, camera: Camera = None, grid: Grid = None, json: Json = False) -> int:
    """Tell what went bad on a sensor and when, and what came back.

    Example: defectmap history --camera D80
    """
    from defectmap.history import history as tell  # noqa: PLC0415 - numpy and SQLAlchemy load slowly

    session: Session = ctx.obj
    with session.open(read_only=True) as catalog:
        told = tell(catalog, choose_camera(catalog, camera), grid)
        if json:
            session.terminal.document(
                {
                    "camera": told.sensor.name,
                    "revision": told.revision.number,
                    "grid": told.grid.kind,
                    "width": told.grid.width,
                    "height": told.grid.height,
                    "events": [_event_document(event) for event in told.events],
                    "growth": _growth_document(told.growth) if told.growth else None,
                    "contradictions": doubt_documents(told.doubts),
                }
            )
            return 0
        session.terminal.table(
            ("between", "and", "likely", "what", "row", "col", "kind"),
            [row for event in told.events for row in _event_rows(event)],
        )
        for event in told.events:
            if event.kind == "remap":
                session.terminal.show(
                    f"remapped between {day(event.after)} and {day(event.before)}: "
                    f"{count(len(event.entries), 'site')} of {event.of} that were bad came back together"
                )
        if told.growth is not None:
            session.terminal.table(*_growth_table(told.growth))
            for sentence in _growth_sentences(told.growth):
                session.terminal.show(sentence)
        else:
            session.terminal.show("no photo has a date that can be believed: nothing can be dated")
        for sentence in doubt_sentences(told.doubts):
            session.terminal.say(sentence)
        option = session.camera_option(catalog, told.sensor)
        session.terminal.suggest(session.command("explain", *option, "ROW,COL"))
    return 0


def explain(
    ctx: typer.Context,
    site: Annotated[str, typer.Argument(metavar="ROW,COL", help="As `defects` lists it, such as 733,1021.")],
    camera: Camera = None,
    grid: Grid = None,
    json: Json = False,
) -> int:
    """Say why a photosite is on the map, or is not.

    Example: defectmap explain 733,1021 --camera D80
    """
    from defectmap.explain import explain as examine  # noqa: PLC0415

    session: Session = ctx.obj
    row, col = _place(site)
    with session.open(read_only=True) as catalog:
        found = examine(catalog, choose_camera(catalog, camera), row, col, grid)
    if json:
        session.terminal.document(_explanation_document(found))
        return 0
    for sentence in sentences(found):
        session.terminal.show(sentence)
    session.terminal.table(
        ("score", *(f"{part.plane}, sigma" for part in found.scores)),
        [
            (f"{name}: {words}", *(round(part.scores[name], 1) for part in found.scores))
            for name, words in _SCORES.items()
            if found.scores
        ],
    )
    return 0


def sentences(found: Explanation) -> list[str]:
    """Return an explanation in words."""
    from defectmap.model.listed import is_listed  # noqa: PLC0415
    from defectmap.model.visibility import visible  # noqa: PLC0415

    name = f"({found.row}, {found.col})"
    colour = f"{_COLOURS.get(found.colour, found.colour)} " if found.colour else ""
    entry, told = found.entry, []
    if entry is None:
        verdict = "is part of a structure" if found.structures else "is not on the map"
        told.append(f"{name}, a {colour}photosite, {verdict} (revision {found.revision.number})")
    elif is_listed(entry):
        told.append(f"{name}, a {colour}photosite, is known from lists alone: fix looks at each photo for it")
    else:
        grade = "a defect" if entry.certain else "a suspect"
        told.append(
            f"{name}, a {colour}photosite, is {grade} (revision {found.revision.number}), "
            f"{entry.kind.value}: {_WORDS[entry.kind.value]}"
        )
        told.append(f"strength {entry.strength:.5g} {entry.unit}; it shows {visible(entry, found.noise)}")
        if entry.origin:
            told.append(f"it was found on the grid {entry.origin} and carried over to this one")
        if not entry.certain:
            told.append(f"for certainty it lacks: {entry.missing}")
    told += [_asked(part) for part in found.scores]
    if not found.scores:
        told.append("it lies in the border that holds no picture, of which nothing is measured")
    told.append(_photos(found))
    if entry is not None:
        told += [_bad_in(period) for period in entry.periods]
    told += [
        f"it belongs to a {s.kind.value}, rows {s.top} to {s.bottom - 1}, columns {s.left} to {s.right - 1}, "
        f"of {count(len(s), 'site')}"
        for s in found.structures
    ]
    if found.near is not None:
        told.append(_beside(found, found.near))
    if found.lists:
        told.append(f"lists that name it: {', '.join(found.lists)}")
    return told


def _asked(part: Scores) -> str:
    best = max(part.scores, key=lambda name: abs(part.scores[name]))
    reaches = "reaches" if part.decisive >= part.asked else "misses"
    return (
        f"{part.plane}, {count(part.frames, 'scene')}: its largest score is {part.scores[best]:.1f} sigma "
        f"({_SCORES[best]}); with all that is known of chance that is worth {part.decisive:.1f}, "
        f"which {reaches} the {part.asked:.1f} asked of a defect ({part.suspected:.1f} of a suspect)"
    )


def _photos(found: Explanation) -> str:
    seen = len(found.shown_in)
    if not seen:
        text = f"it stood out in none of {count(found.photos, 'photo')}"
    else:
        first, last = found.shown_in[0], found.shown_in[-1]
        text = f"it stood out by itself in {seen} of {count(found.photos, 'photo')}"
        text += f", first in {_photo(first)}, last in {_photo(last)}" if seen > 1 else f", {_photo(first)}"
    if found.entry is not None and found.expected_in:
        text += (
            f"; of the {count(found.expected_in, 'photo')} that should have shown it while it was bad, "
            f"{found.shown_as_expected} did"
        )
    return text


def _photo(photo: Photo) -> str:
    return f"{photo.name} ({day(photo.captured) or 'undated'})"


def _bad_in(period: Period) -> str:
    since = "bad from the first photo on"
    if period.first_bad and not period.last_good:
        since = f"bad before {day(period.first_bad)}, perhaps from the first photo on"
    elif period.last_good:
        likely = f", most likely on {day(period.onset)}" if period.onset else ""
        since = f"went bad between {day(period.last_good)} and {day(period.first_bad)}{likely}"
    until = ", and still is"
    if period.last_bad:
        until = f"; surely until {day(period.last_bad)}, and perhaps still is"
    if period.first_good:
        likely = f", most likely on {day(period.healed)}" if period.healed else ""
        until = f"; came back between {day(period.last_bad)} and {day(period.first_good)}{likely}"
    return f"{since}{until}"


def _beside(found: Explanation, near: Defect) -> str:
    what = f"{near.kind.value} {'defect' if near.certain else 'suspect'}"
    text = f"it lies beside ({near.row}, {near.col}), a {what}"
    return text if found.entry is not None else f"{text}, which may make it look bad"


def _event_document(event: Event) -> dict[str, Any]:
    from defectmap.model.defects import Defect  # noqa: PLC0415

    return {
        "event": event.kind,
        "after": event.after,
        "before": event.before,
        "likely": event.best,
        "confidence": event.confidence,
        "chance": event.chance,
        "of": event.of,
        "sites": [
            {"row": entry.row, "col": entry.col, "kind": entry.kind.value}
            for entry in event.entries
            if isinstance(entry, Defect)
        ],
        "structures": [structure_document(entry) for entry in event.entries if not isinstance(entry, Defect)],
    }


def _event_rows(event: Event) -> list[list[object]]:
    when = [day(event.after), day(event.before), day(event.best)]
    return [[*when, _HAPPENED[event.kind], *_cells(entry)] for entry in event.entries]


def _cells(entry: Entry) -> list[object]:
    from defectmap.model.defects import Defect  # noqa: PLC0415

    if isinstance(entry, Defect):
        return [entry.row, entry.col, f"{entry.kind.value} {entry.colour}"]
    return [entry.top, entry.left, entry.kind.value]


def _growth_document(growth: Growth) -> dict[str, Any]:
    from defectmap.model.growth import BAND  # noqa: PLC0415

    return {
        "since": growth.since,
        "until": growth.until,
        "band": BAND,
        "years": [asdict(year) for year in growth.years],
        "rates": [asdict(rate) for rate in growth.rates],
    }


def _growth_table(growth: Growth) -> tuple[Sequence[str], list[list[object]]]:
    kinds = [rate.kind for rate in growth.rates[1:] if rate.onsets]
    return ("year", "known", *kinds, "went bad", "came back", "bad at its end"), [
        [
            year.year,
            f"{100 * year.known:.0f} %",
            *(year.onsets.get(kind, 0) for kind in kinds),
            _sum(year, kinds),
            sum(year.healings.values()),
            year.bad,
        ]
        for year in growth.years
    ]


def _sum(year: Year, kinds: Sequence[str]) -> int:
    return sum(year.onsets.get(kind, 0) for kind in kinds)


def _growth_sentences(growth: Growth) -> list[str]:
    total = growth.rates[0]
    known = f"known from {day(growth.since)} to {day(growth.until)}"
    result = [f"{known}; {count(total.before, 'site')} that may have been bad from the first photo on"]
    if growth.until - growth.since < _ENOUGH_FOR_A_RATE:
        return [*result, "that is too short a time to tell how fast the sensor goes bad"]
    result.append(_rate_sentence(total))
    return result + [_rate_sentence(rate) for rate in growth.rates[1:] if rate.onsets]


def _rate_sentence(rate: Rate) -> str:
    steady = ""
    if abs(rate.trend) > _STEADY:
        steady = (
            f"; not constant: onsets come {'late' if rate.trend > 0 else 'early'} ({rate.trend:+.1f} sigma)"
        )
    return (
        f"{rate.kind}: {rate.per_year:.3g} a year ({rate.low:.3g} to {rate.high:.3g}), "
        f"from {count(rate.onsets, 'onset')}{steady}"
    )


def _explanation_document(found: Explanation) -> dict[str, Any]:
    from defectmap.model.visibility import visible  # noqa: PLC0415

    entry = found.entry
    return {
        "camera": found.sensor.name,
        "revision": found.revision.number,
        "grid": found.grid.kind,
        "width": found.grid.width,
        "height": found.grid.height,
        "row": found.row,
        "col": found.col,
        "colour": found.colour or None,
        "verdict": _verdict(found),
        "defect": entry_document(entry, visible(entry, found.noise), found.lists) if entry else None,
        "structures": [structure_document(structure) for structure in found.structures],
        "near": [found.near.row, found.near.col] if found.near else None,
        "lists": list(found.lists),
        "scores": [asdict(part) for part in found.scores],
        "photos": found.photos,
        "shown": len(found.shown_in),
        "expected": found.expected_in,
        "shown_as_expected": found.shown_as_expected,
        "first": asdict(found.shown_in[0]) if found.shown_in else None,
        "last": asdict(found.shown_in[-1]) if found.shown_in else None,
        "text": sentences(found),
    }


def _verdict(found: Explanation) -> str:
    from defectmap.model.listed import is_listed  # noqa: PLC0415

    if found.entry is None:
        return "structure" if found.structures else "good"
    if is_listed(found.entry):
        return "listed"
    return "defect" if found.entry.certain else "suspect"


def _place(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"\s*(\d+)\s*,\s*(\d+)\s*", text)
    if match is None:
        raise UsageError(f"{text!r} is no photosite: say its row and column, such as 733,1021")
    return int(match[1]), int(match[2])

"""The time of a report: how the number of bad photosites grew, what happened, year by year."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from defectmap.model.defects import Defect
from defectmap.model.events import Event, known_entries
from defectmap.model.growth import Growth
from defectmap.reporting.charts import growth_chart, moment
from defectmap.reporting.findings import Findings
from defectmap.reporting.lifetimes import BadCount, bad_counts
from defectmap.reporting.page import Part, Table
from defectmap.reporting.words import count, day

_STEPS = 1_000
_EVENTS = 600
_ROWS = 500
"""So many are shown, so that the page stays small enough to be sent, whatever happened."""

_ENOUGH_TO_DRAW = timedelta(days=2)

_HAPPENED = {"onset": "went bad", "healing": "came back", "remap": "remapped"}


def time_part(it: Findings) -> Part:
    """Return the life of a sensor."""
    grown = it.growth
    if grown is None:
        return Part(("No photo has a date that can be believed: nothing can be dated.",))
    happened = it.events[:_EVENTS]
    entries = known_entries(it.found)
    steps = bad_counts(entries, grown.since, grown.until, _STEPS)
    counts = [
        {"when": moment(one.when), "low": one.surely, "likely": one.likely, "high": one.possibly}
        for one in steps
    ]
    chart = None
    if entries and grown.until - grown.since >= _ENOUGH_TO_DRAW:
        chart = growth_chart(counts, [_event(event, steps) for event in happened])
    tables = {"years": _years(grown)}
    if happened:
        tables["events"] = _events(happened)
    return Part(tuple(_notes(it, grown)), chart, tables)


def _notes(it: Findings, grown: Growth) -> Iterator[str]:
    yield (
        f"Known from {day(grown.since)} to {day(grown.until)}. The line counts the photosites that were bad "
        "by their likeliest dates, the band what is sure and what is possible; each event lies between the "
        "ends of its bar."
    )
    if before := grown.rates[0].before:
        yield f"{count(before, 'photosite')} may have been bad from the first photo on."
    for event in it.events:
        if event.kind == "remap":
            yield (
                f"Remapped between {day(event.after)} and {day(event.before)}: {len(event.entries)} of "
                f"{event.of} that were bad came back together."
            )
    if it.doubtful:
        yield (
            f"Of {count(it.doubtful, 'photo')} clock and shutter count do not agree: `defectmap history` "
            "says which."
        )
    if len(it.events) > _EVENTS:
        yield f"The first {_EVENTS:,} of {len(it.events):,} events are shown."


def _years(grown: Growth) -> Table:
    kinds = [rate.kind for rate in grown.rates[1:]]
    return Table(
        ("year", "known", *kinds, "went bad", "came back", "bad at its end"),
        (True,) * (len(kinds) + 5),
        tuple(
            (
                year.year,
                f"{100 * year.known:.0f} %",
                *(year.onsets.get(kind, 0) for kind in kinds),
                sum(year.onsets.values()),
                sum(year.healings.values()),
                year.bad,
            )
            for year in grown.years
        ),
    )


def _events(happened: Sequence[Event]) -> Table:
    rows = [
        (
            *(day(event.after), day(event.before), day(event.best), _HAPPENED[event.kind]),
            *((entry.row, entry.col) if isinstance(entry, Defect) else (entry.top, entry.left)),
            entry.kind.value,
        )
        for event in happened
        for entry in event.entries
    ]
    return Table(
        ("between", "and", "likely", "what", "row", "column", "kind"),
        (False, False, False, False, True, True, False),
        tuple(rows[:_ROWS]),
    )


def _when(event: Event) -> datetime:
    if event.best is None and event.after is not None and event.before is not None:
        return event.after + (event.before - event.after) / 2
    return event.best or event.before or event.after or datetime.min


def _event(event: Event, steps: Sequence[BadCount]) -> dict[str, Any]:
    when = _when(event)
    what = _HAPPENED[event.kind]
    sites = count(len(event.entries), "photosite")
    kinds = Counter(entry.kind.value for entry in event.entries)
    between = f"{day(event.after) or 'the first photo'} and {day(event.before) or 'the last photo'}"
    return {
        "when": moment(when),
        "after": moment(event.after or when),
        "before": moment(event.before or when),
        "event": what,
        "number": next((one.likely for one in reversed(steps) if one.when <= when), steps[0].likely),
        "sites": len(event.entries),
        "kinds": ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items())),
        "between": between,
        "label": f"{sites} {what} between {between}",
    }

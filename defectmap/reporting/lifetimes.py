"""How many photosites were bad over time, and between which limits that is known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from defectmap.model.defects import Period
from defectmap.model.events import Entry, periods_of


@dataclass(frozen=True, slots=True)
class BadCount:
    """How many photosites were bad from a moment on, until the next.

    Attributes
    ----------
    when : datetime
    surely, likely, possibly : int
        Bad whatever its dates may be within their limits; by its likeliest dates; for all that is known.
    """

    when: datetime
    surely: int
    likely: int
    possibly: int


def bad_counts(entries: Iterable[Entry], since: datetime, until: datetime, most: int) -> tuple[BadCount, ...]:
    """Count the bad sites of a map over its known time.

    Parameters
    ----------
    entries : iterable of Defect or Structure
        A structure counts as one.
    since, until : datetime
        Times of the first and the last photo.
    most : int
        Of more moments than these, as many are returned that are spread evenly.

    Returns
    -------
    tuple of BadCount
        In order; the first is of `since`, the last of `until`.
    """
    periods = [period for entry in entries for period in periods_of(entry)]
    spans = {
        "surely": [(p.first_bad or since, p.last_bad) for p in periods],
        "likely": [(_onset(p) or since, _healed(p)) for p in periods],
        "possibly": [(p.last_good or since, p.first_good) for p in periods],
    }
    edges = {time for pairs in spans.values() for pair in pairs for time in pair if time is not None}
    times = sorted({since, until, *(time for time in edges if since < time < until)})
    if len(times) > most:
        times = [times[place] for place in np.linspace(0, len(times) - 1, most).astype(int).tolist()]
    at = np.array(times, "datetime64[us]")
    counts = {name: _going_on(pairs, at).tolist() for name, pairs in spans.items()}
    return tuple(
        BadCount(time, *numbers)
        for time, *numbers in zip(times, counts["surely"], counts["likely"], counts["possibly"], strict=True)
    )


def _going_on(
    spans: Sequence[tuple[datetime, datetime | None]], at: NDArray[np.datetime64]
) -> NDArray[np.int64]:
    begins = np.sort(np.array([begin for begin, _ in spans], "datetime64[us]"))
    ends = np.sort(np.array([max(b, end) for b, end in spans if end is not None], "datetime64[us]"))
    begun, ended = (np.searchsorted(times, at, side="right") for times in (begins, ends))
    return np.asarray(begun - ended)


def _onset(period: Period) -> datetime | None:
    return period.onset or _middle(period.last_good, period.first_bad)


def _healed(period: Period) -> datetime | None:
    return period.healed or (_middle(period.last_bad, period.first_good) if period.first_good else None)


def _middle(after: datetime | None, before: datetime | None) -> datetime | None:
    if after is None:
        return None
    return after + (before - after) / 2 if before is not None else after

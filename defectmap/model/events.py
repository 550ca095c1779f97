"""What happened to a sensor: sites that went bad, came back, and were mapped out together.

Cameras can map out what they find, and services do: many sites heal at once then, where they heal one by one
at other times. How many at once are no chance follows from the usual rate: healing whose interval covers the
share p of the known time covers any given moment with probability p.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import exp, log
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from defectmap.model.defects import Defect, DefectMap, Period, Structure
from defectmap.model.listed import is_listed
from defectmap.model.tails import poisson_log_tail

CHANCE_REMAPS = 0.001
"""Accepted probability of a sensor whose sites heal one by one to be told to have been remapped; of simulated
ones at most 1 in 400 was."""

Entry = Defect | Structure


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened between two photos.

    Attributes
    ----------
    kind : {"onset", "healing", "remap"}
    after, before : datetime or None
        It happened between the two, by the camera's clock.
    best : datetime or None
        When most likely; None where that was not measured.
    entries : tuple of Defect or Structure
        The sites it happened to, as the map has them; of a remap all that may have healed by it.
    of : int
        Sites that were bad then, those of the event among them.
    chance : float or None
        Of a remap, the probability that so many heal at once on their own; else None.
    confidence : float or None
        Of an onset or a healing, that of its dates.
    """

    kind: Literal["onset", "healing", "remap"]
    after: datetime | None
    before: datetime | None
    best: datetime | None
    entries: tuple[Entry, ...]
    of: int
    chance: float | None = None
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class _Healing:
    entry: Entry
    period: Period
    low: datetime
    high: datetime


@dataclass(frozen=True, slots=True)
class _Ordered:
    """Healings, those dated most narrowly first.

    Attributes
    ----------
    healings : tuple of _Healing
    low, high : ndarray of shape (n,), datetime64[us]
    mean : ndarray of shape (n,), float64
        How many of those up to this one cover any given moment, on average.
    widths : int
        Number of different widths.
    """

    healings: tuple[_Healing, ...]
    low: NDArray[np.datetime64]
    high: NDArray[np.datetime64]
    mean: NDArray[np.float64]
    widths: int

    @classmethod
    def of(cls, healings: Sequence[_Healing], known_s: float) -> _Ordered:
        """Arrange some healings of a time of so many seconds."""
        ordered = sorted(healings, key=lambda one: (one.high - one.low, _place(one.entry)))
        widths = [one.high - one.low for one in ordered]
        return cls(
            tuple(ordered),
            np.array([one.low for one in ordered], "datetime64[us]"),
            np.array([one.high for one in ordered], "datetime64[us]"),
            np.cumsum([min(width.total_seconds() / known_s, 1.0) for width in widths]),
            len(set(widths)),
        )


@dataclass(frozen=True, slots=True)
class _Bad:
    """When entries may have been bad.

    Attributes
    ----------
    since, until : ndarray of shape (periods,), int64
        Microseconds between which each period may have lasted, neither included.
    first : ndarray of shape (entries,), int64
        Where the periods of each entry begin.
    """

    since: NDArray[np.int64]
    until: NDArray[np.int64]
    first: NDArray[np.int64]

    @classmethod
    def of(cls, entries: Sequence[Entry]) -> _Bad:
        """Arrange the periods of entries."""
        every = [periods_of(entry) for entry in entries]
        bounds = np.iinfo(np.int64)
        return cls(
            np.array([_moments(p.last_good, bounds.min) for some in every for p in some], np.int64),
            np.array([_moments(p.first_good, bounds.max) for some in every for p in some], np.int64),
            np.cumsum([0, *(len(some) for some in every)])[:-1],
        )

    def at(self, moment: datetime | None) -> int:
        """Return how many entries may have been bad at a moment (None: unknown, so all)."""
        if moment is None or not self.first.size:
            return int(self.first.size)
        when = _moments(moment, 0)
        there = (self.since < when) & (when < self.until)
        return int(np.logical_or.reduceat(there, self.first).sum())


def _moments(when: datetime | None, unknown: int) -> int:
    """Return microseconds, or what stands for an unknown time."""
    return unknown if when is None else int(np.datetime64(when, "us").astype(np.int64))


def periods_of(entry: Entry) -> tuple[Period, ...]:
    """Return when an entry of a map was bad; a structure has one period."""
    if isinstance(entry, Defect):
        return entry.periods
    return (Period(entry.last_good, entry.first_bad, entry.last_bad, entry.first_good),)


def known_entries(found: DefectMap) -> list[Entry]:
    """Return what a map is certain of from photos: no suspects, no sites that only lists name.

    Clusters are left out: their members are entries.
    """
    patterns = (structure for structure in found.structures if not structure.lists_members)
    return [*(d for d in found.defects if not is_listed(d)), *patterns]


def events(found: DefectMap, since: datetime, until: datetime) -> tuple[Event, ...]:
    """Return what happened, in order.

    Parameters
    ----------
    found : DefectMap
    since, until : datetime
        Times of the first and the last photo.

    Returns
    -------
    tuple of Event
        Sites that may have been bad from the first photo on have no onset.
    """
    entries = known_entries(found)
    bad = _Bad.of(entries)
    result = []
    healings = []
    for entry in entries:
        for period in periods_of(entry):
            if period.last_good is not None:
                result.append(_event("onset", entry, period, bad))
            if period.last_bad is not None and period.first_good is not None:
                healings.append(_Healing(entry, period, period.last_bad, period.first_good))
    for remap, members in _remaps(healings, bad, (until - since).total_seconds()):
        result.append(remap)
        healings = [healing for healing in healings if healing not in members]
    result += [_event("healing", one.entry, one.period, bad) for one in healings]
    return tuple(sorted(result, key=_moment))


def _event(kind: Literal["onset", "healing"], entry: Entry, period: Period, bad: _Bad) -> Event:
    if kind == "onset":
        after, before, best = period.last_good, period.first_bad, period.onset
    else:
        after, before, best = period.last_bad, period.first_good, period.healed
    of = bad.at(before or after if kind == "onset" else after)
    return Event(kind, after, before, best, (entry,), of, confidence=period.confidence)


def _moment(event: Event) -> tuple[datetime, str, list[tuple[int, int]]]:
    when = event.best or event.before or event.after or datetime.min
    return when, event.kind, [_place(entry) for entry in event.entries]


def _place(entry: Entry) -> tuple[int, int]:
    return (entry.row, entry.col) if isinstance(entry, Defect) else (entry.top, entry.left)


def _remaps(
    healings: Sequence[_Healing], bad: _Bad, known_s: float
) -> Iterator[tuple[Event, list[_Healing]]]:
    """Yield the remaps, the least likely by chance first, each with the healings that it explains."""
    left = list(healings)
    while len(left) > 1 and known_s > 0:
        ordered = _Ordered.of(left, known_s)
        logarithm, core = min((_least_likely(ordered, one.low) for one in left), key=lambda best: best[0])
        if logarithm >= log(CHANCE_REMAPS) or len(core) < 2:
            return
        after, before = max(one.low for one in core), min(one.high for one in core)
        members = [one for one in left if one.low <= after and one.high >= before]
        best = [one.period.healed for one in core if one.period.healed is not None]
        middle = sorted(best)[len(best) // 2] if best else None
        inside = middle if middle is not None and after <= middle <= before else None
        yield (
            Event(
                "remap",
                after,
                before,
                inside,
                tuple(sorted((one.entry for one in members), key=_place)),
                bad.at(after),
                exp(logarithm),
            ),
            members,
        )
        left = [one for one in left if one not in members]


def _least_likely(ordered: _Ordered, moment: datetime) -> tuple[float, list[_Healing]]:
    """Return those that may have healed together just after a moment and are least likely to by chance.

    Sites dated narrowly tell more: widths are tried from the narrowest on. The chance, as a logarithm, is
    that of so many other healings of that width at the moment of any one, times the number of widths, and of
    the groups of that size that there may be.
    """
    at = np.datetime64(moment, "us")
    there = (ordered.low <= at) & (at < ordered.high)
    size = np.cumsum(there)
    best = 0.0, 0
    for last in np.flatnonzero(there & (size - 1 > ordered.mean) & (ordered.mean > 0)).tolist():
        together = int(size[last])
        tried = ordered.widths * len(ordered.healings) / together
        chance = poisson_log_tail(together - 1, float(ordered.mean[last])) + log(tried)
        best = min(best, (chance, last + 1), key=lambda pair: pair[0])
    return best[0], [ordered.healings[index] for index in np.flatnonzero(there[: best[1]]).tolist()]

"""How fast a sensor goes bad: defects per year, and the constant rate that explains them.

Cosmic rays strike at a constant rate, and so do defects appear (J. Leung et al., Electronic Imaging 2009;
J. Dudas et al., SPIE 6505, 2007). Of an onset only its interval is known; as all intervals lie within the
time that the sensor is known, their number alone fits the rate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import exp, lgamma, log, sqrt

from defectmap.model.defects import DefectMap, Period
from defectmap.model.events import Entry, known_entries, periods_of
from defectmap.model.tails import poisson_log_tail

BAND = 0.95
"""Probability that the band of a rate holds the true one."""

YEAR_S = 365.25 * 86400.0


@dataclass(frozen=True, slots=True)
class Rate:
    """A constant rate of onsets.

    Attributes
    ----------
    kind : str
        A kind of defect or structure, or "all".
    before : int
        Sites that may have been bad from the first photo on: they are no onsets.
    onsets : int
        Sites that went bad since, each once.
    per_year, low, high : float
        The rate and its band: exact limits of a Poisson mean (F. Garwood, Biometrika 28 (1936) 437-442).
    trend : float
        By how many standard deviations onsets lie later (positive) or earlier than a constant rate has them.
    """

    kind: str
    before: int
    onsets: int
    per_year: float
    low: float
    high: float
    trend: float


@dataclass(frozen=True, slots=True)
class Year:
    """A calendar year.

    Attributes
    ----------
    year : int
    known : float
        Share of it between the first and the last photo.
    onsets, healings : mapping of str to int
        By kind; each in the year of its most likely day.
    surely, possibly : int
        Onsets whose whole interval lies in the year, and such that some of it does.
    bad : int
        Sites that may have been bad when it, or what is known of it, ended.
    """

    year: int
    known: float
    onsets: Mapping[str, int]
    healings: Mapping[str, int]
    surely: int
    possibly: int
    bad: int


@dataclass(frozen=True, slots=True)
class Growth:
    """The life of a sensor in figures.

    Attributes
    ----------
    since, until : datetime
        Times of the first and the last photo.
    years : tuple of Year
    rates : tuple of Rate
        That of all kinds first, the others by name.
    """

    since: datetime
    until: datetime
    years: tuple[Year, ...]
    rates: tuple[Rate, ...]


def growth(found: DefectMap, since: datetime, until: datetime) -> Growth:
    """Count onsets by year and kind, and fit constant rates.

    Parameters
    ----------
    found : DefectMap
    since, until : datetime
        Times of the first and the last photo.
    """
    entries = known_entries(found)
    kinds = sorted({entry.kind.value for entry in entries})
    years = tuple(_year(year, entries, since, until) for year in range(since.year, until.year + 1))
    rates = [_rate("all", entries, since, until)]
    rates += [_rate(kind, [e for e in entries if e.kind.value == kind], since, until) for kind in kinds]
    return Growth(since, until, years, tuple(rates))


def poisson_band(count: int, band: float = BAND) -> tuple[float, float]:
    """Return the limits of a Poisson mean of which `count` events were seen.

    Examples
    --------
    >>> [round(limit, 3) for limit in poisson_band(10)]
    [4.795, 18.39]
    >>> [round(limit, 3) for limit in poisson_band(0)]
    [0.0, 3.689]
    """
    tail = 0.5 * (1.0 - band)
    low = 0.0
    if count:
        low = _bisected(lambda mean: poisson_log_tail(count, mean) < log(tail), 1e-12, float(count))
    high = _bisected(lambda mean: _at_most(count, mean) > tail, float(count), 2.0 * count + 40.0)
    return low, high


def _bisected(is_below: Callable[[float], bool], low: float, high: float) -> float:
    for _ in range(80):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if is_below(middle) else (low, middle)
    return 0.5 * (low + high)


def _at_most(count: int, mean: float) -> float:
    """Return P(X <= count) of a Poisson mean."""
    term = total = 1.0
    for k in range(count, 0, -1):
        term *= k / mean
        total += term
    return total * exp(count * log(mean) - mean - lgamma(count + 1.0))


def onset_day(period: Period) -> datetime | None:
    """Return the most likely day of an onset; None for one that may have been bad from the first photo on."""
    if period.last_good is None and period.onset is None:
        return None
    return _day(period.last_good, period.onset, period.first_bad)


def _day(after: datetime | None, best: datetime | None, before: datetime | None) -> datetime | None:
    if best is not None:
        return best
    return after + (before - after) / 2 if after is not None and before is not None else before or after


def _year(year: int, entries: Sequence[Entry], since: datetime, until: datetime) -> Year:
    begin, end = datetime(year, 1, 1), datetime(year + 1, 1, 1)
    known = (min(end, until) - max(begin, since)).total_seconds() / (end - begin).total_seconds()
    onsets: dict[str, int] = {}
    healings: dict[str, int] = {}
    surely = possibly = 0
    for entry in entries:
        first = periods_of(entry)[0]
        day = onset_day(first)
        if day is not None:
            low, high = first.last_good or day, first.first_bad or day
            surely += begin <= low and high < end
            possibly += low < end and high >= begin
            if begin <= day < end:
                onsets[entry.kind.value] = onsets.get(entry.kind.value, 0) + 1
        for period in periods_of(entry):
            healed = _day(period.last_bad, period.healed, period.first_good)
            if healed is not None and begin <= healed < end:
                healings[entry.kind.value] = healings.get(entry.kind.value, 0) + 1
    bad = sum(entry.bad_on(min(end, until)) for entry in entries)
    return Year(year, max(known, 0.0), onsets, healings, surely, possibly, bad)


def _rate(kind: str, entries: Sequence[Entry], since: datetime, until: datetime) -> Rate:
    days = [day for entry in entries if (day := onset_day(periods_of(entry)[0])) is not None]
    years = (until - since).total_seconds() / YEAR_S
    low, high = poisson_band(len(days))
    trend = 0.0
    if days and years > 0:
        places = [(day - since) / (until - since) for day in days]
        trend = (sum(places) / len(places) - 0.5) * sqrt(12.0 * len(places))
    rate, low, high = (value / years if years > 0 else 0.0 for value in (len(days), low, high))
    return Rate(kind, len(entries) - len(days), len(days), rate, low, high, trend)

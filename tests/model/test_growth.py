"""Defects per year, and the rate behind them."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pytest

from defectmap.model.defects import Defect, DefectMap, Kind, Period
from defectmap.model.growth import growth, poisson_band
from defectmap.model.sensor import Grid

SINCE, UNTIL = datetime(2010, 7, 1), datetime(2018, 7, 1)
GRID = Grid("raw", 100, 1000)


def defect(number: int, *periods: Period, kind: Kind = Kind.HOT) -> Defect:
    """Return a site."""
    return Defect(number // 900, number % 900, kind, "R", 9.0, "", 9.0, 5, 5, periods=periods or (Period(),))


def began(day: datetime, width: float = 10.0) -> Period:
    """Return a period that began within so many days."""
    return Period(day - timedelta(width / 2), day + timedelta(width / 2))


def test_counts_by_year_and_kind():
    """Onsets and healings stand in their year; what was bad before, and going bad again, are no onsets."""
    june = datetime(2012, 6, 1)
    healed = Period(june - timedelta(9), june, datetime(2014, 1, 5), datetime(2014, 1, 9))
    sites = (
        defect(1),
        defect(2, healed, began(datetime(2016, 3, 3))),
        defect(3, began(datetime(2012, 12, 31), 20), kind=Kind.DIM),
    )
    found = growth(DefectMap(GRID, sites), SINCE, UNTIL)
    by_year = {year.year: year for year in found.years}
    assert list(by_year) == list(range(2010, 2019))
    assert by_year[2010].known == pytest.approx(184 / 365, abs=0.01)
    assert by_year[2012].onsets == {"hot": 1, "dim": 1}
    assert (by_year[2012].surely, by_year[2012].possibly, by_year[2013].possibly) == (1, 2, 1)
    assert by_year[2014].healings == {"hot": 1}
    assert by_year[2016].onsets == {}
    assert [by_year[year].bad for year in (2011, 2013, 2014, 2017)] == [1, 3, 2, 3]
    every, dim, hot = found.rates
    assert [(r.kind, r.before, r.onsets) for r in (every, dim, hot)] == [
        ("all", 1, 2),
        ("dim", 0, 1),
        ("hot", 1, 1),
    ]
    assert every.per_year == pytest.approx(2 / 8, rel=0.01)
    assert every.low < every.per_year < every.high


def test_bands_hold_the_rate():
    """Of sensors that go bad at a constant rate, nineteen in twenty bands hold it, and few seem to change."""
    rng = np.random.default_rng(5)
    held = steady = 0
    for _ in range(200):
        number = rng.poisson(12.0)
        days = [SINCE + float(share) * (UNTIL - SINCE) for share in rng.uniform(0, 1, number)]
        (rate, *_) = growth(
            DefectMap(GRID, tuple(map(defect, range(number), map(began, days)))), SINCE, UNTIL
        ).rates
        held += rate.low <= 12.0 / 8.0 <= rate.high
        steady += abs(rate.trend) < 2.0
    assert held >= 188
    assert steady >= 184


def test_a_rate_that_grows_is_told():
    """Onsets that crowd towards the end stand out against a constant rate."""
    days = [SINCE + share**0.3 * (UNTIL - SINCE) for share in np.linspace(0.01, 0.99, 60)]
    found = growth(DefectMap(GRID, tuple(map(defect, range(60), map(began, days)))), SINCE, UNTIL)
    assert found.rates[0].trend > 4


@pytest.mark.parametrize("count", [0, 1, 50, 5000])
def test_bands_of_many(count):
    """Bands hold the count itself, and come near to that of a normal distribution for many."""
    low, high = poisson_band(count)
    assert low <= count < high
    if count >= 50:
        assert (low, high) == pytest.approx((count - 1.96 * count**0.5, count + 1.96 * count**0.5), rel=0.05)


def test_one_day_has_no_rate():
    """A sensor known for a moment has counts and no rate."""
    (rate, *_) = growth(DefectMap(GRID, (defect(1),)), SINCE, SINCE).rates
    assert (rate.per_year, rate.high, rate.before) == (0.0, 0.0, 1)

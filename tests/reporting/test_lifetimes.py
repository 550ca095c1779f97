"""The number of bad photosites over time lies between what is sure and what is possible."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from defectmap.model.defects import Defect, Kind, Period
from defectmap.reporting.lifetimes import bad_counts

START, DAYS = datetime(2015, 1, 1), 50


def day(number: int) -> datetime:
    """Return a day of the known time."""
    return START + timedelta(days=number)


@st.composite
def periods(draw: st.DrawFn) -> Period:
    """Draw a period with dates in order."""
    a, b, c, d, e, f = (day(n) for n in sorted(draw(st.lists(st.integers(0, DAYS), min_size=6, max_size=6))))
    onset = draw(st.sampled_from([(None, None, None), (None, a, None), (a, c, b), (a, c, None)]))
    healing = draw(st.sampled_from([(None, None, None), (d, None, None), (d, f, e), (d, f, None)]))
    return Period(onset[0], onset[1], healing[0], healing[1], onset[2], healing[2])


@given(st.lists(periods(), max_size=8), st.integers(2, 30))
def test_likely_lies_between_surely_and_possibly(several: list[Period], most: int) -> None:
    """At no time are fewer sites bad than surely are, or more than possibly are."""
    entries = [
        Defect(row, 0, Kind.STUCK, "R", 1.0, "DN", 9.0, 5, 5, periods=(period,))
        for row, period in enumerate(several)
    ]
    counts = bad_counts(entries, START, day(DAYS), most)
    assert (counts[0].when, counts[-1].when) == (START, day(DAYS))
    assert 2 <= len(counts) <= max(most, 2)
    for one in counts:
        assert 0 <= one.surely <= one.likely <= one.possibly <= len(several)


def test_a_site_counts_from_its_onset_to_its_healing() -> None:
    """By its likeliest dates where they are known, else by the middle of what is."""
    dated = Period(day(10), day(20), day(30), day(40), day(12), day(38))
    open_ended = Period(day(10), day(20))
    entries = [
        Defect(row, 0, Kind.STUCK, "R", 1.0, "DN", 9.0, 5, 5, periods=(period,))
        for row, period in enumerate((dated, open_ended))
    ]
    found = {(one.when - START).days: one for one in bad_counts(entries, START, day(DAYS), 100)}
    assert {when: one.likely for when, one in found.items()} == {
        0: 0, 10: 0, 12: 1, 15: 2, 20: 2, 30: 2, 38: 1, 40: 1, 50: 1,
    }  # fmt: skip
    assert [found[when].surely for when in (0, 20, 30, 50)] == [0, 2, 1, 1]
    assert [found[when].possibly for when in (0, 10, 40, 50)] == [0, 2, 1, 1]

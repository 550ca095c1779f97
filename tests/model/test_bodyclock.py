"""Clocks that were reset, and counts that were."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from defectmap.model.bodyclock import BodyClock
from defectmap.model.frame import Conditions

START = datetime(2010, 1, 1, 12)


def frames(times: list[datetime | None], first: int = 100) -> list[Conditions]:
    """Return frames with consecutive counts."""
    return [Conditions(time, shutter_count=first + number) for number, time in enumerate(times)]


def days(number: int, start: datetime = START) -> list[datetime]:
    """Return a time a day."""
    return [start + timedelta(day) for day in range(number)]


def test_a_reset_clock_loses_its_dates_and_keeps_its_place():
    """Frames taken after the clock fell back stand by their count, without a date, and are told about."""
    times = days(60)
    times[20:30] = [datetime(2005, 1, 1, 0, minute) for minute in range(10)]
    shoot = frames(times)
    clock = BodyClock.of(shoot)
    assert [clock.date(f) for f in shoot] == [None if 20 <= i < 30 else t for i, t in enumerate(times)]
    assert {clock.place(f) for f in shoot[20:30]} == {times[19]}
    (told,) = clock.contradictions(shoot)
    assert (told.reason, told.frames) == ("clock", tuple(range(20, 30)))
    assert (told.first, told.last) == (times[20], times[29])
    assert (told.after, told.before) == (times[19], times[30])


def test_a_year_mistyped_forwards():
    """A clock that ran a year ahead for a while is not believed either."""
    times = days(60)
    times[20:30] = [time + timedelta(365) for time in times[20:30]]
    clock = BodyClock.of(frames(times))
    assert [clock.date(f) is None for f in frames(times)] == [20 <= i < 30 for i in range(60)]


@given(st.lists(st.integers(-26, 26), min_size=30, max_size=30))
def test_time_zones_are_no_contradiction(hours):
    """Clocks that travellers set keep all of their dates."""
    shoot = frames([START + timedelta(3 * day, hours=h / 2) for day, h in enumerate(hours)])
    clock = BodyClock.of(shoot)
    assert all(clock.date(f) == f.captured for f in shoot)
    assert clock.contradictions(shoot) == ()


@given(st.randoms(use_true_random=False), st.lists(st.integers(13, 59), max_size=12))
def test_the_order_of_the_frames_does_not_matter(random: Random, resets):
    """Any order of the same frames leads to the same clock, whatever part of them is wrong."""
    times = [datetime(2004, 1, 1) if i in resets else t for i, t in enumerate(days(60))]
    shoot = frames(times)
    mixed = random.sample(shoot, len(shoot))
    assert BodyClock.of(mixed) == BodyClock.of(shoot)
    assert all((BodyClock.of(shoot).date(f) is None) == (i in resets) for i, f in enumerate(shoot))


def test_a_new_shutter_is_no_reset_clock():
    """Where the count begins anew, the clock is believed, and the place of the break is told."""
    shoot = frames(days(60), 2000) + frames(days(40, START + timedelta(100)), 1)
    clock = BodyClock.of(shoot)
    assert all(clock.date(f) == f.captured for f in shoot)
    (told,) = clock.contradictions(shoot)
    assert (told.reason, told.frames) == ("count", (59, 60))


def test_dates_before_digital_photography():
    """A time of 1980 is none, with or without a count; frames without any time are not told about."""
    shoot = [Conditions(datetime(1980, 1, 1)), Conditions(), *(Conditions(day) for day in days(5))]
    clock = BodyClock.of(shoot)
    assert [clock.date(f) for f in shoot] == [None, None, *days(5)]
    (told,) = clock.contradictions(shoot)
    assert (told.reason, told.frames, told.after) == ("date", (0,), None)


def test_bodies_that_count_nothing():
    """A count that stands still, or is 0, contradicts no clock."""
    for count in (0, 7):
        shoot = [Conditions(day, shutter_count=count) for day in days(9)]
        clock = BodyClock.of(shoot)
        assert all(clock.date(f) == f.captured for f in shoot)
        assert clock.contradictions(shoot) == ()

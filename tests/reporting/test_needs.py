"""What photos need is counted for all of them at once, as it would be one by one."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from defectmap.catalog.records import StoredFrame
from defectmap.model.bodyclock import BodyClock
from defectmap.model.defects import Defect, Kind, Period
from defectmap.model.frame import Conditions
from defectmap.model.visibility import would_show
from defectmap.reporting.needs import Shows, in_order, photo_needs

START = datetime(2015, 1, 1)
SITE = Defect(3, 4, Kind.STUCK, "R", 1.0, "DN", 9.0, 5, 5)
days = st.none() | st.integers(0, 40).map(lambda day: START + timedelta(days=day))
periods = st.builds(Period, days, days, days, days)
defects = st.builds(
    lambda kind, strength, several, origin: replace(
        SITE, kind=kind, strength=strength, periods=tuple(several), origin=origin
    ),
    st.sampled_from(Kind),
    st.sampled_from([-50.0, 0.0, 3.0, 200.0]),
    st.lists(periods, min_size=1, max_size=2),
    st.sampled_from(["", "jpeg:3x4"]),
)
conditions = st.builds(
    Conditions,
    captured=days,
    exposure_s=st.none() | st.sampled_from([0.001, 0.3, 20.0]),
    iso=st.none() | st.sampled_from([100.0, 6400.0]),
)


def frame(number: int, taken: Conditions) -> StoredFrame:
    """Return a frame of the catalog."""
    return StoredFrame(number, 1, bytes([number]), f"{number}.NEF", taken, None, True, 0, None, None, number)


@given(defects, st.lists(conditions, min_size=1, max_size=6), st.sampled_from([None, 5.0]))
def test_counts_are_those_of_the_model(defect: Defect, taken: list[Conditions], noise: float | None) -> None:
    """Being bad and showing mean the same for a photo as for an array of photos."""
    clock = BodyClock.of(taken)
    frames = [frame(number, one) for number, one in enumerate(taken)]
    shows = Shows.of([defect], frames, clock, noise, {})
    bad = [defect.bad_on(clock.date(one)) for one in taken]
    assert shows.bad[0].tolist() == bad
    assert shows.expected[0].tolist() == [
        was and would_show(defect, one, noise) for was, one in zip(bad, taken, strict=True)
    ]


def test_a_photo_needs_repair_that_shows_a_defect_and_was_not_repaired() -> None:
    """What should show counts as well as what stood out; photos are in order, undated ones last."""
    hot = replace(SITE, row=9, kind=Kind.HOT, strength=100.0, unit="DN/s at ISO 100")
    taken = [
        Conditions(),
        Conditions(captured=START, exposure_s=10.0, iso=100.0),
        Conditions(captured=START - timedelta(days=1), exposure_s=0.001, iso=100.0),
    ]
    clock = BodyClock.of(taken)
    frames = in_order([frame(number, one) for number, one in enumerate(taken)], clock)
    assert [one.id for one in frames] == [2, 1, 0]
    shows = Shows.of([hot], frames, clock, 5.0, {(9, 4): {0, 77}})
    needs = photo_needs(frames, clock, shows, {bytes([1])})
    assert [(one.bad, one.shows, one.seen, one.repaired) for one in needs] == [
        (1, 0, 0, False),
        (1, 1, 0, True),
        (1, 0, 1, False),
    ]
    assert [one.needs_repair for one in needs] == [False, False, True]
    assert [one.visible for one in needs] == [0, 1, 1]
    none = Shows.of([], frames, clock, 5.0, {})
    assert not any(one.needs_repair for one in photo_needs(frames, clock, none, ()))
    assert none.bad.shape == (0, 3) and none.bad.dtype == np.bool_

"""Which photosites are changed in one photo."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from defectmap.model.choosing import line_sites, mosaic_sites, rendered_sites, surely_bad
from defectmap.model.defects import Defect, Kind, Period, Structure, StructureKind
from defectmap.model.frame import Conditions, RawFrame
from defectmap.model.sensor import MosaicGeometry

ALWAYS = {Kind.STUCK, Kind.DEAD, Kind.DIM, Kind.BRIGHT, Kind.OFFSET}
DAYS = [datetime(2010, 1, day) for day in range(1, 9)]
GEOMETRY = MosaicGeometry(70, 90, 4, 6, 60, 80, ("RG", "GB"), (100,) * 4, 4095, "test")


def defect(row: int, col: int, kind: Kind, **dates: datetime | None) -> Defect:
    """Return a defect with nothing but a place, a kind and dates."""
    return Defect(row, col, kind, "R", 1.0, "DN", 9.0, 5, 5, **dates)


def frame(spots: dict[tuple[int, int], int]) -> RawFrame:
    """Return a noisy flat frame with some photosites, in full coordinates, off by so many DN."""
    mosaic = np.random.default_rng(1).normal(1000, 10, (60, 80)).round().astype(np.uint16)
    for (row, col), off in spots.items():
        mosaic[row - 4, col - 6] = 1000 + off
    return RawFrame(mosaic, GEOMETRY)


@pytest.mark.parametrize("kind", list(Kind))
def test_each_kind(kind):
    """Hot and noisy sites are chosen where the frame shows them, in either direction; others always."""
    sites = {(20, 30): 0, (30, 41): 300, (40, 50): -300}
    chosen = mosaic_sites(frame(sites), [defect(*site, kind) for site in sites], DAYS[3])
    assert chosen == (tuple(sites) if kind in ALWAYS else ((30, 41), (40, 50)))


def test_places_outside_of_the_visible_area():
    """A site in the border that LibRaw does not hand out is left out."""
    places = [(3, 20), (20, 5), (64, 20), (20, 86), (4, 6), (63, 85)]
    assert mosaic_sites(frame({}), [defect(r, c, Kind.STUCK) for r, c in places], DAYS[0]) == (
        (4, 6),
        (63, 85),
    )


def test_in_doubt_the_frame_decides():
    """Between the last good and the first bad frame a stuck site is changed only where it shows."""
    dates = {"periods": (Period(DAYS[1], DAYS[5]),)}
    defects = [defect(20, 30, Kind.STUCK, **dates), defect(30, 40, Kind.STUCK, **dates)]
    photo = frame({(20, 30): 300, (30, 40): 0})
    assert mosaic_sites(photo, defects, DAYS[3]) == ((20, 30),)
    assert mosaic_sites(photo, defects, DAYS[5]) == ((20, 30), (30, 40))
    assert mosaic_sites(photo, defects, None) == ((20, 30),)
    assert [s.certain_here for s in rendered_sites(defects, Conditions(DAYS[3]))] == [False, False]
    assert [s.certain_here for s in rendered_sites(defects, Conditions(DAYS[5]))] == [True, True]


@given(
    st.sampled_from(list(Kind)),
    st.lists(st.sampled_from(DAYS), min_size=4, max_size=4).map(sorted),
    st.booleans(),
    st.booleans(),
    st.one_of(st.none(), st.sampled_from(DAYS)),
)
def test_certainty_implies_being_bad(kind, dates, begins, heals, day):
    """A site that is surely bad on a day may be bad on it, and is of a kind that is always wrong."""
    onset = {"last_good": dates[0], "first_bad": dates[1]} if begins else {}
    healing = {"last_bad": dates[2], "first_good": dates[3]} if heals else {}
    one = defect(1, 1, kind, periods=(Period(**onset, **healing),))
    # Bad and good at one moment is no history.
    if surely_bad(one, day) and dates[0] < dates[1] and dates[2] < dates[3]:
        assert one.bad_on(day)
        assert kind in ALWAYS
    if not begins and not heals:
        assert surely_bad(one, day) == (kind in ALWAYS and day is not None)


def test_lines_are_chosen_where_they_show():
    """All sites of a column that a frame shows are chosen, none of one that it does not or shows inverted."""
    lines = [Structure(StructureKind.COLUMN, 10, col, 60, col + 1) for col in (20, 40, 60)]
    spots = dict.fromkeys(lines[0].sites(), 30) | dict.fromkeys(lines[2].sites(), -30)
    assert line_sites(frame(spots), lines) == tuple(lines[0].sites())
    beyond = Structure(StructureKind.COLUMN, 0, 20, 70, 21)
    assert line_sites(frame(spots), [beyond]) == tuple((row, 20) for row in range(4, 64))


@pytest.mark.parametrize("kind", list(Kind))
def test_carried_sites_are_shown_by_the_photo(kind):
    """A site that was found on another grid is replaced only where the photo shows it, whatever its kind."""
    defects = [replace(defect(row, col, kind), origin="jpeg:80x60") for row, col in ((20, 30), (30, 40))]
    assert mosaic_sites(frame({(20, 30): 300, (30, 40): 0}), defects, None) == ((20, 30),)
    assert [s.certain_here for s in rendered_sites(defects, Conditions())] == [False, False]

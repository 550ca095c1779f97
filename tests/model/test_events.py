"""Onsets, healings and remaps of a map."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from defectmap.model.defects import Defect, DefectMap, Kind, Period, Structure, StructureKind
from defectmap.model.events import events
from defectmap.model.sensor import Grid

GRID = Grid("raw", 1000, 1000)
SINCE, UNTIL = datetime(2010, 1, 1), datetime(2020, 1, 1)


def moment(days: float) -> datetime:
    """Return so many days after the first photo."""
    return SINCE + timedelta(days)


def defect(number: int, *periods: Period, certain: bool = True) -> Defect:
    """Return a hot site."""
    return Defect(number, number, Kind.HOT, "R", 9.0, "", 9.0, 5, 5, certain, periods=periods or (Period(),))


def healed(low: float, high: float) -> Period:
    """Return a period from the first photo on."""
    return Period(last_bad=moment(low), first_good=moment(high))


def told(*defects: Defect, structures: tuple[Structure, ...] = ()):
    """Return the events of a map."""
    return events(DefectMap(GRID, defects, structures), SINCE, UNTIL)


def test_onsets_and_healings_in_order():
    """Every dated onset and healing of every period is told, in order; what was bad all along is not."""
    back = Period(moment(100), moment(120), moment(400), moment(420), moment(110), moment(410), 0.9)
    again = Period(moment(900), moment(910))
    found = told(defect(1), defect(2, back, again), defect(3, certain=False))
    assert [(e.kind, e.after, e.before, e.best) for e in found] == [
        ("onset", moment(100), moment(120), moment(110)),
        ("healing", moment(400), moment(420), moment(410)),
        ("onset", moment(900), moment(910), None),
    ]
    assert [e.of for e in found] == [2, 2, 2]
    assert [e.confidence for e in found] == [0.9, 0.9, None]


def test_an_open_onset_is_no_event():
    """A site that was bad before a day, perhaps from the first photo on, went bad on none."""
    assert told(defect(1, Period(first_bad=moment(30)))) == ()


def test_a_structure_has_events():
    """A column that went bad is told like a site."""
    column = Structure(StructureKind.COLUMN, 0, 7, 9, 8, last_good=moment(5), first_bad=moment(6))
    (found,) = told(structures=(column,))
    assert (found.kind, found.entries) == ("onset", (column,))


def test_sites_that_heal_together_were_remapped():
    """Healing within overlapping intervals is one event, at a time that lies in all of them."""
    sites = [defect(i, healed(1000 - 2 * i, 1003 + 3 * i)) for i in range(9)]
    lonely = defect(50, healed(3000, 3010))
    vague = defect(51, healed(200, 3500))
    (*others,) = told(*sites, lonely, vague, defect(60))
    remap = next(e for e in others if e.kind == "remap")
    assert (remap.after, remap.before) == (moment(1000), moment(1003))
    assert [d.row for d in remap.entries] == [*range(9), 51]
    assert remap.of == 12
    assert remap.chance < 1e-9
    assert [e.entries[0].row for e in others if e.kind == "healing"] == [50]


def test_two_services():
    """Two remaps of one body are two events."""
    sites = [defect(i, healed(1000, 1010)) for i in range(5)]
    sites += [defect(10 + i, healed(2000, 2020)) for i in range(5)]
    assert [(e.kind, e.after) for e in told(*sites)] == [("remap", moment(1000)), ("remap", moment(2000))]


def test_a_long_gap_between_photos_is_no_remap():
    """Sites that came back at some time in two years without a photo need not have done so together."""
    sites = [defect(i, healed(1000, 1730)) for i in range(3)]
    assert {
        e.kind for e in told(*sites, *(defect(10 + i, healed(300 * i, 300 * i + 9)) for i in range(9)))
    } == {"healing"}


@pytest.mark.parametrize("widths", [(1.0,), (20.0,), (200.0,), (1.0, 20.0, 200.0)])
@pytest.mark.parametrize("number", [2, 5, 20])
def test_chance_seldom_looks_like_a_remap(number, widths):
    """Of sensors whose sites heal one by one hardly any is taken for remapped, however well it is dated."""
    rng = np.random.default_rng(number)
    remapped = 0
    for _ in range(200):
        lows = rng.uniform(0, 3450, number)
        sizes = rng.choice(widths, number)
        found = told(*(defect(i, healed(a, a + w)) for i, (a, w) in enumerate(zip(lows, sizes, strict=True))))
        remapped += any(event.kind == "remap" for event in found)
    assert remapped <= 1


@given(st.permutations(range(12)))
def test_the_order_of_the_entries_does_not_matter(order):
    """The same map in any order tells the same events."""
    sites = [defect(i, healed(1000 + i % 3, 1010 + i % 4)) for i in range(8)]
    sites += [defect(20 + i, Period(moment(10 * i), moment(10 * i + 5))) for i in range(4)]
    assert told(*(sites[i] for i in order)) == told(*sites)

"""Structures as values, and what maps do with them."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from defectmap.model.defects import Defect, DefectMap, Kind, Structure, StructureKind
from defectmap.model.sensor import Grid

GRID = Grid("raw", 60, 80)
COLUMN = Structure(StructureKind.COLUMN, 0, 20, 60, 21)
LATTICE = Structure(StructureKind.LATTICE, 4, 30, 50, 70, (12, 6), ((0, 0), (4, 2)))


def defect(row: int, col: int) -> Defect:
    """Return a defect with nothing but a place."""
    return Defect(row, col, Kind.STUCK, "R", 1.0, "DN", 9.0, 5, 5)


@given(
    st.tuples(*[st.integers(0, 20)] * 4),
    st.tuples(st.integers(1, 7), st.integers(1, 7)),
    st.data(),
)
def test_the_members_of_a_structure(corners, period, data):
    """Sites, length, membership and slices all speak of the same members, in order."""
    top, left, height, width = corners
    places = st.tuples(st.integers(0, period[0] - 1), st.integers(0, period[1] - 1))
    offsets = tuple(data.draw(st.sets(places, min_size=1, max_size=4)))
    one = Structure(StructureKind.LATTICE, top, left, top + height, left + width, period, offsets)
    sites = list(one.sites())
    marked = np.zeros((45, 45), int)
    for part in one.slices():
        marked[part] += 1
    assert marked.max() <= 1
    assert sites == [tuple(place) for place in np.argwhere(marked).tolist()]
    assert len(one) == len(sites)
    assert sites == [place for place in np.ndindex(45, 45) if place in one]
    assert list(one.moved(2, 3).sites()) == [(row + 2, col + 3) for row, col in sites]


def test_structures_have_their_time():
    """A map of a day has the structures that may have been bad on it."""
    late = Structure(StructureKind.ROW, 5, 0, 6, 80, last_good=datetime(2010, 1, 1))
    both = DefectMap(GRID, (), (late, COLUMN))
    assert both.structures == (COLUMN, late) == both.lines
    assert both.valid_on(datetime(2009, 1, 1)).structures == (COLUMN,)
    assert both.valid_on(datetime(2011, 1, 1)) == both.valid_on(None) == both


@pytest.mark.parametrize("structure", [COLUMN, LATTICE])
def test_joining_maps_with_structures(structure):
    """A structure of either map takes in the defects of the other that are its members, once."""
    inside, outside = defect(*next(structure.sites())), defect(55, 75)
    singles, gathered = DefectMap(GRID, (inside, outside)), DefectMap(GRID, (), (structure,))
    wanted = DefectMap(GRID, (outside,), (structure,))
    assert singles.joined(gathered, 2) == wanted == gathered.joined(singles, 2)
    assert wanted.joined(wanted, 2) == wanted

"""One defect of a JPEG, one report."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from defectmap.model.echoes import unexplained

SHAPE = (60, 80)


def kept(sites: list[tuple[int, int]], prominence: list[float], certain: list[bool]) -> list[tuple[int, int]]:
    """Return those that are not explained, with the reach and dominance of luma."""
    flat = np.array([row * SHAPE[1] + col for row, col in sites], np.int64)
    alone = unexplained(flat, np.array(prominence), np.array(certain, bool), SHAPE, 8, 3.0)
    return [site for site, good in zip(sites, alone, strict=True) if good]


def test_the_most_prominent_explains_its_smear_and_its_ripple() -> None:
    """What lies within four pixels, or is three times weaker within a block, is not reported besides."""
    sites = [(20, 20), (21, 20), (20, 27), (27, 20), (40, 60)]
    assert kept(sites, [9, 8, 2, 5, 1], [True] * 5) == [(20, 20), (27, 20), (40, 60)]


def test_what_may_be_chance_explains_nothing_certain() -> None:
    """A certain site stays beside a more prominent one that is not; it explains that one."""
    assert kept([(0, 0), (1, 0)], [3.4, 3.5], [True, False]) == [(0, 0)]


places = st.tuples(st.integers(0, SHAPE[0] - 1), st.integers(0, SHAPE[1] - 1))


@given(st.dictionaries(places, st.tuples(st.floats(0, 50), st.booleans()), max_size=20))
def test_something_of_every_heap_stays(marked: dict[tuple[int, int], tuple[float, bool]]) -> None:
    """What is not kept lies within reach of another site, a certain one of one that is certain too."""
    sites = list(marked)
    stay = kept(sites, [marked[s][0] for s in sites], [marked[s][1] for s in sites])
    assert bool(stay) == bool(sites)
    for one in set(sites) - set(stay):
        others = [s for s in sites if s != one and marked[s][1] >= marked[one][1]]
        assert min(max(abs(one[0] - r), abs(one[1] - c)) for r, c in others) <= 8

"""Change points between good and bad, and their intervals."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from defectmap.model.periods import HEALING, PENALTY, bound, segments

WORDS = st.lists(st.floats(-3.0, 9.0), min_size=1, max_size=60).map(np.array)


@given(WORDS)
def test_stretches_are_apart_and_worth_it(gain):
    """Stretches are in order, do not touch, and each change between them gains more than its penalty."""
    found = segments(gain)
    edges = [edge for stretch in found for edge in stretch]
    assert edges == sorted(set(edges))
    for (_, stop), (start, _) in pairwise(found):
        assert -gain[stop:start].sum() >= PENALTY + HEALING - 1e-9
    for start, stop in found:
        cost = PENALTY * (start > 0) + HEALING * (stop < len(gain))
        assert gain[start:stop].sum() >= cost - 1e-9


@given(WORDS)
def test_intervals_hold_their_dates(gain):
    """Onset lies after the last good frame and not after the first bad one, healing likewise."""
    for one in bound(gain[None], segments(gain)):
        assert (one.onset is None) == (one.last_good is None)
        assert one.last_good is None or one.first_bad is not None
        assert (one.healed is None) == (one.first_good is None)
        assert one.first_good is None or one.last_bad is not None
        if one.onset is not None:
            assert 0 <= one.last_good < one.onset <= one.first_bad < len(gain)
        if one.healed is not None:
            assert 0 <= one.last_bad < one.healed <= one.first_good < len(gain)


def test_two_periods():
    """A site that healed for good while and went bad again has two periods; a short silence makes none."""
    seen = np.concatenate([np.full(30, -1.5), np.full(20, 5.0), np.full(40, -1.5), np.full(20, 5.0)])
    assert [(p.onset, p.healed) for p in bound(seen[None], segments(seen))] == [(30, 50), (90, None)]
    seen[50:90] = 5.0
    seen[60:64] = -1.5
    assert [(p.onset, p.healed) for p in bound(seen[None], segments(seen))] == [(30, None)]


def test_nothing_bad():
    """A site that no frame calls bad has no stretch; one that all call bad has no dates."""
    assert segments(np.full(9, -1.0)) == []
    (always,) = bound(np.ones((1, 9)), segments(np.ones(9)))
    assert (always.onset, always.healed, always.confidence) == (None, None, None)


def test_silence_at_the_end_leaves_the_end_open():
    """A site that shows no more is not called healed at once; a frame or two of silence say nothing."""
    (long,) = bound(gains := np.concatenate([np.full(60, 2.0), np.full(6, -1.0)])[None], segments(gains[0]))
    assert (long.first_good, long.healed) == (None, None)
    assert 55 <= long.last_bad <= 59
    (short,) = bound(gains[:, :61], segments(gains[0, :61]))
    assert (short.last_bad, short.first_good) == (None, None)

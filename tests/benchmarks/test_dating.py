"""Floors under the figures of dating, on sites followed through 300 frames."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.dating.methods import program
from benchmarks.dating.scoring import cameras, measure, share_dated
from benchmarks.dating.simulating import KINDS
from benchmarks.dating.trends import GOOD, good_sites

FLOORS = {
    "hot, 1/15 to 1/2 s": 0.5,
    "partially stuck, ordinary": 0.55,
    "partially stuck, 1/15 to 1/2 s": 0.5,
    "low gain": 0.85,
}
SITES = 40


@pytest.mark.parametrize("name", FLOORS)
def test_onsets_are_found(name):
    """Onsets are dated within two frames as often as they were, and lie in their intervals."""
    figures = measure(program, KINDS[name], cameras(1, KINDS[name], SITES))
    assert figures.near >= FLOORS[name]
    assert figures.covered >= 0.97
    assert figures.early == 0.0


def test_bad_all_along_is_said():
    """Of sites that were bad from the first frame on, less than one in a hundred is given an onset."""
    kind = KINDS["low gain"]
    wrong = [share_dated(program, kind, *one) for one in cameras(7, kind, 200, 0)]
    assert np.mean(wrong) < 0.01


def test_trends_date_nothing():
    """A new lens dates at most one in a hundred good sites."""
    wrong = [share_dated(program, GOOD, *one) for one in good_sites(3, "new lens", SITES)]
    assert np.mean(wrong) <= 0.01

"""The pixel decision: what a spot hides, and when there is none to remove."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from defectmap.model.expecting import Expected
from defectmap.model.footprints import Footprint, Footprints
from defectmap.model.rendered import REACH, Plane, RenderedSite, groups, remove

SIZE = 2 * REACH + 1
CENTRE = RenderedSite(200, 300, "W")
PYRAMID = np.array([[0.25, 0.5, 0.25], [0.5, 1.0, 0.5], [0.25, 0.5, 0.25]])


def luma(seed=0, noise=2.0, size=SIZE):
    """Return a smooth scene with a little noise."""
    rows, cols = np.mgrid[:size, :size]
    rng = np.random.default_rng(seed)
    waves = 110 + 30 * np.sin(rows / 9 + rng.uniform(0, 6)) + 25 * np.cos(cols / 6 + rng.uniform(0, 6))
    return waves + rng.normal(0, noise, (size, size))


def planes(values, chroma=None):
    """Return Y, Cb and Cr windows around the centre site, 4:2:0."""
    flat = np.full((SIZE, SIZE), 128.0)
    first, second = chroma if chroma is not None else (flat, flat)
    return [
        Plane(values, 200 - REACH, 300 - REACH),
        Plane(first, 100 - REACH, 150 - REACH, 2, 2),
        Plane(second, 100 - REACH, 150 - REACH, 2, 2),
    ]


def sharpened(height=120.0):
    """Return a fierce spot as a camera with strong sharpening leaves it: a core within a dark ring."""
    rows, cols = np.mgrid[-6:7, -6:7]
    distance = np.hypot(rows, cols)
    return height * (np.exp(-((distance / 1.3) ** 2)) - 0.3 * np.exp(-(((distance - 2.7) / 0.8) ** 2)))


def error(values, truth, reach=4):
    """Root mean square difference around the centre."""
    near = slice(REACH - reach, REACH + reach + 1)
    return float(np.sqrt(np.mean((values - truth)[near, near] ** 2)))


@pytest.mark.parametrize("height", [-60.0, 40.0, 120.0])
def test_spot_of_demosaicing(height):
    """A demosaiced spot, bright or dark, goes away to nearly the noise."""
    truth = luma()
    damaged = truth.copy()
    damaged[REACH - 1 : REACH + 2, REACH - 1 : REACH + 2] += height * PYRAMID
    removal = remove(planes(damaged), [CENTRE])
    assert removal.visible == (True,)
    assert error(damaged + removal.deltas[0], truth) < min(1.5, 0.25 * error(damaged, truth))


def test_dark_ring():
    """The ring that sharpening draws around a fierce spot goes with it."""
    truth = luma(3)
    damaged = truth.copy()
    damaged[REACH - 6 : REACH + 7, REACH - 6 : REACH + 7] += sharpened()
    removal = remove(planes(damaged), [CENTRE])
    assert error(damaged, truth) > 20
    assert error(damaged + removal.deltas[0], truth) < 5


def test_tint():
    """The tint of a red site leaves the chroma planes too."""
    truth = luma(1)
    damaged, red, blue = truth.copy(), np.full((SIZE, SIZE), 140.0), np.full((SIZE, SIZE), 120.0)
    damaged[REACH - 1 : REACH + 2, REACH - 1 : REACH + 2] += 0.299 * 100 * PYRAMID
    tinted_blue, tinted_red = blue.copy(), red.copy()
    # (200, 300) is the top left of its 2x2 cell, so each cell gets its quarter of the pyramid.
    for row, col, share in ((0, 0, 2.25), (-1, 0, 0.75), (0, -1, 0.75), (-1, -1, 0.25)):
        tinted_red[REACH + row, REACH + col] += 0.5 * 100 * share / 4
        tinted_blue[REACH + row, REACH + col] -= 0.1687 * 100 * share / 4
    removal = remove(planes(damaged, (tinted_blue, tinted_red)), [RenderedSite(200, 300, "R")])
    assert removal.visible == (True,)
    assert error(tinted_red + removal.deltas[2], red, 1) < 0.1 * error(tinted_red, red, 1)
    assert error(tinted_blue + removal.deltas[1], blue, 1) < 0.2 * error(tinted_blue, blue, 1)


def test_nothing_to_see():
    """A site that does not stand out is left alone; the few taken for bad change by less than the noise."""
    seen = [remove(planes(luma(seed)), [CENTRE]) for seed in range(40)]
    assert sum(r.visible[0] for r in seen) <= 8
    assert max(error(r.deltas[0], 0.0) for r in seen) < 2.0
    assert all(r.visible[0] or not any(d.any() for d in r.deltas) for r in seen)


def test_less_evidence_when_certain():
    """A site known to be bad in this photo is repaired on less evidence."""
    counts = {False: 0, True: 0}
    for seed in range(12):
        damaged = luma(seed)
        damaged[REACH - 1 : REACH + 2, REACH - 1 : REACH + 2] += 7 * PYRAMID
        for certain in counts:
            site = RenderedSite(200, 300, "W", certain_here=certain)
            counts[certain] += remove(planes(damaged), [site]).visible[0]
    assert counts[False] < counts[True]


def test_neighbours_are_not_trusted():
    """A second, unrepaired spot nearby does not leak into the repair of the first."""
    truth = luma(5)
    damaged = truth.copy()
    damaged[REACH - 1 : REACH + 2, REACH - 1 : REACH + 2] += 100 * PYRAMID
    damaged[REACH - 1 : REACH + 2, REACH + 3 : REACH + 6] += 140 * PYRAMID
    other = RenderedSite(200, 304, "W")
    near = slice(REACH - 1, REACH + 2)
    delta = remove(planes(damaged), [CENTRE], [other]).deltas[0]
    assert np.abs((damaged + delta - truth)[near, near]).mean() < 4


def test_group_is_solved_together():
    """Overlapping spots are told apart; a healthy member of a group is left."""
    truth = luma(6)
    damaged = truth.copy()
    damaged[REACH - 1 : REACH + 2, REACH - 1 : REACH + 2] += 100 * PYRAMID
    damaged[REACH - 1 : REACH + 2, REACH + 1 : REACH + 4] -= 60 * PYRAMID
    pair = [CENTRE, RenderedSite(200, 302, "W")]
    removal = remove(planes(damaged), pair)
    assert removal.visible == (True, True)
    assert error(damaged + removal.deltas[0], truth) < 2
    alone = truth.copy()
    alone[REACH - 1 : REACH + 2, REACH - 1 : REACH + 2] += 100 * PYRAMID
    assert remove(planes(alone), [CENTRE, RenderedSite(203, 303, "W")]).visible == (True, False)


def test_at_the_corner():
    """A site in the corner of the picture is repaired from the sides that exist."""
    truth = luma(7)[: REACH + 1, : REACH + 1]
    damaged = truth.copy()
    damaged[:2, :2] += 90 * PYRAMID[1:, 1:]
    removal = remove([Plane(damaged, 0, 0)], [RenderedSite(0, 0, "W")])
    assert removal.visible == (True,)
    assert np.abs((damaged + removal.deltas[0] - truth)[:2, :2]).max() < 15


def test_flat_picture():
    """A picture without any texture, clipped white or black, is no trouble."""
    for level in (0.0, 255.0):
        values = np.full((SIZE, SIZE), level)
        assert remove(planes(values), [CENTRE]).visible == (False,)
        values = values.copy()
        values[REACH, REACH] = 128.0
        removal = remove(planes(values), [CENTRE])
        assert abs(values[REACH, REACH] + removal.deltas[0][REACH, REACH] - level) < 3


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=60, unique=True))
def test_groups(places):
    """Groups split the sites, stay small, and leave no two of different groups adjacent without need."""
    sites = [RenderedSite(row, col, "G") for row, col in places]
    found = groups(sites)
    assert sorted((s.row, s.col) for g in found for s in g) == sorted(places)
    for group in found:
        rows, cols = [s.row for s in group], [s.col for s in group]
        assert max(max(rows) - min(rows), max(cols) - min(cols)) <= 8


def test_far_sites_stay_apart():
    """Sites farther apart than their spots reach are groups of their own."""
    assert len(groups([RenderedSite(0, 0, "R"), RenderedSite(0, 4, "R"), RenderedSite(2, 2, "B")])) == 2
    assert len(groups([RenderedSite(0, 0, "R"), RenderedSite(10, 4, "R")])) == 2


def point():
    """Return the footprint of a camera whose demosaicing hardly smears."""
    luma = np.zeros((9, 9))
    luma[3:6, 3:6] = [[0.0, 0.1, 0.0], [0.1, 1.0, 0.1], [0.0, 0.1, 0.0]]
    return Footprint(luma, np.zeros((5, 5)), np.zeros((5, 5)), 9)


FOOTPRINTS = Footprints({("W", 0, 0): point()}, 110.0)


def with_point(truth, height):
    """Return a scene with that camera's spot in the middle."""
    damaged = truth.copy()
    damaged[REACH - 4 : REACH + 5, REACH - 4 : REACH + 5] += height * point().luma
    return damaged


def test_learned_footprint():
    """A spot of known shape goes away more exactly than one of unknown shape."""
    errors = [0.0, 0.0]
    for seed in range(12):
        truth = luma(seed)
        damaged = with_point(truth, -50.0)
        for number, known in enumerate((None, FOOTPRINTS)):
            removal = remove(planes(damaged), [CENTRE], footprints=known)
            assert removal.visible == (True,)
            errors[number] += error(damaged + removal.deltas[0], truth)
    assert errors[1] < 0.96 * errors[0]


def test_expected_amplitude():
    """A faint spot that the map expects is taken away, and is left alone where the photo contradicts."""
    site = replace(CENTRE, certain_here=True)
    known = replace(site, expected=Expected(-0.08, 0.0, 110.0, 0.2))
    before, after, unknown = 0.0, 0.0, 0.0
    for seed in range(12):
        truth = luma(seed, noise=4.0)
        damaged = with_point(truth, -9.0)
        before += error(damaged, truth)
        for one in (site, known):
            mended = damaged + remove(planes(damaged), [one], footprints=FOOTPRINTS).deltas[0]
            if one is known:
                after += error(mended, truth)
            else:
                unknown += error(mended, truth)
    assert after < 0.7 * before
    assert after < unknown
    wrong = replace(site, expected=Expected(0.5, 0.0, 110.0, 0.2))
    assert remove(planes(luma(3)), [wrong], footprints=FOOTPRINTS).visible == (False,)


def test_spots_of_the_wrong_sign():
    """What is bright at a site that can only be dark is the scene's own."""
    damaged = with_point(luma(2), 60.0)
    assert remove(planes(damaged), [replace(CENTRE, sign=1)]).visible == (True,)
    assert remove(planes(damaged), [replace(CENTRE, sign=-1)]).visible == (False,)

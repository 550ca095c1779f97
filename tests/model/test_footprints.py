"""Footprints: what a site does to the pictures of a camera, learned from the strong ones."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from defectmap.model.defects import Defect, Kind
from defectmap.model.evidence import FIELDS, PlaneEvidence
from defectmap.model.footprints import Footprint, Footprints, learn, learn_from_means

SIDE = 160
LUMA = np.zeros((9, 9))
LUMA[3:6, 3:6] = [[0.05, 0.2, 0.05], [0.3, 1.0, 0.3], [0.05, 0.2, 0.05]]
BLUE, RED = np.zeros((5, 5)), np.zeros((5, 5))
BLUE[2, 2], RED[2, 2:4] = -0.1, (0.3, 0.1)


def defect(row, col, colour="R"):
    """Return a stuck site."""
    return Defect(row, col, Kind.STUCK, colour, 1.0, "DN", 9.0, 9, 9)


def mean_pictures(places, heights, seed=0, noise=0.3):
    """Return smooth mean planes with the footprint at some places."""
    rng = np.random.default_rng(seed)
    rows, cols = np.mgrid[:SIDE, :SIDE]
    luma = 110 + 20 * np.sin(rows / 60) + 15 * np.cos(cols / 50) + rng.normal(0, noise, (SIDE, SIDE))
    blue, red = (128 + rng.normal(0, noise / 3, (SIDE // 2, SIDE // 2)) for _ in range(2))
    for (row, col), height in zip(places, heights, strict=True):
        luma[row - 4 : row + 5, col - 4 : col + 5] += height * LUMA
        near = slice(row // 2 - 2, row // 2 + 3), slice(col // 2 - 2, col // 2 + 3)
        blue[near] += height * BLUE
        red[near] += height * RED
    return luma, blue, red


PLACES = [(20 + 24 * i, 20 + 24 * k) for i in range(5) for k in range(2)]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.sampled_from([-60.0, -25.0, 20.0, 40.0, 90.0]), min_size=10, max_size=10))
def test_shape_is_found_whatever_the_heights(heights):
    """Bright and dark sites of any strength give the footprint that they share."""
    found = learn_from_means(*mean_pictures(PLACES, heights), [defect(*place) for place in PLACES])
    assert set(found) == {("R", 0, 0)}
    shape = found["R", 0, 0]
    assert shape.sites == 10
    for learned, true in ((shape.luma, LUMA), (shape.blue, BLUE), (shape.red, RED)):
        assert np.abs(learned - true).max() < 0.05


def test_phases_are_kept_apart():
    """Sites of the two greens lie differently in the cells of chroma, and give two footprints."""
    places = [(row, col) for row, col in PLACES] + [(row + 1, col + 61) for row, col in PLACES[:6]]
    defects = [defect(*place, "G") for place in places]
    found = learn_from_means(*mean_pictures(places, [50.0] * len(places)), defects)
    assert {phase: shape.sites for phase, shape in found.items()} == {("G", 0, 0): 10, ("G", 1, 1): 6}


@pytest.mark.parametrize(("count", "height"), [(4, 60.0), (10, 0.0), (10, 1.0)])
def test_too_little_is_learned_from(count, height):
    """From few sites, or from sites that hardly show in the mean picture, no footprint is learned."""
    places = PLACES[:count]
    pictures = mean_pictures(places, [height] * count)
    assert learn_from_means(*pictures, [defect(*place) for place in places]) == {}


def test_sites_at_the_edge_are_left_out():
    """A site without surroundings on all sides teaches nothing and is no trouble."""
    edges = [(0, 0), (SIDE - 1, 40), (40, SIDE - 1), (3, 80), (SIDE - 1, SIDE - 1), (5, 5)]
    assert learn_from_means(*mean_pictures([], []), [defect(*place) for place in edges]) == {}


def evidence(mean, n=4):
    """Return sums of so many frames that all show the same."""
    sums = {name: np.zeros(mean.shape, dtype) for name, dtype in FIELDS.items()}
    values = np.rint(mean).astype(np.uint64)
    sums["n"] += np.uint32(n)
    sums["value_sum"] += values * np.uint64(n)
    sums["value_sumsq"] += values**2 * np.uint64(n)
    return PlaneEvidence(sums)


def test_learned_from_evidence():
    """The sums of a stream give its usual level and its footprints; grey pictures only the level."""
    names = ("luma", "blue", "red")
    pictures = dict(zip(names, mean_pictures(PLACES, [80.0] * 10), strict=True))
    planes = {name: evidence(picture) for name, picture in pictures.items()}
    found = learn(planes, [defect(*place) for place in PLACES])
    assert found.usual_dn == pytest.approx(np.rint(pictures["luma"]).mean())
    shape = found.of(4, 6, "R")
    assert shape is not None
    assert np.abs(shape.luma - LUMA).max() < 0.05
    assert found.of(5, 6, "R") is None
    grey = learn({"luma": planes["luma"]}, [defect(*place) for place in PLACES])
    assert grey == Footprints({}, found.usual_dn)
    assert learn({}, []) == Footprints()


def test_document_round_trip():
    """What a catalog stores of footprints brings them back to four digits."""
    shapes = {("R", 0, 0): Footprint(LUMA, BLUE, RED, 7), ("G", 0, 1): Footprint(LUMA / 3, RED, BLUE, 5)}
    again = Footprints.from_document(json.loads(json.dumps(Footprints(shapes, 101.25).document())))
    assert again.usual_dn == 101.25
    assert set(again.shapes) == set(shapes)
    for phase, shape in shapes.items():
        other = again.shapes[phase]
        assert other.sites == shape.sites
        for name in ("luma", "blue", "red"):
            np.testing.assert_allclose(getattr(other, name), getattr(shape, name), atol=1e-4)
    assert Footprints.from_document({}) == Footprints()


@pytest.mark.parametrize(("row", "col"), [(40, 60), (41, 60), (40, 61), (41, 61)])
def test_chroma_lies_on_the_cells(row, col):
    """As luma pixels, a chroma footprint begins at a cell and holds each cell four times."""
    pixels, top, left = Footprint(LUMA, BLUE, RED).spot(2, row, col)
    assert (top, left) == (36, 56)
    np.testing.assert_array_equal(pixels[::2, ::2], RED)
    np.testing.assert_array_equal(pixels[1::2, 1::2], RED)
    luma, top, left = Footprint(LUMA, BLUE, RED).spot(0, row, col)
    assert luma[row - top, col - left] == 1.0

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from defectmap.model.correction import corrected_values, eight_neighbour_mean, interpolated

KODAK = Path(__file__).parents[2] / ".." / "shared" / "data" / "kodak"
RGGB = ("RG", "GB")
X_TRANS = ("GGRGGB", "GGBGGR", "BRGRBG", "GGBGGR", "GGRGGB", "RBGBRG")
SHAPES = {
    "single": [(0, 0)],
    "pair": [(0, 0), (0, 2)],
    "2x2": [(row, col) for row in range(2) for col in range(2)],
    "3x3": [(row, col) for row in range(3) for col in range(3)],
}


def _scene(height=160, width=200, seed=1):
    """Draw shaded discs with sharp edges over waves of several directions, in colour, 0 to 4000."""
    rng = np.random.default_rng(seed)
    rows, cols = np.mgrid[0:height, 0:width].astype(float)
    scene = np.full((height, width, 3), 900.0)
    for _ in range(30):
        row, col, radius = rng.uniform(0, height), rng.uniform(0, width), rng.uniform(5, 40)
        distance = np.hypot(rows - row, cols - col)
        edge = 1 / (1 + np.exp((distance - radius) / 0.6))
        angle, wavelength = rng.uniform(0, math.pi), rng.uniform(5, 14)
        wave = np.sin(2 * math.pi * (rows * math.cos(angle) + cols * math.sin(angle)) / wavelength)
        colour = rng.uniform(300, 3000, 3)
        disc = colour * (1 + 0.25 * wave[:, :, None])
        scene += edge[:, :, None] * (disc - scene)
    return scene


def _mosaic(scene, cfa=RGGB):
    rows, cols = np.mgrid[0 : scene.shape[0], 0 : scene.shape[1]]
    planes = np.array([["RGB".index(letter) for letter in line] for line in cfa])
    picked = planes[rows % planes.shape[0], cols % planes.shape[1]]
    return np.take_along_axis(scene, picked[:, :, None], axis=2)[:, :, 0].round().astype(np.uint16)


def _groups(shape, kind, count, seed):
    """Place groups of bad sites at random, apart from each other and from the edges."""
    rng = np.random.default_rng(seed)
    taken = np.zeros(shape, dtype=bool)
    sites = []
    while len(sites) < count * len(SHAPES[kind]):
        row, col = rng.integers(8, shape[0] - 10), rng.integers(8, shape[1] - 10)
        if not taken[row - 6 : row + 7, col - 6 : col + 7].any():
            taken[row, col] = True
            sites += [(int(row + r), int(col + c)) for r, c in SHAPES[kind]]
    return sites


def _errors(mosaic, sites, method):
    """Square errors of a method at sites that read as full-scale."""
    at = tuple(np.array(sites).T)
    damaged = mosaic.copy()
    damaged[at] = 65535
    return (method(damaged, sites).astype(float) - mosaic[at]) ** 2


def _median_of_eight(mosaic, sites):
    bad = set(sites)
    return np.array(
        [
            np.median(
                [
                    mosaic[row + r, col + c]
                    for r in (-2, 0, 2)
                    for c in (-2, 0, 2)
                    if (row + r, col + c) not in bad
                ]
            )
            for row, col in sites
        ]
    )


def _psnr(errors, peak):
    return 10 * math.log10(peak**2 / np.concatenate(errors).mean())


@pytest.mark.parametrize(
    ("kind", "gain_db"), [("single", 12.0), ("pair", 11.5), ("2x2", 11.0), ("3x3", 10.0)]
)
def test_better_than_a_median_on_drawn_scenes(kind, gain_db):
    """Corrections are decibels nearer to the truth than the median of the same-colour neighbours."""
    ours, plain = [], []
    for seed in range(3):
        mosaic = _mosaic(_scene(seed=seed))
        sites = _groups(mosaic.shape, kind, 25, seed)
        ours.append(_errors(mosaic, sites, lambda damaged, bad: corrected_values(damaged, bad, RGGB)))
        plain.append(_errors(mosaic, sites, _median_of_eight))
    assert _psnr(ours, 4000) > _psnr(plain, 4000) + gain_db


@pytest.mark.parametrize(
    ("kind", "floor_db"), [("single", 30.5), ("pair", 30.1), ("2x2", 28.2), ("3x3", 27.1)]
)
def test_quality_on_photographs(kind, floor_db):
    """On the Kodak images the corrections stay above a fixed quality, far over the 22 dB of a median."""
    paths = sorted(KODAK.glob("*.png"))
    if not paths:
        pytest.skip("the Kodak images are not here")
    image = pytest.importorskip("PIL.Image")
    errors = []
    for seed, path in enumerate(paths[::3]):
        mosaic = _mosaic(np.asarray(image.open(path)).astype(float))
        sites = _groups(mosaic.shape, kind, 30, seed)
        errors.append(_errors(mosaic, sites, lambda damaged, bad: corrected_values(damaged, bad, RGGB)))
    assert _psnr(errors, 255) > floor_db


@pytest.mark.parametrize("noise", [4.0, 60.0])
def test_interpolations_know_how_far_they_are_off(noise):
    """The variances agree with the square errors, in smooth places as in busy ones."""
    rng = np.random.default_rng(3)
    scene = _scene(seed=4)
    mosaic = np.maximum(_mosaic(scene) + noise * rng.standard_normal(scene.shape[:2]), 0).astype(np.uint16)
    sites = _groups(mosaic.shape, "single", 60, 5)
    found = interpolated(mosaic, sites, RGGB)
    ratio = (found.values - mosaic[tuple(np.array(sites).T)]) ** 2 / found.variances
    assert 0.3 < np.median(ratio) / 0.455 < 1.7
    assert np.mean(ratio > 25) < 0.05


@settings(max_examples=25, deadline=None)
@given(
    sites=st.lists(st.tuples(st.integers(0, 29), st.integers(0, 35)), min_size=1, max_size=8, unique=True),
    cfa=st.sampled_from([RGGB, ("GB", "RG"), ("W",), X_TRANS]),
    seed=st.integers(0, 5),
    data=st.data(),
)
def test_bad_sites_never_feed_a_prediction(sites, cfa, seed, data):
    """What the bad sites read, and in which order they are given, has no influence on any result."""
    mosaic = np.random.default_rng(seed).integers(0, 4000, (30, 36)).astype(np.uint16)
    at = tuple(np.array(sites).T)
    first, second = mosaic.copy(), mosaic.copy()
    first[at] = 0
    second[at] = 65535
    order = data.draw(st.permutations(range(len(sites))))
    values = corrected_values(first, sites, cfa)
    assert np.array_equal(values, corrected_values(second, sites, cfa))
    assert np.array_equal(values[order], corrected_values(first, [sites[n] for n in order], cfa))


@settings(max_examples=20, deadline=None)
@given(
    site=st.tuples(st.integers(0, 29), st.integers(0, 35)),
    shift=st.integers(0, 9000),
    scale=st.integers(1, 4),
    cfa=st.sampled_from([RGGB, X_TRANS]),
)
def test_levels_and_units_do_not_matter(site, shift, scale, cfa):
    """A mosaic in other units, or with another black level, is corrected to the same value in those units."""
    mosaic = _mosaic(_scene(30, 36), cfa)
    mosaic[site] = 4095
    plain = int(corrected_values(mosaic, [site], cfa)[0])
    changed = int(corrected_values(mosaic * np.uint16(scale) + np.uint16(shift), [site], cfa)[0])
    assert abs(changed - (plain * scale + shift)) <= scale


@pytest.mark.parametrize("cfa", [RGGB, ("GR", "BG"), ("W",), X_TRANS, ("GR", "GB", "GB", "GR")])
def test_edges_corners_and_any_pattern(cfa):
    """A mosaic that is flat in each colour is restored exactly, everywhere and for every pattern."""
    letters = "".join(sorted(set("".join(cfa))))
    levels = {letter: 500 + 700 * n for n, letter in enumerate(letters)}
    truth = np.array(
        [[levels[cfa[row % len(cfa)][col % len(cfa[0])]] for col in range(26)] for row in range(24)],
        dtype=np.uint16,
    )
    sites = [(0, 0), (0, 25), (23, 0), (23, 25), (0, 12), (11, 0), (11, 12), (11, 13), (12, 12), (23, 24)]
    damaged = truth.copy()
    damaged[tuple(np.array(sites).T)] = 16383
    assert corrected_values(damaged, sites, cfa).tolist() == [truth[site] for site in sites]


def test_a_hole_wider_than_the_filter():
    """Inside a cluster without any good site in reach, the nearest ones of the colour decide."""
    truth = np.tile(np.array([[100, 200], [200, 400]], dtype=np.uint16), (12, 12))
    sites = [(row, col) for row in range(6, 17) for col in range(5, 16)]
    damaged = truth.copy()
    damaged[6:17, 5:16] = 9999
    assert corrected_values(damaged, sites, RGGB).tolist() == [truth[site] for site in sites]


def test_nothing_to_learn_from():
    """Tiny mosaics are corrected too, and a site without any good one of its colour keeps its value."""
    mosaic = np.array([[10, 20, 30], [40, 50, 60], [70, 80, 90]], dtype=np.uint16)
    assert corrected_values(mosaic, [(0, 0)], RGGB).tolist() == [63]  # (30 + 70 + 90) / 3
    assert corrected_values(mosaic, [(1, 1)], RGGB).tolist() == [50]
    assert corrected_values(mosaic, [], RGGB).shape == (0,)
    assert corrected_values(np.array([[7]], dtype=np.uint16), [(0, 0)], RGGB).tolist() == [7]


def test_sites_outside_are_refused():
    """A site outside the mosaic is an error of the caller, and the mosaic is never changed."""
    mosaic = _mosaic(_scene(30, 36))
    copy = mosaic.copy()
    corrected_values(mosaic, [(3, 3)], RGGB)
    assert np.array_equal(mosaic, copy)
    with pytest.raises(ValueError, match="outside"):
        corrected_values(mosaic, [(30, 0)], RGGB)
    with pytest.raises(ValueError, match="outside"):
        corrected_values(mosaic, [(0, -1)], RGGB)


def test_eight_neighbours_by_hand():
    """Sides count 1 and diagonals 1 / sqrt(2); the pixel itself does not count."""
    image = np.array([[10, 20, 10], [20, 255, 20], [10, 20, 10]], dtype=np.uint8)
    wanted = (4 * 20 + 4 * 10 / math.sqrt(2)) / (4 + 4 / math.sqrt(2))
    assert int(eight_neighbour_mean(image, 1, 1)) == round(wanted)
    corner = (20 + 20 + 255 / math.sqrt(2)) / (2 + 1 / math.sqrt(2))
    assert int(eight_neighbour_mean(image, 0, 0)) == round(corner)


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 5),
    width=st.integers(2, 5),
    channels=st.sampled_from([None, 1, 3, 4]),
    kind=st.sampled_from([np.uint8, np.uint16, np.int32]),
    data=st.data(),
)
def test_eight_neighbours_anywhere(height, width, channels, kind, data):
    """Anywhere in any image the result is the explicit mean over the neighbours that exist."""
    row, col = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    shape = (height, width) if channels is None else (height, width, channels)
    image = np.random.default_rng(data.draw(st.integers(0, 99))).integers(0, 255, shape).astype(kind)
    total, weights = 0.0, 0.0
    for r in range(max(row - 1, 0), min(row + 2, height)):
        for c in range(max(col - 1, 0), min(col + 2, width)):
            if (r, c) != (row, col):
                weight = 1 / math.hypot(r - row, c - col)
                total, weights = total + weight * image[r, c].astype(float), weights + weight
    result = eight_neighbour_mean(image, row, col)
    assert result.dtype == kind
    assert result.shape == shape[2:]
    assert np.all(np.abs(result - total / weights) <= 0.5 + 1e-9)


def test_eight_neighbours_need_neighbours():
    """A position outside, or an image of one pixel, is an error of the caller."""
    with pytest.raises(ValueError, match="outside"):
        eight_neighbour_mean(np.zeros((3, 3), np.uint8), 3, 0)
    with pytest.raises(ValueError, match="no neighbours"):
        eight_neighbour_mean(np.zeros((1, 1), np.uint8), 0, 0)

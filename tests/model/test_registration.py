"""Promises of registrations: what they carry, and that chance never makes one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from defectmap.model.coincidence import FALSE_REGISTRATIONS, register_defects
from defectmap.model.defects import Defect, DefectMap, Kind
from defectmap.model.registration import Attempt, Registration, combined, document
from defectmap.model.sensor import Grid, MosaicGeometry

RAW = Grid("raw", 1010, 1530)
GEOMETRY = MosaicGeometry(1010, 1530, 6, 20, 1000, 1500, ("RG", "GB"), (0,) * 4, 4095, "test")
SCALES = (1.0, 0.5, 2 / 3)


def a_map(grid: Grid, places: np.ndarray, kind: Kind = Kind.HOT, **changes: object) -> DefectMap:
    """Return a map with a defect at each place, the first the strongest."""
    return DefectMap(
        grid,
        tuple(
            Defect(int(row), int(col), kind, "R", 1.0, "DN", 100.0 - n / 100, 5, 5, **changes)
            for n, (row, col) in enumerate(places)
        ),
    )


def strewn(rng: np.random.Generator, n: int, height: int, width: int) -> np.ndarray:
    """Return places at random."""
    return np.stack([rng.integers(0, height, n), rng.integers(0, width, n)], axis=1)


def rendered(places: np.ndarray, offset: tuple[int, int], scale: float, grid: Grid) -> np.ndarray:
    """Return where raw sites lie on a JPEG that begins at an offset of the stored frame."""
    moved = np.floor((places + 0.5 - offset) * scale).astype(int)
    return moved[((moved >= 0) & (moved < (grid.height, grid.width))).all(axis=1)]


def jpeg_grid(scale: float) -> Grid:
    """Return the grid of a JPEG that leaves 8 rows and 12 columns of the visible area out."""
    return Grid("jpeg", round(992 * scale), round(1488 * scale))


@st.composite
def registrations(draw: st.DrawFn) -> Registration:
    """Draw any registration: whole sites at scale 1, half ones else."""
    scale = draw(st.sampled_from(SCALES) | st.floats(0.2, 0.95))
    unit = 1.0 if scale == 1 else 0.5
    row, col = draw(st.integers(0, 16)) * unit, draw(st.integers(0, 16)) * unit
    return Registration(RAW, jpeg_grid(scale), scale, row, col, 9, 9, 0.0)


@given(registrations(), st.data())
def test_a_pixel_carried_there_and_back_is_itself(found: Registration, data: st.DataObject) -> None:
    """A pixel of the JPEG, carried into the raw frame and back, is the same pixel."""
    row = data.draw(st.integers(0, found.target.height - 1))
    col = data.draw(st.integers(0, found.target.width - 1))
    site = found.to_source(row, col)
    assert site is not None
    assert found.to_target(*site) == (row, col)


@given(registrations(), st.integers(0, RAW.height - 1), st.integers(0, RAW.width - 1))
def test_a_site_carried_there_and_back_is_within_the_slack(found: Registration, row: int, col: int) -> None:
    """A raw site, carried into the JPEG and back, is at most `slack` away; at scale 1 it is itself."""
    place = found.to_target(row, col)
    back = place and found.to_source(*place)
    if back is not None:
        assert max(abs(back[0] - row), abs(back[1] - col)) <= (0 if found.scale == 1 else found.slack)


@given(st.integers(0, 991), st.integers(0, 1487))
def test_colour_of_a_pixel(row: int, col: int) -> None:
    """A JPEG's pixel has the colour of the filter over the photosite that it lies on."""
    found = Registration(RAW, jpeg_grid(1.0), 1.0, 9.0, 25.0, 9, 9, 0.0)
    assert found.colour(row, col, GEOMETRY) == GEOMETRY.colour(row + 9, col + 25)


@pytest.mark.parametrize("scale", SCALES)
def test_maps_that_share_four_in_ten_register(scale: float) -> None:
    """With 60 % of the defects missing, as many false ones and places a pixel off, the frame is found."""
    rng = np.random.default_rng(5)
    grid = jpeg_grid(scale)
    for _ in range(25):
        offset = 6 + int(rng.integers(0, 9)), 20 + int(rng.integers(0, 13))
        there = strewn(rng, 60, 1010, 1530)
        seen = rendered(there, offset, scale, grid)
        seen = seen[rng.random(len(seen)) < 0.4]
        # Half of them exact, as the centre of a spot mostly is.
        seen = seen + rng.integers(-1, 2, seen.shape) * (rng.random(len(seen)) < 0.5)[:, None]
        seen = seen.clip(0, (grid.height - 1, grid.width - 1))
        shown = np.concatenate([seen, strewn(rng, 36, grid.height, grid.width)])
        found = register_defects(a_map(RAW, there), a_map(grid, shown), GEOMETRY).registration
        assert found is not None
        assert found.chance < FALSE_REGISTRATIONS
        corners = np.array([(40, 60), (960, 60), (40, 1460), (960, 1460)])
        carried = [found.to_target(int(row), int(col)) for row, col in corners]
        true = rendered(corners, offset, scale, grid)
        assert np.abs(np.array(carried) - true).max() <= (0 if scale == 1 else 2)


def test_chance_never_registers() -> None:
    """A thousand pairs of maps that have nothing in common stay apart, and each says why."""
    rng = np.random.default_rng(6)
    for number in range(1000):
        scale = SCALES[number % 3]
        grid = jpeg_grid(scale)
        ours = a_map(RAW, strewn(rng, int(rng.integers(2, 60)), 1010, 1530))
        theirs = a_map(grid, strewn(rng, int(rng.integers(2, 60)), grid.height, grid.width))
        attempt = register_defects(ours, theirs, GEOMETRY)
        assert attempt.registration is None
        assert "are needed" in attempt.reason


@settings(max_examples=15)
@given(st.randoms(use_true_random=False))
def test_order_does_not_matter(random) -> None:
    """The same sites in any order register alike."""
    rng = np.random.default_rng(7)
    there = strewn(rng, 30, 1010, 1530)
    grid = jpeg_grid(0.5)
    ours, theirs = a_map(RAW, there), a_map(grid, rendered(there, (8, 24), 0.5, grid))
    shuffled = [list(found.entries) for found in (ours, theirs)]
    for entries in shuffled:
        random.shuffle(entries)
    again = [DefectMap(found.grid, tuple(e)) for found, e in zip((ours, theirs), shuffled, strict=True)]
    first = register_defects(ours, theirs, GEOMETRY)
    assert first.registration is not None
    assert first == register_defects(*again, GEOMETRY)


def test_few_coincidences_are_not_enough() -> None:
    """Two defects in common are too few, and the reason says how many are needed."""
    rng = np.random.default_rng(8)
    there = strewn(rng, 14, 1010, 1530)
    grid = jpeg_grid(1.0)
    shown = np.concatenate([rendered(there[:2], (9, 25), 1.0, grid), strewn(rng, 7, 992, 1488)])
    attempt = register_defects(a_map(RAW, there), a_map(grid, shown), GEOMETRY)
    assert attempt.registration is None
    assert attempt.reason == "2 of the 9 defects coincide; 3 are needed"


def test_dark_and_bright_do_not_coincide() -> None:
    """A dead site of one map is not a hot one of the other."""
    there = strewn(np.random.default_rng(9), 20, 1010, 1530)
    grid = jpeg_grid(1.0)
    shown = rendered(there, (9, 25), 1.0, grid)
    assert register_defects(a_map(RAW, there), a_map(grid, shown), GEOMETRY).registration is not None
    assert register_defects(a_map(RAW, there, Kind.DEAD), a_map(grid, shown), GEOMETRY).registration is None


def test_a_bad_column_and_a_stamp_are_no_proof() -> None:
    """Bad columns of two maps, and stamps of two JPEGs, coincide in all their sites and prove nothing."""
    rng = np.random.default_rng(10)
    column = np.stack([np.arange(100, 900, 3), np.full(267, 700)], axis=1)
    grid = jpeg_grid(1.0)
    ours = np.concatenate([column, strewn(rng, 10, 1010, 1530)])
    theirs = np.concatenate([column - (9, 30), strewn(rng, 10, 992, 1488)])
    assert register_defects(a_map(RAW, ours), a_map(grid, theirs), GEOMETRY).registration is None
    stamp = np.stack([900 + rng.integers(0, 40, 80), 1200 + rng.integers(0, 200, 80)], axis=1)
    small = jpeg_grid(0.5)
    first = a_map(grid, stamp, certain=False, missing="one of 80 spots close together")
    second = a_map(small, stamp // 2, certain=False, missing="one of 80 spots close together")
    assert register_defects(first, second).registration is None


def test_a_lattice_fits_in_several_places() -> None:
    """Sites that repeat like a lattice coincide under many offsets, of which none is chosen."""
    rows, cols = np.meshgrid(np.arange(100, 900, 40), np.arange(100, 1400, 40), indexing="ij")
    lattice = np.stack([rows.ravel(), cols.ravel()], axis=1)
    # Strewn a little, so that no row or column holds more than a few.
    grid = jpeg_grid(1.0)
    ours = np.stack(
        [lattice[:, 0] + lattice[:, 1] // 40 % 20 * 2, lattice[:, 1] + lattice[:, 0] // 40], axis=1
    )
    attempt = register_defects(a_map(RAW, ours), a_map(grid, ours[50:-50] - (9, 25)), GEOMETRY)
    assert attempt.registration is None or (attempt.registration.row, attempt.registration.col) == (9, 25)


def test_a_crop_is_found_and_a_crop_that_was_resized_is_not() -> None:
    """A picture of the frame's middle alone registers at scale 1; of another shape and size it does not."""
    rng = np.random.default_rng(11)
    there = strewn(rng, 60, 1010, 1530)
    middle = Grid("jpeg", 500, 800)
    found = register_defects(
        a_map(RAW, there), a_map(middle, rendered(there, (250, 360), 1.0, middle)), GEOMETRY
    ).registration
    assert found is not None
    assert (found.scale, found.row, found.col) == (1.0, 250.0, 360.0)
    wide = Grid("jpeg", 400, 760)
    resized = rendered(there, (100, 25), 0.5, wide)
    assert register_defects(a_map(RAW, there), a_map(wide, resized), GEOMETRY).registration is None


def test_two_sizes_of_jpeg_register() -> None:
    """The small JPEG of a body lies on its large one."""
    there = strewn(np.random.default_rng(12), 30, 992, 1488)
    large, small = jpeg_grid(1.0), jpeg_grid(0.5)
    found = register_defects(a_map(large, there), a_map(small, there // 2)).registration
    assert found is not None
    assert (round(found.scale, 3), abs(found.row) <= 0.5, abs(found.col) <= 0.5) == (0.5, True, True)


def test_preview_and_defects_together() -> None:
    """A preview counts without defects; what contradicts it by more than a site is not sure any more."""
    grid = jpeg_grid(1.0)
    preview = Registration(RAW, grid, 1.0, 9.0, 25.0, 20, 25, 1e-60, "preview")
    unsure = Attempt(RAW, grid, None, "1 of the 4 defects coincides; 4 are needed")
    assert combined(unsure, preview) == Attempt(RAW, grid, preview)
    assert combined(unsure, None) is unsure
    for row, basis in ((9.0, "defects"), (10.0, "preview"), (12.0, None)):
        attempt = Attempt(RAW, grid, Registration(RAW, grid, 1.0, row, 25.0, 12, 14, 1e-9))
        found = combined(attempt, preview)
        assert (found.registration and found.registration.basis) == basis
        assert bool(found.reason) == (basis is None)


def test_sentence() -> None:
    """A registration says where the JPEG lies and why; one by way of another says the whole way."""
    first = Registration(RAW, jpeg_grid(1.0), 1.0, 2.0, 4.0, 12, 14, 1e-9)
    assert first.sentence == "raw and JPEG lie in one frame: JPEG = raw - (2, 4), 12 of 14 defects coincide"
    second = Registration(jpeg_grid(1.0), jpeg_grid(0.5), 0.5, 0.0, 0.5, 5, 6, 1e-6)
    assert second.sentence.startswith("JPEG 1488x992 and JPEG 744x496 lie in one frame: ")
    through = first.then(second)
    assert (through.scale, through.row, through.col, through.coincidences) == (0.5, 2.0, 4.5, 5)
    assert through.sentence.endswith("JPEG = (raw - (2, 4.5)) x 0.5, 5 of 6 defects coincide")
    assert document(Attempt(RAW, jpeg_grid(1.0), first))["text"] == first.sentence


@pytest.mark.parametrize("kernel", ["BOX", "LANCZOS"])
@pytest.mark.parametrize("count", [20, 60])
def test_a_picture_that_was_halved_lies_to_the_photosite(kernel: str, count: int) -> None:
    """Where Pillow halves a picture, spots tell its scale and its corner exactly."""
    from PIL import Image

    def halved(places: np.ndarray, size: int) -> np.ndarray:
        spots = np.zeros((len(places), size), np.float32)
        for spot, place in zip(spots, places, strict=True):
            spot[place - 1 : place + 2] = 0.5, 1.0, 0.5
        picture = Image.fromarray(spots).resize((size // 2, len(places)), Image.Resampling[kernel])
        return np.asarray(picture).argmax(axis=1)

    for seed in range(4):
        rng = np.random.default_rng(seed)
        top, left = GEOMETRY.top + int(rng.integers(0, 8)), GEOMETRY.left + int(rng.integers(0, 12))
        there = np.stack([rng.integers(20, 980, count), rng.integers(40, 1490, count)], axis=1)
        seen = np.stack([halved(there[:, 0] - top, 992), halved(there[:, 1] - left, 1488)], axis=1)
        found = register_defects(a_map(RAW, there), a_map(jpeg_grid(0.5), seen), GEOMETRY).registration
        assert found is not None
        assert (found.scale, found.row, found.col) == (0.5, top, left)

import numpy as np
import pytest

from defectmap.model.noise import noise_by_level, unrest_narrowings

OFFSETS = np.array([(y, x) for y in (-2, 0, 2) for x in (-2, 0, 2) if (y, x) != (0, 0)], np.int64)


def _noise(level: float, sd: float) -> np.ndarray:
    return np.random.default_rng(1).normal(level, sd, (260, 304)).round().astype(np.uint16)


@pytest.mark.parametrize(("level", "sd"), [(300, 3.0), (2000, 12.0), (9000, 60.0)])
def test_noise_is_told_by_the_frame_itself(level, sd) -> None:
    """The variance at a level is that of readings less their prediction, which the median adds 17 % to."""
    variance, shift = noise_by_level(_noise(level, sd), 2, 256, 300, OFFSETS, 2, 100.0, 0.25)
    assert variance[2 * level >> shift] == pytest.approx(1.17 * sd**2, rel=0.06)


def test_a_plane_without_noise_has_the_floor() -> None:
    """Where all readings are the same the least variance is given, and where there are none to compare."""
    flat = np.full((70, 84), 500, np.uint16)
    for height in (66, 1):
        variance, _ = noise_by_level(flat[: height + 4], 2, height, 80, OFFSETS, 2, 100.0, 0.25)
        assert (variance == np.float32(0.25)).all()


def test_even_noise_narrows_nothing() -> None:
    """Scores of noise alone are about normal as they are, however restless chance makes them."""
    padded = _noise(2000, 12.0)
    variance, shift = noise_by_level(padded, 2, 256, 300, OFFSETS, 2, 100.0, 0.25)
    rows = (padded, 2, OFFSETS, variance, shift, np.float32(0.09), np.int32(15000))
    pairs = unrest_narrowings(rows, 256, 300, 2, 0)
    assert pairs.shape == (2 * (24 * 48 + 1),)
    factors = pairs.view(np.float32)
    assert (factors > 0.8).all()
    assert (factors < 1.6).all()


@pytest.mark.parametrize("pattern", [(1, 1), (2, 2), (3, 4), (6, 6)])
def test_offsets_of_each_phase_are_as_good_as_common_ones(pattern) -> None:
    """Where all phases have the same neighbours, naming these for each gives what naming them once gives."""
    padded = _noise(2000, 12.0)
    of_each = np.broadcast_to(OFFSETS, (*pattern, 8, 2)).copy()
    once, each = (noise_by_level(padded, 2, 256, 300, o, 1, 100.0, 0.25)[0] for o in (OFFSETS, of_each))
    assert np.array_equal(once, each)
    tables = []
    for offsets in (OFFSETS, of_each):
        rows = (padded, 2, offsets, once, 3, np.float32(0.09), np.int32(15000))
        tables.append(unrest_narrowings(rows, 256, 300, 2, 0))
    assert np.array_equal(*tables)


def test_large_frames_are_told_by_fewer_rows() -> None:
    """A tall plane gives about the noise and the factors of its upper part, seen by more rows."""
    tall = np.random.default_rng(2).normal(2000, 12.0, (2052, 124)).round().astype(np.uint16)
    found = []
    for height in (1024, 2048):
        variance, shift = noise_by_level(tall[: height + 4], 2, height, 120, OFFSETS, 2, 100.0, 0.25)
        rows = (tall[: height + 4], 2, OFFSETS, variance, shift, np.float32(0.09), np.int32(15000))
        factors = unrest_narrowings(rows, height, 120, 2, 0).view(np.float32)
        found.append((variance[4000 >> shift], np.median(factors)))
    assert found[0] == pytest.approx(found[1], rel=0.1)

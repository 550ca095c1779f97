"""How sums go from a worker to the process that asked."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from defectmap.catalog import planes
from defectmap.catalog.planes import DamagedBlobError
from defectmap.handover import HeldBand, PackedPlane, hand_over, packed


def sums() -> dict[str, np.ndarray]:
    """Make sums of two planes, in types narrower than a catalog's."""
    rng = np.random.default_rng(1)
    return {
        "luma.n": rng.integers(0, 99, (40, 30)).astype(np.uint8),
        "luma.hot_sum": rng.integers(-9999, 9999, (40, 30)).astype(np.int16),
        "blue.n": rng.integers(0, 99, (20, 15)).astype(np.uint8),
    }


@pytest.fixture
def small_bands(monkeypatch):
    """Cut planes into bands of a few rows."""
    monkeypatch.setattr(planes, "BAND_BYTES", 1000)


@pytest.mark.usefixtures("small_bands")
def test_sums_come_back_as_what_a_catalog_holds(tmp_path):
    """Every plane reads as it was, also in another process, and tells the type that a catalog has for it."""
    arrays = sums()
    stored = pickle.loads(pickle.dumps(hand_over(arrays, tmp_path)))
    assert stored.keys() == arrays.keys()
    for name, array in arrays.items():
        assert stored[name].shape == array.shape
        np.testing.assert_array_equal(stored[name][:], array)
    assert [plane.dtype for plane in stored.values()] == [np.uint32, np.int64, np.uint32]


@pytest.mark.usefixtures("small_bands")
@given(st.slices(40).filter(lambda rows: rows.step in (None, 1)))
def test_rows_read_as_numpy_would(rows):
    """Any range of rows reads as that of the array."""
    array = sums()["luma.hot_sum"]
    plane = PackedPlane(np.dtype(np.int64), [HeldBand(blob) for blob in packed("luma.hot_sum", array)])
    assert len(plane.bands) > 2
    np.testing.assert_array_equal(plane[rows], array[rows])


def test_cleared_sums_leave_nothing(tmp_path):
    """The file goes with the sums, and is not missed if it went before."""
    stored = hand_over(sums(), tmp_path)
    (file,) = tmp_path.iterdir()
    stored.clear()
    assert not stored and not file.exists()
    hand_over(sums(), tmp_path).clear()
    stored.clear()
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch):
    """Where not all can be written, what was is removed."""

    def full(name: str, array: np.ndarray) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("defectmap.handover.packed", full)
    with pytest.raises(OSError, match="No space"):
        hand_over(sums(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_damage_on_the_way_is_noticed(tmp_path: Path) -> None:
    """A byte that changed in the file is no sum."""
    stored = hand_over(sums(), tmp_path)
    (file,) = tmp_path.iterdir()
    data = bytearray(file.read_bytes())
    data[100] ^= 1
    file.write_bytes(data)
    with pytest.raises(DamagedBlobError):
        stored["luma.n"][:]

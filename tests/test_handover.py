"""How sums go from a worker to the process that asked."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from defectmap.catalog import planes
from defectmap.catalog.planes import DamagedBlobError
from defectmap.handover import PackedPlane, packed


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
@given(st.slices(40).filter(lambda rows: rows.step in (None, 1)))
def test_rows_read_as_numpy_would(rows):
    """Any range of rows reads as that of the array."""
    array = sums()["luma.hot_sum"]
    plane = PackedPlane(np.dtype(np.int64), packed("luma.hot_sum", array))
    assert len(plane.bands) > 2
    np.testing.assert_array_equal(plane[rows], array[rows])


@pytest.mark.usefixtures("small_bands")
def test_planes_tell_the_type_that_a_catalog_has():
    """A plane in a narrow type becomes one of the type that sums of many frames have."""
    planes = {name: packed(name, array) for name, array in sums().items()}
    assert [bands[0].dtype for bands in planes.values()] == ["<u4", "<i8", "<u4"]


def test_damage_on_the_way_is_noticed():
    """A byte that changed is no sum."""
    (blob,) = packed("luma.n", sums()["luma.n"])
    data = bytearray(blob.payload)
    data[-1] ^= 1
    with pytest.raises(DamagedBlobError):
        PackedPlane(np.dtype(np.uint32), [replace(blob, payload=bytes(data))])[:]

"""Promises of the accumulated evidence."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from defectmap.catalog import planes
from defectmap.catalog.addends import Addends
from defectmap.catalog.evidence import PlaneKey
from defectmap.catalog.store import open_catalog
from defectmap.errors import CatalogError

TYPES = (np.uint16, np.uint32, np.int32, np.int64, np.uint64)


def batch(seed: int, shape: tuple[int, int] = (11, 7)) -> dict[str, np.ndarray]:
    """Make small evidence, one plane of each type."""
    rng = np.random.default_rng(seed)
    return {np.dtype(t).name: rng.integers(0, 99, shape).astype(t) for t in TYPES}


@pytest.fixture
def small_bands(monkeypatch):
    """Cut planes into bands of a few rows."""
    monkeypatch.setattr(planes, "BAND_BYTES", 100)


@pytest.mark.usefixtures("small_bands")
def test_planes_start_from_zero_and_add_up(catalog, stream):
    """Planes that are absent start from zero; later ones are added, by type and shape."""
    first, second = batch(1), batch(2)

    catalog.evidence.add_to_planes(stream.id, 3, first)
    catalog.evidence.add_to_planes(stream.id, 3, second)

    assert catalog.evidence.epochs(stream.id) == [3]
    assert sorted(first) == catalog.evidence.plane_names(stream.id, 3)
    for name in first:
        plane = catalog.evidence.read_plane(stream.id, 3, name)
        np.testing.assert_array_equal(first[name] + second[name], plane)
        assert name == plane.dtype.name


class LaidAside:
    """A plane that is read by rows alone, as from a file."""

    def __init__(self, array: np.ndarray) -> None:
        self._array, self.shape, self.dtype = array, array.shape, array.dtype
        self.tallest = 0

    def __getitem__(self, rows: slice) -> np.ndarray:
        block = self._array[rows]
        self.tallest = max(self.tallest, len(block))
        return block


@pytest.mark.usefixtures("small_bands")
@pytest.mark.parametrize("there", [True, False])
def test_many_are_added_as_if_one_by_one(catalog, stream, there):
    """Planes of narrower types add up in the type of the sum, some rows at a time."""
    start = np.full((11, 7), 1 << 40)
    if there:
        catalog.evidence.add_to_planes(stream.id, 0, {"sum": start})
    arrays = [
        batch(seed)["int32"].astype(narrow) for seed, narrow in enumerate((np.int8, np.int16, np.int64))
    ]
    planes = [LaidAside(array) for array in arrays]

    catalog.evidence.add_to_planes(stream.id, 0, {"sum": Addends(np.dtype(np.int64), planes)})

    result = catalog.evidence.read_plane(stream.id, 0, "sum")
    np.testing.assert_array_equal(sum(a.astype(np.int64) for a in arrays) + there * start, result)
    assert result.dtype == np.int64
    assert all(0 < plane.tallest < 11 for plane in planes)


@given(
    deals=st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=7),
    keep=st.integers(0, 3),
)
@settings(max_examples=15, deadline=None)
def test_any_partition_into_epochs_adds_up_to_the_same(empty_catalog, d80_stream, deals, keep):
    """However batches are dealt to epochs and in whatever order, folding gives the same sums."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(shutil.copyfile(empty_catalog, Path(folder) / "catalog.sqlite"))
        with open_catalog(path) as catalog, pytest.MonkeyPatch.context() as patch:
            stream_id = d80_stream(catalog).id
            wanted: dict[int, np.ndarray] = {}
            for seed, (epoch, wide) in enumerate(deals):
                # Bands cut by another version of the program are added to all the same.
                patch.setattr(planes, "BAND_BYTES", 100 if wide else 60)
                array = batch(seed)["int32"]
                catalog.evidence.add_to_planes(stream_id, epoch, {"sum": array})
                target = epoch if epoch == keep else 0
                wanted[target] = wanted.get(target, 0) + array

            catalog.evidence.fold_epochs(stream_id, keep)

            assert sorted(wanted) == catalog.evidence.epochs(stream_id)
            for epoch, plane in wanted.items():
                np.testing.assert_array_equal(plane, catalog.evidence.read_plane(stream_id, epoch, "sum"))


def test_folded_frames_belong_to_epoch_zero(catalog, stream, frame, sightings):
    """Folding moves the frames of an epoch along with their evidence."""
    for epoch in (0, 1, 2):
        catalog.frames.add(stream.id, frame(f"{epoch}", hour=epoch, epoch=epoch), sightings())

    catalog.evidence.fold_epochs(stream.id, 2)

    assert [stored.epoch for stored in catalog.frames.of_stream(stream.id)] == [0, 0, 2]


@pytest.mark.usefixtures("small_bands")
def test_subtraction_takes_a_batch_out(catalog, stream):
    """What was added can be taken out again, and no more than that."""
    first, second = batch(1), batch(2)
    catalog.evidence.add_to_planes(stream.id, 0, first)
    catalog.evidence.add_to_planes(stream.id, 0, second)

    catalog.evidence.add_to_planes(stream.id, 0, first, sign=-1)

    np.testing.assert_array_equal(second["uint32"], catalog.evidence.read_plane(stream.id, 0, "uint32"))
    with pytest.raises(CatalogError, match="a sum leaves the range of uint16"):
        catalog.evidence.add_to_planes(stream.id, 0, first, sign=-1)
    with pytest.raises(CatalogError, match="a sum leaves the range of uint16"):
        catalog.evidence.add_to_planes(stream.id, 1, {"uint16": first["uint16"]}, sign=-1)
    catalog.evidence.add_to_planes(stream.id, 1, {"int64": first["int64"]}, sign=-1)
    np.testing.assert_array_equal(-first["int64"], catalog.evidence.read_plane(stream.id, 1, "int64"))


@pytest.mark.usefixtures("small_bands")
def test_overflow_changes_nothing(catalog, stream):
    """A sum that its type cannot hold is refused by name, and no plane of that call is changed."""
    arrays = batch(1)
    catalog.evidence.add_to_planes(stream.id, 0, arrays)
    too_much = {name: array.copy() for name, array in arrays.items()}
    too_much["uint16"][-1, -1] = 65535

    with pytest.raises(CatalogError, match=r"plane 'uint16' of stream 1 .* is full: .* start a new epoch"):
        catalog.evidence.add_to_planes(stream.id, 0, dict(reversed(too_much.items())))

    for name, array in arrays.items():
        np.testing.assert_array_equal(array, catalog.evidence.read_plane(stream.id, 0, name))


@pytest.mark.parametrize("other", [np.zeros((7, 11), np.int32), np.zeros((11, 7), np.uint32)])
def test_other_shape_or_type_is_refused(catalog, stream, other):
    """What does not fit a stored plane is refused, and both are named."""
    catalog.evidence.add_to_planes(stream.id, 0, {"sum": batch(1)["int32"]})

    with pytest.raises(CatalogError, match=rf"int32 of shape \(11, 7\), .* {other.dtype} of shape"):
        catalog.evidence.add_to_planes(stream.id, 0, {"sum": other})


@pytest.mark.parametrize("array", [np.zeros((3, 3)), np.zeros(3, np.int64)])
def test_only_planes_of_integers_are_evidence(catalog, stream, array):
    """Anything but a plane of integers is a mistake of the program."""
    with pytest.raises(TypeError, match="2-D array of integers"):
        catalog.evidence.add_to_planes(stream.id, 0, {"sum": array})


@pytest.mark.usefixtures("small_bands")
@given(st.slices(11).filter(lambda rows: rows.step in (None, 1)))
@settings(max_examples=30, deadline=None)
def test_rows_are_read_as_numpy_would(empty_catalog, d80_stream, rows):
    """Any range of rows reads as the same range of the whole plane."""
    array = batch(5)["int64"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(shutil.copyfile(empty_catalog, Path(folder) / "catalog.sqlite"))
        with open_catalog(path) as catalog:
            stream_id = d80_stream(catalog).id
            catalog.evidence.add_to_planes(stream_id, 0, {"sum": array})
            np.testing.assert_array_equal(array[rows], catalog.evidence.read_plane(stream_id, 0, "sum", rows))


def test_unknown_planes(catalog, stream):
    """A plane that is not there, or rows in steps, are mistakes of the program."""
    with pytest.raises(KeyError, match="no plane 'sum'"):
        catalog.evidence.read_plane(stream.id, 0, "sum")
    catalog.evidence.add_to_planes(stream.id, 0, {"sum": batch(1)["int32"]})
    with pytest.raises(ValueError, match="step 1"):
        catalog.evidence.read_plane(stream.id, 0, "sum", slice(0, 9, 2))


def test_damaged_plane_is_named(catalog, stream):
    """A damaged plane is refused by its name and rows, and nothing is added to it."""
    arrays = {"sum": batch(1)["int32"]}
    catalog.evidence.add_to_planes(stream.id, 0, arrays)
    catalog.database.connection.exec_driver_sql("UPDATE planes SET payload = zeroblob(length(payload))")

    for use in (
        lambda: catalog.evidence.read_plane(stream.id, 0, "sum"),
        lambda: catalog.evidence.add_to_planes(stream.id, 0, arrays),
    ):
        with pytest.raises(
            CatalogError, match=r"is damaged: plane 'sum' of stream 1, rows from 0: its checksum"
        ):
            use()


def test_no_writes_for_what_changes_nothing(catalog, stream):
    """Adding zeros leaves a plane as it is stored."""
    catalog.evidence.add_to_planes(stream.id, 0, {"sum": batch(1)["int32"]})
    changes = catalog.database.connection.exec_driver_sql("SELECT total_changes()").scalar_one()

    catalog.evidence.add_to_planes(stream.id, 0, {"sum": np.zeros((11, 7), np.int32)})

    assert changes == catalog.database.connection.exec_driver_sql("SELECT total_changes()").scalar_one()
    assert len(catalog.evidence.bands(PlaneKey(stream.id, 0, "sum"))) == 1

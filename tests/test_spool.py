"""Sums and waiting frames in temporary files."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from defectmap.errors import DefectmapError
from defectmap.model import tally
from defectmap.model.study import Gatherer
from defectmap.simulation import SimulatedCamera
from defectmap.spool import SpoolDesk, SpooledSums

TYPES = {"n": np.dtype(np.uint8), "z_sum": np.dtype(np.int16), "value_sumsq": np.dtype(np.uint64)}


@pytest.mark.parametrize("kind", ["raw", "jpeg"])
def test_sums_in_files_are_those_in_memory(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Frames added by way of files give the sums and the sightings that they give in memory, to the bit."""
    monkeypatch.setattr(tally, "_BAND_SITES", 1000)
    camera = SimulatedCamera(seed=3, height=60, width=90)
    here, there = Gatherer(), Gatherer(desk=SpoolDesk(tmp_path))
    for frame, conditions in camera.frames_raw(21) if kind == "raw" else camera.frames_jpeg(21):
        here.add(frame, conditions)
        there.add(frame, conditions)
    wanted, found = here.arrays(), there.arrays()
    assert wanted.keys() == found.keys()
    for name, array in wanted.items():
        assert np.array_equal(array, np.asarray(found[name])), name
    for one, other in zip(here.witnesses(), there.witnesses(), strict=True):
        assert np.array_equal(one.sightings, other.sightings)
        assert np.array_equal(one.faint.records, other.faint.records)
        assert one.counted == other.counted


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=5))
def test_any_rows_are_read_as_they_were_put(tmp_path_factory: pytest.TempPathFactory, parts: list) -> None:
    """Any slice of rows of any plane is what was put there; rows that were never put are zero."""
    rng = np.random.default_rng(1)
    shelf = SpoolDesk(tmp_path_factory.mktemp("spool")).shelf((9, 4), TYPES)
    wanted = {name: np.zeros((9, 4), dtype) for name, dtype in TYPES.items()}
    for rows in (slice(0, 4), slice(4, 8), slice(0, 4)):
        sums = shelf.take(rows)
        for name, array in sums.items():
            assert np.array_equal(array, wanted[name][rows])
            array[...] = rng.integers(0, 100, array.shape)
            wanted[name][rows] = array
        shelf.put(rows, sums)
    planes = pickle.loads(pickle.dumps(shelf.planes()))  # as workers pass them on
    for first, past in [(0, 9), *parts]:
        for name, plane in planes.items():
            block = plane[first:past]
            assert block.dtype == TYPES[name]
            assert np.array_equal(block, wanted[name][first:past])


def test_a_folder_that_is_gone_is_told_with_what_to_do(tmp_path: Path) -> None:
    """Where no file can be written the error names the folder and the way out."""
    desk = SpoolDesk(tmp_path / "gone")
    for work in (lambda: desk.shelf((2, 2), TYPES), lambda: desk.keep(np.zeros((2, 2), np.uint8))):
        with pytest.raises(DefectmapError, match=r"gone cannot be written to .*TMPDIR"):
            work()


def test_cleared_sums_leave_nothing(tmp_path: Path) -> None:
    """The files go with the sums."""
    sums = SpooledSums(SpoolDesk(tmp_path).shelf((3, 4), TYPES).planes())
    assert list(tmp_path.iterdir())
    sums.clear()
    assert not sums
    assert not list(tmp_path.iterdir())

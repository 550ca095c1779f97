"""Sums of several epochs, read by bands."""

from __future__ import annotations

import numpy as np
import pytest
from sqlalchemy import update

from defectmap.catalog import planes, reading
from defectmap.catalog.reading import stored_sums
from defectmap.catalog.records import StreamRecord
from defectmap.catalog.schema import PlaneRow
from defectmap.catalog.store import Catalog
from defectmap.errors import CatalogError

SHAPE = (67, 11)
TYPES = {"n": np.uint32, "z_sum": np.int32, "hot_sum": np.int64, "over": np.uint16}


@pytest.fixture(autouse=True)
def small_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut planes into bands of few rows, as many as their types allow."""
    monkeypatch.setattr(planes, "BAND_BYTES", 600)


def store(catalog: Catalog, stream: StreamRecord, epoch: int) -> dict[str, np.ndarray]:
    """Add planes of an epoch."""
    rng = np.random.default_rng(epoch)
    arrays = {name: rng.integers(0, 99, SHAPE).astype(dtype) for name, dtype in TYPES.items()}
    catalog.evidence.add_to_planes(stream.id, epoch, {f"luma.{name}": a for name, a in arrays.items()})
    return arrays


def test_bands_add_up_the_epochs(catalog: Catalog, stream: StreamRecord) -> None:
    """All bands put together are the sum of the epochs, whatever bands each plane is stored in."""
    first, second = store(catalog, stream, 0), store(catalog, stream, 2019)
    for epochs, parts in (([0], [first]), ([0, 2019], [first, second])):
        sums = stored_sums(catalog.evidence, stream.id, epochs, "luma")
        assert sums.shape == SHAPE
        bands = list(sums.bands(*TYPES))
        assert len(bands) > 5
        for name, dtype in TYPES.items():
            whole = np.concatenate([band.sums[name] for band in bands])
            assert whole.dtype == dtype
            np.testing.assert_array_equal(whole, sum(part[name] for part in parts))


def test_single_sites_are_found(catalog: Catalog, stream: StreamRecord) -> None:
    """Sites of few rows are read from the bands that hold them, without the others being looked at."""
    arrays = store(catalog, stream, 0)
    bad = PlaneRow.name == "luma.n", PlaneRow.first_row == 0
    catalog.evidence._database.connection.execute(update(PlaneRow).where(*bad).values(checksum=b"nonsense"))
    sums = stored_sums(catalog.evidence, stream.id, [0], "luma")
    sites = np.array([SHAPE[1] * 66 + 3, SHAPE[1] * 30])
    sums.hold({"n": sites, "over": sites[:1]})
    assert sums.at("n", sites).tolist() == arrays["n"].ravel()[sites].tolist()
    assert sums.at("over", sites).tolist() == arrays["over"].ravel()[sites].tolist()
    with pytest.raises(CatalogError, match=r"plane 'luma\.n' of stream 1, rows from 0.*checksum"):
        sums.at("n", np.array([4]))


def test_sums_that_leave_their_type_are_refused(catalog: Catalog, stream: StreamRecord) -> None:
    """Epochs whose sum does not fit are an error, never a wrong sum."""
    for epoch in (0, 1):
        arrays = {"luma.n": np.full(SHAPE, 1 << 31, np.uint32)}
        catalog.evidence.add_to_planes(stream.id, epoch, arrays)
    with pytest.raises(CatalogError, match="is full"):
        list(stored_sums(catalog.evidence, stream.id, [0, 1], "luma").bands("n"))


def test_absent_planes_are_an_error(catalog: Catalog, stream: StreamRecord) -> None:
    """There are no sums of a plane that was never added."""
    with pytest.raises(KeyError, match="no plane 'luma'"):
        reading.stored_sums(catalog.evidence, stream.id, [0], "luma")

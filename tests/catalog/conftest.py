"""A catalog to test with, and short ways to fill it."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from defectmap.catalog.records import FrameRecord, StreamRecord
from defectmap.catalog.store import Catalog, open_catalog
from defectmap.model.frame import Conditions
from defectmap.model.sensor import Grid, SensorIdentity

SIGHTING = np.dtype([("row", "<u2"), ("col", "<u2"), ("z", "<f4")])


@pytest.fixture(scope="session")
def empty_catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a new catalog, made once; to be copied."""
    path = tmp_path_factory.mktemp("empty") / "catalog.sqlite"
    open_catalog(path, create=True).close()
    return path


@pytest.fixture
def new_catalog(empty_catalog: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Make an empty catalog of a given name."""
    return lambda name: Path(shutil.copyfile(empty_catalog, tmp_path / name))


@pytest.fixture
def catalog(new_catalog: Callable[[str], Path]) -> Iterator[Catalog]:
    """Return an open empty catalog that does not wait for other writers."""
    with open_catalog(new_catalog("catalog.sqlite"), busy_timeout_s=0) as opened:
        yield opened


@pytest.fixture(scope="session")
def d80() -> SensorIdentity:
    """Return a camera."""
    return SensorIdentity("NIKON CORPORATION", "NIKON D80", "3012345")


@pytest.fixture(scope="session")
def d80_stream(d80: SensorIdentity) -> Callable[[Catalog], StreamRecord]:
    """Get or add a small JPEG stream of the camera."""
    return lambda catalog: catalog.sensors.stream(
        catalog.sensors.sensor(d80).id, Grid("jpeg", 6, 8), None, method=1
    )


@pytest.fixture
def stream(catalog: Catalog, d80_stream: Callable[[Catalog], StreamRecord]) -> StreamRecord:
    """Return that stream in the open catalog."""
    return d80_stream(catalog)


@pytest.fixture(scope="session")
def frame() -> Callable[..., FrameRecord]:
    """Make a frame whose content is its name."""

    def make(name: str, *, hour: int | None = 0, epoch: int = 0, counted: bool = True) -> FrameRecord:
        captured = None if hour is None else datetime(2009, 5, 1) + timedelta(hours=hour, microseconds=70000)
        digest = hashlib.blake2b(name.encode(errors="surrogateescape"), digest_size=32).digest()
        conditions = Conditions(captured=captured, exposure_s=1 / 60, iso=400.0, software="Ver.1.01")
        return FrameRecord(digest, name, conditions, b"signature of " + digest[:4], counted, epoch)

    return make


@pytest.fixture(scope="session")
def sightings() -> Callable[..., np.ndarray]:
    """Make sightings at given sites."""
    return lambda *sites: np.array([(row, col, 6.5) for row, col in sites], dtype=SIGHTING)

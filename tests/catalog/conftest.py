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

D80 = SensorIdentity("NIKON CORPORATION", "NIKON D80", "3012345")
GRID = Grid("jpeg", 24, 36)
SIGHTING = np.dtype([("row", "<u2"), ("col", "<u2"), ("z", "<f4")])

NewCatalog = Callable[[str], Path]


@pytest.fixture(scope="session")
def _empty_catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("empty") / "catalog.sqlite"
    open_catalog(path, create=True).close()
    return path


@pytest.fixture
def new_catalog(_empty_catalog: Path, tmp_path: Path) -> NewCatalog:
    """Make an empty catalog of a given name."""

    def make(name: str) -> Path:
        return Path(shutil.copyfile(_empty_catalog, tmp_path / name))

    return make


@pytest.fixture
def catalog(new_catalog: NewCatalog) -> Iterator[Catalog]:
    """Return an open empty catalog."""
    with open_catalog(new_catalog("catalog.sqlite"), busy_timeout_s=0.2) as opened:
        yield opened


@pytest.fixture
def stream(catalog: Catalog) -> StreamRecord:
    """Return a JPEG stream of a camera in the catalog."""
    return d80_stream(catalog)


def d80_stream(catalog: Catalog) -> StreamRecord:
    """Get or add the JPEG stream of the D80."""
    return catalog.sensors.stream(catalog.sensors.sensor(D80).id, GRID, None, method=1)


def frame(name: str, *, hour: int | None = 0, epoch: int = 0, counted: bool = True) -> FrameRecord:
    """Make a frame whose content is its name."""
    captured = None if hour is None else datetime(2009, 5, 1) + timedelta(hours=hour, microseconds=70000)
    digest = hashlib.blake2b(name.encode(errors="surrogateescape"), digest_size=32).digest()
    conditions = Conditions(captured=captured, exposure_s=1 / 60, iso=400.0, software="Ver.1.01")
    return FrameRecord(digest, name, conditions, b"signature of " + digest[:4], counted, epoch)


def sightings(*sites: tuple[int, int]) -> np.ndarray:
    """Make sightings at given sites."""
    return np.array([(row, col, 6.5) for row, col in sites], dtype=SIGHTING)

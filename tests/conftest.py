"""What the tests share: small simulated cameras and the photos they take."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from defectmap.simulation import Habits, Planting, SimulatedCamera
from defectmap.simulation.files import write_shoot
from defectmap.simulation.truth import GroundTruth

if TYPE_CHECKING:
    from .fixing import World


# A busy machine is no fault of the program's; and what lands a change must not depend on luck.
settings.register_profile(
    "here", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize="CI" in os.environ
)
settings.load_profile("here")


def small_camera(seed: int = 1, serial: str = "3012345", **options: object) -> SimulatedCamera:
    """Return a camera of few photosites with defects of every kind, all bad for all its life."""
    settings: dict[str, object] = {
        "height": 120,
        "width": 160,
        "days": 100,
        "start": datetime(2010, 5, 1, 12),
        "planting": Planting(per_stratum=1, late_share=0.0, healed_share=0.0),
        "habits": Habits(tripod_share=0.4, tripod_run=(4, 8)),
    }
    return SimulatedCamera(seed=seed, serial=serial, **{**settings, **options})  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, GroundTruth]:
    """Forty photos of a small camera as NEF, a good part of them in tripod series; read only."""
    folder = tmp_path_factory.mktemp("library")
    return folder, write_shoot(small_camera(), folder, 40, formats=("nef",))


@pytest.fixture(autouse=True)
def library_log() -> None:
    """Give each test the log of a library: a command line that runs in this process takes it over."""
    logger = logging.getLogger("defectmap")
    logger.handlers, logger.propagate = [], True
    logger.setLevel(logging.NOTSET)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Take photos of four bad photosites, to be copied."""
    from .fixing import take_photos

    folder = tmp_path_factory.mktemp("template")
    take_photos(folder)
    return folder


@pytest.fixture
def world(template: Path, tmp_path: Path) -> Iterator[World]:
    """Copy these photos and put them into a catalog that has a map of them."""
    from .fixing import make_world

    made = make_world(template, tmp_path)
    yield made
    made.catalog.close()

"""The command line called in this process, and a small library of photos to call it on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from defectmap.cli import fixing, ingesting, main
from defectmap.model.defects import Kind
from defectmap.simulation import TWELVE_BIT, Habits, PlantedDefect, SimulatedCamera
from defectmap.simulation.files import write_shoot

PLANTED = (
    PlantedDefect(20, 24, Kind.STUCK, "strong", level=1.0),
    PlantedDefect(41, 90, Kind.DEAD, "strong", gain=0.0),
    PlantedDefect(70, 100, Kind.BRIGHT, "strong", gain=2.5, onset=datetime(2010, 6, 20)),
)
SHOTS = 16


def camera(seed: int = 1, serial: str = "3012345", model: str = "NIKON D80") -> SimulatedCamera:
    """Return a camera of few photosites, three of them bad."""
    return SimulatedCamera(
        seed=seed,
        height=96,
        width=128,
        model=model,
        serial=serial,
        start=datetime(2010, 5, 1, 12),
        days=100,
        electronics=TWELVE_BIT,
        habits=Habits(tripod_share=0.0, isos=(100, 200), exposures_s=((1 / 200, 1 / 50, 1.0),)),
        defects=PLANTED,
    )


@dataclass(frozen=True)
class Result:
    """What a call left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The document on stdout, which holds nothing else."""
        return json.loads(self.out)


Call = Callable[..., Result]


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen shots as packed NEF and JPEG; read only."""
    folder = tmp_path_factory.mktemp("photos")
    write_shoot(camera(), folder, SHOTS, ("nef", "jpeg"), compressions=("packed",))
    return folder


@pytest.fixture
def call(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    """Call the command line with a catalog of the test's own."""
    monkeypatch.setenv("DEFECTMAP_CATALOG", str(tmp_path / "catalog.sqlite"))
    for module in (ingesting, fixing):
        monkeypatch.setattr(module, "processors", lambda: 1)

    def run(*arguments: str | Path) -> Result:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        return Result(code, *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def ready(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the catalog of the photos; to be copied."""
    path = tmp_path_factory.mktemp("ready") / "catalog.sqlite"
    assert main(["--catalog", str(path), "-q", "ingest", str(photos), "--workers", "1"]) == 0
    return path


@pytest.fixture
def known(call: Call, ready: Path, tmp_path: Path) -> Call:
    """Call the command line with a catalog that knows the photos."""
    shutil.copyfile(ready, tmp_path / "catalog.sqlite")
    return call

"""Photos as people have them: copies, reset clocks, turned cameras, small sizes, strong compression."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from defectmap.catalog.store import open_catalog
from defectmap.detect import detect
from defectmap.ingest import IngestOutcome, ingest
from defectmap.model.defects import DefectMap, Kind
from defectmap.model.frame import Conditions
from defectmap.overview import newest_map
from defectmap.simulation import Habits, PlantedDefect, SimulatedCamera
from defectmap.simulation.exif import exif_segment
from defectmap.simulation.render import encode, render

HEIGHT, WIDTH, FRAMES = 240, 320, 30
EDGES = ((0, 60), (1, 150), (2, 241), (239, 200), (60, 0), (121, 1), (180, 2), (90, 319))
INSIDE = ((40, 40), (77, 131), (120, 200), (200, 260), (160, 90), (33, 301))

Picture = NDArray[np.uint8]
Shots = list[tuple[Picture, Conditions]]


def _camera(sites: tuple[tuple[int, int], ...]) -> SimulatedCamera:
    defects = tuple(PlantedDefect(r, c, Kind.OFFSET, "strong", offset_e=150.0) for r, c in sites)
    habits = Habits(tripod_share=0.0, portrait_share=0.0)
    return SimulatedCamera(seed=6, height=HEIGHT, width=WIDTH, days=200, defects=defects, habits=habits)


def _shots(camera: SimulatedCamera) -> Shots:
    return [
        (render(s.mosaic, camera.geometry, camera.white_balance), s.conditions) for s in camera.shots(FRAMES)
    ]


@pytest.fixture(scope="module")
def camera() -> SimulatedCamera:
    """Return a camera whose defects lie inside and on the outermost rows and columns."""
    return _camera(EDGES + INSIDE)


@pytest.fixture(scope="module")
def shots(camera: SimulatedCamera) -> Shots:
    """Return its pictures."""
    return _shots(camera)


@dataclass(frozen=True)
class Album:
    """A folder of JPEGs of one camera."""

    folder: Path
    camera: SimulatedCamera

    def save(self, name: str, picture: Picture, conditions: Conditions, quality: int = 85) -> Path:
        """Write a file as the camera does."""
        exif = exif_segment(picture, self.camera.identity, conditions, (2.0, 1.0, 1.6))
        path = self.folder / name
        path.write_bytes(encode(picture, quality=quality, exif=exif))
        return path

    def judge(self) -> tuple[IngestOutcome, DefectMap]:
        """Ingest the folder into a catalog beside it; return the map of the full size."""
        with open_catalog(self.folder.with_suffix(".sqlite"), create=True) as catalog:
            outcome = ingest(catalog, [self.folder])
            (sensor,) = catalog.sensors.all()
            detect(catalog, sensor)
            stream = max(catalog.sensors.streams(sensor.id), key=lambda s: s.grid.height)
            return outcome, newest_map(catalog, sensor, stream)[1]


Writer = Callable[[Album, int, Picture, Conditions], None]


def _plain(album: Album, number: int, picture: Picture, conditions: Conditions) -> None:
    album.save(f"DSC_{number:04d}.JPG", picture, conditions)


def _twice(album: Album, number: int, picture: Picture, conditions: Conditions) -> None:
    """Write a photo, a copy under another name, and what a program made of it a year later."""
    path = album.save(f"DSC_{number:04d}.JPG", picture, conditions)
    shutil.copy(path, album.folder / f"copy of DSC_{number:04d}.JPG")
    with Image.open(io.BytesIO(path.read_bytes())) as image:
        again = np.asarray(image.convert("RGB"))
    assert conditions.captured is not None
    later = replace(conditions, captured=conditions.captured + timedelta(days=365), shutter_count=None)
    album.save(f"saved_{number:04d}.JPG", again, later, quality=75)


def _reset(album: Album, number: int, picture: Picture, conditions: Conditions) -> None:
    """Let the clock begin anew in the middle."""
    if number >= FRAMES // 2:
        conditions = replace(conditions, captured=datetime(2000, 1, 1) + timedelta(minutes=7 * number))
    album.save(f"DSC_{number:04d}.JPG", picture, conditions)


def _turned(album: Album, number: int, picture: Picture, conditions: Conditions) -> None:
    album.save(f"DSC_{number:04d}.JPG", picture, replace(conditions, orientation=(1, 6, 8, 3)[number % 4]))


def _small_too(album: Album, number: int, picture: Picture, conditions: Conditions) -> None:
    album.save(f"DSC_{number:04d}.JPG", picture, conditions)
    small = Image.fromarray(picture).resize((WIDTH // 2, HEIGHT // 2), Image.Resampling.LANCZOS)
    album.save(f"SML_{number:04d}.JPG", np.asarray(small), conditions)


def _album(tmp_path: Path, camera: SimulatedCamera, shots: Shots, write: Writer) -> Album:
    album = Album(tmp_path / write.__name__, camera)
    album.folder.mkdir()
    for number, (picture, conditions) in enumerate(shots):
        write(album, number, picture, conditions)
    return album


@pytest.fixture(scope="module")
def plain(
    camera: SimulatedCamera, shots: Shots, tmp_path_factory: pytest.TempPathFactory
) -> frozenset[tuple[int, int]]:
    """Return what is found in the photos as the camera wrote them."""
    return _album(tmp_path_factory.mktemp("plain"), camera, shots, _plain).judge()[1].sites


def test_edges_are_searched_like_the_rest(plain: frozenset[tuple[int, int]]) -> None:
    """Strong defects on the outermost rows and columns are found like those inside, and nothing else is."""
    for planted in (EDGES, INSIDE):
        hits = [p for p in planted if any(max(abs(p[0] - r), abs(p[1] - c)) <= 1 for r, c in plain)]
        assert len(hits) >= 0.95 * len(planted), sorted(plain)
    assert len(plain) <= len(EDGES + INSIDE)


@pytest.mark.parametrize("write", [_reset, _turned, _small_too])
def test_what_people_do_changes_nothing(
    camera: SimulatedCamera,
    shots: Shots,
    tmp_path: Path,
    plain: frozenset[tuple[int, int]],
    write: Writer,
) -> None:
    """A clock reset, a turned camera or smaller files beside leave the sites what they are."""
    outcome, found = _album(tmp_path, camera, shots, write).judge()
    assert outcome.failed == outcome.skipped == ()
    assert found.sites == plain


def test_copies_count_once(
    camera: SimulatedCamera, shots: Shots, tmp_path: Path, plain: frozenset[tuple[int, int]]
) -> None:
    """Same bytes under two names are one photo; a picture saved again is no second witness."""
    outcome, found = _album(tmp_path, camera, shots, _twice).judge()
    assert (outcome.ingested, outcome.known, outcome.overcounted) == (2 * FRAMES, FRAMES, 0)
    assert found.sites == plain


@pytest.mark.parametrize("quality", [50, 70])
def test_strong_compression_makes_no_defects(tmp_path: Path, quality: int) -> None:
    """A clean camera whose JPEGs are strongly compressed has no defect, and hardly a suspect."""
    clean = _camera(())
    album = Album(tmp_path / "clean", clean)
    album.folder.mkdir()
    for number, (picture, conditions) in enumerate(_shots(clean)):
        album.save(f"DSC_{number:04d}.JPG", picture, conditions, quality)
    _, found = album.judge()
    assert found.defects == ()
    assert len(found.suspects) <= 2

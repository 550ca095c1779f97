"""The demo, on a camera small enough to wait for."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
from PIL import Image

from defectmap.demo import Demonstration, Tally, compare, demonstrate, demonstration_camera
from defectmap.errors import UsageError
from defectmap.model.defects import Defect, DefectMap, Kind
from defectmap.model.sensor import Grid
from defectmap.simulation import TWELVE_BIT, Habits, PlantedDefect, SimulatedCamera

CAMERA = SimulatedCamera(
    height=96,
    width=128,
    days=100,
    electronics=TWELVE_BIT,
    habits=Habits(tripod_share=0.0, isos=(100,), exposures_s=((1 / 200, 1 / 50, 1.0),)),
    defects=(
        PlantedDefect(20, 24, Kind.STUCK, "strong", level=1.0),
        PlantedDefect(41, 90, Kind.DEAD, "strong", gain=0.0),
        PlantedDefect(60, 60, Kind.HOT, "strong", rate_e_per_s=500, onset=datetime(2100, 1, 1)),
    ),
)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Demonstration:
    """Return a demonstration of ten shots."""
    return demonstrate(tmp_path_factory.mktemp("demo") / "new", camera=CAMERA, shots=10)


def test_it_finds_what_was_planted(shown: Demonstration) -> None:
    """Both bad sites are found on the raw grid, without a false alarm; a later one does not count."""
    assert shown.photos == 20
    raw = shown.comparisons[0]
    assert (raw.grid.kind, raw.total) == ("raw", (2, 2, 0))
    assert {tally.kind for tally in raw.tallies} == {Kind.STUCK, Kind.DEAD}


def test_it_shows_repaired_photos(shown: Demonstration) -> None:
    """A raw and a JPEG are repaired, each with a picture that is there to look at."""
    assert [repair.status for repair in shown.repairs] == ["repaired", "repaired"]
    assert len(shown.pictures) == 2
    for picture in shown.pictures:
        with Image.open(picture) as image:
            assert image.width > image.height / 2


def test_it_can_be_run_again(shown: Demonstration) -> None:
    """The photos are used again, and the figures are the same."""
    photo = next((shown.directory / "photos").glob("*.NEF"))
    before = photo.stat().st_ino, photo.stat().st_mtime_ns
    again = demonstrate(shown.directory, camera=CAMERA, shots=10)
    assert again.comparisons == shown.comparisons
    assert (photo.stat().st_ino, photo.stat().st_mtime_ns) == before


def test_it_leaves_other_folders_alone(tmp_path: Path) -> None:
    """A folder that holds something else is refused, and nothing is put into it."""
    (tmp_path / "thesis.txt").write_text("four years of work")
    with pytest.raises(UsageError, match="not empty"):
        demonstrate(tmp_path, camera=CAMERA, shots=2)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_every_kind_is_planted() -> None:
    """The camera that users see has defects of every kind."""
    assert {defect.kind for defect in demonstration_camera().truth.defects} == set(Kind)


def test_a_jpeg_may_be_two_pixels_off() -> None:
    """Found, missed and false are told apart by position: exact for raw, within two pixels for JPEG."""
    truth = CAMERA.truth.with_frames(CAMERA.plan(3))

    def found(kind: str, *sites: tuple[int, int]) -> list[Tally]:
        entries = tuple(Defect(row, col, Kind.STUCK, "G", 1.0, "DN", 9.0, 5, 5) for row, col in sites)
        grid = Grid("jpeg" if kind == "jpeg" else "raw", 96, 128)
        return [tally for tally in compare(truth, DefectMap(grid, entries)) if tally.kind is Kind.STUCK]

    assert found("jpeg", (22, 22)) == [Tally(Kind.STUCK, 1, 1, 0)]
    assert found("raw", (22, 22)) == [Tally(Kind.STUCK, 1, 0, 1)]
    assert found("raw", (20, 24), (5, 5)) == [Tally(Kind.STUCK, 1, 1, 1)]

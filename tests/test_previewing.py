"""Promises of one frame for raw and JPEG, from photos to repaired photos."""

from __future__ import annotations

from pathlib import Path

import pytest

from defectmap.catalog.store import Catalog, open_catalog
from defectmap.detect import Detection, detect
from defectmap.fix import carry_out, plan
from defectmap.ingest import ingest
from defectmap.media.raw import read_preview
from defectmap.merge import merge
from defectmap.simulation import TWELVE_BIT, Habits, Planting, SimulatedCamera
from defectmap.simulation.files import write_shoot

from .conftest import small_camera

CROP = (2, 5, 4, 1)


def camera(**options: object) -> SimulatedCamera:
    """Return a camera whose JPEGs leave a few rows and columns out."""
    settings: dict[str, object] = {
        "height": 240,
        "width": 320,
        "electronics": TWELVE_BIT,
        "habits": Habits(tripod_share=0.0, portrait_share=0.0),
        "planting": Planting(per_stratum=2, late_share=0.0, healed_share=0.0),
        "jpeg_crop": CROP,
    }
    return small_camera(**{**settings, **options})


def judge(catalog: Catalog) -> Detection:
    """Detect for the one camera of a catalog."""
    (sensor,) = catalog.sensors.all()
    return detect(catalog, sensor)


@pytest.fixture(scope="module")
def with_previews(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write NEFs that hold a JPEG of full size."""
    folder = tmp_path_factory.mktemp("previews")
    write_shoot(camera(), folder, 24, ("nef",), preview=True)
    return folder


def test_raw_files_alone_repair_jpegs(with_previews: Path, tmp_path: Path) -> None:
    """A shoot of NEFs makes the JPEGs of the same body repairable, of which none was ever seen."""
    truth = write_shoot(camera(), tmp_path / "jpegs", 3, ("jpeg",), first=100)
    with open_catalog(tmp_path / "catalog.sqlite", create=True) as catalog:
        ingest(catalog, [with_previews])
        detection = judge(catalog)
        raw, jpeg = detection.revision.maps.values()
        assert (raw.grid.kind, jpeg.grid.kind, jpeg.grid.height, jpeg.grid.width) == ("raw", "jpeg", 234, 314)
        inside = {(r - CROP[0], c - CROP[1]) for r, c in raw.sites} & {
            (r, c) for r in range(234) for c in range(314)
        }
        assert len(inside) >= 10
        assert jpeg.sites == inside
        assert {d.origin for d in jpeg} == {"raw:324x243"}
        (entry,) = detection.revision.content.provenance["registrations"]
        assert (entry["registered"], entry["row"], entry["col"], entry["basis"]) == (
            True,
            2.0,
            5.0,
            "preview",
        )

        made = plan(catalog, [detection.sensor], [tmp_path / "jpegs"])
        repairs = list(carry_out(catalog, made, workers=1))
        assert {repair.status for repair in repairs} == {"repaired"}
        planted = {(r - CROP[0], c - CROP[1]) for r, c in truth.sites}
        assert all(set(repair.repaired) <= planted for repair in repairs)
        assert not judge(catalog).is_new


def test_one_of_the_files_tells(with_previews: Path, tmp_path: Path) -> None:
    """Whichever files come first, in one run or several, the registration is the same; a merge keeps it."""
    paths = sorted(with_previews.glob("*.NEF"))
    seen = []
    for number, goes in enumerate(([paths], [paths[12:], paths[:12]], [paths[5:6], paths[:5], paths[6:]])):
        with open_catalog(tmp_path / f"{number}.sqlite", create=True) as catalog:
            for go in goes:
                ingest(catalog, go)
            (sensor,) = catalog.sensors.all()
            (found,) = catalog.sensors.registrations(sensor.id).values()
            seen.append((found.source, found.target, found.scale, found.row, found.col, found.basis))
    assert len(set(seen)) == 1
    with open_catalog(tmp_path / "merged.sqlite", create=True) as catalog:
        merge(catalog, [tmp_path / "0.sqlite"])
        (sensor,) = catalog.sensors.all()
        assert [found.basis for found in catalog.sensors.registrations(sensor.id).values()] == ["preview"]


def test_defects_alone_register_and_support(tmp_path: Path) -> None:
    """NEFs without previews and JPEGs register by their defects; each map then holds what the other found."""
    body = camera()
    truth = write_shoot(body, tmp_path / "jpegs", 40, ("jpeg",))
    write_shoot(body, tmp_path / "raws", 4, ("nef",), first=40)
    with open_catalog(tmp_path / "catalog.sqlite", create=True) as catalog:
        ingest(catalog, [tmp_path / "raws"])
        assert len(judge(catalog).revision.maps) == 1
        alone = next(iter(judge(catalog).revision.maps.values())).sites
        ingest(catalog, [tmp_path / "jpegs"])
        detection = judge(catalog)
        raw, _ = detection.revision.maps.values()
        (entry,) = detection.revision.content.provenance["registrations"]
        assert (entry["registered"], entry["row"], entry["col"], entry["basis"]) == (
            True,
            2.0,
            5.0,
            "defects",
        )
        assert entry["chance"] < 1e-4
        assert alone < raw.sites
        carried = {(d.row, d.col) for d in raw if d.origin}
        assert carried
        assert carried <= raw.sites - alone
        assert raw.sites <= truth.sites


def test_unsure_grids_stay_apart(tmp_path: Path) -> None:
    """With too few defects in common nothing is carried over, and the reason is noted."""
    body = camera(planting=Planting(per_stratum=0))
    write_shoot(body, tmp_path, 6, ("nef", "jpeg"))
    with open_catalog(tmp_path / "catalog.sqlite", create=True) as catalog:
        ingest(catalog, [tmp_path])
        detection = judge(catalog)
        (entry,) = detection.revision.content.provenance["registrations"]
        assert entry["registered"] is False
        assert entry["reason"] == "one of the two shows no defect to go by"
        assert all(not found.defects for found in detection.revision.maps.values())


def test_small_previews_tell_nothing(library: tuple[Path, object], tmp_path: Path) -> None:
    """Raw files with a thumbnail only are ingested as ever, with no JPEG stream beside theirs."""
    path = sorted(library[0].glob("*.NEF"))[0]
    assert read_preview(path.read_bytes()) is None
    with open_catalog(tmp_path / "catalog.sqlite", create=True) as catalog:
        ingest(catalog, [path])
        assert [stream.grid.kind for stream in catalog.sensors.streams()] == ["raw"]

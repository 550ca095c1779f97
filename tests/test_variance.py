"""The classic list of lowest variances."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from defectmap.catalog.store import open_catalog
from defectmap.errors import DefectmapError
from defectmap.ingest import ingest
from defectmap.media.discover import read_photo
from defectmap.media.raw import decode_raw
from defectmap.simulation import Habits
from defectmap.simulation.files import write_shoot
from defectmap.variance import lowest_variance

from .conftest import small_camera


def test_list_is_that_of_numpy(tmp_path: Path) -> None:
    """Sites, variances and means are those that numpy computes from the decoded frames, per colour."""
    camera = small_camera(seed=11, habits=Habits(tripod_share=0.0))
    write_shoot(camera, tmp_path, 8, formats=("nef",), compressions=("lossless",))
    frames = [decode_raw(read_photo(path)) for path in sorted(tmp_path.glob("*.NEF"))]
    stack = np.stack([frame.mosaic for frame in frames]).astype(np.float64)
    variance = stack.var(axis=0)
    with open_catalog(tmp_path / "catalog.sqlite", create=True) as catalog:
        ingest(catalog, [tmp_path])
        (stream,) = catalog.sensors.streams()
        listed = lowest_variance(catalog, stream, top=5)
    assert [site.channel for site in listed] == ["B"] * 5 + ["G"] * 5 + ["R"] * 5
    for site in listed:
        if site.frames == len(frames):
            assert site.variance == pytest.approx(variance[site.row, site.col], rel=1e-9)
            assert site.mean == pytest.approx(stack[:, site.row, site.col].mean())
    for letter in "RGB":
        values = [site.variance for site in listed if site.channel == letter]
        assert values == sorted(values)


def test_stuck_and_dead_sites_come_first(tmp_path: Path) -> None:
    """The constant sites of the sensor lead the list."""
    camera = small_camera(seed=12, habits=Habits(tripod_share=0.0))
    write_shoot(camera, tmp_path, 15, formats=("nef",))
    constant = {(d.row, d.col) for d in camera.truth.defects if d.kind in {"stuck", "dead"}}
    with open_catalog(tmp_path / "catalog.sqlite", create=True) as catalog:
        ingest(catalog, [tmp_path])
        (stream,) = catalog.sensors.streams()
        listed = {(s.row, s.col) for s in lowest_variance(catalog, stream, top=len(constant))}
    assert len(constant & listed) >= len(constant) - 1


def test_one_photo_has_no_variance(tmp_path: Path) -> None:
    """With a single photo the list is refused with the next step."""
    write_shoot(small_camera(seed=13), tmp_path, 1, formats=("jpeg",))
    with open_catalog(tmp_path / "catalog.sqlite", create=True) as catalog:
        ingest(catalog, [tmp_path])
        (stream,) = catalog.sensors.streams()
        with pytest.raises(DefectmapError, match="ingest more"):
            lowest_variance(catalog, stream)

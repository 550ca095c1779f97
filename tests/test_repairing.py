"""Correcting photos in worker processes."""

from __future__ import annotations

import io
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from defectmap.errors import FailedPhotoError, SkippedPhotoError
from defectmap.media.discover import content_digest
from defectmap.media.raw import decode_raw
from defectmap.media.rawpatch import patch_raw
from defectmap.media.rawpreviews import embedded_jpegs
from defectmap.model.defects import Defect, Structure, StructureKind
from defectmap.model.frame import Conditions
from defectmap.model.registration import Registration
from defectmap.model.sensor import Grid
from defectmap.repairing import Corrected, Correction, correct, correct_all
from defectmap.simulation.files import write_shoot

from .fixing import PLANTED, camera


class Deadly:
    """Ends the process that receives it, as a decoder does that crashes."""

    def __reduce__(self) -> Any:
        return os._exit, (1,)


@pytest.fixture
def tasks(tmp_path: Path) -> list[Correction]:
    """Return three photos to correct."""
    body = camera()
    write_shoot(body, tmp_path, 3, ("nef",), compressions=("packed",))
    defects = tuple(Defect(d.row, d.col, d.kind, "R", 1.0, "DN", 9.0, 5, 5) for d in PLANTED)
    return [
        Correction(
            p, content_digest(p.read_bytes()), body.geometry.grid, body.identity, Conditions(), defects
        )
        for p in sorted(tmp_path.iterdir())
    ]


def test_a_photo_that_kills_its_worker(tasks):
    """The photo that kills its worker fails; all others are corrected, in their order."""
    first, second, third = tasks
    deadly = replace(first, source=Deadly())
    results = list(correct_all([first, deadly, second, third], workers=2))
    assert [type(result) for result in results] == [Corrected, FailedPhotoError, Corrected, Corrected]
    assert "crashed" in results[1].reason
    assert [r.data for r in results if isinstance(r, Corrected)] == [correct(task).data for task in tasks]


def test_a_file_that_changed(tasks):
    """A file that is not what was planned for is not corrected."""
    tasks[0].source.write_bytes(tasks[1].source.read_bytes())
    with pytest.raises(FailedPhotoError, match="has changed"):
        correct(tasks[0])


def test_another_grid(tasks):
    """A raw of another size than the map's is refused with both sizes."""
    grid = replace(tasks[0].grid, width=4000)
    (result,) = correct_all([replace(tasks[0], grid=grid)], workers=1)
    assert "132 x 99" in result.reason
    assert "4000 x 99" in result.reason


def test_a_jpeg_that_cannot_be_patched(tmp_path):
    """A JPEG coded as RGB is skipped with a reason that ends a sentence begun with its name."""
    Image.new("RGB", (128, 96)).save(tmp_path / "a.jpg", keep_rgb=True)
    data = (tmp_path / "a.jpg").read_bytes()
    defect = Defect(20, 24, PLANTED[0].kind, "R", 1.0, "DN", 9.0, 5, 5)
    task = Correction(
        tmp_path / "a.jpg",
        content_digest(data),
        Grid("jpeg", 96, 128),
        camera().identity,
        Conditions(),
        (defect,),
    )
    (result,) = correct_all([task], workers=1)
    assert isinstance(result, SkippedPhotoError)
    assert result.reason.startswith("cannot be repaired: it stores red, green and blue planes")


def test_a_bad_column(tmp_path, tasks):
    """A bad column of a raw is repaired as single sites are, and a lattice is left as it is."""
    healthy = tasks[0].source.read_bytes()
    truth = decode_raw(healthy).mosaic.astype(int)
    column = Structure(StructureKind.COLUMN, 10, 60, 80, 61)
    lattice = Structure(StructureKind.LATTICE, 10, 64, 80, 90, (12, 6), sign=-1)
    spoilt = {(r, c): min(int(truth[r, c]) + 400, 4000) for r, c in column.sites()}
    spoilt |= {(r, c): int(truth[r, c] * 0.6) for r, c in lattice.sites()}
    file = tmp_path / "column.nef"
    file.write_bytes(patch_raw(healthy, spoilt))
    digest = content_digest(file.read_bytes())
    task = replace(tasks[0], source=file, digest=digest, defects=(), structures=(column, lattice))
    result = correct(task)
    repaired = decode_raw(result.data).mosaic.astype(int)
    assert set(result.repaired) <= set(column.sites()) and len(result.repaired) > 60
    error = abs(repaired - truth)[10:80, 60]
    assert np.median(error) < 60
    for site in lattice.sites():
        assert repaired[site] == spoilt[site]


def test_the_preview_inside_a_raw(tmp_path):
    """A raw's preview loses its spots with the mosaic; else a note says that it was left."""
    body = camera()
    write_shoot(body, tmp_path, 1, ("nef",), compressions=("lossless",), preview=True)
    (path,) = tmp_path.iterdir()
    data = path.read_bytes()
    defects = tuple(Defect(d.row, d.col, d.kind, "R", 1.0, "DN", 9.0, 5, 5) for d in PLANTED)
    grid = body.geometry.grid
    task = Correction(path, content_digest(data), grid, body.identity, Conditions(), defects)
    picture = Grid("jpeg", body.height, body.width)
    way = Registration(grid, picture, 1.0, 0.0, 0.0, 25, 25, 1e-9, "preview")
    alone, both = correct(task), correct(replace(task, registrations=(way,)))
    assert "128 x 96 pixels (how it lies on the raw frame is not known)" in alone.reason
    assert both.reason == ""
    assert np.array_equal(decode_raw(alone.data).mosaic, decode_raw(both.data).mosaic)
    ((start, end),) = embedded_jpegs(data)
    assert alone.data[start:end] == data[start:end]

    def excess(photo: bytes) -> float:
        with Image.open(io.BytesIO(photo[start:end])) as image:
            pixels = np.asarray(image).astype(int)
        return sum(
            np.abs(pixels[r, c] - np.median(pixels[r - 5 : r + 6, c - 5 : c + 6], axis=(0, 1))).max()
            for r, c in [(20, 24), (40, 60)]
        )

    assert excess(both.data) < 0.4 * excess(data)


@pytest.mark.parametrize("form", ["tiff", "jpeg"])
def test_renderings(tasks, form):
    """A rendered raw is a picture of the visible area in the format asked for."""
    result = correct(replace(tasks[0], form=form))
    assert result.repaired == tuple((d.row, d.col) for d in PLANTED)
    with Image.open(io.BytesIO(result.data)) as image:
        assert image.format == form.upper()
        assert sorted(image.size) == [96, 128]

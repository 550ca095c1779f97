"""What is printed into every picture is told from defects; the planes of a JPEG make one entry."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from defectmap.media.jpeg import decode_jpeg
from defectmap.model.defects import Defect, DefectMap, Kind
from defectmap.model.frame import Conditions, JpegFrame
from defectmap.model.fusing import doubting_patterns
from defectmap.model.sensor import Grid
from defectmap.model.study import Study
from defectmap.simulation import Habits, Planting, SimulatedCamera

HEIGHT, WIDTH, FRAMES = 320, 440, 30
GRID = Grid("jpeg", 3000, 4000)
SPOT = Defect(0, 0, Kind.OFFSET, "W", 9.0, "DN at ISO 100", 9.0, 5, 5)

Painter = Callable[[Image.Image, Conditions], None]


def _date(luma: Image.Image, when: Conditions) -> None:
    assert when.captured is not None
    text = when.captured.strftime("%d.%m.%Y %H:%M")
    ImageDraw.Draw(luma).text((WIDTH - 270, HEIGHT - 50), text, 250, ImageFont.load_default(30))


def _logo(luma: Image.Image, _: Conditions) -> None:
    pen = ImageDraw.Draw(luma)
    pen.rectangle((20, 20, 120, 60), fill=230)
    pen.ellipse((30, 25, 60, 55), fill=20)
    pen.text((65, 25), "LOGO", 0, ImageFont.load_default(18))


def _edge(luma: Image.Image, _: Conditions) -> None:
    ImageDraw.Draw(luma).rectangle((0, 0, WIDTH - 1, HEIGHT - 1), outline=0)


def _box(luma: Image.Image, _: Conditions) -> None:
    ImageDraw.Draw(luma).rectangle((20, 20, 120, 60), outline=255)


def _glyphs(luma: Image.Image, _: Conditions) -> None:
    pen = ImageDraw.Draw(luma)
    for place, letter in enumerate((":", "1", "'", "i", "L", "12")):
        pen.text((40 + 120 * (place % 3), 60 + 130 * (place // 3)), letter, 240, ImageFont.load_default(24))


@pytest.fixture(scope="module")
def camera() -> SimulatedCamera:
    """Return a camera with two strong defects of a kind, bad for all its life."""
    planting = Planting(per_stratum=2, late_share=0.0, healed_share=0.0)
    return SimulatedCamera(
        seed=25, height=HEIGHT, width=WIDTH, planting=planting, habits=Habits(tripod_share=0.0)
    )


@pytest.fixture(scope="module")
def frames(camera: SimulatedCamera) -> list[tuple[JpegFrame, Conditions]]:
    """Return its JPEGs."""
    return list(camera.frames_jpeg(FRAMES))


def study(frames: list[tuple[JpegFrame, Conditions]], paint: Painter) -> DefectMap:
    """Paint into the pictures, encode them again and judge them."""
    result = Study()
    for frame, when in frames:
        luma = Image.fromarray(frame.luma)
        paint(luma, when)
        file = io.BytesIO()
        luma.save(file, "JPEG", quality=92)
        result.add(replace(frame, luma=decode_jpeg(file.getvalue()).luma), when)
    return result.map()


@pytest.mark.parametrize("paint", [_date, _logo, _edge, _box, _glyphs])
def test_what_is_printed_is_no_defect(
    camera: SimulatedCamera, frames: list[tuple[JpegFrame, Conditions]], paint: Painter
) -> None:
    """Stamps, logos and frames make no defect, and those elsewhere stay."""
    planted = {(d.row, d.col) for d in camera.truth.defects}
    found = study(frames, paint)
    for defect in found.defects:
        assert any(max(abs(r - defect.row), abs(c - defect.col)) <= 1 for r, c in planted), defect
    plain = study(frames, lambda *_: None)
    assert len(found.defects) >= 0.8 * len(plain.defects) >= 8
    # Whole rows and columns are left out as such.
    assert paint is _edge or any("frame" in e.missing for e in found.suspects)


def at(row: int, col: int) -> Defect:
    """Return a defect at a place."""
    return replace(SPOT, row=row, col=col)


def test_strewn_spots_stay() -> None:
    """Spots strewn at random are not doubted, at any usual density."""
    rng = np.random.default_rng(1)
    for count in (3, 100, 1000):
        entries = [at(int(rng.integers(3000)), int(rng.integers(4000))) for _ in range(count)]
        doubted = [e for e in doubting_patterns(entries, GRID, [5] * count, [1] * count) if not e.certain]
        assert len(doubted) <= 0.01 * count


def test_a_heap_is_doubted() -> None:
    """Six spots in a row of letters are suspects that say why; a lone one is not."""
    entries = [at(2900, 3500 + 20 * i) for i in range(6)] + [at(100, 100)]
    judged = doubting_patterns(entries, GRID, [9] * 7, [0] * 7)
    assert [e.certain for e in judged] == [False] * 6 + [True]
    assert "6 spots close together" in judged[0].missing


def test_a_stroke_is_doubted() -> None:
    """A spot that is of one piece with a stroke is a suspect, and so is what lies beside it."""
    judged = doubting_patterns([at(50, 50), at(60, 60), at(500, 500)], GRID, [40, 3, 17], [0, 1, 2])
    assert [e.certain for e in judged] == [False, False, True]


def test_what_covers_more_than_a_pixel_or_two_is_doubted() -> None:
    """A spot of several pixels that keep still is print, however small, and so is what lies beside it."""
    judged = doubting_patterns([at(50, 50), at(60, 60), at(500, 500)], GRID, [5] * 3, [4, 0, 2])
    assert [e.certain for e in judged] == [False, False, True]


def test_corners_of_a_frame_are_doubted() -> None:
    """Spots in the corners of the picture, all as far from its edges, are a frame; two are chance."""
    corners = [at(9, 9), at(9, 3990), at(2990, 9)]
    assert not any(e.certain for e in doubting_patterns(corners, GRID, [3] * 3, [0] * 3))
    assert all(e.certain for e in doubting_patterns(corners[:2], GRID, [3] * 2, [0] * 2))

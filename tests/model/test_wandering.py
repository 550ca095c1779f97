"""Defects that move with the focal length are noticed, and only those."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from defectmap.model.defects import DefectMap
from defectmap.model.frame import Conditions, JpegFrame
from defectmap.model.study import Study

HEIGHT, WIDTH, FRAMES = 330, 440, 48
CENTRE = np.array([(HEIGHT - 1) / 2, (WIDTH - 1) / 2])
HALF = float(np.hypot(*CENTRE))

Lens = Callable[[NDArray[np.float64], float], NDArray[np.float64]]


def straight(places: NDArray[np.float64], focal: float) -> NDArray[np.float64]:
    """Leave defects where they are."""
    return places


def barrel(places: NDArray[np.float64], focal: float) -> NDArray[np.float64]:
    """Move defects outwards at short focal lengths, by twelve pixels in the corners at 18 mm."""
    away = places - CENTRE
    share = np.hypot(*away.T)[:, None] / HALF
    strength = (55.0 - focal) / 37.0
    return np.asarray(places + 12.0 * strength * share**3 * away / (share * HALF))


def photos(lens: Lens, focals: list[float | None], seed: int) -> Iterator[tuple[JpegFrame, Conditions]]:
    """Take grey pictures of a sensor with thirty bright spots."""
    rng = np.random.default_rng(seed)
    places = np.stack([rng.uniform(12, HEIGHT - 13, 30), rng.uniform(12, WIDTH - 13, 30)], axis=1)
    for focal in focals:
        scene = Image.fromarray(rng.uniform(50, 170, (6, 8)).astype(np.float32))
        luma = np.asarray(scene.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC), np.float64)
        luma = luma + rng.normal(0, 3, luma.shape)
        for row, col in lens(places, focal or 18.0):
            r, c = round(float(row)), round(float(col))
            if 2 <= r < HEIGHT - 2 and 2 <= c < WIDTH - 2:
                luma[r, c] += 60
                luma[r - 1 : r + 2, c] += 20
                luma[r, c - 1 : c + 2] += 20
        picture = np.clip(np.rint(luma), 0, 255).astype(np.uint8)
        yield JpegFrame(picture, None, None), Conditions(exposure_s=0.01, iso=100, focal_length_mm=focal)


def study(lens: Lens, focals: list[float | None], seed: int = 1) -> DefectMap:
    """Return the map of such pictures."""
    result = Study()
    for frame, conditions in photos(lens, focals, seed):
        result.add(frame, conditions)
    return result.map()


def moved(found: DefectMap) -> list[tuple[int, int]]:
    """Return the entries that lack one place."""
    return [(e.row, e.col) for e in found if "focal lengths" in e.missing]


@pytest.mark.parametrize("zoom", ["two", "any"])
def test_correction_is_noticed(zoom: str) -> None:
    """Defects far from the centre become suspects that say why; those near it stay, whatever the zoom."""
    rng = np.random.default_rng(2)
    focals: list[float | None] = [
        float(rng.choice([18.0, 55.0]) if zoom == "two" else rng.uniform(18, 55)) for _ in range(FRAMES)
    ]
    found = study(barrel, focals)
    suspects = moved(found)
    assert len(suspects) >= 8
    for entry in found.defects:
        assert np.hypot(*(np.array([entry.row, entry.col]) - CENTRE)) < 0.75 * HALF
    assert any(np.hypot(*(np.array([e.row, e.col]) - CENTRE)) < 0.4 * HALF for e in found.defects)


@pytest.mark.parametrize("seed", [3, 4])
def test_zooming_alone_moves_nothing(seed: int) -> None:
    """With a straight picture at all focal lengths nothing is reported."""
    rng = np.random.default_rng(seed)
    found = study(straight, [float(rng.uniform(18, 55)) for _ in range(FRAMES)], seed)
    assert moved(found) == []
    assert len(found.defects) >= 25


@pytest.mark.parametrize("focal", [None, 18.0])
def test_one_focal_length_tells_nothing(focal: float | None) -> None:
    """At one focal length, or an unknown one, nothing is reported."""
    assert moved(study(barrel, [focal] * FRAMES)) == []

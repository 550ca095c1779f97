"""Promises of registering a raw frame with the camera's own picture of the same exposure."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from defectmap.model.frame import RawFrame
from defectmap.model.preview import register_preview
from defectmap.model.registration import Attempt
from defectmap.simulation.render import framed, render

from ..conftest import small_camera

CAMERA = small_camera(height=400, width=600)


@pytest.fixture(scope="module")
def shot() -> tuple[RawFrame, NDArray[np.uint8]]:
    """Return one raw frame whose visible area lies within margins, and the whole picture of it."""
    (shot,) = CAMERA.shots(1)
    geometry = CAMERA.geometry
    mosaic = shot.mosaic[: CAMERA.height, : CAMERA.width]
    moved = replace(geometry, height=410, width=620, top=6, left=20)
    return RawFrame(np.ascontiguousarray(mosaic), moved), render(
        shot.mosaic, geometry, CAMERA.white_balance, sharpening=0.3
    )


def luma(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the luma of a picture."""
    return np.asarray(Image.fromarray(picture).convert("L"))


def attempt(shot: tuple[RawFrame, NDArray[np.uint8]], picture: NDArray[np.uint8]) -> Attempt:
    """Register a picture with the frame."""
    return register_preview(shot[0], luma(picture))


@pytest.mark.parametrize("crop", [(0, 0, 0, 0), (2, 5, 4, 1), (7, 12, 1, 3), (0, 30, 16, 2)])
def test_offset_is_exact(shot, crop) -> None:
    """What a picture leaves out at the top and the left is found to the photosite, margins included."""
    found = attempt(shot, framed(shot[1], crop)).registration
    assert found is not None
    assert (found.row, found.col, found.scale, found.basis) == (6 + crop[0], 20 + crop[1], 1.0, "preview")
    assert (found.source, found.target.height) == (shot[0].grid, 400 - crop[0] - crop[2])
    assert found.chance < 1e-12


def test_scaled_picture_is_not_registered(shot) -> None:
    """A picture that was made a little smaller fits nowhere as a whole, and the reason says so."""
    small = np.asarray(Image.fromarray(shot[1]).resize((582, 388), Image.Resampling.BICUBIC))
    found = attempt(shot, small)
    assert found.registration is None
    assert "scaled, or distortion straightened" in found.reason or "enough detail" in found.reason


def test_straightened_picture_is_not_registered(shot) -> None:
    """A picture whose distortion the camera straightened by a few pixels is not taken for a shifted one."""
    height, width = 400, 600
    y, x = np.mgrid[:height, :width]
    dy, dx = y - height / 2, x - width / 2
    factor = 1 - 0.012 * (dy**2 + dx**2) / (width / 2) ** 2
    rows = np.rint(height / 2 + dy * factor).astype(int)
    cols = np.rint(width / 2 + dx * factor).astype(int)
    found = attempt(shot, shot[1][rows, cols])
    assert found.registration is None
    assert found.reason


def test_picture_of_another_scene_is_not_registered(shot) -> None:
    """A picture of something else fits nowhere."""
    other = next(small_camera(seed=77, height=400, width=600).shots(1))
    picture = render(other.mosaic, CAMERA.geometry, CAMERA.white_balance)
    assert attempt(shot, picture).registration is None


def test_dark_frame_is_not_registered(shot) -> None:
    """Where nothing shows, nothing is found."""
    rng = np.random.default_rng(1)
    noise = rng.integers(0, 20, shot[0].mosaic.shape).astype(np.uint16)
    dark = RawFrame(noise, shot[0].geometry)
    assert register_preview(dark, np.zeros((400, 600), np.uint8)).registration is None
    assert "detail" in register_preview(dark, luma(shot[1])).reason


def test_small_preview_is_not_registered(shot) -> None:
    """A preview that is not of full size tells nothing of full-size JPEGs."""
    assert attempt(shot, shot[1][::2, ::2]).reason == "the preview is not of full size"

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from defectmap.model.defects import Kind
from defectmap.simulation import TWELVE_BIT, PlantedDefect, SimulatedCamera
from defectmap.simulation.render import encode, render

CAMERA = SimulatedCamera(seed=3, height=120, width=160, electronics=TWELVE_BIT)


@pytest.mark.parametrize(("subsampling", "layout"), [("4:2:0", (2, 2)), ("4:2:2", (2, 1)), ("4:4:4", (1, 1))])
def test_subsampling(subsampling, layout):
    """A JPEG has the chroma subsampling that was asked for."""
    data = encode(np.zeros((32, 32, 3), np.uint8), quality=80, subsampling=subsampling)
    with Image.open(io.BytesIO(data)) as image:
        assert image.layer[0][1:3] == layout


def test_render_keeps_grey():
    """A grey card comes out grey, at the brightness of the sRGB curve."""
    camera = replace(CAMERA, defects=())
    geometry = camera.geometry
    level = np.array([[0.5, 1.0], [1.0, 0.6]]) * 0.2
    mosaic = np.tile(128 + level * 3967, (62, 82))[: geometry.height, : geometry.width]
    picture = render(np.rint(mosaic).astype(np.uint16), geometry, camera.white_balance)
    assert picture.shape == (120, 160, 3)
    assert np.ptp(picture) <= 2
    assert int(picture[60, 80, 1]) == pytest.approx(124, abs=1)  # 255 times sRGB of 0.2


def test_edges_guide_the_demosaicing():
    """A straight edge between two greys stays free of colour away from its own line of pixels."""
    camera = replace(CAMERA, defects=())
    mosaic = np.full((camera.geometry.height, camera.geometry.width), 300, np.uint16)
    mosaic[:, 80:] = 2000
    picture = render(mosaic, camera.geometry, (1.0, 1.0, 1.0)).astype(int)
    colourful = np.ptp(picture, axis=2) > 3
    assert np.flatnonzero(colourful.any(axis=0)).size <= 2


def test_sharpening():
    """Sharpening makes a bright site brighter against its surroundings and leaves flat parts alone."""
    stuck = PlantedDefect(60, 80, Kind.STUCK, "mid", level=0.4)
    camera = replace(CAMERA, defects=(stuck,))
    mosaic = camera.shot(camera.plan(1)[0]).mosaic
    plain = render(mosaic, camera.geometry, camera.white_balance).astype(int)
    sharp = render(mosaic, camera.geometry, camera.white_balance, sharpening=0.5).astype(int)
    contrast = [picture[60, 80].max() - np.median(picture[57:64, 77:84]) for picture in (plain, sharp)]
    assert contrast[1] >= contrast[0]
    flat = np.full_like(mosaic, 1000)
    assert np.array_equal(
        render(flat, camera.geometry, (1.0, 1.0, 1.0)),
        render(flat, camera.geometry, (1.0, 1.0, 1.0), sharpening=1),
    )

"""Crops show what is in a photo, where it is."""

from __future__ import annotations

import numpy as np
import pytest

from defectmap.model.frame import RawFrame
from defectmap.model.sensor import MosaicGeometry
from defectmap.reporting.developing import REACH, jpeg_crop, raw_crop, shown_jpeg, shown_raw

BAYER = ("RG", "GB")
XTRANS = ("GGRGGB", "GGBGGR", "BRGRBG", "GGBGGR", "GGRGGB", "RBGBRG")


def raw_frame(cfa: tuple[str, ...], red: int, green: int, blue: int) -> RawFrame:
    """Return a frame of one colour, 60 by 72 photosites with margins of 3 and 5."""
    pattern = np.array([[{"R": red, "G": green, "B": blue}[letter] for letter in row] for row in cfa])
    mosaic = np.tile(pattern, (60 // len(cfa), 72 // len(cfa))).astype(np.uint16) + 100
    phases = len(cfa) * len(cfa[0])
    return RawFrame(mosaic, MosaicGeometry(64, 80, 3, 5, 60, 72, cfa, (100,) * phases, 4100, "none"))


@pytest.mark.parametrize("cfa", [BAYER, XTRANS])
@pytest.mark.parametrize("place", [(33, 40), (3, 5), (62, 76), (4, 70)])
def test_an_even_frame_has_one_colour_everywhere(cfa: tuple[str, ...], place: tuple[int, int]) -> None:
    """Colours that a photosite does not see are those around it, at the edges too."""
    crop = raw_crop(raw_frame(cfa, 400, 1000, 2000), *place)
    assert crop.shape == (2 * REACH + 1, 2 * REACH + 1, 3)
    inner = crop if cfa is BAYER else crop[REACH - 3 : REACH + 4, REACH - 3 : REACH + 4]
    if cfa is BAYER or place == (33, 40):
        np.testing.assert_allclose(inner, np.broadcast_to([0.1, 0.25, 0.5], inner.shape), atol=1e-12)


def test_a_bad_photosite_is_in_the_middle() -> None:
    """The brightest pixel of a crop is that of the photosite it was cut around."""
    frame = raw_frame(BAYER, 400, 400, 400)
    mosaic = frame.mosaic.copy()
    mosaic[30, 40] = 4000
    crop = raw_crop(RawFrame(mosaic, frame.geometry), 33, 45)
    assert np.unravel_index(crop[:, :, 0].argmax(), crop.shape[:2]) == (REACH, REACH)
    before, after = shown_raw(crop, raw_crop(frame, 33, 45))
    assert before.dtype == np.uint8 and before[REACH, REACH, 0] == 255
    assert after.std() == 0


def test_both_pictures_are_lit_alike() -> None:
    """What is the same in two crops is the same in their pictures."""
    rng = np.random.default_rng(1)
    colours = rng.integers(0, 256, (80, 90, 3), dtype=np.uint8)
    spot = colours.copy()
    spot[40, 41] = 255 - spot[40, 41]
    before, after = shown_jpeg(jpeg_crop(spot, 40, 41), jpeg_crop(colours, 40, 41))
    different = (before != after).any(axis=2)
    assert different[REACH, REACH] and different.sum() == 1

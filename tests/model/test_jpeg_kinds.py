"""Dead and stuck photosites of demosaiced pictures are told from dim and hot ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from defectmap.model.classify import Quiet, SiteRecord
from defectmap.model.defects import Kind
from defectmap.model.evidence import PlaneEvidence
from defectmap.model.jpeg_kinds import jpeg_kind, site_colour, spot_spread

_NONE = np.empty(0)
SITE = SiteRecord(
    spread=0.0,
    share=1.0,
    mean=100.0,
    near_mean=100.0,
    variance=900.0,
    near_variance=900.0,
    quiet={kind: Quiet(0.0, 0.0, 1.0) for kind in (Kind.HOT, Kind.OFFSET, Kind.BRIGHT)},
    excess=_NONE,
    sigma=_NONE,
    light=_NONE,
    cut=np.empty(0, bool),
    dose_s=_NONE,
    gain=_NONE,
)


def seen(level: float, swing: float) -> SiteRecord:
    """Return a site of that mean and swing, as shares of its neighbours'."""
    return replace(SITE, mean=100.0 * level, variance=900.0 * swing**2)


@pytest.mark.parametrize(
    ("colour", "level", "swing"), [("R", 0.42, 0.63), ("G", 0.05, 0.32), ("B", 0.68, 0.78)]
)
def test_dead(colour: str, level: float, swing: float) -> None:
    """What is left of the luma over a dead site depends on its colour."""
    verdict = jpeg_kind(seen(level, swing), colour)
    assert verdict is not None
    assert verdict.kind is Kind.DEAD
    assert jpeg_kind(seen(level, swing), "") is None


@pytest.mark.parametrize(("colour", "level", "swing"), [("R", 0.6, 0.75), ("G", 0.3, 0.4), ("B", 0.82, 0.83)])
def test_dim_is_not_dead(colour: str, level: float, swing: float) -> None:
    """A site of a low gain leaves more."""
    assert jpeg_kind(seen(level, swing), colour) is None


@pytest.mark.parametrize(("level", "swing"), [(0.8, 0.2), (1.0, 0.5), (2.1, 0.3)])
def test_stuck(level: float, swing: float) -> None:
    """A site that hardly swings is stuck, whether above or below its neighbours."""
    verdict = jpeg_kind(seen(level, swing), "R")
    assert verdict is not None
    assert verdict.kind is Kind.STUCK


def test_flat_spots_are_read_deeper() -> None:
    """What coding took from the peak of a spot is told by the pixels beside it."""
    flat = seen(0.56, 0.7)
    assert jpeg_kind(flat, "R") is None
    verdict = jpeg_kind(flat, "R", spread=0.28)
    assert verdict is not None
    assert verdict.kind is Kind.DEAD


def test_bright_frames_tell_the_loss() -> None:
    """A site that loses all in bright frames is dead though coding hides the loss in dark ones."""
    hidden = seen(0.15, 0.4)
    assert jpeg_kind(hidden, "G") is None
    light = np.array([40.0, 60.0, 150.0, 200.0])
    assert jpeg_kind(replace(hidden, light=light, excess=np.array([-10.0, -20.0, -150.0, -198.0])), "G")
    assert not jpeg_kind(replace(hidden, light=light, excess=np.array([-10.0, -20.0, -120.0, -160.0])), "G")


@pytest.mark.parametrize("side", [0, 5, 15])
def test_spread_is_that_of_the_dark_spots(side: int) -> None:
    """The depth beside a spot over the depth of its peak is measured on dark spots alone, by colour."""
    values = np.full((64, 64), 100, np.uint64)
    for row, col, sign in ((20, 20, -1), (40, 44, -1), (20, 50, 1)):
        values[row, col] = 100 + sign * 50
        for y, x in ((-1, 0), (1, 0), (0, -1), (0, 1)):
            values[row + y, col + x] = 100 + sign * (side if sign < 0 else 40)
    luma = PlaneEvidence.empty((64, 64))
    luma.sums["n"][:], luma.sums["value_sum"][:], luma.sums["value_sumsq"][:] = 1, values, values * values
    found = spot_spread({"luma": luma}, [(20, 20), (40, 44), (20, 50), (0, 3)])
    assert found == {"": pytest.approx(side / 50)}


def test_hot_and_bright_are_left() -> None:
    """A site that swings as its neighbours do or more is left to the sightings."""
    assert jpeg_kind(seen(1.2, 1.1), "G") is None
    assert jpeg_kind(replace(seen(0.1, 0.1), near_variance=0.0), "G") is None


@pytest.mark.parametrize(("red", "blue", "colour"), [(6, -1, "R"), (-1, 6, "B"), (-1, -1, "G")])
def test_colour_by_chroma(red: int, blue: int, colour: str) -> None:
    """The chroma that moves with the luma names the colour of the photosite."""
    planes = {}
    for name, size, change in (("luma", 32, 60), ("red", 16, red), ("blue", 16, blue)):
        plane = PlaneEvidence.empty((size, size))
        values = np.full((size, size), 128, np.uint64)
        values[size // 2, size // 2] = 128 + change
        plane.sums["n"][:] = 1
        plane.sums["value_sum"][:] = values
        plane.sums["value_sumsq"][:] = values * values
        planes[name] = plane
    assert site_colour(planes, 16, 16) == colour
    assert site_colour({"luma": planes["luma"]}, 16, 16) == ""

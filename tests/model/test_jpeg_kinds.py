"""Dead and stuck photosites of demosaiced pictures are told from dim and hot ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from defectmap.model.classify import Quiet, SiteRecord
from defectmap.model.defects import Kind
from defectmap.model.evidence import PlaneEvidence
from defectmap.model.jpeg_kinds import jpeg_kind, site_colour

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
    ("colour", "level", "swing"), [("R", 0.45, 0.63), ("G", 0.14, 0.32), ("B", 0.75, 0.78)]
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

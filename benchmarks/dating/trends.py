"""The control: good sites whose surroundings change on a day, which must date nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from benchmarks.dating.methods import SITES
from benchmarks.dating.simulating import FRAMES, Life, Shoots, SiteKind, live, shoot
from defectmap.model.defects import Kind

GOOD = SiteKind(Kind.OFFSET)
"""Taken for a faint offset: the kind whose specks say most."""

_TURN = FRAMES // 2


def _new_lens(shoots: Shoots) -> Shoots:
    """Sharper from a day on: texture is twice as strong."""
    return replace(shoots, texture=np.where(np.arange(FRAMES) >= _TURN, 2.0, 1.0))


def _trip(shoots: Shoots) -> Shoots:
    """Forty frames of bright snow and sharp rocks."""
    away = np.abs(np.arange(FRAMES) - _TURN) < 20
    return replace(shoots, trend=np.where(away, 2.0, 1.0), texture=np.where(away, 3.0, 1.0))


def _dust(shoots: Shoots) -> Shoots:
    """Shade this part of the picture by a mote from a day on."""
    return replace(shoots, trend=np.where(np.arange(FRAMES) >= _TURN, 0.6, 1.0))


TRENDS: Mapping[str, Callable[[Shoots], Shoots]] = {
    "none": lambda shoots: shoots,
    "new lens": _new_lens,
    "trip": _trip,
    "dust": _dust,
}


def good_sites(seed: int, trend: str, count: int) -> list[tuple[Shoots, list[Life]]]:
    """Follow that many good sites, up to a hundred of a camera; those without a sighting too."""
    rng = np.random.default_rng(seed)
    result = []
    while count > 0:
        shoots = TRENDS[trend](shoot(rng, slow=False))
        size = min(count, 100, SITES)
        result.append((shoots, [live(rng, shoots, GOOD, FRAMES) for _ in range(size)]))
        count -= size
    return result

"""Photosites followed through 300 frames, without images.

Exposure, sensitivity, warmth, light and noise are drawn as the reference simulations draw them; scores and
sightings follow as the program makes them: the standard deviation is rounded to its noise code, a photosite
stands out beyond five of them, nothing is said of clipped surroundings, and a frame leaves how light its
blocks were, not the light at the site.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from benchmarks.detection.sensor import BLACK, E_PER_DN, FULL_WELL_E, WHITE, Setting, draw_setting, warming
from defectmap.model.defects import Kind
from defectmap.model.faint import LOUDEST, STEP
from defectmap.model.prediction import code_sigma
from defectmap.model.showing import SHOWN, Seen

FRAMES = 300
SPECKS = 0.002
"""Share of the frames with a speck of the scene on the site, of 4 to 20 standard deviations."""

LEAST = 15
"""Steps from which faint scores are known, 3.75 standard deviations: as of most real raws."""

_READ_E, _READ_DN = 3.0, 2.0
_TEXTURE = 0.03
"""Standard deviation of the heavy-tailed error that texture makes, as a share of the level."""
_LEVEL, _OCTAVES = 0.18, 1.2
_LOCAL_OCTAVES = 0.6
"""Of the light's 1.2 octaves so much lies within the blocks that a frame leaves."""

_CODES = code_sigma(np.arange(128, dtype=np.uint8))
_CLIPPED = 0.94
_RESTLESS = 1.65 / np.sqrt(3.0)
"""Width of a Student's t with three degrees of freedom as the program finds it, half the 95.45 % quantile of
its size, over its standard deviation."""


@dataclass(frozen=True, slots=True)
class SiteKind:
    """A kind of defect and the frames it is followed through.

    Attributes
    ----------
    kind : Kind
        What a detector should call it.
    rate_e, offset_e : tuple of float
        Bounds, log-uniform, in electrons per second at 30 degrees and in electrons; 0 for none.
    gain : tuple of float
        Bounds, uniform.
    slow : bool
        Exposures of 1/15 to 1/2 s at ISO 400 to 1600, in place of ordinary ones.
    """

    kind: Kind
    rate_e: tuple[float, float] = (0.0, 0.0)
    offset_e: tuple[float, float] = (0.0, 0.0)
    gain: tuple[float, float] = (1.0, 1.0)
    slow: bool = False


KINDS: Mapping[str, SiteKind] = {
    "hot, ordinary exposures": SiteKind(Kind.HOT, (50, 5000)),
    "hot, 1/15 to 1/2 s": SiteKind(Kind.HOT, (50, 5000), slow=True),
    "partially stuck, ordinary": SiteKind(Kind.OFFSET, (10, 1000), (10, 300)),
    "partially stuck, 1/15 to 1/2 s": SiteKind(Kind.OFFSET, (10, 1000), (10, 300), slow=True),
    "low gain": SiteKind(Kind.DIM, gain=(0.4, 0.9)),
}


@dataclass(frozen=True, slots=True)
class Shoots:
    """The frames of one camera.

    Attributes
    ----------
    exposure_s, gain, warmth : ndarray of shape (frames,), float64
        Warmth is the factor on dark current; no file tells.
    level : ndarray of shape (frames,), float64
        Mean brightness of each frame as a share of saturation, before what differs from part to part.
    trend, texture : ndarray of shape (frames,), float64
        Factors on brightness and texture; 1 but for trends. Of stronger texture the program finds half: it
        goes by what is usual in a frame.
    """

    exposure_s: NDArray[np.float64]
    gain: NDArray[np.float64]
    warmth: NDArray[np.float64]
    level: NDArray[np.float64]
    trend: NDArray[np.float64]
    texture: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Life:
    """One photosite through all frames.

    Attributes
    ----------
    onset : int
        First bad frame; 0 for bad all along, the number of frames for never.
    seen : Seen
        Its sightings.
    block : ndarray of shape (frames,), float64
        Light that the block of each frame tells, in DN above black.
    clearness : float
        Mean of (light / sigma)^2 over the frames that say something.
    z : ndarray of shape (frames,), float64
        Score of every frame; NaN where nothing was said. Only the methods of others may read it.
    truth : ndarray of shape (frames,), float64
        What the defect adds, were it bad in each frame, in standard deviations. Only a bound may read it.
    """

    onset: int
    seen: Seen
    block: NDArray[np.float64]
    clearness: float
    z: NDArray[np.float64]
    truth: NDArray[np.float64]


def shoot(rng: Generator, *, slow: bool) -> Shoots:
    """Draw the frames of one camera."""
    settings = [draw_setting(rng) for _ in range(FRAMES)]
    if slow:
        settings = [
            Setting(float(np.exp(rng.uniform(np.log(1 / 15), np.log(0.5)))), iso, s.temperature_c, s.level)
            for s, iso in zip(settings, rng.choice([400.0, 800.0, 1600.0], FRAMES), strict=True)
        ]
    return Shoots(
        np.array([s.exposure_s for s in settings]),
        np.array([s.iso / 100.0 for s in settings]),
        np.array([warming(s) for s in settings]),
        np.array([s.level for s in settings]),
        np.ones(FRAMES),
        np.ones(FRAMES),
    )


def live(rng: Generator, shoots: Shoots, kind: SiteKind, onset: int, until: int = FRAMES) -> Life:
    """Follow one photosite that is bad from `onset` on and before `until`."""
    per_dn = E_PER_DN / shoots.gain
    whole = FULL_WELL_E / shoots.gain
    # Light of the block about the frame's mean, and of the site about its block.
    between = np.sqrt(_OCTAVES**2 - _LOCAL_OCTAVES**2 - 0.8**2)
    block = shoots.level * shoots.trend * 2.0 ** rng.normal(0.0, between, FRAMES)
    level = np.minimum(block * 2.0 ** rng.normal(0.0, _LOCAL_OCTAVES, FRAMES), 1.0)
    light = level * whole
    scale = _TEXTURE * shoots.texture * light
    read = np.hypot(_READ_E, _READ_DN * per_dn)
    neighbour = np.sqrt(0.17 * (light + read**2))
    prediction = (
        light + scale / np.sqrt(3.0) * rng.standard_t(3, FRAMES) + neighbour * rng.standard_normal(FRAMES)
    )
    sigma = np.sqrt(
        1.17 * (light + read**2) + (_RESTLESS * scale * (1.0 + shoots.texture) / (2.0 * shoots.texture)) ** 2
    )
    electrons = light.copy()
    bad = (np.arange(FRAMES) >= onset) & (np.arange(FRAMES) < until)
    rate, offset = (_log_uniform(rng, bounds) for bounds in (kind.rate_e, kind.offset_e))
    added = (rng.uniform(*kind.gain) - 1.0) * light + rate * shoots.exposure_s * shoots.warmth + offset
    electrons[bad] += added[bad]
    value = rng.poisson(electrons) + read * rng.standard_normal(FRAMES)
    specks = rng.random(FRAMES) < SPECKS
    value[specks] += (rng.uniform(4.0, 20.0, FRAMES) * sigma)[specks]
    value_dn = np.clip(np.rint(value / per_dn + BLACK), 0, WHITE)
    prediction_dn = np.clip(prediction / per_dn, 0.0, WHITE - BLACK)
    sigma_dn = _CODES[np.clip(np.searchsorted(_CODES, sigma / per_dn), 0, 127)]
    excess = value_dn - BLACK - prediction_dn
    z = np.where(prediction_dn < _CLIPPED * (WHITE - BLACK), excess / sigma_dn, np.nan)
    at = np.flatnonzero(np.abs(np.nan_to_num(z)) > SHOWN)
    cut = (value_dn[at] <= 0) | (value_dn[at] >= 0.99 * WHITE)
    steps = np.trunc(np.nan_to_num(z) / STEP).astype(np.int64)
    faint = np.flatnonzero((np.abs(steps) >= LEAST) & (np.abs(steps) < LOUDEST))
    seen = Seen(at, excess[at], sigma_dn[at], prediction_dn[at], cut, faint, steps[faint])
    clear = ((prediction_dn / sigma_dn)[np.isfinite(z)] ** 2).mean()
    told = np.minimum(block, 1.0) * whole / per_dn
    return Life(onset, seen, told, float(clear), z, added / per_dn / sigma_dn)


def _log_uniform(rng: Generator, bounds: tuple[float, float]) -> float:
    low, high = bounds
    return float(low * (high / low) ** rng.random()) if low > 0 else 0.0

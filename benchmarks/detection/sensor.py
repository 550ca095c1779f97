"""The reference sensor: one megapixel, twelve classes of defects, frames from a seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from benchmarks.detection.scenes import SIDE, Light, with_stars
from defectmap.model.defects import Kind
from defectmap.model.frame import Conditions, RawFrame
from defectmap.model.sensor import MosaicGeometry

BLACK, WHITE = 512, 16383
FULL_WELL_E = 30_000.0
E_PER_DN = FULL_WELL_E / (WHITE - BLACK)
"""Conversion at ISO 100."""

WHITE_BALANCE = (0.5, 1.0, 0.6)
GEOMETRY = MosaicGeometry(SIDE, SIDE, 0, 0, SIDE, SIDE, ("RG", "GB"), (BLACK,) * 4, WHITE, "benchmark")

_READ_E, _READ_DN = 3.0, 2.0
_REFERENCE_C, _DOUBLING_C = 30.0, 7.0
_SPACING, _MARGIN = 8, 4
_START = datetime(2020, 1, 1, 12)
# Keys of the random streams, so that more of one never moves another.
_DEFECTS, _FRAME, _TRIPOD = range(3)

Quantity = Literal["rate_e_per_s", "offset_e", "level", "gain"]


@dataclass(frozen=True, slots=True)
class DefectClass:
    """One of the twelve: what is wrong, and within which bounds.

    Attributes
    ----------
    kind : Kind
        What a detector should call it.
    quantity : str
        The field of `Truth` that is drawn.
    low, high : float
    log : bool
        Drawn log-uniformly, else uniformly.
    """

    kind: Kind
    quantity: Quantity
    low: float
    high: float
    log: bool = False


CLASSES: Mapping[str, DefectClass] = {
    "hot_weak": DefectClass(Kind.HOT, "rate_e_per_s", 5, 50, log=True),
    "hot_mid": DefectClass(Kind.HOT, "rate_e_per_s", 50, 500, log=True),
    "hot_strong": DefectClass(Kind.HOT, "rate_e_per_s", 500, 5000, log=True),
    "off_weak": DefectClass(Kind.OFFSET, "offset_e", 3, 10, log=True),
    "off_mid": DefectClass(Kind.OFFSET, "offset_e", 10, 50, log=True),
    "off_strong": DefectClass(Kind.OFFSET, "offset_e", 50, 300, log=True),
    "stuck": DefectClass(Kind.STUCK, "level", 0.02, 1.0),
    "dead": DefectClass(Kind.DEAD, "gain", 0.0, 0.0),
    "low_mild": DefectClass(Kind.DIM, "gain", 0.90, 0.97),
    "low_mid": DefectClass(Kind.DIM, "gain", 0.5, 0.9),
    "low_deep": DefectClass(Kind.DIM, "gain", 0.05, 0.5),
    "high_mid": DefectClass(Kind.BRIGHT, "gain", 1.1, 1.5),
}


@dataclass(frozen=True, slots=True)
class Truth:
    """One planted defect.

    Attributes
    ----------
    row, col : int
    name : str
        Key of `CLASSES`.
    rate_e_per_s : float
        Dark electrons per second at 30 degrees, twice as many every 7 degrees above.
    offset_e : float
        Electrons added to every exposure.
    level : float
        Constant reading as a share of the range from black to white; below 0 for a site that follows light.
    gain : float
        Response to light, 1 for a healthy site.
    """

    row: int
    col: int
    name: str
    rate_e_per_s: float = 0.0
    offset_e: float = 0.0
    level: float = -1.0
    gain: float = 1.0

    @property
    def kind(self) -> Kind:
        """What a detector should call it."""
        return CLASSES[self.name].kind

    @property
    def strength(self) -> float:
        """As `Defect.strength` has it: DN/s or DN at ISO 100, DN above black, or gain."""
        match CLASSES[self.name].quantity:
            case "rate_e_per_s":
                return self.rate_e_per_s / E_PER_DN
            case "offset_e":
                return self.offset_e / E_PER_DN
            case "level":
                return self.level * (WHITE - BLACK)
        return self.gain


def plant(rng: Generator, height: int, width: int, per_class: int) -> tuple[Truth, ...]:
    """Choose that many sites of each class, at least eight rows or columns apart."""
    taken = np.zeros((height, width), bool)
    planted = []
    for name, kind in CLASSES.items():
        missing = per_class
        while missing:
            row = int(rng.integers(_MARGIN, height - _MARGIN))
            col = int(rng.integers(_MARGIN, width - _MARGIN))
            if taken[row, col]:
                continue
            reach = _SPACING - 1
            taken[max(0, row - reach) : row + reach + 1, max(0, col - reach) : col + reach + 1] = True
            drawn = kind.low + (kind.high - kind.low) * rng.random()
            if kind.log:
                drawn = kind.low * (kind.high / kind.low) ** rng.random()
            planted.append(Truth(row, col, name, **{kind.quantity: float(drawn)}))
            missing -= 1
    return tuple(planted)


@dataclass(frozen=True, slots=True)
class Setting:
    """How one frame is taken.

    Attributes
    ----------
    exposure_s, iso : float
    temperature_c : float
        Of the chip; no file tells.
    level : float
        Mean signal as a share of saturation.
    """

    exposure_s: float
    iso: float
    temperature_c: float
    level: float


def draw_setting(rng: Generator) -> Setting:
    """Draw how a frame is taken."""
    share = rng.random()
    low, high = (1e-3, 1 / 15) if share < 0.8 else (1 / 15, 1.0) if share < 0.95 else (1.0, 10.0)
    return Setting(
        exposure_s=float(low * (high / low) ** rng.random()),
        iso=100.0 * 2 ** int(rng.integers(7)),
        temperature_c=float(rng.uniform(15, 40)),
        level=float(0.18 * 2 ** rng.normal(0.0, 0.8)),
    )


@dataclass(frozen=True)
class ReferenceSensor:
    """A sensor and the frames that it takes; any frame at any time is the same.

    Attributes
    ----------
    seed : int
    draw_scene : callable
        From a generator to a scene, see `scenes`.
    per_class : int
        Defects of each of the twelve classes.
    tripod_share : float
        Share of the frames that show one and the same scene, full of stars and glints.
    """

    seed: int
    draw_scene: Callable[[Generator], Light] = field(repr=False)
    per_class: int = 100
    tripod_share: float = 0.0

    @cached_property
    def truths(self) -> tuple[Truth, ...]:
        """The planted defects."""
        return plant(self._rng(_DEFECTS), SIDE, SIDE, self.per_class)

    def frame(self, index: int) -> tuple[RawFrame, Conditions]:
        """Take one frame."""
        rng = self._rng(_FRAME, index)
        setting = draw_setting(rng)
        on_tripod = rng.random() < self.tripod_share
        scene = self._tripod_scene if on_tripod else self.draw_scene(rng)
        light = behind_filters(scene, setting.level)
        when = _START + timedelta(days=index)
        conditions = Conditions(captured=when, exposure_s=setting.exposure_s, iso=setting.iso)
        return RawFrame(expose(light, setting, self.truths, rng), GEOMETRY), conditions

    def setting(self, index: int) -> Setting:
        """Return how a frame was taken, with what no file tells."""
        return draw_setting(self._rng(_FRAME, index))

    def frames(self, count: int) -> Iterator[tuple[RawFrame, Conditions]]:
        """Take the first frames."""
        return (self.frame(index) for index in range(count))

    @cached_property
    def _tripod_scene(self) -> Light:
        rng = self._rng(_TRIPOD)
        return with_stars(self.draw_scene(rng), rng)

    def _rng(self, *key: int) -> Generator:
        return np.random.default_rng([self.seed, *key])


def warming(setting: Setting) -> float:
    """Return the factor on dark current over that at the reference temperature."""
    return float(2.0 ** ((setting.temperature_c - _REFERENCE_C) / _DOUBLING_C))


def behind_filters(scene: Light, level: float) -> NDArray[np.float32]:
    """Return the light on each photosite, as a share of saturation with the given mean."""
    light = np.empty((SIDE, SIDE), np.float32)
    for row, col, channel in ((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 2)):
        light[row::2, col::2] = scene[row::2, col::2, channel] * np.float32(WHITE_BALANCE[channel])
    light *= np.float32(level / max(float(light.mean()), 1e-6))
    return light


def expose(
    light: NDArray[np.float32], setting: Setting, truths: tuple[Truth, ...], rng: Generator
) -> NDArray[np.uint16]:
    """Expose the sensor once and read it out.

    Parameters
    ----------
    light : ndarray of shape (height, width), float32
        1 saturates a healthy site at any sensitivity.
    setting : Setting
    truths : tuple of Truth
    rng : Generator

    Returns
    -------
    ndarray of shape (height, width), uint16
        DN.
    """
    saturation_e = FULL_WELL_E / (setting.iso / 100.0)
    per_dn = E_PER_DN / (setting.iso / 100.0)
    electrons = light * np.float32(saturation_e)
    factor = warming(setting)
    for t in truths:
        electrons[t.row, t.col] *= t.gain
        electrons[t.row, t.col] += t.rate_e_per_s * setting.exposure_s * factor + t.offset_e
    signal = rng.poisson(electrons).astype(np.float32)
    # Read noise before and after the amplifier, in electrons; both are Gaussian, so one draw serves.
    read = np.float32(np.hypot(_READ_E, _READ_DN * per_dn))
    signal += read * rng.standard_normal(light.shape, dtype=np.float32)
    signal *= np.float32(1.0 / per_dn)
    signal += BLACK
    for t in truths:
        if t.level >= 0:
            signal[t.row, t.col] = BLACK + t.level * (WHITE - BLACK) + rng.uniform(-2, 2)
    return np.clip(np.rint(signal), 0, WHITE).astype(np.uint16)

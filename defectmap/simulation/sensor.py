"""The simulated chip: electrons to DN, and photosites that do it wrong in a known way."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from defectmap.model.defects import Kind

Float32 = NDArray[np.float32]

REFERENCE_TEMPERATURE_C = 30.0
DOUBLING_C = 7.0


@dataclass(frozen=True, slots=True)
class Electronics:
    """What turns electrons into DN, and the noise it adds.

    Attributes
    ----------
    bits : int
        Depth of the converter.
    black_dn, white_dn : int
        Level of no light, and of saturation.
    full_well_e : float
        Electrons that reach `white_dn` at ISO 100; in inverse proportion at other speeds.
    read_noise_e, read_noise_dn : float
        Noise before the amplifier and after it.
    gain_spread : float
        Standard deviation of the photosites' gain (photo-response non-uniformity), around 1.
    """

    bits: int = 14
    black_dn: int = 512
    white_dn: int = 16383
    full_well_e: float = 30_000.0
    read_noise_e: float = 3.0
    read_noise_dn: float = 2.0
    gain_spread: float = 0.003

    def electrons_per_dn(self, iso: float) -> float:
        """Return the conversion at a sensitivity, in electrons per DN."""
        return self.full_well_e / (iso / 100.0) / (self.white_dn - self.black_dn)


TWELVE_BIT = Electronics(bits=12, black_dn=128, white_dn=4095, read_noise_dn=0.5)
"""The same chip behind a converter of 12 bits, as in a NIKON D80."""


@dataclass(frozen=True, slots=True)
class PlantedDefect:
    """A photosite made bad on purpose.

    Attributes
    ----------
    row, col : int
        Position in the full stored raw frame.
    kind : Kind
    strength : {"weak", "mid", "strong"}
    rate_e_per_s : float
        Hot: dark electrons per second at `REFERENCE_TEMPERATURE_C`, twice as many every `DOUBLING_C` above.
    offset_e : float
        Offset, or a hot site that is also partially stuck: electrons added to every exposure.
    level : float
        Stuck: constant reading, as a share of the range from black to white.
    gain : float
        Dim and bright: response to light relative to a healthy site; dead: 0.
    telegraph_e : float
        Noisy: electrons between the two states, symmetric around the true value; it changes state at random.
    onset, healed : datetime or None
        Bad from `onset` on (None: always) until before `healed` (None: for ever).
    """

    row: int
    col: int
    kind: Kind
    strength: str
    rate_e_per_s: float = 0.0
    offset_e: float = 0.0
    level: float = 0.0
    gain: float = 1.0
    telegraph_e: float = 0.0
    onset: datetime | None = None
    healed: datetime | None = None

    def bad_at(self, moment: datetime) -> bool:
        """Whether the site misbehaves at that moment."""
        return (self.onset is None or moment >= self.onset) and (self.healed is None or moment < self.healed)


@dataclass(frozen=True, slots=True)
class Planting:
    """How many photosites go bad, how, and when.

    Attributes
    ----------
    per_stratum : int
        Sites per kind and strength; there are 19 strata (a dead site has no degrees).
    spacing : int
        Smallest distance between two of them, in photosites along the rows or columns.
    late_share, healed_share : float
        Shares of the sites that go bad, or recover, within the camera's life instead of before or after it.
    partially_stuck_share : float
        Share of the hot sites that have an offset as well.
    kinds : tuple of Kind
        Which kinds are planted.
    """

    per_stratum: int = 2
    spacing: int = 8
    late_share: float = 0.25
    healed_share: float = 0.05
    partially_stuck_share: float = 0.0
    kinds: tuple[Kind, ...] = tuple(Kind)


# Ranges, log-uniform: electrons per second, electrons, share of the range, gain, electrons.
_STRATA: dict[Kind, tuple[str, dict[str, tuple[float, float]]]] = {
    Kind.HOT: ("rate_e_per_s", {"weak": (5, 50), "mid": (50, 500), "strong": (500, 5000)}),
    Kind.OFFSET: ("offset_e", {"weak": (3, 10), "mid": (10, 50), "strong": (50, 300)}),
    Kind.STUCK: ("level", {"weak": (0.02, 0.1), "mid": (0.1, 0.5), "strong": (0.5, 1.0)}),
    Kind.DEAD: ("gain", {"strong": (0, 0)}),
    Kind.DIM: ("gain", {"weak": (0.9, 0.97), "mid": (0.5, 0.9), "strong": (0.05, 0.5)}),
    Kind.BRIGHT: ("gain", {"weak": (1.03, 1.1), "mid": (1.1, 1.5), "strong": (1.5, 3.0)}),
    Kind.NOISY: ("telegraph_e", {"weak": (10, 30), "mid": (30, 100), "strong": (100, 500)}),
}


def plant(
    rng: Generator, height: int, width: int, planting: Planting, start: datetime, days: float
) -> tuple[PlantedDefect, ...]:
    """Choose bad photosites at random, ordered by (row, col).

    Parameters
    ----------
    rng : Generator
    height, width : int
        Visible area, whose origin is the stored frame's; sites keep four photosites from its border.
    planting : Planting
    start : datetime
    days : float
        The camera's life, in whose middle 80 % onsets and healings fall.

    Returns
    -------
    tuple of PlantedDefect

    Raises
    ------
    ValueError
        When that many sites do not fit at that distance.
    """
    wanted = [
        (kind, strength, _STRATA[kind][0], bounds)
        for kind in planting.kinds
        for strength, bounds in _STRATA[kind][1].items()
        for _ in range(planting.per_stratum)
    ]
    planted = []
    sites = _scatter(rng, height, width, len(wanted), planting.spacing)
    for (row, col), (kind, strength, name, (low, high)) in zip(sites, wanted, strict=True):
        # Every number is drawn for every site, so that one share can change without moving the rest.
        draw, late, when, healing, until, stuck, depth = rng.random(7)
        values = {name: float(low * (high / low) ** draw) if low > 0 else 0.0}
        if kind is Kind.HOT and stuck < planting.partially_stuck_share:
            values["offset_e"] = float(10.0 * 30.0**depth)
        onset = start + timedelta(days=days * (0.1 + 0.8 * when)) if late < planting.late_share else None
        healed = None
        if healing < planting.healed_share:
            begin = 0.1 + 0.8 * when if onset else 0.1
            healed = start + timedelta(days=days * (begin + (0.95 - begin) * (0.3 + 0.6 * until)))
        planted.append(PlantedDefect(row, col, kind, strength, onset=onset, healed=healed, **values))
    return tuple(sorted(planted, key=lambda defect: (defect.row, defect.col)))


def _scatter(rng: Generator, height: int, width: int, count: int, spacing: int) -> list[tuple[int, int]]:
    taken = np.zeros((height, width), bool)
    sites: list[tuple[int, int]] = []
    for _ in range(200 * (count + 1)):
        if len(sites) == count:
            return sites
        row, col = int(rng.integers(4, height - 4)), int(rng.integers(4, width - 4))
        if not taken[row, col]:
            reach = spacing - 1
            taken[max(0, row - reach) : row + reach + 1, max(0, col - reach) : col + reach + 1] = True
            sites.append((row, col))
    raise ValueError(f"{count} sites at least {spacing} apart do not fit on {height} x {width} photosites")


def expose(
    light: Float32,
    electronics: Electronics,
    gains: Float32,
    defects: Iterable[PlantedDefect],
    *,
    iso: float,
    exposure_s: float,
    temperature_c: float,
    rng: Generator,
) -> NDArray[np.uint16]:
    """Expose the chip once and read it out.

    Parameters
    ----------
    light : ndarray of shape (height, width), float32
        Light on each photosite behind its filter, 1 saturates a healthy site.
    electronics : Electronics
    gains : ndarray of shape (height, width), float32
        Response of each healthy photosite.
    defects : iterable of PlantedDefect
        Those that are bad at the time of the exposure.
    iso, exposure_s, temperature_c : float
    rng : Generator
        Source of the noise.

    Returns
    -------
    ndarray of shape (height, width), uint16
        DN.
    """
    per_dn = electronics.electrons_per_dn(iso)
    saturation_e = electronics.full_well_e / (iso / 100.0)
    electrons = light * gains
    electrons *= np.float32(saturation_e)
    defects = list(defects)
    warming = 2.0 ** ((temperature_c - REFERENCE_TEMPERATURE_C) / DOUBLING_C)
    added = []
    for defect in defects:
        site = defect.row, defect.col
        electrons[site] *= defect.gain
        electrons[site] += defect.rate_e_per_s * exposure_s * warming
        state = 0.5 if rng.random() < 0.5 else -0.5
        added.append(defect.offset_e + state * defect.telegraph_e)
    # Shot noise in its normal limit, which holds at the levels where it outweighs the read noise.
    variance = electrons + np.float32(electronics.read_noise_e**2 + (electronics.read_noise_dn * per_dn) ** 2)
    electrons += np.sqrt(variance) * rng.standard_normal(light.shape, dtype=np.float32)
    for defect, extra in zip(defects, added, strict=True):
        electrons[defect.row, defect.col] += extra
    signal = np.rint(electrons / np.float32(per_dn)) + np.float32(electronics.black_dn)
    mosaic: NDArray[np.uint16] = np.clip(signal, 0, electronics.white_dn).astype(np.uint16)
    for defect in defects:
        if defect.kind is Kind.STUCK:
            reading = electronics.black_dn + defect.level * (electronics.white_dn - electronics.black_dn)
            jitter = electronics.read_noise_dn * rng.standard_normal()
            mosaic[defect.row, defect.col] = min(max(round(reading + jitter), 0), electronics.white_dn)
    return mosaic

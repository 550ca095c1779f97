"""From when on a bad photosite shows, in words.

A hot site or an offset shows where it adds (or takes) five times the noise of the photos. That noise is
taken to be shot noise: in DN it grows with the square root of the sensitivity at the same brightness of the
picture. So a hot site of rate R and noise s, both at ISO 100, shows from exposures of
5 s / (R sqrt(ISO / 100)) on, and an offset b from ISO 100 (5 s / b)^2 on.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil, floor, log10

import numpy as np
from numpy.typing import NDArray

from defectmap.model.defects import Defect, Kind
from defectmap.model.evidence import WeightScale
from defectmap.model.frame import Conditions

SHOWS = 5.0
"""Standard deviations of noise from which a spot is seen."""

ISOS = (100, 3200)
"""Sensitivities that exposure times are said for."""

_LONGEST_S = 3600.0
_HIGHEST_ISO = 409_600.0
_FAINT = 0.1


def usual_noise(
    offset_weight: NDArray[np.uint64],
    n: NDArray[np.uint32],
    gains: Iterable[float | None],
    scale: WeightScale,
) -> float | None:
    """Return the noise of the photos at ISO 100.

    Parameters
    ----------
    offset_weight, n : ndarray of one shape
        Those sums of healthy photosites, or mostly healthy ones.
    gains : iterable of float or None
        ISO / 100 of the frames.
    scale : WeightScale
        Of the weights.

    Returns
    -------
    float or None
        Standard deviation in DN, such that gain^2 / (gain x its square) adds up to the same weight; dark
        parts, in which defects show, count more than light ones. None where no sensitivity is known.
    """
    known = [gain for gain in gains if gain is not None and gain > 0]
    told = (n > 0) & (offset_weight > 0)
    if not known or not told.any():
        return None
    weight = float(np.median(offset_weight[told] / n[told])) / scale.unit**2
    return float(np.sqrt(np.mean(known) / weight))


def shortest_exposure_s(rate: float, noise: float, iso: float) -> float:
    """Return the exposure time from which a hot site shows.

    Parameters
    ----------
    rate : float
        DN/s at ISO 100; negative where long-exposure noise reduction takes too much off.
    noise : float
        Of the photos at ISO 100, in DN.
    iso : float

    Examples
    --------
    >>> shortest_exposure_s(50.0, 10.0, 400.0)
    0.5
    """
    return SHOWS * noise / (abs(rate) * (iso / 100.0) ** 0.5) if rate else float("inf")


def lowest_iso(offset: float, noise: float) -> float:
    """Return the sensitivity from which an offset shows.

    Parameters
    ----------
    offset : float
        DN at ISO 100.
    noise : float
        Of the photos at ISO 100, in DN.

    Examples
    --------
    >>> lowest_iso(25.0, 10.0)
    400.0
    """
    return 100.0 * (SHOWS * noise / offset) ** 2 if offset else float("inf")


def visible(defect: Defect, noise: float | None) -> str:
    """Say in which photos a defect shows.

    Parameters
    ----------
    defect : Defect
    noise : float or None
        Of the photos of its grid at ISO 100, in DN.

    Returns
    -------
    str
        Such as "above 1/4 s at ISO 100, 1/25 s at ISO 3200".

    Examples
    --------
    >>> visible(Defect(3, 4, Kind.HOT, "R", 200.0, "DN/s at ISO 100", 9.0, 5, 5), 10.0)
    'above 1/4 s at ISO 100, 1/23 s at ISO 3200'
    >>> visible(Defect(3, 4, Kind.OFFSET, "R", 25.0, "DN at ISO 100", 9.0, 5, 5), 10.0)
    'from ISO 400'
    >>> visible(Defect(3, 4, Kind.DIM, "R", 0.5, "gain", 9.0, 5, 5), 10.0)
    'in every photo'
    """
    # Strengths that were found on another grid are not in the DN of this one.
    told = noise is not None and noise > 0 and not defect.origin
    match defect.kind:
        case Kind.HOT:
            return _from_exposure(defect.strength, noise) if told and noise else "in long exposures"
        case Kind.OFFSET:
            return _from_sensitivity(defect.strength, noise) if told and noise else "in dark areas"
        case Kind.DIM | Kind.BRIGHT if abs(defect.strength - 1.0) < _FAINT:
            return "in even, light areas"
        case Kind.NOISY:
            return "in some photos"
    return "in every photo"


def would_show(defect: Defect, conditions: Conditions, noise: float | None) -> bool:
    """Tell whether a photo is one of those that :func:`visible` speaks of.

    Of a hot site or an offset that is unknown where exposure time, sensitivity or noise are.

    Examples
    --------
    >>> hot = Defect(3, 4, Kind.HOT, "R", 200.0, "DN/s at ISO 100", 9.0, 5, 5)
    >>> [would_show(hot, Conditions(exposure_s=seconds, iso=100.0), 10.0) for seconds in (0.1, 0.5)]
    [False, True]
    """
    told = noise if noise is not None and noise > 0 and not defect.origin else None
    match defect.kind:
        case Kind.HOT:
            if told is None or conditions.exposure_s is None or not conditions.iso:
                return False
            return conditions.exposure_s >= shortest_exposure_s(defect.strength, told, conditions.iso)
        case Kind.OFFSET:
            if told is None or not conditions.iso:
                return False
            return conditions.iso >= lowest_iso(defect.strength, told)
    return True


def _from_exposure(rate: float, noise: float) -> str:
    times = [(iso, shortest_exposure_s(rate, noise, iso)) for iso in ISOS]
    told = [f"{duration(seconds)} at ISO {iso}" for iso, seconds in times if seconds <= _LONGEST_S]
    if not told:
        return "in hardly any photo"
    return f"above {', '.join(told)}" + (" (reads too little)" if rate < 0 else "")


def _from_sensitivity(offset: float, noise: float) -> str:
    iso = lowest_iso(offset, noise)
    if iso > _HIGHEST_ISO:
        return "in hardly any photo"
    where = "in every photo" if iso <= ISOS[0] else f"from ISO {_rounded(iso)}"
    return where + (" (reads too little)" if offset < 0 else "")


def duration(seconds: float) -> str:
    """Return an exposure time as cameras write it.

    Examples
    --------
    >>> [duration(s) for s in (0.004, 0.4, 2.5, 42.0)]
    ['1/250 s', '0.4 s', '2.5 s', '42 s']
    """
    if seconds < 0.3:
        return f"1/{_rounded(1.0 / seconds)} s"
    return f"{seconds:.1f} s" if seconds < 10.0 else f"{seconds:.0f} s"


def _rounded(number: float) -> int:
    """Round to two digits."""
    step = int(10 ** max(floor(log10(number)) - 1, 0))
    return ceil(number / step - 0.5) * step

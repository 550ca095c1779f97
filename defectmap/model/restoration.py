"""What to write at bad photosites of a raw frame: interpolation, own reading put right, or both in one.

A site that still answers to light knows more of the scene than its neighbours do. Its reading, freed of what
the map says it adds or lacks, is fused with the interpolation by inverse variance, as G. H. Chapman and
others proposed for hot sites ("Improved correction for hot pixels in digital imagers", Electronic Imaging
2015). The variances are

- of the interpolation: that by which it misses healthy sites near by and alike;
- of the reading: the noise of the charge that was added to it, or is lacking, and the doubt about how much
  that is. The grain of the light itself is no error: a healthy site would have shown it too. The dark current
  of a sensor moves with its temperature, which no file tells well. So the frame itself is asked: its known
  hot sites all burn hotter, or cooler, than the map has it by one factor, and by how much they disagree shows
  how far the factor is to be trusted. With offsets it is the same.

Stuck, dead and noisy sites, clipped readings, and sites that do not do what the map says are interpolated.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from defectmap.model.classify import OWN_SPREAD
from defectmap.model.correction import Interpolation, interpolated
from defectmap.model.defects import Defect, Kind
from defectmap.model.frame import Conditions, RawFrame
from defectmap.model.prediction import mosaic_model, noise_variance

FEWEST_TO_COMPARE = 5
"""So many sites of a kind tell a frame's factor; of fewer the spread over all frames is taken."""

_MOST_TO_COMPARE = 60
_ROUNDS = 4

_CONTRADICTION = 5.0
"""Standard deviations beyond all that the surroundings hold from which the map is wrong about the frame."""

_AROUND = 2
"""Periods of the colour pattern that the surroundings reach in each direction."""

_LEAST = 0.1
"""Quantile of the measured variances that is taken for noise alone."""

_CLIPPED = 0.99
_HIGHLIGHT = 0.9
_ROUNDING = 1.0 / 6.0
"""Variance of the difference of two rounded values, in DN squared."""

_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Factor:
    """How a frame's deviations of one kind compare with what the map expects of it.

    Attributes
    ----------
    common : float
        Usual ratio of what is there to what is expected.
    spread : float
        Standard deviation of that ratio from site to site; relative to the expectation.
    """

    common: float
    spread: float


@dataclass(frozen=True, slots=True)
class _Look:
    """Some sites of a frame; arrays of shape (sites,), levels in DN above black.

    `error` is the variance of the interpolation, `low` and `high` bound what the surroundings hold, `told` is
    False where the reading is clipped. `noise_read` and `noise_light` are the frame's: the variance of a
    reading without light, and what each DN of light adds to it.
    """

    reading: _Floats
    guess: _Floats
    error: _Floats
    low: _Floats
    high: _Floats
    told: NDArray[np.bool_]
    noise_read: float
    noise_light: float


def restored_values(
    frame: RawFrame,
    sites: Sequence[tuple[int, int]],
    defects: Collection[Defect],
    conditions: Conditions,
    untrusted: NDArray[np.bool_],
) -> NDArray[np.uint16]:
    """Return what is best written at some photosites.

    Parameters
    ----------
    frame : RawFrame
    sites : sequence of (row, col)
        Photosites of the visible area, in coordinates of the full stored frame.
    defects : collection of Defect
        What the map knows of the frame, in the same coordinates. Sites of which it knows nothing, such as
        members of a bad column, are interpolated.
    conditions : Conditions
        Exposure and sensitivity of the frame.
    untrusted : ndarray of shape (height, width), bool
        Bad photosites of the full stored frame; they predict no other.

    Returns
    -------
    ndarray of shape (len(sites),), uint16
        DN. What a site reads already where anything else would probably be farther from the truth.
    """
    top, left = frame.geometry.top, frame.geometry.left
    height, width = frame.mosaic.shape
    known = {(d.row, d.col): d for d in defects if 0 <= d.row - top < height and 0 <= d.col - left < width}
    needed = {known[site].kind for site in sites if site in known} & {Kind.HOT, Kind.OFFSET}
    others = [
        site for kind in sorted(needed) for site in _comparable(known, kind, conditions) if site not in sites
    ]
    everything = [*sites, *others]
    look = _looked_at(frame, everything, untrusted)
    at = {site: index for index, site in enumerate(everything)}
    factors = {kind: _factor_of(look, at, known, kind, conditions) for kind in needed}
    values = np.array(
        [_written(look, at[site], known.get(site), factors, conditions) for site in sites], np.float64
    )
    black = _black(frame, sites)
    # A filter may overshoot; what the frame holds nowhere may not even fit its samples.
    return (values + black).round().clip(0, frame.mosaic.max(initial=0)).astype(np.uint16)


def common_factor(ratios: _Floats, variances: _Floats, usual: float) -> Factor:
    """Return what some ratios have in common, and how they differ beyond their own variances.

    Parameters
    ----------
    ratios, variances : ndarray of shape (n,), float64
    usual : float
        Standard deviation that ratios have about 1 over all frames. Where the given ones say less than that,
        it counts.

    Returns
    -------
    Factor
        By weighted medians, so that a few sites of which the map is wrong do not matter.
    """
    if len(ratios) < FEWEST_TO_COMPARE:
        return Factor(1.0, usual)
    between = 0.0
    common = spread = 0.0
    for _ in range(_ROUNDS):
        weights = 1.0 / (variances + between)
        common = _weighted_median(ratios, weights)
        spread = 1.4826 * _weighted_median(np.abs(ratios - common), weights)
        between = max(spread**2 - _weighted_median(variances, weights), (0.1 * spread) ** 2)
    of_the_middle = 1.57 * float(np.sum(weights**2 * (variances + between))) / float(np.sum(weights)) ** 2
    trust = usual**2 / (usual**2 + of_the_middle)
    spread = min(between, usual**2) + trust * of_the_middle
    return Factor(1.0 + trust * (common - 1.0), float(np.sqrt(spread)))


def _weighted_median(values: _Floats, weights: _Floats) -> float:
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    return float(np.interp(0.5 * total[-1], total - 0.5 * weights[order], values[order]))


def _expected(defect: Defect, conditions: Conditions) -> float | None:
    """Return what a hot or offset site adds to a frame, in DN; None where that is not known."""
    exposed = {Kind.HOT: conditions.dose, Kind.OFFSET: conditions.gain}.get(defect.kind)
    if exposed is None or defect.origin or not defect.unit.startswith("DN"):
        return None
    return defect.strength * exposed


def _relative_doubt(defect: Defect) -> float:
    return (defect.strength_sd or 0.0) / abs(defect.strength) if defect.strength else 0.0


def _comparable(
    known: Mapping[tuple[int, int], Defect], kind: Kind, conditions: Conditions
) -> list[tuple[int, int]]:
    """Return the sites of a kind that should stand out most."""
    excess = {
        site: added
        for site, defect in known.items()
        if defect.kind is kind and (added := _expected(defect, conditions))
    }
    return sorted(excess, key=lambda site: -abs(excess[site]))[:_MOST_TO_COMPARE]


def _looked_at(frame: RawFrame, sites: Sequence[tuple[int, int]], untrusted: NDArray[np.bool_]) -> _Look:
    top, left = frame.geometry.top, frame.geometry.left
    height, width = frame.mosaic.shape
    visible = [(row - top, col - left) for row, col in sites]
    inside = untrusted[top : top + height, left : left + width]
    found = interpolated(frame.mosaic, visible, frame.geometry.cfa, inside)
    at = np.array(visible, np.intp).reshape(-1, 2)
    reading = frame.mosaic[at[:, 0], at[:, 1]].astype(np.float64)
    around = np.array([_range(frame, inside, row, col) for row, col in visible], np.float64).reshape(-1, 2)
    black = _black(frame, sites)
    told = (reading > 0) & (reading < _CLIPPED * frame.geometry.white)
    return _Look(
        reading - black,
        found.values - black,
        found.variances,
        np.fmin(around[:, 0], found.values) - black,
        np.fmax(around[:, 1], found.values) - black,
        told,
        *_noise(frame, found),
    )


def _range(frame: RawFrame, untrusted: NDArray[np.bool_], row: int, col: int) -> tuple[float, float]:
    """Return the least and largest value of the good sites of the same phase around one; NaN without any."""
    rows, cols = frame.geometry.period
    near = (
        slice(row - min(row // rows, _AROUND) * rows, row + _AROUND * rows + 1, rows),
        slice(col - min(col // cols, _AROUND) * cols, col + _AROUND * cols + 1, cols),
    )
    good = frame.mosaic[near][~untrusted[near]]
    return (float(good.min()), float(good.max())) if good.size else (np.nan, np.nan)


def _noise(frame: RawFrame, found: Interpolation) -> tuple[float, float]:
    """Return the variance of a reading without light in DN squared, and what each DN of light adds to it.

    Texture adds to what is measured at some levels and places; none shows less than its noise. The variances
    of few interpolations are not well known, so that it is not the least of them that counts.
    """
    black = float(np.mean(frame.geometry.black))
    levels = np.percentile(frame.mosaic[::2, ::3], np.linspace(2.0, 98.0, 25))
    variances = noise_variance(frame.mosaic, mosaic_model(frame.geometry), levels)
    measured = np.stack([np.append(levels, found.values), np.append(variances, found.variances)])
    light, variance = measured[:, measured[0] < _HIGHLIGHT * frame.geometry.white]
    if not light.size:
        return 0.0, 0.0
    per_dn = variance / np.maximum(light - black, 1.0)
    return float(np.quantile(variance, _LEAST)), float(np.quantile(per_dn, _LEAST))


def _black(frame: RawFrame, sites: Sequence[tuple[int, int]]) -> _Floats:
    geometry = frame.geometry
    return np.array([geometry.black[geometry.phase(row, col)] for row, col in sites], np.float64)


def _factor_of(
    look: _Look,
    at: Mapping[tuple[int, int], int],
    known: Mapping[tuple[int, int], Defect],
    kind: Kind,
    conditions: Conditions,
) -> Factor:
    """Compare the sites of a kind with what the map expects of them."""
    compared = [site for site in _comparable(known, kind, conditions) if look.told[at[site]]]
    places = np.array([at[site] for site in compared], np.intp)
    expected = np.array([_expected(known[site], conditions) for site in compared], np.float64)
    ratios = (look.reading[places] - look.guess[places]) / expected
    doubts = np.array([_relative_doubt(known[site]) for site in compared], np.float64)
    return common_factor(ratios, look.error[places] / expected**2 + doubts**2, OWN_SPREAD[kind])


def _written(
    look: _Look, index: int, defect: Defect | None, factors: Mapping[Kind, Factor], conditions: Conditions
) -> float:
    """Return what to write at one site, in DN above black."""
    reading, guess, error = (float(of[index]) for of in (look.reading, look.guess, look.error))
    if defect is None or not look.told[index]:
        return guess
    if defect.kind is Kind.NOISY and not defect.origin:
        return reading if defect.strength**2 <= error else guess
    own = _put_right(look, reading, defect, factors, conditions)
    if own is None:
        return guess
    value, doubt = own
    outside = max(look.low[index] - value, value - look.high[index])
    if outside > _CONTRADICTION * np.sqrt(doubt + error):
        return guess
    # The reading as it is lies no nearer to the truth: its deviation comes on top of the doubt.
    return guess + (value - guess) * (error / (error + doubt) if np.isfinite(error) else 1.0)


def _put_right(
    look: _Look, reading: float, defect: Defect, factors: Mapping[Kind, Factor], conditions: Conditions
) -> tuple[float, float] | None:
    """Return a reading freed of what the map says of it, and its variance; None where that cannot be said."""
    if defect.kind in factors:
        added = _expected(defect, conditions)
        if added is None:
            return None
        factor = factors[defect.kind]
        doubt = (factor.spread**2 + _relative_doubt(defect) ** 2) * added**2
        added *= factor.common
        return reading - added, doubt + look.noise_light * abs(added) + _ROUNDING
    if defect.kind in {Kind.DIM, Kind.BRIGHT} and defect.unit == "gain" and defect.strength > 0:
        response, sd = defect.strength, defect.strength_sd
        if sd is None:
            sd = OWN_SPREAD[Kind.BRIGHT] * abs(response - 1.0)
        light = reading / response
        lacking = abs(1.0 / response - 1.0)
        noise = lacking * look.noise_light * abs(light) + lacking**2 * look.noise_read
        return light, noise + (sd / response * light) ** 2 + _ROUNDING
    return None

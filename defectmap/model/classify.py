"""From candidates to kinds: what is wrong with a site, and how much.

A site that does not follow the light is stuck or dead. Any other deviates by something that is proportional
to exposure time times gain (hot), to gain alone (offset) or to the light itself (dim, bright). Each of these
explanations is held against all frames. Those in which the site stood out are known one by one. Of the
others two sums are: with z = (value - prediction) / sigma and w = regressor / sigma, a deviation of strength
s has the log likelihood s sum(w z) - s^2 sum(w^2) / 2 over that of none. So frames in which the site ought to
have shown and did not speak too, and standing out selects nothing.

In a JPEG what is added to the light goes through the tone curve, and the coding leaves faint spots out: there
the other frames may have kept no more than a part of the deviation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from defectmap.model.defects import Kind
from defectmap.model.tone import before_curve, behind_curve

_RESPONDS = 0.2
"""Swing relative to the neighbours' from which a site follows the light."""

_DEAD = 0.02
"""A site that answers less than this share of the light is dead."""

_DEAD_SIGMA = 3.0
"""Standard deviations of its response by which a site must respond to be dim, not dead."""

_STUCK = 0.3
"""A site whose swing is so much smaller than its level is stuck, not dim: light moves both alike."""

_OPPOSED = -0.7
"""A site whose excess is high in shade and low in light, and so correlates with light, keeps to one level."""

_EITHER_WAY = 0.12
"""Share of the sightings that must be high, and low, for a site to be off in both ways."""

_EACH_WAY = 2
"""And so many of them: a single one may be the scene."""

OWN_SPREAD: Mapping[Kind, float] = {Kind.HOT: 0.6, Kind.OFFSET: 0.1, Kind.BRIGHT: 0.05}
"""Relative spread of the deviation from frame to frame that each explanation leaves: the rate of a hot site
moves with the temperature of the sensor (it doubles every 7 degrees), the others hardly."""

UNITS: Mapping[Kind, str] = {
    Kind.HOT: "DN/s at ISO 100",
    Kind.OFFSET: "DN at ISO 100",
    Kind.BRIGHT: "gain",
}

_FREEDOM = 4.0
"""Degrees of freedom of Student's t: single frames may be far off."""

_PERIOD = 6.0
"""Log likelihood that a site must gain by having been bad for a part of the time only."""

_FEWEST_CONSTANT = 4
"""Sightings of which it can be told that they keep to one level."""

_KEPT, _CODING = (0.5, 0.25), 4.0
"""Shares of a deviation that coding may have left of it where the site did not stand out, and the log
likelihood that a site must gain by that."""

_STARTS, _ROUNDS, _STEPS = 24, 3, 19

_ERROR_STEPS = np.geomspace(1e-4, 10.0, 60)
"""Relative errors of the strength that are told apart."""


@dataclass(frozen=True, slots=True)
class Quiet:
    """What the frames in which a site did not stand out say about one regressor.

    Attributes
    ----------
    total : float
        Sum of score x regressor / sigma.
    weight : float
        Sum of (regressor / sigma) squared.
    frames : float
        Number of frames that weight comes from, in effect.
    """

    total: float
    weight: float
    frames: float

    @property
    def score(self) -> float:
        """Size of the matched filter's score."""
        return float(abs(self.total) / np.sqrt(self.weight)) if self.weight > 0 else 0.0

    def log_likelihood(
        self, strength: NDArray[np.float64], spread: float, share: float
    ) -> NDArray[np.float64]:
        """Return the log likelihood of strengths over that of none.

        Parameters
        ----------
        strength : ndarray of float64
        spread : float
            Relative spread of the deviation from frame to frame: strengths that are nearly alike are then
            told apart less well than the noise would have it.
        share : float
            Share of the frames, unknown which, in which the site was bad.

        Returns
        -------
        ndarray of float64
            As in a Student's t no frame says more against a strength than that it is an outlier.
        """
        if self.weight <= 0:
            return np.zeros(strength.shape)
        most = self.total / self.weight
        frames = max(share * self.frames, 1.0)
        own = 1.0 + spread**2 * strength**2 * share * self.weight / frames
        gain = 0.5 * self.weight * (most**2 - (share * strength - most) ** 2 / own)
        gain -= 0.5 * share * frames * np.log(own)
        limit = 0.5 * (_FREEDOM + 1.0) * self.frames
        return np.where(gain < 0.0, -limit * np.log1p(np.maximum(-gain, 0.0) / limit), gain)


@dataclass(frozen=True, slots=True)
class SiteRecord:
    """What is known of one candidate.

    Attributes
    ----------
    spread : float
        Standardised variance of the score.
    share : float
        Share of the frames in which it did not stand out that lie in the time in which it seems to be bad.
    mean, near_mean : float
        Mean value of the site, and the median of its neighbours' means, in DN above black.
    variance, near_variance : float
        The same of the variances, in DN squared.
    quiet : mapping of Kind to Quiet
        For `Kind.HOT`, `Kind.OFFSET` and `Kind.BRIGHT`.
    excess : ndarray of shape (sightings,), float64
        Value less prediction in the frames where it stood out, in DN.
    sigma : ndarray of shape (sightings,), float64
        Standard deviation of a healthy site's excess, in DN.
    light : ndarray of shape (sightings,), float64
        Prediction above black, in DN.
    cut : ndarray of shape (sightings,), bool
        Whether the value is at an end of its range, so that the excess may be larger than it shows.
    dose_s : ndarray of shape (sightings,), float64
        Seconds at ISO 100; NaN where unknown.
    gain : ndarray of shape (sightings,), float64
        ISO / 100; NaN where unknown.
    rendered : bool
        Whether the values went through a tone curve and the coding of a JPEG.
    """

    spread: float
    share: float
    mean: float
    near_mean: float
    variance: float
    near_variance: float
    quiet: Mapping[Kind, Quiet]
    excess: NDArray[np.float64]
    sigma: NDArray[np.float64]
    light: NDArray[np.float64]
    cut: NDArray[np.bool_]
    dose_s: NDArray[np.float64]
    gain: NDArray[np.float64]
    rendered: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """Kind and strength of a site, and the standard error of that; see `Defect` for the units."""

    kind: Kind
    strength: float
    unit: str
    strength_sd: float | None = None


def classify(site: SiteRecord, threshold: float) -> Verdict:
    """Tell what is wrong with a site.

    Parameters
    ----------
    site : SiteRecord
    threshold : float
        Score that healthy sites do not reach.

    Returns
    -------
    Verdict
    """
    unmoved = _unmoved(site)
    if unmoved is not None:
        return unmoved
    ups, downs = int((site.excess > 0).sum()), int((site.excess < 0).sum())
    if min(ups, downs) >= max(_EACH_WAY, _EITHER_WAY * (ups + downs)):
        if _keeps_level(site):
            return Verdict(Kind.STUCK, site.mean, "DN")
        if site.spread > max(threshold, *(q.score for q in site.quiet.values())):
            return Verdict(Kind.NOISY, float(np.std(site.excess)), "DN")
    return explain(site)


def _keeps_level(site: SiteRecord) -> bool:
    opposed = float(np.corrcoef(site.excess, site.light)[0, 1]) < _OPPOSED
    return opposed and site.variance < site.near_variance


def _unmoved(site: SiteRecord) -> Verdict | None:
    """Tell stuck, dead and almost dead sites from those that follow the light."""
    swing = float(np.sqrt(site.variance / site.near_variance)) if site.near_variance > 0 else 1.0
    if swing >= _RESPONDS:
        return None
    level = site.mean / site.near_mean if site.near_mean > 0 else 1.0
    if level >= _RESPONDS or swing < _STUCK * level:
        return Verdict(Kind.STUCK, site.mean, "DN") if swing < _STUCK * level else None
    response, error = response_to_light(site)
    if level < _DEAD or response < max(_DEAD, _DEAD_SIGMA * error):
        return Verdict(Kind.DEAD, site.mean, "DN")
    return Verdict(Kind.DIM, response, "gain", error if 0.0 < error < np.inf else None)


def response_to_light(site: SiteRecord) -> tuple[float, float]:
    """Return the slope of the value against the predicted light, and its standard error."""
    light, value = site.light, site.light + site.excess
    if light.size < 3:
        return (site.mean / site.near_mean if site.near_mean > 0 else 1.0), 0.0
    weight = 1.0 / np.maximum(site.sigma, 1e-6) ** 2
    slope, error = 0.0, np.inf
    for _ in range(4):
        centre = np.average(light, weights=weight)
        moved = light - centre
        curvature = float((weight * moved**2).sum())
        if curvature <= 0:
            return slope, np.inf
        middle = np.average(value, weights=weight)
        slope = float((weight * moved * (value - middle)).sum()) / curvature
        rest = value - middle - slope * moved
        error = float(np.sqrt((weight**2 * moved**2 * rest**2).sum()) / curvature)
        scale = 1.4826 * float(np.median(np.abs(rest))) + 1e-6
        weight = 1.0 / (np.maximum(site.sigma, 1e-6) ** 2 * (1.0 + (rest / (3.0 * scale)) ** 2))
    return slope, error


def explain(site: SiteRecord) -> Verdict:
    """Choose what the deviation is proportional to, and how strong it is."""
    best, strength, most = Kind.OFFSET, site.mean - site.near_mean, -np.inf
    error: float | None = None
    ways = [(1.0, 0.0)]
    if site.rendered:
        ways += [(kept, _CODING) for kept in _KEPT]
    if site.share < 1.0:
        # What share of the frames is not what share of the light: without its times they may say nothing.
        ways += [(site.share, _PERIOD), (0.0, _PERIOD)]
    for share, needed in ways:
        for kind in (Kind.OFFSET, Kind.HOT, Kind.BRIGHT):
            estimate, likelihood, sd = _most_likely(site, kind, share)
            if likelihood - needed > most + 1e-6:
                best, strength, most, error = kind, estimate, likelihood - needed, sd
    if site.share < 1.0 and not site.rendered:
        level, likelihood = _constant(site)
        if likelihood - _PERIOD > most + 1e-6:
            dead = level < _DEAD * float(np.median(site.light))
            return Verdict(Kind.DEAD if dead else Kind.STUCK, level, "DN")
    if best is Kind.BRIGHT:
        return Verdict(Kind.BRIGHT if strength > 0 else Kind.DIM, 1.0 + strength, "gain", error)
    return Verdict(best, strength, UNITS[best], error)


def _constant(site: SiteRecord) -> tuple[float, float]:
    """Return the level that a site kept whenever it stood out, and the log likelihood of that."""
    if site.excess.size < _FEWEST_CONSTANT:
        return 0.0, -np.inf
    value = site.light + site.excess
    level = float(np.median(value))
    off = ((value - level) / site.sigma) ** 2
    return level, float((-np.log(site.sigma) - 0.5 * (_FREEDOM + 1.0) * np.log1p(off / _FREEDOM)).sum())


def _most_likely(site: SiteRecord, kind: Kind, share: float) -> tuple[float, float, float | None]:
    """Return the most likely strength of one explanation, its log likelihood, and its standard error."""
    regressor = {Kind.HOT: site.dose_s, Kind.OFFSET: site.gain, Kind.BRIGHT: site.light}[kind]
    quiet, spread = site.quiet[kind], OWN_SPREAD[kind]
    usable = np.isfinite(site.gain)
    if np.isfinite(site.dose_s).any():
        usable &= np.isfinite(site.dose_s)
    elif kind is Kind.HOT and site.dose_s.size:
        return 0.0, -np.inf, None
    if not usable.any() and quiet.weight <= 0:
        return 0.0, -np.inf, None
    seen, excess, sigma, cut = regressor[usable], site.excess[usable], site.sigma[usable], site.cut[usable]
    # A gain is a factor on both sides of a tone curve that is a power.
    curved, light = site.rendered and kind is not Kind.BRIGHT, site.light[usable]

    def likelihood(strength: NDArray[np.float64]) -> NDArray[np.float64]:
        deviation = strength[:, None] * seen
        if curved:
            deviation = behind_curve(light, deviation, site.near_mean)
        if cut.any():
            deviation = np.where(cut & (deviation / excess > 1.0), excess, deviation)
        variance = (spread * deviation) ** 2 + sigma**2
        deviation -= excess
        off = np.square(deviation, out=deviation) / variance
        terms = -0.5 * (np.log(variance) + (_FREEDOM + 1.0) * np.log(1.0 + off / _FREEDOM))
        return np.asarray(terms.sum(axis=1) + quiet.log_likelihood(strength, spread, share))

    told = before_curve(light, excess, site.near_mean) if curved else excess
    tried = np.unique(_starts(seen, told, sigma, quiet, share))
    values = likelihood(tried)
    for _ in range(_ROUNDS):
        at = int(np.argmax(values))
        tried = np.linspace(tried[max(at - 1, 0)], tried[min(at + 1, tried.size - 1)], _STEPS)
        values = likelihood(tried)
    at = int(np.argmax(values))
    strength, most = float(tried[at]), float(values[at])
    return strength, most, _standard_error(likelihood, strength, most)


def _standard_error(
    likelihood: Callable[[NDArray[np.float64]], NDArray[np.float64]], strength: float, most: float
) -> float | None:
    """Return how far from the most likely strength the log likelihood is lower by one half.

    That is the standard error where the likelihood is normal; where it is not, half of the width that holds
    68 %, for which the two sides are averaged. None where it falls nowhere, or everywhere.
    """
    steps = abs(strength) * _ERROR_STEPS
    fallen = [most - likelihood(strength + sign * steps) >= 0.5 for sign in (-1.0, 1.0)]
    if not strength or any(side[0] or not side.any() for side in fallen):
        return None
    return float(np.mean([steps[np.argmax(side)] for side in fallen]))


def _starts(
    seen: NDArray[np.float64],
    excess: NDArray[np.float64],
    sigma: NDArray[np.float64],
    quiet: Quiet,
    share: float,
) -> list[float]:
    """Return strengths that some of the frames speak for."""
    starts = [0.0]
    positive = seen > 0
    if positive.any():
        starts += np.quantile(excess[positive] / seen[positive], np.linspace(0, 1, _STARTS)).tolist()
    weight = share * quiet.weight
    if weight > 0:
        known = float(((seen / sigma) ** 2).sum())
        starts.append(quiet.total / weight)
        starts.append((quiet.total + float((seen * excess / sigma**2).sum())) / (weight + known))
    return starts

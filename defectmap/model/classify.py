"""From candidates to kinds: what is wrong with a site, and how much.

The three ways in which a site can add signal are told apart by what its excess is proportional to: exposure
time times gain (hot), gain alone (offset) or the light itself (bright). A site that does not follow its
neighbours at all is stuck or dead; one that reads too little light is dim.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from defectmap.model.defects import Kind

_CONSTANT = 0.02
"""A site whose variance is below this share of its neighbours' does not follow the light."""

_DEAD = 0.1
"""A site below this share of its neighbours' light is dead."""

_STUCK = 0.3
"""A site whose swing is so much smaller than its level is stuck, not dim: light moves both alike."""

_OPPOSED = -0.7
"""A site whose excess is high in shade and low in light, and so correlates with light, keeps to one level."""

# Spread of log(excess / regressor) that each explanation leaves of its own: a hot site's rate moves with the
# temperature of the sensor (it doubles every 7 degrees), the others hardly.
_OWN_SPREAD = {Kind.HOT: 0.6, Kind.OFFSET: 0.15, Kind.BRIGHT: 0.1}


@dataclass(frozen=True, slots=True)
class SiteRecord:
    """What is known of one candidate.

    Attributes
    ----------
    level, dose, votes, spread : float
        Standardised scores.
    mean, near_mean : float
        Mean value of the site, and the median of its neighbours' means, in DN above black.
    variance, near_variance : float
        The same of the variances, in DN squared.
    excess : ndarray of shape (sightings,), float64
        Value less prediction in the frames where it stood out, in DN.
    light : ndarray of shape (sightings,), float64
        Prediction above black, in DN.
    dose_s : ndarray of shape (sightings,), float64
        Seconds at ISO 100; NaN where unknown.
    gain : ndarray of shape (sightings,), float64
        ISO / 100; NaN where unknown.
    """

    level: float
    dose: float
    votes: float
    spread: float
    mean: float
    near_mean: float
    variance: float
    near_variance: float
    excess: NDArray[np.float64]
    light: NDArray[np.float64]
    dose_s: NDArray[np.float64]
    gain: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Kind and strength of a site; see `Defect` for the units."""

    kind: Kind
    strength: float
    unit: str


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
    ups, downs = int((site.excess > 0).sum()), int((site.excess < 0).sum())
    swing = float(np.sqrt(site.variance / site.near_variance)) if site.near_variance > 0 else 1.0
    level = site.mean / site.near_mean if site.near_mean > 0 else 1.0
    if swing**2 < _CONSTANT:
        if level < _DEAD:
            return Verdict(Kind.DEAD, site.mean, "DN")
        if swing < _STUCK * level:
            return Verdict(Kind.STUCK, site.mean, "DN")
    if min(ups, downs) >= max(2, 0.1 * (ups + downs)):
        if float(np.corrcoef(site.excess, site.light)[0, 1]) < _OPPOSED:
            return Verdict(Kind.STUCK, site.mean, "DN")
        if site.spread > threshold:
            return Verdict(Kind.NOISY, float(np.std(site.excess)), "DN")
    strongest = site.votes if abs(site.votes) > abs(site.level) else site.level
    if abs(site.dose) > 2.0 * abs(strongest):
        strongest = site.dose
    if strongest < 0:
        return Verdict(Kind.DIM, _gain(site), "gain")
    return _excess_kind(site, swing, level)


def _gain(site: SiteRecord) -> float:
    usable = site.light > 0
    if usable.sum() >= 3:
        return float(np.median(1.0 + site.excess[usable] / site.light[usable]))
    return site.mean / site.near_mean if site.near_mean > 0 else 1.0


def _excess_kind(site: SiteRecord, swing: float, level: float) -> Verdict:
    """Choose between hot, offset and bright by the regressor that the excess follows best.

    Where too few sightings say, by the sums: light moves swing and level alike, an offset the level alone.
    """
    raised = site.excess > 0
    excess = np.log(site.excess[raised])
    regressors = {
        Kind.OFFSET: site.gain[raised],
        Kind.HOT: site.dose_s[raised],
        Kind.BRIGHT: site.light[raised],
    }
    units = {Kind.OFFSET: "DN at ISO 100", Kind.HOT: "DN/s at ISO 100", Kind.BRIGHT: "gain"}
    best, best_misfit, strength = Kind.OFFSET, np.inf, max(site.mean - site.near_mean, 0.0)
    for kind, regressor in regressors.items():
        known = np.isfinite(regressor) & (regressor > 0)
        if known.sum() < 3:
            continue
        ratio = excess[known] - np.log(regressor[known])
        centre = float(np.median(ratio))
        own = _OWN_SPREAD[kind]
        # Student's t with three degrees of freedom: single frames may be far off.
        misfit = float(np.mean(2.0 * np.log1p(((ratio - centre) / own) ** 2 / 3.0) + np.log(own)))
        if misfit < best_misfit:
            best, best_misfit, strength = kind, misfit, float(np.exp(centre))
    if best_misfit == np.inf:
        if site.dose > site.level:
            best, strength = Kind.HOT, _rate(site)
        elif swing - 1.0 > 0.5 * (level - 1.0):
            best, strength = Kind.BRIGHT, level - 1.0
    if best is Kind.BRIGHT:
        strength += 1.0
    return Verdict(best, strength, units[best])


def _rate(site: SiteRecord) -> float:
    known = np.isfinite(site.dose_s) & (site.dose_s > 0) & (site.excess > 0)
    return float(np.median(site.excess[known] / site.dose_s[known])) if known.any() else 0.0

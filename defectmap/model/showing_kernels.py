"""Compiled parts of what frames say of a defect; called through `showing` and `periods`.

There are as many numbers as frames times strengths that a defect may have, of each of a thousand sites.
"""

# numba infers the types; annotations would only repeat them.
# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator"

from __future__ import annotations

import numpy as np
from numba import njit

_LOGISTIC = 1.702
"""Slope of the logistic curve that is nearest the normal one."""

_FARTHEST = 30.0
_STUDENT = 0.375
"""Of a Student's t with four degrees of freedom: the density at 0."""


@njit(cache=True, nogil=True, error_model="numpy")
def _exp(x):
    """Return e to the power of a number between -30 and 30, to some 13 digits.

    A Taylor series of x / 256, squared eight times: steps of which processors do several at a time.
    """
    y = x * (1.0 / 256.0)
    power = 1.0 + y * (1.0 / 9.0)
    power = 1.0 + y * (1.0 / 8.0) * power
    power = 1.0 + y * (1.0 / 7.0) * power
    power = 1.0 + y * (1.0 / 6.0) * power
    power = 1.0 + y * (1.0 / 5.0) * power
    power = 1.0 + y * (1.0 / 4.0) * power
    power = 1.0 + y * (1.0 / 3.0) * power
    power = 1.0 + y * (1.0 / 2.0) * power
    power = 1.0 + y * power
    power *= power
    power *= power
    power *= power
    power *= power
    power *= power
    power *= power
    power *= power
    power *= power
    return power


@njit(cache=True, nogil=True, error_model="numpy")
def shapes(strengths, dose, gain, slack, own, lights, limits, floors, weights):
    """Return the chance that a defect shows in each frame, were nothing to hide it.

    Parameters
    ----------
    strengths : ndarray of shape (n, 4), float64
        Rate, offset, share of the light, and a constant.
    dose, gain, slack : ndarray of shape (frames,), float64
    own : float
        Relative spread of any amplitude.
    lights, limits, floors, weights : ndarray of shape (nodes, frames), float64
        Light, the amplitude from which a site stands out, the variance of what it reads without a defect,
        and how much that light counts.

    Returns
    -------
    ndarray of shape (n, frames), float64
    """
    size, frames = strengths.shape[0], dose.size
    found = np.zeros((size, frames))
    steady, wide = np.empty(frames), np.empty(frames)
    for s in range(size):
        rate, offset, share, constant = strengths[s]
        chance = found[s]
        for i in range(frames):
            dark = rate * dose[i]
            steady[i] = dark + offset * gain[i] + constant
            wide[i] = (slack[i] * dark) * (slack[i] * dark)
        for k in range(lights.shape[0]):
            light, limit, floor, weight = lights[k], limits[k], floors[k], weights[k]
            for i in range(frames):
                added = steady[i] + share * light[i]
                width = np.sqrt(floor[i] + wide[i] + (own * added) * (own * added))
                far = _LOGISTIC * (abs(added) - limit[i]) / width
                far = min(max(far, -_FARTHEST), _FARTHEST)
                chance[i] += weight[i] / (1.0 + _exp(-far))
    return found


@njit(cache=True, nogil=True, error_model="numpy")
def _student(off, width):
    """Return the density of a Student's t with four degrees of freedom, of that width."""
    heavy = 1.0 + (off / width) * (off / width) / 4.0
    return _STUDENT / width / (heavy * heavy * np.sqrt(heavy))


@njit(cache=True, nogil=True, error_model="numpy")
def glimpsed(strengths, dose, gain, slack, own, soft, lights, sigmas, weights, scores, healthy):
    """Return how much likelier faint scores are at a bad site that is not hidden than at a healthy one.

    As of `shapes`, of the frames that showed it faintly alone, with ``sigmas`` of shape (nodes, frames), and
    ``scores`` and ``healthy``, the density of these at healthy sites, of shape (frames,).
    """
    found = np.zeros((strengths.shape[0], dose.size))
    for s in range(strengths.shape[0]):
        rate, offset, share, constant = strengths[s]
        for k in range(lights.shape[0]):
            for i in range(dose.size):
                dark = rate * dose[i]
                added = dark + offset * gain[i] + constant + share * lights[k, i]
                noise = sigmas[k, i]
                width = np.sqrt((soft * noise) ** 2 + (slack[i] * dark) ** 2 + (own * added) ** 2)
                # Where noise drowns the defect, a faint score says nothing, whatever the tails.
                drowned = np.exp(-0.5 * (added / noise) ** 2)
                ratio = noise * _student(scores[i] * noise - added, width) / healthy[i]
                found[s, i] += weights[k, i] * (drowned + (1.0 - drowned) * ratio)
    return found


@njit(cache=True, nogil=True, error_model="numpy")
def sighted(strengths, dose, gain, slack, own, soft, light, sigma, excess, cut):
    """Return the density of sightings at a bad site, in units of their noise: of shape (n, sightings)."""
    found = np.empty((strengths.shape[0], dose.size))
    for s in range(strengths.shape[0]):
        rate, offset, share, constant = strengths[s]
        for i in range(dose.size):
            dark = rate * dose[i]
            added = dark + offset * gain[i] + constant + share * light[i]
            width = np.sqrt((soft * sigma[i]) ** 2 + (slack[i] * dark) ** 2 + (own * added) ** 2)
            off = excess[i] - added
            if cut[i] and off * np.sign(added) < 0:
                off = 0.0
            found[s, i] = sigma[i] * _student(off, width)
    return found


@njit(cache=True, nogil=True)
def best_sums(gain):
    """Return the largest sum over a contiguous stretch, of each row."""
    best = np.empty(gain.shape[0])
    for s in range(gain.shape[0]):
        total, least, most = 0.0, 0.0, -np.inf
        for i in range(gain.shape[1]):
            least = min(least, total)
            total += gain[s, i]
            most = max(most, total - least)
        best[s] = most
    return best


@njit(cache=True, nogil=True)
def changes(gain, penalty, healing):
    """Mark the frames at which a site is likeliest to have become bad, and good; and say whether it ends bad.

    Returns
    -------
    began, ended : ndarray of shape (frames,), bool
        Were it bad, or good, from that frame on.
    is_bad : bool
    """
    began, ended = np.empty(gain.size, np.bool_), np.empty(gain.size, np.bool_)
    good = bad = 0.0
    for i in range(gain.size):
        starts, ends = good - penalty > bad, bad - healing > good
        began[i], ended[i] = starts, ends
        good, bad = (bad - healing if ends else good), (good - penalty if starts else bad) + gain[i]
    return began, ended, bad > good

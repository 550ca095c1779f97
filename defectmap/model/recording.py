"""What is known of one candidate, put together from sums, sightings and the table of frames."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from defectmap.model import evidence as ev
from defectmap.model.classify import Quiet, SiteRecord
from defectmap.model.defects import Kind
from defectmap.model.frame import Conditions
from defectmap.model.prediction import PlaneModel
from defectmap.model.scores import FILTERS
from defectmap.model.sums import Sums

OWN_FIELDS = (*dict.fromkeys(field for pair in FILTERS.values() for field in pair), "over", "under")
"""The sums of a site itself that a verdict asks for, besides those of its value."""

_FILTER = {Kind.HOT: "dose", Kind.OFFSET: "offset", Kind.BRIGHT: "light"}

_LIGHT = ev.WeightScale(1.0, 255)
"""Weights of light are whole standard deviations."""

_SIGMA_STEP, _LIGHT_STEP = 0.03, 0.3
"""What weights of light are off by as sightings tell them, relative and in steps: both are rounded."""


@dataclass(frozen=True, slots=True)
class Sighted:
    """The sightings of one site, in order of capture.

    Attributes
    ----------
    frames : ndarray of shape (sightings,), int64
        Index into the frames of the stream.
    value, prediction, sigma : ndarray of shape (sightings,), float64
        In DN.
    """

    frames: NDArray[np.int64]
    value: NDArray[np.float64]
    prediction: NDArray[np.float64]
    sigma: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the candidates of a plane have in common.

    Attributes
    ----------
    sums : Sums
    model : PlaneModel
    centres : dict of Kind to ndarray of shape (rows, cols)
        Usual score of healthy sites in each filter, by position in the pattern.
    weighty : dict of Kind to float
        Frames that the weight of each filter comes from, in effect.
    dose_s, gain : ndarray of shape (frames,), float64
        Of every frame; NaN where unknown.
    first : ndarray of shape (frames,), bool
        Whether a frame is the first of its scene, which alone is summed.
    range : tuple of float
        Least and largest value, in DN.
    sensitivity_known : bool
        False where no frame tells; `gain` is 1 then.
    rendered : bool
        Whether values are those of a JPEG's luma.
    """

    sums: Sums
    model: PlaneModel
    centres: dict[Kind, NDArray[np.float64]]
    weighty: dict[Kind, float]
    dose_s: NDArray[np.float64]
    gain: NDArray[np.float64]
    first: NDArray[np.bool_]
    range: tuple[float, float]
    sensitivity_known: bool
    rendered: bool

    @classmethod
    def of(
        cls,
        sums: Sums,
        model: PlaneModel,
        centres: Mapping[str, NDArray[np.float64]],
        conditions: Sequence[Conditions],
        scenes: Sequence[int],
        white: float,
        *,
        rendered: bool = False,
    ) -> Surroundings:
        """Measure them once per plane.

        Parameters
        ----------
        sums : Sums
        model : PlaneModel
        centres : mapping of str to ndarray
            Those of its `GaussianScores`.
        conditions : sequence of Conditions
            Of every frame.
        scenes : sequence of int
            Of every frame.
        white : float
            Largest value in DN.
        rendered : bool
            Whether it is the luma of JPEGs.
        """
        dose, gain = column(c.dose for c in conditions), column(c.gain for c in conditions)
        sensitivity_known = bool(np.isfinite(gain).any())
        if not sensitivity_known:
            gain = np.ones(len(conditions))
        # Where shot noise rules, sigma^2 grows with the gain: weights are then dose^2 / gain and gain.
        known = np.isfinite(dose) & np.isfinite(gain) & (gain > 0)
        weighty = {
            Kind.HOT: _effective(dose[known] ** 2 / gain[known]),
            Kind.OFFSET: _effective(gain[known]),
            Kind.BRIGHT: float(max(len(conditions), 1)),
        }
        first = np.zeros(len(scenes), bool)
        first[np.unique(np.array(scenes, np.int64), return_index=True)[1]] = True
        return cls(
            sums,
            model,
            {kind: centres[name] for kind, name in _FILTER.items()},
            weighty,
            dose,
            gain,
            first,
            (0.0, 0.99 * white),
            sensitivity_known,
            rendered,
        )


def column(values: Iterable[float | None]) -> NDArray[np.float64]:
    """Return values as an array, NaN for None."""
    return np.array([np.nan if v is None else v for v in values], np.float64)


def _effective(weights: NDArray[np.float64]) -> float:
    """Return how many equal weights are as uneven a sum."""
    squares = float((weights**2).sum())
    return float(weights.sum()) ** 2 / squares if squares > 0 else 1.0


def record(
    site: int, black: float, share: float, spread: float, sighted: Sighted, around: Surroundings
) -> SiteRecord:
    """Put together what is known of one site.

    Parameters
    ----------
    site : int
        Flat site of the plane.
    black : float
        Its black level in DN.
    share : float
        Share of the frames without a sighting that lie in the time in which it seems to be bad.
    spread : float
        Standardised variance of its score.
    sighted : Sighted
    around : Surroundings

    Returns
    -------
    SiteRecord
    """
    sums, model = around.sums, around.model
    flat = np.array([site])
    near = model.neighbours(flat, sums.shape)[0]
    counted = near[sums.at("n", near) > 0]
    own, others = sums.value_at(flat), sums.value_at(counted if counted.size else flat)
    light = sighted.prediction - black
    least, largest = around.range
    regressors: Mapping[Kind, NDArray[np.float64]] = {
        Kind.HOT: around.dose_s[sighted.frames],
        Kind.OFFSET: around.gain[sighted.frames],
        Kind.BRIGHT: np.maximum(light, 0.0),
    }
    quiet = {k: _quiet(site, k, np.nan_to_num(r), sighted, around) for k, r in regressors.items()}
    if not around.sensitivity_known:
        quiet[Kind.OFFSET] = _constant(site, sighted, around)
    return SiteRecord(
        spread=spread,
        share=share,
        mean=float(own.mean[0]) - black,
        near_mean=float(np.median(others.mean)) - black,
        variance=float(own.variance[0]),
        near_variance=float(np.median(others.variance)),
        quiet=quiet,
        excess=sighted.value - sighted.prediction,
        sigma=sighted.sigma,
        light=light,
        cut=(sighted.value <= least) | (sighted.value >= largest),
        dose_s=regressors[Kind.HOT],
        gain=regressors[Kind.OFFSET],
        rendered=around.rendered,
    )


def _constant(site: int, sighted: Sighted, around: Surroundings) -> Quiet:
    """Return what the unweighted scores say of a constant offset, with noise of its usual size."""
    fields = ("n", "value_sum", "z_sum", "light_weight", "over", "under")
    sums = {name: int(around.sums.at(name, np.array([site]))[0]) for name in fields}
    seen = sums["over"] + sums["under"]
    total = sums["z_sum"] / ev.Z_UNIT - ev.Z_CLIP * (sums["over"] - sums["under"])
    if sighted.sigma.size:
        sigma = float(np.median(sighted.sigma))
    else:
        lights = np.sqrt(max(sums["light_weight"], 1) / max(sums["n"], 1))
        sigma = max(sums["value_sum"] / max(sums["n"], 1) - around.model.black, 1.0) / float(lights)
    frames = max(sums["n"] - seen, 0)
    return Quiet(total / sigma, frames / sigma**2, float(max(frames, 1)))


def _quiet(
    site: int,
    kind: Kind,
    regressor: NDArray[np.float64],
    sighted: Sighted,
    around: Surroundings,
) -> Quiet:
    """Take the frames in which a site stood out out of the sums of a filter."""
    fields = (*FILTERS[_FILTER[kind]], "n", "over", "under")
    total_sum, weight_sum, n, over, under = (around.sums.at(name, np.array([site]))[0] for name in fields)
    scale = _LIGHT if kind is Kind.BRIGHT else ev.RENDERED_WEIGHTS if around.rendered else ev.RAW_WEIGHTS
    unit = scale.unit
    total = float(total_sum) / (ev.Z_UNIT * unit)
    weight = float(weight_sum) / unit**2
    row, col = divmod(site, around.sums.shape[1])
    centres = around.centres[kind]
    total -= float(centres[row % centres.shape[0], col % centres.shape[1]]) * np.sqrt(weight)
    frames, seen = float(n), int(over) + int(under)
    # Further frames of a scene are sighted, but not summed; sums of the newest epoch alone hold the last.
    counted = np.flatnonzero(around.first[sighted.frames])[-seen:] if seen else np.empty(0, np.int64)
    if counted.size:
        times = seen / counted.size
        weights = np.minimum(regressor / sighted.sigma, scale.limit / unit)[counted]
        signs = np.sign(sighted.value - sighted.prediction)[counted]
        total -= times * ev.Z_CLIP * float((signs * weights).sum())
        weight = max(weight - times * float((weights**2).sum()), 0.0)
        if kind is Kind.BRIGHT and weight > 0:
            steps = np.hypot(_SIGMA_STEP * weights, _LIGHT_STEP)
            doubt = times * float(np.linalg.norm(2.0 * weights * steps))
            trust = weight**2 / (weight**2 + (3.0 * doubt) ** 2)
            total, weight = trust * total, trust * weight
    rest = max(frames - seen, 0.0)
    return Quiet(total, weight, max(rest * around.weighty[kind] / max(len(around.gain), 1), 1.0))

"""The chance that a defect shows in a frame, and what its showing says.

A defect adds an amplitude to its photosite: rate x dose and offset x gain, or a share of the light. It stands
out where that is more than five standard deviations of the noise, and faintly from some three and a half on.
What is not known of the frame makes the chance less sharp: how warm the sensor was, and how light the scene
was just there, of which blocks of the frame tell coarsely. Specks of the scene stand out too, with a heavy
tail.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from defectmap.model.faint import FAINTEST, LOUDEST, STEP

SHOWN = 5.0
"""Standard deviations from which a photosite stands out."""

SLACK = 0.6
"""Relative spread of a dark current from frame to frame where nothing tells how warm the sensor was."""

_OWN_SLACK = 0.1
"""Relative spread of any amplitude."""

_SOFT = 1.15
"""Standard deviations of a reading about prediction plus amplitude: the prediction has an error too."""

_NODES = (-1.732, 0.0, 1.732)
_WEIGHTS = (1.0 / 6.0, 2.0 / 3.0, 1.0 / 6.0)
"""Three-point Gauss-Hermite quadrature over the light at a site."""

_HIDDEN = 0.3
"""Chance that clipped or busy surroundings hide a site that should show."""

_ANYTHING = 0.04
"""Share of the frames of a bad site in which anything may happen."""

_HALVINGS = 24

_LEAST_VARIANCE = 0.25
"""Of any noise, in DN^2: values are whole numbers."""

_PEAK = 0.39894
"""Density of a normal variable at 0."""


@dataclass(frozen=True, slots=True)
class Noise:
    """Variance of a healthy site's excess, as a frame's sightings show it.

    Attributes
    ----------
    read, shot, texture : float
        Shares that grow with gain^2, with gain x light and with light^2; light in DN above black.
    spread : float
        Relative spread of the standard deviation about that: surroundings are smooth here and busy there.
    """

    read: float
    shot: float
    texture: float
    spread: float = 0.0

    def sigma(self, gain: NDArray[np.float64], light: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the standard deviation in DN."""
        variance = self.read * gain**2 + self.shot * gain * light + self.texture * light**2
        return np.asarray(np.sqrt(np.maximum(variance, _LEAST_VARIANCE)))

    def as_clear_as(self, clearness: float, gain: NDArray[np.float64], light: NDArray[np.float64]) -> Noise:
        """Return the noise with the texture at which light is as clear, in the mean, as it is at a site.

        Sightings are made where surroundings are calm; the mean of all frames tells how busy they are else.

        Parameters
        ----------
        clearness : float
            Mean of (light / sigma)^2 over the frames; not above 0 where it is not known.
        gain, light : ndarray of shape (frames,), float64
        """
        if clearness <= 0.0:
            return self
        low, high = np.log(1e-8), 0.0
        smooth, square = self.read * gain**2 + self.shot * gain * light, light**2
        found = self
        for _ in range(_HALVINGS):
            middle = 0.5 * (low + high)
            found = replace(self, texture=float(np.exp(middle)))
            variance = np.maximum(smooth + found.texture * square, _LEAST_VARIANCE)
            clear = float((square / variance).mean())
            low, high = (middle, high) if clear > clearness else (low, middle)
        return found


def fit_noise(
    sigma: NDArray[np.float64], gain: NDArray[np.float64], light: NDArray[np.float64]
) -> Noise | None:
    """Fit the noise to sightings by least squares of relative errors, no share below 0.

    Parameters
    ----------
    sigma, gain, light : ndarray of shape (sightings,), float64
        Of any sites of a plane; light in DN above black.

    Returns
    -------
    Noise or None
        None for fewer than eight sightings of known gain.
    """
    known = np.isfinite(gain) & (gain > 0) & (sigma > 0)
    if int(known.sum()) < 8:
        return None
    gain, light, variance = gain[known], np.maximum(light[known], 0.0), sigma[known] ** 2
    design = np.stack([gain**2, gain * light, light**2], axis=1) / variance[:, None]
    shares = np.zeros(3)
    square, target = design.T @ design, design.sum(axis=0)
    for _ in range(300):  # coordinate descent; each step is the minimum along one axis
        for k in range(3):
            if square[k, k] > 0:
                rest = target[k] - square[k] @ shares + square[k, k] * shares[k]
                shares[k] = max(rest / square[k, k], 0.0)
    usual = Noise(*shares.tolist())
    off = 0.5 * np.log(variance) - np.log(usual.sigma(gain, light))
    return replace(usual, spread=float(1.4826 * np.median(np.abs(off - np.median(off)))))


@dataclass(frozen=True, slots=True)
class Background:
    """How often a healthy photosite stands out in a frame.

    Attributes
    ----------
    loud : float
        Chance of more than five standard deviations.
    faint : ndarray of shape (steps,), float64
        Chance of each faint score, `FAINTEST` to `LOUDEST`, of either sign.
    """

    loud: float
    faint: NDArray[np.float64]

    @classmethod
    def of(cls, loud: float, faint: NDArray[np.float64] | None = None) -> Background:
        """Return it from measured shares; of scores that no frame had, what noise alone makes."""
        edges = STEP * np.arange(FAINTEST, LOUDEST + 2)
        noise = 2.0 * _PEAK * STEP * np.exp(-0.5 * (edges[:-1] + 0.5 * STEP) ** 2)
        # Specks come in clusters: sites in lively parts have more than their share.
        loud = min(max(2.0 * loud, 1e-4), 0.2)
        return cls(loud, noise if faint is None else np.maximum(noise, 2.0 * faint - noise))

    def beyond(self, least: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the chance to score so many steps or more."""
        tail = np.append(np.cumsum(self.faint[::-1])[::-1], 0.0)
        return self.loud + np.asarray(tail[least - FAINTEST])

    def density(self, steps: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the chance of faint scores, per standard deviation and of one sign."""
        return np.asarray(self.faint[np.abs(steps) - FAINTEST] / (2.0 * STEP))


@dataclass(frozen=True, slots=True)
class Exposures:
    """What is known of every frame at one photosite, in order of capture.

    Attributes
    ----------
    dose_s : ndarray of shape (frames,), float64
        Seconds at ISO 100, times the warmth of the frame; 0 where unknown.
    gain : ndarray of shape (frames,), float64
        ISO / 100.
    light : ndarray of shape (frames,), float64
        In DN above black, as the blocks of the frame tell.
    octaves : float
        Standard deviation of the light at the site about that, in octaves.
    slack : ndarray of shape (frames,), float64
        Relative spread of a dark current about that, warmth taken out.
    most : float
        Largest light in DN above black at which a site is judged.
    long : ndarray of shape (frames,), bool
        Exposures in which cameras may suppress hot pixels.
    through : ndarray of shape (frames,), float64
        Chance that the camera lets a defect through: 1 but for suppression.
    noise : Noise
    least : ndarray of shape (frames,), int64
        Steps from which faint scores are known.
    scene : ndarray of shape (frames,), int64
        Frames of one number show one scene.
    """

    dose_s: NDArray[np.float64]
    gain: NDArray[np.float64]
    light: NDArray[np.float64]
    octaves: float
    slack: NDArray[np.float64]
    most: float
    long: NDArray[np.bool_]
    through: NDArray[np.float64]
    noise: Noise
    least: NDArray[np.int64]
    scene: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Seen:
    """The sightings of one photosite, in order of capture.

    Attributes
    ----------
    frames : ndarray of shape (sightings,), int64
    excess, sigma, light : ndarray of shape (sightings,), float64
        In DN; light is the prediction above black.
    cut : ndarray of shape (sightings,), bool
        Whether the value is at an end of its range, so that the excess may be larger than it shows.
    faint_frames, faint_steps : ndarray of shape (faint sightings,), int64
        Frames in which it stood out faintly, and its score there in steps of `faint.STEP`.
    """

    frames: NDArray[np.int64]
    excess: NDArray[np.float64]
    sigma: NDArray[np.float64]
    light: NDArray[np.float64]
    cut: NDArray[np.bool_]
    faint_frames: NDArray[np.int64]
    faint_steps: NDArray[np.int64]

    @property
    def size(self) -> int:
        """Number of sightings, the faint ones too."""
        return self.frames.size + self.faint_frames.size


@dataclass(frozen=True, slots=True)
class Strengths:
    """Strengths that a defect may have, side by side.

    Attributes
    ----------
    rate : ndarray of shape (strengths,), float64
        DN per second at ISO 100.
    offset : ndarray of shape (strengths,), float64
        DN at ISO 100.
    share : ndarray of shape (strengths,), float64
        Share of the light that is added; negative where it is lost.
    level : ndarray of shape (strengths,), float64
        Constant reading in DN above black that takes the place of the light; NaN for a site that follows it.
    """

    rate: NDArray[np.float64]
    offset: NDArray[np.float64]
    share: NDArray[np.float64]
    level: NDArray[np.float64]

    @classmethod
    def of(cls, size: int, **given: NDArray[np.float64]) -> Strengths:
        """Return strengths of which some parts are given, the others none."""
        none = {name: np.zeros(size) for name in ("rate", "offset", "share")} | {
            "level": np.full(size, np.nan)
        }
        return cls(**(none | given))

    def __len__(self) -> int:
        return len(self.rate)

    def __getitem__(self, index: NDArray[np.int64] | slice) -> Strengths:
        return Strengths(self.rate[index], self.offset[index], self.share[index], self.level[index])

    def table(self) -> NDArray[np.float64]:
        """Return what they add per dose, per gain, per light, and whatever these, of shape (strengths, 4)."""
        stuck = np.isfinite(self.level)
        parts = [np.where(stuck, 0.0, part) for part in (self.rate, self.offset)]
        share, level = np.where(stuck, -1.0, self.share), np.where(stuck, self.level, 0.0)
        return np.stack([*parts, share, level], axis=1)


@dataclass(frozen=True, slots=True)
class Showing:
    """What each frame says, but for the chance that the camera lets a defect through.

    Attributes
    ----------
    shape : ndarray of shape (strengths, frames), float64
        Chance that the site shows where it is bad, were nothing to hide it.
    glimpsed : ndarray of shape (strengths, faint sightings), float64
        How much likelier each is at a bad site that nothing hides than at a healthy one.
    sighted : ndarray of shape (strengths, sightings), float64
        Density of each at such a bad site, in units of its noise.
    specks : ndarray of shape (sightings,), float64
        Density of such a speck of the scene.
    quiet : ndarray of shape (frames,), float64
        Log likelihood of a healthy site not to show.
    seen : Seen
    loud : float
        Chance of a healthy site to stand out.
    """

    shape: NDArray[np.float64]
    glimpsed: NDArray[np.float64]
    sighted: NDArray[np.float64]
    specks: NDArray[np.float64]
    quiet: NDArray[np.float64]
    seen: Seen
    loud: float

    @classmethod
    def of(cls, strengths: Strengths, seen: Seen, exposures: Exposures, background: Background) -> Showing:
        """Work it out for strengths that a defect may have."""
        from defectmap.model import showing_kernels as kernels  # noqa: PLC0415 - compiled code loads slowly

        e = exposures
        asked = np.minimum(STEP * e.least, SHOWN)
        lights = e.light * 2.0 ** (np.array(_NODES)[:, None] * e.octaves)
        sigmas = e.noise.sigma(e.gain, lights)
        weights = np.where(lights < e.most, np.array(_WEIGHTS)[:, None], 0.0)
        floors = (_SOFT * sigmas) ** 2 + (asked * e.noise.spread * sigmas) ** 2
        table = strengths.table()
        shape = kernels.shapes(
            table, e.dose_s, e.gain, e.slack, _OWN_SLACK, lights, asked * sigmas, floors, weights
        )
        at = seen.faint_frames
        dose, gain, slack = (part[at] for part in (e.dose_s, e.gain, e.slack))
        light, sigma, weight = (part[:, at] for part in (lights, sigmas, weights))
        steps, healthy = seen.faint_steps, background.density(seen.faint_steps)
        scores = STEP * (steps + 0.5 * np.sign(steps))
        glimpsed = kernels.glimpsed(
            table, dose, gain, slack, _OWN_SLACK, _SOFT, light, sigma, weight, scores, healthy
        )
        dose, gain, slack = (part[seen.frames] for part in (e.dose_s, e.gain, e.slack))
        sighted = kernels.sighted(
            table, dose, gain, slack, _OWN_SLACK, _SOFT, seen.light, seen.sigma, seen.excess, seen.cut
        )
        score = np.maximum(np.abs(seen.excess) / seen.sigma, SHOWN)
        quiet = np.log1p(-background.beyond(e.least))
        return cls(shape, glimpsed, sighted, 0.5 * SHOWN / score**2, quiet, seen, background.loud)

    def __getitem__(self, index: NDArray[np.int64]) -> Showing:
        return replace(
            self, shape=self.shape[index], glimpsed=self.glimpsed[index], sighted=self.sighted[index]
        )

    def gain(self, through: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return what each frame says.

        Parameters
        ----------
        through : ndarray of shape (frames,), float64
            Chance that the camera lets a defect through.

        Returns
        -------
        gain : ndarray of shape (strengths, frames), float64
            Log likelihood were the site bad, less that were it healthy.
        chance : ndarray of shape (strengths, frames), float64
            That it shows where it is bad.
        """
        shows = through * (1.0 - _HIDDEN)
        chance = self.shape * shows
        gain = 1.0 - chance
        np.log(gain, out=gain)
        gain -= self.quiet
        faint, at = self.seen.faint_frames, self.seen.frames
        gain[:, faint] = np.log(shows[faint] * self.glimpsed + (1.0 - shows[faint]))
        bad = shows[at] * self.sighted + max(self.loud, _ANYTHING) * self.specks
        gain[:, at] = np.log(bad) - np.log(self.loud * self.specks)
        return gain, chance


def log_gain(
    strengths: Strengths, seen: Seen, exposures: Exposures, background: Background
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what each frame says, of shape (strengths, frames), and the chance to show: see `Showing.gain`.

    Parameters
    ----------
    strengths : Strengths
    seen : Seen
    exposures : Exposures
    background : Background
    """
    return Showing.of(strengths, seen, exposures, background).gain(exposures.through)

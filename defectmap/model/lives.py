"""The life of every defect of a map: from its sightings and the table of frames to its bad periods."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from defectmap.model.batches import batches
from defectmap.model.dating import Life, date_site, fit_life
from defectmap.model.defects import Kind, Period
from defectmap.model.evidence import may_be_clamped
from defectmap.model.facts import FrameFacts
from defectmap.model.periods import BadPeriod
from defectmap.model.prediction import PlaneModel
from defectmap.model.scenes import levels_at
from defectmap.model.showing import SLACK, Background, Exposures, Noise, Seen, fit_noise
from defectmap.model.temperature import HotSite, warmth

_WARM = frozenset({Kind.HOT, Kind.OFFSET})

_BLINKING = 0.5
"""Share of its log likelihood that a frame of a blinking site keeps: what is silent now will be so next."""

_TELLING = 64
"""Hot sites that are asked how warm a frame was; more would tell little more."""

_THREADS = 2
"""Sites that are dated at a time, each by itself."""

_OCTAVES, _FEWEST, _MOST = 0.6, 0.3, 1.2
"""Spread of the light at sites about that of their blocks, where too little tells, and its bounds."""

_MANY = 20
"""Sightings that measure that spread."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A site to be dated.

    Attributes
    ----------
    site : int
        Flat site of the mosaic.
    kind : Kind
    colour : str
    level : float
        Of a stuck site, its reading in DN above black.
    seen : Seen
        Its sightings; frames count all frames of the stream.
    clearness : float
        Mean of (light / sigma)^2 there, over the frames that were summed.
    """

    site: int
    kind: Kind
    colour: str
    level: float
    seen: Seen
    clearness: float


def date_all(
    judged: Sequence[Judged],
    facts: Sequence[FrameFacts],
    least: NDArray[np.int64],
    model: PlaneModel,
    shape: tuple[int, int],
    background: Background,
) -> list[tuple[Period, ...]]:
    """Date the defects of a raw stream together: hot sites tell how warm each frame was.

    Parameters
    ----------
    judged : sequence of Judged
    facts : sequence of FrameFacts
        Of every frame in order of capture. Frames without a time take no part.
    least : ndarray of shape (frames,), int64
        Steps from which the faint scores of each are known.
    model : PlaneModel
    shape : tuple of int
        Rows and columns of the mosaic.
    background : Background

    Returns
    -------
    list of tuple of Period
        Of each site.
    """
    plainly = PlainDates.of(facts)
    dated, when = plainly.dated, plainly.facts
    own = [replace(one, seen=_among(one.seen, dated)) for one in judged]
    gain = np.array([np.nan if (g := f.conditions.gain) is None else g for f in when], np.float64)
    noise = _noise(own, gain)
    if noise is None:
        return [plainly.date(one.seen.frames, one.kind, background.loud) for one in judged]
    frames = _Frames.of(when, least[dated], own, noise, model, shape)
    with ThreadPoolExecutor(_THREADS) as pool:

        def fitted(sites: Sequence[int]) -> dict[int, Life]:
            return dict(
                zip(sites, pool.map(lambda i: _fit(own[i], frames, i, background), sites), strict=True)
            )

        warm = [i for i, one in enumerate(own) if one.kind in _WARM]
        warm.sort(key=lambda i: (-own[i].seen.size, own[i].site))
        lives = fitted([i for i, one in enumerate(own) if one.kind not in {*_WARM, Kind.NOISY}])
        telling: list[int] = []
        # Of the others no life is wanted before it is known how warm the frames were.
        for first in range(0, len(warm), _TELLING):
            lives |= fitted(warm[first : first + _TELLING])
            telling = [i for i in warm if i in lives and lives[i].strength is not None][:_TELLING]
            if len(telling) == _TELLING:
                break
        if telling:
            sites = [_hot(own[i], lives[i], frames.at(i, own[i].clearness)) for i in telling]
            factor, slack = warmth(sites, len(when), background)
            frames = replace(frames, dose_s=frames.dose_s * factor, slack=slack)
            lives |= fitted(warm)
    return [
        _told(lives[i].periods, when)
        if i in lives
        else plainly.date(judged[i].seen.frames, one.kind, background.loud)
        for i, one in enumerate(own)
    ]


@dataclass(frozen=True, slots=True)
class PlainDates:
    """Dates sites by nothing but when they stood out.

    Attributes
    ----------
    dated : ndarray of shape (dated,), int64
        Indices of the frames whose time is known, and whose sensitivity, where any is. Others take no part.
    facts : sequence of FrameFacts
        Of these.
    dose_s, gain : ndarray of shape (dated,), float64
        0 where unknown.
    scene : ndarray of shape (dated,), int64
    """

    dated: NDArray[np.int64]
    facts: Sequence[FrameFacts]
    dose_s: NDArray[np.float64]
    gain: NDArray[np.float64]
    scene: NDArray[np.int64]

    @classmethod
    def of(cls, facts: Sequence[FrameFacts]) -> PlainDates:
        """Look at every frame, in order of capture, once for all sites."""
        told = any(one.conditions.gain is not None for one in facts)
        dated = [
            i
            for i, one in enumerate(facts)
            if one.conditions.captured is not None and (one.conditions.gain is not None or not told)
        ]
        when = [facts[i] for i in dated]
        return cls(
            np.array(dated, np.int64),
            when,
            np.array([f.conditions.dose or 0.0 for f in when]),
            np.array([f.conditions.gain or 0.0 for f in when]),
            _scenes(when),
        )

    def date(self, seen: NDArray[np.int64], kind: Kind, background: float) -> tuple[Period, ...]:
        """Date a site.

        Parameters
        ----------
        seen : ndarray of shape (sightings,), int64
            Indices into all frames.
        kind : Kind
        background : float
            Chance of a healthy site to stand out in one frame.
        """
        dose, gain = self.dose_s, self.gain
        # Of the light that shows the other kinds there is some in frames of any exposure.
        exposures = {Kind.HOT: (dose,), Kind.OFFSET: (gain, dose), Kind.NOISY: (gain, dose)}.get(
            kind, (gain,)
        )
        trust = _BLINKING if kind is Kind.NOISY else 1.0
        shown = np.isin(self.dated, seen)
        return _told(date_site(shown, exposures, self.scene, background, trust), self.facts)


def _scenes(facts: Sequence[FrameFacts]) -> NDArray[np.int64]:
    return np.array([one.scene for one in facts], np.int64)


@dataclass(frozen=True, slots=True)
class _Frames:
    """The dated frames, at every site."""

    dose_s: NDArray[np.float64]
    gain: NDArray[np.float64]
    slack: NDArray[np.float64]
    long: NDArray[np.bool_]
    light: NDArray[np.float32]
    octaves: float
    most: float
    noise: Noise
    least: NDArray[np.int64]
    scene: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        facts: Sequence[FrameFacts],
        least: NDArray[np.int64],
        judged: Sequence[Judged],
        noise: Noise,
        model: PlaneModel,
        shape: tuple[int, int],
    ) -> _Frames:
        sites = np.array([one.site for one in judged], np.int64)
        light = np.full((len(judged), len(facts)), np.nan, np.float32)
        framed = ((i, one.framing) for i, one in enumerate(facts) if one.framing is not None)
        for numbers, framings in batches(framed):
            levels = np.maximum(levels_at(framings, sites, shape) - model.black, 1.0)
            light[:, list(numbers)] = levels.T
        octaves = _by_colour(judged, light)
        for row, site in zip(light, judged, strict=True):
            known = np.isfinite(row)
            usual = (
                np.median(row[known])
                if known.any()
                else np.median(site.seen.light)
                if site.seen.light.size
                else 1.0
            )
            row[~known] = max(float(usual), 1.0)
        conditions = [one.conditions for one in facts]
        return cls(
            np.array([c.dose or 0.0 for c in conditions]),
            np.array([c.gain or 1.0 for c in conditions]),
            np.full(len(conditions), SLACK),
            np.array([may_be_clamped(c) for c in conditions], bool),
            light,
            octaves if all(one.framing is not None for one in facts) else _MOST,
            model.clipped - model.black,
            noise,
            least,
            _scenes(facts),
        )

    def at(self, index: int, clearness: float) -> Exposures:
        light = self.light[index].astype(np.float64)
        return Exposures(
            self.dose_s,
            self.gain,
            light,
            self.octaves,
            self.slack,
            self.most,
            self.long,
            np.ones(len(self.gain)),
            self.noise.as_clear_as(clearness, self.gain, light),
            self.least,
            self.scene,
        )


def _by_colour(judged: Sequence[Judged], light: NDArray[np.float32]) -> float:
    """Bring light of blocks, which mix the colours, to that of each site's own; return how far it is off."""
    off: list[NDArray[np.float64]] = []
    for colour in sorted({one.colour for one in judged}):
        mine = [i for i, one in enumerate(judged) if one.colour == colour]
        parts = [
            np.log2(np.maximum(judged[i].seen.light, 1.0) / light[i, judged[i].seen.frames]) for i in mine
        ]
        ratio = np.concatenate(parts)
        ratio = ratio[np.isfinite(ratio)]
        if ratio.size < _MANY:
            continue
        middle = float(np.median(ratio))
        light[mine] *= np.float32(2.0**middle)
        off.append(np.abs(ratio - middle))
    return float(np.clip(1.4826 * np.median(np.concatenate(off)), _FEWEST, _MOST)) if off else _OCTAVES


def _among(seen: Seen, dated: NDArray[np.int64]) -> Seen:
    """Count the dated frames alone."""
    kept, faint = np.isin(seen.frames, dated), np.isin(seen.faint_frames, dated)
    return Seen(
        np.searchsorted(dated, seen.frames[kept]),
        seen.excess[kept],
        seen.sigma[kept],
        seen.light[kept],
        seen.cut[kept],
        np.searchsorted(dated, seen.faint_frames[faint]),
        seen.faint_steps[faint],
    )


def _noise(judged: Sequence[Judged], gain: NDArray[np.float64]) -> Noise | None:
    if not judged:
        return None
    sigma, light = (np.concatenate([getattr(o.seen, part) for o in judged]) for part in ("sigma", "light"))
    return fit_noise(sigma, gain[np.concatenate([one.seen.frames for one in judged])], light)


def _fit(one: Judged, frames: _Frames, index: int, background: Background) -> Life:
    return fit_life(one.kind, one.level, one.seen, frames.at(index, one.clearness), background)


def _hot(one: Judged, life: Life, exposures: Exposures) -> HotSite:
    assert life.strength is not None
    bad = np.zeros(len(exposures.gain), bool)
    for start, stop in life.stretches:
        bad[start:stop] = True
    return HotSite(life.strength, one.seen, exposures, bad)


def _told(periods: Sequence[BadPeriod], facts: Sequence[FrameFacts]) -> tuple[Period, ...]:
    """Return periods as times."""

    def moment(index: int | None) -> datetime | None:
        return None if index is None else facts[index].conditions.captured

    return tuple(
        Period(
            moment(p.last_good),
            moment(p.first_bad),
            moment(p.last_bad),
            moment(p.first_good),
            moment(p.onset),
            moment(p.healed),
            p.confidence,
        )
        for p in periods
    )

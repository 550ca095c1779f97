"""From sightings to the times in which a site was bad: onset and healing, each as an interval.

A maximum-likelihood change point with the chance that the defect shows in each frame (Fridrich and Goljan,
SPIE 7880, 2011, and Leung, Chapman, Koren and Koren, SPIE 7249, 2009, date defects from photos), of a defect
whose strength is fitted together with its dates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from defectmap.model.defects import Kind
from defectmap.model.faint import STEP
from defectmap.model.periods import BadPeriod, bound, segments
from defectmap.model.showing import Background, Exposures, Seen, Showing, Strengths, log_gain

FEWEST = 3
"""Sightings that a date needs."""

_RATES, _OFFSETS, _SHARES = 24, 12, 24
_ROUNDS = 4
_SIFTED = 96
"""Strengths that a sample of the frames leaves, of the likeliest."""

_KEPT = 64
"""Strengths that are followed, of the likeliest."""

_USUAL_THROUGH = 4.0
"""Frames' worth of belief that a camera lets defects through."""

_SURE = 0.75
"""Largest chance to show of a site of unknown strength: busy surroundings may hide it in a frame or two."""

_SAMPLE = 300
"""Frames, and as many sightings, that strengths are sifted by."""

_DRAWN = 12.0
"""Log likelihood below the best from which a strength is not thought of."""


@dataclass(frozen=True, slots=True)
class Life:
    """When a site was bad, and how strongly.

    Attributes
    ----------
    periods : tuple of BadPeriod
        At least one.
    stretches : tuple of (int, int)
        First bad frame of each period and the first good one after, as is likeliest.
    strength : Strengths or None
        The likeliest; None where the sightings are too few for one.
    """

    periods: tuple[BadPeriod, ...]
    stretches: tuple[tuple[int, int], ...] = ()
    strength: Strengths | None = None


def fit_life(kind: Kind, level: float, seen: Seen, exposures: Exposures, background: Background) -> Life:
    """Find when a site of known kind was bad, and how strongly.

    Parameters
    ----------
    kind : Kind
        Not `Kind.NOISY`, whose showing no amplitude tells.
    level : float
        Of a stuck site, its reading in DN above black.
    seen : Seen
        Its sightings.
    exposures : Exposures
        Of every frame whose time is known, in order of capture.
    background : Background

    Returns
    -------
    Life
        Of a site seen in fewer than three frames nothing is said: it may have been bad at any time.
    """
    if seen.size < FEWEST:
        return Life((BadPeriod.unknown(len(exposures.gain)),))
    strengths = _likely(_strengths(kind, level, seen, exposures), seen, exposures, background)
    shown = np.concatenate((seen.frames, seen.faint_frames))
    once = _each_scene_once(shown, exposures.scene)
    showing = Showing.of(strengths, seen, exposures, background)
    for _ in range(_ROUNDS):
        gain, chance = showing.gain(exposures.through)
        gain *= np.where(gain < 0, once, 1.0)
        sums = _best_sums(gain)
        near = np.sort(np.argsort(-sums, kind="stable")[:_KEPT])
        near = near[sums[near] > sums.max() - 2.0 * _DRAWN]
        strengths, showing, gain, chance = strengths[near], showing[near], gain[near], chance[near]
        best = int(sums[near].argmax())
        found = segments(gain[best])
        through = _through(exposures, seen, chance[best], found)
        if np.abs(through - exposures.through).max() < 0.02:
            break
        exposures = replace(exposures, through=through)
    if not found:
        return Life((BadPeriod.unknown(len(exposures.gain)),))
    sums = sum((gain[:, start:stop].sum(axis=1) for start, stop in found), np.zeros(len(strengths)))
    near = np.flatnonzero(sums > sums[best] - _DRAWN)
    return Life(tuple(bound(gain[near], found)), tuple(found), strengths[best : best + 1])


def date_site(
    seen: NDArray[np.bool_],
    exposures: Sequence[NDArray[np.float64]],
    scene: NDArray[np.int64],
    background: float,
    trust: float = 1.0,
) -> tuple[BadPeriod, ...]:
    """Find the periods in which a site was bad by nothing but when it stood out.

    Parameters
    ----------
    seen : ndarray of shape (frames,), bool
        Whether the site stood out, frames in order of capture.
    exposures : sequence of ndarray of shape (frames,), float64
        What the visibility of the site depends on, such as seconds at ISO 100 and gain; 0 where unknown. Only
        frames of like exposures speak of each other.
    scene : ndarray of shape (frames,), int64
        Frames of one number show one scene.
    background : float
        Chance of a healthy site to stand out in one frame.
    trust : float
        Share of its log likelihood that each frame keeps: less than 1 where frames depend on each other.

    Returns
    -------
    tuple of BadPeriod
        At least one. Of a site seen in fewer than three frames nothing is said: it may have been bad at any
        time.
    """
    hits = np.flatnonzero(seen)
    if hits.size < FEWEST:
        return (BadPeriod.unknown(len(seen)),)
    quiet = min(max(2.0 * background, 1e-4), 0.2)
    classes = _exposure_classes(seen, exposures)
    found = [(int(hits[0]), int(hits[-1]) + 1)]
    gain, once = np.zeros(len(seen)), _each_scene_once(hits, scene)
    for _ in range(_ROUNDS):
        chance = _rates(seen, classes, found, quiet)
        gain = np.where(seen, np.log(chance / quiet), once * np.log((1.0 - chance) / (1.0 - quiet)))
        gain *= trust
        before, found = found, segments(gain)
        if found == before or not found:
            break
    return tuple(bound(gain[None], found)) if found else (BadPeriod.unknown(len(seen)),)


def _each_scene_once(seen: NDArray[np.int64], scene: NDArray[np.int64]) -> NDArray[np.float64]:
    """Weigh frames so that a scene that never shows the site is one witness of its health.

    What hides a site there, such as light that reads what a stuck site reads, does so in each of its frames.
    """
    _, number, size = np.unique(scene, return_inverse=True, return_counts=True)
    shows = np.zeros(size.size, bool)
    shows[number[seen]] = True
    return np.where(shows, 1.0, 1.0 / size)[number]


def _strengths(kind: Kind, level: float, seen: Seen, exposures: Exposures) -> Strengths:
    """Return the strengths that sightings make possible."""
    if kind is Kind.STUCK:
        return Strengths.of(1, level=np.array([level]))
    if kind is Kind.DEAD:
        return Strengths.of(1, share=np.array([-1.0]))
    faint = seen.faint_frames
    at, light = np.concatenate((seen.frames, faint)), np.concatenate((seen.light, exposures.light[faint]))
    sigma = exposures.noise.sigma(exposures.gain[faint], exposures.light[faint])
    excess = np.concatenate((seen.excess, STEP * seen.faint_steps * sigma))
    if kind in {Kind.DIM, Kind.BRIGHT}:
        shares = excess / np.maximum(light, 1.0)
        low, high = np.quantile(shares, (0.1, 0.9))
        return Strengths.of(_SHARES, share=np.linspace(low - 0.15, high + 0.15, _SHARES))
    sign = 1.0 if np.median(excess) >= 0 else -1.0
    mine = sign * excess > 0
    excess, at = np.abs(excess[mine]), at[mine]
    offsets = np.concatenate(([0.0], _span(excess / exposures.gain[at], _OFFSETS)))
    lit = exposures.dose_s[at] > 0
    rates = np.zeros(1)
    if lit.any():
        rates = np.concatenate(([0.0], _span(excess[lit] / exposures.dose_s[at][lit], _RATES)))
    rate, offset = (part.ravel() for part in np.meshgrid(rates, offsets))
    some = (rate > 0) | (offset > 0)
    return Strengths.of(int(some.sum()), rate=sign * rate[some], offset=sign * offset[some])


def _likely(strengths: Strengths, seen: Seen, exposures: Exposures, background: Background) -> Strengths:
    """Leave out strengths that a sample of the frames makes unlikely: most are, and frames may be many."""
    e = exposures
    quietly = max(len(e.gain) // _SAMPLE, 1)
    loudly, faintly = (max(frames.size // _SAMPLE, 1) for frames in (seen.frames, seen.faint_frames))
    some, few = slice(None, None, loudly), slice(None, None, faintly)
    weight = np.zeros(len(e.gain))
    weight[::quietly] = quietly
    weight[seen.frames] = weight[seen.faint_frames] = 0.0
    weight[seen.frames[some]] = loudly
    weight[seen.faint_frames[few]] = faintly
    kept = np.flatnonzero(weight)
    part = replace(
        e,
        dose_s=e.dose_s[kept],
        gain=e.gain[kept],
        light=e.light[kept],
        slack=e.slack[kept],
        long=e.long[kept],
        through=e.through[kept],
        least=e.least[kept],
        scene=e.scene[kept],
    )
    shown = Seen(
        np.searchsorted(kept, seen.frames[some]),
        seen.excess[some],
        seen.sigma[some],
        seen.light[some],
        seen.cut[some],
        np.searchsorted(kept, seen.faint_frames[few]),
        seen.faint_steps[few],
    )
    sums = _best_sums(log_gain(strengths, shown, part, background)[0] * weight[kept])
    # A sample knows the sums less well than all frames do, by more where each stands for many.
    thinned = max(quietly, loudly, faintly)
    likely = np.argsort(-sums, kind="stable")[:_SIFTED]
    return strengths[np.sort(likely[sums[likely] > sums.max() - 2.0 * _DRAWN * np.sqrt(thinned)])]


def _span(ratio: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Return strengths from well under the usual ratio of excess to regressor to the larger ones."""
    low, high = np.quantile(ratio, (0.0, 0.9))
    return np.geomspace(0.3 * low, high, size)


def _best_sums(gain: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the largest sum over a contiguous stretch, of each row."""
    from defectmap.model import showing_kernels as kernels  # noqa: PLC0415 - compiled code loads slowly

    return np.asarray(kernels.best_sums(np.ascontiguousarray(gain)))


def _through(
    exposures: Exposures, seen: Seen, chance: NDArray[np.float64], found: list[tuple[int, int]]
) -> NDArray[np.float64]:
    """Measure how often the site showed of the times it should have, in short and long exposures.

    Cameras suppress hot pixels in long exposures; then such a frame is no proof of health.
    """
    through = np.ones(len(chance))
    inside, shown = np.zeros(len(chance), bool), np.zeros(len(chance), bool)
    for start, stop in found:
        inside[start:stop] = True
    shown[seen.frames] = shown[seen.faint_frames] = True
    for group in (exposures.long, ~exposures.long):
        frames = group & inside
        should = float((chance[frames] / exposures.through[frames]).sum())
        did = float((shown & (chance > 0.02))[frames].sum())
        through[group] = min((did + _USUAL_THROUGH) / (should + _USUAL_THROUGH), 1.0)
    return through


def _exposure_classes(seen: NDArray[np.bool_], exposures: Sequence[NDArray[np.float64]]) -> NDArray[np.int64]:
    """Cut each exposure into what is less and more than what showed the site, and thirds of that."""
    classes = np.zeros(len(seen), np.int64)
    for values in exposures:
        edges = np.quantile(values[seen], (0.0, 1 / 3, 2 / 3, 1.0))
        edges[-1] = np.nextafter(edges[-1], np.inf)
        classes = classes * (edges.size + 1) + np.searchsorted(np.unique(edges), values, side="right")
    return classes


def _rates(
    seen: NDArray[np.bool_], classes: NDArray[np.int64], found: list[tuple[int, int]], quiet: float
) -> NDArray[np.float64]:
    """Chance of the bad site to show in each frame, by exposure class, measured inside its bad periods."""
    inside = np.zeros(len(seen), bool)
    for start, stop in found:
        inside[start:stop] = True
    chance = np.full(len(seen), quiet)
    for k in np.unique(classes):
        members = classes == k
        shown = seen[inside & members]
        rate = (float(shown.sum()) + 0.5) / (shown.size + 1.0) if shown.size else quiet
        chance[members] = min(max(rate, quiet), _SURE)
    return chance

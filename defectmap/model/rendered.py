"""What the spot of a bad photosite in a rendered picture hides, and what to add so that it is gone.

A camera's demosaicing smears one bad photosite over a few pixels and all colour planes, and its sharpening
may put a dark ring around it. So the spot is not cut out: picture and spot are told apart. Both are taken as
Gaussian: the scene with the autocovariance that its surroundings show, the spot with one of a few shapes and
strengths, each weighted by how likely it makes what is seen (Wiener estimation and marginal likelihood, as in
Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, chapters 2 and 5). Under a strong spot
this becomes interpolation from outside; of a faint one only its expected shape is taken away.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Final

import numpy as np

from defectmap.model.footprints import Footprints
from defectmap.model.spots import OTHERS, WIDEST, Scene, covered, hypotheses
from defectmap.model.surroundings import Floats, Plane, RenderedSite, standing_out

__all__ = ["REACH", "Plane", "Removal", "RenderedSite", "groups", "remove"]

REACH: Final = 16
"""Samples of surroundings that a plane should show on each side of the sites."""

_SAME_GROUP: Final = 3  # sites this near to each other overlap and are told apart together
_GROUP_SPAN: Final = 8  # luma pixels that a group may span, to bound the effort
_TEMPER: Final = 0.15  # scenes are not quite Gaussian: likelihoods count only that much against each other
# Gain in log likelihood. Healthy places in real photos reach 9 once in twenty, as scenes have outliers.
_SURE: Final = 12.0
_SURE_IF_CERTAIN: Final = 4.0
_SURE_IF_EXPECTED: Final = 0.0
# Distance from what the surroundings foretell, in root mean squares of such distances around. Where it is
# less, taking the spot for real makes the picture worse as often as not: the scene itself does such things.
_GAINS: Final = 3.0


@dataclass(frozen=True, slots=True)
class Removal:
    """What to add to each plane.

    Attributes
    ----------
    deltas : tuple of ndarray, float64
        One per plane, of its shape; zero outside of the spots.
    visible : tuple of bool
        Per site, whether its spot shows in this picture. Nothing is removed for one that does not.
    """

    deltas: tuple[Floats, ...]
    visible: tuple[bool, ...]


def groups(sites: Iterable[RenderedSite]) -> list[tuple[RenderedSite, ...]]:
    """Sites whose spots overlap, together; the order of rows is kept.

    Parameters
    ----------
    sites : iterable of RenderedSite

    Returns
    -------
    list of tuple of RenderedSite
    """
    found: list[list[RenderedSite]] = []
    for site in sorted(sites, key=lambda s: (s.row, s.col)):
        for group in reversed(found):
            rows, cols = [s.row for s in group] + [site.row], [s.col for s in group] + [site.col]
            if max(max(rows) - min(rows), max(cols) - min(cols)) <= _GROUP_SPAN and any(
                max(abs(s.row - site.row), abs(s.col - site.col)) <= _SAME_GROUP for s in group
            ):
                group.append(site)
                break
        else:
            found.append([site])
    return [tuple(group) for group in found]


def remove(
    planes: Sequence[Plane],
    sites: Sequence[RenderedSite],
    others: Sequence[RenderedSite] = (),
    footprints: Footprints | None = None,
) -> Removal:
    """Estimate the spots of a group of sites and what removes them.

    Parameters
    ----------
    planes : sequence of Plane
        Y alone, or Y, Cb and Cr, each with :data:`REACH` samples around the sites where the picture has them.
    sites : sequence of RenderedSite
        A group, as :func:`groups` makes them.
    others : sequence of RenderedSite
        Further bad sites nearby that are not repaired yet: what they spoil is not used.
    footprints : Footprints or None
        What sites do to the pictures of this camera, where it is known.

    Returns
    -------
    Removal
    """
    known = footprints or Footprints()
    nothing = Removal(tuple(np.zeros_like(plane.values) for plane in planes), (False,) * len(sites))
    kept = tuple(site for site in sites if _stands_out(planes, site, sites, others, known))
    if not kept:
        return nothing
    scenes = [Scene.around(i, plane, sites, others) for i, plane in enumerate(planes)]
    best = _estimate(scenes, kept, known)
    for site in kept if len(kept) > 1 else ():
        rest = tuple(s for s in kept if s is not site)
        without = _estimate(scenes, rest, known)
        if best.gain - without.gain < _required(site, known):
            kept, best = rest, without
    if not kept or (len(kept) == 1 and best.gain < _required(kept[0], known)):
        return nothing
    ends = np.cumsum([len(scene.places) for scene in scenes])[:-1]
    changes = np.split(best.change, ends)
    deltas = tuple(scene.spread(change) for scene, change in zip(scenes, changes, strict=True))
    return Removal(deltas, tuple(any(s is k for k in kept) for s in sites))


def _kernels() -> ModuleType:
    """Compiled loops, loaded when first needed: numba takes half a second to import."""
    from defectmap.model import rendered_kernels  # noqa: PLC0415

    return rendered_kernels


def _stands_out(
    planes: Sequence[Plane],
    site: RenderedSite,
    sites: Sequence[RenderedSite],
    others: Sequence[RenderedSite],
    footprints: Footprints,
) -> bool:
    """Whether a site shows enough for its repair to gain; what the map expects needs no showing."""
    if _is_expected(site, footprints):
        return True
    found = []
    for plane in planes:
        spoiled = covered(plane, sites, WIDEST) | covered(plane, others, OTHERS)
        found.append(standing_out(plane, spoiled, site.row, site.col))
    return site.sign * found[0] >= 0 and max(abs(one) for one in found) >= _GAINS


def _is_expected(site: RenderedSite, footprints: Footprints) -> bool:
    return site.expected is not None and footprints.of(site.row, site.col, site.colour) is not None


def _required(site: RenderedSite, footprints: Footprints) -> float:
    if _is_expected(site, footprints):
        return _SURE_IF_EXPECTED
    return _SURE_IF_CERTAIN if site.certain_here else _SURE


@dataclass(frozen=True, slots=True)
class _Estimate:
    """A spot over all planes, and by how much it makes the window likelier (natural logarithm)."""

    gain: float
    change: Floats


def _estimate(scenes: Sequence[Scene], sites: Sequence[RenderedSite], footprints: Footprints) -> _Estimate:
    """Mean spot over all shapes and sizes, each as likely as it makes the window; gain of the best."""
    pull = np.concatenate([s.pull for s in scenes])
    precision = np.zeros((len(pull), len(pull)))
    at = 0
    for scene in scenes:
        end = at + len(scene.places)
        precision[at:end, at:end] = scene.precision
        at = end
    gains, changes = [np.zeros(1)], [np.zeros((1, len(pull)))]
    for mean, shapes, free, amplitudes in hypotheses(scenes, sites, footprints) if sites else ():
        touched = np.flatnonzero(free)
        inner = np.ascontiguousarray(precision[np.ix_(touched, touched)])
        moved = pull[touched] - inner @ mean[touched]
        found, change = _kernels().weigh(
            inner, moved, np.ascontiguousarray(shapes[:, touched]), free[touched], amplitudes
        )
        gains.append(found + 0.5 * mean[touched] @ (pull[touched] + moved))
        changes.append(np.zeros((len(found), len(pull))))
        changes[-1][:, touched] = change + mean[touched]
    every = np.concatenate(gains)
    weights = np.exp(_TEMPER * (every - every.max()))
    change = np.sum(weights[:, None] * np.concatenate(changes), axis=0) / weights.sum()
    return _Estimate(float(every[1:].max(initial=-np.inf) if sites else 0.0), change)

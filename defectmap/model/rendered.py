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
from typing import Final

import numpy as np

from defectmap.model.footprints import Footprints
from defectmap.model.spots import Ground, Scene, hypotheses
from defectmap.model.surroundings import Floats, Plane, RenderedSite, Surroundings

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
    grounds = [Ground.of(i, plane, sites, others) for i, plane in enumerate(planes)]
    surroundings = Surroundings.of(
        planes, [g.spoiled | g.foreign for g in grounds], max(g.lags for g in grounds)
    )
    kept = _standing_out(surroundings, sites, known)
    if kept:
        scenes = [Scene.around(ground, surroundings) for ground in grounds]
        kept, changes = _told_apart(scenes, surroundings, kept, known)
    if not kept:
        return Removal(tuple(np.zeros_like(plane.values) for plane in planes), (False,) * len(sites))
    deltas = tuple(scene.spread(change) for scene, change in zip(scenes, changes, strict=True))
    return Removal(deltas, tuple(i in kept for i in range(len(sites))))


def _standing_out(
    surroundings: Surroundings, sites: Sequence[RenderedSite], footprints: Footprints
) -> list[int]:
    """Which sites show enough for their repair to gain; what the map expects needs no showing."""
    expected = [_is_expected(site, footprints) for site in sites]
    if all(expected):
        return list(range(len(sites)))
    errors, kept = surroundings.standing_out(), []
    for i, site in enumerate(sites):
        found = surroundings.at(errors, site.row, site.col)
        if expected[i] or (site.sign * found[0] >= 0 and max(abs(one) for one in found) >= _GAINS):
            kept.append(i)
    return kept


def _is_expected(site: RenderedSite, footprints: Footprints) -> bool:
    return site.expected is not None and footprints.of(site.row, site.col, site.colour) is not None


def _required(site: RenderedSite, footprints: Footprints) -> float:
    if _is_expected(site, footprints):
        return _SURE_IF_EXPECTED
    return _SURE_IF_CERTAIN if site.certain_here else _SURE


def _told_apart(
    scenes: Sequence[Scene], surroundings: Surroundings, kept: list[int], footprints: Footprints
) -> tuple[list[int], list[Floats]]:
    """Which of some sites have a spot, as far as what is seen needs one there, and all spots together."""
    sites = scenes[0].ground.sites
    best = _estimate(scenes, surroundings, kept, footprints)
    for i in kept if len(kept) > 1 else ():
        rest = [k for k in kept if k != i]
        without = _estimate(scenes, surroundings, rest, footprints)
        if best.gain - without.gain < _required(sites[i], footprints):
            kept, best = rest, without
    if len(kept) == 1 and best.gain < _required(sites[kept[0]], footprints):
        kept = []
    return kept, best.changes


@dataclass(frozen=True, slots=True)
class _Estimate:
    """A spot in each plane, and by how much it makes the window likelier (natural logarithm)."""

    gain: float
    changes: list[Floats]


def _estimate(
    scenes: Sequence[Scene], surroundings: Surroundings, chosen: Sequence[int], footprints: Footprints
) -> _Estimate:
    """Mean spot over all shapes and sizes, each as likely as it makes the window; gain of the best.

    Only the heights of the spots tie the planes to each other, so that each plane tells what it takes each
    height for, and the rest is a small system per hypothesis.
    """
    from defectmap.model import rendered_kernels  # noqa: PLC0415 - numba takes half a second to import

    if not chosen:
        return _Estimate(0.0, [np.zeros(len(scene.places)) for scene in scenes])
    planes, amplitudes = hypotheses(scenes, chosen, footprints, surroundings)
    gains, force, stiffness = np.zeros(()), np.zeros(()), np.zeros(())
    answers = []
    for scene, plane in zip(scenes, planes, strict=True):
        moved = scene.pull - plane.mean @ scene.precision
        told = rendered_kernels.respond(scene.precision, moved, plane.shapes, plane.free, amplitudes)
        gains = gains + told[0] + 0.5 * plane.mean @ (scene.pull + moved)
        force, stiffness = force + told[1], stiffness + told[2]
        answers.append(told[3])
    variances = amplitudes[:, None, None] ** 2
    system = np.eye(len(chosen)) + variances * stiffness
    heights = np.linalg.solve(system, variances * force[..., None])[..., 0]
    gains = gains + 0.5 * (np.sum(force * heights, axis=-1) - np.linalg.slogdet(system)[1])
    # That there is nothing has no gain and no change.
    most = max(float(gains.max()), 0.0)
    weights = np.exp(_TEMPER * (gains - most))
    weights /= weights.sum() + np.exp(-_TEMPER * most)
    shares = weights[..., None] * heights
    changes = []
    for plane, answer in zip(planes, answers, strict=True):
        free = np.tensordot(weights, answer[:, :, 0], 2) - np.tensordot(shares, answer[:, :, 1:], 3)
        changes.append(free + shares.sum(axis=(0, 1)) @ plane.shapes + weights.sum() * plane.mean)
    return _Estimate(float(gains.max()), changes)

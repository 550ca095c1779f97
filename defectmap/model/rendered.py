"""What the spot of a bad photosite in a rendered picture hides, and what to add so that it is gone.

A camera's demosaicing smears one bad photosite over a few pixels and all colour planes, and its sharpening
may put a dark ring around it. So the spot is not cut out: picture and spot are told apart. Both are taken as
Gaussian: the scene with the autocovariance that its surroundings show, the spot with one of a few shapes and
strengths, each weighted by how likely it makes what is seen (Wiener estimation and marginal likelihood, as in
Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, chapters 2 and 5). Under a strong spot
this becomes interpolation from outside; of a faint one only its expected shape is taken away.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

REACH: Final = 16
"""Samples of surroundings that a plane should show on each side of the sites."""

_WIDEST: Final = 5.2  # luma pixels: the ring of the fiercest spots seen, 4.5, and a margin
_OTHERS: Final = 2.3  # luma pixels around other, not yet repaired sites that are not trusted
_SAME_GROUP: Final = 3  # sites this near to each other overlap and are told apart together
_GROUP_SPAN: Final = 8  # luma pixels that a group may span, to bound the effort
_RADII: Final = (1.5, 2.3, 3.3, 4.3, _WIDEST)
_HALO_RADII: Final = (1.5, 2.3, 3.3, 4.3)
_MARGIN: Final = 2  # trusted samples around the widest spot that the estimate is conditioned on
_AMPLITUDES: Final = np.array([6.0, 12.0, 25.0, 50.0, 100.0, 200.0])
_FLOOR: Final = 0.25  # variance of white noise: rounding in the camera and in the coefficients
_TEMPER: Final = 0.15  # scenes are not quite Gaussian: likelihoods count only that much against each other
_TAPER: Final = 8  # samples
_BLUR: Final = 2.5  # samples
# Gain in log likelihood. Healthy places in real photos reach 9 once in twenty, as scenes have outliers.
_SURE: Final = 12.0
_SURE_IF_CERTAIN: Final = 4.0

# Share of a colour's change that reaches Y, Cb and Cr (ITU-T T.871); no tint is luma alone.
_TINTS: Final = {
    "R": (0.299, -0.1687, 0.5),
    "G": (0.587, -0.3313, -0.4187),
    "B": (0.114, 0.5, -0.0813),
}
_NO_TINT: Final = (1.0, 0.0, 0.0)
_STRAY: Final = 0.08  # what a camera's own processing may put into any plane whatever the tint
# Bilinear-type demosaicing, after the tone curve.
_PYRAMID: Final = np.array([[0.29, 0.53, 0.29], [0.53, 1.0, 0.53], [0.29, 0.53, 0.29]])


@dataclass(frozen=True, slots=True)
class RenderedSite:
    """A bad photosite on the stored grid of a rendered picture.

    Attributes
    ----------
    row, col : int
    colour : str
        "R", "G" or "B", the tint of its spot, or "W" for none. A dead site leaves a dark spot of it.
    certain_here : bool
        Whether it is known from elsewhere to be bad in this very photo: less evidence is asked for then.
    """

    row: int
    col: int
    colour: str
    certain_here: bool = False


@dataclass(frozen=True, slots=True)
class Plane:
    """A window of one component, on that component's own grid.

    Attributes
    ----------
    values : ndarray of shape (rows, columns), float64
        8-bit scale, neither rounded nor clipped.
    top, left : int
        Place of the first value on the grid.
    row_step, col_step : int
        Luma rows and columns per sample.
    """

    values: Floats
    top: int
    left: int
    row_step: int = 1
    col_step: int = 1

    def cells(self, spot: Floats, row: int, col: int) -> Floats:
        """Mean of a luma-grid `spot`, centred on luma pixel (row, col), over each sample of the window."""
        half = spot.shape[0] // 2
        rows = np.arange(row - half, row + half + 1) // self.row_step - self.top
        cols = np.arange(col - half, col + half + 1) // self.col_step - self.left
        inside = ((rows >= 0) & (rows < self.values.shape[0]))[:, None]
        inside = inside & ((cols >= 0) & (cols < self.values.shape[1]))
        where = np.broadcast_arrays(rows[:, None], cols)
        out = np.zeros_like(self.values)
        np.add.at(out, (where[0][inside], where[1][inside]), spot[inside] / (self.row_step * self.col_step))
        return out


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
    planes: Sequence[Plane], sites: Sequence[RenderedSite], others: Sequence[RenderedSite] = ()
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

    Returns
    -------
    Removal
    """
    scenes = [_Scene.around(i, plane, sites, others) for i, plane in enumerate(planes)]
    kept = tuple(sites)
    best = _estimate(scenes, kept)
    for site in sites if len(sites) > 1 else ():
        rest = tuple(s for s in kept if s is not site)
        without = _estimate(scenes, rest)
        if best.gain - without.gain < _required(site):
            kept, best = rest, without
    if len(sites) == 1 and best.gain < _required(sites[0]):
        kept, best = (), _estimate(scenes, ())
    ends = np.cumsum([len(scene.places) for scene in scenes])[:-1]
    changes = np.split(best.change, ends)
    deltas = tuple(scene.spread(change) for scene, change in zip(scenes, changes, strict=True))
    return Removal(deltas, tuple(any(s is k for k in kept) for s in sites))


def _kernels() -> ModuleType:
    """Compiled loops, loaded when first needed: numba takes half a second to import."""
    from defectmap.model import rendered_kernels  # noqa: PLC0415

    return rendered_kernels


def _required(site: RenderedSite) -> float:
    return _SURE_IF_CERTAIN if site.certain_here else _SURE


@dataclass(frozen=True, slots=True)
class _Scene:
    """One plane's window, reduced to what the estimate needs.

    `places` are the flat indices of the samples that a spot may touch, `precision` the inverse covariance of
    the scene at them, given the samples around, and `pull` this times their distance from its expectation.
    """

    component: int
    plane: Plane
    places: NDArray[np.intp]
    precision: Floats
    pull: Floats

    @classmethod
    def around(
        cls, component: int, plane: Plane, sites: Sequence[RenderedSite], others: Sequence[RenderedSite]
    ) -> _Scene:
        spoiled, foreign = _covered(plane, sites, _WIDEST), _covered(plane, others, _OTHERS)
        known = ~(spoiled | foreign)
        residual = plane.values - _trend(plane.values, known)
        near = _near(plane, sites) & ~foreign
        places = np.flatnonzero(near)
        # Trusted samples first: the estimate is conditioned on them.
        places = np.concatenate([places[~spoiled.flat[places]], places[spoiled.flat[places]]])
        outside = len(places) - int(np.count_nonzero(spoiled & near))
        rows, cols = np.unravel_index(places, near.shape)
        lags = _autocovariance(residual, known, int(max(np.ptp(rows), np.ptp(cols))) + 1)
        covariance = lags[rows[:, None] - rows, cols[:, None] - cols]
        precision, pull, energy = _kernels().condition(covariance, residual.flat[places], outside)
        # How rough the scene is right here, against the average of the window.
        scale = float(np.clip(energy / max(outside, 1), 0.2, 5.0))
        return cls(component, plane, places[outside:], precision / scale, pull / scale)

    def shape(self, spot: Floats, site: RenderedSite, stray: float = 0.0) -> Floats:
        """Change of the samples at `places` by a `spot` of height 1 in the site's colour."""
        share = _TINTS.get(site.colour, _NO_TINT)[self.component]
        return self.cells(spot, site) * (share if abs(share) > stray else stray)

    def cells(self, spot: Floats, site: RenderedSite) -> Floats:
        """Mean of a `spot` around a site over each of the samples at `places`."""
        values: Floats = self.plane.cells(spot, site.row, site.col).ravel()[self.places]
        return values

    def spread(self, change: Floats) -> Floats:
        """Delta of the whole window that takes `change` away from `places`."""
        delta = np.zeros(self.plane.values.size)
        delta[self.places] = -change
        return delta.reshape(self.plane.values.shape)


@dataclass(frozen=True, slots=True)
class _Estimate:
    """A spot over all planes, and by how much it makes the window likelier (natural logarithm)."""

    gain: float
    change: Floats


def _estimate(scenes: Sequence[_Scene], sites: Sequence[RenderedSite]) -> _Estimate:
    """Mean spot over all shapes and sizes, each as likely as it makes the window; gain of the best."""
    pull = np.concatenate([s.pull for s in scenes])
    precision = np.zeros((len(pull), len(pull)))
    at = 0
    for scene in scenes:
        end = at + len(scene.places)
        precision[at:end, at:end] = scene.precision
        at = end
    gains, changes = [np.zeros(1)], [np.zeros((1, len(pull)))]
    for shapes, free in _spots(scenes, sites) if sites else ():
        touched = np.flatnonzero(free)
        inner = np.ascontiguousarray(precision[np.ix_(touched, touched)])
        found, change = _kernels().weigh(
            inner, pull[touched], np.ascontiguousarray(shapes[:, touched]), free[touched], _AMPLITUDES
        )
        gains.append(found)
        changes.append(np.zeros((len(found), len(pull))))
        changes[-1][:, touched] = change
    every = np.concatenate(gains)
    weights = np.exp(_TEMPER * (every - every.max()))
    change = np.sum(weights[:, None] * np.concatenate(changes), axis=0) / weights.sum()
    return _Estimate(float(every.max()), change)


def _spots(scenes: Sequence[_Scene], sites: Sequence[RenderedSite]) -> Iterator[tuple[Floats, Floats]]:
    """Kinds of spot, of unit strength: one shape per site, and the variance of what may differ from it.

    First the demosaicer's own spot, then sharpened ones, ever wider; last those of demosaicers that judge one
    colour by another: a centre of any tint with a halo of another.
    """
    shapes = np.stack([np.concatenate([s.shape(_PYRAMID, site) for s in scenes]) for site in sites])
    # Real demosaicers differ from the pyramid by about a third of it.
    yield shapes, np.sum((0.35 * shapes) ** 2, axis=0)
    for radius in _RADII:
        disc = _disc(radius)
        wide = np.stack([np.concatenate([s.shape(disc, site, _STRAY) for s in scenes]) for site in sites])
        yield shapes, np.sum((0.3 * wide) ** 2, axis=0)
    for radius in _HALO_RADII if len(scenes) > 1 else ():
        discs = [_disc(_RADII[0])] + [_disc(radius)] * (len(scenes) - 1)
        halo = np.stack(
            [
                np.concatenate([s.cells(disc, site) for s, disc in zip(scenes, discs, strict=True)])
                for site in sites
            ]
        )
        yield shapes, np.sum((0.5 * halo) ** 2, axis=0)


def _disc(radius: float) -> Floats:
    half = int(np.ceil(radius))
    steps = np.arange(-half, half + 1)
    return (steps[:, None] ** 2 + steps**2 <= radius**2).astype(np.float64)


def _covered(plane: Plane, sites: Sequence[RenderedSite], radius: float) -> Mask:
    """Mark the samples that a disc around any of the sites touches."""
    covered = np.zeros(plane.values.shape, np.bool_)
    for site in sites:
        covered |= plane.cells(_disc(radius), site.row, site.col) > 0
    return covered


def _near(plane: Plane, sites: Sequence[RenderedSite]) -> Mask:
    """Rectangle around the sites that the estimate uses."""
    near = np.zeros(plane.values.shape, np.bool_)
    bounds = []
    for places, step, start in (
        ([s.row for s in sites], plane.row_step, plane.top),
        ([s.col for s in sites], plane.col_step, plane.left),
    ):
        reach = int(np.ceil(_WIDEST / step)) + _MARGIN
        bounds.append(
            slice(max(min(places) // step - start - reach, 0), max(places) // step - start + reach + 1)
        )
    near[bounds[0], bounds[1]] = True
    return near


def _trend(values: Floats, known: Mask) -> Floats:
    """Least-squares plane through the known values."""
    rows, cols = np.indices(values.shape)
    terms = np.stack([np.ones(values.size), rows.ravel(), cols.ravel()], axis=1)
    flat = known.ravel()
    weights = np.linalg.lstsq(terms[flat], values.ravel()[flat], rcond=None)[0]
    plane: Floats = (terms @ weights).reshape(values.shape)
    return plane


def _autocovariance(residual: Floats, known: Mask, lags: int) -> Floats:
    """Autocovariance around the known part, as a table that negative lags index from its end.

    The edge of the window and the hole in it would leak the power of coarse structure into the fine scales
    that decide what stands out: the one is tapered, the other filled before the periodogram is taken.
    """
    ramps = [_ramp(n) for n in residual.shape]
    taper = np.outer(*ramps)
    size = tuple(n + lags for n in residual.shape)
    power = np.abs(np.fft.rfft2(_filled(residual, known) * taper, size)) ** 2
    table: Floats = np.fft.irfft2(power, size) / np.sum(taper**2 * known)
    steps = np.fft.ifftshift(np.arange(-lags + 1, lags))
    table = table[np.ix_(steps, steps)]
    table[0, 0] += _FLOOR
    return table


def _ramp(n: int) -> Floats:
    """Cosine taper over the outer samples of a window's side."""
    inward = np.minimum(np.arange(n), np.arange(n)[::-1]) + 0.5
    ramp: Floats = np.sin(np.minimum(inward / _TAPER, 1.0) * np.pi / 2) ** 2
    return ramp


def _filled(values: Floats, known: Mask) -> Floats:
    """Put a weighted mean of the surroundings where values are not known."""
    blurs = [np.exp(-0.5 * ((np.arange(n)[:, None] - np.arange(n)) / _BLUR) ** 2) for n in values.shape]
    total = blurs[0] @ np.where(known, values, 0.0) @ blurs[1]
    weight = blurs[0] @ known.astype(np.float64) @ blurs[1]
    return np.where(known, values, total / np.maximum(weight, 1e-9))

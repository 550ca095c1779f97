"""Which spots a bad photosite may leave in a rendered picture.

Where the footprints of a camera are known, spots are those, in the heights that the catalog expects, and as
much else as demosaicing along edges and the coding put into single photos. Else they are of a few built-in
shapes and of any strength.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from defectmap.model.footprints import Footprints
from defectmap.model.surroundings import (
    Floats,
    Mask,
    Plane,
    RenderedSite,
    autocovariance,
    disc,
    light_under,
    trend,
)

WIDEST: Final = 5.2  # luma pixels: the ring of the fiercest spots seen, 4.5, and a margin
OTHERS: Final = 2.3  # luma pixels around other, not yet repaired sites that are not trusted
_RADII: Final = (1.5, 2.3, 3.3, 4.3, WIDEST)
_HALO_RADII: Final = (1.5, 2.3, 3.3, 4.3)
_MARGIN: Final = 2  # trusted samples around the widest spot that the estimate is conditioned on
_AMPLITUDES: Final = np.array([6.0, 12.0, 25.0, 50.0, 100.0, 200.0])
_LUMA_AMPLITUDES: Final = _AMPLITUDES / 2
_LEAST: Final = 1e-9  # variance that a sample must have to be touched
# How spots differ from a learned footprint, in shares of their height: demosaicers that judge along edges put
# more of it into some of the next pixels and take it from others, from photo to photo; ...
_DIFFERS: Final = 0.25  # of the footprint itself
_NEXT: Final = np.array(
    [
        [0.0, 0.0, 0.08, 0.0, 0.0],
        [0.0, 0.05, 0.12, 0.05, 0.0],
        [0.08, 0.12, 0.0, 0.12, 0.08],
        [0.0, 0.05, 0.12, 0.05, 0.0],
        [0.0, 0.0, 0.08, 0.0, 0.0],
    ]
)
_NEXT_CHROMA: Final = 0.5  # of the same in chroma
# ... and coding rounds every coefficient of the blocks that it touches.
_CODINGS: Final = (0.03, 0.08)
_BLOCK: Final = 8  # samples of a plane (ITU-T T.81)

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
class Scene:
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
    ) -> Scene:
        """Take the scene around some sites from a plane; `others` are bad too, and not repaired yet."""
        spoiled, foreign = covered(plane, sites, WIDEST), covered(plane, others, OTHERS)
        known = ~(spoiled | foreign)
        residual = plane.values - trend(plane.values, known)
        near = _near(plane, sites) & ~foreign
        places = np.flatnonzero(near)
        # Trusted samples first: the estimate is conditioned on them.
        places = np.concatenate([places[~spoiled.flat[places]], places[spoiled.flat[places]]])
        outside = len(places) - int(np.count_nonzero(spoiled & near))
        rows, cols = np.unravel_index(places, near.shape)
        lags = autocovariance(residual, known, int(max(np.ptp(rows), np.ptp(cols))) + 1)
        covariance = lags[rows[:, None] - rows, cols[:, None] - cols]
        from defectmap.model import rendered_kernels  # noqa: PLC0415 - numba takes half a second to import

        precision, pull, energy = rendered_kernels.condition(covariance, residual.flat[places], outside)
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

    def differing(self, shape: Floats, site: RenderedSite, coding: float) -> Floats:
        """Variance, at `places`, by which a spot may differ from `shape`, for a height of 1."""
        near = self.cells(_NEXT if self.component == 0 else _NEXT_CHROMA * _NEXT, site)
        varies = (_DIFFERS * shape) ** 2 + near**2
        rows, cols = np.unravel_index(self.places, self.plane.values.shape)
        blocks = np.stack([(rows + self.plane.top) // _BLOCK, (cols + self.plane.left) // _BLOCK])
        _, block = np.unique(blocks, axis=1, return_inverse=True)
        energy = np.bincount(block.ravel(), varies + shape**2)
        return np.asarray(varies + coding**2 * energy[block.ravel()] + _LEAST)

    def spread(self, change: Floats) -> Floats:
        """Delta of the whole window that takes `change` away from `places`."""
        delta = np.zeros(self.plane.values.size)
        delta[self.places] = -change
        return delta.reshape(self.plane.values.shape)


def hypotheses(
    scenes: Sequence[Scene], sites: Sequence[RenderedSite], footprints: Footprints
) -> Iterator[tuple[Floats, Floats, Floats, Floats]]:
    """Yield what may be there, likely or not.

    Parameters
    ----------
    scenes : sequence of Scene
        Of Y alone, or of Y, Cb and Cr.
    sites : sequence of RenderedSite
    footprints : Footprints

    Yields
    ------
    mean : ndarray of shape (samples,), float64
        Expected spot at the places of all scenes.
    shapes : ndarray of shape (sites, samples), float64
        What of unknown height comes on top of it.
    free : ndarray of shape (samples,), float64
        Variance of what differs from these.
    amplitudes : ndarray, float64
        Standard deviations of the height, one after the other; `free` grows with their square.
    """
    learned = _learned(scenes, sites, footprints)
    if learned is None:
        for shapes, free in _spots(scenes, sites):
            yield np.zeros(shapes.shape[1]), shapes, free, _AMPLITUDES
        return
    heights, unsure = _expectations(scenes[0].plane, sites)
    for coding in _CODINGS:
        differs = np.stack(
            [
                np.concatenate(
                    [s.differing(shape, site, coding) for s, shape in zip(scenes, parts, strict=True)]
                )
                for parts, site in zip(learned, sites, strict=True)
            ]
        )
        shapes = np.stack([np.concatenate(parts) for parts in learned])
        if np.isnan(heights).any():
            yield np.zeros(shapes.shape[1]), shapes, differs.sum(axis=0), _LUMA_AMPLITUDES
        else:
            spread = heights**2 + unsure**2
            yield heights @ shapes, unsure[:, None] * shapes, spread @ differs, np.ones(1)


def _expectations(luma: Plane, sites: Sequence[RenderedSite]) -> tuple[Floats, Floats]:
    """Return the heights that spots are expected in, NaN where unknown, and their standard deviations."""
    spoiled = covered(luma, sites, WIDEST)
    known = [
        (np.nan, 0.0)
        if site.expected is None
        else site.expected.amplitude(light_under(luma, spoiled, site.row, site.col))
        for site in sites
    ]
    return np.array([height for height, _ in known]), np.array([sd for _, sd in known])


def _learned(
    scenes: Sequence[Scene], sites: Sequence[RenderedSite], footprints: Footprints
) -> list[list[Floats]] | None:
    """Footprint of each site in each plane; None unless all are known."""
    known = [footprints.of(site.row, site.col, site.colour) for site in sites]
    found = []
    for site, footprint in zip(sites, known, strict=True):
        if footprint is None:
            return None
        spots = [footprint.spot(scene.component, site.row, site.col) for scene in scenes]
        found.append(
            [scene.plane.laid(*spot).ravel()[scene.places] for scene, spot in zip(scenes, spots, strict=True)]
        )
    return found


def _spots(scenes: Sequence[Scene], sites: Sequence[RenderedSite]) -> Iterator[tuple[Floats, Floats]]:
    """Kinds of spot, of unit strength: one shape per site, and the variance of what may differ from it.

    First the demosaicer's own spot, then sharpened ones, ever wider; last those of demosaicers that judge one
    colour by another: a centre of any tint with a halo of another.
    """
    shapes = np.stack([np.concatenate([s.shape(_PYRAMID, site) for s in scenes]) for site in sites])
    # Real demosaicers differ from the pyramid by about a third of it.
    yield shapes, np.sum((0.35 * shapes) ** 2, axis=0)
    for radius in _RADII:
        round_one = disc(radius)
        wide = np.stack(
            [np.concatenate([s.shape(round_one, site, _STRAY) for s in scenes]) for site in sites]
        )
        yield shapes, np.sum((0.3 * wide) ** 2, axis=0)
    for radius in _HALO_RADII if len(scenes) > 1 else ():
        discs = [disc(_RADII[0])] + [disc(radius)] * (len(scenes) - 1)
        halo = np.stack(
            [
                np.concatenate([s.cells(disc, site) for s, disc in zip(scenes, discs, strict=True)])
                for site in sites
            ]
        )
        yield shapes, np.sum((0.5 * halo) ** 2, axis=0)


def covered(plane: Plane, sites: Sequence[RenderedSite], radius: float) -> Mask:
    """Mark the samples that a disc around any of the sites touches."""
    covered = np.zeros(plane.values.shape, np.bool_)
    for site in sites:
        covered |= plane.cells(disc(radius), site.row, site.col) > 0
    return covered


def _near(plane: Plane, sites: Sequence[RenderedSite]) -> Mask:
    """Rectangle around the sites that the estimate uses."""
    near = np.zeros(plane.values.shape, np.bool_)
    bounds = []
    for places, step, start in (
        ([s.row for s in sites], plane.row_step, plane.top),
        ([s.col for s in sites], plane.col_step, plane.left),
    ):
        reach = int(np.ceil(WIDEST / step)) + _MARGIN
        bounds.append(
            slice(max(min(places) // step - start - reach, 0), max(places) // step - start + reach + 1)
        )
    near[bounds[0], bounds[1]] = True
    return near

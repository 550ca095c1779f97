"""Which spots a bad photosite may leave in a rendered picture.

Where the footprints of a camera are known, spots are those, in the heights that the catalog expects, and as
much else as demosaicing along edges and the coding put into single photos. Else they are of a few built-in
shapes and of any strength.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from defectmap.model.footprints import Footprint, Footprints
from defectmap.model.surroundings import Floats, Mask, Plane, RenderedSite, Surroundings

WIDEST: Final = 5.2  # luma pixels: the ring of the fiercest spots seen, 4.5, and a margin
OTHERS: Final = 2.3  # luma pixels around other, not yet repaired sites that are not trusted
_RADII: Final = (1.5, OTHERS, 3.3, 4.3, WIDEST)
# Layers of built-in spots.
_SPOT: Final = 0
_NEXT_PIXELS: Final = 1
_DISCS: Final = slice(2, 2 + len(_RADII))
_HALOS: Final = slice(2, 1 + len(_RADII))  # all but the widest
_OTHERS: Final = 2 + _RADII.index(OTHERS)
_WIDEST: Final = 2 + _RADII.index(WIDEST)
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
class Ground:
    """Which samples of a plane the sites of a group touch, and which tell about them.

    Attributes
    ----------
    component : int
    plane : Plane
    sites : tuple of RenderedSite
    stamps : ndarray of shape (sites, layers, rows, columns), float64
        Spots of the built-in shapes: the pyramid, the next pixels, discs.
    spoiled, foreign : ndarray of bool
        What the sites, and what others that are not repaired yet, may have changed.
    rows, cols : slice
        Rectangle that the estimate uses.
    """

    component: int
    plane: Plane
    sites: tuple[RenderedSite, ...]
    stamps: Floats
    spoiled: Mask
    foreign: Mask
    rows: slice
    cols: slice

    @classmethod
    def of(
        cls, component: int, plane: Plane, sites: Sequence[RenderedSite], others: Sequence[RenderedSite]
    ) -> Ground:
        """Look where some sites are in a plane; `others` are bad too."""
        stamps = np.stack([_stamped(plane, site) for site in sites])
        foreign = np.zeros(plane.values.shape, np.bool_)
        for site in others:
            foreign |= _stamped(plane, site)[_OTHERS] > 0
        rows = _near([site.row for site in sites], plane.row_step, plane.top, plane.values.shape[0])
        cols = _near([site.col for site in sites], plane.col_step, plane.left, plane.values.shape[1])
        spoiled = np.asarray((stamps[:, _WIDEST] > 0).any(axis=0))
        return cls(component, plane, tuple(sites), stamps, spoiled, foreign, rows, cols)

    @property
    def lags(self) -> int:
        """Samples that a covariance has to reach."""
        return max(int(side.stop - side.start) for side in (self.rows, self.cols))


@dataclass(frozen=True, slots=True)
class Scene:
    """One plane's window, reduced to what the estimate needs.

    Attributes
    ----------
    ground : Ground
    places : ndarray of shape (samples,), intp
        Flat indices of the samples that a spot may touch.
    cells : ndarray of shape (sites, layers, samples), float64
        The built-in spots there.
    precision : ndarray of shape (samples, samples), float64
        Inverse covariance of the scene there, given the samples around.
    pull : ndarray of shape (samples,), float64
        This times their distance from its expectation.
    """

    ground: Ground
    places: NDArray[np.intp]
    cells: Floats
    precision: Floats
    pull: Floats

    @classmethod
    def around(cls, ground: Ground, surroundings: Surroundings) -> Scene:
        """Condition the scene under the spots on what is around them."""
        from defectmap.model import rendered_kernels  # noqa: PLC0415 - numba takes half a second to import

        kinds = np.full(ground.spoiled.shape, rendered_kernels.TRUSTED, np.uint8)
        kinds[ground.spoiled] = rendered_kernels.WANTED
        kinds[ground.foreign] = rendered_kernels.UNKNOWN
        near = np.ascontiguousarray(kinds[ground.rows, ground.cols])
        residual = surroundings.residual[ground.component, ground.rows, ground.cols]
        precision, pull, energy = rendered_kernels.condition(
            surroundings.covariance[ground.component], np.ascontiguousarray(residual), near
        )
        # How rough the scene is right here, against the average of the window.
        trusted = np.count_nonzero(near == rendered_kernels.TRUSTED)
        scale = float(np.clip(energy / max(trusted, 1), 0.2, 5.0))
        places = np.flatnonzero(kinds == rendered_kernels.WANTED)
        cells = ground.stamps.reshape(*ground.stamps.shape[:2], -1)[..., places]
        return cls(ground, places, cells, precision / scale, pull / scale)

    def spread(self, change: Floats) -> Floats:
        """Delta of the whole window that takes `change` away from `places`."""
        delta = np.zeros(self.ground.plane.values.size)
        delta[self.places] = -change
        return delta.reshape(self.ground.plane.values.shape)


@dataclass(frozen=True, slots=True)
class Hypotheses:
    """What may be in one plane, likely or not.

    Attributes
    ----------
    mean : ndarray of shape (samples,), float64
        Expected spot at the places of the scene.
    shapes : ndarray of shape (sites, samples), float64
        What of unknown height comes on top of it.
    free : ndarray of shape (kinds, samples), float64
        Variance of what differs from these.
    """

    mean: Floats
    shapes: Floats
    free: Floats


def hypotheses(
    scenes: Sequence[Scene], chosen: Sequence[int], footprints: Footprints, surroundings: Surroundings
) -> tuple[list[Hypotheses], Floats]:
    """Return what spots there may be.

    Parameters
    ----------
    scenes : sequence of Scene
        Of Y alone, or of Y, Cb and Cr.
    chosen : sequence of int
        Which of their sites may have one.
    footprints : Footprints
    surroundings : Surroundings

    Returns
    -------
    planes : list of Hypotheses
        One per scene.
    amplitudes : ndarray, float64
        Standard deviations of the height, one after the other; variances grow with their square.
    """
    sites = [scenes[0].ground.sites[i] for i in chosen]
    known = [footprints.of(site.row, site.col, site.colour) for site in sites]
    footing = [one for one in known if one is not None]
    if len(footing) < len(sites):
        return [_built_in(scene, list(chosen), len(scenes) > 1) for scene in scenes], _AMPLITUDES
    found = [
        (np.nan, 0.0)
        if site.expected is None
        else site.expected.amplitude(surroundings.light_under(site.row, site.col))
        for site in sites
    ]
    heights, unsure = np.array(found).T
    if np.isnan(heights).any():
        nothing, one = np.zeros(len(sites)), np.ones(len(sites))
        return [_learned(s, list(chosen), footing, nothing, one, one) for s in scenes], _LUMA_AMPLITUDES
    spread = heights**2 + unsure**2
    return [_learned(s, list(chosen), footing, heights, unsure, spread) for s in scenes], np.ones(1)


def _built_in(scene: Scene, chosen: list[int], coloured: bool) -> Hypotheses:
    """Return spots of unit strength.

    First the demosaicer's own spot, then sharpened ones, ever wider; last those of demosaicers that judge one
    colour by another: a centre of any tint with a halo of another.
    """
    component, cells = scene.ground.component, scene.cells[chosen]
    tints = np.array([_TINTS.get(scene.ground.sites[i].colour, _NO_TINT)[component] for i in chosen])
    shapes = tints[:, None] * cells[:, _SPOT]
    wide = np.maximum(np.abs(tints), _STRAY)[:, None, None] * cells[:, _DISCS]
    # Real demosaicers differ from the pyramid by about a third of it.
    deviations = [0.35 * shapes[:, None], 0.3 * wide]
    if coloured:
        halos = cells[:, _HALOS]
        deviations.append(0.5 * (halos if component else np.repeat(halos[:, :1], halos.shape[1], axis=1)))
    free = np.sum(np.concatenate(deviations, axis=1) ** 2, axis=0)
    # Compiled loops are compiled anew for every layout of an array.
    layout = np.ascontiguousarray
    return Hypotheses(np.zeros(len(scene.places)), layout(shapes), layout(free))


def _learned(
    scene: Scene,
    chosen: list[int],
    footprints: Sequence[Footprint],
    heights: Floats,
    unsure: Floats,
    spread: Floats,
) -> Hypotheses:
    """Return spots in the shape of footprints: expected heights, and by how much each may differ."""
    component, plane = scene.ground.component, scene.ground.plane
    sites = [scene.ground.sites[i] for i in chosen]
    spots = [f.spot(component, s.row, s.col) for f, s in zip(footprints, sites, strict=True)]
    shapes = np.stack([plane.laid(*spot).ravel()[scene.places] for spot in spots])
    near = scene.cells[chosen, _NEXT_PIXELS] * (1.0 if component == 0 else _NEXT_CHROMA)
    varies = (_DIFFERS * shapes) ** 2 + near**2
    rows, cols = np.unravel_index(scene.places, plane.values.shape)
    block = (rows + plane.top) // _BLOCK * plane.values.size + (cols + plane.left) // _BLOCK
    _, block = np.unique(block, return_inverse=True)
    energy = np.stack([np.bincount(block, one)[block] for one in varies + shapes**2])
    free = np.stack([spread @ (varies + coding**2 * energy + _LEAST) for coding in _CODINGS])
    return Hypotheses(heights @ shapes, unsure[:, None] * shapes, free)


def _near(places: Sequence[int], step: int, start: int, size: int) -> slice:
    """Rows or columns of a window that the estimate uses."""
    reach = int(np.ceil(WIDEST / step)) + _MARGIN
    begin, end = min(places) // step - start - reach, max(places) // step - start + reach + 1
    return slice(max(begin, 0), min(end, size))


def _stamped(plane: Plane, site: RenderedSite) -> Floats:
    """Built-in spots of a site, each at its place in the window."""
    row, row_phase = divmod(site.row, plane.row_step)
    col, col_phase = divmod(site.col, plane.col_step)
    stamps = _stamps(row_phase, col_phase, plane.row_step, plane.col_step)
    return plane.placed(stamps, row - stamps.shape[1] // 2, col - stamps.shape[2] // 2)


@lru_cache(maxsize=64)
def _stamps(row: int, col: int, row_step: int, col_step: int) -> Floats:
    """Built-in spots around the sample that holds a site, by the site's place within this sample."""
    reach = [int(np.ceil(np.ceil(WIDEST) / step)) for step in (row_step, col_step)]
    window = Plane(np.zeros((2 * reach[0] + 1, 2 * reach[1] + 1)), -reach[0], -reach[1], row_step, col_step)
    spots = (_PYRAMID, _NEXT, *map(disc, _RADII))
    return np.stack([window.cells(spot, row, col) for spot in spots])


def disc(radius: float) -> Floats:
    """Return 1 within a radius of the middle of a square, else 0."""
    half = int(np.ceil(radius))
    steps = np.arange(-half, half + 1)
    return (steps[:, None] ** 2 + steps**2 <= radius**2).astype(np.float64)

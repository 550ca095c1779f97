"""Defects that move with the focal length: a camera that straightens its JPEGs moves them with the picture.

Correction of a lens's distortion shifts each pixel along the radius from the centre, by an amount that grows
towards the corners and depends on the focal length. A defect then shows at one place at one focal length and
at another place at another; the evidence of no place is whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from defectmap.model.batches import batches, joined
from defectmap.model.defects import Defect
from defectmap.model.prediction import PLANES
from defectmap.model.sensor import Grid

_REACH = 14
"""Farthest that a defect is looked for along its radius, in pixels."""

_ASIDE = 1.5
"""Farthest beside its radius, in pixels."""

_STILL = 1.0
"""A defect that is this near to one place in nearly all of its frames, in pixels, does not move."""

_MOVED = 1.5
_FEWEST = 12
_ORDERED = 0.8
"""One that moves does so by `_MOVED` pixels or more over `_FEWEST` frames or more, by focal length as
far as this rank correlation (Spearman's) tells."""

_END = 5
"""The shift is taken between so many frames of the longest and of the shortest focal lengths."""

_SITES = 3
"""So many must move, all the same way, and more than stay in place as far from the centre."""

_INNER = 0.25
"""Defects this near to the centre, as a share of the half diagonal, hardly move."""

_ZOOM = 1.15
"""Focal lengths that differ by less than this factor are alike."""


@dataclass(frozen=True, slots=True)
class Wandering:
    """What focal lengths do to the defects of a stream.

    Attributes
    ----------
    pixels : float
        Largest shift between focal lengths that was seen.
    steady : frozenset of int
        Which sites stay in place at all focal lengths, as indices into those asked about.
    radius : float
        Nearest to the centre that one does, as a share of the half diagonal.
    """

    pixels: float
    steady: frozenset[int]
    radius: float


class FocalWatch:
    """Looks, while the sightings are read, for what stands out along the radii of some sites.

    Parameters
    ----------
    sites : sequence of (row, col)
        The candidates of the stream.
    grid : Grid
    focal_mm : sequence of float or None
        Of every frame.
    """

    def __init__(
        self, sites: Sequence[tuple[int, int]], grid: Grid, focal_mm: Sequence[float | None]
    ) -> None:
        self._focal = np.array([np.nan if f is None or f <= 0 else f for f in focal_mm], np.float64)
        self._sites = np.array(sites, np.float64).reshape(-1, 2)
        self._grid = grid
        self._cells = np.zeros((grid.height // _REACH + 3, grid.width // _REACH + 3), bool)
        for row, col in (self._sites // _REACH).astype(int).tolist():
            self._cells[row : row + 3, col : col + 3] = True
        self._seen: list[NDArray[np.float64]] = []

    @property
    def zooms(self) -> bool:
        """Whether the focal lengths differ enough for anything to move."""
        known = self._focal[np.isfinite(self._focal)]
        return known.size >= _FEWEST and float(known.max() / known.min()) >= _ZOOM

    def listening(
        self, sightings: Iterable[tuple[int, NDArray[np.void]]]
    ) -> Iterator[tuple[int, NDArray[np.void]]]:
        """Pass sightings on, and keep those of luma that are near to a site.

        Parameters
        ----------
        sightings : iterable of (int, ndarray of SIGHTING)
            Index of the frame, and what stood out in it.
        """
        luma, zooms = PLANES.index("luma"), self.zooms
        for indices, several in batches(sightings):
            frame, records = joined(indices, several)
            told = (records["plane"] == luma) & np.isfinite(self._focal[frame])
            if zooms and told.any():
                frame, mine = frame[told], records[told]
                rows, cols = np.divmod(mine["site"].astype(np.int64), self._grid.width)
                near = self._cells[rows // _REACH + 1, cols // _REACH + 1]
                size = np.abs(mine["value"] - mine["prediction"]) / mine["sigma"]
                parts = (frame, rows, cols, size)
                self._seen.append(np.stack([np.asarray(p[near], np.float64) for p in parts], axis=1))
            yield from zip(indices, several, strict=True)

    def report(self) -> Wandering | None:
        """Return how defects move with the focal length; None where they do not, or nothing tells."""
        if not self._seen or not self._sites.size:
            return None
        seen = np.concatenate(self._seen)
        seen = seen[np.argsort(seen[:, 1], kind="stable")]
        centre = np.array([(self._grid.height - 1) / 2, (self._grid.width - 1) / 2])
        from_centre = self._sites - centre
        radius = np.hypot(*from_centre.T) / np.hypot(*centre)
        shifts = {
            i: self._shift(seen, self._sites[i], from_centre[i])
            for i in np.flatnonzero(radius > _INNER).tolist()
        }
        moves = {i: shift for i, shift in shifts.items() if shift}
        outward = 2 * sum(shift > 0 for shift in moves.values()) > len(moves)
        moves = {i: shift for i, shift in moves.items() if (shift > 0) == outward}
        if len(moves) < _SITES:
            return None
        least = float(min(radius[i] for i in moves))
        steady = frozenset(i for i, shift in shifts.items() if shift == 0)
        if len(moves) <= sum(bool(radius[i] >= least) for i in steady):
            return None
        return Wandering(max(map(abs, moves.values())), steady, least)

    def _shift(
        self, seen: NDArray[np.float64], site: NDArray[np.float64], outward: NDArray[np.float64]
    ) -> float | None:
        """Return by how much a site moves outwards from short to long focal lengths; None if unknown."""
        low, high = np.searchsorted(seen[:, 1], (site[0] - _REACH, site[0] + _REACH + 1))
        part = seen[low:high]
        away = part[:, 1:3] - site
        along = away @ outward / np.hypot(*outward)
        aside = np.abs(away[:, 0] * outward[1] - away[:, 1] * outward[0]) / np.hypot(*outward)
        mine = (np.abs(along) <= _REACH) & (aside <= _ASIDE)
        part, along = part[mine], along[mine]
        # Of each frame the strongest.
        order = np.lexsort((-part[:, 3], part[:, 0]))
        frames, first = np.unique(part[order, 0].astype(np.int64), return_index=True)
        if frames.size < _FEWEST:
            return None
        places, focal = along[order][first], self._focal[frames]
        if np.mean(np.abs(places - np.median(places)) <= _STILL) >= 0.9:
            return 0.0 if float(focal.max() / focal.min()) >= _ZOOM else None
        if abs(_rank_correlation(places, focal)) < _ORDERED:
            return None
        order = np.argsort(focal, kind="stable")
        shift = float(np.median(places[order[-_END:]]) - np.median(places[order[:_END]]))
        return shift if abs(shift) >= _MOVED else None


def doubting_wanderers(entries: Sequence[Defect], found: Wandering | None, grid: Grid) -> list[Defect]:
    """Make suspects of the defects that are not where they are at all focal lengths.

    Parameters
    ----------
    entries : sequence of Defect
        In the order of the sites that the watch was told.
    found : Wandering or None
    grid : Grid

    Returns
    -------
    list of Defect
        Those near the centre, and those seen to stay in place, are left.
    """
    if found is None:
        return list(entries)
    half = ((grid.height - 1) / 2, (grid.width - 1) / 2)
    missing = (
        "one place at all focal lengths: the camera straightens its pictures, "
        f"which moves defects by {found.pixels:.0f} pixels and more"
    )
    result = []
    for index, entry in enumerate(entries):
        radius = np.hypot(entry.row - half[0], entry.col - half[1]) / np.hypot(*half)
        moved = radius >= found.radius and index not in found.steady
        result.append(replace(entry, certain=False, missing=missing) if moved else entry)
    return result


def _rank_correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Return Spearman's rank correlation; 0 where one is constant."""
    one, other = _ranks(first), _ranks(second)
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the ranks, the mean rank for equal values."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2.0)[place])

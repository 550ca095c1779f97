"""Heaps of bad photosites, whose members hide one another and raise echoes in their neighbours.

A photosite is predicted from its neighbours of the same colour. Where several of those are bad, a bad one
in their midst reads as predicted, and a healthy one beside them does not. Besides, what adjacent photosites
of other colours share passes for the scene. All of these are judged again here, by the mean picture and by
healthy neighbours alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from defectmap.model.defects import Defect, Kind, Structure, StructureKind

_ROUNDS = 8  # each may uncover members deeper in a heap
_SURROUNDINGS = 8  # rows and columns around a heap that show what is usual there
_WITNESSES = 12  # the nearest healthy sites of the colour whose median is the level
_CLEAR = 4.0  # standard deviations of the healthy sites around; few sites are judged, so this suffices
_ENCLOSED, _LIKELY = 4, 2.0  # with so many bad neighbours of its colour, less of them will do
_AGREEING = 3.0  # of a candidate, which has another score for it
_HIDING = 2  # bad neighbours of the same colour, or adjacent ones of any, can hide a site
_SWAYING = 3  # bad neighbours of the same colour can make a healthy site stand out as clearly as they do
_SILENCE = (
    0.1  # where that share of the sites around is silent too, as at some borders, silence tells nothing
)
_SPILL = 0.1  # so much of the strongest member may be light or charge that spilt over

_Sites = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class GrownClusters:
    """What became of candidates that lie close together.

    Attributes
    ----------
    kept : ndarray of shape (n,), bool
        The candidates that are no echo of others.
    added : ndarray of shape (m,), int64
        Flat sites that the others had hidden, ordered.
    beside : ndarray of shape (m,), int64
        For each, the index of the strongest candidate of its heap.
    """

    kept: NDArray[np.bool_]
    added: _Sites
    beside: NDArray[np.int64]


def grow_clusters(
    sites: _Sites,
    strength: NDArray[np.floating],
    mean: Callable[[_Sites], NDArray[np.float64]],
    shape: tuple[int, ...],
    colours: NDArray[np.int8],
    *,
    reach: int = 2,
    dominance: float = 2.0,
) -> GrownClusters:
    """Judge candidates that lie close together by healthy neighbours, and find those hidden among them.

    A candidate beside one `dominance` times stronger stays only if its mean value is clearly off; one with
    three candidates among its neighbours of the same colour, if it is off as the strongest is. A site beside
    a candidate that is no candidate itself joins if it is clearly off and at least two adjacent sites or two
    of its neighbours of the same colour are candidates, which can hide it.

    Parameters
    ----------
    sites : ndarray of shape (n,), int64
        Flat candidate sites, all of them, also those of lines and lattices.
    strength : ndarray of shape (n,)
        How prominent each is, positive.
    mean : callable
        Gives the mean value of flat sites, in DN, NaN where unknown.
    shape : tuple of int
        Rows and columns of the plane.
    colours : ndarray of shape (rows, cols) of the CFA period, int8
        Colour of each position. The two greens of a 2x2 pattern are told apart.
    reach : int
        Rows and columns between a candidate and its echo, at most.
    dominance : float

    Returns
    -------
    GrownClusters
    """
    if colours.size <= 4:
        colours = np.arange(colours.size, dtype=np.int8).reshape(colours.shape)
    plane = _Plane(mean, (shape[0], shape[1]), colours)
    kept = np.ones(sites.size, bool)
    added: list[tuple[int, int]] = []
    rows, cols = np.divmod(sites, shape[1])
    everywhere = {(r, c): i for i, (r, c) in enumerate(zip(rows.tolist(), cols.tolist(), strict=True))}
    for heap in _heaps(list(everywhere), reach):
        if len(heap) < 2:
            continue
        numbers = {site: everywhere[site] for site in heap}
        top = max(heap, key=lambda site: (float(strength[numbers[site]]), site))
        weaker = {s for s in heap if _has_stronger(s, heap, strength, numbers, reach, dominance)}
        members = set(heap)
        for _ in range(_ROUNDS):
            rest = set(heap) - weaker - {top}
            swayed = {s for s in rest if plane.alike_near(s, members) >= _SWAYING}
            doubtful = [s for s in heap if s in weaker or s in swayed]
            hidden = plane.hideable(members)
            off = plane.off([*doubtful, *hidden], top, members, everywhere, swayed)
            echoes = [s for s in doubtful if s in members and s not in off]
            new = [s for s in hidden if s in off]
            if not echoes and not new:
                break
            members = (members - set(echoes)) | set(new)
        kept[[numbers[s] for s in heap if s not in members]] = False
        added += [(row * shape[1] + col, numbers[top]) for row, col in members if (row, col) not in numbers]
    table = np.array(sorted(added), np.int64).reshape(-1, 2)
    return GrownClusters(kept, table[:, 0], table[:, 1])


def cluster_structures(entries: Iterable[Defect]) -> tuple[Structure, ...]:
    """Return a structure for each group of certain defects that touch, side by side or corner to corner."""
    at = {(entry.row, entry.col): entry for entry in entries if entry.certain}
    return tuple(_cluster([at[site] for site in heap]) for heap in _heaps(list(at), 1) if len(heap) > 1)


def _cluster(members: list[Defect]) -> Structure:
    top, left = min(d.row for d in members), min(d.col for d in members)
    bottom, right = max(d.row for d in members) + 1, max(d.col for d in members) + 1
    low = sum(d.kind in {Kind.DEAD, Kind.DIM} for d in members)
    return Structure(
        StructureKind.CLUSTER,
        top,
        left,
        bottom,
        right,
        period=(bottom - top, right - left),
        offsets=tuple((d.row - top, d.col - left) for d in members),
        strength=float(np.median([d.confidence for d in members])),
        sign=-1 if 2 * low > len(members) else 1,
    )


def _heaps(sites: list[tuple[int, int]], reach: int) -> list[list[tuple[int, int]]]:
    """Group the sites that lie within `reach` rows and columns of each other."""
    waiting = set(sites)
    near = [(y, x) for y in range(-reach, reach + 1) for x in range(-reach, reach + 1) if (y, x) != (0, 0)]
    heaps = []
    for site in sites:
        if site not in waiting:
            continue
        waiting.remove(site)
        heap = [site]
        for row, col in heap:
            for y, x in near:
                place = (row + y, col + x)
                if place in waiting:
                    waiting.remove(place)
                    heap.append(place)
        heaps.append(heap)
    return heaps


def _adjacent(site: tuple[int, int], members: set[tuple[int, int]]) -> int:
    row, col = site
    return sum((row + y, col + x) in members for y in (-1, 0, 1) for x in (-1, 0, 1))


def _has_stronger(
    site: tuple[int, int],
    heap: list[tuple[int, int]],
    strength: NDArray[np.floating],
    numbers: dict[tuple[int, int], int],
    reach: int,
    dominance: float,
) -> bool:
    own = float(strength[numbers[site]])
    return any(
        max(abs(other[0] - site[0]), abs(other[1] - site[1])) <= reach
        and float(strength[numbers[other]]) >= dominance * own
        for other in heap
        if other != site
    )


@dataclass(frozen=True, slots=True)
class _Plane:
    """The mean picture and its colours."""

    mean: Callable[[_Sites], NDArray[np.float64]]
    shape: tuple[int, int]
    colours: NDArray[np.int8]

    def colour(self, row: int, col: int) -> int:
        rows, cols = self.colours.shape
        return int(self.colours[row % rows, col % cols])

    def hideable(self, members: set[tuple[int, int]]) -> list[tuple[int, int]]:
        """Return the sites that members may hide, ordered."""
        found: set[tuple[int, int]] = set()
        for row, col in members:
            for place in ((row + y, col + x) for y in (-1, 0, 1) for x in (-1, 0, 1)):
                inside = 0 <= place[0] < self.shape[0] and 0 <= place[1] < self.shape[1]
                if not inside or place in members or place in found:
                    continue
                if max(self.alike_near(place, members), _adjacent(place, members)) >= _HIDING:
                    found.add(place)
        return sorted(found)

    def alike_near(self, site: tuple[int, int], members: set[tuple[int, int]]) -> int:
        """Count the members of a site's colour up to two rows and columns away."""
        own = self.colour(*site)
        steps = range(-2, 3)
        near = ((site[0] + y, site[1] + x) for y in steps for x in steps if (y, x) != (0, 0))
        return sum(place in members and self.colour(*place) == own for place in near)

    def off(
        self,
        doubted: list[tuple[int, int]],
        strongest: tuple[int, int],
        members: set[tuple[int, int]],
        candidates: Collection[tuple[int, int]],
        swayed: Collection[tuple[int, int]],
    ) -> set[tuple[int, int]]:
        """Return those of the doubted sites that are off the healthy ones around.

        Of the swayed, which stand out by themselves, to be off in the same way as the strongest is asked.
        """
        tested = list(dict.fromkeys([*doubted, strongest]))
        left_out = members.union(doubted)
        rows, cols = np.array(tested).T
        top, bottom = max(rows.min() - _SURROUNDINGS, 0), min(rows.max() + _SURROUNDINGS + 1, self.shape[0])
        left, right = max(cols.min() - _SURROUNDINGS, 0), min(cols.max() + _SURROUNDINGS + 1, self.shape[1])
        around = [
            (r, c)
            for r in range(top, bottom)
            for c in range(left, right)
            if (r, c) not in candidates and (r, c) not in left_out
        ]
        contrast: dict[tuple[int, int], tuple[float, float]] = {}
        for colour in {self.colour(*site) for site in tested}:
            mine = [site for site in tested if self.colour(*site) == colour]
            healthy = [site for site in around if self.colour(*site) == colour]
            if len(healthy) > _WITNESSES:
                contrast |= zip(mine, self._contrasts(mine, healthy), strict=True)
        most = contrast.get(strongest, (0.0, 0.0))[0]
        found = set()
        for site in set(doubted) & contrast.keys():
            value, sigma = contrast[site]
            needed = _CLEAR
            if value * most > 0 and site in swayed:
                needed = _AGREEING
            elif value * most > 0 and self.alike_near(site, members) >= _ENCLOSED:
                needed = _LIKELY
            if abs(value) > max(needed * sigma, _SPILL * abs(most)):
                found.add(site)
        return found

    def _contrasts(
        self, tested: list[tuple[int, int]], healthy: list[tuple[int, int]]
    ) -> list[tuple[float, float]]:
        """Return how far sites are off the healthy ones around, and the noise of that figure, in DN.

        A site that was never heard, among others that were, has been taken for the scene in every frame, as
        no healthy one is: it is infinitely far off.
        """
        here, near = self._values(tested), self._values(healthy)
        unheard = np.inf if np.isnan(near).mean() < _SILENCE else 0.0
        places = np.array(healthy, np.int64)[~np.isnan(near)]
        near = near[~np.isnan(near)]
        if near.size <= _WITNESSES:
            return [(0.0, np.inf)] * len(tested)
        at = np.concatenate([np.array(tested, np.int64), places])
        distance = ((at[:, None] - places[None]) ** 2).sum(axis=2)
        distance[distance == 0] = np.iinfo(np.int64).max
        witnesses = np.argsort(distance, axis=1, kind="stable")[:, :_WITNESSES]
        off = np.concatenate([here, near]) - np.median(near[witnesses], axis=1)
        sigma = 1.4826 * float(np.median(np.abs(off[len(tested) :])))
        return [(float(one), sigma) for one in np.where(np.isnan(here), unheard, off[: len(tested)])]

    def _values(self, sites: list[tuple[int, int]]) -> NDArray[np.float64]:
        rows, cols = np.array(sites, np.int64).T
        return np.asarray(self.mean(rows * self.shape[1] + cols), np.float64)

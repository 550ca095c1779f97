"""How the scores of all photosites are spread, beside what chance alone would make of healthy ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from defectmap.model.decide import gaussian_threshold
from defectmap.model.defects import Defect, DefectMap
from defectmap.model.scores import FILTERS, GaussianScores
from defectmap.model.sensor import MosaicGeometry
from defectmap.model.tails import normal_tail

WIDTH, FARTHEST = 0.5, 40.0
"""Width of a bin, and where the last one begins, which holds all beyond it; in standard deviations."""

_REACH = {"mosaic": 2, "luma": 8, "blue": 4, "red": 4}
"""Within so many rows and columns of a listed site others are its echoes, and its score may lie there."""


@dataclass(frozen=True, slots=True)
class ScoreHistogram:
    """The largest score of each photosite, without sign.

    Attributes
    ----------
    edges : tuple of float
        Lower edges of the bins, in standard deviations of healthy photosites.
    others : tuple of int
        Photosites in each bin that are not on the map, nor echoes of one that is.
    suspects, defects : tuple of int
        Entries of the map.
    null : tuple of float
        What chance alone makes of as many healthy photosites, were their scores independent of each other;
        as they are not, the tail is at most as heavy (Z. Sidak, J. Am. Stat. Assoc. 62 (1967) 626-633).
    threshold : float
        What healthy photosites exceed once in twenty maps.
    """

    edges: tuple[float, ...]
    others: tuple[int, ...]
    suspects: tuple[int, ...]
    defects: tuple[int, ...]
    null: tuple[float, ...]
    threshold: float


class ScoreCounter:
    """Counts plane by plane, so that the scores of one are held at a time."""

    def __init__(self, found: DefectMap, geometry: MosaicGeometry | None) -> None:
        self._found = found
        self._geometry = geometry
        self._edges = np.arange(0.0, FARTHEST + WIDTH, WIDTH)
        self._others = np.zeros(self._edges.size, np.int64)
        self._null = np.zeros(self._edges.size)
        self._largest = np.zeros(len(found))
        self._photosites = 0

    def add(self, plane: str, scores: GaussianScores) -> None:
        """Count the scores of one plane.

        Parameters
        ----------
        plane : str
            "mosaic", "luma", "blue" or "red".
        scores : GaussianScores
        """
        known = np.logical_or.reduce(list(scores.known.values()))
        largest = np.maximum.reduce([np.abs(one) for one in scores.planes.values()])
        listed = np.zeros(known.shape, bool)
        for index, entry in enumerate(self._found):
            window = self._window(plane, entry)
            self._largest[index] = max(self._largest[index], largest[window].max(initial=0.0))
            listed[window] = True
        if self._geometry is not None:
            for structure in self._found.structures:
                for rows, cols in structure.moved(-self._geometry.top, -self._geometry.left).slices():
                    listed[rows, cols] = True
        healthy = largest[known & ~listed]
        places = np.minimum(healthy / np.float32(WIDTH), self._edges.size - 1).astype(np.int64)
        self._others += np.bincount(places, minlength=self._edges.size)
        inside = np.array([1.0 - 2.0 * normal_tail(edge) for edge in self._edges.tolist()])
        self._null += healthy.size * np.diff(np.append(inside ** len(FILTERS), 1.0))
        self._photosites += known.size

    def histogram(self) -> ScoreHistogram | None:
        """Return what was counted; None where no plane was."""
        if self._photosites == 0:
            return None
        certain = [entry.certain for entry in self._found]
        return ScoreHistogram(
            tuple(self._edges.tolist()),
            tuple(self._others.tolist()),
            self._entries([not one for one in certain]),
            self._entries(certain),
            tuple(self._null.tolist()),
            gaussian_threshold(self._photosites),
        )

    def _entries(self, chosen: Sequence[bool]) -> tuple[int, ...]:
        scores = self._largest[np.array(chosen, bool)]
        places = np.minimum(scores / WIDTH, self._edges.size - 1).astype(np.int64)
        counts: NDArray[np.int64] = np.bincount(places, minlength=self._edges.size)
        return tuple(counts.tolist())

    def _window(self, plane: str, entry: Defect) -> tuple[slice, slice]:
        top, left, step = 0, 0, 1
        if self._geometry is not None:
            top, left = self._geometry.top, self._geometry.left
        elif plane != "luma":
            step = 2
        row, col, reach = (entry.row - top) // step, (entry.col - left) // step, _REACH[plane]
        return (
            slice(max(row - reach, 0), max(row + reach + 1, 0)),
            slice(max(col - reach, 0), max(col + reach + 1, 0)),
        )

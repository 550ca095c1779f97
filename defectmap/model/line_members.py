"""The sites of bad lines one by one: which of them are worse than their line."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from defectmap.model.defects import Structure, StructureKind

_ALONG = 5  # members of the line on each side, of the same colour, that tell what is usual there
_FEWEST = 4 * _ALONG  # members of a colour that tell how far they spread
_CLEARLY = 1.3  # times the threshold of single photosites: the spread is that of a few dozen

_Ints = NDArray[np.int64]


def worse_than_their_line(
    lines: Iterable[Structure],
    score: NDArray[np.float32],
    known: NDArray[np.bool_],
    period: tuple[int, int],
    limit: float,
) -> tuple[_Ints, NDArray[np.float32]]:
    """Find the members of bad lines that are bad by themselves, as a stuck one in a slightly bright column.

    Each member's score is compared with the medians of those next to it along the line, of the same position
    in the colour pattern, by how far the members of the line spread about theirs. Scores, not mean values:
    members that some frames say nothing of have seen other scenes than their neighbours.

    Parameters
    ----------
    lines : iterable of Structure
        Bad columns and rows in coordinates of the plane.
    score : ndarray of shape (rows, cols), float32
        Standardised.
    known : ndarray of shape (rows, cols), bool
    period : tuple of int
        Rows and columns of the CFA.
    limit : float
        Score from which a single photosite is a defect.

    Returns
    -------
    sites : ndarray of shape (n,), int64
        Flat sites, ordered. None of lines too short to tell.
    strength : ndarray of shape (n,), float32
        How far each is off its line, in units of the limit.
    """
    found: dict[int, float] = {}
    ordinary: set[int] = set()  # where lines cross, being worse than one of them is being on the other
    for line in lines:
        sites = np.array([row * score.shape[1] + col for row, col in line.sites()], np.int64)
        along = 0 if line.kind is StructureKind.COLUMN else 1
        place = sites // score.shape[1] if along == 0 else sites % score.shape[1]
        for phase in range(period[along]):
            members = sites[place % period[along] == phase]
            if members.size < _FEWEST:
                continue
            values = score.ravel()[members]
            off = _off_line(np.where(known.ravel()[members], values, np.float32(np.nan)))
            spread = max(1.4826 * float(np.median(np.abs(off))), 1.0)
            strength = np.abs(off) / (limit * spread)
            worse = strength > _CLEARLY
            found.update(zip(members[worse].tolist(), strength[worse].tolist(), strict=True))
            ordinary.update(members[~worse].tolist())
    chosen = sorted(found.keys() - ordinary)
    return np.array(chosen, np.int64), np.array([found[site] for site in chosen], np.float32)


def _off_line(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return how far values are off the medians of those before and those after; 0 where unknown."""
    known = np.flatnonzero(np.isfinite(values))
    if known.size < _FEWEST:
        return np.zeros(values.size)
    filled = values[known]
    medians = np.median(np.lib.stride_tricks.sliding_window_view(filled, _ALONG), axis=1)
    # A median of either side, and their mean, follow a slope. At an end one side has to do.
    before = np.concatenate([np.full(_ALONG, np.nan), medians[:-1]])
    after = np.concatenate([medians[1:], np.full(_ALONG, np.nan)])
    before, after = np.where(np.isnan(before), after, before), np.where(np.isnan(after), before, after)
    off = np.zeros(values.size)
    off[known] = filled - 0.5 * (before + after)
    return off

"""The sums of a plane as decisions read them: by bands of rows, and once more at the few sites that matter.

A plane of a large sensor has gigabytes of sums. None of what is decided needs all of them at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from defectmap.model.evidence import PlaneEvidence
from defectmap.model.welford import WelfordState

VALUE_FIELDS = ("n", "value_sum", "value_sumsq")
"""The sums that the mean picture and its variance are made of."""

_HELD_SITES = 1 << 17
"""Sites of a band of sums that are in memory anyway: few enough to stay in a processor's cache."""

Sites = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Band:
    """Some rows of some sums of a plane.

    Attributes
    ----------
    first_row : int
    sums : dict of str to ndarray of shape (rows, cols)
        By their name in `evidence.FIELDS`. Not to be changed.
    """

    first_row: int
    sums: dict[str, NDArray[Any]]

    @property
    def rows(self) -> slice:
        """Its rows of the plane."""
        return slice(self.first_row, self.first_row + len(next(iter(self.sums.values()))))


ReadBands = Callable[[Sequence[str], NDArray[np.bool_] | None], Iterator[Band]]
"""Reads the named sums from the top down; of the marked rows alone, if rows are marked, or of more."""


class Sums:
    """The sums of one plane, wherever they are.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns.
    read : callable
    """

    def __init__(self, shape: tuple[int, int], read: ReadBands) -> None:
        self.shape = shape
        self._read = read
        self._held: dict[str, tuple[Sites, NDArray[Any]]] = {}

    @classmethod
    def of(cls, evidence: PlaneEvidence | Sums) -> Sums:
        """Return sums that are in memory in this form."""
        return evidence if isinstance(evidence, Sums) else cls(evidence.shape, partial(_slabs, evidence))

    @property
    def size(self) -> int:
        """Number of photosites."""
        return self.shape[0] * self.shape[1]

    def bands(self, *fields: str) -> Iterator[Band]:
        """Read some sums of the whole plane from the top down."""
        return self._read(fields, None)

    def hold(self, wanted: Mapping[str, Sites]) -> None:
        """Read sums at some flat sites, all in one pass, so that :meth:`at` has them at hand.

        Parameters
        ----------
        wanted : mapping of str to ndarray of int64
            Flat sites for each field, in any order.
        """
        missing = {}
        for field, sites in wanted.items():
            new = np.unique(sites)
            if field in self._held:
                new = np.setdiff1d(new, self._held[field][0], assume_unique=True)
            if new.size:
                missing[field] = new
        if not missing:
            return
        width = self.shape[1]
        rows = np.zeros(self.shape[0], bool)
        for sites in missing.values():
            rows[sites // width] = True
        found: dict[str, list[NDArray[Any]]] = {field: [] for field in missing}
        for band in self._read(tuple(missing), rows):
            first, past = band.rows.start * width, band.rows.stop * width
            for field, block in band.sums.items():
                low, high = np.searchsorted(missing[field], (first, past))
                found[field].append(block.ravel()[missing[field][low:high] - first])
        for field, new in missing.items():
            before = self._held.get(field)
            every = np.concatenate([new] if before is None else [before[0], new])
            values = np.concatenate(found[field] if before is None else [before[1], *found[field]])
            order = np.argsort(every)
            self._held[field] = every[order], values[order]

    def at(self, field: str, sites: Sites) -> NDArray[Any]:
        """Return a sum at flat sites, of the shape of `sites`."""
        if not sites.size:
            return np.zeros(sites.shape, np.int64)
        held = self._held.get(field)
        places = None if held is None else np.minimum(np.searchsorted(held[0], sites), held[0].size - 1)
        if held is None or places is None or not (held[0][places] == sites).all():
            self.hold({field: sites.ravel()})
            held = self._held[field]
            places = np.searchsorted(held[0], sites)
        return np.asarray(held[1][places])

    def value_at(self, sites: Sites) -> WelfordState:
        """Return the Welford state of the value at flat sites, of the shape of `sites`."""
        return WelfordState.from_sums(*(self.at(field, sites) for field in VALUE_FIELDS))


def around(sites: Sites, shape: tuple[int, int], reach: int) -> Sites:
    """Return the flat sites within so many rows and columns of some flat sites, ordered.

    Parameters
    ----------
    sites : ndarray of shape (n,), int64
    shape : tuple of int
        Rows and columns of the plane.
    reach : int
    """
    near = np.zeros(shape, bool)
    for row, col in zip(*(part.tolist() for part in np.divmod(sites, shape[1])), strict=True):
        near[max(row - reach, 0) : row + reach + 1, max(col - reach, 0) : col + reach + 1] = True
    return np.flatnonzero(near)


def _slabs(evidence: PlaneEvidence, fields: Sequence[str], rows: NDArray[np.bool_] | None) -> Iterator[Band]:
    height, width = evidence.shape
    step = max(1, _HELD_SITES // max(width, 1))
    for first in range(0, height, step):
        part = slice(first, first + step)
        if rows is None or rows[part].any():
            yield Band(first, {field: np.ascontiguousarray(evidence.sums[field][part]) for field in fields})

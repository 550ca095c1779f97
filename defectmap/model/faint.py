"""Sightings too faint to count one by one, which together tell when a defect began.

Of a raw frame every photosite is kept that scores more than 3.5 standard deviations, or, of a frame with
heavier tails, as many as fit a fixed share of its photosites: which ones depends on that frame alone, so that
dates do not depend on the order in which photos arrive.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from defectmap.model.batches import batches, joined

STEP = 0.25
"""Standard deviations per step of a faint score."""

FAINTEST, LOUDEST = 14, 20
"""Least and largest size of a faint score in steps; what is louder is a sighting of its own."""

MOST = 8e-4
"""Share of the photosites of a frame that may be seen faintly: two bytes of each are to be kept for ever."""

FAINT = np.dtype([("site", "<u4"), ("score", "i1")])
"""One photosite: flat site of the mosaic and score in steps, rounded towards 0."""

_UNITS = 4
"""Sixteenths of a standard deviation, in which frames are scored, per step."""


@dataclass(frozen=True, slots=True)
class FaintSightings:
    """The photosites that stand out faintly in one frame.

    Attributes
    ----------
    least : int
        Every photosite of so large a score, in steps, is here; `LOUDEST` + 1 where none is.
    records : ndarray of shape (n,), FAINT
        Ordered by site.
    """

    least: int
    records: NDArray[np.void]

    @classmethod
    def none(cls) -> FaintSightings:
        """Return those of a frame of which nothing faint is known."""
        return cls(LOUDEST + 1, np.empty(0, FAINT))

    @classmethod
    def chosen(cls, sites: NDArray[np.int64], scores: NDArray[np.int64], frame_size: int) -> FaintSightings:
        """Keep as many of the largest scores as a frame may keep.

        Parameters
        ----------
        sites : ndarray of shape (n,), int64
            Flat sites, ascending.
        scores : ndarray of shape (n,), int64
            In sixteenths of a standard deviation, of `FAINTEST` steps at least.
        frame_size : int
            Photosites of the frame.
        """
        steps = np.sign(scores) * (np.abs(scores) // _UNITS)
        counts = np.bincount(np.abs(steps), minlength=LOUDEST + 2)
        at_least = np.cumsum(counts[::-1])[::-1]
        least = FAINTEST + int(np.argmax(at_least[FAINTEST:] <= MOST * frame_size))
        kept = np.abs(steps) >= least
        records = np.empty(int(kept.sum()), FAINT)
        records["site"], records["score"] = sites[kept], steps[kept]
        return cls(least, records)


@dataclass(frozen=True, slots=True)
class Glimpses:
    """What was seen faintly of some sites, and how common that is.

    Attributes
    ----------
    of_site : dict of int to (ndarray of shape (n,), int64; ndarray of shape (n,), int64)
        Frames, ascending, and steps, of each site that was asked for.
    least : ndarray of shape (frames,), int64
        Steps from which the faint scores of a frame are known.
    shares : ndarray of shape (steps,), float64
        Of each score from `FAINTEST` to `LOUDEST`, how often a photosite has it in frames that keep it.
    """

    of_site: dict[int, tuple[NDArray[np.int64], NDArray[np.int64]]]
    least: NDArray[np.int64]
    shares: NDArray[np.float64]


def glimpses(
    sites: Sequence[int], faint: Iterable[tuple[int, FaintSightings]], frames: int, frame_size: int
) -> Glimpses:
    """Collect what was seen faintly of some sites.

    Parameters
    ----------
    sites : sequence of int
        Flat sites of the mosaic.
    faint : iterable of (int, FaintSightings)
        By index of the frame; read once. Of other frames nothing faint is known.
    frames : int
        Number of frames.
    frame_size : int
        Photosites of a frame.
    """
    wanted = np.unique(np.array(sites, np.int64))
    least = np.full(frames, LOUDEST + 1, np.int64)
    counts = np.zeros(LOUDEST + 2, np.int64)
    parts = [np.empty((3, 0), np.int64)]
    for indices, several in batches(faint):
        least[list(indices)] = [seen.least for seen in several]
        frame, records = joined(indices, [seen.records for seen in several])
        counts += np.bincount(np.abs(records["score"]), minlength=LOUDEST + 2)
        site = records["site"].astype(np.int64)
        mine = np.isin(site, wanted)
        parts.append(np.stack([site[mine], frame[mine], records["score"][mine].astype(np.int64)]))
    table = np.concatenate(parts, axis=1)
    table = table[:, np.lexsort((table[1], table[0]))]
    bounds = np.searchsorted(table[0], (wanted, wanted + 1))
    of_site = {
        int(site): (table[1, low:high], table[2, low:high])
        for site, low, high in zip(wanted, *bounds, strict=True)
    }
    keeping = np.cumsum(np.bincount(least, minlength=LOUDEST + 2))
    asked = np.maximum(keeping[FAINTEST : LOUDEST + 1], 1) * float(frame_size)
    return Glimpses(of_site, least, counts[FAINTEST : LOUDEST + 1] / asked)

"""The classic list that this method started from: the photosites whose value varies least.

It finds stuck and dead sites only; kept for comparison, and because its figures are what the first articles
on the method printed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from defectmap.catalog.records import StreamRecord
from defectmap.catalog.store import Catalog
from defectmap.errors import DefectmapError
from defectmap.model.evidence import plane_names
from defectmap.model.welford import WelfordState

_CHANNELS = {"luma": "Y", "blue": "Cb", "red": "Cr"}


@dataclass(frozen=True, slots=True)
class SteadySite:
    """A photosite and how little it varied.

    Attributes
    ----------
    row, col : int
        Full-frame position; of a JPEG's chroma, the first luma position it covers.
    channel : str
        CFA colour (R, G, B), or Y, Cb, Cr for a JPEG.
    variance : float
        Population variance over all counted frames, in DN squared.
    mean : float
        In DN.
    frames : int
    """

    row: int
    col: int
    channel: str
    variance: float
    mean: float
    frames: int


def lowest_variance(catalog: Catalog, stream: StreamRecord, top: int = 10) -> list[SteadySite]:
    """List the photosites of the lowest variance, `top` per channel, lowest first.

    Parameters
    ----------
    catalog : Catalog
    stream : StreamRecord
    top : int

    Raises
    ------
    DefectmapError
        If the stream has fewer than two frames.
    """
    found: list[SteadySite] = []
    epochs = catalog.evidence.epochs(stream.id)
    planes = sorted({p for e in epochs for p in plane_names(catalog.evidence.plane_names(stream.id, e))})
    for plane in planes:
        state = _state(catalog, stream, plane)
        if state.n.max() < 2:
            raise DefectmapError("a variance needs two photos at least: ingest more of this camera")
        variance = np.where(state.n >= 2, state.variance, np.inf)
        for channel, mask in _channels(stream, plane, variance.shape):
            candidates = np.flatnonzero(mask & np.isfinite(variance))
            values = variance.ravel()[candidates]
            count = min(top, values.size)
            best = candidates[np.argpartition(values, count - 1)[:count]] if count else candidates
            for site in best[np.lexsort((best, variance.ravel()[best]))].tolist():
                row, col = divmod(site, variance.shape[1])
                found.append(
                    SteadySite(
                        *_full_frame(stream, plane, row, col),
                        channel,
                        float(variance[row, col]),
                        float(state.mean[row, col]),
                        int(state.n[row, col]),
                    )
                )
    return found


def _state(catalog: Catalog, stream: StreamRecord, plane: str) -> WelfordState:
    """Return the Welford state of the value over all epochs."""
    sums = []
    for name in ("n", "value_sum", "value_sumsq"):
        parts = [
            catalog.evidence.read_plane(stream.id, epoch, f"{plane}.{name}").astype(np.int64)
            for epoch in catalog.evidence.epochs(stream.id)
            if f"{plane}.{name}" in catalog.evidence.plane_names(stream.id, epoch)
        ]
        sums.append(np.add.reduce(parts))
    return WelfordState.from_sums(*sums)


def _channels(
    stream: StreamRecord, plane: str, shape: tuple[int, ...]
) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Yield each channel of a plane with the mask of its photosites."""
    if stream.geometry is None:
        yield _CHANNELS[plane], np.ones(shape, bool)
        return
    cfa = np.array([list(row) for row in stream.geometry.cfa])
    repeats = (shape[0] // cfa.shape[0] + 1, shape[1] // cfa.shape[1] + 1)
    for letter in sorted(set(cfa.ravel().tolist())):
        yield letter, np.tile(cfa == letter, repeats)[: shape[0], : shape[1]]


def _full_frame(stream: StreamRecord, plane: str, row: int, col: int) -> tuple[int, int]:
    if stream.geometry is not None:
        return row + stream.geometry.top, col + stream.geometry.left
    return (row, col) if plane == "luma" else (2 * row, 2 * col)

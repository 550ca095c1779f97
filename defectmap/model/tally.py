"""The sums of a few frames, in types just wide enough: memory and its bandwidth are what summing costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from defectmap.model.evidence import FIELDS, RAW_WEIGHTS, RENDERED_WEIGHTS, may_be_clamped, regressor_weights
from defectmap.model.frame import Conditions
from defectmap.model.prediction import Rows, ScoredPlane

BATCH = 4
"""Frames that are added up before a sum is touched."""

TALLY_FRAMES = 128
"""Frames that a tally holds."""

_MOST_KEPT_BYTES = 64 << 20
"""Of readings in memory."""

_BAND_SITES = 1 << 19
"""Photosites whose sums are at hand at a time."""

_NARROW = {
    "n": np.uint8,
    "z_sum": np.int16,
    "z_sumsq": np.uint16,
    "hot_sum": np.int32,
    "offset_sum": np.int32,
    "light_sum": np.int32,
    "light_weight": np.uint32,
    "over": np.uint8,
    "under": np.uint8,
    "ties": np.uint8,
    "tie_frames": np.uint8,
}
_NARROW_VALUES: Mapping[np.dtype[Any], Mapping[str, Any]] = {
    np.dtype(np.uint8): {
        "value_sum": np.uint16,
        "value_sumsq": np.uint32,
        "hot_weight": np.uint32,
        "offset_weight": np.uint32,
    },
    np.dtype(np.uint16): {"value_sum": np.uint32, "value_sumsq": np.uint64},
}

Arrays = dict[str, NDArray[Any]]
Types = Mapping[str, np.dtype[Any]]


class Shelf(Protocol):
    """Where the sums of the photosites of a tally are, by rows."""

    def take(self, rows: slice) -> Arrays:
        """Return the sums of some rows, zero at first, to be changed."""

    def put(self, rows: slice, sums: Arrays) -> None:
        """Put the sums of rows back that were taken last."""

    def planes(self) -> Mapping[str, Any]:
        """Return all sums by name: of each its shape, its dtype, and an ndarray of every slice of rows."""


class Desk(Protocol):
    """Where sums are, and the readings of frames that are to be added together: in memory, or in files."""

    @property
    def full(self) -> bool:
        """Whether the frames whose readings are kept are to be added before more come."""

    def shelf(self, shape: tuple[int, int], types: Types) -> Shelf:
        """Make room for planes of so many rows and columns, of some types."""

    def keep(self, readings: NDArray[Any]) -> Rows:
        """Keep readings until `clear`; return what gives an ndarray of every slice of their rows."""

    def clear(self) -> None:
        """Let go of all readings."""


class Memory:
    """Keeps sums and readings in memory."""

    def __init__(self) -> None:
        self._kept = 0

    @property
    def full(self) -> bool:
        """Whether they take much room."""
        return self._kept >= _MOST_KEPT_BYTES

    def shelf(self, shape: tuple[int, int], types: Types) -> Shelf:
        """Return arrays of zeros."""
        return _Arrays({name: np.zeros(shape, dtype) for name, dtype in types.items()})

    def keep(self, readings: NDArray[Any]) -> Rows:
        """Return the readings."""
        self._kept += readings.nbytes
        return readings

    def clear(self) -> None:
        """Let others come."""
        self._kept = 0


class _Arrays:
    """Sums in memory: what is taken are views."""

    def __init__(self, sums: Arrays) -> None:
        self._sums = sums

    def take(self, rows: slice) -> Arrays:
        return {name: array[rows] for name, array in self._sums.items()}

    def put(self, rows: slice, sums: Arrays) -> None:
        pass

    def planes(self) -> Arrays:
        return self._sums


class Tally:
    """The sums of at most `TALLY_FRAMES` frames of one plane.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns.
    values : dtype
        Type of the readings, uint8 or uint16.
    desk : Desk, optional
        Where the sums are; in memory if not given.
    """

    def __init__(self, shape: tuple[int, int], values: np.dtype[Any], desk: Desk | None = None) -> None:
        self.shape = shape
        types: dict[str, Any] = {**FIELDS, **_NARROW, **_NARROW_VALUES[values]}
        self._shelf = (desk or Memory()).shelf(shape, {name: np.dtype(one) for name, one in types.items()})
        self._scale = RENDERED_WEIGHTS if values.itemsize == 1 else RAW_WEIGHTS
        self.frames = 0

    @property
    def sums(self) -> dict[str, Any]:
        """As those of :class:`~defectmap.model.evidence.PlaneEvidence`, in types that hold so many frames."""
        return dict(self._shelf.planes())

    def add(self, frames: Sequence[Callable[[slice], ScoredPlane]], when: Sequence[Conditions]) -> None:
        """Add frames, some rows at a time.

        Parameters
        ----------
        frames : sequence of callable
            Of each frame what returns some of its rows, scored; at least one.
        when : sequence of Conditions
            Of each frame. One whose exposure time or ISO is unknown stays out of the exposure-weighted sums.
        """
        self.frames += len(frames)
        weights = np.zeros((len(frames), 256), np.uint64)
        for row, one in zip(weights, when, strict=True):
            hot, offset = (regressor_weights(regressor, self._scale) for regressor in (one.dose, one.gain))
            row[:128] = hot.astype(np.uint64) | offset.astype(np.uint64) << np.uint64(32)
        for rows in _bands(self.shape):
            sums = self._shelf.take(rows)
            for start in range(0, len(frames), BATCH):
                part = slice(start, start + BATCH)
                planes = [score(rows) for score in frames[part]]
                _add(sums, planes, weights[part])
                _add_ties(sums, planes, when[part])
            self._shelf.put(rows, sums)


def _bands(shape: tuple[int, int]) -> Iterator[slice]:
    """Yield rows that are to be added at a time, from the top down."""
    rows, cols = shape
    height = max(1, _BAND_SITES // max(cols, 1))
    for first in range(0, rows, height):
        yield slice(first, min(first + height, rows))


def _add(sums: Arrays, planes: Sequence[ScoredPlane], weights: NDArray[np.uint64]) -> None:
    from defectmap.model import summing_kernels as kernels  # noqa: PLC0415 - compiled code loads slowly

    # Always as many arrays, so that the kernel is compiled once; the last are left out by their number.
    some = (*planes, *(BATCH - len(planes)) * (planes[0],))
    by_code = np.zeros((BATCH, 256), np.uint64)
    by_code[: len(planes)] = weights
    kernels.add_frames(
        len(planes),
        tuple(plane.padded for plane in some),
        some[0].pad,
        tuple(plane.z for plane in some),
        tuple(plane.noise_code for plane in some),
        tuple(plane.light_code for plane in some),
        by_code,
        *(sums[name] for name in FIELDS if "tie" not in name),
    )


def _add_ties(sums: Arrays, planes: Sequence[ScoredPlane], when: Sequence[Conditions]) -> None:
    from defectmap.model import summing_kernels as kernels  # noqa: PLC0415

    for plane, one in zip(planes, when, strict=True):
        if plane.tied and may_be_clamped(one):
            kernels.mark_ties(plane.padded, plane.z, sums["ties"], sums["tie_frames"])

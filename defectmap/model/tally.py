"""The sums of a few frames, in types just wide enough: memory and its bandwidth are what summing costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from defectmap.model.evidence import FIELDS, may_be_clamped, regressor_weights
from defectmap.model.frame import Conditions
from defectmap.model.prediction import ScoredPlane

BATCH = 4
"""Frames added in one pass over the sums."""

TALLY_FRAMES = 128
"""Frames that a tally holds."""

_NARROW = {
    "n": np.uint8,
    "z_sum": np.int16,
    "light_sum": np.int32,
    "light_weight": np.uint32,
    "over": np.uint8,
    "under": np.uint8,
    "ties": np.uint8,
    "tie_frames": np.uint8,
}
_NARROW_VALUES = {
    np.dtype(np.uint8): {"value_sum": np.uint16, "value_sumsq": np.uint32},
    np.dtype(np.uint16): {"value_sum": np.uint32, "value_sumsq": np.uint64},
}


@dataclass(slots=True)
class Tally:
    """The sums of at most `TALLY_FRAMES` frames of one plane.

    Attributes
    ----------
    sums : dict of str to ndarray of shape (rows, cols)
        As those of :class:`~defectmap.model.evidence.PlaneEvidence`, in types that hold so many frames.
    frames : int
        So many are in it.
    """

    sums: dict[str, NDArray[Any]]
    frames: int = 0

    @classmethod
    def empty(cls, shape: tuple[int, int], values: np.dtype[Any]) -> Tally:
        """Return a tally of no frame; `values` is the type of the readings, uint8 or uint16."""
        narrow: dict[str, Any] = {**FIELDS, **_NARROW, **_NARROW_VALUES[values]}
        return cls({name: np.zeros(shape, dtype) for name, dtype in narrow.items()})

    @property
    def full(self) -> bool:
        """Whether another batch might not fit."""
        return self.frames + BATCH > TALLY_FRAMES

    def add(self, batch: Sequence[tuple[ScoredPlane, Conditions]]) -> None:
        """Add frames.

        Parameters
        ----------
        batch : sequence of (ScoredPlane, Conditions)
            At most `BATCH`, at least one. A frame whose exposure time or ISO is unknown stays out of the
            exposure-weighted sums.
        """
        from defectmap.model import summing_kernels as kernels  # noqa: PLC0415 - compiled code loads slowly

        self.frames += len(batch)
        # Always as many arrays, so that the kernel is compiled once; the last are left out by their number.
        padded = (*batch, *(BATCH - len(batch)) * (batch[0],))
        weights = np.zeros((BATCH, 256), np.uint64)
        for row, (_, when) in zip(weights, padded, strict=True):
            hot, offset = regressor_weights(when.dose), regressor_weights(when.gain)
            row[:128] = hot.astype(np.uint64) | offset.astype(np.uint64) << np.uint64(32)
        kernels.add_frames(
            len(batch),
            tuple(plane.values for plane, _ in padded),
            tuple(plane.z for plane, _ in padded),
            tuple(plane.noise_code for plane, _ in padded),
            tuple(plane.light_code for plane, _ in padded),
            weights,
            *(self.sums[name] for name in FIELDS if "tie" not in name),
        )
        for plane, when in batch:
            if plane.padded is not None and may_be_clamped(when):
                kernels.mark_ties(plane.padded, plane.z, self.sums["ties"], self.sums["tie_frames"])

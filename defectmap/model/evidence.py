"""All that is accumulated per photosite, before any verdict.

Every field is an exact integer sum. Adding two parts is Chan's merge without its rounding: the Welford state
(n, mean, M2) that `PlaneEvidence.value` and `PlaneEvidence.z` read out has the same bits whatever the order
of the frames, the batches, the shards or the workers, and a frame can be taken out again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from defectmap.model.frame import Conditions
from defectmap.model.prediction import ScoredPlane
from defectmap.model.welford import WelfordState

METHOD = 1
"""Version of prediction, scores and sums; evidence of different versions never mixes."""

BATCH = 4
"""Frames added in one pass over the sums: memory bandwidth is the cost."""

Z_UNIT = 16
"""Steps of `z_sum` per standard deviation."""

Z_CLIP = 3
"""Largest share of one frame in `z_sum`, in standard deviations."""

FIELDS: Mapping[str, np.dtype[Any]] = {
    "n": np.dtype(np.uint32),  # frames in which the photosite said something
    "value_sum": np.dtype(np.uint64),  # DN
    "value_sumsq": np.dtype(np.uint64),  # DN squared
    "z_sum": np.dtype(np.int32),  # score clipped at +-3, in sixteenths
    "z_sumsq": np.dtype(np.uint32),
    "hot_sum": np.dtype(np.int64),  # clipped score x exposure weight
    "hot_weight": np.dtype(np.uint64),  # exposure weight squared
    "over": np.dtype(np.uint16),  # frames with a score over +5
    "under": np.dtype(np.uint16),  # frames with a score under -5
    "ties": np.dtype(np.uint16),  # frames in which it ties with the largest neighbour
}
"""The sums kept per photosite of a plane, with the type that holds them."""

_WEIGHT_UNIT, _WEIGHT_LIMIT = 65536.0, 1 << 22


@dataclass(frozen=True, slots=True)
class PlaneEvidence:
    """The sums of one plane.

    Attributes
    ----------
    sums : dict of str to ndarray of shape (rows, cols)
        One array per name in `FIELDS`.
    """

    sums: dict[str, NDArray[Any]]

    @classmethod
    def empty(cls, shape: tuple[int, int]) -> PlaneEvidence:
        """Return evidence of no frame."""
        return cls({name: np.zeros(shape, dtype) for name, dtype in FIELDS.items()})

    def accumulate(self, batch: Sequence[tuple[ScoredPlane, Conditions]]) -> None:
        """Add frames in place, `BATCH` of them in one pass over the sums.

        Parameters
        ----------
        batch : sequence of (ScoredPlane, Conditions)
            A frame whose exposure time or ISO is unknown stays out of the exposure-weighted sums.
        """
        from defectmap.model import kernels  # noqa: PLC0415 - compiled code loads slowly

        for start in range(0, len(batch), BATCH):
            part = batch[start : start + BATCH]
            # Always as many arrays, so that the kernel is compiled once.
            planes = [plane for plane, _ in (*part, *(BATCH - len(part)) * (part[0],))]
            kernels.accumulate(
                len(part),
                tuple(plane.values for plane in planes),
                tuple(plane.z for plane in planes),
                tuple(plane.noise_code for plane in planes),
                np.stack([exposure_weights(when.dose) for _, when in part]),
                *(self.sums[name] for name in FIELDS),
            )

    def add(self, other: PlaneEvidence) -> None:
        """Add another part in place."""
        for name, array in self.sums.items():
            np.add(array, other.sums[name], out=array)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        rows, cols = self.sums["n"].shape
        return rows, cols

    def value_at(self, sites: NDArray[np.int64]) -> WelfordState:
        """Return the Welford state of the value at flat sites, of the shape of `sites`."""
        return WelfordState.from_sums(
            *(self.sums[f].ravel()[sites] for f in ("n", "value_sum", "value_sumsq"))
        )

    @property
    def value(self) -> WelfordState:
        """Welford state of the value in DN."""
        return WelfordState.from_sums(self.sums["n"], self.sums["value_sum"], self.sums["value_sumsq"])

    @property
    def z(self) -> WelfordState:
        """Welford state of the clipped score in standard deviations."""
        state = WelfordState.from_sums(self.sums["n"], self.sums["z_sum"], self.sums["z_sumsq"])
        return WelfordState(state.n, state.mean / Z_UNIT, state.m2 / Z_UNIT**2)


def exposure_weights(dose: float | None) -> NDArray[np.int64]:
    """Return the weight of a frame in the exposure-weighted sums, by noise code.

    Parameters
    ----------
    dose : float or None
        Seconds at ISO 100.

    Returns
    -------
    ndarray of shape (128,), int64
        dose / sigma in fixed point, limited so that the squares of half a million frames add up exactly.
    """
    if dose is None:
        return np.zeros(128, np.int64)
    code = np.arange(128)
    sigma = (1.0 + (code % 8 + 0.5) / 8.0) * 2.0 ** (code // 8)
    return np.minimum(np.rint(_WEIGHT_UNIT * dose / sigma), _WEIGHT_LIMIT).astype(np.int64)


def named_arrays(planes: Mapping[str, PlaneEvidence]) -> dict[str, NDArray[Any]]:
    """Flatten evidence to arrays by name, such as ``luma.z_sum``: the form a catalog stores."""
    return {f"{plane}.{name}": array for plane, part in planes.items() for name, array in part.sums.items()}


def plane_names(names: Iterable[str]) -> list[str]:
    """Return the planes that stored array names speak of, sorted."""
    return sorted({name.split(".", 1)[0] for name in names})

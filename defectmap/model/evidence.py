"""All that is accumulated per photosite, before any verdict.

Every field is an exact integer sum. Adding two parts is Chan's merge without its rounding: the Welford state
(n, mean, M2) that `PlaneEvidence.value` and `PlaneEvidence.z` read out has the same bits whatever the order
of the frames, the batches, the shards or the workers, and a frame can be taken out again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from defectmap.model.frame import Conditions
from defectmap.model.prediction import code_sigma
from defectmap.model.welford import WelfordState

METHOD = 3
"""Version of prediction, scores and sums; evidence of different versions never mixes."""

Z_UNIT = 16
"""Steps of `z_sum` per standard deviation."""

Z_CLIP = 5
"""Largest share of one frame in `z_sum`, in standard deviations."""

FIELDS: Mapping[str, np.dtype[Any]] = {
    "n": np.dtype(np.uint32),  # frames in which the photosite said something
    "value_sum": np.dtype(np.uint64),  # DN
    "value_sumsq": np.dtype(np.uint64),  # DN squared
    "z_sum": np.dtype(np.int32),  # score clipped at +-5, in sixteenths
    "z_sumsq": np.dtype(np.uint32),  # its square, rounded to sixteenths too
    "hot_sum": np.dtype(np.int64),  # clipped score x weight of a dark current: exposure time x gain / sigma
    "hot_weight": np.dtype(np.uint64),  # that weight squared
    "offset_sum": np.dtype(np.int64),  # clipped score x weight of an offset: gain / sigma
    "offset_weight": np.dtype(np.uint64),
    "light_sum": np.dtype(np.int64),  # clipped score x weight of a wrong gain: light / sigma
    "light_weight": np.dtype(np.uint64),
    "over": np.dtype(np.uint16),  # frames with a score over +5
    "under": np.dtype(np.uint16),  # frames with a score under -5
    "ties": np.dtype(np.uint16),  # frames in which it equals its largest neighbour, where cameras may clamp
    "tie_frames": np.dtype(np.uint16),  # of so many
}
"""The sums kept per photosite of a plane, with the type that holds them."""

CLAMPING_S = 0.2
"""From this exposure time on ties are counted: there cameras clamp hot photosites to the largest neighbour.

Users found a Nikon D850 to do so from 1/4 s on, others in longer exposures only. Where a camera does not,
healthy sites and hot ones tie as often as chance has it.
"""


@dataclass(frozen=True, slots=True)
class WeightScale:
    """In what steps weights of dose and gain are.

    Attributes
    ----------
    unit : float
        Steps per unit of regressor / sigma.
    limit : int
        Largest weight, in steps.
    """

    unit: float
    limit: int


RAW_WEIGHTS, RENDERED_WEIGHTS = WeightScale(16384.0, 1 << 17), WeightScale(256.0, 1 << 12)
"""Of a mosaic, and of the planes of a JPEG, whose noise in DN is smaller: their finer steps would be noise.

Limited so that the scores of 128 frames, each weighted, add up in 32 bits.
"""


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

    def add(self, other: PlaneEvidence) -> None:
        """Add another part in place; its sums may be of narrower types."""
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
        state = WelfordState.from_sums(self.sums["n"], self.sums["z_sum"], Z_UNIT * self.sums["z_sumsq"])
        return WelfordState(state.n, state.mean / Z_UNIT, state.m2 / Z_UNIT**2)


def may_be_clamped(conditions: Conditions) -> bool:
    """Tell whether cameras may have clamped hot photosites in such a frame."""
    return conditions.exposure_s is not None and conditions.exposure_s >= CLAMPING_S


def regressor_weights(regressor: float | None, scale: WeightScale) -> NDArray[np.int64]:
    """Return the weight of a frame in a matched filter, by noise code.

    A deviation that grows with a regressor is found best by weighting scores with regressor / sigma
    (the matched filter); its square sums to the precision of the estimate.

    Parameters
    ----------
    regressor : float or None
        Dose in seconds at ISO 100, or gain; None keeps the frame out of the sums.
    scale : WeightScale

    Returns
    -------
    ndarray of shape (128,), int64
        In fixed point, limited so that the squares of half a million frames add up exactly.
    """
    if regressor is None:
        return np.zeros(128, np.int64)
    sigma = code_sigma(np.arange(128, dtype=np.uint8))
    return np.minimum(np.rint(scale.unit * regressor / sigma), scale.limit).astype(np.int64)


def named_arrays(planes: Mapping[str, Mapping[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    """Flatten the sums of planes to arrays by name, such as ``luma.z_sum``: the form a catalog stores."""
    return {f"{plane}.{name}": array for plane, sums in planes.items() for name, array in sums.items()}


class Widened(Mapping[str, NDArray[Any]]):
    """Named arrays in the types of `FIELDS`; those of narrower types are widened when they are asked for.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        As `named_arrays` returns them.
    """

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self._arrays = arrays

    def __getitem__(self, name: str) -> NDArray[Any]:
        return np.asarray(self._arrays[name], FIELDS[name.rpartition(".")[2]])

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)


def plane_names(names: Iterable[str]) -> list[str]:
    """Return the planes that stored array names speak of, sorted."""
    return sorted({name.split(".", 1)[0] for name in names})

"""The classic search: the photosites whose value varies least over many photos."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Site = tuple[int, int]

_ROUNDING = 1 / 12
"""Variance that rounding to whole DN leaves even to a constant site."""


class ValueVariance:
    """Exact sums of every photosite's value and of its square.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns, of a 2 x 2 colour pattern.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self._frames = 0
        self._sum = np.zeros(shape, np.int64)
        self._squares = np.zeros(shape, np.int64)

    def add(self, mosaic: NDArray[np.uint16]) -> None:
        """Add a frame."""
        wide = mosaic.astype(np.int64)
        self._frames += 1
        self._sum += wide
        self._squares += wide * wide

    def scores(self) -> NDArray[np.float64]:
        """Return how far the logarithm of each variance lies below that of its colour, in MADs.

        The logarithm, since variances of scenes spread over orders of magnitude; the MAD is scaled to the
        standard deviation of a normal distribution.
        """
        variance = (self._squares - self._sum * (self._sum / self._frames)) / self._frames
        log = np.log(np.maximum(variance, 0) + _ROUNDING)
        scores = np.empty_like(log)
        for phase in np.ndindex(2, 2):
            part = slice(phase[0], None, 2), slice(phase[1], None, 2)
            centre = np.median(log[part])
            scores[part] = (centre - log[part]) / (1.4826 * np.median(np.abs(log[part] - centre)))
        return scores


@dataclass(frozen=True, slots=True)
class Answers:
    """What a list of sites is worth.

    Attributes
    ----------
    reported, true, planted, photosites : int
    """

    reported: int
    true: int
    planted: int
    photosites: int


def lowest(scores: NDArray[np.float64], planted: AbstractSet[Site]) -> Answers:
    """Judge as many answers as there are defects: the most conspicuous."""
    best = np.argpartition(-scores, len(planted), axis=None)[: len(planted)]
    return _judge(best, scores, planted)


def beyond(scores: NDArray[np.float64], planted: AbstractSet[Site], threshold: float) -> Answers:
    """Judge all answers above a threshold."""
    return _judge(np.flatnonzero(scores > threshold), scores, planted)


def _judge(flat: NDArray[np.int64], scores: NDArray[np.float64], planted: AbstractSet[Site]) -> Answers:
    rows, cols = np.divmod(flat, scores.shape[1])
    true = sum(site in planted for site in zip(rows.tolist(), cols.tolist(), strict=True))
    return Answers(len(flat), true, len(planted), scores.size)

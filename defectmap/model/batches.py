"""Records of frames some frames at a time: what is done per frame would take longer than the records do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

TOGETHER = 256
"""Frames whose records are looked at together."""

_Seen = TypeVar("_Seen")


def batches(frames: Iterable[tuple[int, _Seen]]) -> Iterator[tuple[tuple[int, ...], tuple[_Seen, ...]]]:
    """Yield the indices of some frames, and what was seen in each, until all had their turn."""
    waiting = iter(frames)
    while some := tuple(islice(waiting, TOGETHER)):
        indices, seen = zip(*some, strict=True)
        yield indices, seen


def joined(
    indices: Iterable[int], records: Sequence[NDArray[np.void]]
) -> tuple[NDArray[np.int64], NDArray[np.void]]:
    """Return the frame of each record of several frames, and these records as one array.

    Parameters
    ----------
    indices : iterable of int
        Of the frames.
    records : sequence of ndarray of shape (n,), structured dtype
        Of each frame, at least one.
    """
    frame = np.repeat(np.array(list(indices), np.int64), [len(part) for part in records])
    dtype = records[0].dtype
    if any(part.dtype is not dtype for part in records):
        return frame, np.concatenate(records)
    # As plain bytes: of records numpy compares the fields of each part with those of the next.
    every: NDArray[np.void] = np.concatenate([part.view(f"V{dtype.itemsize}") for part in records])
    return frame, every.view(dtype)

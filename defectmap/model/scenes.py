"""Which frames show the same framing: a tripod series must not count as many witnesses.

Scenes are the connected components of the relation "alike", so that they depend on the set of frames and not
on the order in which the frames arrive.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from defectmap.model.frame import JpegFrame, RawFrame

_SIDE = 16
_ALIKE = 0.98
_ROWS, _COLUMNS = 512, 4096
"""So many frames are compared at once: the matrix of their correlations takes 16 MB."""


@dataclass(frozen=True, slots=True)
class Framing:
    """Where a frame is light and where dark: means of 16x16 blocks.

    Attributes
    ----------
    signature : bytes
        The means less their own mean as int8, row by row, the largest of them 127.
    level_dn : float
        Mean of the means, in DN.
    contrast_dn : float
        Largest distance of a mean from it, in DN.
    """

    signature: bytes
    level_dn: float
    contrast_dn: float


def level_at(framing: Framing, sites: NDArray[np.int64], shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return how bright a frame was around some sites, as its blocks tell.

    Parameters
    ----------
    framing : Framing
    sites : ndarray of shape (n,), int64
        Flat sites of a plane that covers the frame.
    shape : tuple of int
        Rows and columns of that plane.

    Returns
    -------
    ndarray of shape (n,), float64
        In DN, black level included.
    """
    return np.asarray(levels_at([framing], sites, shape)[0])


def levels_at(
    framings: Sequence[Framing], sites: NDArray[np.int64], shape: tuple[int, int]
) -> NDArray[np.float64]:
    """Return the same of several frames, of shape (frames, n)."""
    blocks = np.frombuffer(b"".join(one.signature for one in framings), np.int8).reshape(-1, _SIDE * _SIDE)
    rows, cols = np.divmod(sites, shape[1])
    parts = blocks[:, rows * _SIDE // shape[0] * _SIDE + cols * _SIDE // shape[1]]
    level = np.array([one.level_dn for one in framings], np.float64)
    contrast = np.array([one.contrast_dn for one in framings], np.float64)
    return np.asarray(level[:, None] + parts * (contrast / 127.0)[:, None])


def signature(frame: RawFrame | JpegFrame) -> bytes:
    """Summarise the framing: block means over a 16x16 grid, less their mean, as int8.

    Returns
    -------
    bytes
        256 of them.
    """
    return framing(frame).signature


def framing(frame: RawFrame | JpegFrame) -> Framing:
    """Measure where a frame is light and where dark."""
    from defectmap.model import framing_kernels as kernels  # noqa: PLC0415 - compiled code loads slowly

    plane: NDArray[Any] = frame.mosaic if isinstance(frame, RawFrame) else frame.luma
    height, width = plane.shape
    period = 12  # a multiple of the usual CFA periods, so that every block mixes the colours alike
    rows = np.arange(_SIDE + 1) * (height // period) // _SIDE * period
    cols = np.arange(_SIDE + 1) * (width // period) // _SIDE * period
    if rows[1] == 0 or cols[1] == 0:
        rows = np.arange(_SIDE + 1) * height // _SIDE
        cols = np.arange(_SIDE + 1) * width // _SIDE
    rows[-1], cols[-1] = height, width
    sums = np.empty((_SIDE, _SIDE), np.uint64)
    kernels.block_sums(plane, rows, cols, sums)
    area = np.outer(np.diff(rows), np.diff(cols))
    means = sums / np.maximum(area, 1)
    level = float(means.mean())
    means -= level
    largest = float(np.abs(means).max())
    rounded = np.rint(means * (127.0 / largest) if largest else means).astype(np.int8)
    return Framing(rounded.tobytes(), level, largest)


@dataclass(frozen=True, slots=True)
class Looks:
    """Frames to be compared, each with the scene it is of so far.

    Attributes
    ----------
    scenes : ndarray of shape (n,), int64
    signatures : ndarray of shape (n, 256), int8
    """

    scenes: NDArray[np.int64]
    signatures: NDArray[np.int8]

    @classmethod
    def of(cls, scenes: Sequence[int], signatures: Sequence[bytes | None]) -> Looks:
        """Arrange some frames; one without a signature is like no other."""
        size = _SIDE * _SIDE
        rows = (one if one is not None and len(one) == size else bytes(size) for one in signatures)
        return cls(np.array(scenes, np.int64), np.frombuffer(b"".join(rows), np.int8).reshape(-1, size))

    def __len__(self) -> int:
        return len(self.scenes)

    def __getitem__(self, part: slice) -> Looks:
        return Looks(self.scenes[part], self.signatures[part])


def alike(first: Sequence[bytes], second: Sequence[bytes]) -> NDArray[np.bool_]:
    """Tell which frames show the same framing.

    Parameters
    ----------
    first, second : sequences of bytes
        Signatures.

    Returns
    -------
    ndarray of shape (len(first), len(second)), bool
        Whether the signatures correlate by more than 0.98.
    """
    one, other = (Looks.of(range(len(some)), some) for some in (first, second))
    return _near(one.signatures, other.signatures)


def _near(first: NDArray[np.int8], second: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Tell which of some signatures are alike: for any two the same, in whatever company they are compared.

    Sums of products of int8 are exact in float32, since they stay below 2**24.
    """
    size = first.shape[1]
    parts = [part.astype(np.float32) for part in (first, second)]
    products = size * (parts[0] @ parts[1].T).astype(np.float64)
    sums = [part.sum(axis=1, dtype=np.float64) for part in parts]
    squares = [np.einsum("ij,ij->i", part, part).astype(np.float64) for part in parts]
    # Each with its share of the least correlation, so that the order of the two makes no difference.
    spreads = [sqrt(_ALIKE) * np.sqrt(size * q - s * s) for s, q in zip(sums, squares, strict=True)]
    products -= np.multiply.outer(*sums)
    return np.asarray(products > np.multiply.outer(*spreads))


def links(fresh: Looks, known: Looks) -> NDArray[np.int64]:
    """Return which scenes are one, because a new frame is like one that is known.

    Parameters
    ----------
    fresh, known : Looks

    Returns
    -------
    ndarray of shape (n, 2), int64
        Pairs of different scenes; not all that there are, but enough to join them.
    """
    found = [np.empty((0, 2), np.int64)]
    for row in range(0, len(fresh), _ROWS):
        for col in range(0, len(known), _COLUMNS):
            ours, theirs = fresh[row : row + _ROWS], known[col : col + _COLUMNS]
            # A series on a tripod has millions of pairs of frames, but few scenes.
            order = np.argsort(theirs.scenes, kind="stable")
            scenes, starts = np.unique(theirs.scenes[order], return_index=True)
            near = _near(ours.signatures, theirs.signatures[order])
            at, of = np.nonzero(np.logical_or.reduceat(near, starts, axis=1))
            pairs = np.stack([ours.scenes[at], scenes[of]], axis=1)
            found.append(_joined(pairs[pairs[:, 0] != pairs[:, 1]]))
    return np.concatenate(found)


def unite(pairs: NDArray[np.int64]) -> dict[int, int]:
    """Join scenes.

    Parameters
    ----------
    pairs : ndarray of shape (n, 2), int64
        Scenes that are one.

    Returns
    -------
    dict of int to int
        For each scene that is joined to one of a smaller number, the smallest of those that it is one with.
    """
    return dict(_joined(pairs).tolist())


def _joined(pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the scenes that are joined to one of a smaller number, in order, each with the smallest.

    Each takes the smallest number among its neighbours', then that of the scene of this number, until nothing
    changes.
    """
    numbers, ends = np.unique(pairs, return_inverse=True)
    first, second = ends.reshape(-1, 2).T
    smallest = np.arange(len(numbers))
    while True:
        before = smallest.copy()
        lower = np.minimum(smallest[first], smallest[second])
        np.minimum.at(smallest, first, lower)
        np.minimum.at(smallest, second, lower)
        smallest = smallest[smallest]
        if np.array_equal(before, smallest):
            break
    moved = smallest < np.arange(len(numbers))
    return np.stack([numbers[moved], numbers[smallest[moved]]], axis=1)


def join_scenes(signatures: Mapping[int, bytes | None]) -> dict[int, int]:
    """Assign scenes to frames.

    Parameters
    ----------
    signatures : mapping of frame to signature

    Returns
    -------
    dict of frame to scene
        A scene bears the smallest number among its frames.
    """
    every = Looks.of(list(signatures), list(signatures.values()))
    for start in range(0, len(every), _ROWS):
        # Each pair once, with the later frame.
        past = every[: start + _ROWS]
        joined = _joined(links(past[start:], past))
        moved = np.isin(past.scenes, joined[:, 0])
        past.scenes[moved] = joined[np.searchsorted(joined[:, 0], past.scenes[moved]), 1]
    return dict(zip(signatures, every.scenes.tolist(), strict=True))


def representatives(scenes: Mapping[int, int], order: Mapping[int, Any]) -> set[int]:
    """Choose the frames that enter the sums: the first of each scene.

    A second one would add little, and what it adds is not independent: chance specks of the scene come twice.

    Parameters
    ----------
    scenes : mapping of frame to scene
    order : mapping of frame to a sortable key
        When the frame was taken; a total order.

    Returns
    -------
    set of int
        A function of the set of frames alone.
    """
    first: dict[int, int] = {}
    for frame in sorted(scenes, key=lambda f: order[f]):
        first.setdefault(scenes[frame], frame)
    return set(first.values())

"""Which frames show the same framing: a tripod series must not count as many witnesses.

Scenes are the connected components of the relation "alike", so that they depend on the set of frames and not
on the order in which the frames arrive.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from defectmap.model.frame import JpegFrame, RawFrame

_SIDE = 16
_ALIKE = 0.98
_BLOCK = 512


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
    blocks = np.frombuffer(framing.signature, np.int8).reshape(_SIDE, _SIDE)
    rows, cols = np.divmod(sites, shape[1])
    part = blocks[rows * _SIDE // shape[0], cols * _SIDE // shape[1]]
    return np.asarray(framing.level_dn + part * (framing.contrast_dn / 127.0), np.float64)


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
    return np.asarray(_unit(first) @ _unit(second).T > _ALIKE)


def _unit(signatures: Sequence[bytes]) -> NDArray[np.float32]:
    matrix = np.frombuffer(b"".join(signatures), np.int8).reshape(len(signatures), -1).astype(np.float32)
    matrix -= matrix.mean(axis=1, keepdims=True)
    norm = np.sqrt((matrix * matrix).sum(axis=1, keepdims=True))
    return np.asarray(matrix / np.maximum(norm, 1.0))


def join_scenes(
    known: Mapping[int, int], signatures: Mapping[int, bytes], fresh: Sequence[int]
) -> dict[int, int]:
    """Assign scenes after new frames arrived.

    Parameters
    ----------
    known : mapping of frame to scene
        The scenes so far.
    signatures : mapping of frame to signature
        Of all frames, known and new.
    fresh : sequence of int
        The new frames.

    Returns
    -------
    dict of frame to scene
        Of all frames. A scene bears the smallest number among its frames; a new frame may join known scenes.
    """
    if not fresh:
        return dict(known)
    everyone = np.array([*known, *fresh], np.int64)
    scenes = np.array([*known.values(), *fresh], np.int64)
    units = _unit([signatures[frame] for frame in everyone.tolist()])
    for start in range(len(known), len(everyone), _BLOCK):
        # Each pair once, with the later frame; most are like no frame but themselves.
        past = start + _BLOCK
        near = units[start:past] @ units[:past].T > _ALIKE
        for row in np.flatnonzero(np.count_nonzero(near, axis=1) > 1):
            joined = np.unique(scenes[:past][near[row]])
            if joined.size > 1:
                scenes[np.isin(scenes, joined)] = joined[0]
    return dict(zip(everyone.tolist(), scenes.tolist(), strict=True))


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

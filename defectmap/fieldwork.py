"""What the workers of a cluster do: look around, identify, measure, and add up what they measured.

These functions are sent to them by name, so every worker needs this program; what they return is compressed
where it was made, because it crosses a network.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from defectmap import __version__
from defectmap.catalog.planes import Blob, pack, total, unpack
from defectmap.handover import PackedPlane, packed
from defectmap.measuring import Measurement, Part, Photo, Trouble, identify, measure
from defectmap.media.discover import FoundFile
from defectmap.model.evidence import METHOD
from defectmap.model.sensor import MosaicGeometry

_TURN = Lock()
"""Threads of one worker take turns: each would hold sums of its own, and exiv2 is not made for threads."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What a worker is and sees.

    Attributes
    ----------
    version : str
        Of its defectmap.
    method : int
        By which it measures.
    unseen : tuple of Path
        Files of those it was asked for that it does not see, or sees with another size.
    """

    version: str
    method: int
    unseen: tuple[Path, ...]


@dataclass(slots=True)
class Sheaf:
    """A measurement on its way: the sums of its parts are apart from it, compressed.

    Attributes
    ----------
    measurement : Measurement
        Its parts hold no arrays.
    sums : list of dict of str to list of Blob
        For each part the bands of its planes from the top down.
    """

    measurement: Measurement
    sums: list[dict[str, list[Blob]]] = field(default_factory=list)


def look(samples: Sequence[tuple[Path, int]]) -> Standing:
    """Say what this worker is, and which of some files (path, size in bytes) it does not see."""
    return Standing(__version__, METHOD, tuple(path for path, size in samples if _size(path) != size))


def tell(topic: str) -> None:
    """Let those who follow a topic know that one more photo is done; to be called by a worker."""
    from distributed import get_worker  # noqa: PLC0415 - an extra, which workers have

    get_worker().log_event(topic, 1)


def identify_files(files: Sequence[FoundFile]) -> list[Photo | Trouble]:
    """Identify files, in the given order."""
    with _TURN:
        return [identify(file) for file in files]


def measure_photos(photos: Sequence[Photo], newest: int, tick: Callable[[], None]) -> Sheaf:
    """Measure photos as :func:`defectmap.measuring.measure` does.

    Parameters
    ----------
    photos : sequence of Photo
        Of one camera, in order of capture.
    newest : int
        The year whose frames are an epoch of their own.
    tick : callable
        Called after each photo.

    Returns
    -------
    Sheaf
    """
    with _TURN, TemporaryDirectory(prefix="defectmap-", ignore_cleanup_errors=True) as folder:
        measurement = measure(photos, newest=newest, folder=Path(folder), tick=tick)
        return Sheaf(measurement, [_packed(part) for part in measurement.parts])


def add(first: Sheaf, second: Sheaf) -> Sheaf:
    """Return one sheaf of two of the same camera; what can be added is.

    Parts of one grid, layout and epoch become one. Sums are exact integers, so these are what measuring all
    photos in one go gives, but for scenes that show in both: a catalog settles these when it takes them in.

    Raises
    ------
    OverflowError
        If a sum leaves the range of its type.
    """
    troubles = [*first.measurement.troubles, *second.measurement.troubles]
    whole = Sheaf(Measurement(troubles=troubles))
    places: dict[tuple[Any, ...], int] = {}
    for sheaf in (first, second):
        for part, sums in zip(sheaf.measurement.parts, sheaf.sums, strict=True):
            key = _layout(part, sums)
            if key not in places:
                places[key] = len(whole.sums)
                whole.measurement.parts.append(Part(part.grid, part.geometry, part.epoch))
                whole.sums.append({})
            joined = whole.measurement.parts[places[key]]
            joined.geometry = _lowest(joined.geometry, part.geometry)
            joined.frames += part.frames
            whole.sums[places[key]] = _added(whole.sums[places[key]], sums)
    return whole


def unfold(sheaf: Sheaf) -> Measurement:
    """Return the measurement with its sums in place, to be restored row by row; the sheaf is empty then."""
    for part, sums in zip(sheaf.measurement.parts, sheaf.sums, strict=True):
        planes = {name: PackedPlane(np.dtype(bands[0].dtype), bands) for name, bands in sums.items()}
        part.arrays = cast("dict[str, NDArray[Any]]", planes)
        sums.clear()
    return sheaf.measurement


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except (OSError, ValueError):
        return None


def _packed(part: Part) -> dict[str, list[Blob]]:
    """Compress the sums of a part, and let go of them."""
    return {name: packed(name, part.arrays.pop(name)) for name in list(part.arrays)}


def _layout(part: Part, sums: dict[str, list[Blob]]) -> tuple[Any, ...]:
    """Return what parts have in common whose sums may be added."""
    geometry = part.geometry
    mosaic = (geometry.cfa, geometry.top, geometry.left) if geometry else ()
    shapes = {tuple(band.shape for band in bands) for name, bands in sums.items() if name.endswith(".n")}
    return part.frames[0].photo.identity, part.grid, mosaic, part.epoch, frozenset(shapes)


def _lowest(ours: MosaicGeometry | None, theirs: MosaicGeometry | None) -> MosaicGeometry | None:
    """Return a layout with the lowest levels of both, as a catalog keeps them."""
    if ours is None or theirs is None:
        return ours
    low, high = ours.black, theirs.black
    black = (min(low[0], high[0]), min(low[1], high[1]), min(low[2], high[2]), min(low[3], high[3]))
    return replace(ours, black=black, white=min(ours.white, theirs.white))


def _added(ours: dict[str, list[Blob]], theirs: dict[str, list[Blob]]) -> dict[str, list[Blob]]:
    sums = dict(ours)
    for name, bands in theirs.items():
        if name in ours:
            pairs = zip(ours[name], bands, strict=True)
            sums[name] = [_sum(one, other) for one, other in pairs]
        else:
            sums[name] = bands
    return sums


def _sum(ours: Blob, theirs: Blob) -> Blob:
    dtype = np.dtype(ours.dtype)
    return pack(total(unpack(ours, narrow=True), [unpack(theirs, narrow=True)], dtype, 1), dtype)

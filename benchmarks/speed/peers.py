"""What the times are held against: merely decoding, and the classic search for the lowest variance."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import rawpy
from numpy.typing import NDArray
from PIL import Image

Moments = tuple[int, NDArray[np.float64], NDArray[np.float64]]


def decode(path: Path) -> NDArray[np.generic]:
    """Decode a photo: a raw to its mosaic by LibRaw, a JPEG to RGB by Pillow."""
    if path.suffix == ".NEF":
        with rawpy.imread(str(path)) as raw:
            return raw.raw_image_visible.copy()
    with Image.open(path) as image:
        return np.asarray(image)


def decode_all(photos: Sequence[Path]) -> int:
    """Decode photos and do nothing with them; return how many."""
    return sum(decode(photo).size > 0 for photo in photos)


def welford(photos: Sequence[Path]) -> Moments:
    """Accumulate mean and squared deviations of every value in float64, photo by photo."""
    count, mean, squares = 0, np.zeros(()), np.zeros(())
    for photo in photos:
        value = decode(photo).astype(np.float64)
        count += 1
        off = value - mean
        mean = mean + off / count
        squares = squares + off * (value - mean)
    return count, mean, squares


def merely_decoding(photos: Sequence[Path], workers: int) -> None:
    """Decode photos in so many processes."""
    for _ in _shared_out(decode_all, photos, workers):
        pass


def frame_by_frame(photos: Sequence[Path], workers: int) -> None:
    """Search raws for bad pixels as rawpy does.

    Raises
    ------
    ImportError
        If neither OpenCV nor scikit-image is here, of which it wants one.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        from rawpy.enhance import find_bad_pixels  # noqa: PLC0415 - see above
    find_bad_pixels([str(photo) for photo in photos])


def classic(photos: Sequence[Path], workers: int) -> NDArray[np.int64]:
    """Return the flat index of the 5,000 values that vary least; parts are merged as Chan et al. do."""
    count, mean, squares = 0, np.zeros(()), np.zeros(())
    for other, their_mean, their_squares in _shared_out(welford, photos, workers):
        off, both = their_mean - mean, count + other
        squares = squares + their_squares + off**2 * (count * other / both)
        mean, count = mean + off * (other / both), both
    variance = squares / max(count - 1, 1)
    return np.argsort(variance, axis=None)[:5000]


def _shared_out(
    work: Callable[[Sequence[Path]], Moments | int], photos: Sequence[Path], workers: int
) -> list[Moments | int]:
    """Do the work on as many parts as there are workers, one of them in this process itself."""
    parts = [photos[start::workers] for start in range(workers)]
    if workers == 1:
        return [work(photos)]
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        return list(pool.map(work, parts))

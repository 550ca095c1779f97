"""What the reference sensor looks at: a folder of photos, or scenes drawn by the program itself.

The photos meant are the 24 of the Kodak lossless true-colour suite; any folder of pictures will do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

Light = NDArray[np.float32]
"""Linear light of shape (SIDE, SIDE, 3)."""

SIDE = 1024
"""Rows and columns of the reference sensor."""

DEFAULT_FOLDER = Path(__file__).parents[2] / ".." / "shared" / "data" / "kodak"

STARS = 2000
_STAR_SIGMA = 0.7


@dataclass(frozen=True)
class PhotoScenes:
    """Scenes made of a folder's photos: half of them soft, half sharp.

    Attributes
    ----------
    folder : Path
    half : int or None
        0 or 1: only every second of its pictures, from that one on.
    """

    folder: Path
    half: int | None = None

    @cached_property
    def _photos(self) -> list[NDArray[np.uint8]]:
        photos = []
        for path in sorted(self.folder.iterdir()):
            if path.suffix.lower() in {".png", ".jpg", ".jpeg", ".tif", ".tiff"}:
                with Image.open(path) as image:
                    photos.append(np.asarray(image.convert("RGB")))
        if not photos:
            raise ValueError(f"{self.folder} holds no pictures")
        return photos if self.half is None else photos[self.half :: 2]

    def draw(self, rng: Generator) -> Light:
        """Draw a scene: one photo enlarged, or four tiles of photos hardly so, shifted at random."""
        if rng.random() < 0.5:
            light = _resized(self._photo(rng), SIDE, SIDE)
        else:
            half = SIDE // 2
            tiles = [[self._tile(rng, half) for _ in range(2)] for _ in range(2)]
            light = np.concatenate([np.concatenate(row, axis=1) for row in tiles])
        rows, cols = rng.integers(0, SIDE, 2)
        return np.maximum(np.roll(light, (int(rows), int(cols)), (0, 1)), 0)

    def _tile(self, rng: Generator, side: int) -> Light:
        """Cut a square from a photo that is turned or mirrored, and enlarged 1.02 to 1.4 times."""
        photo = np.rot90(self._photo(rng), int(rng.integers(4)))
        if rng.random() < 0.5:
            photo = photo[:, ::-1]
        scale = max(rng.uniform(1.02, 1.4), side / min(photo.shape[:2]))
        # Only what the tile shows is enlarged.
        reach = min(int(np.ceil(side / scale)), *photo.shape[:2])
        row, col = (int(rng.integers(0, size - reach + 1)) for size in photo.shape[:2])
        return _resized(photo[row : row + reach, col : col + reach], side, side)

    def _photo(self, rng: Generator) -> NDArray[np.uint8]:
        return self._photos[int(rng.integers(len(self._photos)))]


@dataclass(frozen=True)
class DrawnScenes:
    """Scenes of the simulated camera, for want of photos."""

    def draw(self, rng: Generator) -> Light:
        """Draw a scene as its lens shows it."""
        from defectmap.simulation.kernels import through_lens  # noqa: PLC0415 - loads numba
        from defectmap.simulation.scenes import draw_scene, point_spread  # noqa: PLC0415

        scene = draw_scene(rng, SIDE, SIDE)
        spread = point_spread(scene.blur_px)
        colours = [np.full((2, 2), channel, np.uint8) for channel in range(3)]
        return np.stack([through_lens(scene.light, spread, c) for c in colours], axis=-1)


def scenes_of(folder: Path) -> tuple[Callable[[Generator], Light], str]:
    """Return how scenes are drawn, and what to say of it."""
    if folder.is_dir():
        return PhotoScenes(folder).draw, f"scenes from the pictures of {folder.name}/"
    return DrawnScenes().draw, f"scenes drawn by the program, for want of {folder}"


def with_stars(light: Light, rng: Generator, count: int = STARS) -> Light:
    """Add stars and glints to a scene, each as sharp as a good lens shows a point."""
    light = light.copy()
    rows, cols = np.mgrid[-4:5, -4:5]
    for _ in range(count):
        row, col = rng.uniform(5, SIDE - 6, 2)
        top, left = int(row), int(col)
        distance = (rows - (row - top)) ** 2 + (cols - (col - left)) ** 2
        spot = np.exp(-distance / (2 * _STAR_SIGMA**2)) * 0.02 * 100 ** rng.random()
        tint = rng.uniform(0.6, 1.0, 3)
        light[top - 4 : top + 5, left - 4 : left + 5] += (spot[..., None] * tint).astype(np.float32)
    return light


def _resized(photo: NDArray[np.uint8], height: int, width: int) -> Light:
    linear = _linear()[photo]
    channels = (Image.fromarray(np.ascontiguousarray(linear[..., c])) for c in range(3))
    return np.stack([np.asarray(c.resize((width, height), Image.Resampling.BICUBIC)) for c in channels], -1)


def _linear() -> NDArray[np.float32]:
    """Return linear light by 8-bit value: the inverse of the sRGB curve (IEC 61966-2-1)."""
    value = np.arange(256) / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    return linear.astype(np.float32)

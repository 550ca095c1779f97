"""One exposure twice: by a sensor with defects, and as it would have been without them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from benchmarks.detection.scenes import Light, PhotoScenes, scenes_of
from benchmarks.detection.sensor import (
    GEOMETRY,
    SIDE,
    WHITE_BALANCE,
    Setting,
    Truth,
    behind_filters,
    draw_setting,
    expose,
    plant,
)
from defectmap.simulation.render import render

Picture = NDArray[np.uint8]
Draw = Callable[[Generator], Light]
_DEFECTS, _FRAME = 20, 21


@dataclass(frozen=True, slots=True)
class Capture:
    """An exposure of the reference sensor, rendered and not yet coded.

    Attributes
    ----------
    sound, damaged : ndarray of shape (1024, 1024, 3), uint8
        Without and with defects; noise and light are the same.
    setting : Setting
    """

    sound: Picture
    damaged: Picture
    setting: Setting

    def light(self, truth: Truth) -> float:
        """Return the luma of a defect's pixel as it would be without it."""
        return float(_luma(self.sound[truth.row, truth.col]))

    def change(self, truth: Truth) -> float:
        """Return by how much a defect changes the luma of its own pixel, before coding."""
        return float(_luma(self.damaged[truth.row, truth.col]) - _luma(self.sound[truth.row, truth.col]))

    def peak(self, truth: Truth) -> float:
        """Return by how much it changes the luma of the pixel that it changes most."""
        near = slice(truth.row - 4, truth.row + 5), slice(truth.col - 4, truth.col + 5)
        return float(np.abs(_luma(self.damaged[near]) - _luma(self.sound[near])).max())


def planted(seed: int, per_class: int) -> tuple[Truth, ...]:
    """Return the defects of the sensor of a seed."""
    return plant(np.random.default_rng([seed, _DEFECTS]), SIDE, SIDE, per_class)


def captures(seed: int, truths: tuple[Truth, ...], draw: Draw, numbers: range) -> Iterator[Capture]:
    """Take exposures; one of a number is always the same."""
    for number in numbers:
        rng = np.random.default_rng([seed, _FRAME, number])
        setting = draw_setting(rng)
        light = behind_filters(draw(rng), setting.level)
        noise = int(rng.integers(2**62))
        mosaic = expose(light, setting, (), np.random.default_rng(noise))
        bad = expose(light, setting, truths, np.random.default_rng(noise))
        damaged = mosaic.copy()
        # Another signal draws other noise for all that follows: only the sites themselves are taken over.
        for t in truths:
            damaged[t.row, t.col] = bad[t.row, t.col]
        pictures = (render(one, GEOMETRY, WHITE_BALANCE) for one in (mosaic, damaged))
        yield Capture(*pictures, setting)


def halves(folder: Path) -> tuple[Draw, Draw, str]:
    """Return how scenes are drawn from two halves of a folder's pictures, and what to say of it.

    What is learned from the one half is tried on the other.
    """
    draw, words = scenes_of(folder)
    if not folder.is_dir():
        return draw, draw, words
    first, second = PhotoScenes(folder, 0), PhotoScenes(folder, 1)
    return first.draw, second.draw, words


def _luma(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    return np.asarray(pixels.astype(np.float64) @ np.array([0.299, 0.587, 0.114]))

"""The surroundings of a bad photosite in a rendered picture: how the scene varies there.

The scene is taken for Gaussian with the autocovariance of a window around the site.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from defectmap.model.expecting import Expected

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

FLOOR: Final = 0.25
"""Variance of white noise: rounding in the camera and in the coefficients."""

_TAPER: Final = 8  # samples
_BLUR: Final = 2.5  # samples
_RIM: Final = 3  # samples of a window's rim whose predictions lack neighbours
_CODED: Final = 1.0  # variance that fine scales have in any coding, so that none is thought to be empty
_LAGS: Final = 14  # samples, beyond which a window tells no covariance


@dataclass(frozen=True, slots=True)
class RenderedSite:
    """A bad photosite on the stored grid of a rendered picture.

    Attributes
    ----------
    row, col : int
    colour : str
        "R", "G" or "B", the tint of its spot, or "W" for none. A dead site leaves a dark spot of it.
    certain_here : bool
        Whether it is known from elsewhere to be bad in this very photo: less evidence is asked for then.
    expected : Expected or None
        What the map lets expect of its spot.
    sign : int
        1 where the spot can only be bright, -1 where it can only be dark, 0 where it may be either.
    """

    row: int
    col: int
    colour: str
    certain_here: bool = False
    expected: Expected | None = None
    sign: int = 0


@dataclass(frozen=True, slots=True)
class Plane:
    """A window of one component, on that component's own grid.

    Attributes
    ----------
    values : ndarray of shape (rows, columns), float64
        8-bit scale, neither rounded nor clipped.
    top, left : int
        Place of the first value on the grid.
    row_step, col_step : int
        Luma rows and columns per sample.
    """

    values: Floats
    top: int
    left: int
    row_step: int = 1
    col_step: int = 1

    def cells(self, spot: Floats, row: int, col: int) -> Floats:
        """Mean of a luma-grid `spot`, centred on luma pixel (row, col), over each sample of the window."""
        half = spot.shape[0] // 2
        return self.laid(spot, row - half, col - half)

    def laid(self, spot: Floats, top: int, left: int) -> Floats:
        """Mean of a luma-grid `spot` that begins at luma pixel (top, left) over each sample of the window."""
        sums = np.add.reduceat(spot, _starts(spot.shape[0], top, self.row_step), axis=0)
        sums = np.add.reduceat(sums, _starts(spot.shape[1], left, self.col_step), axis=1)
        means = sums / (self.row_step * self.col_step)
        return self.placed(means, top // self.row_step, left // self.col_step)

    def placed(self, samples: Floats, row: int, col: int) -> Floats:
        """Put arrays of samples that begin at (row, col) of the grid into the window, zeros elsewhere."""
        out = np.zeros((*samples.shape[:-2], *self.values.shape))
        here, there = [], []
        for at, count, size in zip(
            (row - self.top, col - self.left), samples.shape[-2:], self.values.shape, strict=True
        ):
            begin, end = max(at, 0), max(min(at + count, size), 0)
            here.append(slice(begin, max(begin, end)))
            there.append(slice(begin - at, max(begin, end) - at))
        out[..., here[0], here[1]] = samples[..., there[0], there[1]]
        return out


def _starts(count: int, first: int, step: int) -> NDArray[np.intp]:
    """Where, among so many luma rows from the `first` on, those of the next sample begin."""
    return np.concatenate([[0], np.arange(-first % step or step, count, step)])


@dataclass(frozen=True, slots=True)
class Surroundings:
    """How the scene varies around some bad sites, in all planes.

    Arrays of shape (planes, n, n) hold the window of each plane at their beginning. They are wide enough for
    periodic transforms.

    Attributes
    ----------
    planes : tuple of Plane
    spoiled : tuple of ndarray of bool
        Samples of each that bad sites may have changed.
    residual : ndarray of shape (planes, n, n), float64
        The windows without their trends.
    filled : ndarray of shape (planes, n, n), float64
        These with what is spoiled replaced by a mean of what is around.
    covariance : ndarray of shape (planes, n, n), float64
        Autocovariance by lag; negative lags from the end.
    """

    planes: tuple[Plane, ...]
    spoiled: tuple[Mask, ...]
    residual: Floats
    filled: Floats
    covariance: Floats

    @classmethod
    def of(cls, planes: Sequence[Plane], spoiled: Sequence[Mask], lags: int = 0) -> Surroundings:
        """Survey windows; the autocovariance is right up to at least so many `lags`.

        The edge of the window and the hole in it would leak the power of coarse structure into the fine
        scales that decide what stands out: the one is tapered, the other filled before the periodogram is
        taken.
        """
        from defectmap.model import rendered_kernels  # noqa: PLC0415 - numba takes half a second to import

        side = max(max(plane.values.shape) for plane in planes)
        size = side + max(lags, _LAGS)
        stack = np.zeros((3, len(planes), size, size))
        norms = np.array(
            [
                rendered_kernels.survey(
                    plane.values, mask, _blur(side), *map(_ramp, plane.values.shape), *stack[:, i]
                )
                for i, (plane, mask) in enumerate(zip(planes, spoiled, strict=True))
            ]
        )
        tapered, filled, residual = stack
        power = np.abs(np.fft.rfft2(tapered)) ** 2
        covariance = np.fft.irfft2(power, (size, size)) / np.maximum(norms, 1e-9)[:, None, None]
        covariance[:, 0, 0] += FLOOR
        return cls(tuple(planes), tuple(spoiled), residual, filled, covariance)

    def light_under(self, row: int, col: int) -> float:
        """Return the level of luma at a pixel as its surroundings let guess it."""
        at = self._sample(0, row, col)
        return float(self.planes[0].values[at] - self.residual[0][at] + self.filled[0][at])

    def standing_out(self) -> Floats:
        """Return how much worse each sample is predicted by all others than those around are.

        The prediction is the best linear one (Wiener filter) for the autocovariance of the window. How far
        off it usually is, is measured and not derived: scenes have edges, and are less Gaussian than they are
        modelled.

        Returns
        -------
        ndarray of shape (planes, m, n), float64
            The windows are at its beginning. Error over root mean square error; positive for a sample that
            is too bright.
        """
        # No wider than the lags need: predictions depend on where the period closes.
        shape = np.max([mask.shape for mask in self.spoiled], axis=0) + _LAGS
        rows, cols = (_lags(int(n)) for n in shape)
        table = self.covariance[:, rows[:, None], cols] * np.outer(_fade(len(rows)), _fade(len(cols)))
        power = np.maximum(np.fft.rfft2(table).real, 0.0) + _CODED
        windows = np.stack([self.filled, self.residual])[..., : len(rows), : len(cols)]
        usual, errors = np.fft.irfft2(np.fft.rfft2(windows) / power, (len(rows), len(cols)))
        for i, mask in enumerate(self.spoiled):
            inner = tuple(slice(_RIM, n - _RIM) for n in mask.shape)
            seen = usual[i][inner][~mask[inner]]
            errors[i] *= 1.0 / max(float(np.sqrt(np.mean(seen**2))), 1e-9) if seen.size else 0.0
        return np.asarray(errors)

    def at(self, values: Floats, row: int, col: int) -> list[float]:
        """Pick from arrays like those of this class, plane by plane, the sample that holds a luma pixel."""
        return [float(part[self._sample(i, row, col)]) for i, part in enumerate(values)]

    def _sample(self, component: int, row: int, col: int) -> tuple[int, int]:
        plane = self.planes[component]
        return row // plane.row_step - plane.top, col // plane.col_step - plane.left


@lru_cache(maxsize=64)
def _ramp(n: int) -> Floats:
    """Cosine taper over the outer samples of a window's side."""
    inward = np.minimum(np.arange(n), np.arange(n)[::-1]) + 0.5
    ramp: Floats = np.sin(np.minimum(inward / _TAPER, 1.0) * np.pi / 2) ** 2
    return ramp


@lru_cache(maxsize=64)
def _blur(n: int) -> Floats:
    """Weight by distance of what a spoiled sample is filled with."""
    return np.asarray(np.exp(-0.5 * (np.arange(n) / _BLUR) ** 2))


def _lags(size: int) -> NDArray[np.intp]:
    """Lags of a period, from 0 on, negative ones from the end."""
    return np.asarray(np.fft.ifftshift(np.arange(-(size // 2), size - size // 2)))


@lru_cache(maxsize=64)
def _fade(size: int) -> Floats:
    """Weight by lag, so that what a window cannot tell of the covariance counts for nothing."""
    faded: Floats = np.cos(np.pi / 2 * np.minimum(np.abs(_lags(size)) / _LAGS, 1.0)) ** 2
    return faded

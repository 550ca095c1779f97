"""The surroundings of a bad photosite in a rendered picture: how the scene varies there.

The scene is taken for Gaussian with the autocovariance of a window around the site.
"""

from __future__ import annotations

from dataclasses import dataclass
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
        rows = np.arange(top, top + spot.shape[0]) // self.row_step - self.top
        cols = np.arange(left, left + spot.shape[1]) // self.col_step - self.left
        inside = ((rows >= 0) & (rows < self.values.shape[0]))[:, None]
        inside = inside & ((cols >= 0) & (cols < self.values.shape[1]))
        where = np.broadcast_arrays(rows[:, None], cols)
        out = np.zeros_like(self.values)
        np.add.at(out, (where[0][inside], where[1][inside]), spot[inside] / (self.row_step * self.col_step))
        return out


def disc(radius: float) -> Floats:
    """Return 1 within a radius of the middle of a square, else 0."""
    half = int(np.ceil(radius))
    steps = np.arange(-half, half + 1)
    return (steps[:, None] ** 2 + steps**2 <= radius**2).astype(np.float64)


def light_under(plane: Plane, covered: Mask, row: int, col: int) -> float:
    """Return the level of the plane at a luma pixel as its surroundings let guess it."""
    seen = filled(plane.values, ~covered)
    return float(seen[row // plane.row_step - plane.top, col // plane.col_step - plane.left])


def standing_out(plane: Plane, covered: Mask, row: int, col: int) -> float:
    """How much worse a pixel is predicted by all others than pixels around it are.

    The prediction is the best linear one (Wiener filter) for the autocovariance of the window. How far off it
    usually is, is measured and not derived: scenes have edges, and are less Gaussian than they are modelled.

    Parameters
    ----------
    plane : Plane
    covered : ndarray of bool
        Samples that bad sites may have changed.
    row, col : int
        Of a luma pixel inside of the window.

    Returns
    -------
    float
        Error over root mean square error; positive for a pixel that is too bright.
    """
    values = plane.values
    residual = values - trend(values, ~covered)
    filled_in = filled(residual, ~covered)
    shape = tuple(n + _LAGS for n in values.shape)
    table = autocovariance(residual, ~covered, _LAGS)
    fade = np.cos(np.pi / 2 * np.minimum(np.abs(np.fft.ifftshift(np.arange(1 - _LAGS, _LAGS))) / _LAGS, 1.0))
    placed = np.zeros(shape)
    steps = np.fft.ifftshift(np.arange(1 - _LAGS, _LAGS))
    placed[np.ix_(steps, steps)] = table * np.outer(fade**2, fade**2)
    power = np.maximum(np.fft.rfft2(placed).real, 0.0) + _CODED
    whitening = 1.0 / power

    def errors(window: Floats) -> Floats:
        found = np.fft.irfft2(np.fft.rfft2(window, shape) * whitening, shape)
        return np.asarray(found[: values.shape[0], : values.shape[1]])

    usual = errors(filled_in)[~covered & _inside(values.shape)]
    if not usual.size:
        return 0.0
    error = errors(residual)[row // plane.row_step - plane.top, col // plane.col_step - plane.left]
    return float(error / max(np.sqrt(np.mean(usual**2)), 1e-9))


def _inside(shape: tuple[int, ...]) -> Mask:
    inside = np.zeros(shape, np.bool_)
    inside[_RIM:-_RIM, _RIM:-_RIM] = True
    return inside


def trend(values: Floats, known: Mask) -> Floats:
    """Least-squares plane through the known values."""
    rows, cols = np.indices(values.shape)
    terms = np.stack([np.ones(values.size), rows.ravel(), cols.ravel()], axis=1)
    flat = known.ravel()
    weights = np.linalg.lstsq(terms[flat], values.ravel()[flat], rcond=None)[0]
    plane: Floats = (terms @ weights).reshape(values.shape)
    return plane


def autocovariance(residual: Floats, known: Mask, lags: int) -> Floats:
    """Autocovariance around the known part, as a table that negative lags index from its end.

    The edge of the window and the hole in it would leak the power of coarse structure into the fine scales
    that decide what stands out: the one is tapered, the other filled before the periodogram is taken.
    """
    ramps = [_ramp(n) for n in residual.shape]
    taper = np.outer(*ramps)
    size = tuple(n + lags for n in residual.shape)
    power = np.abs(np.fft.rfft2(filled(residual, known) * taper, size)) ** 2
    table: Floats = np.fft.irfft2(power, size) / np.sum(taper**2 * known)
    steps = np.fft.ifftshift(np.arange(-lags + 1, lags))
    table = table[np.ix_(steps, steps)]
    table[0, 0] += FLOOR
    return table


def _ramp(n: int) -> Floats:
    """Cosine taper over the outer samples of a window's side."""
    inward = np.minimum(np.arange(n), np.arange(n)[::-1]) + 0.5
    ramp: Floats = np.sin(np.minimum(inward / _TAPER, 1.0) * np.pi / 2) ** 2
    return ramp


def filled(values: Floats, known: Mask) -> Floats:
    """Put a weighted mean of the surroundings where values are not known."""
    blurs = [np.exp(-0.5 * ((np.arange(n)[:, None] - np.arange(n)) / _BLUR) ** 2) for n in values.shape]
    total = blurs[0] @ np.where(known, values, 0.0) @ blurs[1]
    weight = blurs[0] @ known.astype(np.float64) @ blurs[1]
    return np.where(known, values, total / np.maximum(weight, 1e-9))

"""Replacement values for bad photosites of a mosaic, and for single pixels of a rendered image.

A photosite is predicted from the 44 photosites nearest to it, of all colours, by a linear filter; in a heap
of bad ones from the 5x5 around it, since a wide filter finds few sites to learn from there. The filter is
fitted for this one site: weighted least squares over the photosites of the same CFA phase near by, those
whose surroundings look alike counting most, shrunk towards the filter that fits the whole mosaic. Fitting
an interpolation to the picture it repairs goes back to X. Li and M. T. Orchard, "New edge-directed
interpolation", IEEE Trans. Image Processing 10 (2001), doi 10.1109/83.951537.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_Floats = NDArray[np.float64]
_Ints = NDArray[np.intp]

_WINDOW = 20  # training sites lie at most so many rows and columns away: 41x41
_PRIOR_SAMPLES = 4000


def _within(rows_and_cols: int, radius_squared: int) -> _Ints:
    """Return the places around a site, shape (n, 2), that are in a square and in a disc."""
    steps = range(-rows_and_cols, rows_and_cols + 1)
    around = [(row, col) for row in steps for col in steps if 0 < row * row + col * col <= radius_squared]
    return np.array(around, dtype=np.intp)


_WIDE, _NARROW = _within(3, 13), _within(2, 8)
_FEW_BAD = 3  # so many bad sites in the wide surroundings leave enough to learn from: a block of 2x2 does

# Tuned on the Kodak images, as gamma-encoded and as linear noisy mosaics; all are ratios, so no unit enters.
_LIKENESS = 0.3  # a surrounding is alike if it differs by this fraction of its own variance ...
_LIKENESS_FLOOR = 0.05  # ... plus this fraction of the whole-mosaic filter's error variance
_SHRINKAGE = 1.0  # the whole-mosaic filter counts as so many training sites
_RIDGE = 1e-3


@dataclass(frozen=True, slots=True)
class Interpolation:
    """What photosites should read, judged by those around them.

    Attributes
    ----------
    values : ndarray of shape (sites,), float64
        In DN.
    variances : ndarray of shape (sites,), float64
        Mean square by which healthy photosites near by and alike miss their own interpolation, each judged by
        the others, in DN squared; their own noise is part of it. Infinite where nothing tells.
    """

    values: _Floats
    variances: _Floats


@dataclass(frozen=True, slots=True)
class _Filter:
    """Linear filter on the differences to the mean of the same-colour inputs; `error` is its mean square."""

    weights: _Floats
    error: float


def corrected_values(
    mosaic: NDArray[np.uint16],
    sites: Sequence[tuple[int, int]],
    cfa: tuple[str, ...],
    untrusted: NDArray[np.bool_] | None = None,
) -> NDArray[np.uint16]:
    """Return the values of :func:`interpolated` as a mosaic holds them: rounded, uint16."""
    values = interpolated(mosaic, sites, cfa, untrusted).values
    return values.round().clip(0, 65535).astype(np.uint16)


def interpolated(
    mosaic: NDArray[np.uint16],
    sites: Sequence[tuple[int, int]],
    cfa: tuple[str, ...],
    untrusted: NDArray[np.bool_] | None = None,
) -> Interpolation:
    """Return what bad photosites should read, judged by the good ones around them.

    Parameters
    ----------
    mosaic : ndarray of shape (height, width), uint16
        Visible area in DN; it is not changed.
    sites : sequence of (row, col)
        Bad photosites, in coordinates of the visible area. None of them is ever used to predict another.
    cfa : tuple of str
        Colour filter array from the origin of the mosaic, of any period.
    untrusted : ndarray of shape (height, width), bool, optional
        Photosites that predict none either, though they are not to be replaced.

    Returns
    -------
    Interpolation
        In the order of `sites`. A site without a single good photosite of its colour in the mosaic keeps its
        value.

    Raises
    ------
    ValueError
        If a site is outside the mosaic.
    """
    height, width = mosaic.shape
    bad = np.zeros(mosaic.shape, dtype=np.bool_) if untrusted is None else untrusted.copy()
    for row, col in sites:
        if not (0 <= row < height and 0 <= col < width):
            raise ValueError(f"({row}, {col}) is outside the mosaic of {height} x {width}")
        bad[row, col] = True
    surroundings = _Surroundings(mosaic, bad, cfa, {})
    predicted = np.array([surroundings.predict(row, col) for row, col in sites], np.float64).reshape(-1, 2)
    return Interpolation(predicted[:, 0], predicted[:, 1])


def eight_neighbour_mean(
    image: NDArray[Any], row: int, col: int, bad: NDArray[np.bool_] | None = None
) -> NDArray[Any]:
    """Return the weighted mean of the up to eight pixels around one.

    Parameters
    ----------
    image : ndarray of shape (height, width) or (height, width, channels), any integer or float type
    row, col : int
        The pixel to replace. At edges and corners the neighbours that exist are used.
    bad : ndarray of shape (height, width), bool, optional
        Pixels that are not used, unless there are no others.

    Returns
    -------
    ndarray of shape () or (channels,), of the image's type, rounded if that is an integer
        Side neighbours count 1, diagonal ones 1 / sqrt(2), the inverse of their distance.

    Raises
    ------
    ValueError
        If the position is outside the image, or the image is this one pixel.
    """
    height, width = image.shape[:2]
    if not (0 <= row < height and 0 <= col < width):
        raise ValueError(f"({row}, {col}) is outside the image of {height} x {width}")
    top, left = max(row - 1, 0), max(col - 1, 0)
    around = image[top : row + 2, left : col + 2].astype(np.float64)
    rows = np.arange(top, top + around.shape[0]) - row
    cols = np.arange(left, left + around.shape[1]) - col
    distance = np.hypot(rows[:, None], cols[None, :])
    weights = np.divide(1.0, distance, out=np.zeros_like(distance), where=distance > 0)
    if not weights.any():
        raise ValueError("an image of one pixel has no neighbours to take the mean of")
    if bad is not None:
        good = np.where(bad[top : row + 2, left : col + 2], 0.0, weights)
        weights = good if good.any() else weights
    mean: NDArray[Any] = np.tensordot(weights, around, axes=2) / weights.sum()
    return (np.rint(mean) if np.issubdtype(image.dtype, np.integer) else mean).astype(image.dtype)


@dataclass(frozen=True, slots=True)
class _Surroundings:
    """A mosaic, its bad sites, and the whole-mosaic filters fitted so far by CFA phase and inputs."""

    mosaic: NDArray[np.uint16]
    bad: NDArray[np.bool_]
    cfa: tuple[str, ...]
    filters: dict[tuple[int, int, bytes], _Filter]

    @property
    def period(self) -> tuple[int, int]:
        return len(self.cfa), len(self.cfa[0])

    def colour(self, row: int, col: int) -> str:
        rows, cols = self.period
        return self.cfa[row % rows][col % cols]

    def predict(self, row: int, col: int) -> tuple[float, float]:
        """Predict one site from the photosites around it that exist and are good; return variance too."""
        site = np.array((row, col), dtype=np.intp)
        taps = self._good(_WIDE, site)
        if len(taps) < len(_WIDE) - _FEW_BAD:
            taps = self._good(_NARROW, site)
        own = self.colour(row, col)
        same = np.array([self.colour(row + r, col + c) == own for r, c in taps.tolist()], dtype=np.bool_)
        if not same.any():
            return self._nearest_median(row, col), math.inf

        inputs, level = _centred(self.mosaic[tuple((taps + site).T)].astype(np.float64)[None, :], same)
        rows, cols = self.period
        key = (row % rows, col % cols, taps.tobytes())
        whole = self.filters.get(key)
        if whole is None:
            whole = self.filters[key] = self._whole_filter(row % rows, col % cols, taps, same)
        local = _fitted_near(inputs[0], *self._samples_near(row, col, taps, same), whole)
        return float(level[0] + inputs[0] @ local.weights), local.error

    def _samples_near(
        self, row: int, col: int, taps: _Ints, same: NDArray[np.bool_]
    ) -> tuple[_Floats, _Floats]:
        """Gather samples around a site, each as it is and turned by 180 degrees, which keeps directions."""
        near = _grid(row, col, self.period, _WINDOW)
        inputs, targets = self._samples(near, taps, same)
        colours, turned = (
            [self.colour(row + r, col + c) for r, c in places.tolist()] for places in (taps, -taps)
        )
        if colours != turned:
            return inputs, targets
        more, others = self._samples(near, -taps, same)
        return np.concatenate([inputs, more]), np.concatenate([targets, others])

    def _whole_filter(self, row: int, col: int, taps: _Ints, same: NDArray[np.bool_]) -> _Filter:
        """Fit the filter of a phase to a sample of the mosaic."""
        height, width = self.mosaic.shape
        rows, cols = self.period
        thinning = max(1, math.isqrt(height // rows * (width // cols) // _PRIOR_SAMPLES))
        at = np.stack(
            np.meshgrid(
                np.arange(row, height, rows * thinning), np.arange(col, width, cols * thinning), indexing="ij"
            ),
            axis=-1,
        )
        inputs, targets = self._samples(at.reshape(-1, 2), taps, same)
        if not len(targets):
            return _Filter(np.zeros(len(taps)), 0.0)
        # Strong texture and, in linear data, highlights would otherwise decide alone.
        energy = np.mean(inputs**2, axis=1)
        weight = 1.0 / (energy + np.median(energy) + 1e-9)
        weight /= weight.sum()
        gram = (inputs * weight[:, None]).T @ inputs
        # Few samples pull the filter towards the plain mean of the same colour.
        ridge = (_RIDGE + 1.0 / len(targets)) * np.trace(gram) / len(taps) + 1e-9
        weights = np.linalg.solve(gram + ridge * np.eye(len(taps)), inputs.T @ (weight * targets))
        return _Filter(weights, float(weight @ (targets - inputs @ weights) ** 2))

    def _samples(self, at: _Ints, taps: _Ints, same: NDArray[np.bool_]) -> tuple[_Floats, _Floats]:
        """Gather centred inputs, (n, taps), and targets, (n,), of the sites whose inputs are all good."""
        reach_low, reach_high = taps.min(axis=0, initial=0), taps.max(axis=0, initial=0)
        at = at[self._inside(at + reach_low) & self._inside(at + reach_high)]
        at = at[~self.bad[at[:, 0], at[:, 1]]]
        rows = at[:, :1] + taps[:, 0]
        cols = at[:, 1:] + taps[:, 1]
        good = ~self.bad[rows, cols].any(axis=1)
        inputs, level = _centred(self.mosaic[rows[good], cols[good]].astype(np.float64), same)
        return inputs, self.mosaic[at[good, 0], at[good, 1]] - level

    def _good(self, taps: _Ints, site: _Ints) -> _Ints:
        """Return those of some places around a site that exist and are good."""
        usable = self._inside(taps + site)
        usable[usable] = ~self.bad[tuple((taps[usable] + site).T)]
        return taps[usable]

    def _inside(self, places: _Ints) -> NDArray[np.bool_]:
        inside: NDArray[np.bool_] = np.all((places >= 0) & (places < self.mosaic.shape), axis=1)
        return inside

    def _nearest_median(self, row: int, col: int) -> float:
        """Take the median of the nearest good photosites of the same colour, or the value that is there."""
        height, width = self.mosaic.shape
        letters = np.array([list(line) for line in self.cfa])
        own = self.colour(row, col)
        radius = 2
        while radius < max(height, width):
            radius *= 2
            rows = np.arange(max(0, row - radius), min(height, row + radius + 1))[:, None]
            cols = np.arange(max(0, col - radius), min(width, col + radius + 1))[None, :]
            good = (letters[rows % letters.shape[0], cols % letters.shape[1]] == own) & ~self.bad[rows, cols]
            if good.any():
                distance = np.maximum(np.abs(rows - row), np.abs(cols - col))
                nearest = good & (distance == distance[good].min())
                return float(np.median(self.mosaic[rows, cols][nearest]))
        return float(self.mosaic[row, col])


def _centred(inputs: _Floats, same: NDArray[np.bool_]) -> tuple[_Floats, _Floats]:
    """Subtract from each row the mean of its same-colour inputs; return both."""
    level = inputs[:, same].mean(axis=1)
    return inputs - level[:, None], level


def _grid(row: int, col: int, period: tuple[int, int], radius: int) -> _Ints:
    """Return the sites of the same CFA phase up to `radius` away, shape (n, 2)."""
    rows, cols = period
    below, right = radius // rows * rows, radius // cols * cols
    every_row = np.arange(row - below, row + below + 1, rows)
    every_col = np.arange(col - right, col + right + 1, cols)
    return np.stack(np.meshgrid(every_row, every_col, indexing="ij"), axis=-1).reshape(-1, 2)


def _fitted_near(wanted: _Floats, inputs: _Floats, targets: _Floats, whole: _Filter) -> _Filter:
    """Fit a filter to the samples most like `wanted`, shrunk towards the filter of the whole mosaic."""
    if not len(targets):
        return whole
    unlike = np.mean((inputs - wanted) ** 2, axis=1)
    scale = _LIKENESS * np.mean(wanted**2) + _LIKENESS_FLOOR * whole.error + 1e-9
    weight = 1.0 / (1.0 + unlike / scale)
    weighted = inputs * weight[:, None]
    gram = weighted.T @ inputs
    shrinkage = _SHRINKAGE * np.trace(gram) / (len(wanted) * weight.sum()) + 1e-9
    missed = targets - inputs @ whole.weights
    inverse = np.linalg.inv(gram + shrinkage * np.eye(len(wanted)))
    change = inverse @ (weighted.T @ missed)
    # What each sample would be missed by, had the fit not seen it.
    seen = np.sum((weighted @ inverse) * inputs, axis=1)
    missed = (missed - inputs @ change) / np.maximum(1.0 - seen, _RIDGE)
    error = (float(weight @ missed**2) + whole.error) / (float(weight.sum()) + 1.0)
    return _Filter(whole.weights + change, error)

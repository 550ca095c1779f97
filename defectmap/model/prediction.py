"""What a photosite should read, judged by its neighbours of the same colour, and how far it is off.

The prediction is the median of eight same-colour neighbours. Its error is read from the frame itself: from
the noise at each level, from the spread of the neighbours, and from how restless the scores around a site
are, of all colours, so that scores are alike in sky and foliage. All is a function of the one frame alone, so
that a frame scores the same whatever else the catalog holds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from defectmap.model.faint import FaintSightings
from defectmap.model.frame import JpegFrame, RawFrame
from defectmap.model.noise import MEDIAN_OF_EIGHT, noise_by_level, unrest_narrowings
from defectmap.model.sensor import MosaicGeometry

PLANES = ("mosaic", "luma", "blue", "red")
"""The planes of frames; sightings name them by their place here."""

_FAINTLY_SEEN = "mosaic"
"""How strongly a defect shows in a JPEG is not told by its strength: faint scores would date nothing."""

SIGHTING = np.dtype(
    [("site", "<u4"), ("plane", "u1"), ("value", "<u2"), ("prediction", "<f4"), ("sigma", "<f4")]
)
"""One photosite standing out in one frame: flat site of its plane, DN, and what was expected."""

_TEXTURE = np.float32(0.09)
"""Share of the squared neighbour spread that counts as prediction error: (0.3 x spread)^2."""

_HIGHLIGHT = 0.94
"""Above this share of the range a neighbour may be clipped, and the prediction with it."""


@dataclass(frozen=True, slots=True)
class PlaneModel:
    """How the photosites of one plane are predicted from each other.

    Attributes
    ----------
    offsets : ndarray of shape (rows, cols, 8, 2), int64
        Row and column offsets of the eight neighbours, per position in the period of the pattern.
    colours : ndarray of shape (rows, cols), int8
        Colour of each position in the period.
    black : float
        Level without light, in DN.
    clipped : int
        Level from which a neighbour may be clipped, in DN.
    gated : bool
        Whether adjacent photosites of other colours can show that a spike belongs to the scene.
    floor : float
        Least noise variance, in DN squared.
    outer, inner : int
        The unrest around a site is summed over a square of radius `outer` without one of radius `inner`,
        which its own defect may reach.
    """

    offsets: NDArray[np.int64]
    colours: NDArray[np.int8]
    black: float
    clipped: int
    gated: bool
    floor: float
    outer: int
    inner: int

    @property
    def pad(self) -> int:
        """Rows and columns that the prediction reaches beyond a site."""
        return int(np.abs(self.offsets).max())

    @property
    def common_offsets(self) -> NDArray[np.int64]:
        """The offsets of every site, shape (8, 2), where all positions of the pattern have the same."""
        return self.offsets[0, 0] if (self.offsets == self.offsets[0, 0]).all() else self.offsets

    def neighbours(self, sites: NDArray[np.int64], shape: tuple[int, ...]) -> NDArray[np.int64]:
        """Return the neighbours that predict each site.

        Parameters
        ----------
        sites : ndarray of shape (n,), int64
            Flat sites.
        shape : tuple of int
            Rows and columns of the plane.

        Returns
        -------
        ndarray of shape (n, 8), int64
            Flat sites; those beyond an edge are replaced by others within.
        """
        height, width = shape
        rows, cols = np.divmod(sites, width)
        offsets = self.offsets[rows % self.offsets.shape[0], cols % self.offsets.shape[1]]
        near_rows = _inside(rows[:, None] + offsets[..., 0], height, self.pad)
        return near_rows * width + _inside(cols[:, None] + offsets[..., 1], width, self.pad)


@dataclass(frozen=True, slots=True)
class ScoredPlane:
    """Some rows, or all, of one plane of one frame, compared with their own prediction.

    Attributes
    ----------
    padded : ndarray of shape (rows + 2 x pad, cols + 2 x pad), uint8 or uint16
        DN, with neighbours beyond the rows and columns that were scored.
    pad : int
    z : ndarray of shape (rows, cols), int8
        Score in sixteenths of a standard deviation, or `kernels.Z_INVALID`.
    noise_code : ndarray of shape (rows, cols), uint8
        log2 of four times the standard deviation in DN, in eighths of an octave; see `code_sigma`.
    light_code : ndarray of shape (rows, cols), uint8
        Predicted light in standard deviations.
    tied : bool
        Whether ties between sites of a 2x2 pattern mean something.
    """

    padded: NDArray[Any]
    pad: int
    z: NDArray[np.int8]
    noise_code: NDArray[np.uint8]
    light_code: NDArray[np.uint8]
    tied: bool = False

    @property
    def values(self) -> NDArray[Any]:
        """The readings in DN, shape (rows, cols)."""
        rows, cols = self.z.shape
        return self.padded[self.pad : self.pad + rows, self.pad : self.pad + cols]


def _inside(index: NDArray[np.int64], size: int, pad: int) -> NDArray[np.int64]:
    """Bring rows or columns beyond an edge back by twice the reach of the prediction.

    So a neighbour that is missing on one side is replaced by its opposite on the other: of the same phase
    where the period of the pattern is two, and never the site itself, as mirroring would have it.
    """
    moved = np.where(index < 0, index + 2 * pad, np.where(index >= size, index - 2 * pad, index))
    return np.clip(moved, 0, size - 1)


def mosaic_model(geometry: MosaicGeometry) -> PlaneModel:
    """Return the model of an undemosaiced plane.

    In a 2x2 pattern the neighbours are the eight of the same phase two away; in larger patterns the eight
    nearest of the same colour.
    """
    rows, cols = geometry.period
    letters = sorted({letter for row in geometry.cfa for letter in row})
    colours = np.array([[letters.index(letter) for letter in row] for row in geometry.cfa], np.int8)
    offsets = np.empty((rows, cols, 8, 2), np.int64)
    for r in range(rows):
        for c in range(cols):
            offsets[r, c] = _nearest_same(colours, r, c)
    black = float(np.mean(geometry.black))
    clipped = int(black + _HIGHLIGHT * (geometry.white - black))
    return PlaneModel(offsets, colours, black, clipped, gated=True, floor=0.25, outer=2, inner=0)


def luma_model() -> PlaneModel:
    """Return the model of a JPEG's luma: a ring of radius three, wider than a demosaiced spike."""
    return _ring_model([(-3, 0), (-2, -2), (-2, 2), (0, -3), (0, 3), (2, -2), (2, 2), (3, 0)], clipped=250)


def chroma_model() -> PlaneModel:
    """Return the model of a chroma plane at half the luma grid: a ring of radius two."""
    return _ring_model([(-2, -1), (-2, 1), (-1, -2), (-1, 2), (1, -2), (1, 2), (2, -1), (2, 1)], clipped=256)


def _ring_model(ring: list[tuple[int, int]], clipped: int) -> PlaneModel:
    offsets = np.array(ring, np.int64).reshape(1, 1, 8, 2)
    return PlaneModel(
        offsets, np.zeros((1, 1), np.int8), 0.0, clipped, gated=False, floor=1.0, outer=5, inner=2
    )


def _nearest_same(colours: NDArray[np.int8], r: int, c: int) -> NDArray[np.int64]:
    rows, cols = colours.shape
    if (rows, cols) == (2, 2):
        return np.array([(y, x) for y in (-2, 0, 2) for x in (-2, 0, 2) if (y, x) != (0, 0)], np.int64)
    near = [
        (y * y + x * x, y, x)
        for y in range(-rows, rows + 1)
        for x in range(-cols, cols + 1)
        if (y, x) != (0, 0) and colours[(r + y) % rows, (c + x) % cols] == colours[r, c]
    ]
    return np.array([(y, x) for _, y, x in sorted(near)[:8]], np.int64)


class Rows(Protocol):
    """Readings of which some rows can be had: an array, or what reads a file."""

    def __getitem__(self, rows: slice, /) -> NDArray[Any]: ...


def _as_it_is(readings: NDArray[Any]) -> Rows:
    return readings


def planes_of(
    frame: RawFrame | JpegFrame, keep: Callable[[NDArray[Any]], Rows] = _as_it_is
) -> dict[str, PlaneScoring]:
    """Return the planes of a frame, to be scored.

    Parameters
    ----------
    frame : RawFrame or JpegFrame
    keep : callable, optional
        Puts readings where they can wait.

    Returns
    -------
    dict of str to PlaneScoring
        ``mosaic`` for a raw frame; ``luma`` and, unless the picture is grey, ``blue`` and ``red`` for a JPEG.
    """
    if isinstance(frame, RawFrame):
        return {"mosaic": PlaneScoring(frame.mosaic, mosaic_model(frame.geometry), "mosaic", keep)}
    planes = {"luma": PlaneScoring(frame.luma, luma_model(), "luma", keep)}
    if frame.blue is not None and frame.red is not None:
        planes["blue"] = PlaneScoring(frame.blue, chroma_model(), "blue", keep)
        planes["red"] = PlaneScoring(frame.red, chroma_model(), "red", keep)
    return planes


class PlaneScoring:
    """Scores one plane of one frame, rows by rows, so that only its readings need be kept until then.

    Parameters
    ----------
    values : ndarray of shape (rows, cols), uint8 or uint16
        DN.
    model : PlaneModel
    name : str
        Which of `PLANES` it is.
    keep : callable, optional
        Puts readings where they can wait.
    """

    def __init__(
        self,
        values: NDArray[Any],
        model: PlaneModel,
        name: str,
        keep: Callable[[NDArray[Any]], Rows] = _as_it_is,
    ) -> None:
        self.shape: tuple[int, int] = values.shape
        self.values_type = values.dtype
        self._model, self._name = model, name
        padded = _padded(values, model.pad)
        variance, shift = _noise_by_level(padded, *self.shape, model)
        self._terms = model.pad, model.common_offsets, variance, shift, _TEXTURE, np.int32(model.clipped)
        self._narrowings = unrest_narrowings((padded, *self._terms), *self.shape, model.outer, model.inner)
        self._padded = keep(padded)
        self._loud = [np.empty(0, SIGHTING)]
        self._faint = [np.empty((0, 2), np.int64)]

    def score(self, rows: slice | None = None) -> ScoredPlane:
        """Score some rows, or all, and note what stands out in them: each row once, from the top down.

        Parameters
        ----------
        rows : slice, optional
            With start and stop.
        """
        from defectmap.model import kernels, sighting_kernels  # noqa: PLC0415 - compiled code loads slowly

        model, pad = self._model, self._model.pad
        height, width = self.shape
        first, past = (rows.start, rows.stop) if rows else (0, height)
        # What the scores of these rows depend on, from where a pattern begins.
        low = max(first - model.outer, 0) // len(model.offsets) * len(model.offsets)
        high = min(past + model.outer, height)
        padded = self._padded[low : high + 2 * pad]
        z = np.empty((past - first, width), np.int8)
        noise_code, light_code = np.empty((2, *z.shape), np.uint8)
        levels = np.float32(model.black), model.outer, model.inner, self._narrowings
        kernels.score_rows(padded, *self._terms, *levels, first - low, high - low, z, noise_code, light_code)
        if model.colours.shape not in {(1, 1), (2, 2)}:
            # What replaces neighbours beyond an edge is of their colour only if the pattern's period is two.
            top, bottom = max(pad - first, 0), max(past - (height - pad), 0)
            for border in (z[:top], z[z.shape[0] - bottom :], z[:, :pad], z[:, -pad:]):
                border[...] = kernels.Z_INVALID
        gate = pad, model.offsets, model.colours, model.gated, first - low
        found, faint = sighting_kernels.gate_and_sight(padded, *gate, z)
        sightings = np.empty(len(found), SIGHTING)
        sightings["plane"] = PLANES.index(self._name)
        for field, column in zip(("site", "value", "prediction"), found.T, strict=True):
            sightings[field] = column
        sightings["sigma"] = code_sigma(noise_code.ravel()[found[:, 0].astype(np.int64)])
        sightings["site"] += np.uint32(first * width)
        self._loud.append(sightings)
        if self._name == _FAINTLY_SEEN:
            faint[:, 0] += first * width
            self._faint.append(faint)
        tied = model.colours.shape == (2, 2)
        own = padded[first - low : past - low + 2 * pad]
        return ScoredPlane(own, pad, z, noise_code, light_code, tied)

    def sightings(self) -> NDArray[np.void]:
        """Return the sites that stand out by more than five standard deviations, as `SIGHTING`."""
        return np.concatenate(self._loud)

    def faint(self) -> FaintSightings:
        """Return the sites of a mosaic that stand out faintly; of other planes none."""
        if self._name != _FAINTLY_SEEN:
            return FaintSightings.none()
        sites, scores = np.concatenate(self._faint).T
        return FaintSightings.chosen(sites, scores, self.shape[0] * self.shape[1])


def code_sigma(code: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the standard deviation in DN that a noise code stands for."""
    return np.asarray((1.0 + (code % 8 + 0.5) / 8.0) * 2.0 ** (code // 8 - 2.0))


def noise_variance(
    values: NDArray[Any], model: PlaneModel, levels: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the variance of single readings at some levels, as the plane itself shows it.

    Parameters
    ----------
    values : ndarray of shape (rows, cols), uint8 or uint16
        DN.
    model : PlaneModel
    levels : ndarray of float64
        In DN.

    Returns
    -------
    ndarray of the shape of `levels`, float64
        In DN squared; of levels that the plane does not hold, that of the nearest which it does.
    """
    height, width = values.shape
    table, shift = _noise_by_level(_padded(values, model.pad), height, width, model)
    at = np.clip(2.0 * levels, 0, (table.size << shift) - 1).astype(np.int64) >> shift
    return np.asarray(table[at] / (1.0 + MEDIAN_OF_EIGHT), np.float64)


def _noise_by_level(
    padded: NDArray[Any], height: int, width: int, model: PlaneModel
) -> tuple[NDArray[np.float32], int]:
    period = len(model.offsets)
    return noise_by_level(
        padded, model.pad, height, width, model.common_offsets, period, model.black, model.floor
    )


def _padded(values: NDArray[Any], pad: int) -> NDArray[Any]:
    height, width = values.shape
    rows = _inside(np.arange(-pad, height + pad), height, pad)
    cols = _inside(np.arange(-pad, width + pad), width, pad)
    padded = np.empty((rows.size, cols.size), values.dtype)
    padded[pad:-pad, pad:-pad] = values
    for edge in (slice(0, pad), slice(-pad, None)):
        padded[edge] = values[rows[edge, None], cols]
        padded[:, edge] = values[rows[:, None], cols[edge]]
    return padded

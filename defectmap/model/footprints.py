"""What a bad photosite adds to the pictures of a camera, learned from those of its sites that stand out most.

How far a photosite is smeared depends on the camera's demosaicing, sharpening and coding, and on the colour
of the photosite. No old photo is opened for it: the mean of all photos is smooth, and where a site is bad in
many of them it holds the mean spot. Spots of one CFA phase have one shape, so that the best estimate is the
one of least squares, in which the strong ones count most.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from defectmap.model.defects import Defect
from defectmap.model.evidence import PlaneEvidence
from defectmap.model.sums import VALUE_FIELDS, Sums, around

Floats = NDArray[np.float64]
Phase = tuple[str, int, int]
"""Colour letter, and row and column modulo 2, of a site: the two greens differ, and so do cells of chroma."""

LUMA_REACH: Final = 4
CHROMA_REACH: Final = 2
"""Samples on each side of a site that its footprint covers, on the grids of luma and of halved chroma."""

_RING: Final = 4
"""Further samples on each side that tell the surroundings."""

_STANDS_OUT: Final = 5.0
"""Luma of a strong site above its surroundings, over how rough these are in the mean picture."""

_LEAST_DN: Final = 3.0
"""And so many DN: of fainter spots the coding left no faithful picture."""

_ENOUGH: Final = 5
"""Strong sites of a phase from which its footprint is trusted: one may be two, or lie on something."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """The change of each plane by a site whose own luma changes by 1.

    Attributes
    ----------
    luma : ndarray of shape (9, 9), float64
        Centred on the site; 1 in the middle.
    blue, red : ndarray of shape (5, 5), float64
        Centred on the cell of 2 x 2 luma pixels that holds the site.
    sites : int
        From how many it was learned.
    """

    luma: Floats
    blue: Floats
    red: Floats
    sites: int = 0

    def spot(self, component: int, row: int, col: int) -> tuple[Floats, int, int]:
        """Return the change of Y, Cb or Cr (0, 1, 2) by a site as luma pixels, and where these begin."""
        if component == 0:
            return self.luma, row - LUMA_REACH, col - LUMA_REACH
        cells = self.blue if component == 1 else self.red
        pixels: Floats = np.repeat(np.repeat(cells, 2, axis=0), 2, axis=1)
        return pixels, (row // 2 - CHROMA_REACH) * 2, (col // 2 - CHROMA_REACH) * 2


@dataclass(frozen=True, slots=True)
class Footprints:
    """The footprints of a stream of JPEGs.

    Attributes
    ----------
    shapes : Mapping of Phase to Footprint
        Phases with too few strong sites are left out.
    usual_dn : float or None
        Mean luma of the stream's photos, the level that strengths in its map refer to.
    """

    shapes: Mapping[Phase, Footprint] = field(default_factory=dict)
    usual_dn: float | None = None

    def of(self, row: int, col: int, colour: str) -> Footprint | None:
        """Return the footprint of a site, or None where none was learned."""
        return self.shapes.get((colour, row % 2, col % 2))

    def document(self) -> dict[str, Any]:
        """Return plain values that JSON holds."""
        return {
            "usual_dn": None if self.usual_dn is None else round(self.usual_dn, 2),
            "phases": [
                {
                    "colour": phase[0],
                    "row": phase[1],
                    "col": phase[2],
                    "sites": shape.sites,
                    **{name: np.round(getattr(shape, name), 4).tolist() for name in ("luma", "blue", "red")},
                }
                for phase, shape in sorted(self.shapes.items())
            ],
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Footprints:
        """Return what :meth:`document` was made of."""
        shapes = {
            (str(one["colour"]), int(one["row"]), int(one["col"])): Footprint(
                np.array(one["luma"], np.float64),
                np.array(one["blue"], np.float64),
                np.array(one["red"], np.float64),
                int(one["sites"]),
            )
            for one in document.get("phases", ())
        }
        return cls(shapes, document.get("usual_dn"))


def learn(planes: Mapping[str, PlaneEvidence] | Mapping[str, Sums], defects: Sequence[Defect]) -> Footprints:
    """Learn the footprints of a stream of JPEGs from its evidence.

    Parameters
    ----------
    planes : mapping of plane name to PlaneEvidence or Sums
        "luma", "blue" and "red"; of grey pictures nothing is learned but the usual level.
    defects : sequence of Defect
        Of the luma grid.

    Returns
    -------
    Footprints
    """
    sums = {name: Sums.of(part) for name, part in planes.items()}
    if "luma" not in sums:
        return Footprints()
    usual = _usual(sums["luma"])
    if not {"blue", "red"} <= sums.keys():
        return Footprints({}, usual)
    sites = [(defect.row, defect.col) for defect in defects]
    pictures = [
        _MeanPicture.of(sums["luma"], sites, LUMA_REACH),
        *(
            _MeanPicture.of(sums[name], [(row // 2, col // 2) for row, col in sites], CHROMA_REACH)
            for name in ("blue", "red")
        ),
    ]
    return Footprints(_learned(pictures, defects), usual)


def learn_from_means(
    luma: Floats, blue: Floats, red: Floats, defects: Iterable[Defect]
) -> dict[Phase, Footprint]:
    """Learn footprints from the mean picture of many photos.

    Parameters
    ----------
    luma : ndarray of shape (height, width), float64
    blue, red : ndarray of shape (ceil(height / 2), ceil(width / 2)), float64
    defects : iterable of Defect

    Returns
    -------
    dict of Phase to Footprint
    """
    return _learned([_MeanPicture(m.shape, partial(_window, m)) for m in (luma, blue, red)], defects)


def _window(mean: Floats, rows: slice, cols: slice) -> Floats:
    return mean[rows, cols]


@dataclass(frozen=True, slots=True)
class _MeanPicture:
    """A plane of the mean picture, of which windows can be asked for."""

    shape: tuple[int, ...]
    window: Callable[[slice, slice], Floats]

    @classmethod
    def of(cls, sums: Sums, sites: Iterable[tuple[int, int]], reach: int) -> _MeanPicture:
        """Have the surroundings of some sites at hand."""
        width = sums.shape[1]
        flat = np.array([row * width + col for row, col in sites], np.int64)
        sums.hold(dict.fromkeys(VALUE_FIELDS, around(flat, sums.shape, reach + _RING)))

        def window(rows: slice, cols: slice) -> Floats:
            inside = np.arange(rows.start, rows.stop)[:, None] * width + np.arange(cols.start, cols.stop)
            return np.asarray(sums.value_at(inside).mean, np.float64)

        return cls(sums.shape, window)


def _learned(pictures: Sequence[_MeanPicture], defects: Iterable[Defect]) -> dict[Phase, Footprint]:
    luma, blue, red = pictures
    spots: dict[Phase, list[tuple[Floats, Floats, Floats]]] = {}
    for defect in defects:
        row, col = defect.row, defect.col
        main = _spot(luma, row, col, LUMA_REACH)
        bluish = _spot(blue, row // 2, col // 2, CHROMA_REACH)
        reddish = _spot(red, row // 2, col // 2, CHROMA_REACH)
        if main is None or bluish is None or reddish is None:
            continue
        spot, rough = main
        if abs(spot[LUMA_REACH, LUMA_REACH]) > max(_STANDS_OUT * rough, _LEAST_DN):
            spots.setdefault((defect.colour, row % 2, col % 2), []).append((spot, bluish[0], reddish[0]))
    return {phase: _joined(several) for phase, several in spots.items() if len(several) >= _ENOUGH}


def _joined(spots: list[tuple[Floats, Floats, Floats]]) -> Footprint:
    """Return the shape that, times the height of each spot, comes nearest to all of them."""
    heights = np.array([spot[0][LUMA_REACH, LUMA_REACH] for spot in spots])
    # None may outweigh the others: an exceptional one may be clipped, or be two.
    weights = np.minimum(np.abs(heights), 2.0 * np.median(np.abs(heights))) / np.abs(heights)
    norm = float((weights * heights**2).sum())
    luma, blue, red = (
        np.tensordot(weights * heights, np.stack([spot[i] for spot in spots]), 1) / norm for i in range(3)
    )
    return Footprint(luma, blue, red, len(spots))


def _usual(luma: Sums) -> float | None:
    """Return the mean of the mean values of all sites that some frame counts of."""
    total, counted = 0.0, 0
    for band in luma.bands("n", "value_sum"):
        known = band.sums["n"] > 0
        total += float((band.sums["value_sum"][known] / band.sums["n"][known]).sum())
        counted += int(np.count_nonzero(known))
    return total / counted if counted else None


def _spot(mean: _MeanPicture, row: int, col: int, reach: int) -> tuple[Floats, float] | None:
    """Return what a window has more than a smooth surface through its ring, and how rough the ring is."""
    wide = reach + _RING
    if min(row, col) < wide or row + wide >= mean.shape[0] or col + wide >= mean.shape[1]:
        return None
    window = mean.window(slice(row - wide, row + wide + 1), slice(col - wide, col + wide + 1))
    ring, terms = _surface(wide, reach)
    weights = np.linalg.lstsq(terms[ring], window.ravel()[ring], rcond=None)[0]
    rest = (window.ravel() - terms @ weights).reshape(window.shape)
    rough = float(np.sqrt(np.mean(rest.ravel()[ring] ** 2)))
    inner = slice(_RING, -_RING)
    return rest[inner, inner], rough


def _surface(wide: int, reach: int) -> tuple[NDArray[np.bool_], Floats]:
    """Return where the ring of a window is, and the terms of a surface of second order over the window."""
    steps = np.arange(-wide, wide + 1) / wide
    rows, cols = (part.ravel() for part in np.meshgrid(steps, steps, indexing="ij"))
    ring = np.maximum(np.abs(rows), np.abs(cols)) * wide > reach + 0.5
    ones = np.ones_like(rows)
    return ring, np.stack([ones, rows, cols, rows * cols, rows**2, cols**2], axis=1)

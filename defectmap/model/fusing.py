"""One defect, one entry: the planes of a JPEG put together, and what is printed into pictures told apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from defectmap.model.decide import Candidates
from defectmap.model.defects import Defect
from defectmap.model.jpeg_kinds import mean_contrast
from defectmap.model.prediction import PlaneModel, chroma_model, luma_model, mosaic_model
from defectmap.model.rules import JPEG_CHROMA, JPEG_LUMA, PlaneRules, mosaic_rules
from defectmap.model.sensor import Grid, MosaicGeometry
from defectmap.model.sums import Sums

_PATTERN = 6
"""So many linked spots of a JPEG are a pattern that is printed into the pictures."""

_SPOT = 24
"""Side of what a defect makes stand out at most: a block of luma or two of chroma, with what spills over."""

_OPAQUE = 3
"""So many connected pixels that do not follow the light are printed."""

_MARGIN, _BORDER = 32, 8
_CORNERS, _CORNER_REACH = 3, 2
"""A frame within `_MARGIN` of the edges shows in so many corners, or in two within `_BORDER`, as far from the
edges but for the reach."""

_TILES = 5
_BLOCK = 8
"""Rows and columns that a JPEG codes together."""

_BLOCKS_FOR_NULLS = 4000
"""Blocks that give every position in them a null of its own."""

_PATTERN_REACH = 24
"""Spots farther apart than this are not linked, and not part of a pattern, in pixels."""


@dataclass(frozen=True, slots=True)
class Found:
    """A candidate with its plane, before its verdict."""

    plane: str
    site: int
    row: int
    col: int
    index: int


def plane_setup(grid: Grid, geometry: MosaicGeometry | None) -> dict[str, tuple[PlaneModel, PlaneRules]]:
    """Return prediction and rules of every plane of a stream."""
    if geometry is not None:
        return {"mosaic": (mosaic_model(geometry), mosaic_rules(geometry.period))}
    # Strong compression leaves its own pattern in every block; small pictures hold too few blocks to tell.
    period = (_BLOCK, _BLOCK) if grid.height * grid.width >= _BLOCKS_FOR_NULLS * _BLOCK**2 else (1, 1)
    chroma = (chroma_model(), replace(JPEG_CHROMA, period=period))
    return {"luma": (luma_model(), replace(JPEG_LUMA, period=period)), "blue": chroma, "red": chroma}


def doubting_patterns(
    entries: Sequence[Defect], grid: Grid, spans: Sequence[int], still: Sequence[int]
) -> list[Defect]:
    """Take what is printed into every picture, a date stamp, a frame or a logo, for no defects.

    A bad photosite is a spot, and bad photosites are strewn at random (Leung et al., Electronic Imaging
    2009, find no clusters). So doubt falls on what is of one piece with more than a spot, or covers more than
    a pixel or two, on what lies beside it, on heaps of spots, and on the corners of a frame, whose sides may
    pass for the fixed pattern of rows.

    Parameters
    ----------
    entries : sequence of Defect
    grid : Grid
    spans : sequence of int
        Of each entry the longer side of what stands out in one piece with it.
    still : sequence of int
        Of each entry the connected pixels that do not follow the light, as `still_pixels` counts them.

    Returns
    -------
    list of Defect
        Ordered as the entries; those doubted are suspects.
    """
    printed = [
        (entry.row, entry.col)
        for entry, span, pixels in zip(entries, spans, still, strict=True)
        if span > _SPOT or pixels >= _OPAQUE
    ]
    heaps = _heap_sizes(entries, grid)
    result = []
    for entry, heap in zip(entries, heaps, strict=True):
        if any(max(abs(entry.row - r), abs(entry.col - c)) <= _PATTERN_REACH for r, c in printed):
            reason = "of one piece with a pattern, as of a date stamp, a frame or a logo"
        elif heap >= _PATTERN:
            reason = f"one of {heap} spots close together, as of a date stamp, a frame or a logo"
        elif _in_frame_corner(entry, entries, grid):
            reason = "one of the corners of a frame"
        else:
            result.append(entry)
            continue
        result.append(replace(entry, certain=False, missing=reason))
    return result


def _heap_sizes(entries: Sequence[Defect], grid: Grid) -> list[int]:
    """Return with how many each spot is linked.

    Spots are linked that are nearer than chance would have a tenth of them, by their usual density: the
    median over a few tiles, which one pattern does not raise.
    """
    tiles = np.zeros((_TILES, _TILES))
    for entry in entries:
        if entry.certain:
            tiles[entry.row * _TILES // grid.height, entry.col * _TILES // grid.width] += 1
    usual = max(float(np.median(tiles)), 0.5)
    density = usual * _TILES**2 / (grid.height * grid.width)
    reach = min(_PATTERN_REACH, int((np.sqrt(0.1 / density) - 1) / 2))
    group = list(range(len(entries)))
    ordered = sorted(group, key=lambda i: entries[i].row)
    for place, i in enumerate(ordered):
        for j in ordered[place - 1 :: -1] if place else ():
            if entries[i].row - entries[j].row > reach:
                break
            if abs(entries[i].col - entries[j].col) <= reach and group[i] != group[j]:
                old, new = group[i], group[j]
                group = [new if g == old else g for g in group]
    sizes = Counter(group)
    return [sizes[g] for g in group]


def _in_frame_corner(entry: Defect, entries: Sequence[Defect], grid: Grid) -> bool:
    """Whether spots lie in several corners of the picture, as far from its edges as this one."""
    rows, cols, _ = _inset(entry, grid)
    if max(rows, cols) > _MARGIN:
        return False
    alike = {
        corner
        for near_rows, near_cols, corner in (_inset(other, grid) for other in entries)
        if abs(near_rows - rows) <= _CORNER_REACH and abs(near_cols - cols) <= _CORNER_REACH
    }
    return len(alike) >= (_CORNERS if max(rows, cols) > _BORDER else 2)


def _inset(entry: Defect, grid: Grid) -> tuple[int, int, tuple[bool, bool]]:
    """Return the distances from the nearest edges, and which corner of the picture they meet in."""
    below, beyond = grid.height - 1 - entry.row, grid.width - 1 - entry.col
    corner = (below < entry.row, beyond < entry.col)
    return min(entry.row, below), min(entry.col, beyond), corner


def one_per_defect(
    candidates: Mapping[str, Candidates],
    planes: Mapping[str, Sums],
    setup: Mapping[str, tuple[PlaneModel, PlaneRules]],
) -> list[Found]:
    """Put the planes of a JPEG together: a chroma candidate near another only tints it."""
    found: list[Found] = []
    for name, part in candidates.items():
        width = planes[name].shape[1]
        for index, site in enumerate(part.sites.tolist()):
            row, col = divmod(site, width)
            if name in {"blue", "red"}:
                reach = 2 * JPEG_CHROMA.reach  # a block of chroma, in which a strong defect echoes
                if any(abs(2 * row - f.row) <= reach and abs(2 * col - f.col) <= reach for f in found):
                    continue
                row, col = _centre_in_luma(planes["luma"], setup["luma"][0], 2 * row, 2 * col)
            found.append(Found(name, site, row, col, index))
    return found


def _centre_in_luma(luma: Sums, model: PlaneModel, row: int, col: int) -> tuple[int, int]:
    """Return the luma site with the largest contrast of the mean picture in the 2x2 under a chroma site."""
    height, width = luma.shape
    near = [(min(r, height - 1), min(c, width - 1)) for r in (row, row + 1) for c in (col, col + 1)]
    flat = np.array([r * width + c for r, c in near])
    around = model.neighbours(flat, luma.shape)
    contrast = luma.value_at(flat).mean - np.median(luma.value_at(around).mean, axis=1)
    return near[int(np.argmax(np.abs(contrast)))]


def tint(planes: Mapping[str, Sums], one: Found) -> str:
    """Return the colour that a defect of a JPEG tints the picture with: R, G, B, or W for none."""
    if "blue" not in planes:
        return "W"
    y, cb, cr = (mean_contrast(planes, name, one.row, one.col) for name in ("luma", "blue", "red"))
    # ITU-T T.871 (JFIF): what the change means in red, green and blue.
    rgb = {"R": y + 1.402 * cr, "G": y - 0.344 * cb - 0.714 * cr, "B": y + 1.772 * cb}
    strongest = max(rgb, key=lambda letter: abs(rgb[letter]))
    others = [abs(value) for letter, value in rgb.items() if letter != strongest]
    return strongest if max(others) < 0.67 * abs(rgb[strongest]) else "W"

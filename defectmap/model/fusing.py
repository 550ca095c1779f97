"""One defect, one entry: the planes of a JPEG put together, and what is printed into pictures told apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from defectmap.model.decide import JPEG_CHROMA, JPEG_LUMA, Candidates, PlaneRules, mosaic_rules
from defectmap.model.defects import Defect
from defectmap.model.evidence import PlaneEvidence
from defectmap.model.prediction import PlaneModel, chroma_model, luma_model, mosaic_model
from defectmap.model.sensor import Grid, MosaicGeometry

_PATTERN = 6
"""So many linked spots of a JPEG are a pattern that is printed into the pictures."""

_TILES = 5
_PATTERN_REACH = 24
"""Spots farther apart than this are not linked, in pixels."""


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
    chroma = (chroma_model(), JPEG_CHROMA)
    return {"luma": (luma_model(), JPEG_LUMA), "blue": chroma, "red": chroma}


def doubting_patterns(entries: Sequence[Defect], grid: Grid) -> list[Defect]:
    """Take spots that lie in a row or a heap for what is printed into every picture, not for defects.

    Bad photosites are strewn at random (Leung et al., Electronic Imaging 2009, find no clusters); a date
    stamp, a frame or a logo is not. Spots are linked that are nearer than chance would have a tenth of them,
    by their usual density: the median over a few tiles, which one pattern does not raise.
    """
    tiles = np.zeros((_TILES, _TILES))
    for entry in entries:
        if not entry.certain:
            continue
        tiles[entry.row * _TILES // grid.height, entry.col * _TILES // grid.width] += 1
    usual = max(float(np.median(tiles)), 0.5)
    density = usual * _TILES**2 / (grid.height * grid.width)
    reach = min(_PATTERN_REACH, int((np.sqrt(0.1 / density) - 1) / 2))
    ordered = sorted(entries, key=lambda entry: entry.row)
    group = list(range(len(ordered)))
    for i, one in enumerate(ordered):
        for j in range(i - 1, -1, -1):
            if one.row - ordered[j].row > reach:
                break
            if abs(one.col - ordered[j].col) <= reach and group[i] != group[j]:
                old, new = group[i], group[j]
                group = [new if g == old else g for g in group]
    sizes = Counter(group)
    return [
        replace(
            entry,
            certain=False,
            missing=f"one of {sizes[g]} spots close together, as of a date stamp, a frame or a logo",
        )
        if sizes[g] >= _PATTERN
        else entry
        for entry, g in zip(ordered, group, strict=True)
    ]


def one_per_defect(
    candidates: Mapping[str, Candidates],
    planes: Mapping[str, PlaneEvidence],
    setup: Mapping[str, tuple[PlaneModel, PlaneRules]],
) -> list[Found]:
    """Put the planes of a JPEG together: a chroma candidate near another only tints it."""
    found: list[Found] = []
    for name, part in candidates.items():
        width = planes[name].sums["n"].shape[1]
        for index, site in enumerate(part.sites.tolist()):
            row, col = divmod(site, width)
            if name in {"blue", "red"}:
                reach = 2 * JPEG_CHROMA.reach  # a block of chroma, in which a strong defect echoes
                if any(abs(2 * row - f.row) <= reach and abs(2 * col - f.col) <= reach for f in found):
                    continue
                row, col = _centre_in_luma(planes["luma"], setup["luma"][0], 2 * row, 2 * col)
            found.append(Found(name, site, row, col, index))
    return found


def _centre_in_luma(luma: PlaneEvidence, model: PlaneModel, row: int, col: int) -> tuple[int, int]:
    """Return the luma site with the largest contrast of the mean picture in the 2x2 under a chroma site."""
    height, width = luma.sums["n"].shape
    near = [(min(r, height - 1), min(c, width - 1)) for r in (row, row + 1) for c in (col, col + 1)]
    flat = np.array([r * width + c for r, c in near])
    around = model.neighbours(flat, luma.shape)
    contrast = luma.value_at(flat).mean - np.median(luma.value_at(around).mean, axis=1)
    return near[int(np.argmax(np.abs(contrast)))]


def tint(planes: Mapping[str, PlaneEvidence], one: Found) -> str:
    """Return the colour that a defect of a JPEG tints the picture with: R, G, B, or W for none."""
    if "blue" not in planes:
        return "W"
    contrast = {}
    for name, model in (("luma", luma_model()), ("blue", chroma_model()), ("red", chroma_model())):
        scale = 1 if name == "luma" else 2
        part = planes[name]
        site = np.array([one.row // scale * part.shape[1] + one.col // scale])
        around = part.value_at(model.neighbours(site, part.shape))
        contrast[name] = float(part.value_at(site).mean[0] - np.median(around.mean))
    y, cb, cr = contrast["luma"], contrast["blue"], contrast["red"]
    # ITU-T T.871 (JFIF): what the change means in red, green and blue.
    rgb = {"R": y + 1.402 * cr, "G": y - 0.344 * cb - 0.714 * cr, "B": y + 1.772 * cb}
    strongest = max(rgb, key=lambda letter: abs(rgb[letter]))
    others = [abs(value) for letter, value in rgb.items() if letter != strongest]
    return strongest if max(others) < 0.67 * abs(rgb[strongest]) else "W"

"""From the evidence of a stream to its defect map: decide, classify, date, in full-frame coordinates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from defectmap.model import evidence as ev
from defectmap.model.classify import SiteRecord, classify
from defectmap.model.dating import BadPeriod, date_site
from defectmap.model.decide import (
    JPEG_CHROMA,
    JPEG_LUMA,
    Candidates,
    PlaneRules,
    decide,
    gaussian_threshold,
    mosaic_rules,
)
from defectmap.model.defects import Defect, DefectMap, Kind
from defectmap.model.evidence import PlaneEvidence
from defectmap.model.frame import Conditions
from defectmap.model.prediction import PLANES, PlaneModel, chroma_model, luma_model, mosaic_model
from defectmap.model.sensor import Grid, MosaicGeometry

SCENES_FOR_CERTAINTY = 3
"""One scene, or two, can never confirm a defect."""

_PATTERN = 6
"""So many linked spots of a JPEG are a pattern that is printed into the pictures."""

_TILES = 5
_PATTERN_REACH = 24
"""Spots farther apart than this are not linked, in pixels."""


@dataclass(frozen=True, slots=True)
class FrameFacts:
    """What the map needs to know of a frame.

    Attributes
    ----------
    scene : int
    conditions : Conditions
    """

    scene: int
    conditions: Conditions


@dataclass(frozen=True, slots=True)
class _Sighted:
    """The sightings of one site, in order of capture."""

    frames: NDArray[np.int64]
    value: NDArray[np.float64]
    prediction: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Found:
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


def build_map(
    grid: Grid,
    geometry: MosaicGeometry | None,
    planes: Mapping[str, PlaneEvidence],
    frames: Sequence[FrameFacts],
    sightings: Iterable[tuple[int, NDArray[np.void]]],
) -> DefectMap:
    """Judge the evidence of one stream.

    Parameters
    ----------
    grid : Grid
    geometry : MosaicGeometry or None
        Of a raw stream.
    planes : mapping of plane name to PlaneEvidence
    frames : sequence of FrameFacts
        All frames of the stream in order of capture.
    sightings : iterable of (int, ndarray of SIGHTING)
        Index into `frames`, and what stood out in that frame. Read once.

    Returns
    -------
    DefectMap
        In full-frame coordinates.
    """
    setup = {name: both for name, both in plane_setup(grid, geometry).items() if name in planes}
    candidates = {name: decide(planes[name], *setup[name]) for name in setup}
    found = _one_per_defect(candidates, planes, setup)
    sighted = _gather(found, sightings)
    background = _background(planes)
    entries = [
        _judge(
            one,
            candidates[one.plane],
            planes,
            setup[one.plane][0],
            sighted[one.plane, one.site],
            frames,
            geometry,
            background,
        )
        for one in found
    ]
    if geometry is None:
        entries = _doubting_patterns(entries, grid)
    return DefectMap(grid, tuple(entries))


def _doubting_patterns(entries: Sequence[Defect], grid: Grid) -> list[Defect]:
    """Take spots that lie in a row or a heap for what is printed into every picture, not for defects.

    Bad photosites are strewn at random (Leung et al., Electronic Imaging 2009, find no clusters); a date
    stamp, a frame or a logo is not. Spots are linked that are nearer than chance would have a tenth of them,
    by their usual density: the median over a few tiles, which one pattern does not raise.
    """
    tiles = np.zeros((_TILES, _TILES))
    for entry in entries:
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


def _one_per_defect(
    candidates: Mapping[str, Candidates],
    planes: Mapping[str, PlaneEvidence],
    setup: Mapping[str, tuple[PlaneModel, PlaneRules]],
) -> list[_Found]:
    """Put the planes of a JPEG together: a chroma candidate near another only tints it."""
    found: list[_Found] = []
    for name, part in candidates.items():
        width = planes[name].sums["n"].shape[1]
        for index, site in enumerate(part.sites.tolist()):
            row, col = divmod(site, width)
            if name in {"blue", "red"}:
                reach = 2 * JPEG_CHROMA.reach  # a block of chroma, in which a strong defect echoes
                if any(abs(2 * row - f.row) <= reach and abs(2 * col - f.col) <= reach for f in found):
                    continue
                row, col = _centre_in_luma(planes["luma"], setup["luma"][0], 2 * row, 2 * col)
            found.append(_Found(name, site, row, col, index))
    return found


def _centre_in_luma(luma: PlaneEvidence, model: PlaneModel, row: int, col: int) -> tuple[int, int]:
    """Return the luma site with the largest contrast of the mean picture in the 2x2 under a chroma site."""
    height, width = luma.sums["n"].shape
    near = [(min(r, height - 1), min(c, width - 1)) for r in (row, row + 1) for c in (col, col + 1)]
    flat = np.array([r * width + c for r, c in near])
    around = model.neighbours(flat, luma.shape)
    contrast = luma.value_at(flat).mean - np.median(luma.value_at(around).mean, axis=1)
    return near[int(np.argmax(np.abs(contrast)))]


def _gather(
    found: Sequence[_Found], sightings: Iterable[tuple[int, NDArray[np.void]]]
) -> dict[tuple[str, int], _Sighted]:
    """Collect the sightings of the candidates in one pass over all sightings."""
    wanted = np.sort(np.array([_key(PLANES.index(f.plane), f.site) for f in found], np.int64))
    keys: list[NDArray[np.int64]] = []
    columns: list[NDArray[np.float64]] = []
    for index, records in sightings:
        key = records["plane"].astype(np.int64) << 40 | records["site"].astype(np.int64)
        mine = np.isin(key, wanted)
        if mine.any():
            keys.append(key[mine])
            rows = (np.full(int(mine.sum()), index), records["value"][mine], records["prediction"][mine])
            columns.append(np.stack([np.asarray(r, np.float64) for r in rows]))
    key = np.concatenate(keys) if keys else np.empty(0, np.int64)
    table = np.concatenate(columns, axis=1) if columns else np.empty((3, 0))
    order = np.lexsort((table[0], key))
    key, table = key[order], table[:, order]
    result = {}
    for one in found:
        number = _key(PLANES.index(one.plane), one.site)
        low, high = np.searchsorted(key, (number, number + 1))
        part = table[:, low:high]
        result[one.plane, one.site] = _Sighted(part[0].astype(np.int64), part[1], part[2])
    return result


def _key(plane: int, site: int) -> int:
    return plane << 40 | site


def _background(planes: Mapping[str, PlaneEvidence]) -> float:
    """Chance of a photosite to stand out in one frame."""
    counted = sum(float(p.sums["n"].sum()) for p in planes.values())
    stood_out = sum(float(p.sums["over"].sum() + p.sums["under"].sum()) for p in planes.values())
    return stood_out / counted if counted else 0.0


def _judge(
    one: _Found,
    part: Candidates,
    planes: Mapping[str, PlaneEvidence],
    model: PlaneModel,
    sighted: _Sighted,
    frames: Sequence[FrameFacts],
    geometry: MosaicGeometry | None,
    background: float,
) -> Defect:
    evidence = planes[one.plane]
    row, col = one.row, one.col
    colour = (
        _tint(planes, one)
        if geometry is None
        else geometry.cfa[row % geometry.period[0]][col % geometry.period[1]]
    )
    if geometry is not None:
        row, col = row + geometry.top, col + geometry.left
    record = _record(one, part, evidence, model, sighted, frames, geometry)
    verdict = classify(record, gaussian_threshold(evidence.sums["n"].size))
    scenes = max(len({frames[f].scene for f in sighted.frames}), _least_scenes(evidence, one.site))
    certain = scenes >= SCENES_FOR_CERTAINTY
    period = _date(sighted, frames, verdict.kind, background)
    return Defect(
        row=row,
        col=col,
        kind=verdict.kind,
        colour=colour,
        strength=verdict.strength,
        unit=verdict.unit,
        confidence=max(abs(record.level), abs(record.dose), abs(record.votes)),
        frames_seen=len(sighted.frames),
        scenes=scenes,
        certain=certain,
        missing="" if certain else f"seen in {scenes} of {SCENES_FOR_CERTAINTY} scenes",
        last_good=_when(frames, period.last_good),
        first_bad=_when(frames, period.first_bad),
        last_bad=_when(frames, period.last_bad),
        first_good=_when(frames, period.first_good),
    )


def _record(
    one: _Found,
    part: Candidates,
    evidence: PlaneEvidence,
    model: PlaneModel,
    sighted: _Sighted,
    frames: Sequence[FrameFacts],
    geometry: MosaicGeometry | None,
) -> SiteRecord:
    site = np.array([one.site])
    black = model.black
    if geometry is not None:
        black = float(geometry.black[geometry.phase(one.row + geometry.top, one.col + geometry.left)])
    around = model.neighbours(site, evidence.shape)[0]
    counted = around[evidence.sums["n"].ravel()[around] > 0]
    own, near = evidence.value_at(site), evidence.value_at(counted if counted.size else site)
    conditions = [frames[f].conditions for f in sighted.frames]
    return SiteRecord(
        level=float(part.level[one.index]),
        dose=float(part.dose[one.index]),
        votes=float(part.votes[one.index]),
        spread=float(part.spread[one.index]),
        mean=float(own.mean[0]) - black,
        near_mean=float(np.median(near.mean)) - black,
        variance=float(own.variance[0]),
        near_variance=float(np.median(near.variance)),
        excess=sighted.value - sighted.prediction,
        light=sighted.prediction - black,
        dose_s=_column(c.dose for c in conditions),
        gain=_column(None if c.iso is None else c.iso / 100.0 for c in conditions),
    )


def _column(values: Iterable[float | None]) -> NDArray[np.float64]:
    return np.array([np.nan if v is None else v for v in values], np.float64)


def _least_scenes(evidence: PlaneEvidence, site: int) -> int:
    """Fewest scenes that can have brought the mean score so far: each counts once and gives at most 3."""
    total = abs(int(evidence.sums["z_sum"].ravel()[site])) / ev.Z_UNIT
    return int(np.ceil(total / ev.Z_CLIP))


def _tint(planes: Mapping[str, PlaneEvidence], one: _Found) -> str:
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


def _date(sighted: _Sighted, frames: Sequence[FrameFacts], kind: Kind, background: float) -> BadPeriod:
    """Date a site by the frames whose time is known; indices are into all frames."""
    dated = np.array([i for i, f in enumerate(frames) if f.conditions.captured is not None], np.int64)
    if dated.size == 0:
        return BadPeriod()
    seen = np.isin(dated, sighted.frames)
    dose = _column(frames[i].conditions.dose for i in dated) if kind is Kind.HOT else np.zeros(dated.size)
    period = date_site(seen, np.nan_to_num(dose), background)
    ends = (period.last_good, period.first_bad, period.last_bad, period.first_good)
    return BadPeriod(*(None if i is None else int(dated[i]) for i in ends))


def _when(frames: Sequence[FrameFacts], index: int | None) -> datetime | None:
    return None if index is None else frames[index].conditions.captured

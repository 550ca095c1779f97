"""From the evidence of a stream to its defect map: decide, classify, date, in full-frame coordinates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from defectmap.model import evidence as ev
from defectmap.model.batches import batches, joined
from defectmap.model.classify import classify
from defectmap.model.clusters import cluster_structures
from defectmap.model.dating import date_site
from defectmap.model.decide import (
    Candidates,
    decide,
    gaussian_threshold,
)
from defectmap.model.defects import Defect, DefectMap
from defectmap.model.evidence import PlaneEvidence
from defectmap.model.facts import FrameFacts
from defectmap.model.faint import FaintSightings, glimpses
from defectmap.model.fusing import Found, doubting_patterns, one_per_defect, plane_setup, tint
from defectmap.model.jpeg_kinds import jpeg_kind, site_colour, spot_spread
from defectmap.model.lives import Judged, PlainDates, date_all
from defectmap.model.prediction import PLANES, PlaneModel, mosaic_model
from defectmap.model.printed import SURROUNDINGS, still_pixels
from defectmap.model.recording import OWN_FIELDS, Sighted, Surroundings, record
from defectmap.model.rules import PlaneRules
from defectmap.model.sensor import Grid, MosaicGeometry
from defectmap.model.showing import Background, Seen
from defectmap.model.sums import VALUE_FIELDS, Sums, around
from defectmap.model.wandering import FocalWatch, doubting_wanderers

SCENES_FOR_CERTAINTY = 3
"""One scene, or two, can never confirm a defect."""

_SIGHTED = ("value", "prediction", "sigma")


def build_map(
    grid: Grid,
    geometry: MosaicGeometry | None,
    planes: Mapping[str, PlaneEvidence] | Mapping[str, Sums],
    frames: Sequence[FrameFacts],
    sightings: Iterable[tuple[int, NDArray[np.void]]],
    faint: Iterable[tuple[int, FaintSightings]] = (),
) -> DefectMap:
    """Judge the evidence of one stream.

    Parameters
    ----------
    grid : Grid
    geometry : MosaicGeometry or None
        Of a raw stream.
    planes : mapping of plane name to PlaneEvidence or Sums
    frames : sequence of FrameFacts
        All frames of the stream in order of capture.
    sightings : iterable of (int, ndarray of SIGHTING)
        Index into `frames`, and what stood out in that frame. Read once.
    faint : iterable of (int, FaintSightings)
        What stood out faintly, of raw frames; read once.

    Returns
    -------
    DefectMap
        In full-frame coordinates.
    """
    setup = {name: both for name, both in plane_setup(grid, geometry).items() if name in planes}
    sums = {name: Sums.of(planes[name]) for name in setup}
    candidates = {name: decide(sums[name], *setup[name]) for name in setup}
    _hold(candidates, sums, setup)
    found = one_per_defect(candidates, sums, setup)
    watch = FocalWatch(
        [(one.row, one.col) for one in found], grid, [f.conditions.focal_length_mm for f in frames]
    )
    sighted = _gather(found, sightings if geometry is not None else watch.listening(sightings))
    background = _background(candidates.values())
    conditions, scenes = [frame.conditions for frame in frames], np.array([f.scene for f in frames], np.int64)
    white = float(geometry.white) if geometry is not None else 255.0
    around = {
        name: Surroundings.of(
            sums[name],
            model,
            candidates[name].centres,
            conditions,
            scenes.tolist(),
            white,
            rendered=name == "luma",
        )
        for name, (model, _) in setup.items()
    }
    spread = (
        spot_spread(sums, [(one.row, one.col) for one in found if one.plane == "luma"])
        if "luma" in sums
        else {}
    )
    entries = [
        _judge(
            one,
            candidates[one.plane],
            sums,
            around[one.plane],
            sighted[one.plane, one.site],
            scenes,
            geometry,
            background,
            spread,
        )
        for one in found
    ]
    entries = _dated(entries, found, sighted, faint, frames, geometry, sums, background)
    if geometry is None:
        spans = [int(candidates[one.plane].span[one.index]) for one in found]
        still = still_pixels([(one.row, one.col) for one in found], sums["luma"])
        steady = doubting_wanderers(doubting_patterns(entries, grid, spans, still), watch.report(), grid)
        return DefectMap(grid, tuple(steady))
    structures = [
        s.moved(geometry.top, geometry.left) for part in candidates.values() for s in part.structures
    ]
    return DefectMap(grid, tuple(entries), (*structures, *cluster_structures(entries)))


def _gather(
    found: Sequence[Found], sightings: Iterable[tuple[int, NDArray[np.void]]]
) -> dict[tuple[str, int], Sighted]:
    """Collect the sightings of the candidates in one pass over all sightings."""
    wanted = np.sort(np.array([_key(PLANES.index(f.plane), f.site) for f in found], np.int64))
    keys: list[NDArray[np.int64]] = []
    columns: list[NDArray[np.float64]] = []
    for indices, several in batches(sightings):
        frame, records = joined(indices, several)
        key = records["plane"].astype(np.int64) << 40 | records["site"].astype(np.int64)
        mine = np.isin(key, wanted)
        keys.append(key[mine])
        rows = (frame[mine], *(records[f][mine] for f in _SIGHTED))
        columns.append(np.stack([np.asarray(r, np.float64) for r in rows]))
    key = np.concatenate(keys) if keys else np.empty(0, np.int64)
    table = np.concatenate(columns, axis=1) if columns else np.empty((1 + len(_SIGHTED), 0))
    order = np.lexsort((table[0], key))
    key, table = key[order], table[:, order]
    result = {}
    for one in found:
        number = _key(PLANES.index(one.plane), one.site)
        low, high = np.searchsorted(key, (number, number + 1))
        part = table[:, low:high]
        result[one.plane, one.site] = Sighted(part[0].astype(np.int64), *part[1:])
    return result


def _key(plane: int, site: int) -> int:
    return plane << 40 | site


def _hold(
    candidates: Mapping[str, Candidates],
    sums: Mapping[str, Sums],
    setup: Mapping[str, tuple[PlaneModel, PlaneRules]],
) -> None:
    """Have all at hand that verdicts ask for: of each plane in one pass, not site by site."""
    steps = {name: 2 if name in {"blue", "red"} else 1 for name in sums}
    # Every candidate of a JPEG is looked at in all of its planes.
    places = [
        np.stack(np.divmod(part.sites, sums[name].shape[1])) * steps[name]
        for name, part in candidates.items()
    ]
    rows, cols = np.concatenate(places, axis=1)
    for name, part in sums.items():
        here = rows // steps[name] * part.shape[1] + cols // steps[name]
        own = np.concatenate([candidates[name].sites, candidates[name].beside])
        sites = np.concatenate([own, here])
        near = [sites, setup[name][0].neighbours(sites, part.shape).ravel()]
        if name == "luma":
            # A site of chroma is one of four of luma.
            near.append(around(here, part.shape, SURROUNDINGS + 1))
        part.hold(dict.fromkeys(OWN_FIELDS, own) | dict.fromkeys(VALUE_FIELDS, np.concatenate(near)))


def _background(candidates: Iterable[Candidates]) -> float:
    """Chance of a photosite to stand out in one frame."""
    counts = [part.counts for part in candidates]
    said = sum(count.said for count in counts)
    return sum(count.stood_out for count in counts) / said if said else 0.0


def _judge(
    one: Found,
    part: Candidates,
    planes: Mapping[str, Sums],
    around: Surroundings,
    sighted: Sighted,
    scene: NDArray[np.int64],
    geometry: MosaicGeometry | None,
    background: float,
    spread: Mapping[str, float],
) -> Defect:
    evidence = planes[one.plane]
    row, col = one.row, one.col
    colour = (
        tint(planes, one)
        if geometry is None
        else geometry.cfa[row % geometry.period[0]][col % geometry.period[1]]
    )
    if geometry is not None:
        row, col = row + geometry.top, col + geometry.left
    black = around.model.black
    if geometry is not None:
        black = float(geometry.black[geometry.phase(row, col)])
    share = _quiet_share(sighted, scene, background)
    known = record(one.site, black, share, float(part.spread[one.index]), sighted, around)
    verdict = None
    if one.plane == "luma":
        mosaic_colour = site_colour(planes, one.row, one.col)
        verdict = jpeg_kind(known, mosaic_colour, spread.get(mosaic_colour, 0.0))
    verdict = verdict or classify(known, gaussian_threshold(evidence.size))
    strongest = int(part.beside[one.index])
    scenes = max(np.unique(scene[sighted.frames]).size, _least_scenes(evidence, strongest))
    strength = float(part.strength[one.index])
    missing = _missing(scenes, strength)
    return Defect(
        row=row,
        col=col,
        kind=verdict.kind,
        colour=colour,
        strength=verdict.strength,
        unit=verdict.unit,
        strength_sd=verdict.strength_sd,
        confidence=max(abs(float(score[one.index])) for score in part.scores.values()),
        frames_seen=len(sighted.frames),
        scenes=scenes,
        certain=not missing,
        missing=missing,
    )


def _missing(scenes: int, strength: float) -> str:
    """Say what a candidate lacks for certainty; nothing if it is certain."""
    lacking = []
    if strength < 1.0:
        lacking.append(f"{100.0 * strength:.0f} % of the evidence that excludes chance")
    if scenes < SCENES_FOR_CERTAINTY:
        lacking.append(f"seen in {scenes} of {SCENES_FOR_CERTAINTY} scenes")
    return ", ".join(lacking)


def _least_scenes(evidence: Sums, site: int) -> int:
    """Fewest scenes that can have brought the mean score: each counts once and gives `Z_CLIP` at most."""
    total = abs(int(evidence.at("z_sum", np.array([site]))[0])) / ev.Z_UNIT
    return int(np.ceil(total / ev.Z_CLIP))


def _dated(
    entries: Sequence[Defect],
    found: Sequence[Found],
    sighted: Mapping[tuple[str, int], Sighted],
    faint: Iterable[tuple[int, FaintSightings]],
    frames: Sequence[FrameFacts],
    geometry: MosaicGeometry | None,
    planes: Mapping[str, Sums],
    background: float,
) -> list[Defect]:
    """Say when each was bad."""
    if not entries:
        return []
    seen = [sighted[one.plane, one.site] for one in found]
    if geometry is None:
        # Renderings are not linear: how strongly a defect shows in them is not told by its strength.
        plainly = PlainDates.of(frames)
        lives = [plainly.date(s.frames, d.kind, background) for d, s in zip(entries, seen, strict=True)]
    else:
        model, white = mosaic_model(geometry), 0.99 * geometry.white
        shape = planes["mosaic"].shape
        glimpsed = glimpses([one.site for one in found], faint, len(frames), shape[0] * shape[1])
        judged = [
            Judged(
                one.site,
                entry.kind,
                entry.colour,
                entry.strength,
                Seen(
                    s.frames,
                    s.value - s.prediction,
                    s.sigma,
                    s.prediction - model.black,
                    (s.value <= 0) | (s.value >= white),
                    *glimpsed.of_site[one.site],
                ),
                _clearness(planes["mosaic"], one.site),
            )
            for one, entry, s in zip(found, entries, seen, strict=True)
        ]
        usual = Background.of(background, glimpsed.shares)
        lives = date_all(judged, frames, glimpsed.least, model, shape, usual)
    return [replace(entry, periods=periods) for entry, periods in zip(entries, lives, strict=True)]


def _clearness(evidence: Sums, site: int) -> float:
    weight, frames = (float(evidence.at(field, np.array([site]))[0]) for field in ("light_weight", "n"))
    return weight / max(frames, 1.0)


def _quiet_share(sighted: Sighted, scene: NDArray[np.int64], background: float) -> float:
    """Share of the frames in which a site did not stand out that lie in the time in which it seems bad."""
    seen, bad = np.zeros((2, len(scene)), bool)
    seen[sighted.frames] = True
    periods = date_site(seen, (), scene, background)
    for period in periods:
        first = 0 if period.last_good is None else period.first_bad
        bad[first : period.first_good] = True
    quiet = ~seen
    return float(quiet[bad].sum()) / max(float(quiet.sum()), 1.0)

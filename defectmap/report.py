"""A report of a camera: pictures, charts and tables in one file for a browser."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from defectmap.catalog.reading import stored_sums
from defectmap.catalog.records import Revision, SensorRecord, StoredFrame, StreamRecord
from defectmap.catalog.store import Catalog
from defectmap.errors import DefectmapError, PhotoError, UsageError
from defectmap.explain import flat_sites
from defectmap.history import history
from defectmap.media.writing import write_new
from defectmap.model.bodyclock import BodyClock
from defectmap.model.defects import Defect, DefectMap
from defectmap.model.evidence import METHOD, plane_names
from defectmap.model.fusing import plane_setup
from defectmap.model.listed import is_listed
from defectmap.model.prediction import PLANES
from defectmap.model.scores import GaussianScores
from defectmap.overview import choose_stream, photo_noise
from defectmap.planning import known_footprints
from defectmap.repairing import Correction
from defectmap.reporting.choosing import choose_photos, featured
from defectmap.reporting.crops import Crop, crops_of
from defectmap.reporting.findings import Findings, Strip
from defectmap.reporting.needs import PhotoNeed, Shows, in_order, photo_needs, would_show_in
from defectmap.reporting.page import render, require_extra
from defectmap.reporting.scores import ScoreCounter, ScoreHistogram
from defectmap.reporting.sheets import sheet_of

Progress = Callable[[str, int, int], None]
_Number = TypeVar("_Number", int, NDArray[np.int64])

DEFECTS_IN_PICTURES = 24
"""So many defects have a strip of photos."""

PHOTOS = 12
"""So many photos are opened for the pictures, unless told otherwise."""

_PICTURE_BYTES = 1_200_000
"""All pictures together: in the page they take a third more."""


@dataclass(frozen=True, slots=True)
class Report:
    """A page that is ready to be written.

    Attributes
    ----------
    name : str
        What the file would be called.
    page : bytes
        HTML that needs no other file.
    revision : int
    opened : int
        Photos that the pictures are of.
    troubles : tuple of (str, str)
        Photos that were looked for in vain, and why, as the end of a sentence that begins with the name.
    """

    name: str
    page: bytes
    revision: int
    opened: int
    troubles: tuple[tuple[str, str], ...]


def make_report(
    catalog: Catalog,
    sensor: SensorRecord,
    *,
    grid: str | None = None,
    photos: int = PHOTOS,
    anonymous: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Make the report of one grid of a camera.

    The catalog is read, some photos are opened and corrected in memory; nothing is changed. The same catalog
    and photos make the same page.

    Parameters
    ----------
    catalog : Catalog
    sensor : SensorRecord
    grid : str, optional
        As of :func:`defectmap.overview.choose_stream`.
    photos : int
        How many may be opened.
    anonymous : bool
        Leave serial number and nickname out.
    progress : callable, optional
        Called as ``progress(what, done, total)``.

    Raises
    ------
    DefectmapError
        If there is no map yet, or the packages that pages are made with are missing.
    UsageError
        If the sensor has no such grid.
    """
    require_extra()
    say = progress or (lambda *_: None)
    with catalog.snapshot():
        stream = choose_stream(catalog, sensor, grid)
        told = history(catalog, sensor, grid)
        found = told.revision.maps[stream.id]
        known = tuple(entry for entry in found.defects if not is_listed(entry))
        clock = BodyClock.of(catalog.frames.moments(sensor.id))
        frames = in_order(catalog.frames.of_stream(stream.id, signatures=False), clock)
        noise = photo_noise(catalog, stream)
        shows = Shows.of(known, frames, clock, noise, _seen_in(catalog, stream, known))
        needs = photo_needs(frames, clock, shows, _repaired(catalog, sensor, told.revision))
        shown = featured(known, DEFECTS_IN_PICTURES)
        paths: dict[int, list[Path]] = {}
        missing: list[tuple[str, str]] = []

        def is_there(photo: int) -> bool:
            paths[photo] = catalog.files.paths_of(frames[photo].id)
            if any(path.is_file() for path in paths[photo]):
                return True
            missing.append((frames[photo].name, "is not where it was seen last"))
            return False

        telling = _telling(known, shown, frames, shows, noise)
        chosen = choose_photos(shown, needs, telling, photos, is_there) if photos else ()
        say("Counting scores", 0, 1)
        scores = _scores(catalog, stream, found)
        scenes = catalog.scenes.count(stream.id)
    strips, opened, troubles = _strips(
        [(needs[index], paths[index]) for index in chosen], shown, sensor, stream, told.revision, say
    )
    camera = (
        replace(sensor.identity, serial=None).name.removesuffix(" (no serial)") if anonymous else sensor.name
    )
    findings = Findings(
        camera,
        stream,
        told.revision,
        found,
        scenes,
        noise,
        told.events,
        told.growth,
        sum(len(doubt.frames) for doubt, _, _ in told.doubts),
        needs,
        shown,
        strips,
        opened,
        (*missing, *troubles),
        scores,
    )
    name = re.sub(r"[^\w.-]+", "-", camera).strip("-.") or "camera"
    page = render(sheet_of(findings))
    return Report(f"{name}.html", page, told.revision.number, opened, findings.troubles)


def write_report(report: Report, output: Path | None = None) -> Path:
    """Write a report, whole or not at all.

    Parameters
    ----------
    report : Report
    output : Path, optional
        The file, which is replaced if it is there, or a folder, in which no file is. By default the working
        folder.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    UsageError
        If a file is there that was not named.
    DefectmapError
        If it cannot be written.
    """
    named = output is not None and not output.is_dir()
    target = output if output is not None and named else (output or Path()) / report.name
    if target.exists() and not named:
        raise UsageError(f"{target} is already there: name it with --output to have it replaced")
    try:
        write_new(target, report.page, like=None, overwrite=named)
    except PhotoError as error:
        raise DefectmapError(f"the report {error.reason}") from error
    return target


def _seen_in(
    catalog: Catalog, stream: StreamRecord, entries: Sequence[Defect]
) -> dict[tuple[int, int], set[int]]:
    """Return the ids of the frames in which each entry stood out."""
    owner: dict[int, list[tuple[int, int]]] = {}
    for entry in entries:
        for plane, site in flat_sites(stream, entry.row, entry.col).items():
            owner.setdefault(_key(PLANES.index(plane), site), []).append((entry.row, entry.col))
    wanted = np.array(sorted(owner), np.int64)
    result: dict[tuple[int, int], set[int]] = {}
    for frame_id, records in catalog.frames.sightings(stream.id) if owner else ():
        keys = _key(records["plane"].astype(np.int64), records["site"].astype(np.int64))
        for key in np.intersect1d(keys, wanted).tolist():
            for place in owner[key]:
                result.setdefault(place, set()).add(frame_id)
    return result


def _key(plane: _Number, site: _Number) -> _Number:
    """Return one number for a site of a plane."""
    return plane * 2**40 + site


def _repaired(catalog: Catalog, sensor: SensorRecord, revision: Revision) -> frozenset[bytes]:
    """Return the digests of the photos that were repaired with a revision."""
    done = (stored.repair for stored in catalog.repairs.select(sensor_id=sensor.id))
    return frozenset(repair.source_digest for repair in done if repair.revision_id == revision.id)


def _telling(
    known: Sequence[Defect],
    shown: Sequence[Defect],
    frames: Sequence[StoredFrame],
    shows: Shows,
    noise: float | None,
) -> NDArray[np.bool_]:
    """Return which photos tell something of some defects: where they stood out, and where they would have."""
    places = {(defect.row, defect.col): index for index, defect in enumerate(known)}
    rows = []
    for defect in shown:
        index = places[defect.row, defect.col]
        would = would_show_in(defect, frames, noise)
        seen = shows.seen[index]
        rows.append(seen | (would & ~shows.bad[index]) if seen.any() else would)
    return np.array(rows, bool).reshape(len(shown), len(frames))


def _scores(catalog: Catalog, stream: StreamRecord, found: DefectMap) -> ScoreHistogram | None:
    """Count the scores of a stream; None where another version of the program measured its evidence."""
    if stream.method != METHOD:
        return None
    setup = plane_setup(stream.grid, stream.geometry)
    epochs = catalog.evidence.epochs(stream.id)
    names = {name for epoch in epochs for name in catalog.evidence.plane_names(stream.id, epoch)}
    counter = ScoreCounter(found, stream.geometry)
    for plane in (plane for plane in PLANES if plane in setup and plane in plane_names(names)):
        sums = stored_sums(catalog.evidence, stream.id, epochs, plane)
        counter.add(plane, GaussianScores.of(sums, setup[plane][1].period))
    return counter.histogram()


def _strips(
    chosen: Sequence[tuple[PhotoNeed, Sequence[Path]]],
    shown: Sequence[Defect],
    sensor: SensorRecord,
    stream: StreamRecord,
    revision: Revision,
    say: Progress,
) -> tuple[Mapping[tuple[int, int], Strip], int, list[tuple[str, str]]]:
    """Open photos and cut out the surroundings of defects, as many as the page has room for."""
    footprints = known_footprints(revision, stream.grid)
    strips: dict[tuple[int, int], list[tuple[PhotoNeed, Crop]]] = {}
    troubles = []
    opened = 0
    # Of every photo the same share of the room: no strip ends early because others were long.
    room = _PICTURE_BYTES // max(len(chosen), 1)
    for number, (photo, paths) in enumerate(chosen):
        say("Looking at photos", number, len(chosen))
        valid = revision.maps[stream.id].valid_on(photo.day)
        task = Correction(
            paths[0],
            photo.frame.digest,
            stream.grid,
            sensor.identity,
            replace(photo.frame.conditions, captured=photo.day),
            valid.defects,
            structures=tuple(s for s in valid.structures if not s.lists_members),
            footprints=footprints,
        )
        try:
            crops = crops_of(paths, task, shown)
        except PhotoError as error:
            troubles.append((photo.frame.name, error.reason))
            continue
        opened += 1
        used = 0
        for defect in shown:
            crop = crops.get((defect.row, defect.col))
            if crop is None or (used := used + crop.size) > room:
                continue
            strips.setdefault((defect.row, defect.col), []).append((photo, crop))
    say("Looking at photos", len(chosen), len(chosen))
    return {place: tuple(strip) for place, strip in strips.items()}, opened, troubles

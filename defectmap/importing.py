"""Take in the defect lists of other programs, each as a witness of its own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from defectmap.catalog.records import ListRecord, SensorRecord, StreamRecord
from defectmap.catalog.store import Catalog
from defectmap.detect import Detection, detect
from defectmap.errors import DefectmapError, PhotoError, UsageError
from defectmap.export import chosen_format, frames_of_dng
from defectmap.lists.content import ListError
from defectmap.lists.registry import ListFormat, read_list
from defectmap.media.discover import content_digest, read_photo
from defectmap.media.dngopcodes import read_image
from defectmap.model.listed import ListedSite, is_listed, same_site
from defectmap.overview import choose_stream

_LARGEST_BYTES: Final = 1 << 30
"""An uncompressed mask of the largest sensors takes less."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a list.

    Attributes
    ----------
    name : str
        What it is called in the catalog.
    known : bool
        Whether it was there already.
    sites : int
    confirmed : int
        Those that the camera's own photos show to be bad as well.
    own : int
        Defects that the photos show, on the same grid, lines not counted.
    detection : Detection
        The map with the list.
    """

    name: str
    known: bool
    sites: int
    confirmed: int
    own: int
    detection: Detection


def import_list(
    catalog: Catalog,
    sensor: SensorRecord,
    path: Path,
    format: str,
    *,
    grid: str | None = None,
    name: str | None = None,
    now: datetime | None = None,
) -> Imported:
    """Keep a list beside the evidence, and make a map that knows it.

    Nothing of it is counted as evidence: a site that the photos show too is noted as named by the list, one
    that they do not is repaired only in photos that show it.

    Parameters
    ----------
    catalog : Catalog
    sensor : SensorRecord
        The camera must be in the catalog, with photos of the grid.
    path : Path
    format : str
        A name of :data:`defectmap.lists.registry.FORMATS`.
    grid : str, optional
        As :func:`defectmap.overview.choose_stream` understands it.
    name : str, optional
        What to call it; its file name by default.
    now : datetime, optional
        Noted as the time of import; the present by default.

    Returns
    -------
    Imported

    Raises
    ------
    UsageError
        If there is no such format or grid, or another list of that name.
    DefectmapError
        If the list cannot be read or does not fit the sensor.
    """
    form = chosen_format(format)
    name = " ".join((name or path.name).split())
    if not name or not name.isprintable():
        raise UsageError("give the list a name with --name that can be printed")
    if form.raw_only and grid is None:
        grid = "raw"
    stream = choose_stream(catalog, sensor, grid)
    if form.raw_only and stream.grid.kind != "raw":
        raise UsageError(f"lists of format {form.name} are for raw files alone: say --grid raw")
    try:
        data = read_photo(path) if form.name == "dng" else _read(path)
        if form.name == "dng":
            stream, sites = _sites_of_dng(catalog.sensors.streams(sensor.id), form, data)
        else:
            sites = read_list(form, data, stream.grid, stream.geometry)
    except PhotoError as error:
        raise DefectmapError(f"{path} {error.reason}") from error
    except ListError as error:
        raise DefectmapError(f"{path} {error}") from error
    if not sites:
        raise DefectmapError(f"{path} names no photosite: check --format")
    moment = now or datetime.now(UTC)
    record = ListRecord(name, form.name, content_digest(data), moment, sites)
    with catalog.transaction():
        known = _add(catalog, sensor, stream, record)
        detection = detect(catalog, sensor, now=now)
    found = detection.revision.maps[stream.id]
    own = [(defect.row, defect.col) for defect in found.defects if not is_listed(defect)]
    lines = [structure for structure in found.structures if not structure.lists_members]
    confirmed = sum(
        any(same_site((site.row, site.col), place, stream.grid) for place in own)
        or any((site.row, site.col) in line for line in lines)
        for site in sites
    )
    return Imported(name, known, len(sites), confirmed, len(own), detection)


def remove_list(
    catalog: Catalog, sensor: SensorRecord, name: str, *, now: datetime | None = None
) -> Detection:
    """Take a list out again, and make a map without it.

    Raises
    ------
    UsageError
        If the sensor has no list of that name; those it has are named.
    """
    lists = catalog.imports.of_sensor(sensor.id)
    wanted = [stored for stored in lists if stored.record.name == name]
    if not wanted:
        there = ", ".join(dict.fromkeys(stored.record.name for stored in lists)) or "none"
        raise UsageError(f"{sensor.name} has no list called {name!r}; there is {there}")
    with catalog.transaction():
        for stored in wanted:
            catalog.imports.remove(stored.id)
        return detect(catalog, sensor, now=now)


def _read(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise ListError("is not a file" if path.exists() else "does not exist: check the spelling")
        if path.stat().st_size > _LARGEST_BYTES:
            raise ListError("is larger than any list: check the spelling")
        return path.read_bytes()
    except OSError as error:
        raise ListError(f"cannot be read: {(error.strerror or str(error)).lower()}") from error


def _add(catalog: Catalog, sensor: SensorRecord, stream: StreamRecord, record: ListRecord) -> bool:
    """Add a list unless it is there already; return whether it is."""
    for stored in catalog.imports.of_sensor(sensor.id):
        if stored.stream_id != stream.id:
            continue
        if (stored.record.digest, stored.record.sites) == (record.digest, record.sites):
            return True
        if stored.record.name == record.name:
            raise UsageError(
                f"another list is called {record.name} already: take it out with --remove, or give this one "
                "another name with --name"
            )
    catalog.imports.add(stream.id, record)
    return False


def _sites_of_dng(
    streams: list[StreamRecord], form: ListFormat, data: bytes
) -> tuple[StreamRecord, tuple[ListedSite, ...]]:
    """Read the list inside a DNG, on the grid of the stream that the DNG fits."""
    image = read_image(data)
    if not image.opcodes:
        raise ListError("has no list of bad photosites in it")
    fits = frames_of_dng(streams, image)
    if not fits:
        size = f"{image.width} x {image.height}"
        raise ListError(f"stores {size} photosites, which fits no raw files of the camera")
    stream, frame = fits[0]
    return stream, read_list(form, image.opcodes, stream.grid, stream.geometry, frame)

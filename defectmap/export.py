"""Write the map of a camera as the defect list of another program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from defectmap import __version__
from defectmap.catalog.records import SensorRecord, StreamRecord
from defectmap.catalog.store import Catalog
from defectmap.errors import DefectmapError, PhotoError, UsageError
from defectmap.lists import opcodes
from defectmap.lists.content import About
from defectmap.lists.frames import Frame, frame_of
from defectmap.lists.registry import FORMATS, ListFormat, write_list
from defectmap.media.discover import read_photo
from defectmap.media.dngopcodes import DngImage, read_image, with_opcodes
from defectmap.media.metadata import read_info
from defectmap.media.writing import write_new
from defectmap.model.defects import DefectMap, StructureKind
from defectmap.model.listed import is_listed
from defectmap.overview import bad_during, choose_stream, newest_map


@dataclass(frozen=True, slots=True)
class Exported:
    """A list that is ready to be written.

    Attributes
    ----------
    name : str
        What the reading program looks for, or would call such a file.
    data : bytes
    revision : int
    sites : int
        Photosites it names, those of columns and rows too.
    left_out : tuple of str
        What the map knows and the list cannot say, or does not, each in a sentence without full stop.
    """

    name: str
    data: bytes
    revision: int
    sites: int
    left_out: tuple[str, ...]


def export_list(
    catalog: Catalog,
    sensor: SensorRecord,
    format: str,
    *,
    grid: str | None = None,
    at: datetime | None = None,
    anonymous: bool = False,
    photo: Path | None = None,
) -> Exported:
    """Return the map of a sensor as a list of a format.

    Sites that only imported lists name are left out: they are not this program's to pass on.

    Parameters
    ----------
    catalog : Catalog
    sensor : SensorRecord
    format : str
        A name of :data:`defectmap.lists.registry.FORMATS`.
    grid : str, optional
        As :func:`defectmap.overview.choose_stream` understands it.
    at : datetime, optional
        The sites that may have been bad at that moment, or on that day. By default those that are bad still;
        CSV and JSON have all. For a DNG, the moment of the photo.
    anonymous : bool
        Leave the serial number out, of the name too.
    photo : Path, optional
        For format "dng": the DNG of which a copy with the list is made.

    Returns
    -------
    Exported

    Raises
    ------
    UsageError
        If there is no such format or grid, the format's reader does not apply lists to JPEGs, or a photo is
        missing or not asked for.
    DefectmapError
        If there is no map yet, or the DNG is not of this camera or cannot be read.
    """
    form = chosen_format(format)
    if (form.name == "dng") != (photo is not None):
        raise UsageError(
            "name the DNG that gets the list with --photo; a copy of it is written"
            if photo is None
            else f"--photo is for --format dng: a list of format {form.name} is a file of its own"
        )
    if form.raw_only and grid is None:
        grid = "raw"
    stream = choose_stream(catalog, sensor, grid)
    if form.raw_only and stream.grid.kind != "raw":
        raise UsageError(f"lists of format {form.name} are for raw files alone: say --grid raw")
    source, image = _photo(photo, sensor, anonymous) if photo else (b"", None)
    frame = None
    if image is not None and photo is not None:
        at = at or read_info(source, "raw").conditions.captured
        stream, frame = _frame_in(catalog, sensor, photo, image)
    revision, whole = newest_map(catalog, sensor, stream)
    found, left_out = _selected(whole, form, at)
    identity = replace(sensor.identity, serial=None) if anonymous else sensor.identity
    program = f"defectmap {__version__}"
    about = About(identity, stream.grid, stream.geometry, program, revision.number, at)
    data = write_list(form, about, found, frame)
    inside = frame or frame_of(stream.grid, stream.geometry, form.area)
    sites = {(defect.row, defect.col) for defect in found.defects}
    sites |= {site for structure in found.lines for site in structure.sites()}
    named = sum(inside.from_grid(*site) is not None for site in sites)
    if named < len(sites):
        left_out = (*left_out, f"{len(sites) - named} sites outside of the visible area")
    name = form.file_name(identity)
    if image is not None and photo is not None:
        data = with_opcodes(source, opcodes.joined(image.opcodes, data))
        name = f"{photo.stem}-badpixels{photo.suffix}"
    return Exported(name, data, revision.number, named, left_out)


def write_export(exported: Exported, output: Path | None = None, photo: Path | None = None) -> Path:
    """Write a list, whole or not at all.

    Parameters
    ----------
    exported : Exported
    output : Path, optional
        The file, which is replaced if it is there, or a folder, in which no file is. By default the working
        folder, for a copy of a DNG that of the photo.
    photo : Path, optional
        The DNG that it is a copy of.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    UsageError
        If a file is there that was not named, or the photo itself would be replaced.
    DefectmapError
        If it cannot be written.
    """
    folder = photo.parent if photo else Path()
    target = folder / exported.name if output is None else output
    named = output is not None and not output.is_dir()
    if output is not None and not named:
        target = output / exported.name
    if photo is not None and target.exists() and target.samefile(photo):
        raise UsageError(f"{photo} would be overwritten: name another file with --output")
    if target.exists() and not named:
        raise UsageError(f"{target} is already there: name it with --output to have it replaced")
    try:
        write_new(target, exported.data, like=photo, overwrite=named)
    except PhotoError as error:
        raise DefectmapError(f"the list {error.reason}") from error
    return target


def chosen_format(name: str) -> ListFormat:
    """Return a format by its name.

    Raises
    ------
    UsageError
        If there is none of that name; all are listed.
    """
    form = FORMATS.get(name.strip().lower())
    if form is None:
        raise UsageError(f"there is no format {name!r}; there is {', '.join(FORMATS)}")
    return form


def frames_of_dng(streams: Sequence[StreamRecord], image: DngImage) -> list[tuple[StreamRecord, Frame]]:
    """Return the raw streams that a DNG's image may be of, the likeliest first, with the frame it counts in.

    A DNG that the camera wrote, or a converter that keeps the margins, has the size of the stored frame;
    others hold the visible area alone, or have margins of their own around it.
    """
    top, left, bottom, right = image.active
    raw = [(stream, stream.geometry) for stream in streams if stream.geometry is not None]
    size = image.height, image.width
    fits = [
        (stream, Frame(0, 0, *size)) for stream, _ in raw if size == (stream.grid.height, stream.grid.width)
    ]
    fits += [
        (stream, Frame(g.top, g.left, *size))
        for stream, g in raw
        if size == (g.visible_height, g.visible_width)
    ]
    fits += [
        (stream, Frame(g.top - top, g.left - left, *size))
        for stream, g in raw
        if (bottom - top, right - left) == (g.visible_height, g.visible_width)
    ]
    return fits


def _photo(path: Path, sensor: SensorRecord, anonymous: bool) -> tuple[bytes, DngImage]:
    """Read the DNG that gets the list."""
    if anonymous:
        raise UsageError(
            "a copy of a photo keeps the serial number that the photo has: leave out --anonymous"
        )
    try:
        data = read_photo(path)
        image = read_image(data)
        identity = read_info(data, "raw").identity
    except PhotoError as error:
        raise DefectmapError(f"{path} {error.reason}") from error
    ours = sensor.identity
    if (identity.model, identity.serial or ours.serial) != (ours.model, ours.serial or identity.serial):
        raise DefectmapError(f"{path} is of {identity.name}, not of {sensor.name}")
    return data, image


def _frame_in(
    catalog: Catalog, sensor: SensorRecord, photo: Path, image: DngImage
) -> tuple[StreamRecord, Frame]:
    fits = frames_of_dng(catalog.sensors.streams(sensor.id), image)
    if not fits:
        raise DefectmapError(
            f"{photo} stores {image.width} x {image.height} photosites, which fits no raw files of "
            f"{sensor.name} in the catalog: ingest the photo first"
        )
    return fits[0]


def _selected(whole: DefectMap, form: ListFormat, at: datetime | None) -> tuple[DefectMap, tuple[str, ...]]:
    """Return what goes into a list, and say what does not."""
    left_out = []
    entries = tuple(entry for entry in whole.entries if not is_listed(entry))
    imported = len(whole.entries) - len(entries)
    structures = whole.structures
    if at is not None:
        entries, structures = bad_during(entries, at), bad_during(structures, at)
    elif not form.complete:
        still = tuple(entry for entry in entries if entry.first_good is None)
        healed = sum(entry.certain for entry in entries) - sum(entry.certain for entry in still)
        if healed:
            left_out.append(f"{healed} healed sites: for photos of their time, export with --at DATE")
        entries, structures = still, tuple(s for s in structures if s.first_good is None)
    found = DefectMap(whole.grid, entries, structures)
    if found.suspects and not form.complete:
        left_out.append(f"{len(found.suspects)} suspects, which are not certain")
    if imported:
        left_out.append(f"{imported} sites that only imported lists name")
    lattices = sum(structure.kind is StructureKind.LATTICE for structure in structures)
    if lattices:
        left_out.append(f"{lattices} lattices, whose photosites are of another make and not bad")
    if (
        found.defects
        and not (form.dated or form.complete)
        and at is None
        and any(d.last_good for d in found.defects)
    ):
        left_out.append("since when each site is bad: the list acts on older photos as well")
    if found.defects and not form.complete:
        left_out.append("kinds and strengths")
    return found, tuple(left_out)

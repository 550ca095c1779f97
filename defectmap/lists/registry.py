"""The formats by name; and the one place where positions change between the sensor's grid and a format."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from defectmap.lists import dcraw, lsst, masks, opcodes, pixinsight, rawtherapee, siril, tables
from defectmap.lists.content import About, Box, Content, Found, ListError, Mark
from defectmap.lists.frames import Area, Frame, frame_of
from defectmap.lists.names import file_name
from defectmap.model.defects import Defect, DefectMap, Structure
from defectmap.model.listed import ListedSite
from defectmap.model.sensor import Grid, MosaicGeometry, SensorIdentity

_MOST_SHARE: Final = 0.05
"""Share of a sensor's photosites beyond which a list is taken for a mistake."""


@dataclass(frozen=True, slots=True)
class ListFormat:
    """One format.

    Attributes
    ----------
    name : str
    write : callable
        From the content in the format's coordinates to the bytes of the file.
    read : callable
        The other way.
    file_name : callable
        From the camera to the name under which the reading program looks for the list.
    use : str
        How the reading program gets it, in words; "" where there is no one program.
    area : {"stored", "visible"}
        Which part of the grid its positions count in.
    bottom_up : bool
    raw_only : bool
        Whether its reader applies it to raw data alone.
    dated : bool
        Whether it says since when a site is bad.
    complete : bool
        Whether it says all that a map knows: dates, healing, kinds, suspects.
    """

    name: str
    write: Callable[[Content], bytes]
    read: Callable[[bytes], Found]
    file_name: Callable[[SensorIdentity], str]
    use: str = ""
    area: Area = "visible"
    bottom_up: bool = False
    raw_only: bool = False
    dated: bool = False
    complete: bool = False


def _named(suffix: str) -> Callable[[SensorIdentity], str]:
    return lambda camera: file_name(camera, suffix)


FORMATS: Final = {
    known.name: known
    for known in (
        # The very name that dcraw looks for.
        ListFormat(
            "dcraw",
            dcraw.write,
            dcraw.read,
            lambda _: ".badpixels",
            "dcraw finds it in the folder it runs in and in those above; dcraw_emu takes it with -P",
            raw_only=True,
            dated=True,
        ),
        ListFormat(
            "rawtherapee",
            rawtherapee.write,
            rawtherapee.read,
            _named(".badpixels"),
            "RawTherapee finds it under this name in its folder of dark frames, when it starts",
            raw_only=True,
        ),
        ListFormat(
            "art",
            rawtherapee.write,
            rawtherapee.read,
            _named(".badpixels"),
            "ART finds it under this name in its folder of dark frames, when it starts",
            raw_only=True,
        ),
        ListFormat(
            "siril",
            siril.write,
            siril.read,
            _named(".lst"),
            "Siril takes it with cosme_cfa before, with cosme after the colours are made",
        ),
        ListFormat(
            "pixinsight",
            pixinsight.write,
            pixinsight.read,
            _named(" defects.txt"),
            "PixInsight loads it in CosmeticCorrection, under Use Defect List",
        ),
        ListFormat(
            "dng",
            opcodes.write,
            opcodes.read,
            _named(".dng"),
            "darktable, Adobe's programs and others that follow the DNG specification apply it by themselves",
            area="stored",
            raw_only=True,
        ),
        ListFormat("lsst", lsst.write, lsst.read, _named(" defects.ecsv"), bottom_up=True),
        ListFormat("fits", masks.write_fits, masks.read_fits, _named(" mask.fits"), bottom_up=True),
        ListFormat("png", masks.write_png, masks.read_png, _named(" mask.png")),
        ListFormat(
            "csv", tables.write_csv, tables.read_csv, _named(" defects.csv"), area="stored", complete=True
        ),
        ListFormat(
            "json", tables.write_json, tables.read_json, _named(" defects.json"), area="stored", complete=True
        ),
    )
}
"""All formats by name."""


def write_list(form: ListFormat, about: About, found: DefectMap, frame: Frame | None = None) -> bytes:
    """Return a map as a list.

    Parameters
    ----------
    form : ListFormat
    about : About
    found : DefectMap
        On the stored grid of `about`: the entries and structures to be written. Suspects are written by
        formats that can tell them from defects, and left out by the others.
    frame : Frame, optional
        What the list counts in, where that is another than the format's own.

    Returns
    -------
    bytes
    """
    frame = frame or frame_of(about.grid, about.geometry, form.area, bottom_up=form.bottom_up)
    marks = dict(_members(frame, found.structures))
    marks |= {(mark.row, mark.col): mark for mark in _marks(frame, found.defects)}
    boxes = tuple(_boxes(frame, found.structures))
    suspects = tuple(_marks(frame, found.suspects)) if form.complete else ()
    return form.write(Content(about, frame, tuple(marks[at] for at in sorted(marks)), boxes, suspects))


def read_list(
    form: ListFormat,
    data: bytes,
    grid: Grid,
    geometry: MosaicGeometry | None,
    frame: Frame | None = None,
) -> tuple[ListedSite, ...]:
    """Read a list.

    Parameters
    ----------
    form : ListFormat
    data : bytes
    grid : Grid
        Of the sensor that it is of.
    geometry : MosaicGeometry or None
        Of a raw grid.
    frame : Frame, optional
        What the list counts in, where that is another than the format's own.

    Returns
    -------
    tuple of ListedSite
        On the stored grid, ordered, each once.

    Raises
    ------
    ListError
        If it cannot be read, or does not fit the sensor.
    """
    found = form.read(data)
    frame = frame or frame_of(grid, geometry, form.area, bottom_up=form.bottom_up)
    if found.bottom_up is not None:
        frame = replace(frame, bottom_up=found.bottom_up)
    if found.size is not None and found.size != (frame.height, frame.width):
        frame = replace(frame_of(grid, geometry), bottom_up=frame.bottom_up)
        if found.size != (frame.height, frame.width):
            raise ListError(
                f"is {found.size[1]} x {found.size[0]}, which does not fit the camera's "
                f"{_sizes(grid, geometry)}: check --camera and --grid"
            )
    sites: dict[tuple[int, int], ListedSite] = {}
    for mark in _all_marks(found, frame, int(_MOST_SHARE * grid.height * grid.width)):
        place = frame.to_grid(mark.row, mark.col)
        if place is None or not (0 <= place[0] < grid.height and 0 <= place[1] < grid.width):
            where = f" in line {mark.line}" if mark.line else ""
            raise ListError(
                f"has column {mark.col} of row {mark.row}{where}, outside of the {frame.width} x "
                f"{frame.height} photosites that it should count in: check --camera, --grid and --format"
            )
        site = ListedSite(*place, mark.since, mark.until)
        sites[place] = _longest(sites[place], site) if place in sites else site
    return tuple(sites[place] for place in sorted(sites))


def _all_marks(found: Found, frame: Frame, most: int) -> Iterator[Mark]:
    count = 0
    boxes = (_cut(box, frame) for box in found.boxes)
    for marks in (found.marks, *(box.marks() for box in boxes)):
        for mark in marks:
            count += 1
            # Masks of a tiny sensor may well mark a good part of it.
            if count > max(most, 1000):
                raise ListError(f"names more than {most} photosites, too many to be bad: check --format")
            yield mark


def _cut(box: Box, frame: Frame) -> Box:
    """End a whole column or row with the frame; what is outside otherwise is told when it is met."""
    bottom = frame.height if box.bottom - box.top >= 1 << 30 else box.bottom
    right = frame.width if box.right - box.left >= 1 << 30 else box.right
    return replace(box, bottom=bottom, right=right)


def _longest(one: ListedSite, other: ListedSite) -> ListedSite:
    """Return a site that is bad whenever one of two is, or between them."""
    since = None if one.since is None or other.since is None else min(one.since, other.since)
    until = None if one.until is None or other.until is None else max(one.until, other.until)
    return replace(one, since=since, until=until)


def _marks(frame: Frame, defects: tuple[Defect, ...]) -> Iterator[Mark]:
    for defect in defects:
        place = frame.from_grid(defect.row, defect.col)
        if place is not None:
            yield Mark(*place, _onset(defect), defect.first_good, defect)


def _members(frame: Frame, structures: tuple[Structure, ...]) -> Iterator[tuple[tuple[int, int], Mark]]:
    """Yield the photosites of lines with gaps, which are no boxes.

    Those of a cluster are defects of their own, and those of a lattice are no defects but of another make.
    """
    for structure in structures:
        if structure.is_line and not _is_box(structure):
            for site in structure.sites():
                place = frame.from_grid(*site)
                if place is not None:
                    yield place, Mark(*place, _onset(structure), structure.first_good)


def _boxes(frame: Frame, structures: tuple[Structure, ...]) -> Iterator[Box]:
    for one in structures:
        if one.is_line and _is_box(one):
            box = frame.box_from_grid(one.top, one.left, one.bottom, one.right)
            if box is not None:
                yield Box(*box, _onset(one), one.first_good)


def _is_box(structure: Structure) -> bool:
    return structure.period == (1, 1) and structure.offsets == ((0, 0),)


def _onset(one: Defect | Structure) -> datetime | None:
    """Return the last moment at which it was surely good; it may be bad from there on."""
    return one.last_good


def _sizes(grid: Grid, geometry: MosaicGeometry | None) -> str:
    stored = f"{grid.width} x {grid.height}"
    if geometry is None or (geometry.visible_height, geometry.visible_width) == (grid.height, grid.width):
        return stored
    return f"{stored}, of which {geometry.visible_width} x {geometry.visible_height} are visible"

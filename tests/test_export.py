"""Exporting maps, as a library does it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from defectmap.catalog.records import RevisionRecord, SensorRecord
from defectmap.catalog.store import Catalog, open_catalog
from defectmap.errors import DefectmapError, UsageError
from defectmap.export import export_list, write_export
from defectmap.lists import opcodes
from defectmap.lists.registry import FORMATS
from defectmap.media.dng import dng_bytes
from defectmap.media.dngopcodes import read_image
from defectmap.model.defects import Defect, DefectMap, Kind, Period, Structure, StructureKind
from defectmap.model.evidence import METHOD
from defectmap.model.sensor import Grid, RawColour, SensorIdentity

from .lists.photos import MARGINS, TAKEN, dng, mosaic

BODY = SensorIdentity("Canon", "Canon EOS 450D", "987654")
JPEG = Grid("jpeg", 300, 396)
NOW = datetime(2024, 1, 1, tzinfo=UTC)


def _defect(row: int, col: int, **more: object) -> Defect:
    return Defect(row, col, Kind.HOT, "R", 9.0, "DN", 9.0, 4, 3, **more)  # type: ignore[arg-type]


RAW_MAP = DefectMap(
    MARGINS.grid,
    (
        _defect(110, 140),
        _defect(120, 150, periods=(Period(TAKEN - timedelta(100), TAKEN - timedelta(90)),)),
        _defect(130, 160, periods=(Period(TAKEN + timedelta(9), TAKEN + timedelta(10)),)),
        _defect(140, 170, periods=(Period(last_bad=TAKEN + timedelta(1), first_good=TAKEN + timedelta(2)),)),
        _defect(150, 180, certain=False, missing="proof"),
        _defect(160, 190, origin="list:old"),
        _defect(5, 190),
    ),
    (
        Structure(StructureKind.COLUMN, 10, 300, 310, 301),
        Structure(StructureKind.LATTICE, 10, 20, 310, 416, (10, 10)),
    ),
)


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    """Return a catalog that knows a Canon with margins, and a map of it."""
    with open_catalog(tmp_path / "catalog.sqlite", create=True) as catalog:
        sensor = catalog.sensors.sensor(BODY)
        raw = catalog.sensors.stream(sensor.id, MARGINS.grid, MARGINS, METHOD)
        jpeg = catalog.sensors.stream(sensor.id, JPEG, None, METHOD)
        maps = {raw.id: RAW_MAP, jpeg.id: DefectMap(JPEG, (_defect(100, 120),))}
        catalog.revisions.save(sensor.id, RevisionRecord(maps, NOW, "0", 1, 7, 7))
        yield catalog


@pytest.fixture
def sensor(catalog: Catalog) -> SensorRecord:
    """Return the Canon."""
    return catalog.sensors.all()[0]


def _lines(catalog: Catalog, sensor: SensorRecord, name: str, **options: object) -> list[str]:
    data = export_list(catalog, sensor, name, **options).data  # type: ignore[arg-type]
    return [line for line in data.decode().splitlines() if not line.startswith("#")]


def test_what_is_bad_still_is_in_a_list_without_dates(catalog: Catalog, sensor: SensorRecord) -> None:
    """Certain defects and bad columns; no suspect, healed site or lattice, and nothing of imported lists."""
    lines = _lines(catalog, sensor, "pixinsight")
    assert lines == ["Col 280", "Col 120 100 100", "Col 130 110 110", "Col 140 120 120"]
    left_out = " / ".join(export_list(catalog, sensor, "pixinsight").left_out)
    for word in ("1 healed", "1 suspects", "only imported", "1 lattices", "since when", "kinds", "outside"):
        assert word in left_out


def test_the_list_of_a_day(catalog: Catalog, sensor: SensorRecord) -> None:
    """With a date, the sites that may have been bad on that day: what healed later, not what came later."""
    lines = _lines(catalog, sensor, "pixinsight", at=TAKEN)
    assert lines == ["Col 280", "Col 120 100 100", "Col 130 110 110", "Col 150 130 130"]


def test_onsets_are_in_a_list_of_dcraw(catalog: Catalog, sensor: SensorRecord) -> None:
    """A site has the time of its last photo without the defect, less the guard, or 0 if it was always bad."""
    exported = export_list(catalog, sensor, "dcraw")
    lines = exported.data.decode().splitlines()
    times = {tuple(map(int, line.split()[:2])): int(line.split()[2]) for line in lines if line[0] != "#"}
    moment = (TAKEN - timedelta(100, hours=14)).replace(tzinfo=UTC).timestamp()
    assert (times[120, 100], times[130, 110]) == (0, int(moment))
    assert exported.sites == 3 + 300 == len(times)
    assert not any("since" in text for text in exported.left_out)


def test_grids_and_formats(catalog: Catalog, sensor: SensorRecord) -> None:
    """A list for pictures may be of the JPEGs; one for raw data may not."""
    assert _lines(catalog, sensor, "siril", grid="jpeg") == ["P 120 100 H"]
    with pytest.raises(UsageError, match="raw files alone"):
        export_list(catalog, sensor, "dcraw", grid="jpeg")
    with pytest.raises(UsageError, match="there is no format 'gimp'; there is dcraw, rawtherapee"):
        export_list(catalog, sensor, "gimp")


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "dng"])
def test_anonymous_lists_have_no_serial_number(name: str, catalog: Catalog, sensor: SensorRecord) -> None:
    """Neither list nor name holds it; else one of them does, but for formats that have no place for it."""
    exported = export_list(catalog, sensor, name, anonymous=True)
    assert b"987654" not in exported.data and "987654" not in exported.name
    with_it = export_list(catalog, sensor, name)
    assert b"987654" in with_it.data or "987654" in with_it.name


def test_everything_is_in_json(catalog: Catalog, sensor: SensorRecord) -> None:
    """Suspects, healing and kinds are there; only what lists name is not this program's to pass on."""
    exported = export_list(catalog, sensor, "json")
    document = json.loads(exported.data)
    assert [d["row"] for d in document["defects"]] == [5, 110, 120, 130, 140]
    assert document["suspects"][0]["missing"] == "proof"
    assert document["structures"][0]["cols"] == [300, 300]
    assert all("imported" in text or "lattices" in text for text in exported.left_out)


def test_a_dng_of_the_whole_frame_and_one_of_the_visible_area(
    catalog: Catalog, sensor: SensorRecord, tmp_path: Path
) -> None:
    """The list counts in the image that the DNG stores, and is that of the day it was taken."""
    whole, part = tmp_path / "whole.dng", tmp_path / "part.dng"
    whole.write_bytes(dng(mosaic()))
    visible = np.ascontiguousarray(mosaic()[10:310, 20:416])
    none = (0.0, 0.0, 0.0)
    colour = RawColour((none, none, none), (1.0, 1.0, 1.0), "Canon", "Canon EOS 450D")
    part.write_bytes(dng_bytes(visible, MARGINS, colour, source=dng(mosaic())))
    for path, top, left in ((whole, 0, 0), (part, 10, 20)):
        exported = export_list(catalog, sensor, "dng", photo=path)
        assert exported.name == f"{path.stem}-badpixels.dng"
        copy = write_export(exported, photo=path)
        assert copy == path.with_name(exported.name)
        found = opcodes.read(read_image(copy.read_bytes()).opcodes)
        seen = {(mark.row + top, mark.col + left) for mark in found.marks}
        # The row above the visible area is stored in the first one alone.
        assert seen - {(5, 190)} == {(110, 140), (120, 150), (140, 170)}
        assert ((5, 190) in seen) == (path == whole)
        (box,) = found.boxes
        assert (box.left + left, box.right + left) == (300, 301)


def test_a_dng_that_cannot_take_a_list_is_refused(
    catalog: Catalog, sensor: SensorRecord, tmp_path: Path
) -> None:
    """No DNG, one of another camera, a format that needs none, and a serial number that would stay."""
    path = tmp_path / "a.dng"
    path.write_bytes(dng(mosaic()))
    note = tmp_path / "a.txt"
    note.write_text("no photo")
    other = catalog.sensors.sensor(SensorIdentity("Canon", "Canon EOS 20D", None))
    catalog.sensors.stream(other.id, MARGINS.grid, MARGINS, METHOD)
    for error, reason, who, options in (
        (UsageError, "name the DNG", sensor, {}),
        (UsageError, "keeps the serial", sensor, {"photo": path, "anonymous": True}),
        (DefectmapError, "is not a photo", sensor, {"photo": note}),
        (DefectmapError, "not of Canon EOS 20D", other, {"photo": path}),
    ):
        with pytest.raises(error, match=reason):
            export_list(catalog, who, "dng", **options)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="--photo is for"):
        export_list(catalog, sensor, "png", photo=path)


def test_no_file_is_replaced_that_was_not_named(
    catalog: Catalog, sensor: SensorRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proposed name must be free, here or in a folder; a file that is named is replaced."""
    monkeypatch.chdir(tmp_path)
    exported = export_list(catalog, sensor, "rawtherapee")
    assert write_export(exported) == Path("Canon EOS 450D 987654.badpixels")
    for output in (None, tmp_path):
        with pytest.raises(UsageError, match="already there"):
            write_export(exported, output)
    assert write_export(exported, tmp_path / exported.name).read_bytes() == exported.data
    photo = tmp_path / "a.dng"
    photo.write_bytes(dng(mosaic()))
    with pytest.raises(UsageError, match="would be overwritten"):
        write_export(export_list(catalog, sensor, "dng", photo=photo), photo, photo)
    with pytest.raises(DefectmapError, match="the list cannot be written"):
        write_export(exported, photo / "below" / "list")

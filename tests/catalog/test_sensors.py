"""Promises of the sensors and streams of a catalog."""

from __future__ import annotations

from dataclasses import replace

import pytest

from defectmap.errors import CatalogError, FailedPhotoError
from defectmap.model.sensor import Grid, MosaicGeometry, SensorIdentity

GEOMETRY = MosaicGeometry(2616, 3904, 1, 2, 2613, 3898, ("RG", "GB"), (0, 0, 0, 0), 3880, "rawpy 0.24")


def test_sensor_is_added_once(catalog, d80):
    """Asking for a sensor again gives the same one."""
    first = catalog.sensors.sensor(d80)

    assert first == catalog.sensors.sensor(d80)
    assert [first] == catalog.sensors.all()
    assert d80.name == first.name


def test_sensor_without_serial_is_its_own(catalog, d80):
    """Bodies without a serial number are one sensor per model, apart from those with one."""
    nameless = SensorIdentity(d80.make, d80.model, None)

    one = catalog.sensors.sensor(nameless)

    assert one == catalog.sensors.sensor(nameless)
    assert one.id != catalog.sensors.sensor(d80).id
    assert {nameless, d80} == {sensor.identity for sensor in catalog.sensors.all()}


def test_finding_a_sensor(catalog):
    """Any part of nickname, serial number, make, model or name finds a sensor, in capitals or not."""
    nikon = catalog.sensors.sensor(SensorIdentity("NIKON CORPORATION", "NIKON D80", "3012345"))
    canon = catalog.sensors.sensor(SensorIdentity("Canon", "Canon EOS 450D", None))
    catalog.sensors.set_nickname(canon.id, "Grandpa's Ölfarbe")

    def found(text: str) -> list[int]:
        return [sensor.id for sensor in catalog.sensors.find(text)]

    assert found("d80") == [nikon.id]
    assert found("0123") == [nikon.id]
    assert found("corpor") == [nikon.id]
    assert found("nikon d80 301") == [nikon.id]
    assert found(" ÖLFARBE ") == [canon.id]
    assert found("no serial") == [canon.id]
    assert found("o") == [canon.id, nikon.id]
    assert found("fuji") == []
    catalog.sensors.set_nickname(canon.id, None)
    assert found("Grandpa") == []


def test_whole_name_beats_part_of_a_name(catalog):
    """A text that is all of one sensor's model finds that one, though another's contains it."""
    d80 = catalog.sensors.sensor(SensorIdentity("NIKON CORPORATION", "NIKON D80", "1"))
    catalog.sensors.sensor(SensorIdentity("NIKON CORPORATION", "NIKON D800", "2"))

    assert [d80] == catalog.sensors.find("Nikon D80")
    assert len(catalog.sensors.find("D80")) == 2


def test_streams_come_back(catalog, d80):
    """A stream keeps its grid, method and layout; of the levels it keeps the lowest, in any order."""
    sensor = catalog.sensors.sensor(d80)
    raw = catalog.sensors.stream(sensor.id, GEOMETRY.grid, GEOMETRY, method=3)
    jpeg = catalog.sensors.stream(sensor.id, Grid("jpeg", 2592, 3872), None, method=3)

    other_levels = replace(GEOMETRY, black=(1, 2, 3, 4), white=3000, decoder="rawpy 9")
    changed = catalog.sensors.stream(sensor.id, GEOMETRY.grid, other_levels, method=3)
    lowest = tuple(min(pair) for pair in zip(GEOMETRY.black, (1, 2, 3, 4), strict=True))
    assert changed == replace(raw, geometry=replace(GEOMETRY, black=lowest, white=min(GEOMETRY.white, 3000)))
    assert changed == catalog.sensors.stream(sensor.id, GEOMETRY.grid, GEOMETRY, method=3)
    assert [changed, jpeg] == catalog.sensors.streams(sensor.id) == catalog.sensors.streams()
    assert raw.geometry == GEOMETRY


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"top": 2}, "row 2, column 2"),
        ({"left": 0}, "row 1, column 0"),
        ({"visible_height": 2612}, "2612x3898"),
        ({"visible_width": 3897}, "2613x3897"),
        ({"cfa": ("GR", "BG")}, "GR/BG"),
    ],
)
def test_contradicting_layout_is_refused_with_both(catalog, d80, change, named):
    """A frame laid out differently on the same grid is refused, and both layouts are named."""
    sensor = catalog.sensors.sensor(d80)
    catalog.sensors.stream(sensor.id, GEOMETRY.grid, GEOMETRY, method=1)

    with pytest.raises(FailedPhotoError, match=r"2613x3898 .* row 1, column 2 with colours RG/GB") as caught:
        catalog.sensors.stream(sensor.id, GEOMETRY.grid, replace(GEOMETRY, **change), method=1)
    assert named in str(caught.value)


def test_other_method_is_refused(catalog, stream):
    """Evidence of two methods is never mixed; the message says what to do."""
    with pytest.raises(CatalogError, match=r"method 1, .* method 2, .* ingest into a new catalog"):
        catalog.sensors.stream(stream.sensor_id, stream.grid, None, method=2)

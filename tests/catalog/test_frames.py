"""Promises of the frames of a catalog and the sightings in them."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import datetime

import numpy as np
import pytest

from defectmap.catalog import sightings as sightings_module
from defectmap.errors import CatalogError
from defectmap.model.frame import Conditions


def test_frame_comes_back(catalog, stream, frame, sightings):
    """A frame keeps its name, conditions, signature and sightings."""
    conditions = Conditions(
        datetime(2009, 5, 1, 12, 30, 1, 70000), 0.5, 3200.0, 999, 35.5, -7.5, 8, "Ver.1", "OFF"
    )
    taken = replace(frame("DSC_0001.NEF"), conditions=conditions, epoch=4, counted=False)
    frame_id = catalog.frames.add(stream.id, taken, sightings((1, 2), (3, 4)))

    (stored,) = catalog.frames.of_stream(stream.id)
    of_catalog = {"id": frame_id, "stream_id": stream.id, "scene": frame_id}
    assert asdict(taken) | of_catalog == asdict(stored)
    assert replace(stored, signature=None) == catalog.frames.by_digest(taken.digest)
    ((of_frame, seen),) = catalog.frames.sightings(stream.id)
    assert frame_id == of_frame
    np.testing.assert_array_equal(sightings((1, 2), (3, 4)), seen)


def test_frame_of_unknown_content(catalog):
    """No frame is found for content that was never added."""
    assert catalog.frames.by_digest(bytes(32)) is None


def test_listing_without_signatures(catalog, stream, frame, sightings):
    """A listing that wants no signatures reads none."""
    catalog.frames.add(stream.id, frame("a"), sightings())

    assert [stored.signature for stored in catalog.frames.of_stream(stream.id, signatures=False)] == [None]


def test_frames_are_listed_as_they_were_taken(catalog, stream, frame, sightings):
    """Frames come by the camera's clock with its sub-seconds, shutter count and name; timeless ones last."""
    early = frame("z", hour=1)
    in_order = [
        early,
        replace(early, name="b", digest=b"1" * 32, conditions=replace(early.conditions, shutter_count=7)),
        replace(early, name="a", digest=b"2" * 32, conditions=replace(early.conditions, shutter_count=8)),
        replace(early, name="c", digest=b"3" * 32, conditions=replace(early.conditions, shutter_count=8)),
        frame("a-later", hour=2),
        frame("a-timeless", hour=None),
    ]
    for taken in reversed(in_order):
        catalog.frames.add(stream.id, taken, sightings())

    assert [f.name for f in in_order] == [f.name for f in catalog.frames.of_stream(stream.id)]


def test_times_of_a_body_are_read_alone(catalog, stream, frame, sightings):
    """What a clock is judged by comes from all streams of a sensor, without the other conditions."""
    first, second = frame("a", hour=1), frame("b", hour=None)
    second = replace(second, conditions=replace(second.conditions, shutter_count=7))
    for taken in (first, second):
        catalog.frames.add(stream.id, taken, sightings())

    found = catalog.frames.moments(stream.sensor_id)

    assert sorted(found, key=lambda one: one.captured is None) == [
        Conditions(captured=first.conditions.captured),
        Conditions(shutter_count=7),
    ]
    assert catalog.frames.moments(99) == []


def test_same_content_is_added_once(catalog, stream, frame, sightings):
    """A second frame of the same content is refused, and the catalog goes on."""
    catalog.frames.add(stream.id, frame("a"), sightings())

    with pytest.raises(CatalogError, match=r"copy\.nef is in .* already"):
        catalog.frames.add(stream.id, replace(frame("a"), name="copy.nef"), sightings())
    assert len(catalog.frames.of_stream(stream.id)) == 1


def test_frame_can_be_counted_or_not(catalog, stream, frame, sightings):
    """Whether a frame counts can be changed."""
    frame_id = catalog.frames.add(stream.id, frame("a"), sightings())

    catalog.frames.set_counted(frame_id, False)

    assert [stored.counted for stored in catalog.frames.of_stream(stream.id)] == [False]


def test_sightings_are_read_page_by_page(catalog, stream, frame, sightings, monkeypatch):
    """All sightings come, in the order they were added, though only a few are read at a time."""
    monkeypatch.setattr(sightings_module, "_PAGE", 3)
    with catalog.transaction():
        ids = [
            catalog.frames.add(stream.id, frame(f"{i}"), sightings(*[(i, j) for j in range(i)]))
            for i in range(8)
        ]

    read = list(catalog.frames.sightings(stream.id))

    assert catalog.frames.count(stream.id) == 8
    assert ids == [frame_id for frame_id, _ in read]
    assert [[(i, j) for j in range(i)] for i in range(8)] == [
        seen[["row", "col"]].tolist() for _, seen in read
    ]


def test_damaged_sightings_are_named(catalog, stream, frame, sightings):
    """Damaged sightings are refused with the name of their frame."""
    catalog.frames.add(stream.id, frame("DSC_7.JPG"), sightings((1, 2)))
    catalog.database.connection.exec_driver_sql("UPDATE sightings SET payload = zeroblob(length(payload))")

    with pytest.raises(CatalogError, match=r"the sightings of DSC_7\.JPG: its checksum does not match"):
        list(catalog.frames.sightings(stream.id))

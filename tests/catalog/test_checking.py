"""Promises of the check of a catalog."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import numpy as np
import pytest

from defectmap.catalog import planes
from defectmap.catalog.checking import check
from defectmap.catalog.store import open_catalog
from defectmap.errors import CatalogError


@pytest.fixture
def whole(new_catalog, d80_stream, frame, sightings, monkeypatch):
    """Make a catalog with one of everything that a check looks at."""
    monkeypatch.setattr(planes, "BAND_BYTES", 100)
    path = new_catalog("catalog.sqlite")
    with open_catalog(path) as catalog, catalog.transaction():
        stream_id = d80_stream(catalog).id
        catalog.frames.add(stream_id, frame("DSC_1.NEF"), sightings((1, 2)))
        catalog.evidence.add_to_planes(stream_id, 0, {"sum": np.ones((6, 8), np.int32)})
    return path


def test_whole_catalog_is_ok(whole):
    """A catalog that is whole has no problems, and is not changed by looking."""
    before = whole.read_bytes()

    report = check(whole)

    assert report.ok
    assert report.problems == ()
    assert before == whole.read_bytes()


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (
            "UPDATE planes SET payload = zeroblob(length(payload)) WHERE band = 1",
            "plane 'sum' of stream 1 in epoch 0, rows from 3: its checksum does not match",
        ),
        ("UPDATE planes SET dtype = '<u4'", "rows from 0: its checksum does not match"),
        ("DELETE FROM planes WHERE band = 0", "plane 'sum' of stream 1 in epoch 0 has a gap"),
        ("UPDATE planes SET first_row = 4 WHERE band = 1", "has a gap or bands of different kinds"),
        ("DELETE FROM planes", "epoch 0 of stream 1 counts frames but holds no evidence"),
        ("UPDATE frames SET epoch = 3", "epoch 0 of stream 1 holds evidence of no frame"),
        ("UPDATE sightings SET count = 2", "sightings of frame DSC_1.NEF: its checksum does not match"),
        ("DELETE FROM sightings", "frame DSC_1.NEF lacks its sightings"),
        ("DELETE FROM sensors", "row 1 of table streams belongs to a missing row of table sensors"),
    ],
)
def test_what_is_wrong_is_named(whole, damage, problem):
    """Whatever was damaged is named in a sentence."""
    with closing(sqlite3.connect(whole)) as connection:
        connection.execute(damage)
        connection.commit()

    report = check(whole)

    assert not report.ok
    assert any(problem in sentence for sentence in report.problems), report.problems


def test_frame_that_does_not_count_needs_no_evidence(whole):
    """A frame that is not counted may be alone in its epoch."""
    with closing(sqlite3.connect(whole)) as connection:
        connection.execute("DELETE FROM planes")
        connection.execute("UPDATE frames SET counted = 0")
        connection.commit()

    assert check(whole).ok


def test_garbage_in_the_middle_is_noticed(whole):
    """Bytes overwritten anywhere past the first page never go unnoticed or end in anything but a sentence."""
    content = whole.read_bytes()
    rng = np.random.default_rng(7)
    page = int.from_bytes(content[16:18], "big")
    noticed = 0
    for start in range(page, len(content), page):
        damaged = bytearray(content)
        damaged[start : start + page] = rng.bytes(page)
        whole.write_bytes(damaged)
        try:
            noticed += not check(whole).ok
        except CatalogError as error:
            noticed += "damaged" in str(error)

    assert noticed == len(range(page, len(content), page))


def test_check_of_nothing(tmp_path):
    """Without a catalog there is nothing to check."""
    with pytest.raises(CatalogError, match="there is no catalog"):
        check(tmp_path / "none.sqlite")

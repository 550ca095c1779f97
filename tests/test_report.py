"""A report reads the catalog and some photos, changes neither, and is the same each time."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from defectmap.errors import DefectmapError, UsageError
from defectmap.model.defects import Period
from defectmap.report import make_report, write_report

from .fixing import PLANTED, World, contents


def test_a_report_is_the_same_each_time_and_changes_nothing(world: World, tmp_path: Path) -> None:
    """Photos and catalog are as they were; the page has every defect, in pictures and repaired."""
    before = contents(world.photos)
    reports = [make_report(world.catalog, world.sensor) for _ in range(2)]
    assert reports[0] == reports[1]
    assert contents(world.photos) == before
    text = reports[0].page.decode()
    assert reports[0].opened == 4 and not reports[0].troubles
    assert len(reports[0].page) < 2_000_000
    for one in PLANTED:
        assert f"row {one.row}, column {one.col}" in text
        assert f'id="site-{one.row}-{one.col}"' in text
    assert text.count("<figcaption>repaired</figcaption>") == 4 * len(PLANTED)
    assert "revision 1, made 2024-01-01 00:00 UTC" in text
    assert reports[0].name == "NIKON-D80-3012345.html"


def test_jpegs_have_a_report_of_their_own(world: World) -> None:
    """The grid of the JPEGs is shown with crops of JPEGs."""
    made = make_report(world.catalog, world.sensor, grid="jpeg")
    text = made.page.decode()
    assert made.opened == 3 and "JPEG files of 128 x 96" in text
    assert "<figcaption>repaired</figcaption>" in text
    with pytest.raises(UsageError, match="grid jpeg:1x1"):
        make_report(world.catalog, world.sensor, grid="jpeg:1x1")


def test_missing_photos_are_told(world: World) -> None:
    """Photos that are gone, or have other content, are named; the report is made without them."""
    first, second, *_ = sorted(world.photos.rglob("*.NEF"))
    first.unlink()
    second.write_bytes(b"II*\0 something else")
    made = make_report(world.catalog, world.sensor)
    assert dict(made.troubles) == {
        first.name: "is not where it was seen last",
        second.name: "has changed since it was added",
    }
    assert made.opened == 2 and "2 photos could not be looked at" in made.page.decode()
    shutil.rmtree(world.photos)
    alone = make_report(world.catalog, world.sensor)
    assert alone.opened == 0 and "In pictures" not in alone.page.decode().split("<main", 1)[0]


def test_no_photo_is_opened_where_none_may_be(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A report of the catalog alone has tables and charts, no pictures."""
    monkeypatch.setattr("defectmap.report.crops_of", None)
    made = make_report(world.catalog, world.sensor, photos=0)
    assert made.opened == 0 and b"data:image" not in made.page.partition(b"<script")[0]
    assert b'id="chart-map"' in made.page


def test_a_photo_from_before_is_left_as_it_is(world: World) -> None:
    """What went bad later is shown as good, and not repaired, in earlier photos."""
    world.save_map(periods=(Period(datetime(2040, 1, 1), datetime(2040, 1, 2)),))
    text = make_report(world.catalog, world.sensor).page.decode()
    assert '<li class="good">' in text and '<li class="bad">' not in text
    assert "<figcaption>repaired</figcaption>" not in text


def test_repaired_photos_are_known(world: World) -> None:
    """Photos that were repaired with this map need none; originals kept elsewhere still give pictures."""
    before = make_report(world.catalog, world.sensor)
    world.fix(in_place=True)
    after = make_report(world.catalog, world.sensor)
    assert "4 of 4 photos show a defect" in before.page.decode()
    assert "0 of 4 photos show a defect" in after.page.decode()
    assert "4 photos were repaired with this map" in after.page.decode()
    assert after.opened == before.opened == 4


def test_names_are_escaped(world: World) -> None:
    """A nickname that looks like HTML is text, and makes a harmless file name."""
    sensor = replace(world.sensor, nickname="</title><script>alert(1)</script>/../x")
    made = make_report(world.catalog, sensor, photos=0)
    assert b"<script>alert" not in made.page and b"&lt;script&gt;alert(1)" in made.page
    assert made.name == "title-script-alert-1-script-..-x.html"


def test_evidence_of_another_version_has_no_scores(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A map that an older program made is shown, without the scores that this one cannot read."""
    with_scores = make_report(world.catalog, world.sensor, photos=0).page
    monkeypatch.setattr("defectmap.report.METHOD", 99)
    without = make_report(world.catalog, world.sensor, photos=0).page
    assert b'id="scores"' in with_scores and b'id="scores"' not in without


def test_serial_numbers_can_be_left_out(world: World) -> None:
    """An anonymous report names the model alone, in the page and in its own name."""
    known = replace(world.sensor, nickname="Ann's")
    made = make_report(world.catalog, known, anonymous=True)
    assert made.name == "NIKON-D80.html"
    assert b"3012345" not in made.page and b"Ann" not in made.page and b"NIKON D80" in made.page


def test_files_are_not_overwritten_unasked(world: World, tmp_path: Path) -> None:
    """A file is replaced only if it was named; it is whole or not there."""
    made = make_report(world.catalog, world.sensor, photos=0)
    target = write_report(made, tmp_path)
    assert target == tmp_path / made.name and target.read_bytes() == made.page
    with pytest.raises(UsageError, match="already there: name it with --output"):
        write_report(made, tmp_path)
    target.write_bytes(b"old")
    assert write_report(made, target) == target and target.read_bytes() == made.page
    target.write_bytes(b"")
    with pytest.raises(DefectmapError, match="the report cannot be written"):
        write_report(made, target / "below" / "a file.html")
    assert sorted(path.name for path in tmp_path.iterdir()).count(made.name) == 1


def test_a_camera_without_a_map_has_no_report(world: World) -> None:
    """The next step is said."""
    (stream,) = (s for s in world.catalog.sensors.streams(world.sensor.id) if s.grid.kind == "jpeg")
    latest = world.catalog.revisions.latest(world.sensor.id)
    assert latest is not None
    maps = {number: found for number, found in latest.maps.items() if number != stream.id}
    world.catalog.revisions.save(world.sensor.id, replace(latest.content, maps=maps))
    with pytest.raises(DefectmapError, match="run `defectmap detect`"):
        make_report(world.catalog, world.sensor, grid="jpeg")

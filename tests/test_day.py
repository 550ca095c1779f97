"""Each photo is repaired with the map that was true on its day."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from defectmap.fix import carry_out, plan
from defectmap.model.choosing import surely_bad
from defectmap.model.defects import Period

from .fixing import NOW, PLANTED, World

SITES = tuple((d.row, d.col) for d in PLANTED)


def redated(world: World, name: str, text: str) -> Path:
    """Write a copy of a photo with other dates, which the catalog does not have."""
    source = world.photos / name
    frames = [
        frame
        for stream in world.catalog.sensors.streams(world.sensor.id)
        for frame in world.catalog.frames.of_stream(stream.id)
        if frame.name == name
    ]
    captured = frames[0].conditions.captured
    assert captured is not None
    data = source.read_bytes()
    stamp = captured.strftime("%Y:%m:%d %H:%M:%S").encode()
    assert stamp in data
    path = world.photos / "redated" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data.replace(stamp, text.encode()))
    return path


@pytest.mark.parametrize(
    ("name", "date", "reason"),
    [
        ("DSC_0002.NEF", "0000:00:00 00:00:00", "has no date: only defects that it shows itself"),
        ("DSC_0002.JPG", "0000:00:00 00:00:00", "has no date: only defects that it shows itself"),
        ("DSC_0001.NEF", "2008:01:01 00:00:00", "was taken before the first photo that the map rests on"),
        ("DSC_0003.NEF", "2005:01:01 00:00:00", "has a date that cannot be right, 2005-01-01"),
        ("DSC_0001.NEF", "1980:01:01 00:00:00", "has a date that cannot be right, 1980-01-01"),
    ],
)
def test_a_photo_whose_day_says_nothing(world: World, name: str, date: str, reason: str) -> None:
    """All sites that were ever bad are looked at, by its own evidence alone; plan and repair say so."""
    path = redated(world, name, date)
    made = plan(world.catalog, [], [path])
    (step,) = made.steps
    assert (step.repair.status, step.repair.repaired) == ("planned", SITES)
    assert step.repair.reason.startswith(reason)
    assert step.task is not None
    assert not any(surely_bad(d, step.task.conditions.captured) for d in step.task.defects)
    (repair,) = carry_out(world.catalog, made, now=NOW)
    assert repair.status == "repaired"
    assert repair.reason.startswith(reason)


@pytest.mark.parametrize(
    ("period", "planned", "sure"),
    [
        (Period(datetime(2010, 4, 1), datetime(2010, 4, 20)), True, True),
        (Period(datetime(2010, 4, 1), datetime(2012, 1, 1)), True, False),
        (Period(datetime(2012, 1, 1), datetime(2012, 2, 1)), False, False),
        (Period(last_bad=datetime(2009, 1, 1), first_good=datetime(2009, 2, 1)), False, False),
        (Period(last_bad=datetime(2010, 4, 1), first_good=datetime(2012, 2, 1)), True, False),
    ],
)
def test_the_day_against_the_period(world: World, period: Period, planned: bool, sure: bool) -> None:
    """Nothing before onset or after healing; in between surely; inside the intervals as the photo shows."""
    world.save_map(periods=(period,))
    for name in ("DSC_0001.NEF", "DSC_0001.JPG"):
        (step,) = plan(world.catalog, [], [world.photos / name]).steps
        assert step.repair.status == ("planned" if planned else "clean")
        if step.task is not None:
            assert step.repair.reason == ""
            assert {surely_bad(d, step.task.conditions.captured) for d in step.task.defects} == {sure}


def test_between_two_periods(world: World) -> None:
    """A site that was bad, good for a while and bad again is left alone in that while."""
    first = Period(last_bad=datetime(2010, 1, 1), first_good=datetime(2010, 2, 1))
    world.save_map(periods=(first, Period(datetime(2012, 1, 1), datetime(2012, 2, 1))))
    (repair,) = plan(world.catalog, [], [world.photos / "DSC_0001.NEF"]).repairs
    assert repair.status == "clean"

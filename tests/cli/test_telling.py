"""The life of a sensor, and why a site is on its map, as people and scripts read it."""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from defectmap.catalog.records import FrameRecord, RevisionRecord
from defectmap.catalog.store import open_catalog
from defectmap.cli import main
from defectmap.model.defects import Defect, DefectMap, Kind, Period
from defectmap.model.frame import Conditions
from defectmap.model.prediction import SIGHTING
from defectmap.model.sensor import Grid, SensorIdentity
from defectmap.simulation import TWELVE_BIT, Habits, PlantedDefect, SimulatedCamera
from defectmap.simulation.files import write_shoot

from .conftest import PLANTED, SHOTS, Call

SERVICE = datetime(2010, 8, 1)
LATE = PlantedDefect(70, 100, Kind.BRIGHT, "strong", gain=2.5, onset=datetime(2010, 6, 10))
SERVICED = tuple(
    PlantedDefect(10 + 9 * i, 12 + 7 * i, Kind.STUCK, "strong", level=0.9, healed=SERVICE) for i in range(7)
)


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos and catalog of a camera that had one site go bad and seven mapped out by a service."""
    folder = tmp_path_factory.mktemp("life")
    camera = SimulatedCamera(
        seed=3,
        height=96,
        width=128,
        start=datetime(2010, 5, 1, 12),
        days=150,
        electronics=TWELVE_BIT,
        habits=Habits(tripod_share=0.0, isos=(100, 200), exposures_s=((1 / 200, 1 / 50, 1.0),)),
        defects=(PLANTED[0], LATE, *SERVICED),
    )
    write_shoot(camera, folder / "photos", 36, ("nef",), compressions=("packed",))
    catalog = folder / "catalog.sqlite"
    assert main(["--catalog", str(catalog), "-q", "ingest", str(folder / "photos"), "--workers", "1"]) == 0
    return folder


@pytest.fixture
def tell(call: Call, life: Path, tmp_path: Path) -> Call:
    """Call the command line with the catalog of that camera."""
    shutil.copyfile(life / "catalog.sqlite", tmp_path / "catalog.sqlite")
    return call


def test_history_in_json(tell: Call) -> None:
    """Onset, remap and growth are told with every promised key, and hold the truth."""
    told = tell("history", "--json").json
    assert set(told) == {
        "camera",
        "revision",
        "grid",
        "width",
        "height",
        "events",
        "growth",
        "contradictions",
    }
    assert [event["event"] for event in told["events"]] == ["onset", "remap"]
    onset, remap = told["events"]
    assert set(onset) == {
        *("event", "after", "before", "likely", "confidence", "chance", "of", "sites", "structures")
    }
    assert [(site["row"], site["col"]) for site in onset["sites"]] == [(LATE.row, LATE.col)]
    assert onset["after"] < str(LATE.onset.isoformat()) <= onset["before"]
    assert {(s["row"], s["col"]) for s in remap["sites"]} == {(p.row, p.col) for p in SERVICED}
    assert remap["after"] < SERVICE.isoformat() <= remap["before"]
    assert (remap["of"], remap["chance"] < 0.001) == (9, True)
    (year,) = told["growth"]["years"]
    assert [year["year"], *(sum(year[what].values()) for what in ("onsets", "healings"))] == [2010, 1, 7]
    assert year["bad"] == 2
    rate = told["growth"]["rates"][0]
    assert (rate["kind"], rate["before"], rate["onsets"]) == ("all", 8, 1)
    assert rate["low"] < rate["per_year"] < rate["high"]
    assert told["contradictions"] == []


def test_history_in_words(tell: Call) -> None:
    """In a pipe the history is plain text: a line per site, the remap, the table of years and the rates."""
    result = tell("history")
    lines = result.out.splitlines()
    assert sum("remapped" in line for line in lines) == 8
    assert any("7 sites of 9 that were bad came back together" in line for line in lines)
    assert any(line.startswith("2010") and "%" in line for line in lines)
    assert any(line.startswith("all: ") and "a year" in line for line in lines)
    assert "next: defectmap explain" in result.err


def test_explain_in_json(tell: Call) -> None:
    """A defect, a good site and the border are told apart, with the figures and the photos."""
    bad = tell("explain", f"{LATE.row},{LATE.col}", "--json").json
    assert (bad["verdict"], bad["colour"], bad["defect"]["row"]) == ("defect", "R", LATE.row)
    assert bad["shown"] <= bad["photos"] == 36
    assert bad["shown_as_expected"] <= bad["expected"] < 36
    assert bad["first"]["name"].endswith(".NEF") and bad["first"]["captured"] >= "2010-06-10"
    (part,) = bad["scores"]
    assert part["decisive"] >= part["asked"] > part["suspected"] > 4
    assert set(part["scores"]) == {"level", "dose", "offset", "light", "votes", "ties"}
    good = tell("explain", "50,50", "--json").json
    assert (good["verdict"], good["defect"], good["expected"]) == ("good", None, 0)
    assert good["scores"][0]["decisive"] < good["scores"][0]["suspected"]
    beside = tell("explain", f"{LATE.row + 1},{LATE.col}", "--json").json
    assert beside["near"] == [LATE.row, LATE.col]
    border = tell("explain", "98,131", "--json").json
    assert (border["verdict"], border["scores"]) == ("good", [])


def test_explain_in_words(tell: Call) -> None:
    """The words name kind, figures, photos and dates."""
    text = tell("explain", f"{PLANTED[0].row},{PLANTED[0].col}").out
    assert "is a defect" in text and "stuck: reads the same whatever the light" in text
    assert "asked of a defect" in text
    assert "it stood out by itself in 36 of 36 photos, first in DSC_0001.NEF (2010-05-01)" in text
    assert "bad from the first photo on, and still is" in text
    assert "went bad between 2010-" in tell("explain", f"{LATE.row},{LATE.col}").out
    assert "came back between 2010-0" in tell("explain", f"{SERVICED[2].row},{SERVICED[2].col}").out
    assert "is not on the map" in tell("explain", "50,50").out


def test_explain_a_jpeg(known: Call) -> None:
    """In a JPEG all three planes are told."""
    told = known("explain", "20,24", "--grid", "jpeg", "--json").json
    assert [part["plane"] for part in told["scores"]] == ["luma", "blue", "red"]
    assert (told["verdict"], told["photos"], told["colour"]) == ("defect", SHOTS, None)


@pytest.mark.parametrize(
    ("site", "words"), [("7", "row and column"), ("99,3", "rows end at 98"), ("x,y", "row")]
)
def test_places_that_are_none(known: Call, site: str, words: str) -> None:
    """What is no place, or beyond the grid, is a slip that is explained."""
    result = known("explain", site)
    assert (result.code, words in result.err) == (2, True)


@pytest.mark.parametrize("day", ["2010-05-20", "2010-07-10", "2010-09-10"])
def test_four_commands_tell_the_same_of_a_day(tell: Call, life: Path, day: str) -> None:
    """`defects --at`, `history`, `explain` and `fix --dry-run` agree on what was bad on a day."""
    catalogued = tell("defects", "--json").json["defects"]
    sites = {(d["row"], d["col"]) for d in catalogued}
    photos = sorted((life / "photos").glob("*.NEF"))
    plans = {plan["source"]: plan for plan in tell("fix", *photos, "--dry-run", "--json").json}
    with open_catalog(life / "catalog.sqlite", read_only=True) as catalog:
        (stream,) = catalog.sensors.streams()
        frames = catalog.frames.of_stream(stream.id)
        captured = {f.name: f.conditions.captured for f in frames if f.conditions.captured}
    name = min(captured, key=lambda n: abs(captured[n] - datetime.fromisoformat(day)))
    moment = captured[name].isoformat()
    listed = {(d["row"], d["col"]) for d in tell("defects", "--at", moment, "--json").json["defects"]}
    planned = next(plan for source, plan in plans.items() if source.endswith(name))
    assert {tuple(site) for site in planned["repaired"]} == listed
    bad = set(sites)
    for event in tell("history", "--json").json["events"]:
        mine = {(s["row"], s["col"]) for s in event["sites"]}
        if event["event"] == "onset" and moment <= event["after"]:
            bad -= mine
        if event["event"] != "onset" and moment >= event["before"]:
            bad -= mine
    assert bad == listed
    explained = set()
    for row, col in sites:
        periods = tell("explain", f"{row},{col}", "--json").json["defect"]["periods"]
        if any(
            (p["last_good"] is None or moment > p["last_good"])
            and (p["first_good"] is None or moment < p["first_good"])
            for p in periods
        ):
            explained.add((row, col))
    assert explained == listed


def test_a_reset_clock_is_told(call: Call, tmp_path: Path) -> None:
    """Photos whose clock the shutter count contradicts date nothing; `history` and `cameras` tell them."""
    grid = Grid("raw", 99, 132)
    start = datetime(2015, 3, 1)
    with open_catalog(tmp_path / "catalog.sqlite", create=True) as catalog:
        sensor = catalog.sensors.sensor(SensorIdentity("NIKON CORPORATION", "NIKON D80", "1"))
        stream = catalog.sensors.stream(sensor.id, grid, None, method=1)
        for number in range(40):
            when = datetime(2006, 1, 1, number) if 10 <= number < 14 else start + timedelta(number)
            conditions = Conditions(when, shutter_count=500 + number)
            signature = np.random.default_rng(number).integers(-99, 99, 256, np.int8).tobytes()
            record = FrameRecord(bytes([number]) * 32, f"DSC_{number:04d}.NEF", conditions, signature)
            catalog.frames.add(stream.id, record, np.empty(0, SIGHTING))
        site = Defect(3, 4, Kind.HOT, "R", 1.0, "DN/s at ISO 100", 9.0, 5, 5, periods=(Period(start),))
        maps = {stream.id: DefectMap(grid, (site,))}
        catalog.revisions.save(sensor.id, RevisionRecord(maps, start, "0", 1, 40, 40))
    (one,) = call("history", "--json").json["contradictions"]
    assert one == {
        "reason": "clock",
        "photos": 4,
        "names": ["DSC_0010.NEF", "DSC_0013.NEF"],
        "first": "2006-01-01T10:00:00",
        "last": "2006-01-01T13:00:00",
        "after": "2015-03-10T00:00:00",
        "before": "2015-03-15T00:00:00",
    }
    (camera,) = call("cameras", "--json").json
    assert camera["contradictions"] == [one]
    assert camera["streams"][0]["first"] == "2015-03-01T00:00:00"
    assert "the shutter count says after 2015-03-10 and before 2015-03-15" in call("history").err
    assert "DSC_0010.NEF to DSC_0013.NEF" in call("cameras").err


def test_an_hour_of_photos_tells_no_rate(call: Call, life: Path, tmp_path: Path) -> None:
    """Of photos that span less than a month no defects per year are told in words."""
    folder = tmp_path / "hour"
    folder.mkdir()
    for photo in sorted((life / "photos").glob("*"))[:5]:
        shutil.copyfile(photo, folder / photo.name)
    call("ingest", str(folder), "--workers", "1")
    out = call("history").out
    assert "too short a time" in out
    assert "a year" not in out

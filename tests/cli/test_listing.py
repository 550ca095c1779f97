"""What the catalog is asked: the JSON that scripts depend on, and what people read."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from defectmap.catalog.records import RevisionRecord
from defectmap.catalog.store import open_catalog
from defectmap.model.defects import DefectMap, Structure, StructureKind
from defectmap.model.sensor import Grid as MapGrid
from defectmap.model.sensor import SensorIdentity
from defectmap.simulation.files import write_shoot

from .conftest import PLANTED, SHOTS, Call, camera


def test_cameras_in_json(known: Call) -> None:
    """Every promised key is there, and the figures are those of the shoot."""
    (found,) = known("cameras", "--json").json
    assert {key: found[key] for key in ("camera", "make", "model", "serial")} == {
        "camera": "NIKON D80 3012345",
        "make": "NIKON CORPORATION",
        "model": "NIKON D80",
        "serial": "3012345",
    }
    raw = next(stream for stream in found["streams"] if stream["kind"] == "raw")
    assert (raw["width"], raw["height"], raw["frames"], raw["scenes"]) == (132, 99, SHOTS, SHOTS)
    assert raw["first"].startswith("2010-05-") and "T" in raw["first"] and raw["last"] > raw["first"]
    assert found["defects"] == sum(stream["defects"] for stream in found["streams"])
    assert isinstance(found["suspects"], int)


def test_defects_in_json(known: Call) -> None:
    """The planted sites are listed with every promised key; times are ISO 8601 or null."""
    document = known("defects", "--json").json
    assert {k: v for k, v in document.items() if k not in {"defects", "registrations"}} == {
        "camera": "NIKON D80 3012345",
        "revision": 1,
        "grid": "raw",
        "width": 132,
        "height": 99,
        "structures": [],
    }
    assert [(d["row"], d["col"]) for d in document["defects"]] == [(p.row, p.col) for p in PLANTED]
    assert set(document["defects"][0]) == {
        *("row", "col", "kind", "colour", "strength", "unit", "confidence", "frames_seen", "scenes"),
        *("last_good", "first_bad", "last_bad", "first_good", "periods", "origin", "visible"),
    }
    assert [d["visible"] for d in document["defects"]] == ["in every photo"] * 3, document["defects"]
    bright = document["defects"][2]
    assert bright["last_good"] < "2010-06-20" < bright["first_bad"]
    assert bright["first_good"] is None


def test_structures_are_listed(call: Call, tmp_path: Path) -> None:
    """Lines and lattices stand in a table of their own and in the JSON, those of the asked day alone."""
    grid = MapGrid("raw", 99, 132)
    column = Structure(
        StructureKind.COLUMN, 10, 40, 90, 41, (2, 1), strength=7.5, last_good=datetime(2010, 6, 1)
    )
    lattice = Structure(StructureKind.LATTICE, 4, 8, 77, 93, (24, 12), ((0, 0), (4, 4)), 12.0, -1)
    with open_catalog(tmp_path / "catalog.sqlite", create=True) as catalog:
        sensor = catalog.sensors.sensor(SensorIdentity("NIKON CORPORATION", "NIKON D80", "1"))
        stream = catalog.sensors.stream(sensor.id, grid, None, method=1)
        maps = {stream.id: DefectMap(grid, (), (column, lattice))}
        catalog.revisions.save(sensor.id, RevisionRecord(maps, datetime(2020, 1, 1), "0", 1, 7, 7))

    first, second = call("defects", "--json").json["structures"]
    assert first == {
        "kind": "column",
        "rows": [10, 89],
        "cols": [40, 40],
        "period": [2, 1],
        "offsets": [[0, 0]],
        "sites": 40,
        "sign": 1,
        "strength": 7.5,
        "last_good": "2010-06-01T00:00:00",
        **dict.fromkeys(("first_bad", "last_bad", "first_good")),
    }
    assert (second["kind"], second["sign"], second["sites"]) == ("lattice", -1, len(lattice))
    early = call("defects", "--json", "--at", "2010-05-01").json["structures"]
    assert [one["kind"] for one in early] == ["lattice"]
    lines = call("defects").out.splitlines()
    assert any("column" in line and "10 to 89" in line and "2 x 1" in line for line in lines)


def test_defects_at_a_day(known: Call) -> None:
    """Before a site went bad it is not on the map of that day."""
    assert len(known("defects", "--json", "--at", "2010-05-15").json["defects"]) == 2
    assert len(known("defects", "--json", "--at", "2010-08-01").json["defects"]) == 3
    assert known("defects", "--at", "yesterday").code == 2


def test_defects_of_a_grid(known: Call) -> None:
    """--grid chooses among raw and JPEG, with or without the size."""
    assert known("defects", "--json", "--grid", "jpeg").json["width"] == 128
    assert known("defects", "--json", "--grid", "JPEG:128x96").json["grid"] == "jpeg"
    wrong = known("defects", "--grid", "jpeg:1x1")
    assert wrong.code == 2 and "raw:132x99" in wrong.err
    assert known("defects", "--grid", "film").code == 2


@pytest.mark.parametrize(
    "wrong", ["2020", "20200101", "2020-01", "1577836800", "2020-W01-1", "2020-01-01x", "2021-02-30", ""]
)
def test_a_moment_that_is_no_day_is_a_usage_error(known: Call, wrong: str) -> None:
    """A year, a number or a day that never was: exit code 2, and the form that is wanted."""
    result = known("defects", "--at", wrong)
    assert (result.code, result.out) == (2, "")
    assert "2021-05-30T18:00:00" in result.err and result.err.count("\n") == 1


@pytest.mark.parametrize("zone", ["Z", "+02:00"])
def test_a_time_zone_is_refused(known: Call, zone: str) -> None:
    """Photos carry the camera's clock, so a time zone means nothing: exit code 2, a sentence."""
    result = known("defects", "--at", f"2020-01-01T00:00:00{zone}")
    assert (result.code, result.out) == (2, "")
    assert "the camera's clock" in result.err


def test_a_moment_with_a_time(known: Call) -> None:
    """A time of day may follow the day, after a T or a space."""
    for moment in ("2010-08-01T18:00", "2010-08-01 18:00:00"):
        assert len(known("defects", "--json", "--at", moment).json["defects"]) == 3


def test_suspects_in_json(known: Call) -> None:
    """--suspects adds a list of its own name; the defects stay what they are."""
    document = known("defects", "--suspects", "--json").json
    assert document["defects"] == known("defects", "--json").json["defects"]
    assert all("missing" in suspect for suspect in document["suspects"])
    assert not any("missing" in defect for defect in document["defects"])


def test_detect_in_json(known: Call) -> None:
    """The same evidence makes no second revision."""
    (document,) = known("detect", "--json").json
    assert set(document) >= {"camera", "revision", "defects", "suspects", "frames"}
    assert (document["revision"], document["frames"]) == (1, 2 * SHOTS)


def test_variance_in_json(known: Call) -> None:
    """The stuck site varies less than its healthy neighbours, and the list begins with the lowest."""
    sites = known("variance", "--top", "3", "--json").json
    assert set(sites[0]) >= {"row", "col", "channel", "variance", "mean"}
    green = [site["variance"] for site in sites if site["channel"] == "G"]
    assert len(green) == 3 and green == sorted(green)
    assert (20, 24) in {(site["row"], site["col"]) for site in sites}


def test_two_cameras_of_one_model_must_be_told_apart(known: Call, tmp_path: Path) -> None:
    """A text that may mean several cameras is a usage error that lists them; the serial number tells."""
    write_shoot(camera(seed=2, serial="7777777"), tmp_path / "other", 2, compressions=("packed",))
    assert known("ingest", tmp_path / "other").code == 0
    for wrong in (("--camera", "d80"), ()):
        result = known("defects", *wrong)
        assert (result.code, result.out) == (2, "")
        assert "3012345" in result.err and "7777777" in result.err
    assert known("defects", "--camera", "77777", "--json").json["camera"] == "NIKON D80 7777777"
    nobody = known("defects", "--camera", "leica")
    assert nobody.code == 2 and "there is NIKON D80 3012345" in nobody.err


@pytest.mark.parametrize("empty", ["", " "])
def test_an_empty_option_is_a_usage_error(known: Call, empty: str) -> None:
    """An empty --camera or --catalog means nothing: exit code 2, and what to say instead."""
    for command in ("defects", "detect", "variance", "fix", "undo"):
        result = known(command, "--camera", empty)
        assert (result.code, result.out) == (2, "")
        assert "serial number, model or nickname" in result.err
    for wrong in (("cameras", "--catalog", empty), (f"--catalog={empty}", "cameras")):
        result = known(*wrong)
        assert (result.code, result.out) == (2, "")
        assert "name a file" in result.err


@pytest.mark.parametrize("command", ["cameras", "detect", "defects", "variance", "fix", "check", "upgrade"])
def test_without_a_catalog_the_first_step_is_named(call: Call, command: str, tmp_path: Path) -> None:
    """Exit code 4 and what to do; no file is made."""
    result = call(command)
    assert (result.code, result.out) == (4, "")
    assert "run `defectmap ingest PATH` first" in result.err
    assert not list(tmp_path.iterdir())


def test_the_hints_carry_a_catalog_that_was_named(call: Call, ready: Path) -> None:
    """What is suggested can be pasted: it names the same catalog."""
    assert f"defectmap --catalog {ready} defects" in call("--catalog", ready, "cameras").err


def test_quiet_says_results_only(known: Call) -> None:
    """With -q, before or after the command, stderr stays empty."""
    for arguments in (("-q", "defects"), ("defects", "-q")):
        result = known(*arguments)
        assert result.out and not result.err

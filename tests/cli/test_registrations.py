"""What the command line says of grids that lie in one frame."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from defectmap.model.frame import RawFrame
from defectmap.model.registration import Attempt
from defectmap.model.sensor import Grid
from defectmap.simulation.files import write_shoot

from .conftest import PLANTED, Call, camera

SENTENCE = "raw and JPEG lie in one frame: JPEG = raw - (2, 4), "


def test_registered_grids_are_reported(call: Call, tmp_path: Path) -> None:
    """`detect` and `defects` say in one sentence where the JPEG lies, and in JSON how sure that is."""
    body = replace(camera(), jpeg_crop=(2, 4, 2, 0))
    write_shoot(body, tmp_path / "raws", 12, ("nef",), preview=True)
    assert call("ingest", tmp_path / "raws", "--no-detect").code == 0
    result = call("detect")
    assert SENTENCE in " ".join(result.err.split())
    (entry,) = call("detect", "--json").json[0]["registrations"]
    assert (entry["registered"], entry["row"], entry["col"], entry["scale"]) == (True, 2.0, 4.0, 1.0)
    assert entry["chance"] < 1e-4

    assert SENTENCE in " ".join(call("defects", "--grid", "jpeg").err.split())
    assert "raw:132x99" in call("defects", "--grid", "jpeg").out
    document = call("defects", "--grid", "jpeg", "--json").json
    assert document["registrations"] == [entry]
    bad_all_along = {(p.row - 2, p.col - 4) for p in PLANTED[:2]}
    assert bad_all_along <= {(d["row"], d["col"]) for d in document["defects"]}
    assert {d["origin"] for d in document["defects"]} == {"raw:132x99"}
    assert {d["origin"] for d in call("defects", "--grid", "raw", "--json").json["defects"]} == {None}


def test_grids_that_stay_apart_are_reported(call: Call, tmp_path: Path) -> None:
    """Where it is not sure that raw and JPEG lie in one frame, the reason is said."""
    write_shoot(camera(), tmp_path / "photos", 12, ("nef", "jpeg"))
    assert call("ingest", tmp_path / "photos", "--no-detect").code == 0
    said = " ".join(call("detect").err.split())
    assert "whether raw and JPEG 128x96 lie in one frame is not sure: " in said
    assert "are needed" in said
    (entry,) = call("defects", "--json").json["registrations"]
    assert entry["registered"] is False
    assert entry["reason"] in said
    assert entry["reason"] in " ".join(call("cameras").err.split())
    assert call("cameras", "--json").json[0]["registrations"] == [entry]


def test_previews_that_do_not_tell_are_heard_of(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With -v, ingest says why the preview of a raw file does not tell where JPEGs lie."""

    def refuse(frame: RawFrame, luma: NDArray[np.uint8]) -> Attempt:
        return Attempt(frame.grid, Grid("jpeg", *luma.shape), None, "4 of 9 parts of the preview agree")

    monkeypatch.setattr("defectmap.model.preview.register_preview", refuse)
    write_shoot(camera(), tmp_path / "photos", 3, ("nef",), preview=True)
    said = " ".join(call("-v", "ingest", tmp_path / "photos").err.split())
    assert "does not tell where the camera's JPEGs lie on the raw frame: 4 of 9 parts" in said

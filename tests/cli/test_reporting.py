"""``report``."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Call


def test_report_writes_one_file(known: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file goes where it is asked for, else into the working folder, which replaces none."""
    monkeypatch.chdir(tmp_path)
    result = known("report", "--camera", "d80", "-o", "d80.html", "--photos", "2")
    assert (result.code, result.err) == (0, "")
    assert "pictures from 2 photos" in result.out and "d80.html" in result.out
    text = (tmp_path / "d80.html").read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>") and "NIKON D80 3012345" in text
    assert known("report", "--photos", "0").code == 0
    assert (tmp_path / "NIKON-D80-3012345.html").exists()
    again = known("report", "--photos", "0")
    assert (again.code, again.out) == (2, "") and "already there" in again.err


def test_report_names_what_is_wrong(known: Call) -> None:
    """Cameras and grids that are not there are told with those that are."""
    assert "no camera is called" in known("report", "--camera", "leica").err
    assert known("report", "--grid", "jpeg:3x3").code == 2

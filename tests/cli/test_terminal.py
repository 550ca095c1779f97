"""What is written to a terminal of any width."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from defectmap.cli.terminal import Terminal

HEADINGS = ("photo", "kind", "strength", "frames", "span")
ROWS = [
    ("/home/me/Pictures/2021/DSC_0001.NEF", "bright", 127.39, 1234567, "since 2020-09-21"),
    ("/home/me/Pictures/2021/a longer name than that.NEF", "hot", 25474.0, 1, "always"),
]


def _shown(width: int) -> str:
    out = Console(
        file=io.StringIO(), width=width, force_terminal=True, color_system=None, soft_wrap=True, markup=False
    )
    Terminal(out, out).table(HEADINGS, ROWS)
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue()


@given(st.integers(1, 200))
def test_no_width_of_terminal_cuts_anything(width: int) -> None:
    """Whatever the width, every character of the headings and cells is there."""
    ink = sorted(
        "".join(HEADINGS) + "".join(f"{c:.5g}" if isinstance(c, float) else str(c) for r in ROWS for c in r)
    )
    assert sorted(c for c in _shown(width) if not c.isspace() and c not in "─") == [
        c for c in ink if c != " "
    ]


@given(st.integers(1, 200))
def test_numbers_are_never_folded(width: int) -> None:
    """A number stands in one piece at every width."""
    words = _shown(width).split()
    assert {"127.39", "25474", "1234567", "1"} <= set(words)


@pytest.mark.parametrize("width", [24, 40])
def test_a_narrow_terminal_gets_plain_columns(width: int) -> None:
    """Where a ruled table has no room there are plain columns, one line to a row."""
    lines = _shown(width).splitlines()
    assert len(lines) == 3
    assert lines[1].split() == [
        "/home/me/Pictures/2021/DSC_0001.NEF",
        "bright",
        "127.39",
        "1234567",
        "since",
        "2020-09-21",
    ]


def test_a_wide_terminal_gets_a_ruled_table() -> None:
    """With room the headings are ruled off, and nothing is folded."""
    lines = [line for line in _shown(160).splitlines() if line.strip()]
    assert len(lines) == 4 and "─" in lines[1]


@pytest.mark.parametrize(
    ("reason", "common"),
    [
        ("is a repaired copy of {}", "is a repaired copy of ..."),
        ("is a repaired copy of {}, which counts instead", "is a repaired copy of ..., which counts instead"),
        ("was repaired with revision 1 already: {}", "was repaired with revision 1 already"),
        (
            "would be written to the same file as {}: name it alone, with another --output",
            "would be written to the same file as ...: name it alone, with another --output",
        ),
        (
            "was changed since, but was taken as {}, which was repaired and counts instead",
            "was changed since, but was taken as ..., which was repaired and counts instead",
        ),
    ],
)
@pytest.mark.parametrize("folder", ["/home/me/My photos, 2021", "C:\\Photos of me"])
def test_reasons_that_differ_in_a_path_are_one(reason: str, common: str, folder: str) -> None:
    """A hundred files with one reason each, but for a path in it, take one line; with -v a line each."""
    troubles = [(Path(f"{n}.NEF"), reason.format(f"{folder}/{n}.NEF")) for n in range(100)]
    lines = []
    for verbose in (False, True):
        err = Console(file=io.StringIO(), width=80, soft_wrap=True, markup=False)
        Terminal(err, err, verbose=verbose).troubles(troubles)
        assert isinstance(err.file, io.StringIO)
        lines.append(err.file.getvalue().splitlines())
    assert lines[0] == [f"100 files: {common} (the first is 0.NEF; -v lists them all)"]
    assert lines[1] == [f"{path} {reason}" for path, reason in troubles]


@pytest.mark.parametrize("width", [80, 100, 200])
def test_tables_keep_to_a_hundred_columns(width: int) -> None:
    """However wide the terminal, words are folded before a table becomes wider than 100 columns."""
    out = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None, markup=False)
    Terminal(out, out).table(("n", *"abcd"), [(1, *("many words of little weight " * 2,) * 4)])
    assert isinstance(out.file, io.StringIO)
    lines = [line.rstrip() for line in out.file.getvalue().splitlines()]
    assert max(map(len, lines)) <= min(width, 100)

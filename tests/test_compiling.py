"""Compiling is noticed, and what is compiled already is not."""

from __future__ import annotations

from contextlib import nullcontext
from io import StringIO

import numba
import pytest
from rich.console import Console

from defectmap import crew
from defectmap.cli.terminal import Terminal
from defectmap.compiling import compiling_noticed
from defectmap.crew import Crew, Task
from defectmap.ingest import COMPILING
from defectmap.measuring import Measurement

from .test_crew import identified


def test_compiling_is_noticed_once():
    """A function that calls another is noticed as one, when it is compiled, and never again."""

    @numba.njit
    def inner(x):
        return x + 1

    @numba.njit
    def outer(x):
        return inner(x) * 2

    noticed: list[bool] = []
    with compiling_noticed(noticed.append):
        assert outer(1) == 4
        assert outer(2) == 6
    assert noticed == [True, False]
    outer(1.5)
    assert noticed == [True, False]


def compiling(photos, newest, folder, tick):
    """Compile something instead of measuring."""
    numba.njit(lambda x: x)(1)
    tick()
    return Measurement()


def test_one_worker_tells_that_it_compiles(library, monkeypatch: pytest.MonkeyPatch):
    """Where photos are measured in this process, compiling is told before the photo is counted."""
    monkeypatch.setattr(crew, "measure", compiling)
    told: list[str] = []
    with Crew(1, lambda: told.append("compiling")) as one:
        list(one.measure([Task(identified(library)[:1], 0)], lambda done: told.append(str(done))))
    assert told == ["compiling", "1"]


def test_workers_tell_that_they_compile(library, tmp_path, monkeypatch: pytest.MonkeyPatch):
    """A worker counts itself among those that compile as long as it does; meanwhile that is what is told."""
    counts: list[int] = []

    class Counter:
        """Shared memory that remembers."""

        count = 0

        def get_lock(self):
            return nullcontext()

        @property
        def value(self):
            return self.count

        @value.setter
        def value(self, count):
            counts.append(count)
            self.count = count

    monkeypatch.setattr(crew, "_compiling", Counter())
    monkeypatch.setattr(crew, "measure", compiling)
    crew.measure_apart(Task(identified(library)[:1], 0), tmp_path)
    assert counts == [1, 0]

    monkeypatch.undo()
    told: list[str] = []
    photos = identified(library)[:2]
    with Crew(2, lambda: told.append("compiling")) as two:
        two._compiling.value = 1
        measured = two.measure([Task([photo], 0) for photo in photos], lambda done: told.append(str(done)))
        assert len(list(measured)) == 2
    assert set(told) == {"compiling"}


def test_the_progress_line_tells_of_compiling(monkeypatch: pytest.MonkeyPatch):
    """The line says what is being done now, also where that has no known end, and then what was before."""
    monkeypatch.setattr("defectmap.cli.terminal._PATIENCE_S", -1.0)
    console = Console(file=StringIO(), force_terminal=True, no_color=True, width=120)
    with Terminal(console, console).progress() as report:
        for what, done, total in (("Measuring", 1, 9), (COMPILING, 0, 0), ("Measuring", 2, 9)):
            report(what, done, total)
    first, _, rest = console.file.getvalue().partition(COMPILING)
    assert "Measuring" in first
    assert "1/9" in first
    between, _, last = rest.rpartition("Measuring")
    assert "0/?" in between
    assert "2/9" in last
    assert COMPILING not in last

"""Where words go: results to stdout, talk to stderr, and nothing but one document with ``--json``."""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from defectmap.errors import DefectmapError

if TYPE_CHECKING:
    from rich.console import Console

Report = Callable[[str, int, int], None]
"""Told what is being done, how many of it are done, and of how many; 0 where that is not known."""

_PATIENCE_S = 1.0
"""Work that is over by then shows no progress bar."""

_FOLDED = 10
"""A column of words is not made narrower than this: a date fits."""

_WIDEST = 100
"""Tables are not made wider than this while words can be folded: longer lines are hard to follow."""

_GAP = 2
"""Columns between those of a ruled table, which begins and ends with one of them."""

_EXAMPLES = 3
"""So many files are named for each reason, unless all are asked for."""


_PATH = re.compile(r"(?<!\S)(?:/|[A-Za-z]:[\\/]|\\\\).*?(?=, (?:and|but|which)\b|: [a-z]|$)")
"""A path inside a reason; it may hold blanks, and ends where the sentence goes on."""


@dataclass(frozen=True, slots=True)
class Terminal:
    """The two ends of the command line.

    Attributes
    ----------
    out, err : Console
        stdout and stderr.
    quiet, verbose : bool
        Say no more than errors; say everything.
    """

    out: Console
    err: Console
    quiet: bool = False
    verbose: bool = False

    @classmethod
    def standard(cls, *, quiet: bool = False, verbose: bool = False) -> Terminal:
        """Return the terminal of this process; colours only where a person looks, and NO_COLOR is not set."""
        from rich.console import Console  # noqa: PLC0415 - not needed for --help

        class PatientConsole(Console):
            """One that leaves it to the command what a reader who left early means, instead of exiting."""

            def on_broken_pipe(self) -> None:
                self.quiet = True
                if not self.stderr:
                    raise BrokenPipeError

        def console(stderr: bool) -> Console:
            return PatientConsole(stderr=stderr, highlight=False, markup=False, emoji=False, soft_wrap=True)

        return cls(console(stderr=False), console(stderr=True), quiet, verbose)

    @property
    def is_watched(self) -> bool:
        """Whether results go to a terminal, not to a file or a pipe."""
        return self.out.is_terminal

    def show(self, text: str) -> None:
        """Write a result."""
        with _to_stdout():
            self.out.print(printable(text))

    def say(self, text: str) -> None:
        """Talk, unless told to be quiet."""
        if not self.quiet:
            self.err.print(printable(text))

    def suggest(self, *commands: str) -> None:
        """Say what to type next."""
        if len(commands) == 1:
            self.say(f"next: {commands[0]}")
        else:
            self.say("\n".join(("next:", *(f"  {command}" for command in commands))))

    def complain(self, text: str) -> None:
        """Say what went wrong."""
        self.err.print(printable(f"defectmap: {text}"))

    def document(self, content: object) -> None:
        """Write the one JSON document of ``--json``."""
        with _to_stdout():
            self.out.file.write(json.dumps(content, default=_plain, indent=1) + "\n")

    def finish(self) -> None:
        """Hand over what was written so far."""
        with _to_stdout():
            self.out.file.flush()

    def table(self, headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Write a table; where the output is piped or too narrow, as columns of plain text.

        Columns of numbers are set to the right. Nothing is cut: long cells are folded, long lines left to the
        terminal to wrap.
        """
        if not rows:
            return
        cells = [[cell_text(cell) for cell in row] for row in rows]
        numeric = [
            all(isinstance(row[column], (int, float)) or row[column] is None for row in rows)
            for column in range(len(headings))
        ]
        lines = [list(headings), *cells]
        with _to_stdout():
            if self.out.is_terminal and self.out.width >= _narrowest(lines, numeric):
                self._ruled(headings, cells, numeric)
            else:
                for line in _aligned(lines, numeric):
                    self.out.print(line)

    def _ruled(self, headings: Sequence[str], cells: list[list[str]], numeric: list[bool]) -> None:
        from rich import box  # noqa: PLC0415
        from rich.table import Table  # noqa: PLC0415

        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
        for heading, right in zip(headings, numeric, strict=True):
            table.add_column(heading, justify="right" if right else "left", overflow="fold", no_wrap=right)
        for row in cells:
            table.add_row(*row)
        width = min(self.out.width, max(_WIDEST, _narrowest([list(headings), *cells], numeric)))
        self.out.print(table, soft_wrap=False, width=width)

    def troubles(self, troubles: Sequence[tuple[Path, str]]) -> None:
        """Say which files were left out; with many of one reason, their number and the first of them.

        Reasons that differ only in the files they name count as one.
        """
        if self.quiet:
            return
        groups: dict[str, list[tuple[Path, str]]] = {}
        for path, reason in troubles:
            groups.setdefault(_without_paths(reason), []).append((path, reason))
        for common, members in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])):
            if self.verbose or len(members) <= _EXAMPLES:
                for path, reason in members:
                    self.say(f"{path} {reason}")
            else:
                first, _ = members[0]
                self.say(f"{len(members)} files: {common} (the first is {first}; -v lists them all)")

    @contextmanager
    def progress(self) -> Iterator[Report]:
        """Show how far a long work is, to people only."""
        if self.quiet or not self.err.is_terminal:
            yield lambda *_: None
            return
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn  # noqa: PLC0415
        from rich.progress import TimeRemainingColumn as TimeLeft  # noqa: PLC0415

        bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeLeft(),
            console=self.err,
            transient=True,
        )
        tasks: dict[str, tuple[Any, float]] = {}
        begun = time.monotonic()

        def report(what: str, done: int, total: int) -> None:
            now = time.monotonic()
            for name, (task, _) in tasks.items():
                if name != what:
                    bars.update(task, visible=False)
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total or None, rate=""), now
            task, since = tasks[what]
            rate = f"{done / (now - since):.1f}/s" if done and now - since > 0.5 else ""
            bars.update(task, completed=done, total=total or None, rate=rate, visible=True)
            if now - begun > _PATIENCE_S:
                bars.start()

        try:
            yield report
        finally:
            bars.stop()

    def listen(self, *, debug: bool) -> None:
        """Let the program's log be heard: warnings, with ``-v`` what is being done, with ``--debug`` all."""
        logger = logging.getLogger("defectmap")
        logger.handlers = [_Listener(self)]
        logger.propagate = False
        level = logging.INFO if self.verbose else logging.ERROR if self.quiet else logging.WARNING
        logger.setLevel(logging.DEBUG if debug else level)


class _Listener(logging.Handler):
    """Writes log records above a running progress bar."""

    def __init__(self, terminal: Terminal) -> None:
        super().__init__()
        self._terminal = terminal

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        self._terminal.err.print(printable(self.format(record)))


def _without_paths(reason: str) -> str:
    """Return a reason with three dots for each absolute path, or nothing for one that only ends it."""
    return _PATH.sub("...", reason).removesuffix(": ...")


@contextmanager
def _to_stdout() -> Iterator[None]:
    """Say of what cannot be written that it was for stdout; a reader who left early is no such trouble."""
    try:
        yield
    except BrokenPipeError:
        _abandon_stdout()
        raise
    except OSError as error:
        _abandon_stdout()
        reason = (error.strerror or str(error)).lower()
        raise DefectmapError(f"standard output cannot be written: {reason}") from error


def _abandon_stdout() -> None:
    """Keep the interpreter from writing at its end what could not be written before."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def printable(text: str) -> str:
    """Return a text that no terminal trips over: file names may hold control characters or no text at all."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)


def cell_text(cell: object) -> str:
    """Return what a table shows for a value; nothing for None, five figures for a fraction."""
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return cell.isoformat(" ", "seconds")
    return f"{cell:.5g}" if isinstance(cell, float) else printable(str(cell))


def _narrowest(rows: list[list[str]], numeric: list[bool]) -> int:
    """Return the columns of a terminal that a ruled table needs to stay readable: numbers are not folded."""
    widths = [
        width if right else min(width, _FOLDED) for width, right in zip(_widths(rows), numeric, strict=True)
    ]
    return sum(widths) + _GAP * len(widths)


def _aligned(rows: list[list[str]], numeric: list[bool]) -> Iterator[str]:
    widths = _widths(rows)
    for row in rows:
        parts = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ]
        yield "  ".join(parts).rstrip()


def _widths(rows: list[list[str]]) -> list[int]:
    return [max(map(len, column)) for column in zip(*rows, strict=True)]


def _plain(value: object) -> str:
    """Return what JSON holds of a value: times in ISO 8601, paths as text."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, os.PathLike):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no place in a JSON document")

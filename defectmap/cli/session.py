"""What every command needs: the catalog, the camera that is meant, and how a command ends."""

from __future__ import annotations

import functools
import os
import shlex
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from defectmap.cli.terminal import Terminal
from defectmap.errors import DefectmapError, UsageError

if TYPE_CHECKING:
    from defectmap.catalog.records import SensorRecord
    from defectmap.catalog.store import Catalog

INTERRUPTED = 130
LEFT_OUT = 3


def _some_text(text: str | None) -> str | None:
    if text is not None and not text.strip():
        raise typer.BadParameter("say a part of the camera's serial number, model or nickname")
    return text


Camera = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT",
        callback=_some_text,
        help="Any part of the camera's serial number, model or nickname, in any case.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Write one JSON document to stdout and nothing else.")]


@dataclass(frozen=True, slots=True)
class Session:
    """The global options of one call.

    Attributes
    ----------
    catalog : Path
    catalog_named : bool
        Whether it is another than the one that a later call would find by itself.
    terminal : Terminal
    debug : bool
        Show where an error comes from.
    """

    catalog: Path
    catalog_named: bool
    terminal: Terminal
    debug: bool

    def open(self, *, create: bool = False, read_only: bool = False) -> Catalog:
        """Open the catalog; use it in a ``with`` statement."""
        from defectmap.catalog.store import open_catalog  # noqa: PLC0415 - SQLAlchemy loads slowly

        return open_catalog(self.catalog, create=create, read_only=read_only)

    @contextmanager
    def open_or_pretend(self, *, read_only: bool = False) -> Iterator[Catalog]:
        """Open the catalog; where there is none yet, an empty one that is thrown away."""
        from defectmap.catalog.store import open_catalog  # noqa: PLC0415

        if self.catalog.exists():
            with self.open(read_only=read_only) as catalog:
                yield catalog
            return
        with (
            tempfile.TemporaryDirectory(prefix="defectmap-") as folder,
            open_catalog(Path(folder, "catalog.sqlite"), create=True) as catalog,
        ):
            yield catalog

    def command(self, *words: str) -> str:
        """Return what to type next, ready to paste."""
        catalog = ("--catalog", str(self.catalog)) if self.catalog_named else ()
        return shlex.join(("defectmap", *catalog, *words))

    def camera_option(self, catalog: Catalog, sensor: SensorRecord) -> tuple[str, str]:
        """Return the shortest ``--camera`` that means this sensor alone."""
        identity = sensor.identity
        numbered = [word for word in identity.model.split() if any(map(str.isdigit, word))]
        handles = (sensor.nickname, *numbered, identity.model, identity.serial)
        for handle in handles:
            if handle and catalog.sensors.find(handle) == [sensor]:
                return "--camera", handle
        return "--camera", identity.name


def choose_camera(catalog: Catalog, text: str | None) -> SensorRecord:
    """Return the one sensor that a text means; without a text, the only one there is.

    Raises
    ------
    UsageError
        If there is none, or several; the choices are listed.
    """
    found = choose_cameras(catalog, text)
    if len(found) > 1:
        raise UsageError(f"name one of the cameras with --camera: {_names(found)}")
    return found[0]


def choose_cameras(catalog: Catalog, text: str | None) -> list[SensorRecord]:
    """Return the sensor that a text means; without a text, all of them.

    Raises
    ------
    UsageError
        If there is none, or the text may mean several.
    """
    everything = catalog.sensors.all()
    if not everything:
        raise UsageError(f"{catalog.path} knows no camera yet: add photos with `defectmap ingest PATH`")
    if text is None:
        return everything
    found = catalog.sensors.find(text)
    if not found:
        raise UsageError(f"no camera is called {text!r}; there is {_names(everything)}")
    if len(found) > 1:
        raise UsageError(f"--camera {text} may mean {_names(found)}: say more of it")
    return found


def _names(sensors: Sequence[SensorRecord]) -> str:
    return ", ".join(sensor.name for sensor in sensors)


def ends_well(function: Callable[..., int]) -> Callable[..., None]:
    """Turn a command's return value, or what it raises, into an exit code and a sentence on stderr."""

    @functools.wraps(function)
    def command(ctx: typer.Context, **parameters: object) -> None:
        session: Session = ctx.obj
        try:
            # The next file to be opened would take the place of a closed stdout, and all prints go there.
            if sys.stdout is None:
                raise DefectmapError("standard output is closed: send it to a file, or to /dev/null")
            code = function(ctx, **parameters)
            session.terminal.finish()
        except BrokenPipeError:
            # Whoever read the output has seen enough.
            code = 0
        except (Exception, KeyboardInterrupt) as error:
            if session.debug:
                traceback.print_exc()
            code, sentence = _verdict(error)
            session.terminal.complain(sentence)
        raise typer.Exit(code)

    return command


def _verdict(error: Exception | KeyboardInterrupt) -> tuple[int, str]:
    """Return the exit code of an error, and what to tell about it."""
    cause: BaseException | None = error
    while cause is not None:
        # What goes wrong in winding up after Ctrl-C is of no interest.
        if isinstance(cause, KeyboardInterrupt):
            return INTERRUPTED, "interrupted: what was finished is kept, the same command goes on from there"
        cause = cause.__context__
    match error:
        case DefectmapError():
            return error.exit_code, str(error)
        case MemoryError():
            return 1, "there is not enough memory: try with --workers 1, or fewer photos at a time"
        case OSError(strerror=str(reason), filename=name):
            return 1, f"{os.fsdecode(name)}: {reason}" if name else reason
        case typer.Exit():
            raise error
        case _:
            return (
                1,
                f"this should not happen ({type(error).__name__}: {error}); please report it, with --debug",
            )

"""The application: global options, and the commands in the order of their use."""

from __future__ import annotations

import os
import sys
from _thread import interrupt_main
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from typing import Annotated

import typer

from defectmap import __version__
from defectmap.cli import demonstrating, exchanging, fixing, ingesting, keeping, listing, reporting, telling
from defectmap.cli.session import INTERRUPTED, Session, ends_well
from defectmap.cli.terminal import Terminal

CATALOG_VARIABLE = "DEFECTMAP_CATALOG"

_FLAGS = ("-v", "--verbose", "-q", "--quiet", "--debug")

app = typer.Typer(
    name="defectmap",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

# Their arguments may begin like an option: -1,2 is a pixel.
_LENIENT = {"ignore_unknown_options": True}

for _command in (
    ingesting.ingest,
    listing.cameras,
    listing.detect,
    listing.defects,
    telling.history,
    telling.explain,
    reporting.report,
    fixing.fix,
    fixing.undo,
    fixing.patch,
    listing.variance,
    exchanging.export,
    exchanging.import_,
    keeping.merge,
    keeping.check,
    keeping.upgrade,
    demonstrating.demo,
):
    app.command(
        # Some names of commands are words of the language.
        _command.__name__.rstrip("_"),
        context_settings=_LENIENT if _command is fixing.patch else None,
    )(ends_well(_command))


def _catalog(text: str) -> Path:
    if not text.strip():
        raise typer.BadParameter("name a file; without --catalog, that of this platform is meant")
    return Path(text)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"defectmap {__version__}")
        raise typer.Exit


@app.callback(epilog="Options that stand here may also follow the command.")
def globally(
    ctx: typer.Context,
    catalog: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            parser=_catalog,
            envvar=CATALOG_VARIABLE,
            show_envvar=True,
            help="The catalog; by default catalog.sqlite in the data folder of this platform.",
        ),
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say more: name every file.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but results and errors.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error comes from.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Find, date and repair the bad photosites of your cameras from the photos you already have.

    Begin with: defectmap ingest ~/Pictures
    """
    terminal = Terminal.standard(quiet=quiet, verbose=verbose)
    terminal.listen(debug=debug)
    named = catalog is not None and os.environ.get(CATALOG_VARIABLE) != os.fspath(catalog)
    ctx.obj = Session(catalog or default_catalog(), named, terminal, debug)


def default_catalog() -> Path:
    """Return where the catalog is when none is named."""
    from platformdirs import user_data_path  # noqa: PLC0415

    return user_data_path("defectmap", appauthor=False) / "catalog.sqlite"


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    try:
        with _every_interruption_heard():
            app(globals_first(arguments), prog_name="defectmap")
    except KeyboardInterrupt:
        return INTERRUPTED
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None)
    return 0


@contextmanager
def _every_interruption_heard() -> Iterator[None]:
    """Send a Ctrl-C again that fell into a finaliser, where Python drops it."""
    hook = sys.unraisablehook

    def again(unraisable: sys.UnraisableHookArgs) -> None:
        if unraisable.exc_type is KeyboardInterrupt:
            # From here it would be dropped again.
            Timer(0.05, interrupt_main).start()
        else:
            hook(unraisable)

    sys.unraisablehook = again
    try:
        yield
    finally:
        sys.unraisablehook = hook


def globals_first(arguments: Sequence[str]) -> list[str]:
    """Move the global options before the command, wherever they were typed.

    What follows ``--`` stays as it is.
    """
    first: list[str] = []
    rest: list[str] = []
    waiting = iter(arguments)
    for word in waiting:
        if word == "--":
            rest += [word, *waiting]
        elif word in _FLAGS or word.startswith("--catalog="):
            first.append(word)
        elif word == "--catalog":
            first += [word, *[value for value in (next(waiting, None),) if value is not None]]
        else:
            rest.append(word)
    return first + rest

"""Trying it out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from defectmap.cli.fixing import repair_document
from defectmap.cli.session import Json, Session
from defectmap.errors import UsageError

if TYPE_CHECKING:
    from defectmap.demo import Demonstration


def demo(
    ctx: typer.Context,
    directory: Annotated[
        Path, typer.Argument(metavar="[DIR]", help="Where the photos and a catalog of their own are put.")
    ] = Path("defectmap-demo"),
    json: Json = False,
) -> int:
    """Try everything on a simulated camera.

    It takes photos, finds the defects that were planted, compares them with the truth and repairs two of the
    photos. Your own catalog is left alone.

    Example: defectmap demo
    """
    if directory.exists() and not directory.is_dir():
        raise UsageError(f"{directory} is a file: name a folder, which may be new")
    from defectmap.demo import demonstrate  # noqa: PLC0415 - numpy, numba and SQLAlchemy load slowly

    session: Session = ctx.obj
    terminal = session.terminal
    if not json:
        terminal.say(
            "a simulated camera takes photos, and its bad photosites are searched for (about a minute)"
        )
    with terminal.progress() as progress:
        # More processes would each compile what one compiles on the first day.
        result = demonstrate(directory, progress=progress)
    if json:
        terminal.document(_document(result))
        return 0
    for comparison in result.comparisons:
        planted, found, false_alarms = comparison.total
        terminal.show(
            f"\n{comparison.grid.kind} files of {result.camera}: what was planted, and what was found"
        )
        terminal.table(
            ("kind", "planted", "found", "missed", "false alarms"),
            [
                *((t.kind.value, t.planted, t.found, t.missed, t.false_alarms) for t in comparison.tallies),
                ("all", planted, found, planted - found, false_alarms),
            ],
        )
    terminal.show(
        "the missed ones are too weak for so few photos, or began too late to be seen often enough\n"
    )
    for repair in result.repairs:
        if repair.output is not None:
            terminal.show(f"{len(repair.repaired)} sites repaired in {repair.output}")
        elif repair.reason:
            terminal.show(f"{repair.source} {repair.reason}")
    for picture in result.pictures:
        terminal.show(f"look at {picture}: before on the left, after on the right")
    mine = replace(session, catalog=result.catalog, catalog_named=True)
    terminal.suggest(
        mine.command("defects"),
        mine.command("fix", str(result.directory / "photos")),
        "defectmap ingest PATH    (with your own photos)",
    )
    return 0


def _document(result: Demonstration) -> dict[str, object]:
    return {
        "directory": result.directory,
        "catalog": result.catalog,
        "camera": result.camera,
        "photos": result.photos,
        "grids": [
            {
                "grid": comparison.grid.kind,
                "width": comparison.grid.width,
                "height": comparison.grid.height,
                "kinds": [
                    {
                        "kind": tally.kind.value,
                        "planted": tally.planted,
                        "found": tally.found,
                        "missed": tally.missed,
                        "false_alarms": tally.false_alarms,
                    }
                    for tally in comparison.tallies
                ],
            }
            for comparison in result.comparisons
        ],
        "fixed": [repair_document(repair) for repair in result.repairs],
        "pictures": list(result.pictures),
    }

"""Giving maps to other programs, and taking in their lists."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from defectmap.cli.listing import Grid, moment_of
from defectmap.cli.rows import count
from defectmap.cli.session import Camera, Json, Session, choose_camera
from defectmap.errors import UsageError

_STDOUT = Path("-")

Format = Annotated[
    str | None,
    typer.Option(
        metavar="FORMAT",
        help="dcraw, rawtherapee, art, siril, pixinsight, dng, lsst, fits, png, csv or json.",
    ),
]


def export(
    ctx: typer.Context,
    camera: Camera = None,
    format: Format = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="A file, a folder, or - for stdout; by default the name that the reader expects.",
        ),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(metavar="DATE", help="The sites that may have been bad on that day: 2021-05-30."),
    ] = None,
    grid: Grid = None,
    photo: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="For format dng: the DNG of which a copy with the list is written."
        ),
    ] = None,
    anonymous: Annotated[
        bool, typer.Option("--anonymous", help="Leave the camera's serial number out.")
    ] = False,
    json: Json = False,
) -> int:
    """Write the map of a camera as a defect list of another program.

    Positions are turned into those that the program counts in. What a list cannot say is told on stderr.

    Example: defectmap export --camera D80 --format rawtherapee
    """
    from defectmap.export import export_list, write_export  # noqa: PLC0415 - numpy and SQLAlchemy load slowly
    from defectmap.lists.registry import FORMATS  # noqa: PLC0415

    session: Session = ctx.obj
    moment = None if at is None else moment_of(at)
    if format is None:
        raise UsageError(f"name the format with --format: {', '.join(FORMATS)}")
    if json and output == _STDOUT:
        raise UsageError("--json and --output - both write to stdout: name a file for the list")
    with session.open(read_only=True) as catalog:
        sensor = choose_camera(catalog, camera)
        exported = export_list(
            catalog, sensor, format, grid=grid, at=moment, anonymous=anonymous, photo=photo
        )
    terminal = session.terminal
    for text in exported.left_out:
        terminal.say(f"not in the list: {text}")
    if output == _STDOUT:
        sys.stdout.buffer.write(exported.data)
        return 0
    written = write_export(exported, output, photo)
    if json:
        terminal.document(
            {
                "camera": sensor.name,
                "revision": exported.revision,
                "format": format.strip().lower(),
                "output": written,
                "sites": exported.sites,
                "left_out": exported.left_out,
            }
        )
        return 0
    terminal.show(f"{count(exported.sites, 'site')} of revision {exported.revision} written to {written}")
    if use := FORMATS[format.strip().lower()].use:
        terminal.say(use)
    return 0


def import_(
    ctx: typer.Context,
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="The list; it is only read.")] = None,
    camera: Camera = None,
    format: Format = None,
    grid: Grid = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="What to call it; its file name by default.")
    ] = None,
    remove: Annotated[
        str | None, typer.Option(metavar="NAME", help="Take the list of that name out again.")
    ] = None,
    json: Json = False,
) -> int:
    """Take in a defect list of another program.

    It is kept apart from what the photos tell: what only a list names is repaired where it shows.

    Example: defectmap import .badpixels --camera D80 --format dcraw
    """
    from defectmap.importing import import_list, remove_list  # noqa: PLC0415

    session: Session = ctx.obj
    terminal = session.terminal
    if (file is None) == (remove is None):
        raise UsageError("name the list to take in, or one to take out with --remove")
    if file is not None and format is None:
        raise UsageError("name the format of the list with --format; `defectmap import --help` lists them")
    with session.open() as catalog:
        sensor = choose_camera(catalog, camera)
        option = session.camera_option(catalog, sensor)
        if file is None or format is None:
            detection = remove_list(catalog, sensor, remove or "")
            number = detection.revision.number
            if json:
                terminal.document({"camera": sensor.name, "revision": number, "removed": remove})
            else:
                terminal.show(f"{remove} was taken out of the lists of {sensor.name}, revision {number}")
            return 0
        taken = import_list(catalog, sensor, file, format, grid=grid, name=name)
    number = taken.detection.revision.number
    if json:
        terminal.document(
            {
                "camera": sensor.name,
                "revision": number,
                "list": taken.name,
                "known": taken.known,
                "sites": taken.sites,
                "confirmed": taken.confirmed,
            }
        )
        return 0
    known = ", which was here already" if taken.known else ""
    terminal.show(
        f"{taken.name}{known}: {count(taken.sites, 'site')}, {taken.confirmed} of them bad in the photos of "
        f"{sensor.name} as well, revision {number}"
    )
    if taken.own and not taken.confirmed:
        terminal.say("the photos show none of them to be bad: is it of this camera, and of this format?")
    terminal.suggest(session.command("defects", *option))
    return 0

"""``report``: a camera in pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from defectmap.cli.listing import Grid
from defectmap.cli.rows import count
from defectmap.cli.session import Camera, Session, choose_camera


def report(
    ctx: typer.Context,
    camera: Camera = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="A file, which is replaced, or a folder; by default the camera's name in this folder.",
        ),
    ] = None,
    grid: Grid = None,
    photos: Annotated[
        int, typer.Option(min=0, max=100, metavar="N", help="So many photos are opened for pictures.")
    ] = 12,
    anonymous: Annotated[
        bool, typer.Option("--anonymous", help="Leave the camera's serial number out.")
    ] = False,
) -> int:
    """Show a camera in one file for the browser: map, growth, pictures.

    The file needs no other and no network. Photos are only read.

    Example: defectmap report --camera D80 -o d80.html
    """
    from defectmap.report import make_report, write_report  # noqa: PLC0415 - numpy and SQLAlchemy load slowly

    session: Session = ctx.obj
    with session.open(read_only=True) as catalog, session.terminal.progress() as progress:
        sensor = choose_camera(catalog, camera)
        made = make_report(catalog, sensor, grid=grid, photos=photos, anonymous=anonymous, progress=progress)
    written = write_report(made, output)
    for name, reason in made.troubles:
        session.terminal.say(f"{name} {reason}")
    pictures = f"pictures from {count(made.opened, 'photo')}" if made.opened else "no pictures"
    size = f"{len(made.page) / 1e6:.1f} MB"
    session.terminal.show(
        f"revision {made.revision} of {sensor.name}, {pictures}, {size} written to {written}"
    )
    return 0

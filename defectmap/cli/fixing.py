"""Repairing photos, and taking it back."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from defectmap.cli.ingesting import Workers, processors
from defectmap.cli.session import LEFT_OUT, Camera, Json, Session, choose_camera, choose_cameras
from defectmap.errors import DefectmapError, PhotoError, UsageError

if TYPE_CHECKING:
    from defectmap.fix import Repair

_MOST_ROWS = 20
"""So many photos are listed one by one, unless all are asked for."""

_WORDS = {"planned": "would be looked at", "repaired": "repaired", "clean": "with nothing to repair"}


class FileFormat(StrEnum):
    """What a repaired raw is written as."""

    SAME = "same"
    DNG = "dng"
    TIFF = "tiff"
    JPEG = "jpeg"


def fix(
    ctx: typer.Context,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[PATH]...", help="Photos and folders; by default every photo of the camera added so far."
        ),
    ] = None,
    camera: Camera = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="DIR", help="Write below this folder, not into defectmap/ beside each."
        ),
    ] = None,
    in_place: Annotated[
        bool, typer.Option("--in-place", help="Change the photos themselves; `undo` brings them back.")
    ] = False,
    format: Annotated[
        FileFormat,
        typer.Option(help="Keep each photo's format, or make of every raw a DNG or a rendered picture."),
    ] = FileFormat.SAME,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done; write nothing.")
    ] = False,
    workers: Workers = None,
    json: Json = False,
) -> int:
    """Repair photos with the map that was valid on their day.

    Originals are left alone: a repaired photo goes into a folder defectmap beside it, under its own name.

    Example: defectmap fix --camera D80 ~/Pictures/2021 --dry-run
    """
    from defectmap.fix import carry_out, plan  # noqa: PLC0415 - numpy and SQLAlchemy load slowly

    session: Session = ctx.obj
    terminal = session.terminal
    with session.open(read_only=dry_run) as catalog:
        if camera is None and paths:
            sensors = []
        elif paths:
            sensors = choose_cameras(catalog, camera)
        else:
            sensors = [choose_camera(catalog, camera)]
        planned = plan(catalog, sensors, paths or [], output=output, in_place=in_place, format=format.value)
        repairs = planned.repairs
        if not dry_run:
            with terminal.progress() as progress:
                repairs = carry_out(catalog, planned, workers=workers or processors(), progress=progress)
        left_out = [repair for repair in repairs if repair.status in ("skipped", "failed")]
        if json:
            terminal.document([repair_document(repair) for repair in repairs])
        else:
            _show_repairs(session, repairs)
            if dry_run:
                terminal.say("nothing was written; leave out --dry-run to repair them")
            elif in_place and any(repair.status == "repaired" for repair in repairs):
                terminal.say(
                    f"to take it back: {session.command('undo', *(map(str, paths) if paths else ['PATH']))}"
                )
    return LEFT_OUT if left_out else 0


def undo(
    ctx: typer.Context,
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="[PATH]...", help="Photos and folders repaired in place.")
    ] = None,
    camera: Camera = None,
    json: Json = False,
) -> int:
    """Bring back the originals of photos repaired in place.

    They come back bit for bit, also without the catalog. A photo that something else changed since is left as
    it is.

    Example: defectmap undo ~/Pictures/2021
    """
    from defectmap.undo import undo as bring_back  # noqa: PLC0415

    session: Session = ctx.obj
    terminal = session.terminal
    if not paths and camera is None:
        raise UsageError("name the photos to bring back, or their camera with --camera")
    # The notes beside the originals suffice; only the catalog knows what is of which camera.
    with session.open_or_pretend() if camera is None else session.open() as catalog:
        sensors = [] if camera is None else choose_cameras(catalog, camera)
        results = bring_back(catalog, paths or [], sensors)
    if json:
        terminal.document([{"path": r.path, "status": r.status, "reason": r.reason} for r in results])
    else:
        terminal.troubles([(r.path, r.reason) for r in results if r.status != "restored"])
        counts: Counter[str] = Counter(r.status for r in results)
        terminal.show(_counted(counts, ("restored", "skipped", "failed")) or "nothing to undo")
        if not counts["restored"] and not session.catalog.exists():
            terminal.say(f"there is no catalog at {session.catalog}; only the notes beside photos were asked")
    return LEFT_OUT if any(result.status != "restored" for result in results) else 0


def patch(
    ctx: typer.Context,
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="A JPEG, PNG, TIFF or other picture.")],
    points: Annotated[
        list[str],
        typer.Argument(metavar="X,Y...", help="Pixels, as an image viewer counts them: from 0, x first."),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="By default IMAGE with -patched in its name."),
    ] = None,
    json: Json = False,
) -> int:
    """Repair pixels of one picture by hand.

    Each takes the mean of its neighbours; of a JPEG only the blocks around it are coded anew.

    Example: defectmap patch holiday.jpg 1021,733 1022,733
    """
    from defectmap.patch import patch as repair  # noqa: PLC0415

    session: Session = ctx.obj
    try:
        result = repair(image, [_point(text) for text in points], output)
    except PhotoError as error:
        raise DefectmapError(f"{image} {error.reason}") from error
    if json:
        session.terminal.document(
            {
                "source": result.source,
                "output": result.output,
                "points": [{"x": p.x, "y": p.y, "old": p.old, "new": p.new} for p in result.points],
            }
        )
    else:
        session.terminal.table(
            ("x", "y", "was", "is"), [(p.x, p.y, _values(p.old), _values(p.new)) for p in result.points]
        )
        session.terminal.show(f"written to {result.output}")
    return 0


def repair_document(repair: Repair) -> dict[str, Any]:
    """Return the JSON form of a repair."""
    return {
        "source": repair.source,
        "output": repair.output,
        "camera": repair.camera,
        "revision": repair.revision,
        "repaired": [list(site) for site in repair.repaired],
        "status": repair.status,
        "reason": repair.reason,
    }


def _show_repairs(session: Session, repairs: Sequence[Repair]) -> None:
    terminal = session.terminal
    written = [repair for repair in repairs if repair.status in ("planned", "repaired")]
    if len(written) <= _MOST_ROWS or terminal.verbose:
        terminal.table(
            ("photo", "camera", "sites", "output"),
            [(repair.source, repair.camera, len(repair.repaired), _place(repair)) for repair in written],
        )
    told = [
        r for r in repairs if r.reason and (r.status in ("planned", "skipped", "failed") or terminal.verbose)
    ]
    terminal.troubles([(repair.source, repair.reason) for repair in told])
    counts: Counter[str] = Counter(repair.status for repair in repairs)
    order = ("planned", "repaired", "clean", "skipped", "failed")
    terminal.show(_counted(counts, order) or "no photo to repair")
    folders = {repair.output.parent for repair in written if repair.output and repair.output != repair.source}
    if len(written) > _MOST_ROWS and folders and not terminal.verbose:
        more = f" and {len(folders) - 1} other folders" if len(folders) > 1 else ""
        terminal.show(f"the repaired photos are in {min(folders)}{more}; -v lists them all")


def _place(repair: Repair) -> str:
    if repair.output is None:
        return ""
    return "in place" if repair.output == repair.source else str(repair.output)


def _counted(counts: Counter[str], order: Sequence[str]) -> str:
    parts = [f"{counts[status]} {_WORDS.get(status, status)}" for status in order if counts[status]]
    return "photos: " + ", ".join(parts) if parts else ""


def _values(channels: Sequence[int]) -> str:
    return ", ".join(map(str, channels))


def _point(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"\s*(-?\d+)\s*,\s*(-?\d+)\s*", text)
    if match is None and text.startswith("-"):
        raise UsageError(f"there is no option {text}; a pixel is its column and row, such as 1021,733")
    if match is None:
        raise UsageError(f"{text!r} is no pixel: say its column and row, such as 1021,733")
    return int(match[1]), int(match[2])

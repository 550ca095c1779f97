"""Adding photos."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from defectmap.cli.listing import settle_maps, show_detections
from defectmap.cli.session import LEFT_OUT, Json, Session
from defectmap.errors import UsageError

if TYPE_CHECKING:
    from defectmap.ingest import IngestOutcome

_MOST_WORKERS = 8

Workers = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Processes that decode photos; by default one per processor."),
]


def ingest(
    ctx: typer.Context,
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="Photos, and folders that are walked.")
    ],
    workers: Workers = None,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Decode on many machines: tcp://HOST:8786 of `dask scheduler`."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what is new; decode nothing and write nothing.")
    ] = False,
    no_detect: Annotated[
        bool, typer.Option("--no-detect", help="Leave the defect maps as they are.")
    ] = False,
    json: Json = False,
) -> int:
    """Add photos and bring the maps of their cameras up to date.

    Folders are walked. A photo that was added before is not opened again, whatever its name is now.

    Example: defectmap ingest ~/Pictures
    """
    from defectmap.ingest import ingest as add  # noqa: PLC0415 - numpy and SQLAlchemy load slowly

    if workers and scheduler:
        raise UsageError("--workers is for this machine, --scheduler for others: leave one of them out")
    session: Session = ctx.obj
    terminal = session.terminal
    with session.open_or_pretend(read_only=True) if dry_run else session.open(create=True) as catalog:
        with terminal.progress() as progress:
            outcome = add(
                catalog,
                paths,
                workers=workers or processors(),
                memory_bytes=None if workers or scheduler else _spare_memory(),
                scheduler=scheduler,
                dry_run=dry_run,
                progress=progress,
            )
        detections = [] if dry_run or no_detect else settle_maps(catalog)
        if json:
            terminal.document(_document(outcome))
        else:
            terminal.troubles([(t.path, t.reason) for t in (*outcome.skipped, *outcome.failed)])
            terminal.show(_summary(outcome, dry_run))
            show_detections(session, catalog, detections)
            if no_detect and outcome.ingested:
                terminal.suggest(session.command("detect"))
            elif dry_run and outcome.ingested:
                terminal.say("nothing was written; leave out --dry-run to add them")
    return LEFT_OUT if outcome.skipped or outcome.failed else 0


def processors() -> int:
    """Return how many processes may work at a time: one per processor, within reason for the memory."""
    return min(
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        _MOST_WORKERS,
    )


def _spare_memory() -> int | None:
    """Return what workers may take of the memory, in bytes; None where the system does not tell."""
    try:
        return int(0.6 * os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):
        return None


def _document(outcome: IngestOutcome) -> dict[str, object]:
    return {
        "ingested": outcome.ingested,
        "known": outcome.known,
        "skipped": [{"path": t.path, "reason": t.reason} for t in outcome.skipped],
        "failed": [{"path": t.path, "reason": t.reason} for t in outcome.failed],
        "cameras": list(outcome.cameras),
    }


def _summary(outcome: IngestOutcome, dry_run: bool) -> str:
    parts = [f"{_photos(outcome.ingested)} {'would be added' if dry_run else 'added'}"]
    if outcome.known:
        parts.append(f"{outcome.known} known already")
    if outcome.skipped:
        parts.append(f"{len(outcome.skipped)} skipped")
    if outcome.failed:
        parts.append(f"{len(outcome.failed)} unreadable")
    return ", ".join(parts)


def _photos(count: int) -> str:
    return "1 photo" if count == 1 else f"{count} photos"

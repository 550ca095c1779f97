"""Looking after catalogs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from defectmap.cli.session import Json, Session
from defectmap.errors import CatalogError


def merge(
    ctx: typer.Context,
    catalogs: Annotated[
        list[Path], typer.Argument(metavar="CATALOG...", help="Catalogs made elsewhere; they are only read.")
    ],
    json: Json = False,
) -> int:
    """Add the evidence of catalogs made elsewhere.

    Each is added whole or not at all; one that is here already changes nothing. Run detect afterwards.

    Example: defectmap merge laptop.sqlite
    """
    from defectmap.merge import merge as absorb  # noqa: PLC0415 - numpy and SQLAlchemy load slowly

    session: Session = ctx.obj
    with session.open(create=True) as catalog:
        outcome = absorb(catalog, catalogs)
    if json:
        session.terminal.document(
            {"merged": outcome.merged, "known": outcome.known, "frames": outcome.frames}
        )
        return 0
    session.terminal.show(
        f"{outcome.merged} merged with {outcome.frames} photos, {outcome.known} known already"
    )
    if outcome.merged:
        session.terminal.suggest(session.command("detect"))
    return 0


def check(ctx: typer.Context, json: Json = False) -> int:
    """Check that the catalog is whole; it is only read.

    Example: defectmap check
    """
    from defectmap.catalog.checking import check as examine  # noqa: PLC0415

    session: Session = ctx.obj
    report = examine(session.catalog)
    if json:
        session.terminal.document({"ok": report.ok, "problems": report.problems})
    else:
        for problem in report.problems:
            session.terminal.show(problem)
        if report.ok:
            session.terminal.show(f"{session.catalog} is whole")
        else:
            session.terminal.say("restore the catalog from a copy, or ingest into a new one")
    return 0 if report.ok else CatalogError.exit_code


def upgrade(ctx: typer.Context, json: Json = False) -> int:
    """Bring a catalog of an older version up to date.

    A copy of it as it was is kept beside it.

    Example: defectmap upgrade
    """
    from defectmap.catalog.store import open_catalog  # noqa: PLC0415
    from defectmap.catalog.store import upgrade as bring_up  # noqa: PLC0415
    from defectmap.model.evidence import METHOD  # noqa: PLC0415

    session: Session = ctx.obj
    copy = bring_up(session.catalog)
    with open_catalog(session.catalog) as catalog:
        usable = all(stream.method == METHOD for stream in catalog.sensors.streams())
    if not usable:
        session.terminal.say(
            "its evidence was measured by an earlier method, which cannot be turned into this one: ingest "
            "the photos into a new catalog"
        )
    if json:
        session.terminal.document({"ok": True, "upgraded": copy is not None, "copy": copy, "usable": usable})
    elif copy is None:
        session.terminal.show(f"{session.catalog} is up to date")
    else:
        session.terminal.show(f"{session.catalog} was upgraded; as it was, it is kept as {copy}")
    return 0

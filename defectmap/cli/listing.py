"""Asking the catalog: cameras, maps and figures."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from defectmap.cli.rows import (
    count,
    day,
    doubt_documents,
    doubt_sentences,
    entry_document,
    entry_row,
    short_row,
    short_visible,
    structure_document,
    structure_row,
    where_visible,
)
from defectmap.cli.session import Camera, Json, Session, choose_camera, choose_cameras
from defectmap.errors import UsageError

if TYPE_CHECKING:
    from defectmap.catalog.records import Revision
    from defectmap.catalog.store import Catalog
    from defectmap.detect import Detection
    from defectmap.model.sensor import Grid as MapGrid

Grid = Annotated[
    str | None,
    typer.Option(
        metavar="raw|jpeg",
        help="Which of the camera's files; with a size where there are several: jpeg:3600x2700.",
    ),
]


def cameras(ctx: typer.Context, json: Json = False) -> int:
    """List the cameras that the catalog knows.

    Example: defectmap cameras
    """
    from defectmap.overview import cameras as summarise  # noqa: PLC0415 - numpy and SQLAlchemy load slowly

    session: Session = ctx.obj
    with session.open(read_only=True) as catalog:
        known = [(camera, catalog.revisions.latest(camera.sensor.id)) for camera in summarise(catalog)]
        if json:
            session.terminal.document(
                [
                    {
                        "camera": camera.sensor.name,
                        "make": camera.sensor.identity.make,
                        "model": camera.sensor.identity.model,
                        "serial": camera.sensor.identity.serial,
                        "streams": [
                            {
                                "kind": stream.grid.kind,
                                "width": stream.grid.width,
                                "height": stream.grid.height,
                                "frames": stream.frames,
                                "scenes": stream.scenes,
                                "first": stream.first,
                                "last": stream.last,
                                "defects": stream.defects,
                                "suspects": stream.suspects,
                            }
                            for stream in camera.streams
                        ],
                        "revision": camera.revision,
                        "registrations": registrations(latest) if latest else [],
                        "contradictions": doubt_documents(camera.doubts),
                        "defects": camera.defects,
                        "suspects": camera.suspects,
                    }
                    for camera, latest in known
                ]
            )
            return 0
        session.terminal.table(
            ("camera", "files", "size", "photos", "scenes", "first", "last", "defects", "suspects"),
            [
                (
                    camera.sensor.name,
                    stream.grid.kind,
                    f"{stream.grid.width}x{stream.grid.height}",
                    stream.frames,
                    stream.scenes,
                    day(stream.first),
                    day(stream.last),
                    stream.defects,
                    stream.suspects,
                )
                for camera, _ in known
                for stream in camera.streams
            ],
        )
        for camera, latest in known:
            for text in _registered(latest) if latest else ():
                session.terminal.say(f"{camera.sensor.name}: {text}")
            for text in doubt_sentences(camera.doubts):
                session.terminal.say(f"{camera.sensor.name}: {text}")
        if not known:
            session.terminal.say(f"no camera yet; next: {session.command('ingest', 'PATH')}")
        elif any(latest is None for _, latest in known):
            session.terminal.suggest(session.command("detect"))
        else:
            chosen = max((camera for camera, _ in known), key=lambda camera: camera.defects)
            option = session.camera_option(catalog, chosen.sensor)
            session.terminal.suggest(session.command("defects", *option))
    return 0


def detect(ctx: typer.Context, camera: Camera = None, json: Json = False) -> int:
    """Make a new revision of the map from what was measured.

    No photo is opened. A map that would be the same as the last one is not made again.

    Example: defectmap detect --camera D80
    """
    from defectmap.detect import detect as judge  # noqa: PLC0415

    session: Session = ctx.obj
    with session.open() as catalog:
        detections = []
        with session.terminal.progress() as progress:
            chosen = choose_cameras(catalog, camera)
            for done, sensor in enumerate(chosen, 1):
                detections.append(judge(catalog, sensor))
                progress("Detecting", done, len(chosen))
        if json:
            session.terminal.document(
                [
                    {
                        "camera": detection.sensor.name,
                        "revision": detection.revision.number,
                        "defects": detection.defects,
                        "suspects": detection.suspects,
                        "frames": detection.revision.content.frames,
                        "new": detection.is_new,
                        "registrations": registrations(detection.revision),
                    }
                    for detection in detections
                ]
            )
        else:
            show_detections(session, catalog, detections)
    return 0


def defects(
    ctx: typer.Context,
    camera: Camera = None,
    at: Annotated[
        str | None,
        typer.Option(metavar="DATE", help="The sites that may have been bad on that day: 2021-05-30."),
    ] = None,
    grid: Grid = None,
    suspects: Annotated[
        bool, typer.Option("--suspects", help="The sites that are not certain yet, and what they lack.")
    ] = False,
    json: Json = False,
) -> int:
    """List the bad photosites of a camera.

    Rows and columns count from 0 at the top left of the stored frame, which is not turned.

    Example: defectmap defects --camera D80 --at 2021-05-30
    """
    from defectmap.model.defects import Kind  # noqa: PLC0415
    from defectmap.model.listed import is_listed  # noqa: PLC0415
    from defectmap.model.visibility import visible  # noqa: PLC0415
    from defectmap.overview import (  # noqa: PLC0415
        bad_during,
        choose_stream,
        naming_lists,
        newest_map,
        photo_noise,
    )

    session: Session = ctx.obj
    moment = None if at is None else moment_of(at)
    with session.open(read_only=True) as catalog:
        sensor = choose_camera(catalog, camera)
        stream = choose_stream(catalog, sensor, grid)
        revision, found = newest_map(catalog, sensor, stream)
        noise = photo_noise(catalog, stream)
        named = naming_lists(catalog, stream, found)
        certain, uncertain, structures = found.defects, found.suspects, found.structures
        if moment is not None:
            certain, uncertain = bad_during(certain, moment), bad_during(uncertain, moment)
            structures = bad_during(structures, moment)
        entries = uncertain if suspects else certain
        if json:
            session.terminal.document(
                {
                    "camera": sensor.name,
                    "revision": revision.number,
                    "grid": found.grid.kind,
                    "width": found.grid.width,
                    "height": found.grid.height,
                    "registrations": registrations(revision, found.grid),
                    "structures": [structure_document(structure) for structure in structures],
                    "defects": [
                        entry_document(entry, visible(entry, noise), named.get((entry.row, entry.col), ()))
                        for entry in certain
                    ],
                    **(
                        {"suspects": [entry_document(entry, visible(entry, noise)) for entry in uncertain]}
                        if suspects
                        else {}
                    ),
                }
            )
            return 0
        if structures and not suspects:
            session.terminal.table(
                ["structure", "rows", "cols", "every", "photosites", "reads", "sigma", "bad"],
                [structure_row(structure) for structure in structures],
            )
        carried = any(entry.origin for entry in entries)
        confirmed = any((entry.row, entry.col) in named and not is_listed(entry) for entry in entries)
        short = session.terminal.is_watched
        what = ["kind", "strength"] if short else ["kind", "colour", "strength", "unit"]
        headings = ["row", "col", *what, "sigma", "photos", "scenes", "bad"]
        session.terminal.table(
            [
                *headings,
                *(["found on"] if carried else []),
                *(["also in"] if confirmed else []),
                *(["lacks"] if suspects else []),
                "visible",
            ],
            [
                [
                    *(short_row(entry) if short else entry_row(entry)),
                    *([entry.origin] if carried else []),
                    *([", ".join(named.get((entry.row, entry.col), ()))] if confirmed else []),
                    *([entry.missing] if suspects else []),
                    where_visible(
                        entry,
                        short_visible(visible(entry, noise)) if short else visible(entry, noise),
                    ),
                ]
                for entry in entries
            ],
        )
        if short and any(entry.kind in {Kind.HOT, Kind.OFFSET} for entry in entries):
            session.terminal.say("strengths and exposure times are those at ISO 100")
        for text in _registered(revision, found.grid):
            session.terminal.say(text)
        lent = sum(map(is_listed, entries))
        if lent:
            session.terminal.say(
                f"{count(lent, 'site')} only imported lists name; fix repairs them where a photo shows them"
            )
        noun = "suspect" if suspects else "defect"
        session.terminal.show(
            f"{count(len(entries) - lent, noun)} on the {found.grid.kind} grid of {sensor.name}, "
            f"{found.grid.width}x{found.grid.height}, revision {revision.number}"
        )
        option = session.camera_option(catalog, sensor)
        if not suspects and entries:
            session.terminal.suggest(session.command("fix", *option, "PHOTO"))
        elif not suspects and found.suspects:
            session.terminal.suggest(session.command("defects", *option, "--suspects"))
    return 0


def variance(
    ctx: typer.Context,
    camera: Camera = None,
    top: Annotated[int, typer.Option(min=1, metavar="N", help="So many for each colour.")] = 10,
    grid: Grid = None,
    json: Json = False,
) -> int:
    """List the photosites whose value varies least.

    This is the classic search over many photos; it finds stuck and dead photosites only.

    Example: defectmap variance --camera D80 --top 5
    """
    from defectmap.overview import choose_stream  # noqa: PLC0415
    from defectmap.variance import lowest_variance  # noqa: PLC0415

    session: Session = ctx.obj
    with session.open(read_only=True) as catalog:
        sensor = choose_camera(catalog, camera)
        stream = choose_stream(catalog, sensor, grid)
        sites = lowest_variance(catalog, stream, top)
        names = ("row", "col", "channel", "variance", "mean", "frames")
        if json:
            session.terminal.document([{name: getattr(site, name) for name in names} for site in sites])
        else:
            session.terminal.table(names, [[getattr(site, name) for name in names] for site in sites])
            option = session.camera_option(catalog, sensor)
            session.terminal.suggest(session.command("defects", *option))
    return 0


def settle_maps(catalog: Catalog) -> list[Detection]:
    """Bring the maps of all cameras up to date whose photos they do not rest on yet."""
    from defectmap.detect import detect as judge  # noqa: PLC0415
    from defectmap.overview import outdated  # noqa: PLC0415

    return [judge(catalog, sensor) for sensor in outdated(catalog)]


def show_detections(session: Session, catalog: Catalog, detections: Sequence[Detection]) -> None:
    """Write a table of new maps, and what to do with them."""
    session.terminal.table(
        ("camera", "files", "revision", "photos", "defects", "suspects"),
        [
            (
                detection.sensor.name,
                f"{found.grid.kind} {found.grid.width}x{found.grid.height}",
                detection.revision.number,
                catalog.frames.count(stream_id),
                len(found.defects),
                len(found.suspects),
            )
            for detection in detections
            for stream_id, found in detection.revision.maps.items()
        ],
    )
    for detection in detections:
        for text in _registered(detection.revision):
            session.terminal.say(f"{detection.sensor.name}: {text}")
    bad = [detection for detection in detections if detection.defects]
    if bad:
        worst = max(bad, key=lambda detection: detection.defects)
        option = session.camera_option(catalog, worst.sensor)
        session.terminal.suggest(session.command("defects", *option), session.command("fix", *option))
    elif detections:
        session.terminal.say("no defect is certain; more photos of different scenes show more")


def registrations(revision: Revision, grid: MapGrid | None = None) -> list[dict[str, Any]]:
    """Return how the grids of a sensor lie on each other, or one of them on others, as a revision says it."""
    known: list[dict[str, Any]] = revision.content.provenance.get("registrations", [])
    if grid is None:
        return known
    wanted = {"kind": grid.kind, "height": grid.height, "width": grid.width}
    return [entry for entry in known if wanted in (entry["source"], entry["target"])]


def _registered(revision: Revision, grid: MapGrid | None = None) -> list[str]:
    """Return the same in sentences; of grids that stay apart, those of raw files against JPEGs."""
    sentences = []
    for entry in registrations(revision, grid):
        if entry["registered"]:
            sentences.append(entry["text"])
        elif entry["source"]["kind"] == "raw":
            size = f"{entry['target']['width']}x{entry['target']['height']}"
            sentences.append(f"whether raw and JPEG {size} lie in one frame is not sure: {entry['reason']}")
    return sentences


def moment_of(text: str) -> datetime:
    """Return the moment that ``--at`` names; a day alone is its midnight."""
    form = "say a day such as 2021-05-30, or a time such as 2021-05-30T18:00:00"
    # Python reads more than that, such as 20210530, which may be a slip as well.
    if re.match(r"\d{4}-\d{2}-\d{2}(?![^T ])", text, re.ASCII) is None:
        raise UsageError(f"--at {text!r} is no date: {form}")
    try:
        moment = (
            datetime.fromisoformat(text)
            if len(text) > 10
            else datetime.combine(date.fromisoformat(text), time.min)
        )
    except ValueError:
        raise UsageError(f"--at {text!r} is not in the calendar or on the clock: {form}") from None
    if moment.tzinfo is not None:
        raise UsageError(
            f"--at {text!r} has a time zone: leave it out, times are those of the camera's clock"
        )
    return moment

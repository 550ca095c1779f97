"""Repair photos with the map that was valid on their day: first a plan, then the same list carried out."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from defectmap.catalog.records import FileRecord, RepairRecord, SensorRecord
from defectmap.catalog.store import Catalog
from defectmap.errors import PhotoError, UsageError
from defectmap.media.discover import OUTPUT_FOLDER, absolute, content_digest
from defectmap.media.originals import Note, original_of, write_note
from defectmap.media.writing import replace as replace_content
from defectmap.media.writing import replace_with_backup, write_new
from defectmap.planning import Format, Plan, Planner, Repair, Status, Step, outcome
from defectmap.repairing import Corrected, Correction, correct_all

__all__ = ["Format", "Plan", "Repair", "Status", "carry_out", "plan"]

_log = logging.getLogger(__name__)

Progress = Callable[[str, int, int], None]
"""Told what is being done, how many of it are done, and of how many."""


def plan(
    catalog: Catalog,
    sensors: Sequence[SensorRecord],
    paths: Sequence[Path],
    *,
    output: Path | None = None,
    in_place: bool = False,
    format: Format = "same",
) -> Plan:
    """Say what repairing would do; nothing is written.

    Parameters
    ----------
    catalog : Catalog
    sensors : sequence of SensorRecord
        The cameras whose photos are meant; with `paths` it may be empty, for any camera.
    paths : sequence of Path
        Photos and folders; they need not be in the catalog, but their camera needs a map there. If empty,
        every photo of `sensors` in the catalog is meant.
    output : Path, optional
        Folder for the repaired photos, in subfolders as below the folder that all photos share. By default
        each goes into a folder `defectmap` beside its source.
    in_place : bool
        Change the photos themselves; their originals go into a folder `defectmap-originals` beside them.
    format : {"same", "dng", "tiff", "jpeg"}
        "same" keeps NEFs, uncompressed raws of TIFF structure such as DNG, and JPEGs in their format, and
        makes other raws DNG. Every raw becomes a DNG with "dng", a rendered picture with "tiff" (16 bits per
        channel) or "jpeg". A JPEG stays what it is; with "dng" and "tiff" it is skipped.

    Returns
    -------
    Plan

    Raises
    ------
    UsageError
        If the options contradict each other, or neither photos nor cameras are named.
    """
    if in_place and output is not None:
        raise UsageError("--in-place and --output exclude each other")
    if output is not None and output.exists() and not output.is_dir():
        raise UsageError(f"{output} is a file: name a folder with --output")
    if in_place and format != "same":
        raise UsageError("a photo cannot change its format in place; leave out --in-place")
    if not paths and not sensors:
        raise UsageError("name the photos to repair, or their camera with --camera")
    planner = Planner(catalog, sensors, in_place, format)
    # A raw and its JPEG side by side: a run that is stopped leaves but one pair in halves.
    named = list(planner.named(paths)) if paths else sorted(planner.catalogued(), key=_beside_its_pair)
    base = _common_folder([absolute(path) for path in paths or [path for path, _ in named]])
    steps = [planner.step(path, found, _destination(path, base, output, in_place)) for path, found in named]
    return Plan(tuple(_without_collisions(steps)))


def carry_out(
    catalog: Catalog,
    plan: Plan,
    *,
    workers: int = 1,
    progress: Progress | None = None,
    now: datetime | None = None,
) -> tuple[Repair, ...]:
    """Do what a plan says.

    The trouble of one photo does not stop the others. Each repair is noted in the catalog before its file
    appears, and the file appears whole: whatever stops a run, the next one goes on from there.

    Parameters
    ----------
    catalog : Catalog
    plan : Plan
    workers : int
        Processes that correct; the files are the same for any number.
    progress : callable, optional
        Called as ``progress(what, done, total)``.
    now : datetime, optional
        Noted as the time of repair; the present by default.

    Returns
    -------
    tuple of Repair
        In the order of the plan, none "planned" any more.

    Raises
    ------
    CatalogError
        If the catalog cannot be written; no further photo is touched then.
    """
    tasks = [step.task for step in plan.steps if step.task is not None]
    done: list[Repair] = []
    finished = 0
    with closing(correct_all(tasks, workers)) as results:
        for step in plan.steps:
            if step.task is None:
                done.append(step.repair)
                continue
            result = next(results)
            if not isinstance(result, PhotoError):
                result = _write(catalog, step, step.task, result, now or datetime.now(UTC))
            done.append(outcome(step.repair, result))
            finished += 1
            if progress is not None:
                progress("Repairing", finished, len(tasks))
    return tuple(done)


def _beside_its_pair(named: tuple[Path, object]) -> tuple[Path, str, str]:
    path = named[0]
    return path.parent, path.stem, path.suffix


def _common_folder(paths: Sequence[Path]) -> Path:
    try:
        return Path(os.path.commonpath([path if path.is_dir() else path.parent for path in paths]))
    except ValueError:  # none, or on several drives
        return Path()


def _destination(path: Path, base: Path, output: Path | None, in_place: bool) -> Path:
    if in_place:
        return path
    if output is None:
        return path.parent / OUTPUT_FOLDER / path.name
    return output.absolute() / (path.relative_to(base) if path.is_relative_to(base) else path.name)


def _without_collisions(steps: Sequence[Step]) -> Iterator[Step]:
    """Skip photos whose output an earlier one of the plan has, also where case does not tell names apart."""
    taken = {str(step.holds).casefold(): step.repair.source for step in steps if step.holds is not None}
    for step in steps:
        repair = step.repair
        if repair.status == "planned" and repair.output is not None:
            first = taken.setdefault(str(repair.output).casefold(), repair.source)
            if first != repair.source:
                reason = f"would be written to the same file as {first}: name it alone, with another --output"
                yield Step(replace(repair, output=None, repaired=(), status="skipped", reason=reason))
                continue
        yield step


def _write(
    catalog: Catalog, step: Step, task: Correction, corrected: Corrected, now: datetime
) -> Corrected | PhotoError:
    """Put a repaired file in its place.

    The catalog learns of it first, so that the file is never taken for another.
    """
    source, output = step.repair.source, step.repair.output
    if corrected.data is None or output is None:
        return corrected
    backup = None
    if source == output:
        again = task.source != source
        backup = task.source if again else original_of(source)
    digest = content_digest(corrected.data)
    record = RepairRecord(source, output, backup, task.digest, digest, step.revision_id, now)
    repair_id = catalog.repairs.record(record)
    try:
        if backup is None and step.replaces is None:
            write_new(output, corrected.data, source)
        elif backup is not None and task.source == source:
            replace_with_backup(source, corrected.data, backup, task.digest)
        else:
            replace_content(output, corrected.data, step.replaces or b"")
    except PhotoError as error:
        catalog.repairs.mark_undone(repair_id)
        return error
    if backup is not None:
        _note(catalog, step.frame_id, source, backup, Note(task.digest, digest))
    return corrected


def _note(catalog: Catalog, frame_id: int | None, source: Path, backup: Path, note: Note) -> None:
    """Note a repair in place beside the original and, for a photo that the catalog has, in its ledger."""
    try:
        write_note(backup, note)
    except PhotoError as error:
        _log.warning("%s is repaired, and can be undone with this catalog only: %s", source, error.reason)
    if frame_id is None:
        return
    # The original is remembered as well: the frame can be read from it again.
    for file, digest in ((source, note.repaired), (backup, note.original)):
        status = file.stat()
        catalog.files.remember(
            FileRecord(file, status.st_size, status.st_mtime_ns, digest, "frame", frame_id=frame_id)
        )

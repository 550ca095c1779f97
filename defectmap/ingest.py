"""Add photos to a catalog: every photo is decoded once, ever."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from defectmap.catalog.records import RepairRecord
from defectmap.catalog.store import Catalog
from defectmap.committing import Commits, remember
from defectmap.crew import Crew, Task, affordable_workers
from defectmap.errors import CatalogError, DefectmapError
from defectmap.measuring import Photo, Trouble
from defectmap.media.discover import FoundFile, TroubledFile, absolute, discover
from defectmap.model.sensor import SensorIdentity, StreamKind
from defectmap.previewing import learn_from_previews
from defectmap.settling import newest_epoch

if TYPE_CHECKING:
    from defectmap.cluster import Cluster

TASK_FRAMES = 128
"""Photos that a worker measures at most at a time."""

COMPILING = "Compiling, once on this machine"
"""What is being done before the first photo is measured, of unknown length."""

Progress = Callable[[str, int, int], None]
"""Told what is being done, how many of it are done, and of how many; 0 where that is not known."""


@dataclass(frozen=True, slots=True)
class FileTrouble:
    """A path that does not count, and why (as the end of a sentence that begins with the path)."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class IngestOutcome:
    """What became of the files.

    Attributes
    ----------
    ingested : int
        New frames.
    known : int
        Files whose content was here already, copies among the new ones included.
    skipped, failed : tuple of FileTrouble
        Ordered by path.
    cameras : tuple of str
        Names of the sensors with new frames, sorted.
    sensor_ids : tuple of int
        The same sensors, by their id.
    overcounted : int
        Frames of a repeated scene that could not be read again, and so still count.
    """

    ingested: int
    known: int
    skipped: tuple[FileTrouble, ...]
    failed: tuple[FileTrouble, ...]
    cameras: tuple[str, ...]
    sensor_ids: tuple[int, ...]
    overcounted: int = 0


def ingest(
    catalog: Catalog,
    paths: Iterable[Path],
    *,
    workers: int = 1,
    memory_bytes: int | None = None,
    scheduler: str | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> IngestOutcome:
    """Add photos to a catalog.

    What was measured is committed now and then, evidence and frames in one transaction, and when a run ends,
    be it by Ctrl-C or an error: whatever stops it, the catalog is whole and the next run goes on from there.

    Parameters
    ----------
    catalog : Catalog
    paths : iterable of Path
        Files and folders; folders are walked.
    workers : int
        Processes that decode. The result is the same for any number.
    memory_bytes : int, optional
        That the workers may take together: large photos are measured by fewer of them. One worker takes about
        16 bytes per photosite, and 250 MiB for itself.
    scheduler : str, optional
        Address of a scheduler of Dask's distributed, whose workers are to do what processes of this machine
        would. The result is the same.
    dry_run : bool
        Identify the new photos, but neither decode them nor write anything.
    progress : callable, optional
        Called as ``progress(what, done, total)``.

    Returns
    -------
    IngestOutcome

    Raises
    ------
    CatalogError
        If the catalog cannot be read or written; what was committed before stays.
    DefectmapError
        If the scheduler cannot be reached or has no workers that see the photos; likewise.
    """
    tell = progress or (lambda *_: None)
    run = _Run(catalog, dry_run, tell)
    with Crew(workers, lambda: tell(COMPILING, 0, 0)) if scheduler is None else _cluster(scheduler) as crew:
        photos = run.identify(list(run.discover(paths)), crew)
        most = None if memory_bytes is None else affordable_workers(photos, memory_bytes)
        if dry_run:
            run.ingested = len(photos)
        else:
            run.measure(photos, crew, most)
    return run.outcome()


def _cluster(address: str) -> Cluster:
    try:
        from defectmap.cluster import Cluster  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise DefectmapError(
            f"--scheduler needs Dask's distributed ({error}): install it with `pip install 'defectmap[dask]'`"
        ) from error
    return Cluster(address)


class _Run:
    """The state of one ingest: what is known, and what became of each file."""

    def __init__(self, catalog: Catalog, dry_run: bool, progress: Progress) -> None:
        self._catalog = catalog
        self._dry_run = dry_run
        self._progress = progress
        self._troubles: dict[Path, tuple[bool, str]] = {}
        self._commits = Commits(catalog, self._give_up, 1)
        self._copies: list[Photo] = []
        self._repairs: dict[bytes, RepairRecord] = {}
        self._known = 0
        self.ingested = 0

    def discover(self, paths: Iterable[Path]) -> Iterator[FoundFile]:
        """Yield the files that are new; the others are known by path, size and time of change."""
        roots = [absolute(path) for path in paths]
        folders = [root for root in roots if os.path.isdir(root)]  # noqa: PTH112 - which never raises
        # All at once: a library of 100,000 known files must cost little more than its stats.
        states = self._catalog.files.states(folders, sorted({*roots} - {*folders}))

        def known(path: str, size: int, mtime_ns: int) -> bool:
            state = states.get(path)
            if state is None or (state.size, state.mtime_ns) != (size, mtime_ns):
                return False
            if state.outcome == "frame":
                self._known += 1
            else:
                self._troubles[Path(path)] = (state.outcome == "failed", state.reason)
            return True

        for found in discover(roots, known):
            if isinstance(found, TroubledFile):
                self._troubles[found.path] = (True, found.reason)
            else:
                yield found

    def identify(self, files: Sequence[FoundFile], crew: Crew | Cluster) -> list[Photo]:
        """Identify new files; leave out known content, copies of each other and what is no photo."""
        photos: list[Photo] = []
        seen: set[bytes] = set()
        found: list[Photo | Trouble] = []
        for done, one in enumerate(crew.identify(files), 1):
            found.append(one)
            self._progress("Reading", done, len(files))
        identified = [one for one in found if isinstance(one, Photo)]
        self._repairs = self._catalog.repairs.of_outputs([photo.digest for photo in identified])
        repaired_shots = self._repaired_shots(identified)
        with nullcontext() if self._dry_run else self._catalog.transaction():
            for one in sorted(found, key=lambda one: one.file.path):
                if isinstance(one, Trouble):
                    self._give_up(one)
                elif self._is_known(one):
                    self._known += 1
                elif (repair := self._repairs.get(one.digest)) is not None:
                    self._give_up(Trouble(one.file, _is_repaired(repair), False, one.digest))
                elif (repair := repaired_shots.get(_shot(one))) is not None:
                    self._give_up(Trouble(one.file, _was_repaired(repair), False, one.digest))
                elif one.digest in seen:
                    self._known += 1
                    self._copies.append(one)
                else:
                    seen.add(one.digest)
                    photos.append(one)
        return photos

    def measure(self, photos: Sequence[Photo], crew: Crew | Cluster, most: int | None) -> None:
        """Measure the photos, and commit what was found: all that waits at a time."""
        workers = crew.workers
        tasks = list(self._tasks(photos, workers))
        commits = self._commits = Commits(self._catalog, self._give_up, workers)
        measured = crew.measure(tasks, lambda done: self._progress("Measuring", done, len(photos)), most)
        try:
            for measurement in measured:
                commits.take(measurement)
            commits.write()
        except CatalogError:
            raise
        except BaseException:
            # Whatever ended the run, Ctrl-C in mid-writing as well: what was measured in full is kept.
            commits.write()
            raise
        self.ingested = commits.ingested
        with self._catalog.transaction():
            for copy in self._copies:
                self._is_known(copy)
        for stream, raws in commits.raws.values():
            learn_from_previews(self._catalog, stream, raws)

    def outcome(self) -> IngestOutcome:
        """Sum up."""
        troubles, commits = sorted(self._troubles.items()), self._commits
        cameras = sorted((sensor.name, sensor.id) for sensor in commits.sensors.values())
        return IngestOutcome(
            self.ingested,
            self._known + commits.known,
            tuple(FileTrouble(path, reason) for path, (failed, reason) in troubles if not failed),
            tuple(FileTrouble(path, reason) for path, (failed, reason) in troubles if failed),
            tuple(name for name, _ in cameras),
            tuple(number for _, number in cameras),
            sum(commits.overcounted.values()),
        )

    def _repaired_shots(self, photos: Sequence[Photo]) -> dict[tuple[object, ...], RepairRecord]:
        """Return repairs of photos like some, by what stays when a program changes tags in one of them."""
        moments = {photo.conditions.captured for photo in photos if photo.conditions.captured}
        repairs = self._catalog.repairs.of_moments(sorted(moments))
        if not repairs:
            return {}
        identities = {sensor.id: sensor.identity for sensor in self._catalog.sensors.all()}
        streams = {stream.id: stream for stream in self._catalog.sensors.streams()}
        shots: dict[tuple[object, ...], RepairRecord] = {}
        for repair, stream_id, captured in repairs:
            stream = streams[stream_id]
            shot = (identities[stream.sensor_id], stream.grid.kind, captured)
            shots |= {(*shot, name): repair for name in (repair.source.name, repair.output.name)}
        return shots

    def _tasks(self, photos: Sequence[Photo], workers: int) -> Iterator[Task]:
        """Cut the photos into runs of one camera, kind, size and epoch, in order of capture.

        Frames of one scene are mostly neighbours then, and a worker holds the sums of one stream at a time.
        """
        newest: dict[tuple[SensorIdentity, StreamKind], int] = {}
        for photo in photos:
            body = (photo.identity, photo.kind)
            known = newest[body] if body in newest else newest_epoch(self._catalog, *body)
            newest[body] = max(known, photo.year)
        groups: dict[tuple[object, ...], list[Photo]] = {}
        for photo in photos:
            year = newest[photo.identity, photo.kind]
            key = (photo.identity, photo.kind, photo.size, photo.year == year)
            groups.setdefault(key, []).append(photo)
        for group in groups.values():
            ordered = sorted(group, key=lambda photo: photo.order)
            # As many for each worker, and alike: none is to wait for another at the end.
            count = min(len(ordered), workers * -(-len(ordered) // (workers * TASK_FRAMES)))
            year = newest[ordered[0].identity, ordered[0].kind]
            for number in range(count):
                first, past = (len(ordered) * one // count for one in (number, number + 1))
                yield Task(ordered[first:past], year)

    def _is_known(self, photo: Photo) -> bool:
        """Whether the content is in the catalog; the path is then noted as another place of it."""
        frame = self._catalog.frames.by_digest(photo.digest)
        repair = self._repairs.get(photo.digest)
        if frame is None and repair is not None and repair.backup is not None:
            # Repaired in place: the photo itself, wherever it is now.
            frame = self._catalog.frames.by_digest(repair.source_digest)
        if frame is not None and not self._dry_run:
            remember(self._catalog, photo.file, photo.digest, frame_id=frame.id)
        return frame is not None

    def _give_up(self, trouble: Trouble) -> None:
        self._troubles[trouble.file.path] = (trouble.failed, trouble.reason)
        # Without a digest the trouble was with reaching the file, and may be gone the next time.
        if trouble.digest is not None and not self._dry_run:
            remember(self._catalog, trouble.file, trouble.digest, trouble=trouble)


def _shot(photo: Photo) -> tuple[object, ...]:
    return photo.identity, photo.kind, photo.conditions.captured, photo.file.path.name


def _was_repaired(repair: RepairRecord) -> str:
    original = repair.backup or repair.source
    return f"was changed since, but was taken as {original}, which was repaired and counts instead"


def _is_repaired(repair: RepairRecord) -> str:
    # What was repaired no longer shows what was wrong, and would testify against the map.
    original = repair.backup or repair.source
    return f"is a repaired copy of {original}, which counts instead"

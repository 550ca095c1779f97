"""The processes that identify and measure photos; one worker is this process itself."""

from __future__ import annotations

import itertools
import multiprocessing
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

from defectmap.compiling import compiling_noticed
from defectmap.errors import DefectmapError
from defectmap.measuring import Measurement, Photo, Trouble, identify, measure
from defectmap.media.discover import FoundFile
from defectmap.serving import interruptions_held, serve_parent


@dataclass(frozen=True, slots=True)
class Task:
    """What a worker is handed at a time.

    Attributes
    ----------
    photos : list of Photo
        Of one camera, in order of capture.
    newest : int
        The year whose frames are an epoch of their own.
    """

    photos: list[Photo]
    newest: int


def affordable_workers(photos: Sequence[Photo], memory_bytes: int) -> int:
    """Return how many workers can measure such photos in so much memory; one at least.

    Parameters
    ----------
    photos : sequence of Photo
    memory_bytes : int
        That all workers together may take.
    """
    largest = max((_photosites(photo) for photo in photos), default=0)
    return max(1, memory_bytes // (_PROCESS_BYTES + _BYTES_PER_PHOTOSITE * largest))


def _photosites(photo: Photo) -> int:
    """Photosites of a photo at most; a raw takes about a byte for one at least."""
    return photo.size[0] * photo.size[1] if photo.size else photo.file.size


class Crew:
    """So many processes that identify and measure; use it in a ``with`` statement.

    Parameters
    ----------
    workers : int
        One works in this process itself.
    notice : callable, optional
        Called while nothing is measured because code is being compiled, which happens once on each machine.
    """

    def __init__(self, workers: int, notice: Callable[[], None] = lambda: None) -> None:
        self.workers = max(1, workers)
        self._notice = notice
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._pool: ProcessPoolExecutor | None = None
        # Not fork: LibRaw's threads do not survive it.
        self._context = multiprocessing.get_context("spawn")
        self._done = self._context.Value("q", 0)
        self._compiling = self._context.Value("q", 0)

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            # Nobody waits for what the workers are at: they stop at their next photo.
            self._done.value = _STOP
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        if self._folder is not None:
            self._folder.cleanup()

    def identify(self, files: Sequence[FoundFile]) -> Iterator[Photo | Trouble]:
        """Identify files, in the given order."""
        if self.workers == 1 or len(files) < 2 * self.workers:
            yield from map(identify, files)
            return
        runs = [files[start : start + _RUN] for start in range(0, len(files), _RUN)]
        for run, future in [(run, self._hand_out(run)) for run in runs]:
            try:
                yield from future.result()
            except BrokenProcessPool:
                self._pool = None
                yield from self._identify_apart(run)

    def measure(
        self, tasks: Sequence[Task], report: Callable[[int], None], most: int | None = None
    ) -> Iterator[Measurement]:
        """Measure tasks, in any order.

        Parameters
        ----------
        tasks : sequence of Task
        report : callable
            Told how many photos are done.
        most : int, optional
            So many workers at most at a time, however many there are.

        Yields
        ------
        Measurement
            Its sums are in files, there until `arrays` of a part is cleared, or the crew is dismissed.
        """
        if min(self.workers, most or self.workers) == 1 or len(tasks) == 1:
            ticks, folder = itertools.count(1), self._place()
            for task in tasks:
                with compiling_noticed(lambda begins: self._notice() if begins else None):
                    measured = measure(
                        task.photos, newest=task.newest, folder=folder, tick=lambda: report(next(ticks))
                    )
                yield measured
            return
        broken: list[Task] = []
        # One more than can be worked at, so that nobody waits while a result is written; not all at once, so
        # that finished results do not pile up on the disk.
        under_way = self.workers + 1 if most is None or most >= self.workers else most
        left = deque(tasks)
        waiting: dict[Future[Measurement], Task] = {}
        while left or waiting:
            while left and len(waiting) < under_way:
                task = left.popleft()
                try:
                    waiting[self._submit(task)] = task
                except BrokenProcessPool:
                    broken.append(task)
            finished, _ = wait(waiting, timeout=0.25, return_when=FIRST_COMPLETED)
            if self._compiling.value > 0:
                self._notice()
            else:
                report(self._done.value)
            for future in finished:
                task = waiting.pop(future)
                try:
                    yield future.result()
                except BrokenProcessPool:
                    broken.append(task)
        if broken:
            self._pool = None
        for task in broken:
            yield from self._one_by_one(task)
        if self._pool is not None:
            # They wind up while what they measured is written.
            self._pool.shutdown(wait=False)
            self._pool = None

    def _identify_apart(self, files: Sequence[FoundFile]) -> list[Photo | Trouble]:
        """Identify files of which one may have killed a worker; halve them until it is found."""
        try:
            return self._hand_out(files).result()
        except BrokenProcessPool:
            self._pool = None
        if len(files) == 1:
            return [Trouble(files[0], "cannot be read: the reader of its metadata crashed on it", True)]
        middle = len(files) // 2
        return [*self._identify_apart(files[:middle]), *self._identify_apart(files[middle:])]

    def _hand_out(self, files: Sequence[FoundFile]) -> Future[list[Photo | Trouble]]:
        pool = self._start()
        with interruptions_held():
            return pool.submit(identify_run, files)

    def _one_by_one(self, task: Task) -> Iterator[Measurement]:
        """Measure a task that a worker died of; halve it until the photo that kills is found."""
        try:
            yield self._submit(task).result()
            return
        except BrokenProcessPool:
            self._pool = None
        if len(task.photos) == 1:
            photo = task.photos[0]
            reason = "cannot be decoded: the decoder crashed on it"
            yield Measurement(troubles=[Trouble(photo.file, reason, True, photo.digest)])
            return
        middle = len(task.photos) // 2
        for half in (task.photos[:middle], task.photos[middle:]):
            yield from self._one_by_one(Task(half, task.newest))

    def _submit(self, task: Task) -> Future[Measurement]:
        pool = self._start()
        with interruptions_held():
            return pool.submit(measure_apart, task, self._place())

    def _place(self) -> Path:
        """Return the folder of the sums."""
        if self._folder is None:
            try:
                self._folder = tempfile.TemporaryDirectory(prefix="defectmap-", ignore_cleanup_errors=True)
            except OSError as error:
                raise DefectmapError(
                    f"no temporary folder can be made ({error}): make room there, or name another with the "
                    "variable TMPDIR"
                ) from error
        return Path(self._folder.name)

    def _start(self) -> ProcessPoolExecutor:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                self.workers,
                self._context,
                initializer=_begin_work,
                initargs=(self._done, self._compiling, self._place()),
            )
        return self._pool


_done: Synchronized[int] | None = None
"""In a worker: the number of photos that all workers have measured, or `_STOP`."""

_compiling: Synchronized[int] | None = None
"""In a worker: how many workers are compiling code."""

_STOP = -1

_PROCESS_BYTES, _BYTES_PER_PHOTOSITE = 250 << 20, 16
"""What a worker takes: program and decoder, and a frame or two."""

_RUN = 8
"""Files that a worker identifies at a time."""


def _begin_work(done: Synchronized[int], compiling: Synchronized[int], folder: Path) -> None:
    """Prepare a worker; Ctrl-C is left to the parent, which keeps what was done."""
    global _done, _compiling  # a worker's one way to be handed shared memory
    _done, _compiling = done, compiling
    serve_parent(folder)


def _tick() -> None:
    if _done is not None:
        with _done.get_lock():
            if _done.value == _STOP:
                raise CancelledError
            _done.value += 1


def _count_compiling(begins: bool) -> None:
    if _compiling is not None:
        with _compiling.get_lock():
            _compiling.value += 1 if begins else -1


def identify_run(files: Sequence[FoundFile]) -> list[Photo | Trouble]:
    """Identify files in a worker."""
    return [identify(file) for file in files]


def measure_apart(task: Task, folder: Path) -> Measurement:
    """Measure in a worker; the sums go to the parent by way of files."""
    with compiling_noticed(_count_compiling):
        return measure(task.photos, newest=task.newest, folder=folder, tick=_tick)

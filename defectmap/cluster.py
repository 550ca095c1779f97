"""Identify and measure on many machines: the workers of a scheduler of Dask's distributed."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from distributed import Client
from distributed.scheduler import KilledWorker

from defectmap import __version__, fieldwork
from defectmap.crew import Task
from defectmap.errands import Errand, Result, carry_out
from defectmap.errors import DefectmapError, UsageError
from defectmap.fieldwork import Sheaf, Standing
from defectmap.measuring import Measurement, Photo, Trouble
from defectmap.media.discover import FoundFile
from defectmap.model.evidence import METHOD

_log = logging.getLogger(__name__)

PATIENCE_S = 20.0
"""How long to wait for the scheduler's answer, and for a worker where there is none: dead ones come again."""

_RUN = 32
"""Files that a worker identifies at a time."""

_GLANCE_S = 0.5

_ADDRESS = re.compile(r"(?:(?:tcp|tls)://)?(?:[^\s:/\[\]]+|\[[0-9a-fA-F:.]+\]):\d{1,5}")


class Cluster:
    """Workers on any machines, in place of a `Crew`; use it in a ``with`` statement.

    Only workers take part that run the same program as this process and see the photos under the same paths;
    the others are named in the log. Workers may come and go.

    Parameters
    ----------
    address : str
        Of the scheduler, such as ``tcp://host:8786``.

    Raises
    ------
    DefectmapError
        If nobody answers there, in all methods also if the scheduler goes away or has no worker to offer.
    """

    def __init__(self, address: str) -> None:
        if not _ADDRESS.fullmatch(address):
            raise UsageError(f"{address!r} is no address of a scheduler, which looks like tcp://host:8786")
        self._address = address
        self._samples: list[tuple[Path, int]] = []
        self._objections: dict[str, str] = {}
        self._unsaid: list[str] = []
        self._present: list[str] = []
        self._looked = 0.0
        try:
            self._client = Client(address, timeout=PATIENCE_S, set_as_default=False, name="defectmap")
        except (OSError, TypeError) as error:
            raise DefectmapError(
                f"no scheduler answers at {address} ({error}): start one with `dask scheduler`, and name the "
                "address that it prints with --scheduler"
            ) from error

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close(timeout=PATIENCE_S)

    @property
    def workers(self) -> int:
        """How many take part at present."""
        return len(self.present())

    def identify(self, files: Sequence[FoundFile]) -> Iterator[Photo | Trouble]:
        """Identify files, in any order."""
        # One of each folder: whole folders are what a machine does not see.
        self._samples = [
            (file.path, file.size) for file in {f.path.parent: f for f in reversed(files)}.values()
        ]
        self._objections.clear()
        self._looked = 0.0
        runs = [files[start : start + _RUN] for start in range(0, len(files), _RUN)]
        errands = [Errand(fieldwork.identify_files, run) for run in runs]
        for found in carry_out(errands, _Field(self, _not_identified)):
            yield from found

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
            Without meaning here: each worker has memory of its own.

        Yields
        ------
        Measurement
            Of many tasks, where their sums were added.
        """
        topic = f"defectmap-{uuid4()}"
        tick = partial(fieldwork.tell, topic)
        errands = [
            Errand(
                partial(fieldwork.measure_photos, newest=task.newest, tick=tick), task.photos, _group(task)
            )
            for task in tasks
        ]
        done: list[Any] = []
        self._client.subscribe_topic(topic, done.append)
        total = sum(len(task.photos) for task in tasks)
        # What is done again is told again.
        field = _Field(self, _not_measured, adds=True, watch=lambda: report(min(total, len(done))))
        try:
            for sheaf in carry_out(errands, field):
                yield fieldwork.unfold(sheaf)
        except MemoryError as error:
            raise DefectmapError(
                "a worker has too little memory for such photos: start it with more, by `--memory-limit` of "
                "`dask worker`, and repeat the command; what was added stays"
            ) from error

    def present(self) -> list[str]:
        """Return the addresses of the workers that take part; wait for one where there is none."""
        begun = time.monotonic()
        while True:
            self._glance()
            if self._present:
                while self._unsaid:
                    _log.warning("%s; it is left out", self._unsaid.pop())
                return self._present
            if self._objections and all(self._objections.values()):
                first, *others = self._objections.values()
                more = f", and {len(others)} more are left out" if others else ""
                raise DefectmapError(f"no worker of {self._address} can be used: {first}{more}")
            if time.monotonic() - begun > PATIENCE_S:
                raise DefectmapError(
                    f"the scheduler at {self._address} has no workers: start some on each machine with "
                    f"`dask worker {self._address}`, and repeat the command; what was added stays"
                )
            time.sleep(_GLANCE_S)

    def submit(self, worker: str, call: Callable[..., Any], *arguments: object, priority: int = 0) -> Result:
        """Ask a worker to call a function."""
        result: Result = self._client.submit(
            call, *arguments, workers=[worker], pure=False, priority=priority
        )
        return result

    def _glance(self) -> None:
        """Look who is there, not too often."""
        # The client would try to come back; what its workers had is gone all the same.
        if self._client.status != "running":
            raise self._gone()
        now = time.monotonic()
        if self._looked and now - self._looked < _GLANCE_S:
            return
        try:
            there = list(self._client.nthreads())
            if fresh := [worker for worker in there if worker not in self._objections]:
                answers = self._client.run(fieldwork.look, self._samples, workers=fresh, on_error="return")
                for worker, answer in answers.items():
                    # One that died meanwhile gives no answer; nor is it there the next time.
                    if not isinstance(answer, OSError):
                        self._admit(worker, answer)
        except (OSError, CancelledError) as error:
            raise self._gone() from error
        self._present = [worker for worker in there if self._objections.get(worker) == ""]
        self._looked = now

    def _admit(self, worker: str, answer: object) -> None:
        """Note what speaks against a worker, if anything does."""
        objection = _objection(answer)
        self._objections[worker] = objection and f"the worker at {worker} {objection}"
        self._unsaid += filter(None, [self._objections[worker]])

    def _gone(self) -> DefectmapError:
        return DefectmapError(
            f"the scheduler at {self._address} went away: start it and its workers again, and repeat the "
            "command; what was added stays"
        )


@dataclass(frozen=True, slots=True)
class _Field:
    """The workers of a cluster, for one kind of errands; see :class:`defectmap.errands.Workers`."""

    cluster: Cluster
    give_up: Callable[[Any], Any]
    adds: bool = False
    watch: Callable[[], None] = lambda: None

    def present(self) -> Sequence[str]:
        return self.cluster.present()

    def do(self, worker: str, errand: Errand) -> Result:
        return self.cluster.submit(worker, errand.call, errand.items)

    def add(self, worker: str, first: Result, second: Result) -> Result:
        # Before the next photos, which would take memory beside them.
        return self.cluster.submit(worker, fieldwork.add, first, second, priority=1)

    def has_died(self, error: BaseException | None) -> bool:
        return isinstance(error, (KilledWorker, CancelledError))


def _group(task: Task) -> Hashable:
    """Return what tasks have in common whose sums are likely to be added."""
    first = task.photos[0]
    return first.identity, first.kind, first.size, task.newest, first.year == task.newest


def _objection(answer: object) -> str:
    """Return what speaks against a worker, as the end of a sentence; "" if nothing does."""
    if isinstance(answer, ModuleNotFoundError) and answer.name == "defectmap":
        return f"has no defectmap: install version {__version__} there, with `pip install 'defectmap[dask]'`"
    if not isinstance(answer, Standing):
        return (
            f"runs another defectmap than this one, which is {__version__} ({answer}): install the same there"
        )
    if (answer.version, answer.method) != (__version__, METHOD):
        return (
            f"runs defectmap {answer.version} with method {answer.method}, this is {__version__} with method "
            f"{METHOD}: install the same version there"
        )
    if answer.unseen:
        count = len(answer.unseen)
        of = f", nor {count - 1} other folders" if count > 1 else ""
        return f"does not see {answer.unseen[0]}{of}: mount the same folders there, under the same paths"
    return ""


def _not_identified(file: FoundFile) -> list[Photo | Trouble]:
    return [Trouble(file, _GIVEN_UP, failed=True)]


def _not_measured(photo: Photo) -> Sheaf:
    # Without its digest: it is tried again the next time, since workers die of other causes too.
    return Sheaf(Measurement(troubles=[Trouble(photo.file, _GIVEN_UP, failed=True)]))


_GIVEN_UP = "was left out: workers die while they read it, for reasons that their logs may tell"

"""Send errands to workers that may die at any time, until all are done or known to kill.

Every errand goes to one named worker, so that it is known what a worker was at when it died. That is given
again to a worker with nothing else to do; if it dies too, halves are, until the photo that kills is found.
Sums stay where they were measured and are added up there: those of one worker as they come, which costs no
transfer; at the end pairs of workers, so that one result crosses to the process that asked.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Protocol

SHEAF_FRAMES = 1024
"""Sums of so many photos are fetched, to be committed: no more work of a worker is at stake at a time."""

_MOST_FRAMES = 1 << 14
"""Sums of several workers are added up to so many photos; their types hold four times as many."""

_AT_HAND = 2
"""Errands that a worker has at a time: one that it is at, and one to go on with."""

_BLINK_S = 0.02


@dataclass(frozen=True, slots=True, eq=False)
class Errand:
    """What a worker is asked for.

    Attributes
    ----------
    call : callable
        What to do with the items.
    items : sequence
        Files or photos.
    group : hashable
        Equal where results are likely to have sums that can be added.
    alone : bool
        A worker died of it, or beside it: no other errand may be taken for it any more.
    """

    call: Callable[[Sequence[Any]], Any]
    items: Sequence[Any]
    group: Hashable = None
    alone: bool = False


class Result(Protocol):
    """What stands for a result that stays with a worker; Dask's ``distributed.Future`` is one."""

    status: str

    def result(self) -> object:
        """Wait for it and bring it here."""

    def exception(self) -> BaseException | None:
        """Return what went wrong."""

    def cancel(self) -> None:
        """Let the workers forget about it."""


class Workers(Protocol):
    """Where errands are sent."""

    @property
    def adds(self) -> bool:
        """Whether results are sums."""

    def present(self) -> Sequence[str]:
        """Return the names of the workers that are there, waiting for one at need.

        Raises
        ------
        DefectmapError
            If there is none, and none comes.
        """

    def do(self, worker: str, errand: Errand) -> Result:
        """Ask a worker to do an errand."""

    def add(self, worker: str, first: Result, second: Result) -> Result:
        """Ask a worker to add two results of one group."""

    def give_up(self, item: Any) -> object:  # noqa: ANN401 - a file or a photo
        """Return the result of an errand with one item of which workers die."""

    def has_died(self, error: BaseException | None) -> bool:
        """Tell whether this error means that a worker died, and not that it said what is wrong."""

    def watch(self) -> None:
        """Look on, several times a second."""


@dataclass(slots=True, eq=False)
class _Matter:
    """Errands under way, or what came of them.

    Attributes
    ----------
    result : Result
    errands : list of Errand
        To be done again where the result is lost.
    home : str
        The worker that has it, or is to have it.
    other : str
        The worker from which the second of two sums comes that are being added; else `home`.
    adding, held : bool
        Whether the errands are done and their sums are being added; whether the result is there.
    fetched : Future or None
        The result on its way here.
    """

    result: Result
    errands: list[Errand]
    home: str
    other: str
    adding: bool = False
    held: bool = False
    fetched: Future[Any] | None = None

    @property
    def size(self) -> int:
        """Files or photos."""
        return sum(len(errand.items) for errand in self.errands)

    @property
    def group(self) -> Hashable:
        """That of its errands."""
        return self.errands[0].group


def carry_out(errands: Sequence[Errand], workers: Workers) -> Iterator[Any]:
    """Have errands done.

    Parameters
    ----------
    errands : sequence of Errand
    workers : Workers

    Yields
    ------
    object
        Results, in any order; where they can be added, one may be that of many errands.

    Raises
    ------
    Exception
        What a worker raised, and what `workers` raises.
    """
    foreman = _Foreman(errands, workers)
    try:
        yield from foreman.results()
    finally:
        foreman.dismiss()


class _Foreman:
    """Knows who is at what."""

    def __init__(self, errands: Sequence[Errand], workers: Workers) -> None:
        self._workers = workers
        self._left = deque(errands)
        self._alone: deque[Errand] = deque()
        self._matters: list[_Matter] = []
        self._given_up: list[Any] = []
        self._fetcher = ThreadPoolExecutor(1)

    def results(self) -> Iterator[Any]:
        while self._left or self._alone or self._matters:
            present = self._workers.present()
            self._reclaim(set(present))
            self._hand_out(present)
            self._bring_together()
            while self._given_up:
                yield self._given_up.pop()
            for matter in [m for m in self._matters if m.fetched is not None and m.fetched.done()]:
                assert matter.fetched is not None
                try:
                    result = matter.fetched.result()
                except (Exception, CancelledError) as error:
                    if not self._workers.has_died(error):
                        raise
                    self._again(matter)
                else:
                    self._matters.remove(matter)
                    matter.result.cancel()
                    yield result
            self._workers.watch()
            time.sleep(_BLINK_S)

    def dismiss(self) -> None:
        """Let go of everything that is under way."""
        for matter in self._matters:
            matter.result.cancel()
        self._fetcher.shutdown(wait=False, cancel_futures=True)

    def _reclaim(self, present: set[str]) -> None:
        """Note what was done, and take back what was lost."""
        for matter in list(self._matters):
            status = matter.result.status
            if status == "error" and not self._workers.has_died(error := matter.result.exception()):
                assert error is not None
                raise error
            if not {matter.home, matter.other} <= present or status in {"error", "cancelled", "lost"}:
                self._again(matter)
            elif status == "finished":
                matter.held, matter.adding, matter.other = True, False, matter.home

    def _again(self, matter: _Matter) -> None:
        """Put errands back whose worker is gone; one that was being worked at may be the reason."""
        self._matters.remove(matter)
        matter.result.cancel()
        if matter.held or matter.adding:
            for errand in matter.errands:
                (self._alone if errand.alone else self._left).append(errand)
            return
        (errand,) = matter.errands
        if not errand.alone:
            self._alone.append(replace(errand, alone=True))
        elif len(errand.items) == 1:
            self._given_up.append(self._workers.give_up(errand.items[0]))
        else:
            middle = len(errand.items) // 2
            for half in (errand.items[:middle], errand.items[middle:]):
                self._alone.append(replace(errand, items=half))

    def _hand_out(self, present: Sequence[str]) -> None:
        busy = Counter(m.home for m in self._matters if not m.held)
        guarded = {m.home for m in self._matters if not m.held and not m.adding and m.errands[0].alone}
        for place in range(_AT_HAND):
            for worker in present:
                if busy[worker] != place or worker in guarded:
                    continue
                if self._left:
                    self._send(worker, self._left.popleft())
                elif self._alone and place == 0:
                    self._send(worker, self._alone.popleft())
                    guarded.add(worker)
                else:
                    continue
                busy[worker] += 1

    def _send(self, worker: str, errand: Errand) -> None:
        self._matters.append(_Matter(self._workers.do(worker, errand), [errand], worker, worker))

    def _bring_together(self) -> None:
        """Add up what is held, and fetch what nothing will be added to any more."""
        coming = {errand.group for errand in (*self._left, *self._alone)}
        coming |= {matter.group for matter in self._matters if not matter.held}
        groups: dict[Hashable, list[_Matter]] = {}
        for matter in self._matters:
            if matter.held and matter.fetched is None:
                groups.setdefault(matter.group, []).append(matter)
        for group, held in groups.items():
            added = self._workers.adds and self._add_up(held, far=group not in coming)
            for matter in held:
                enough = not self._workers.adds or matter.size >= SHEAF_FRAMES
                if matter in self._matters and (enough or not (added or group in coming)):
                    matter.fetched = self._fetcher.submit(matter.result.result)

    def _add_up(self, held: Sequence[_Matter], *, far: bool) -> bool:
        """Have pairs of sums added that one worker has, or, if `far`, two have; tell whether there are."""
        free = list(held)
        for first, second in combinations(held, 2):
            if first not in free or second not in free:
                continue
            near = first.home == second.home and max(first.size, second.size) < SHEAF_FRAMES
            if near or (far and first.size + second.size <= _MOST_FRAMES):
                result = self._workers.add(first.home, first.result, second.result)
                errands = [*first.errands, *second.errands]
                self._matters.append(_Matter(result, errands, first.home, second.home, adding=True))
                for matter in (first, second):
                    free.remove(matter)
                    self._matters.remove(matter)
        return len(free) < len(held)

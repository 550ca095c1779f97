"""Work on planes in a few threads: compiled passes, which let others run, each on rows of its own."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

THREADS = 2
"""More would wait for memory."""

_Task = TypeVar("_Task")
_Result = TypeVar("_Result")


def each(work: Callable[[_Task], _Result], tasks: Iterable[_Task]) -> list[_Result]:
    """Do work that does not depend on each other, some at a time; return the results in order."""
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(work, tasks))


def for_each(work: Callable[[_Task], object], tasks: Iterable[_Task]) -> None:
    """Do work on things that take time to come by, while the next are fetched: no more than some are held."""
    with ThreadPoolExecutor(THREADS) as pool:
        doing: deque[Future[object]] = deque()
        for task in tasks:
            if len(doing) == THREADS:
                doing.popleft().result()
            doing.append(pool.submit(work, task))
        for one in doing:
            one.result()


def halves(rows: int, period: int = 1) -> tuple[slice, slice]:
    """Cut rows in two, between two periods.

    Examples
    --------
    >>> halves(10, 4)
    (slice(0, 4, None), slice(4, 10, None))
    """
    middle = rows // 2 // period * period
    return slice(0, middle), slice(middle, rows)

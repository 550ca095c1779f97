"""What is added to planes, by rows; and who adds: threads compress while one writes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from defectmap.catalog.planes import Blob

_THREADS = 2
"""More would wait for the one that writes."""

Change = tuple[Callable[[], Blob | None], Callable[[Blob], None]]
"""What makes the new content of a band, in any thread, and what writes it; None stays as it is."""


class Rows(Protocol):
    """A plane of which some rows at a time are read, in any thread: an array, or what stands for one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the numbers."""

    def __getitem__(self, rows: slice, /) -> NDArray[Any]:
        """Return some rows."""


@dataclass(frozen=True, slots=True)
class Addends:
    """Planes that are to be added up; neither they nor their sum are ever in memory as a whole.

    Attributes
    ----------
    dtype : dtype
        Integer type of the sum.
    planes : sequence of Rows
        At least one; all of one shape, in types of the same kind that are not wider.
    """

    dtype: np.dtype[Any]
    planes: Sequence[Rows]

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns."""
        return self.planes[0].shape

    def rows(self, first: int, past: int) -> list[NDArray[Any]]:
        """Return rows `first` to `past` of each plane, but of those in which all are zero."""
        blocks = [plane[first:past] for plane in self.planes]
        return [block for block in blocks if block.any()]


def carry_out(changes: Iterable[Change]) -> None:
    """Write bands in turn, while threads make the next.

    Parameters
    ----------
    changes : iterable of Change
        Taken, and written, in the calling thread; few are under way at a time.
    """
    waiting: deque[tuple[Future[Blob | None], Callable[[Blob], None]]] = deque()

    def write_first() -> None:
        made, write = waiting.popleft()
        if (blob := made.result()) is not None:
            write(blob)

    with ThreadPoolExecutor(_THREADS) as pool:
        for make, write in changes:
            waiting.append((pool.submit(make), write))
            if len(waiting) > 2 * _THREADS:
                write_first()
        while waiting:
            write_first()

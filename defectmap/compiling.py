"""Notice that code is being compiled: once on each machine it takes seconds, like standing still."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def compiling_noticed(notice: Callable[[bool], None]) -> Iterator[None]:
    """Tell when this process begins to compile code, and when it goes on.

    What was compiled before, by whatever process, is read from numba's cache, and not told.

    Parameters
    ----------
    notice : callable
        Called with True when it begins, with False when it goes on.
    """
    from numba.core import event  # noqa: PLC0415 - numba loads slowly

    class Listener(event.Listener):
        """Compiling a function compiles those that it calls: the outermost counts."""

        depth = 0

        def on_start(self, event: Any) -> None:  # noqa: ANN401 - numba has no types
            self.depth += 1
            if self.depth == 1:
                notice(True)

        def on_end(self, event: Any) -> None:  # noqa: ANN401
            self.depth -= 1
            if self.depth == 0:
                notice(False)

    with event.install_listener("numba:compile", Listener()):
        yield

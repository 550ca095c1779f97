"""What holds for every worker process: Ctrl-C is its parent's business, and it does not outlive it."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import wait
from pathlib import Path
from threading import Thread


def serve_parent(folder: Path | None = None) -> None:
    """Leave Ctrl-C to the parent, and end when the parent has ended, however that came about.

    A worker waits for its next task on a pipe whose other end it holds open itself, so that a parent that was
    killed would leave it, and its memory, waiting for ever.

    Parameters
    ----------
    folder : Path, optional
        Temporary folder of the parent, which is removed where the parent cannot do that any more.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        Thread(target=_end_with, args=(parent.sentinel, folder), daemon=True).start()


@contextmanager
def interruptions_held() -> Iterator[None]:
    """Hold back Ctrl-C while workers are started: they inherit that, and none dies of it half made."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_with(sentinel: int, folder: Path | None) -> None:
    wait([sentinel])
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)

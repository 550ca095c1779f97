"""Ways to treat a folder of photos, each timed in a process of its own."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks.speed.memory import peak_mib
from benchmarks.speed.peers import classic, merely_decoding
from defectmap.catalog.store import open_catalog
from defectmap.detect import detect
from defectmap.ingest import ingest

Way = Callable[[Sequence[Path], int], object]


def whole_program(photos: Sequence[Path], workers: int) -> float:
    """Ingest photos into a new catalog and detect; return the bytes of the file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "catalog.sqlite"
        with open_catalog(path, create=True) as catalog:
            ingest(catalog, photos, workers=workers)
            detect(catalog, catalog.sensors.all()[0])
        return path.stat().st_size


WAYS: dict[str, Way] = {
    "merely decoding": merely_decoding,
    "defectmap": whole_program,
    "lowest variance": classic,
}


def timed(way: Way, photos: Sequence[Path], workers: int) -> tuple[float, float]:
    """Return the seconds that a way takes in a process of its own, and the MiB of its largest process."""
    receiver, sender = get_context("spawn").Pipe(duplex=False)
    process = get_context("spawn").Process(target=_report, args=(sender, way, photos, workers))
    process.start()
    seconds, mib = receiver.recv()
    process.join()
    return seconds, mib


def _report(sender: Connection, way: Way, photos: Sequence[Path], workers: int) -> None:
    start = time.perf_counter()
    way(photos, workers)
    seconds = time.perf_counter() - start
    sender.send((seconds, peak_mib(workers)))

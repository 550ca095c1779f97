"""The sums of a plane over several epochs, read by bands of rows: what judging them needs.

While some rows are judged, threads decompress the next.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from defectmap.catalog.evidence import Band, Evidence, PlaneKey
from defectmap.catalog.planes import band_starts
from defectmap.model import sums
from defectmap.model.sums import Sums

_THREADS = 2
"""More would wait for the disk, and for what is done with the rows."""

_AHEAD = 2
"""Bands of each plane that are decompressed before they are asked for."""

_WIDEST = 8
"""Bytes of the largest sums."""


def stored_sums(evidence: Evidence, stream_id: int, epochs: Sequence[int], plane: str) -> Sums:
    """Return the sums of a plane over some epochs; they are read when asked for.

    Parameters
    ----------
    evidence : Evidence
    stream_id : int
    epochs : sequence of int
    plane : str
        Such as ``luma``.

    Raises
    ------
    KeyError
        If there is no such plane.
    """
    bands = [evidence.bands(PlaneKey(stream_id, epoch, f"{plane}.n")) for epoch in epochs]
    last = next((found[-1] for found in bands if found), None)
    if last is None:
        raise KeyError(f"no plane {plane!r} of stream {stream_id}")
    height, width = last.past_row, last.cols
    verified: set[int] = set()

    def read(fields: Sequence[str], rows: NDArray[np.bool_] | None) -> Iterator[sums.Band]:
        parts = [slice(first, first + count) for first, count in band_starts(height, width, _WIDEST)]
        wanted = np.zeros(height, bool)
        for part in parts:
            wanted[part] = rows is None or rows[part].any()
        with ThreadPoolExecutor(_THREADS) as pool:
            readers = {
                field: [
                    _Reader(evidence, PlaneKey(stream_id, epoch, f"{plane}.{field}"), pool, wanted, verified)
                    for epoch, found in zip(epochs, bands, strict=True)
                    if found
                ]
                for field in fields
            }
            try:
                for part in parts:
                    if wanted[part].any():
                        yield sums.Band(part.start, {f: _taken(r, part) for f, r in readers.items()})
            finally:
                for reader in (one for several in readers.values() for one in several):
                    reader.close()

    return Sums((height, width), read)


def _taken(readers: Sequence[_Reader], rows: slice) -> NDArray[Any]:
    """Return some rows, added up over the epochs."""
    total = readers[0].take(rows)
    for reader in readers[1:]:
        total = reader.evidence.summed(reader.key, total, reader.take(rows))
    return total


class _Reader:
    """Reads the wanted rows of a plane from the top down."""

    def __init__(
        self,
        evidence: Evidence,
        key: PlaneKey,
        pool: ThreadPoolExecutor,
        wanted: NDArray[np.bool_],
        verified: set[int],
    ) -> None:
        self.evidence, self.key = evidence, key
        self._pool, self._wanted, self._verified = pool, wanted, verified
        self._stored = evidence.stored(key)
        self._waiting: deque[tuple[Band, Future[NDArray[Any]]]] = deque()
        self._blocks: deque[tuple[Band, NDArray[Any]]] = deque()

    def take(self, rows: slice) -> NDArray[Any]:
        """Return some rows, farther down than those before."""
        first, past = rows.start, min(rows.stop, self._wanted.size)
        while self._blocks and self._blocks[0][0].past_row <= first:
            self._blocks.popleft()
        while not self._blocks or self._blocks[-1][0].past_row < past:
            self._look_ahead()
            band, block = self._waiting.popleft()
            if band.past_row > first:
                self._blocks.append((band, block.result()))
                # Checksums take as long as decompressing: one reading is enough for them.
                self._verified.add(band.id)
        parts = [
            block[max(first - band.first_row, 0) : past - band.first_row] for band, block in self._blocks
        ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def close(self) -> None:
        """Stop reading."""
        self._stored.close()
        for _, block in self._waiting:
            block.cancel()

    def _look_ahead(self) -> None:
        while len(self._waiting) < _AHEAD:
            for band, blob in self._stored:
                if self._wanted[band.first_row : band.past_row].any():
                    work = self._pool.submit(
                        self.evidence.restored, self.key, band, blob, verified=band.id in self._verified
                    )
                    self._waiting.append((band, work))
                    break
            else:
                return

"""Change a few blocks of a progressive JPEG and nothing else.

All scans are decoded to coefficients. Those that code nothing of what changed are copied; the others are
coded anew, with the file's own tables where these have all codes, else with tables of their own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from types import ModuleType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from defectmap.media.jpegcodec.errors import CorruptJpegError, JpegLengthError, MissingSymbolError
from defectmap.media.jpegcodec.markers import Frame
from defectmap.media.jpegcodec.mpf import head_of_grown
from defectmap.media.jpegcodec.optimal import optimal_table
from defectmap.media.jpegcodec.picture import BlockPicture, Blocks, Delta, Length, check_written
from defectmap.media.jpegcodec.scans import Scan, read_progression
from defectmap.media.jpegcodec.tables import HuffmanTable, huffman_tables

_FIT_TRIES: Final = 8
_FIT_DROPS: Final = 3  # coefficients that a try drops: stuffing falls elsewhere each time

Coded = tuple[tuple[HuffmanTable, ...], bytes]
_Kept = dict[int, NDArray[np.int16]]


def _kernels() -> ModuleType:
    """Compiled loops, loaded when first needed: numba takes half a second to import."""
    from defectmap.media.jpegcodec import progressive_kernels  # noqa: PLC0415

    return progressive_kernels


class ProgressivePatch(BlockPicture):
    """A progressive JPEG whose samples can be read and changed in a few places.

    Parameters
    ----------
    data : bytes
        A whole file: Huffman-coded, progressive, 8 bits, grey or YCbCr (ITU-T T.81).

    Attributes
    ----------
    header : Frame

    Raises
    ------
    UnsupportedJpegError
        If the file is coded in another way.
    CorruptJpegError
        If it is truncated or garbled anywhere up to its end-of-image marker.
    """

    def __init__(self, data: bytes) -> None:
        self._data, self._kernels = data, _kernels()
        progression = read_progression(data, self._kernels)
        self.header: Frame = progression.frame
        self._scans, self._picture_end = progression.scans, progression.picture_end
        frame = self.header
        counts = [frame.mcu_rows * frame.mcu_cols * frame.block_components.count(i) for i in range(self._n)]
        self._base = np.concatenate([[0], np.cumsum(counts)]).tolist()
        self._blocks = np.zeros((self._base[-1], 64), np.int16)
        for number, scan in enumerate(self._scans, start=1):
            self._read(scan, f"in scan {number} of {len(self._scans)}")
        self._originals: dict[int, NDArray[np.int16]] = {}

    @property
    def _n(self) -> int:
        return len(self.header.components)

    def _stride(self, component: int) -> int:
        """Blocks in a row of a component, padding to whole units included."""
        return self.header.mcu_cols * (self.header.components[component].across if self._n > 1 else 1)

    def _order(self, scan: Scan) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
        """Blocks of a scan in coding order, the component of each in a unit, and the number of units."""
        frame = self.header
        if len(scan.components) == 1:
            (only,) = scan.components
            size = frame.components[only]
            rows, cols = np.arange(-(-size.height // 8)), np.arange(-(-size.width // 8))
            order = self._base[only] + rows[:, None] * self._stride(only) + cols
            return order.ravel().astype(np.int64), np.zeros(1, np.int64), order.size
        rows, cols = np.arange(frame.mcu_rows)[:, None], np.arange(frame.mcu_cols)
        pieces, slots = [], []
        for slot, index in enumerate(scan.components):
            size = frame.components[index]
            for down in range(size.down):
                for across in range(size.across):
                    row, col = rows * size.down + down, cols * size.across + across
                    pieces.append(self._base[index] + row * self._stride(index) + col)
                    slots.append(slot)
        order = np.stack(pieces, axis=-1)
        return order.ravel().astype(np.int64), np.array(slots, np.int64), order.size // len(slots)

    def _per_segment(self, scan: Scan, slots: NDArray[np.int64], units: int) -> int:
        return len(slots) * (scan.interval or units)

    def _read(self, scan: Scan, where: str) -> None:
        """Decode one scan into the coefficients."""
        kernels = self._kernels
        order, slots, units = self._order(scan)
        per_segment = self._per_segment(scan, slots, units)
        spans = np.zeros((-(-len(order) // per_segment), 4), np.int64)
        if scan.restarts != len(spans) - 1:
            raise CorruptJpegError("its restart markers are missing or out of order")
        clean = np.zeros(scan.end - scan.start + kernels.GUARD, np.uint8)
        code, _, _ = kernels.unstuff(
            np.frombuffer(self._data, np.uint8), scan.start, scan.interval > 0, clean, spans
        )
        if code != kernels.OK:
            raise CorruptJpegError("its restart markers are missing or out of order")
        clean[spans[-1, 1] :] = 0
        lookups = np.stack([t.lookup for t in scan.tables] or [np.zeros(1 << 16, np.uint16)])
        behind = np.zeros(len(spans), np.int64)
        given = clean, spans, per_segment, order
        if scan.first == 0:
            code, _ = kernels.read_dc(*given, slots, lookups, scan.high, scan.low, self._blocks, behind)
        else:
            read = kernels.refine_ac if scan.high else kernels.read_ac
            code, _ = read(*given, lookups[0], scan.first, scan.last, scan.low, self._blocks, behind)
        if code == kernels.BAD_CODE:
            raise CorruptJpegError(f"its picture data is garbled {where}")
        if code == kernels.RAN_OUT:
            raise CorruptJpegError(f"its picture data ends {where}, so it is truncated")
        for begin, (_, end, _, _) in zip((-(-behind // 8)).tolist(), spans.tolist(), strict=True):
            rest = clean[begin:end]
            if len(rest) and (rest != rest[0]).any():
                raise CorruptJpegError("it holds more picture data than its size allows")

    def _index(self, component: int, row: int, col: int) -> int:
        return int(self._base[component] + row * self._stride(component) + col)

    def _component(self, index: int) -> int:
        return int(np.searchsorted(self._base, index, side="right")) - 1

    def _block(self, component: int, row: int, col: int) -> Blocks:
        block: Blocks = self._blocks[self._index(component, row, col)].astype(np.int32)
        return block

    def add(self, deltas: Sequence[Delta]) -> None:  # noqa: D102 - as its base says
        wanted: dict[int, Blocks] = {}
        for delta in deltas:
            for row, col, steps in self._changed_blocks(delta):
                index = self._index(delta.component, row, col)
                block = wanted.get(index, self._blocks[index].astype(np.int32))
                wanted[index] = np.clip(block + steps, -1023, 1023)
        for index, block in wanted.items():
            self._originals.setdefault(index, self._blocks[index].copy())
            self._blocks[index] = block

    def to_bytes(self, length: Length = "any") -> bytes:  # noqa: D102 - as its base says
        changed = {i: b for i, b in self._originals.items() if (b != self._blocks[i]).any()}
        if not changed:
            return self._data
        first, room = self._scans[0].at, self._scans[-1].end - self._scans[0].at
        coded = {n: self._coded(s) for n, s in enumerate(self._scans) if self._concerns(s, changed)}
        head, natural = self._data[:first], self._body(coded)
        body = self._fitted(changed, coded, natural, room) if len(natural) > room else natural
        if len(body) > room:
            if length == "keep":
                raise JpegLengthError("the repaired picture needs more bytes than the place that it has")
            head = head_of_grown(self._data, first, self._picture_end, len(natural) - room)
            body = natural
        return head + body + self._data[first + room :]

    def _fitted(self, changed: _Kept, coded: Mapping[int, Coded], body: bytes, room: int) -> bytes:
        """Drop the finest +-1 coefficients of changed blocks until the scans fit; what they then are."""
        wanted = self._kept(changed)
        drops, now = self._drops(changed), dict(coded)
        for _ in range(_FIT_TRIES):
            before, excess = self._kept(changed), len(body) - room
            if excess <= 0 or not list(islice(drops, min(excess, _FIT_DROPS))):
                break
            now |= {n: self._coded(s) for n, s in enumerate(self._scans) if self._concerns(s, before)}
            body = self._body(now)
        for index, block in wanted.items():
            self._blocks[index] = block
        return body

    def _kept(self, indices: Iterable[int]) -> _Kept:
        return {index: self._blocks[index].copy() for index in indices}

    def _drops(self, changed: Iterable[int]) -> Iterator[None]:
        """Drop one more of the finest +-1 coefficients each time."""
        finest = [
            (-int(k), index)
            for index in changed
            for k in np.flatnonzero(np.abs(self._blocks[index]) == 1)
            if k > 0
        ]
        for k, index in sorted(finest):
            self._blocks[index, -k] = 0
            yield None

    def _concerns(self, scan: Scan, before: _Kept) -> bool:
        """Whether a scan codes something of what has changed since `before`."""
        return any(
            self._component(index) in scan.components
            and not np.array_equal(_coded_part(scan, old), _coded_part(scan, self._blocks[index]))
            for index, old in before.items()
        )

    def _coded(self, scan: Scan) -> Coded:
        """Entropy-coded bytes of a scan, and the tables that they were made with."""
        counts = np.zeros((max(len(scan.keys), 1), 256), np.int64)
        _, _, bits = self._write(scan, scan.tables, counts, np.zeros(0, np.uint8))
        tables = scan.tables
        if any((t.length[n > 0] == 0).any() for t, n in zip(tables, counts, strict=False)):
            totals = {
                key: counts[[i for i, k in enumerate(scan.keys) if k == key]].sum(axis=0) for key in scan.keys
            }
            made = {key: optimal_table(total) for key, total in totals.items()}
            tables = tuple(made[key] for key in scan.keys)
        bits += sum(int((n * t.length).sum()) for t, n in zip(tables, counts, strict=False))
        # At worst every byte is stuffed; a unit may begin with filling and a restart marker.
        out = np.zeros(bits // 4 + 4 * (scan.restarts + 2), np.uint8)
        code, size, _ = self._write(scan, tables, counts, out)
        if code != self._kernels.OK:
            raise MissingSymbolError("the repaired values are too far apart to be coded")
        return tables, out[:size].tobytes()

    def _write(
        self, scan: Scan, tables: Sequence[HuffmanTable], counts: NDArray[np.int64], out: NDArray[np.uint8]
    ) -> tuple[int, int, int]:
        """Run the kernel that writes this kind of scan: code, bytes written, bits besides symbols."""
        kernels = self._kernels
        order, slots, units = self._order(scan)
        codes = np.stack([t.code for t in tables] or [np.zeros(256, np.uint32)])
        lengths = np.stack([t.length for t in tables] or [np.zeros(256, np.uint8)])
        per_segment = self._per_segment(scan, slots, units)
        coding = self._blocks, codes, lengths, counts, out
        if scan.first == 0:
            done = kernels.write_dc(per_segment, order, slots, scan.high, scan.low, *coding)
        else:
            write = kernels.rewrite_ac if scan.high else kernels.write_ac
            done = write(per_segment, order, scan.first, scan.last, scan.low, *coding)
        code, size, bits = (int(n) for n in done)
        return code, size, bits

    def _body(self, coded: Mapping[int, Coded]) -> bytes:
        """All from the first scan header to the end of the last scan, filled up to its length before."""
        pieces: list[bytes] = []
        held: dict[int, bytes] = {}
        at, fill_at = self._scans[0].at, 0
        for n, scan in enumerate(self._scans):
            tables, entropy = coded.get(n, (scan.tables, self._data[scan.start : scan.end]))
            replaced = scan.keys if tables is not scan.tables else ()
            pieces.append(_without_tables(self._data[at : scan.at], replaced))
            held |= dict(scan.defines)
            for key in replaced:
                held.pop(key, None)  # what was held is gone, or may be
            for key, table in zip(scan.keys, tables, strict=True):
                if held.get(key) != table.specification:
                    held[key] = table.specification
                    segment = bytes([key]) + table.specification
                    pieces.append(b"\xff\xc4" + (len(segment) + 2).to_bytes(2, "big") + segment)
            pieces += [self._data[scan.at : scan.start], entropy]
            if n in coded:
                fill_at = len(pieces)
            at = scan.end
        missing = at - self._scans[0].at - sum(map(len, pieces))
        pieces.insert(fill_at, b"\xff" * missing)
        return b"".join(pieces)

    def differences(self, data: bytes) -> list[tuple[int, int, int]]:  # noqa: D102 - as its base says
        other = ProgressivePatch(data)
        if not other.header.shows_like(self.header):
            raise CorruptJpegError("its headers are not those that it was written with")
        different = (self._blocks != other._blocks).any(axis=1)
        altered = different.nonzero()[0]
        check_written(self._blocks[altered], other._blocks[altered])
        for index, block in self._originals.items():
            different[index] = (block != other._blocks[index]).any()
        found = []
        for index in np.flatnonzero(different).tolist():
            component = self._component(index)
            found.append((component, *divmod(index - self._base[component], self._stride(component))))
        return found


def _without_tables(between: bytes, keys: Collection[int]) -> bytes:
    """Segments between two scans but for those that define nothing other than the given tables."""
    kept, at = between, 0
    while keys and at < len(kept):
        marker = at
        while kept[marker + 1] == 0xFF:
            marker += 1
        end = marker + 2 + int.from_bytes(kept[marker + 2 : marker + 4], "big")
        if kept[marker + 1] == 0xC4 and set(huffman_tables(kept[marker + 4 : end])) <= set(keys):
            kept = kept[:at] + kept[end:]
        else:
            at = end
    return kept


def _coded_part(scan: Scan, block: NDArray[np.int16]) -> NDArray[np.int16]:
    """Return what a scan, and those before it that it builds upon, tell of a block."""
    if scan.first == 0:
        # Bits of DC stand for themselves, whatever those above them are.
        part = block[:1] >> scan.low
        return part & 1 if scan.high else part
    band = block[scan.first : scan.last + 1]
    shifted: NDArray[np.int16] = np.sign(band) * (np.abs(band) >> scan.low)
    return shifted

"""Change a few blocks of a JPEG and nothing else.

Only the minimum coded units (MCUs) that hold changed blocks, and the one behind each, whose DC differences
change with them, are coded anew, with the file's own tables; all other bits are copied.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from types import ModuleType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from defectmap.media.jpegcodec.errors import CorruptJpegError, JpegLengthError, MissingSymbolError
from defectmap.media.jpegcodec.fitting import choices
from defectmap.media.jpegcodec.markers import Header, end_of_picture, parse_header
from defectmap.media.jpegcodec.mpf import head_of_grown
from defectmap.media.jpegcodec.picture import BlockPicture, Blocks, Delta, Length, check_written

_NO_CODE: Final = "the Huffman tables of the photo have no code for the repaired values"
_MISSED_SHARE: Final = 0.25  # of the energy of a change, lost to missing codes, makes it not worth having
_FIT_DROPS: Final = 24  # coefficients dropped, one after the other, where stuffing is left to chance


def _kernels() -> ModuleType:
    """Compiled loops, loaded when first needed: numba takes half a second to import."""
    from defectmap.media.jpegcodec import kernels  # noqa: PLC0415

    return kernels


class JpegPatch(BlockPicture):
    """A JPEG of one sequential scan whose samples can be read and changed in a few places.

    Parameters
    ----------
    data : bytes
        A whole file: Huffman-coded, sequential, 8 bits, one scan, grey or YCbCr (ITU-T T.81).

    Attributes
    ----------
    header : Header

    Raises
    ------
    UnsupportedJpegError
        If the file is coded in another way.
    CorruptJpegError
        If it is truncated or garbled anywhere up to its end-of-image marker.
    """

    def __init__(self, data: bytes) -> None:
        header = parse_header(data)
        self.header: Header = header
        self._data = data
        self._kernels = _kernels()
        self._plan = np.array([(c, *header.choices[c]) for c in header.block_components], np.int64)
        self._offsets = [header.block_components.index(i) for i in range(len(header.components))]
        self._lookups = np.stack([t.lookup for t in header.tables])
        self._codes = np.stack([t.code for t in header.tables])
        self._lengths = np.stack([t.length for t in header.tables])
        self._count = header.mcu_rows * header.mcu_cols
        self._interval = header.restart_interval or self._count
        self._changed: dict[int, Blocks] = {}
        self._decoded: dict[int, Blocks] = {}
        self._unstuff()
        self._walk()

    def _unstuff(self) -> None:
        kernels, header, data = self._kernels, self.header, self._data
        available = len(data) - header.scan_start
        # Two bits, one for DC and one for the end of the block, are the least a block can take.
        if self._count * len(self._plan) > 4 * available:
            raise CorruptJpegError("it holds less picture data than its size needs, so it is truncated")
        self._clean = np.zeros(available + kernels.GUARD, np.uint8)
        self._spans = np.zeros((-(-self._count // self._interval), 4), np.int64)
        code, segments, scan_end = kernels.unstuff(
            np.frombuffer(data, np.uint8),
            header.scan_start,
            header.restart_interval > 0,
            self._clean,
            self._spans,
        )
        if code == kernels.RAN_OUT:
            raise CorruptJpegError("its picture data has no end, so it is truncated")
        if code == kernels.BAD_RESTART or segments != len(self._spans):
            raise CorruptJpegError("its restart markers are missing or out of order")
        self._scan_end = int(scan_end)
        used = self._spans[-1, 1]
        self._clean[used:] = 0
        self._clean = self._clean[: used + kernels.GUARD]
        self._trailing = end_of_picture(data, self._scan_end)

    def _walk(self) -> None:
        kernels, count = self._kernels, self._count
        self._first, self._behind = np.zeros(count, np.int64), np.zeros(count, np.int64)
        self._predictors = np.zeros((count, len(self.header.components)), np.int32)
        shorts = np.zeros((len(self._lookups), 1 << kernels.SHORT), np.uint16)
        for lookup, short in zip(self._lookups, shorts, strict=True):
            kernels.shorten(lookup, short)
        code, mcu = kernels.walk(
            self._clean, self._spans, self._interval, self._plan, self._lookups, shorts,
            self._first, self._behind, self._predictors,
        )  # fmt: skip
        where = f"in unit {mcu} of {count}"
        if code == kernels.BAD_CODE:
            raise CorruptJpegError(f"its picture data is garbled {where}")
        if code == kernels.RAN_OUT:
            raise CorruptJpegError(f"its picture data ends {where}, so it is truncated")
        last = np.minimum(np.arange(1, len(self._spans) + 1) * self._interval, count) - 1
        for begin, (_, end, _, _) in zip(-(-self._behind[last] // 8), self._spans, strict=True):
            # Some writers align the end of a scan; anything else there is picture data without a place.
            rest = self._clean[begin:end]
            if len(rest) and (rest != rest[0]).any():
                raise CorruptJpegError("it holds more picture data than its size allows")

    def _mcu(self, mcu: int) -> Blocks:
        """Blocks of an MCU as they now are; not to be written to."""
        if (known := self._changed.get(mcu)) is not None:
            return known
        return self._original(mcu)

    def _original(self, mcu: int) -> Blocks:
        """Blocks of an MCU as the file holds them; not to be written to."""
        blocks = self._decoded.get(mcu)
        if blocks is None:
            blocks = self._decoded[mcu] = np.zeros((len(self._plan), 64), np.int32)
            self._kernels.read_mcu(
                self._clean, self._first[mcu], self._plan, self._lookups, self._predictors[mcu], blocks
            )
        return blocks

    def _address(self, component: int, row: int, col: int) -> tuple[int, int]:
        """MCU and place in it of the block at (row, col) of a component's grid of blocks."""
        if len(self.header.components) == 1:
            return row * self.header.mcu_cols + col, 0
        chosen = self.header.components[component]
        mcu = row // chosen.down * self.header.mcu_cols + col // chosen.across
        return mcu, self._offsets[component] + row % chosen.down * chosen.across + col % chosen.across

    def _block(self, component: int, row: int, col: int) -> Blocks:
        mcu, place = self._address(component, row, col)
        block: Blocks = self._mcu(mcu)[place]
        return block

    def add(self, deltas: Sequence[Delta]) -> None:  # noqa: D102 - as its base says
        # A coefficient that the tables cannot code becomes the nearest one that they can, unless too much of
        # the change would be lost so.
        wanted: dict[int, Blocks] = {}
        touched: set[tuple[int, int]] = set()
        for delta in deltas:
            for mcu, place, steps in self._changes(delta):
                blocks = wanted.setdefault(mcu, self._mcu(mcu).copy())
                blocks[place] = np.clip(blocks[place] + steps, -1023, 1023)
                touched.add((mcu, place))
        asked = {mcu: blocks.copy() for mcu, blocks in wanted.items()}
        self._settle(wanted, touched)
        sizes = np.stack([self.header.components[c].quantisation for c in self._plan[:, 0]])
        change, missed = 0.0, 0.0
        for mcu, blocks in wanted.items():
            change += float(np.square((asked[mcu] - self._mcu(mcu)) * sizes).sum())
            missed += float(np.square((asked[mcu] - blocks) * sizes).sum())
        if missed > _MISSED_SHARE * change:
            raise MissingSymbolError(_NO_CODE)
        self._changed.update(wanted)

    def _changes(self, delta: Delta) -> Iterator[tuple[int, int, Blocks]]:
        """MCU, place and change of each block that a delta changes."""
        for row, col, change in self._changed_blocks(delta):
            yield *self._address(delta.component, row, col), change

    def _settle(self, wanted: dict[int, Blocks], touched: set[tuple[int, int]]) -> None:
        """Make the touched blocks codable and check every block whose coding depends on them."""
        order = sorted({m for mcu in wanted for m in (mcu, mcu + 1) if m in wanted or self._follows(m)})
        for mcu in order:
            # A follower is only looked at, and what it holds is not recorded as a change.
            blocks = wanted[mcu] if mcu in wanted else self._mcu(mcu)
            dc = self._predictors_of(mcu, wanted)
            for place, (component, dc_table, ac_table) in enumerate(self._plan):
                if not self._kernels.settle_block(
                    blocks[place], (mcu, place) in touched, dc[component],
                    self._lengths[dc_table], self._lengths[ac_table],
                ):  # fmt: skip
                    raise MissingSymbolError(_NO_CODE)
                dc[component] = blocks[place, 0]

    def _follows(self, mcu: int) -> bool:
        """Whether the DC of an MCU is coded as a difference from the one before."""
        return mcu < self._count and mcu % self._interval != 0

    def _predictors_of(self, mcu: int, wanted: dict[int, Blocks]) -> NDArray[np.int64]:
        before = wanted.get(mcu - 1, self._changed.get(mcu - 1))
        dc: NDArray[np.int64] = self._predictors[mcu].astype(np.int64)
        if before is not None and self._follows(mcu):
            dc[self._plan[:, 0]] = before[:, 0]  # the last block of a component wins
        return dc

    def to_bytes(self, length: Length = "any") -> bytes:  # noqa: D102 - as its base says
        changed = {
            mcu: blocks for mcu, blocks in self._changed.items() if (blocks != self._original(mcu)).any()
        }
        if not changed:
            return self._data
        start, end = self.header.scan_start, self._scan_end
        head = self._data[:start]
        natural = scan = self._write_scan(changed)
        if len(scan) > end - start:
            fewer = self._aligned(changed)
            scan = self._write_scan(fewer)
            drops = islice(self._drops(fewer), _FIT_DROPS)
            while len(scan) > end - start and (fewest := next(drops, None)) is not None:
                scan = self._write_scan(fewest)
        if len(scan) > end - start:
            growth = len(natural) - (end - start)
            if length == "keep":
                raise JpegLengthError("the repaired picture needs more bytes than the place that it has")
            head, scan = head_of_grown(self._data, start, self._trailing, growth), natural
        fill = b"\xff" * (end - start - len(scan))
        return head + scan + fill + self._data[end:]

    def differences(self, data: bytes) -> list[tuple[int, int, int]]:  # noqa: D102 - as its base says
        other = JpegPatch(data)
        if not other.header.codes_like(self.header):
            raise CorruptJpegError("its headers are not those that it was written with")
        same = np.zeros(self._count, np.bool_)
        self._kernels.compare(
            self._clean, self._first, self._behind, self._predictors,
            other._clean, other._first, other._behind, other._predictors, same,
        )  # fmt: skip
        found = []
        same[list(self._changed)] = False
        for mcu in np.flatnonzero(~same).tolist():
            got = other._original(mcu)
            changed = (self._original(mcu) != got).any(axis=1)
            check_written(self._mcu(mcu), got)
            found += [self._place(mcu, place) for place in np.flatnonzero(changed).tolist()]
        return found

    def _place(self, mcu: int, place: int) -> tuple[int, int, int]:
        """Component, row and column of a block: the inverse of :meth:`_address`."""
        row, col = divmod(mcu, self.header.mcu_cols)
        if len(self.header.components) == 1:
            return 0, row, col
        component = int(self._plan[place, 0])
        chosen = self.header.components[component]
        down, across = divmod(place - self._offsets[component], chosen.across)
        return component, row * chosen.down + down, col * chosen.across + across

    def _aligned(self, changed: dict[int, Blocks]) -> dict[int, Blocks]:
        """Take back steps of fine coefficients so that bytes behind the changed MCUs stay as they are."""
        fewer, credit = dict(changed), 0
        for run in self._runs(changed):
            before = int(sum(self._behind[mcu] - self._first[mcu] for mcu in run))
            base = {mcu: fewer[mcu] for mcu in run if mcu in fewer}
            places = self._finest(base)
            length = self._bits(run, fewer)
            savings = [length - self._bits(run, fewer | _stepped(base, [place])) for place in places]
            for chosen in choices(savings, length - before, credit):
                trial = fewer | _stepped(base, [places[i] for i in chosen])
                rest = self._bits(run, trial) - before
                if rest % 8 == 0 and rest <= credit:
                    fewer, credit = trial, credit - rest
                    break
        return fewer

    def _runs(self, changed: dict[int, Blocks]) -> list[list[int]]:
        """MCUs to be coded anew, in stretches that hang together."""
        runs: list[list[int]] = []
        for mcu in self._dirty(changed):
            if runs and runs[-1][-1] == mcu - 1 and self._follows(mcu):
                runs[-1].append(mcu)
            else:
                runs.append([mcu])
        return runs

    def _dirty(self, changed: dict[int, Blocks]) -> list[int]:
        """MCUs that are coded in other bits, or may be: the changed ones and those behind them."""
        return sorted({m for mcu in changed for m in (mcu, mcu + 1) if m in changed or self._follows(m)})

    def _bits(self, run: Sequence[int], changed: dict[int, Blocks]) -> int:
        """Bits that a stretch of MCUs takes; very many where it cannot be coded."""
        dc, total = self._predictors[run[0]].astype(np.int64), 0
        for mcu in run:
            blocks = changed[mcu] if mcu in changed else self._original(mcu)
            bits = int(self._kernels.unit_bits(blocks, dc, self._plan, self._lengths))
            if bits < 0:
                return 1 << 40
            total += bits
        return total

    def _finest(self, changed: dict[int, Blocks]) -> list[tuple[int, int, int]]:
        """MCU, block and coefficient of all values of 1 or 2 in changed blocks, the finest first."""
        found = []
        for mcu, blocks in changed.items():
            different = (blocks != self._original(mcu)).any(axis=1)
            small = (blocks != 0) & (np.abs(blocks) <= 2) & different[:, None]
            found += [(mcu, place, k) for place, k in np.argwhere(small).tolist() if k > 0]
        return sorted(found, key=lambda at: (-at[2], at))

    def _drops(self, changed: dict[int, Blocks]) -> Iterator[dict[int, Blocks]]:
        """Versions of the changed MCUs with ever more of their finest +-1 coefficients dropped."""
        now = changed
        for mcu, place, k in self._finest(changed):
            if abs(now[mcu][place, k]) != 1 or changed[mcu][place, k] != self._mcu(mcu)[place, k]:
                continue
            trial = now | _stepped(now, [(mcu, place, k)])
            if self._bits([mcu], trial) < 1 << 40:
                now = trial
                yield now

    def _write_scan(self, changed: dict[int, Blocks]) -> bytes:
        """Entropy-coded bytes of the whole scan, restart markers included."""
        by_segment: dict[int, list[int]] = {}
        for mcu in self._dirty(changed):
            by_segment.setdefault(mcu // self._interval, []).append(mcu)
        pieces = []
        copied = self.header.scan_start
        for segment, mcus in by_segment.items():
            clean_start, clean_end, raw_start, raw_end = self._spans[segment].tolist()
            blocks = np.stack([changed[m] if m in changed else self._original(m) for m in mcus])
            out = np.zeros(
                2 * (clean_end - clean_start + self._kernels.GUARD * blocks.shape[0] * 10), np.uint8
            )
            last = min((segment + 1) * self._interval, self._count) - 1
            code, size = self._kernels.write_segment(
                self._clean, clean_start * 8, self._behind[last], np.array(mcus, np.int64), blocks,
                self._first, self._behind, self._predictors, self._plan, self._codes, self._lengths, out,
            )  # fmt: skip
            if code != self._kernels.OK:
                raise MissingSymbolError(_NO_CODE)
            pieces += [self._data[copied:raw_start], out[:size].tobytes()]
            copied = raw_end
        pieces.append(self._data[copied : self._scan_end])
        return b"".join(pieces)


def _stepped(changed: dict[int, Blocks], places: Sequence[tuple[int, int, int]]) -> dict[int, Blocks]:
    """Return copies of MCUs with some coefficients, each of another place, one step nearer to zero."""
    found: dict[int, Blocks] = {}
    for mcu, place, k in places:
        blocks = found.setdefault(mcu, changed[mcu].copy())
        blocks[place, k] -= np.sign(blocks[place, k])
    return found

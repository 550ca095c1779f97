"""Change single samples of a raw file in place; the file keeps its length.

Understood are the TIFF-structured raws (NEF, DNG and others) whose mosaic is stored as 16-bit samples in the
file's byte order, or packed to fewer bits with the most significant bit first (TIFF 6.0, section 3), in
strips or tiles, and Nikon's compressed ones. As makers are free in what they do with these tags, every
patched file is decoded again by LibRaw before it is handed out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from defectmap.errors import FailedPhotoError, PhotoError, UnsupportedRawError
from defectmap.media import tiff

if TYPE_CHECKING:
    from defectmap.media.nefpatch import NefStrip

__all__ = ["UnsupportedRawError", "patch_obstacle", "patch_raw"]

_WIDTH, _HEIGHT, _BITS, _FILL_ORDER, _SAMPLES = 256, 257, 258, 266, 277
_ROWS_PER_STRIP = 278
_TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_BYTE_COUNTS = 322, 323, 324, 325
_LINEARIZATION_TABLE = 50712
_NIKON = 34713


def patch_raw(data: bytes, changes: Mapping[tuple[int, int], int]) -> bytes:
    """Return the file with some samples changed.

    Parameters
    ----------
    data : bytes
        The whole file.
    changes : mapping of (row, col) to int
        New value in DN by position in the full stored frame. A lossy file takes the nearest that it can
        hold; so may, where its place is tight, a compressed one.

    Returns
    -------
    bytes
        As long as `data`; LibRaw reads every other photosite as before. If not compressed, it differs in
        the bytes of these samples only.

    Raises
    ------
    UnsupportedRawError
        If the file is compressed or stored in another way that cannot be patched; the reason says which.
    FailedPhotoError
        If the file is truncated or damaged.
    ValueError
        If a position is outside the frame or a value outside the range of the samples.
    """
    storage = _storage(data)
    patched, values = storage.patched(data, changes)
    _check(data, patched, values, storage.height, storage.width)
    return patched


def patch_obstacle(data: bytes) -> str | None:
    """Return why :func:`patch_raw` would refuse the file; None if nothing is known against it.

    Compressed data are not decoded for it.
    """
    try:
        _storage(data)
    except PhotoError as error:
        return error.reason
    return None


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the samples of a mosaic are that is not compressed.

    Attributes
    ----------
    height, width : int
        Stored frame.
    bits : int
        Bits per sample that count.
    packed : bool
        True for samples that follow each other bit by bit, False for one sample in two bytes.
    order : {"little", "big"}
        Byte order of two-byte samples.
    offsets : tuple of int
        File offset of each strip or tile, row by row.
    segment_height, segment_width : int
        Rows and columns of a strip or tile.
    """

    height: int
    width: int
    bits: int
    packed: bool
    order: Literal["little", "big"]
    offsets: tuple[int, ...]
    segment_height: int
    segment_width: int

    def patched(
        self, data: bytes, changes: Mapping[tuple[int, int], int]
    ) -> tuple[bytes, Mapping[tuple[int, int], int]]:
        """Return the file with some samples changed, and their values."""
        patched = bytearray(data)
        for (row, col), value in changes.items():
            self._put(patched, row, col, value)
        return bytes(patched), changes

    def _put(self, data: bytearray, row: int, col: int, value: int) -> None:
        """Set one sample."""
        if not (0 <= row < self.height and 0 <= col < self.width):
            raise ValueError(f"({row}, {col}) is outside the stored frame of {self.height} x {self.width}")
        if not 0 <= value < 1 << self.bits:
            raise ValueError(f"{value} does not fit samples of {self.bits} bits")
        across = -(-self.width // self.segment_width)
        start = self.offsets[row // self.segment_height * across + col // self.segment_width]
        within = row % self.segment_height * self.segment_width + col % self.segment_width
        if not self.packed:
            at = start + 2 * within
            data[at : at + 2] = value.to_bytes(2, self.order)
            return
        byte, bit = divmod(within * self.bits, 8)  # rows are whole bytes
        place = slice(start + byte, start + byte - (-(bit + self.bits) // 8))
        behind = -(bit + self.bits) % 8
        mask = (1 << self.bits) - 1 << behind
        held = int.from_bytes(data[place], "big")
        data[place] = (held & ~mask | value << behind).to_bytes(place.stop - place.start, "big")


def _storage(data: bytes) -> _Layout | NefStrip:
    """Find the mosaic's samples, or refuse."""
    candidates = [d for d in tiff.directories(data) if d.first(tiff.PHOTOMETRIC) == tiff.CFA]
    if not candidates:
        raise UnsupportedRawError("is not a raw of TIFF structure with a mosaic")
    directory = max(candidates, key=lambda d: (d.first(_WIDTH) or 0) * (d.first(_HEIGHT) or 0))
    compression = directory.first(tiff.COMPRESSION)
    if compression not in (None, 1, _NIKON):
        raise UnsupportedRawError(f"its raw data are compressed (TIFF compression {compression})")
    if _LINEARIZATION_TABLE in directory.fields:
        raise UnsupportedRawError("its samples are indices into a linearisation table")
    if directory.first(_SAMPLES) not in (None, 1) or directory.first(_FILL_ORDER) not in (None, 1):
        raise UnsupportedRawError("its samples lie in an unusual order")
    if directory.data_end > len(data):
        raise FailedPhotoError("ends too early: part of the raw data is missing")
    layout = _layout(data, directory)
    if layout is not None:
        return layout
    height, width, bits = (directory.first(tag) or 0 for tag in (_HEIGHT, _WIDTH, _BITS))
    if compression != _NIKON:
        raise UnsupportedRawError(f"its samples of {bits} bits are packed in an unusual way")
    from defectmap.media.nefpatch import nef_strip  # noqa: PLC0415 - loads numba

    return nef_strip(data, directory, height, width, bits)


def _layout(data: bytes, directory: tiff.Directory) -> _Layout | None:
    """Return where the samples are; None if the strips or tiles are not filled by them.

    Readers tell Nikon's uncompressed raws from the compressed ones by their exact length alone; so it is done
    here.
    """
    height, width = directory.first(_HEIGHT) or 0, directory.first(_WIDTH) or 0
    tiled = bool(directory.integers(_TILE_OFFSETS))
    offsets = directory.integers(_TILE_OFFSETS if tiled else tiff.STRIP_OFFSETS)
    counts = directory.integers(_TILE_BYTE_COUNTS if tiled else tiff.STRIP_BYTE_COUNTS)
    rows = (directory.first(_TILE_HEIGHT) if tiled else directory.first(_ROWS_PER_STRIP)) or height
    cols = directory.first(_TILE_WIDTH) or 0 if tiled else width
    rows = rows if tiled else min(rows, height)
    if min(height, width, rows, cols) < 1 or len(offsets) != -(-height // rows) * -(-width // cols):
        raise UnsupportedRawError("the directory of its raw data is incomplete")
    if len(counts) != len(offsets):
        raise UnsupportedRawError("the directory of its raw data is incomplete")
    # The last strip may be short.
    heights = [rows] * len(offsets)
    if not tiled:
        heights[-1] = height - rows * (len(offsets) - 1)
    bits = directory.first(_BITS) or 0
    packed = 8 <= bits < 16 and cols * bits % 8 == 0 and _filled(counts, heights, cols * bits // 8)
    if not packed and not (8 < bits <= 16 and _filled(counts, heights, cols * 2)):
        return None
    return _Layout(height, width, bits, packed, "big" if data[:2] == b"MM" else "little", offsets, rows, cols)


def _filled(counts: tuple[int, ...], heights: list[int], row_bytes: int) -> bool:
    """Whether every strip or tile holds rows of that many bytes and nothing else."""
    return all(count == height * row_bytes for count, height in zip(counts, heights, strict=True))


def _check(
    before: bytes, after: bytes, changes: Mapping[tuple[int, int], int], height: int, width: int
) -> None:
    """Refuse a patch that LibRaw does not read as exactly the wanted changes."""
    from defectmap.media.raw import decode_raw  # noqa: PLC0415 - asking for an obstacle needs no LibRaw

    old, new = decode_raw(before), decode_raw(after)
    geometry = old.geometry
    wanted = old.mosaic.copy()
    for (row, col), value in changes.items():
        visible_row, visible_col = row - geometry.top, col - geometry.left
        if 0 <= visible_row < wanted.shape[0] and 0 <= visible_col < wanted.shape[1]:
            wanted[visible_row, visible_col] = value
    same_frame = (geometry.height, geometry.width) == (height, width)
    if not same_frame or new.geometry != geometry or not np.array_equal(new.mosaic, wanted):
        raise UnsupportedRawError("its samples are not stored as its directory says")

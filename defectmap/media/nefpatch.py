"""Change single photosites of a Nikon-compressed raw without changing the length of the file.

The strip is decoded to curve indices, and coding them anew must first give the very bits that were read: then
nothing of the stream is unknown. A changed photosite changes two differences, its own and that of the next
one of its colour; every other symbol stays, and the bits behind it move. What the stream becomes shorter is
filled with zeros, which no reader asks for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from defectmap.errors import UnsupportedRawError
from defectmap.media import tiff
from defectmap.media.nefcodec import NefCoding, code_bits, decode, encode
from defectmap.media.nefnote import nikon_note

_LINEARISATION = 0x0096
_SLACK_SHIFT = 9  # a value may give way by a 512th of the range where the stream does not fit otherwise


@dataclass(frozen=True, slots=True)
class NefStrip:
    """A Nikon-compressed strip within a file.

    Attributes
    ----------
    height, width : int
        Stored frame.
    offset, length : int
        Of the strip in the file, in bytes.
    coding : NefCoding
    """

    height: int
    width: int
    offset: int
    length: int
    coding: NefCoding

    def patched(
        self, data: bytes, changes: Mapping[tuple[int, int], int]
    ) -> tuple[bytes, dict[tuple[int, int], int]]:
        """Return the file with some photosites changed, and the values in DN that they have then.

        A lossy file holds the values of its curve only, of which the nearest is taken.

        Parameters
        ----------
        data : bytes
            The whole file.
        changes : mapping of (row, col) to int
            Wanted DN.

        Raises
        ------
        UnsupportedRawError
            If the stream is not the one that this coding gives, or the repaired one does not fit its place.
        FailedPhotoError
            If the stream is truncated or corrupt.
        ValueError
            If a position is outside the frame or a value outside the range of the bits.
        """
        for (row, col), value in changes.items():
            if not (0 <= row < self.height and 0 <= col < self.width):
                raise ValueError(
                    f"({row}, {col}) is outside the stored frame of {self.height} x {self.width}"
                )
            if not 0 <= value < 1 << self.coding.bits:
                raise ValueError(f"{value} does not fit samples of {self.coding.bits} bits")
        stream = data[self.offset : self.offset + self.length]
        indices = decode(stream, self.height, self.width, self.coding)
        coded = encode(indices, self.coding)
        # The last byte may be filled up with any bits.
        if coded[:-1] != stream[: len(coded) - 1]:
            raise UnsupportedRawError("its Nikon compression is not the one that is known here")
        if not changes:
            return data, {}
        room = len(coded) if any(stream[len(coded) :]) else len(stream)
        rows, cols = np.array(list(changes)).T
        indices[rows, cols] = self.coding.indices(np.array(list(changes.values()), dtype=np.uint16))
        fresh = encode(indices, self.coding)
        if len(fresh) > room:
            _shorten(indices, list(changes), self.coding, 8 * (len(fresh) - room))
            fresh = encode(indices, self.coding)
        if len(fresh) > room:
            raise UnsupportedRawError("its repaired raw data do not fit into the place of the old ones")
        values = self.coding.values_dn[indices[rows, cols]].tolist()
        end = self.offset + room
        patched = data[: self.offset] + fresh + bytes(room - len(fresh)) + data[end:]
        return patched, dict(zip(changes, values, strict=True))


def nef_strip(data: bytes, directory: tiff.Directory, height: int, width: int, bits: int) -> NefStrip:
    """Return the compressed strip of a raw image's directory.

    Parameters
    ----------
    data : bytes
        The whole file.
    directory : Directory
        Of the raw image.
    height, width, bits : int
        As the directory says.

    Raises
    ------
    UnsupportedRawError
        If the strip is coded in a way that cannot be patched; the reason says which.
    FailedPhotoError
        If the table of its coding is damaged.
    """
    offsets, counts = directory.integers(tiff.STRIP_OFFSETS), directory.integers(tiff.STRIP_BYTE_COUNTS)
    note = nikon_note(data)
    table = note.opaque(data, _LINEARISATION) if note else None
    if note is None or table is None or len(offsets) != 1 or len(counts) != 1:
        raise UnsupportedRawError("is compressed as a Nikon's is, but does not say how")
    coding = NefCoding.parse(table, bits, note.order)
    return NefStrip(height, width, offsets[0], counts[0], coding)


def _shorten(
    indices: NDArray[np.uint16], sites: list[tuple[int, int]], coding: NefCoding, excess_bits: int
) -> None:
    """Let sites give way to near indices with shorter codes, by as little as makes the stream fit."""
    bits = code_bits(coding)
    wanted = [int(indices[site]) for site in sites]
    for slack in range(1, max(3, (coding.size >> _SLACK_SHIFT) + 1)):
        for site, middle in zip(sites, wanted, strict=True):
            held, before = int(indices[site]), _bits_around(indices, site, coding, bits)
            for index in (middle - slack, middle + slack):
                if not 0 <= index < coding.size:
                    continue
                indices[site] = index
                after = _bits_around(indices, site, coding, bits)
                if after < before:
                    excess_bits -= before - after
                    held, before = index, after
            indices[site] = held
            if excess_bits <= 0:
                return


def _bits_around(
    indices: NDArray[np.uint16], site: tuple[int, int], coding: NefCoding, bits: NDArray[np.int64]
) -> int:
    """Return the length of all differences that a photosite has part in."""
    row, col = site
    parts = [(row, col), (row, col + 2)] + ([(row + 2, col)] if col < 2 else [])
    total = 0
    for r, c in parts:
        if r >= indices.shape[0] or c >= indices.shape[1]:
            continue
        if c >= 2:
            before = int(indices[r, c - 2])
        else:
            before = int(indices[r - 2, c]) if r >= 2 else coding.predictors[2 * r + c]
        total += int(bits[abs(int(indices[r, c]) - before).bit_length()])
    return total

"""Arrays to blobs and back, and exact addition of integer arrays; pure functions, no SQL.

A plane is cut into bands of whole rows of about a megabyte, so that evidence of any size is read, added to
and written in bounded memory. A band is narrowed to the least width that holds its numbers, compressed by
Blosc (bit shuffle, then LZ4), and carries a CRC-32 of its payload, shape and type: what is to be noticed is a
failing disk, not a forger. Bytes are little-endian whatever the machine.

Signed numbers are written as 0, -1, 1, -2, 2 and so on are counted ("zigzag", as in Protocol Buffers): small
ones of either sign have the same leading zeros, which compress to nothing. The first byte of a payload is a
letter that tells width and sign. Catalogs from before hold others, and longer checksums, which are read too.
"""

from __future__ import annotations

import ast
import hashlib
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, reduce
from typing import Any, Final

import numpy as np
from numcodecs.blosc import Blosc, decompress
from numpy.typing import NDArray

BAND_BYTES: Final = 1 << 20
"""Size of a band before compression."""

# A third of the time of zstd for a twentieth more bytes; so small blocks spare another tenth.
_CODEC: Final = Blosc(cname="lz4", clevel=3, shuffle=Blosc.BITSHUFFLE, blocksize=16 << 10)
# Records are few, but kept for every frame.
_RECORDS_CODEC: Final = Blosc(cname="zstd", clevel=5, shuffle=Blosc.NOSHUFFLE)

_LETTERS: Final = {1: b"B", 2: b"H", 4: b"I", 8: b"Q"}
"""First byte of a payload by the bytes that each number has in it: a small letter where they are signed."""

_WIDTHS: Final = {letter: width for width, letter in _LETTERS.items()}

_ZIGZAG: Final = b"Z"
"""First byte of signed numbers as wide as their type, as they were before; that of Blosc is a 2."""

_CRC_BYTES: Final = 4


class DamagedBlobError(ValueError):
    """A blob is not what was once written."""


@dataclass(frozen=True, slots=True)
class Blob:
    """A compressed array with what is needed to check and read it.

    Attributes
    ----------
    shape : tuple of int
    dtype : str
        numpy's description of the type, byte order included; for a structured type the list of its fields, as
        in the header of an npy file (numpy enhancement proposal 1).
    checksum : bytes
        4 bytes of CRC-32; 8 of BLAKE2b in catalogs from before.
    payload : bytes
    """

    shape: tuple[int, ...]
    dtype: str
    checksum: bytes
    payload: bytes

    def verify(self) -> None:
        """Compare the payload with its checksum.

        Raises
        ------
        DamagedBlobError
        """
        checksum = _checksum if len(self.checksum) == _CRC_BYTES else _checksum_of_before
        if checksum(self.shape, self.dtype, self.payload) != self.checksum:
            raise DamagedBlobError("its checksum does not match")


def band_starts(rows: int, cols: int, itemsize: int) -> Iterator[tuple[int, int]]:
    """Yield (first row, number of rows) of every band of a plane.

    Parameters
    ----------
    rows, cols : int
        Shape of the plane.
    itemsize : int
        Bytes per element.
    """
    height = max(1, BAND_BYTES // max(1, cols * itemsize))
    for first in range(0, rows, height):
        yield first, min(height, rows - first)


def pack(block: NDArray[Any], dtype: np.dtype[Any] | None = None) -> Blob:
    """Compress one band.

    Parameters
    ----------
    block : ndarray of shape (rows, cols), any integer dtype of 1 to 8 bytes
    dtype : dtype, optional
        As what it is to come back, if that is wider than the block.
    """
    declared = (dtype or block.dtype).newbyteorder("<")
    narrow = np.ascontiguousarray(block, _narrowest(block.dtype.kind, *_extremes(block)))
    letter = _LETTERS[narrow.itemsize]
    if narrow.dtype.kind == "u":
        payload = letter + _CODEC.encode(narrow)
    else:
        payload = letter.lower() + _CODEC.encode(_folded(narrow))
    return Blob(block.shape, declared.str, _checksum(block.shape, declared.str, payload), payload)


def unpack(blob: Blob, *, verified: bool = False, narrow: bool = False) -> NDArray[Any]:
    """Restore what :func:`pack` was given, as a new writable array.

    Parameters
    ----------
    blob : Blob
    verified : bool
        Do not compare it with its checksum, because that was done before.
    narrow : bool
        Leave the numbers in the type that they are stored in.

    Raises
    ------
    DamagedBlobError
    """
    if not verified:
        blob.verify()
    dtype = np.dtype(blob.dtype)
    letter = blob.payload[:1]
    width = _WIDTHS.get(letter.upper(), dtype.itemsize)
    block = np.empty(blob.shape, np.dtype(f"<u{width}"))
    marked = letter == _ZIGZAG or letter.upper() in _WIDTHS
    if block.size:
        _decode_into(memoryview(blob.payload)[marked:], block)
    if dtype.kind == "i":
        block = (_unfolded(block) if marked else block).view(f"<i{width}")
    target = block.dtype if narrow else dtype
    native: NDArray[Any] = block.astype(target.newbyteorder("="), copy=False)
    return native


def pack_records(records: NDArray[np.void]) -> Blob:
    """Compress records of a structured dtype.

    Parameters
    ----------
    records : ndarray of shape (n,), structured dtype without Python objects
        Padding between fields is not kept.
    """
    dtype = _packed(records.dtype)
    packed = np.empty(records.shape, dtype=dtype)
    for name in dtype.names or ():
        packed[name] = records[name]
    # Like bytes of all records side by side: what byte shuffle does for plain numbers.
    columns = packed.view(np.uint8).reshape(len(packed), dtype.itemsize).T
    payload = _RECORDS_CODEC.encode(np.ascontiguousarray(columns))
    description = repr(dtype.descr)
    return Blob(records.shape, description, _checksum(records.shape, description, payload), payload)


def unpack_records(blobs: Sequence[Blob]) -> NDArray[np.void]:
    """Restore what :func:`pack_records` was given, of several blobs in one pass.

    Parameters
    ----------
    blobs : sequence of Blob
        At least one, all of one dtype.

    Returns
    -------
    ndarray of shape (n,), structured dtype
        The records of all, one after the other.

    Raises
    ------
    DamagedBlobError
    """
    for blob in blobs:
        blob.verify()
    (description,) = {blob.dtype for blob in blobs}
    dtype = _record_type(description)
    columns = np.concatenate([_byte_columns(blob, dtype.itemsize) for blob in blobs], axis=1)
    records: NDArray[np.void] = np.ascontiguousarray(columns.T).reshape(-1).view(dtype)
    return records


@cache
def _record_type(description: str) -> np.dtype[Any]:
    """Read the type of records, of which a catalog knows few, once."""
    dtype: np.dtype[Any] = np.dtype(ast.literal_eval(description))
    return dtype


def _byte_columns(blob: Blob, itemsize: int) -> NDArray[np.uint8]:
    """Return like bytes of all records side by side."""
    shape = itemsize, *blob.shape
    if not blob.shape[0]:
        return np.empty(shape, np.uint8)
    try:
        # Not through the codec, which takes longer to look at so few bytes than to decompress them.
        return np.frombuffer(decompress(blob.payload), np.uint8).reshape(shape)
    except (RuntimeError, ValueError) as error:
        raise DamagedBlobError("it cannot be decompressed") from error


def total(
    ours: NDArray[Any], theirs: Sequence[NDArray[Any]], dtype: np.dtype[Any], sign: int
) -> NDArray[Any]:
    """Return ``ours + sign * sum(theirs)``, exactly, in a type at most as wide as `dtype`.

    The largest numbers of each tell how wide a sum may become: there is no overflow to look for where that is
    less than `dtype`, and less memory to go through.

    Parameters
    ----------
    ours : ndarray
    theirs : sequence of ndarray
        Of the shape of `ours`; all in types of the kind of `dtype` that are not wider.
    dtype : dtype
    sign : {1, -1}

    Raises
    ------
    OverflowError
        If a sum leaves the range of `dtype`.
    """
    blocks = [ours, *theirs]
    extremes = [_extremes(block) for block in blocks]
    low, high = (sum(min(0, one) for one, _ in extremes), sum(max(0, one) for _, one in extremes))
    narrow = _narrowest(dtype.kind, low, high)
    if sign < 0 or narrow is None or narrow.itemsize > dtype.itemsize:
        wide = (block.astype(dtype.newbyteorder("=")) for block in blocks)
        return reduce(lambda one, other: added(one, other, sign), wide)
    result: NDArray[Any] = ours.astype(narrow.newbyteorder("="))
    for block in theirs:
        np.add(result, block, out=result, casting="unsafe")
    return result


def added(ours: NDArray[Any], theirs: NDArray[Any], sign: int) -> NDArray[Any]:
    """Return ``ours + sign * theirs``, exactly.

    Parameters
    ----------
    ours, theirs : ndarray, same shape and integer dtype
    sign : {1, -1}

    Raises
    ------
    OverflowError
        If any sum leaves the range of the dtype.
    """
    result: NDArray[Any] = ours + theirs if sign > 0 else ours - theirs
    if ours.dtype.kind == "u":
        wrapped = (result < ours) if sign > 0 else (theirs > ours)
    else:
        # A signed sum wrapped iff both terms have one sign and the result the other.
        wrapped = ((ours ^ result) & ((theirs if sign > 0 else ~theirs) ^ result)) < 0
    if wrapped.any():
        raise OverflowError(f"a sum leaves the range of {ours.dtype.name}")
    return result


def _extremes(block: NDArray[Any]) -> tuple[int, int]:
    """Return bounds of the numbers: the least is not looked for where none is negative."""
    if not block.size:
        return 0, 0
    return int(block.min()) if block.dtype.kind == "i" else 0, int(block.max())


def _narrowest(kind: str, low: int, high: int) -> np.dtype[Any] | None:
    """Return the least type of a kind that holds such numbers, little-endian; None if there is none."""
    for width in _LETTERS:
        limits = np.iinfo(f"{kind}{width}")
        if limits.min <= low and high <= limits.max:
            return np.dtype(f"<{kind}{width}")
    return None


def _folded(values: NDArray[Any]) -> NDArray[Any]:
    """Return 2x for x from 0 on, and -2x - 1 below."""
    folded = values << 1
    folded ^= values >> (8 * values.itemsize - 1)
    return folded.view(values.dtype.str.replace("i", "u"))


def _unfolded(folded: NDArray[Any]) -> NDArray[Any]:
    """Undo :func:`_folded`, but for the type; what is given is overwritten."""
    half = folded >> 1
    folded &= 1
    np.negative(folded, out=folded)
    folded ^= half
    return folded


def _packed(dtype: np.dtype[Any]) -> np.dtype[Any]:
    if dtype.names is None or dtype.hasobject:
        raise TypeError(f"records have a structured dtype of plain values, not {dtype}")
    return np.dtype([(name, dtype[name].newbyteorder("<")) for name in dtype.names])


def _checksum(shape: tuple[int, ...], dtype: str, payload: bytes) -> bytes:
    return zlib.crc32(payload, zlib.crc32(f"{shape} {dtype}".encode())).to_bytes(_CRC_BYTES, "little")


def _checksum_of_before(shape: tuple[int, ...], dtype: str, payload: bytes) -> bytes:
    digest = hashlib.blake2b(f"{shape} {dtype}".encode(), digest_size=8)
    digest.update(payload)
    return digest.digest()


def _decode_into(payload: bytes | memoryview, target: NDArray[Any]) -> None:
    try:
        _CODEC.decode(payload, out=target)
    except (RuntimeError, ValueError) as error:
        raise DamagedBlobError("it cannot be decompressed") from error

"""Promises of the blobs."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps
from numcodecs.blosc import Blosc

from defectmap.catalog.planes import (
    Blob,
    DamagedBlobError,
    added,
    band_starts,
    pack,
    pack_records,
    total,
    unpack,
    unpack_records,
)

integer_types = st.one_of(
    nps.integer_dtypes(endianness="?", sizes=(8, 16, 32, 64)),
    nps.unsigned_integer_dtypes(endianness="?", sizes=(8, 16, 32, 64)),
)
planes = integer_types.flatmap(lambda t: nps.arrays(t, nps.array_shapes(min_dims=2, max_dims=2, min_side=0)))
fields = st.one_of(
    nps.integer_dtypes(endianness="?"),
    nps.unsigned_integer_dtypes(endianness="?"),
    nps.floating_dtypes(endianness="?", sizes=(16, 32, 64)),
    nps.byte_string_dtypes(max_len=5),
    nps.array_dtypes(nps.unsigned_integer_dtypes(endianness="<"), max_size=3, allow_subarrays=False),
)
record_types = nps.array_dtypes(fields, max_size=4, allow_subarrays=True).filter(lambda t: t.names)
records = record_types.flatmap(lambda t: nps.arrays(t, st.integers(0, 9)))


@given(planes, st.booleans())
def test_plane_comes_back(plane, turned):
    """Any integer array comes back with its values, shape and native type, however it lay in memory."""
    plane = plane[::-1, ::2] if turned else plane

    restored = unpack(pack(plane))

    np.testing.assert_array_equal(restored, plane)
    assert plane.dtype.newbyteorder("=") == restored.dtype
    assert plane.shape == restored.shape
    assert restored.flags.writeable


def test_plane_of_an_older_catalog_comes_back():
    """Signed numbers that were compressed as they are, as catalogs of before have them, are read as well."""
    plane = np.array([[-5, 7, 0]], "<i4")
    payload = Blosc(cname="lz4", clevel=3, shuffle=Blosc.BITSHUFFLE).encode(plane)
    checksum = hashlib.blake2b(b"(1, 3) <i4" + payload, digest_size=8).digest()
    np.testing.assert_array_equal(unpack(Blob(plane.shape, "<i4", checksum, payload)), plane)


def test_small_numbers_of_either_sign_are_small():
    """Noise around 0 takes the room of its bits, not that of its type."""
    noise = np.random.default_rng(1).normal(0, 100, (500, 400)).astype(np.int64)
    assert len(pack(noise).payload) < 1.25 * noise.size


def test_numbers_take_the_room_that_they_need():
    """A wide type costs nothing: what fits into a byte is stored as bytes, and comes back wide."""
    small = np.random.default_rng(1).integers(0, 256, (500, 400))
    assert len(pack(small.astype(np.uint64)).payload) < 1.01 * small.size
    assert pack(small.astype(np.uint64)) == pack(small.astype(np.uint8), np.dtype(np.uint64))
    assert unpack(pack(small.astype(np.uint64)), narrow=True).dtype == np.uint8


@given(records)
def test_records_come_back(table):
    """Any structured array comes back with its fields and values."""
    restored = unpack_records([pack_records(table)])

    assert table.dtype.names == restored.dtype.names
    for name in table.dtype.names:
        assert table[name].tobytes() == restored[name].astype(table.dtype[name].base).tobytes()


@given(records, st.lists(st.integers(0, 9), min_size=1, max_size=4))
def test_records_of_several_blobs_come_back_one_after_the_other(table, counts):
    """Blobs that are unpacked together give what each of them gives."""
    blobs = [pack_records(table[:count]) for count in counts]

    together = unpack_records(blobs)

    assert together.tobytes() == b"".join(unpack_records([blob]).tobytes() for blob in blobs)


def test_aligned_records_come_back_without_their_padding():
    """Padding between fields is not stored."""
    table = np.array([(1, 2.5), (3, -1.0)], dtype=np.dtype([("row", "u1"), ("z", "f8")], align=True))

    restored = unpack_records([pack_records(table)])

    assert table.tolist() == restored.tolist()
    assert restored.dtype.itemsize == 9


def test_records_of_objects_are_refused():
    """Python objects are nothing that a catalog holds."""
    with pytest.raises(TypeError, match="plain values"):
        pack_records(np.zeros(2, dtype=[("a", object)]))


@given(planes.filter(lambda plane: plane.size > 0), st.data())
def test_any_changed_byte_is_noticed(plane, data):
    """A blob with one byte changed, or a shape or type that is not its own, is refused."""
    blob = pack(plane)
    position = data.draw(st.integers(0, len(blob.payload) - 1))
    payload = bytearray(blob.payload)
    payload[position] ^= data.draw(st.integers(1, 255))

    rows, cols = blob.shape
    for damaged in (
        replace(blob, payload=bytes(payload)),
        replace(blob, shape=(rows + 1, cols)),
        replace(blob, dtype="<f8"),
    ):
        with pytest.raises(DamagedBlobError):
            unpack(damaged)


@given(st.data(), integer_types, st.sampled_from([1, -1]))
def test_sums_are_exact_or_refused(data, dtype, sign):
    """A sum is what whole numbers give; one that the type cannot hold raises and never wraps."""
    native = dtype.newbyteorder("=")
    ours, theirs = data.draw(nps.arrays(native, 3)), data.draw(nps.arrays(native, 3))
    wanted = [int(a) + sign * int(b) for a, b in zip(ours, theirs, strict=True)]
    limits = np.iinfo(native)

    if all(limits.min <= value <= limits.max for value in wanted):
        assert wanted == added(ours, theirs, sign).tolist()
    else:
        with pytest.raises(OverflowError, match=native.name):
            added(ours, theirs, sign)


@given(st.data(), st.sampled_from("iu"), st.sampled_from([1, -1]))
def test_sums_of_many_are_exact_or_refused(data, kind, sign):
    """Blocks of any widths add up to what whole numbers give, or raise where they cannot be held."""
    types = [np.dtype(f"{kind}{width}") for width in (1, 2, 4, 8)]
    dtype = data.draw(st.sampled_from(types))
    narrower = st.sampled_from([one for one in types if one.itemsize <= dtype.itemsize])
    ours, *theirs = data.draw(
        st.lists(narrower.flatmap(lambda one: nps.arrays(one, (1, 2))), min_size=1, max_size=4)
    )
    partial = [[int(value) for value in ours[0]]]
    for block in theirs:
        partial.append([a + sign * int(b) for a, b in zip(partial[-1], block[0], strict=True)])
    limits = np.iinfo(dtype)

    try:
        result = total(ours, theirs, dtype, sign)
    except OverflowError:
        assert not all(limits.min <= value <= limits.max for values in partial for value in values)
    else:
        assert result.tolist() == [partial[-1]]
        assert result.dtype.itemsize <= dtype.itemsize


@given(st.integers(0, 5000), st.integers(0, 10000), st.sampled_from([1, 2, 4, 8]))
def test_bands_cover_every_row_once(rows, cols, itemsize):
    """Bands follow each other from the first row to the last and stay near a megabyte."""
    bands = list(band_starts(rows, cols, itemsize))

    assert list(range(rows)) == [row for first, count in bands for row in range(first, first + count)]
    assert all(count == 1 or count * cols * itemsize <= 1 << 20 for _, count in bands)

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from defectmap.errors import FailedPhotoError, UnsupportedRawError
from defectmap.media.nefcodec import NefCoding, decode, decode_mosaic, encode, lossless_coding, lossy_coding

CODINGS = [make(bits) for make, bits in itertools.product((lossless_coding, lossy_coding), (12, 14))]


def _noise(coding, height, width, seed=1):
    rng = np.random.default_rng(seed)
    return rng.integers(0, coding.size, (height, width)).astype(np.uint16)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), coding=st.sampled_from(CODINGS))
def test_what_is_encoded_is_decoded(data, coding):
    """Any plane of valid indices comes back from its stream unchanged, whatever the coding."""
    shape = data.draw(hnp.array_shapes(min_dims=2, max_dims=2, max_side=7))
    indices = data.draw(hnp.arrays(np.uint16, shape, elements=st.integers(0, coding.size - 1)))
    stream = encode(indices, coding)
    assert np.array_equal(decode(stream, *shape, coding), indices)
    assert encode(decode(stream, *shape, coding), coding) == stream


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("shape", [(200, 37), (201, 40), (90, 1), (1, 90)])
def test_long_streams_are_decoded_to_their_last_row(coding, shape):
    """Rows far from the end of a stream and rows at it come back alike, whatever follows the stream."""
    for indices in (_noise(coding, *shape), np.arange(np.prod(shape), dtype=np.uint16).reshape(shape) % 7):
        coding_near = NefCoding(coding.bits, (3, 3, 3, 3), coding.curve)
        stream = encode(indices, coding_near)
        for behind in (b"", b"\xff" * 9, bytes(1000)):
            assert np.array_equal(decode(stream + behind, *shape, coding_near), indices)


@settings(max_examples=40, deadline=None)
@given(data=st.data(), coding=st.sampled_from(CODINGS))
def test_part_of_a_mosaic_is_the_part(data, coding):
    """The first rows and some columns in DN are those of the whole plane, whatever the cut."""
    height, width = data.draw(hnp.array_shapes(min_dims=2, max_dims=2, max_side=30))
    rows = data.draw(st.integers(1, height))
    left = data.draw(st.integers(0, width - 1))
    right = data.draw(st.integers(left + 1, width))
    limit = int(np.searchsorted(coding.values_dn, coding.values_dn[-1]))  # without a flat end
    indices = np.minimum(_noise(coding, height, width), limit)
    stream = np.frombuffer(encode(indices, coding), np.uint8)
    mosaic = decode_mosaic(stream, rows, width, coding, slice(left, right))
    assert np.array_equal(mosaic, coding.values_dn[indices][:rows, left:right])


@pytest.mark.parametrize("coding", CODINGS)
def test_table_round_trip(coding):
    """A coding survives being written as a linearisation table, in both byte orders."""
    assert NefCoding.parse(coding.to_bytes(">"), coding.bits, ">") == coding
    assert NefCoding.parse(coding.to_bytes("<"), coding.bits, "<") == coding


def test_known_stream():
    """Differences +1, -1 and 0 from the predictors are written with the documented 12-bit lossless codes."""
    # Canonical codes of lengths 2, 3 (four), 4 (two), 5 (three), ...:
    coding = NefCoding(12, (10, 10, 10, 10))
    stream = encode(np.array([[11, 9]], dtype=np.uint16), coding)
    # symbols: 5=00, 4=010, 6=011, 3=100, 7=101, 2=1100, 8=1101, 1=11100, 9=11101, 0=11110
    assert stream == bytes([0b11100_1_11, 0b100_0_0000])
    assert encode(np.array([[10]], dtype=np.uint16), coding) == bytes([0b11110_000])


def test_lossy_takes_the_nearest_value():
    """A DN becomes the nearest entry of the curve, and entries of the curve stay as they are."""
    for coding in (lossy_coding(12), lossy_coding(14)):
        values = coding.values_dn
        assert values[0] == 0
        assert values[-1] == (1 << coding.bits) - 1
        assert np.array_equal(coding.indices(values), np.arange(coding.size))
        every = np.arange(1 << coding.bits, dtype=np.uint16)
        error = np.abs(values[coding.indices(every)].astype(int) - every)
        assert np.array_equal(error, np.abs(values[None, :].astype(int) - every[:, None]).min(axis=1))


def test_damage_is_reported_and_never_read_past():
    """Any cut or changed stream gives a plane within the curve or a FailedPhotoError."""
    rng = np.random.default_rng(5)
    for coding in CODINGS:
        stream = encode(_noise(coding, 20, 31), coding)
        for _ in range(150):
            damaged = np.frombuffer(stream, dtype=np.uint8).copy()
            damaged[rng.integers(0, damaged.size, 3)] = rng.integers(0, 256, 3)
            try:
                indices = decode(damaged.tobytes(), 20, 31, coding)
            except FailedPhotoError:
                continue
            assert int(indices.max()) < coding.size


@pytest.mark.parametrize("coding", CODINGS)
def test_every_cut_is_noticed(coding):
    """A stream that lacks its last bytes is refused as cut short or corrupt."""
    stream = encode(_noise(coding, 6, 9), coding)
    for end in range(len(stream)):
        with pytest.raises(FailedPhotoError, match=r"cut short|corrupt"):
            decode(stream[:end], 6, 9, coding)


def test_absurd_size_is_refused():
    """A header that promises more photosites than the stream can hold costs no memory."""
    with pytest.raises(FailedPhotoError, match="cut short"):
        decode(b"\0" * 100, 1 << 30, 1 << 30, lossless_coding(12))


@pytest.mark.parametrize(
    ("table", "bits", "error", "reason"),
    [
        (b"\x44\x20" + bytes(600), 12, UnsupportedRawError, "split curve"),
        (b"\x44\x40" + bytes(600), 14, UnsupportedRawError, "split curve"),
        (b"\x49\x58" + bytes(600), 14, UnsupportedRawError, "49 58"),
        (b"\x46\x30" + bytes(10), 10, UnsupportedRawError, "10 bits"),
        (b"\x46\x30", 12, FailedPhotoError, "cut short"),
        (b"\x44\x10" + bytes(8) + b"\x02\xab" + bytes(40), 12, FailedPhotoError, "cut short"),
        (b"\x44\x10" + bytes(8) + b"\0\x02\0\x05\0\x04", 12, FailedPhotoError, "not rising"),
    ],
)
def test_other_tables_are_refused_by_name(table, bits, error, reason):
    """Unknown, split and damaged linearisation tables are refused with the reason."""
    with pytest.raises(error, match=reason):
        NefCoding.parse(table, bits)


def test_impossible_input_is_refused():
    """Indices beyond the curve, and differences without a code, are errors of the caller."""
    with pytest.raises(ValueError, match="below 4096"):
        encode(np.array([[4096]], dtype=np.uint16), lossless_coding(12))
    with pytest.raises(ValueError, match="too large"):
        encode(np.array([[0]], dtype=np.uint16), NefCoding(12, (60000, 0, 0, 0)))

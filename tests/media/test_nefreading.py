import contextlib
import logging
from datetime import datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from defectmap.errors import PhotoError
from defectmap.media import nefreading, tiff
from defectmap.media.nefreading import read_raw
from defectmap.media.nefwriter import NEF_WHITE, nef_bytes
from defectmap.media.raw import decode_raw
from defectmap.simulation.camera import SimulatedCamera
from defectmap.simulation.files import write_shoot
from defectmap.simulation.sensor import TWELVE_BIT, Electronics

KINDS = [
    ("lossless", 12),
    ("lossy", 12),
    ("lossless", 14),
    ("lossy", 14),
    ("packed", 12),
    ("uncompressed", 14),
]
COMPRESSED = KINDS[:4]
NOON = datetime(2020, 5, 17, 12, 0)


@pytest.fixture(autouse=True)
def _unbelieved(monkeypatch):
    monkeypatch.setattr(nefreading, "_geometries", {})


def _nef(compression, bits, shape=(40, 62), seed=1, **options):
    """Write a NEF of noise over a slope, saturated in places."""
    rng = np.random.default_rng(seed)
    slope = np.linspace(0.0, 1.1, shape[1]) * NEF_WHITE[bits]
    mosaic = np.clip(rng.normal(slope, 20, shape), 0, NEF_WHITE[bits]).astype(np.uint16)
    return nef_bytes(mosaic, compression=compression, bits=bits, captured=NOON, **options)


def _outcome(reader, data):
    """Return all that a reader makes of a file."""
    try:
        frame = reader(data)
    except PhotoError as error:
        return type(error), error.reason
    return frame.geometry, frame.mosaic.tobytes(), frame.mosaic.shape, frame.mosaic.dtype


def _own(monkeypatch):
    """Count the files that are left to LibRaw."""
    asked = []

    def counted(data):
        asked.append(data)
        return decode_raw(data)

    monkeypatch.setattr(nefreading, "decode_raw", counted)
    return asked


def _strip(data):
    """Return where the mosaic begins and ends."""
    (directory,) = (each for each in tiff.directories(data) if each.first(tiff.PHOTOMETRIC) == tiff.CFA)
    start = directory.first(tiff.STRIP_OFFSETS)
    return start, start + directory.first(tiff.STRIP_BYTE_COUNTS)


@settings(max_examples=60, deadline=None)
@given(
    data=st.data(),
    kind=st.sampled_from(KINDS),
    model=st.sampled_from(["NIKON D80", "NIKON D300", "NIKON Z 6"]),
)
def test_any_mosaic_reads_as_libraw_reads_it(data, kind, model):
    """Whatever a NEF holds, the second one of its kind gives LibRaw's frame, as the first did."""
    compression, bits = kind
    shape = data.draw(st.sampled_from([(24, 40), (31, 58), (60, 44)]))
    values = st.integers(0, NEF_WHITE[bits])
    for _ in range(2):
        mosaic = data.draw(hnp.arrays(np.uint16, shape, elements=values, fill=values))
        content = nef_bytes(mosaic, compression=compression, bits=bits, model=model, captured=NOON)
        assert _outcome(read_raw, content) == _outcome(decode_raw, content)


@pytest.mark.parametrize("kind", COMPRESSED)
def test_libraw_is_asked_once_per_kind(kind, monkeypatch):
    """Once a kind of file is known, LibRaw decodes no further one of it, however many there are."""
    asked = _own(monkeypatch)
    for seed in range(4):
        content = _nef(*kind, seed=seed, iso=100 << seed)
        assert _outcome(read_raw, content) == _outcome(decode_raw, content)
    assert len(asked) == 1


def test_what_levels_depend_on_makes_another_kind(monkeypatch):
    """A frame never gets the levels of another: black, size, model or firmware make another kind."""
    asked = _own(monkeypatch)
    files = [
        _nef("lossless", 14),
        _nef("lossless", 14, black=600),
        _nef("lossless", 14, shape=(44, 62)),
        _nef("lossless", 14, model="NIKON D300"),
        _nef("lossless", 14, software="Ver.1.10 "),
    ]
    for content in [*files, *files]:
        assert _outcome(read_raw, content) == _outcome(decode_raw, content)
    assert len(asked) == len(files)


@pytest.mark.parametrize("kind", COMPRESSED)
def test_every_cut_is_told_as_libraw_tells_it(kind):
    """A file that lacks its last bytes, or whose stream does, gives what LibRaw alone gives."""
    content = _nef(*kind, shape=(30, 46))
    read_raw(content)
    start, end = _strip(content)
    length = content.index((end - start).to_bytes(4, "big"))
    for missing in range(1, end - start, 7):
        for damaged in (
            content[:-missing],
            content[:-missing] + bytes(missing),
            # The directory promises less, and there is no more:
            content[:length] + (end - start - missing).to_bytes(4, "big") + content[length + 4 : -missing],
            # The directory promises less than there is:
            content[:length] + (end - start - missing).to_bytes(4, "big") + content[length + 4 :],
        ):
            assert _outcome(read_raw, damaged) == _outcome(decode_raw, damaged)


@settings(max_examples=150, deadline=None)
@given(data=st.data(), kind=st.sampled_from(COMPRESSED))
def test_damaged_streams_read_as_libraw_reads_them(data, kind):
    """Flipped bits anywhere in the stream, its last bytes included, give what LibRaw makes of them."""
    sound = _nef(*kind, shape=(30, 46))
    start, end = _strip(sound)
    read_raw(sound)
    content = bytearray(sound)
    from_end = data.draw(st.sampled_from([4, 200, end - start]))
    for _ in range(data.draw(st.integers(1, 3))):
        content[end - data.draw(st.integers(1, from_end))] ^= 1 << data.draw(st.integers(0, 7))
    assert _outcome(read_raw, bytes(content)) == _outcome(decode_raw, bytes(content))


@settings(max_examples=150, deadline=None)
@given(data=st.data(), kind=st.sampled_from(COMPRESSED))
def test_damaged_headers_read_as_libraw_reads_them(data, kind):
    """Whatever a byte of the header becomes, the outcome is that of LibRaw."""
    sound = _nef(*kind, shape=(30, 46))
    start, _ = _strip(sound)
    # Of a pattern of colours that is said to be longer, LibRaw reads memory that it never wrote.
    pattern = range(sound.index(b"\x82\x8e"), sound.index(b"\x82\x8e") + 12)
    read_raw(sound)
    content = bytearray(sound)
    content[data.draw(st.integers(8, start - 1).filter(lambda at: at not in pattern))] = data.draw(
        st.integers(0, 255)
    )
    assert _outcome(read_raw, bytes(content)) == _outcome(decode_raw, bytes(content))


def test_a_table_of_levels_that_a_directory_brings_along_counts():
    """A file with a tag that makes LibRaw look its readings up in another table is not decoded without it."""
    content = bytearray(_nef("lossless", 14))
    read_raw(bytes(content))
    length = content.index(b"\x01\x01\x00\x04")  # ImageLength of the thumbnail becomes a response curve
    content[length : length + 2] = (291).to_bytes(2, "big")
    for _ in range(2):
        assert _outcome(read_raw, bytes(content)) == _outcome(decode_raw, bytes(content))


def test_a_note_of_no_known_form_counts_as_none():
    """A MakerNote whose header has another mark than TIFF's is not read, as LibRaw does not read it."""
    content = bytearray(_nef("lossless", 14))
    read_raw(bytes(content))
    mark = content.index(b"Nikon\0") + 13
    content[mark] = 0x55  # as Panasonic has it
    assert _outcome(read_raw, bytes(content)) == _outcome(decode_raw, bytes(content))


def test_a_flat_end_of_the_curve_is_left_to_libraw(monkeypatch):
    """Indices within a flat end of a curve, which LibRaw takes for damage, are never decoded alone."""
    content = bytearray(_nef("lossy", 12))
    read_raw(bytes(content))
    table = content.index(bytes([0x44, 0x10])) + 12
    size = int.from_bytes(content[table - 2 : table], "big")
    content[table + 2 * (size - 2) : table + 2 * (size - 1)] = content[
        table + 2 * (size - 1) : table + 2 * size
    ]
    asked = _own(monkeypatch)
    for _ in range(2):
        assert _outcome(read_raw, bytes(content)) == _outcome(decode_raw, bytes(content))
    assert len(asked) == 2


def test_a_kind_that_differs_is_not_believed(monkeypatch):
    """Where the own decoder gives another mosaic than LibRaw, files of that kind stay with LibRaw."""
    content = _nef("lossless", 12)
    sound = nefreading._own_mosaic
    monkeypatch.setattr(nefreading, "_own_mosaic", lambda *given: sound(*given) ^ 1)
    asked = _own(monkeypatch)
    for _ in range(3):
        assert _outcome(read_raw, content) == _outcome(decode_raw, content)
    assert len(asked) == 3


def test_a_damaged_first_file_says_nothing_of_its_kind(monkeypatch):
    """A damaged file that comes first leaves it open whether others of its kind are decoded quickly."""
    asked = _own(monkeypatch)
    content = bytearray(_nef("lossless", 12))
    content[-300:-200] = b"\xff" * 100
    for each in (bytes(content), *[_nef("lossless", 12)] * 3):
        assert _outcome(read_raw, each) == _outcome(decode_raw, each)
    assert len(asked) == 2


def test_a_stream_left_to_libraw_is_logged(caplog):
    """That the own decoder stumbled is told to the log, with the reason."""
    content = bytearray(_nef("lossless", 12))
    read_raw(bytes(content))
    content[-300:-200] = b"\xff" * 100
    with caplog.at_level(logging.DEBUG, nefreading.__name__), contextlib.suppress(PhotoError):
        read_raw(bytes(content))
    assert "corrupt in row" in caplog.text or "cut short in row" in caplog.text


@pytest.mark.parametrize("electronics", [TWELVE_BIT, Electronics()])
def test_simulated_shoots_read_as_libraw_reads_them(electronics, tmp_path):
    """Every file of a shoot, of all compressions, gives the frame that LibRaw gives."""
    write_shoot(SimulatedCamera(height=64, width=98, electronics=electronics), tmp_path, 8, ("nef",))
    for path in sorted(tmp_path.glob("*.NEF")):
        content = path.read_bytes()
        assert _outcome(read_raw, content) == _outcome(decode_raw, content)

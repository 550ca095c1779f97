import io
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from defectmap.errors import FailedPhotoError, PhotoError
from defectmap.media.dng import dng_bytes
from defectmap.media.nefcodec import lossy_coding
from defectmap.media.nefwriter import nef_bytes
from defectmap.media.raw import decode_raw
from defectmap.media.rawpatch import UnsupportedRawError, patch_obstacle, patch_raw
from defectmap.media.tiffwriter import HEADER_BYTES, directory, header, longs, octets, shorts, text
from defectmap.model.sensor import MosaicGeometry, RawColour

REAL = Path(__file__).parents[2] / ".." / "shared" / "data" / "raw"
WHEN = datetime(2010, 5, 6, 7, 8, 9)
HEIGHT, WIDTH = 70, 104


def _mosaic(seed=4):
    return np.random.default_rng(seed).integers(100, 3900, (HEIGHT, WIDTH)).astype(np.uint16)


def _nef(compression, bits):
    return nef_bytes(_mosaic(), compression=compression, bits=bits, captured=WHEN)


def _dng(tags=(), **options):
    """Write a DNG whose visible area lies at (8, 12) of the stored frame."""
    top, left = 8, 12
    given = [
        (271, 2, 0, "Test", True),
        (272, 2, 0, "Camera", True),
        (33421, 3, 2, (2, 2), True),
        (33422, 1, 4, bytes([0, 1, 1, 2]), True),
        (50706, 1, 4, bytes([1, 3, 0, 0]), True),
        (50708, 2, 0, "Test Camera", True),
        (50710, 1, 3, bytes([0, 1, 2]), True),
        (50714, 3, 1, 64, True),
        (50717, 3, 1, 4095, True),
        (50829, 4, 4, (top, left, HEIGHT, WIDTH), True),
        *tags,
    ]
    file = io.BytesIO()
    tifffile.imwrite(file, _mosaic(), photometric="cfa", metadata=None, extratags=given, **options)
    return file.getvalue()


def _packed_dng(bits):
    """Write a DNG whose samples follow each other bit by bit."""
    rows = np.unpackbits(_mosaic().astype(">u2").view(np.uint8).reshape(HEIGHT, WIDTH, 2), axis=2)
    samples = np.packbits(rows[:, :, 16 - bits :].reshape(HEIGHT, -1), axis=1).tobytes()
    fields = [
        longs(254, 0),
        longs(256, WIDTH),
        longs(257, HEIGHT),
        shorts(258, bits),
        shorts(259, 1),
        shorts(262, 32803),
        text(271, "Test"),
        text(272, "Camera"),
        longs(273, 0),
        shorts(277, 1),
        longs(278, HEIGHT),
        longs(279, len(samples)),
        shorts(33421, 2, 2),
        octets(33422, bytes((0, 1, 1, 2))),
        octets(50706, bytes((1, 3, 0, 0))),
        text(50708, "Test Camera"),
        longs(50717, 4095),
    ]
    start = HEADER_BYTES + len(directory(fields, 0))
    fields = [longs(273, start) if field.tag == 273 else field for field in fields]
    return header() + directory(fields, HEADER_BYTES) + samples


def _split(compression, bits):
    """Return a compressed NEF whose table is marked as one of those that change at a row of the picture."""
    mark = {"lossless": b"\x46\x30", "lossy": b"\x44\x10"}[compression]
    middle = (1 << bits - 1 if compression == "lossless" else lossy_coding(bits).predictors[0]).to_bytes(2)
    return _nef(compression, bits).replace(mark + 4 * middle, b"\x44\x20" + 4 * middle)


FILES = {
    "nef packed": lambda: _nef("packed", 12),
    "nef 14 bit": lambda: _nef("uncompressed", 14),
    "dng 12 bit packed": lambda: _packed_dng(12),
    "dng 14 bit packed": lambda: _packed_dng(14),
    "dng one strip": lambda: _dng(rowsperstrip=HEIGHT),
    "dng big-endian": lambda: _dng(rowsperstrip=HEIGHT, byteorder=">"),
    "dng strips": lambda: _dng(rowsperstrip=16),
    "dng tiles": lambda: _dng(tile=(32, 48)),
    "dng of ours": lambda: dng_bytes(
        _mosaic(),
        MosaicGeometry(HEIGHT, WIDTH, 0, 0, HEIGHT, WIDTH, ("GB", "RG"), (64,) * 4, 4095, "test"),
        RawColour(((1.0, 0, 0), (0, 1.0, 0), (0, 0, 1.0)), (0.5, 1.0, 0.7), "Test", "Camera"),
        source=None,
        compressed=False,
    ),
}


@pytest.mark.parametrize("kind", FILES)
def test_only_the_named_samples_change(kind):
    """LibRaw reads the new values at their places and the old ones everywhere else; no other byte differs."""
    data = FILES[kind]()
    assert patch_obstacle(data) is None
    before = decode_raw(data)
    top, left = before.geometry.top, before.geometry.left
    height, width = before.mosaic.shape
    places = [(0, 0), (0, 1), (1, 0), (17, 33), (33, 50), (33, 51), (34, 50), (height - 1, width - 1)]
    changes = {(top + row, left + col): 4095 - 7 * n for n, (row, col) in enumerate(places)}
    patched = patch_raw(data, changes)
    wanted = before.mosaic.copy()
    for (row, col), value in changes.items():
        wanted[row - top, col - left] = value
    after = decode_raw(patched)
    assert np.array_equal(after.mosaic, wanted)
    assert after.geometry == before.geometry
    assert len(patched) == len(data)
    assert sum(a != b for a, b in zip(data, patched, strict=True)) <= 3 * len(changes)


@settings(max_examples=15, deadline=None)
@given(
    kind=st.sampled_from(sorted(FILES)),
    changes=st.dictionaries(
        st.tuples(st.integers(0, HEIGHT - 1), st.integers(0, WIDTH - 1)), st.integers(0, 4095), max_size=12
    ),
)
def test_the_way_back(kind, changes):
    """Putting the old values back gives the old file, byte for byte."""
    data = FILES[kind]()
    old = {place: int(_mosaic()[place]) for place in changes}
    assert patch_raw(patch_raw(data, changes), old) == data


def test_no_change():
    """No changes give the same bytes."""
    data = _nef("packed", 12)
    assert patch_raw(data, {}) == data


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: _split("lossy", 12), "split curve"),
        (lambda: _split("lossless", 14), "split curve"),
        (lambda: _dng([(50712, 3, 4096, tuple(range(4096)), True)], rowsperstrip=HEIGHT), "linearisation"),
        (lambda: _dng(rowsperstrip=HEIGHT, compression="zlib"), "compressed"),
        (lambda: b"\xff\xd8\xff\xe1 no raw", "mosaic"),
        (lambda: b"", "mosaic"),
    ],
)
def test_other_files_are_refused(make, reason):
    """Compressed and other raws are refused with the reason, which can be asked for beforehand."""
    data = make()
    with pytest.raises(UnsupportedRawError, match=reason):
        patch_raw(data, {(0, 0): 5})
    obstacle = patch_obstacle(data)
    assert obstacle is not None
    assert reason in obstacle


@pytest.mark.parametrize(
    ("place", "value", "reason"),
    [
        ((HEIGHT, 0), 5, "outside"),
        ((0, -1), 5, "outside"),
        ((3, 3), 4096, "12 bits"),
        ((3, 3), -1, "12 bits"),
    ],
)
def test_impossible_changes_are_refused(place, value, reason):
    """A place outside the frame, or a value that the samples cannot hold, is an error of the caller."""
    with pytest.raises(ValueError, match=reason):
        patch_raw(_nef("packed", 12), {place: value})


def test_a_truncated_file_is_refused():
    """A file that ends before its mosaic does is not patched."""
    data = _nef("packed", 12)
    with pytest.raises(FailedPhotoError):
        patch_raw(data[: len(data) // 2], {(0, 0): 5})


def test_a_directory_that_says_otherwise_is_noticed():
    """Samples that LibRaw reads from other places than the directory says are not patched."""
    data = bytearray(_nef("packed", 12))
    entry = data.index(b"\x01\x17\0\x04\0\0\0\x01" + (HEIGHT * WIDTH * 3 // 2).to_bytes(4, "big"))
    data[entry + 8 : entry + 12] = (HEIGHT * WIDTH * 2).to_bytes(4, "big")
    data += bytes(HEIGHT * WIDTH // 2)
    with pytest.raises(UnsupportedRawError, match="not stored"):
        patch_raw(bytes(data), {(0, 0): 5, (7, 8): 9})


def test_damaged_directories_do_no_harm():
    """Wrong headers give a patched file of the same length or a PhotoError."""
    rng = np.random.default_rng(9)
    data = np.frombuffer(_dng(rowsperstrip=16), dtype=np.uint8)
    for _ in range(80):
        damaged = data.copy()
        damaged[rng.integers(8, 500, 2)] = rng.integers(0, 256, 2)
        try:
            patched = patch_raw(damaged.tobytes(), {(20, 20): 5})
        except (PhotoError, ValueError):
            continue
        assert len(patched) == len(data)


def test_a_real_nef():
    """A Nikon D1 file, 12 bits packed in 67 strips, takes a new value and gives the old file back."""
    path = REAL / "nikon_d1.nef"
    if not path.exists():
        pytest.skip("real photo nikon_d1.nef is not here")
    data = path.read_bytes()
    old = int(decode_raw(data).mosaic[1000, 1501])
    patched = patch_raw(data, {(1000, 1501): 77})
    assert decode_raw(patched).mosaic[1000, 1501] == 77
    assert patch_raw(patched, {(1000, 1501): old}) == data


def test_a_real_dng():
    """A DNG of 14 bits, packed, takes a new value and gives the old file back."""
    path = REAL / "canon_550d_frame.dng"
    if not path.exists():
        pytest.skip("real photo canon_550d_frame.dng is not here")
    data = path.read_bytes()
    frame = decode_raw(data)
    place = frame.geometry.top + 300, frame.geometry.left + 501
    patched = patch_raw(data, {place: 10_001})
    assert decode_raw(patched).mosaic[300, 501] == 10_001
    assert patch_raw(patched, {place: int(frame.mosaic[300, 501])}) == data


@pytest.mark.parametrize(
    "name", ["sony_a7r3_crop.arw", "canon_d30.crw", "kodak_dc50.kdc", "linear_canon_6d.dng"]
)
def test_real_files_of_other_kinds(name):
    """Real raws that are compressed or of another structure are refused."""
    path = REAL / name
    if not path.exists():
        pytest.skip(f"real photo {name} is not here")
    assert patch_obstacle(path.read_bytes()) is not None

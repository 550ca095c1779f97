import io
import shutil
import struct
import subprocess
from datetime import datetime

import numpy as np
import pytest
import rawpy
from hypothesis import given, settings
from hypothesis import strategies as st

from defectmap.errors import FailedPhotoError, UnsupportedRawError
from defectmap.media.nefcodec import lossy_coding
from defectmap.media.nefwriter import NEF_WHITE, nef_bytes
from defectmap.media.rawpatch import patch_obstacle, patch_raw

WHEN = datetime(2010, 5, 6, 7, 8, 9)
KINDS = [("lossless", 12), ("lossless", 14), ("lossy", 12), ("lossy", 14)]
HEIGHT, WIDTH = 80, 120
# The border, photosites beside each other and of one colour in a row, and a pair in a column.
SITES = [(0, 0), (0, 1), (1, 3), (20, 30), (20, 31), (20, 32), (41, 60), (43, 60), (70, 110)]


def _scene(bits, seed=6):
    rng = np.random.default_rng(seed)
    level = np.linspace(0.05, 0.6, WIDTH) * NEF_WHITE[bits]
    return rng.normal(level, 0.01 * NEF_WHITE[bits], (HEIGHT, WIDTH)).clip(0).astype(np.uint16)


def _spoilt(bits):
    """Return a healthy scene, and the same with hot photosites."""
    healthy = _scene(bits)
    mosaic = healthy.copy()
    for row, col in SITES:
        mosaic[row, col] = NEF_WHITE[bits]
    return healthy, mosaic


def _read(data):
    with rawpy.imread(io.BytesIO(data)) as raw:
        return raw.raw_image_visible.copy()


@pytest.mark.parametrize(("compression", "bits"), KINDS)
def test_only_the_named_photosites_change(compression, bits):
    """LibRaw reads the healthy values, or the curve's nearest, at the sites, and all others as before."""
    healthy, mosaic = _spoilt(bits)
    data = nef_bytes(mosaic, compression=compression, bits=bits, captured=WHEN)
    assert patch_obstacle(data) is None
    patched = patch_raw(data, {site: int(healthy[site]) for site in SITES})
    assert len(patched) == len(data)
    before, after = _read(data), _read(patched)
    assert sorted(map(tuple, np.argwhere(before != after).tolist())) == sorted(SITES)
    curve = lossy_coding(bits)
    held = healthy if compression == "lossless" else curve.values_dn[curve.indices(healthy)]
    for site in SITES:
        assert after[site] == held[site]


@pytest.mark.parametrize(("compression", "bits"), KINDS)
def test_dcraw_agrees(compression, bits, tmp_path):
    """A second reader, dcraw, sees the same photosites changed and nothing to warn of."""
    if shutil.which("dcraw") is None:
        pytest.skip("dcraw is not installed")
    healthy, mosaic = _spoilt(bits)
    data = nef_bytes(mosaic, compression=compression, bits=bits, captured=WHEN)
    patched = patch_raw(data, {site: int(healthy[site]) for site in SITES})
    (tmp_path / "a.nef").write_bytes(patched)
    command = ["dcraw", "-D", "-4", "-t", "0", "-c", str(tmp_path / "a.nef")]
    done = subprocess.run(command, capture_output=True, check=True)
    assert done.stderr == b""
    shown = _read(patched)
    assert np.array_equal(np.frombuffer(done.stdout[-2 * shown.size :], ">u2").reshape(shown.shape), shown)


def test_everything_beside_the_strip_stays(tmp_path):
    """Header, metadata, thumbnail and preview are the same bytes, and exiftool finds the file valid."""
    if shutil.which("exiftool") is None:
        pytest.skip("exiftool is not installed")
    healthy, mosaic = _spoilt(12)
    data = nef_bytes(mosaic, captured=WHEN, serial="3012345", preview=b"\xff\xd8 a preview \xff\xd9")
    patched = patch_raw(data, {site: int(healthy[site]) for site in SITES})
    first = next(n for n, (old, new) in enumerate(zip(data, patched, strict=True)) if old != new)
    assert first > data.index(b" a preview ")
    for name, content in (("before.nef", data), ("after.nef", patched)):
        (tmp_path / name).write_bytes(content)
    command = [
        "exiftool",
        "-n",
        "-s3",
        "-validate",
        "-a",
        "-u",
        "-G1",
        "-ee",
        "--FileName",
        "--FileModifyDate",
    ]
    told = [
        subprocess.run([*command, tmp_path / name], capture_output=True, check=True).stdout
        for name in ("before.nef", "after.nef")
    ]
    assert told[0] == told[1] != b""


@settings(max_examples=25, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    changes=st.dictionaries(
        st.tuples(st.integers(0, HEIGHT - 4), st.integers(0, WIDTH - 5)), st.integers(0, 4095), max_size=6
    ),
)
def test_values_give_way_rather_than_the_length(kind, changes):
    """Whatever is asked for, the file keeps its length and all other photosites, or is refused."""
    compression, bits = kind
    data = nef_bytes(_scene(bits), compression=compression, bits=bits, captured=WHEN)
    try:
        patched = patch_raw(data, changes)
    except UnsupportedRawError as error:
        assert "do not fit" in error.reason
        return
    assert len(patched) == len(data)
    before, after = _read(data), _read(patched)
    for site, value in changes.items():
        assert abs(int(after[site]) - value) <= NEF_WHITE[bits] >> 6
        after[site] = before[site]
    assert np.array_equal(before, after)


def test_a_stream_that_is_coded_otherwise_is_left_alone():
    """Another stream than the one that its own values give is refused, as it is not understood."""
    data = bytearray(nef_bytes(_scene(12), captured=WHEN))
    data[data.index(b"\x46\x30" + 4 * b"\x08\0") + 3] ^= 1  # a start value: the first photosites are others
    data[-40:] = b"\xff" * 40
    with pytest.raises((UnsupportedRawError, FailedPhotoError)):
        patch_raw(bytes(data), {(20, 20): 100})


def test_what_lies_behind_the_stream_stays():
    """Bytes behind the stream that are not zero keep their place."""
    healthy, mosaic = _spoilt(12)
    data = nef_bytes(mosaic, captured=WHEN)
    entry = data.index(b"\x01\x17\0\x04\0\0\0\x01", data.index(b"\x80\x23"))  # StripByteCounts of the raw
    (count,) = struct.unpack_from(">I", data, entry + 8)
    longer = data[: entry + 8] + struct.pack(">I", count + 5) + data[entry + 12 :] + b"extra"
    patched = patch_raw(longer, {site: int(healthy[site]) for site in SITES})
    assert len(patched) == len(longer)
    assert patched.endswith(b"extra")


@pytest.mark.parametrize(
    ("place", "value", "reason"),
    [((HEIGHT, 0), 5, "outside"), ((3, 3), 4096, "12 bits"), ((3, 3), -1, "12 b")],
)
def test_impossible_changes_are_refused(place, value, reason):
    """A place outside the frame, or a value that the samples cannot hold, is an error of the caller."""
    with pytest.raises(ValueError, match=reason):
        patch_raw(nef_bytes(_scene(12), captured=WHEN), {place: value})


def test_damaged_files_are_refused():
    """A file that is cut short, or has no MakerNote to say how it is compressed, is not patched."""
    data = nef_bytes(_scene(12), captured=WHEN)
    with pytest.raises(FailedPhotoError):
        patch_raw(data[:-500], {(20, 20): 100})
    with pytest.raises(UnsupportedRawError, match="does not say how"):
        patch_raw(data.replace(b"Nikon\0\x02", b"Nobody\0"), {(20, 20): 100})

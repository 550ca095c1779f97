"""The entropy patch: what it reads, what it changes, what it refuses."""

import io
import shutil
import subprocess
import time
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from defectmap.errors import PhotoError
from defectmap.media.jpegcodec import (
    CorruptJpegError,
    Delta,
    JpegLengthError,
    JpegPatch,
    MissingSymbolError,
    RenderedSite,
    UnsupportedJpegError,
    parse_header,
    repair_jpeg,
)


def scene(height=72, width=88):
    """Return waves of three colours under noise."""
    rows, cols = np.mgrid[:height, :width]
    waves = [128 + 60 * np.sin(cols / 7 + k) + 40 * np.cos(rows / (5 + k)) for k in range(3)]
    noise = np.random.default_rng(5).normal(0, 6, (height, width, 3))
    return np.clip(np.stack(waves, -1) + noise, 0, 255).astype(np.uint8)


def encoded(pixels, **options):
    """Return pixels as a JPEG file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", **options)
    return file.getvalue()


def decoded(data):
    """Return the samples of a JPEG as Pillow reads them, not turned into RGB."""
    with Image.open(io.BytesIO(data)) as image:
        image.draft("YCbCr", image.size)
        return np.asarray(image).astype(int)


def as_440(data):
    """Turn a 4:2:2 file into one with its chroma halved the other way: the same blocks, laid out anew."""
    at = data.index(b"\xff\xc0")
    height, width = data[at + 5 : at + 7], data[at + 7 : at + 9]
    assert data[at + 11] == 0x21
    return data[: at + 5] + width + height + data[at + 9 : at + 11] + b"\x12" + data[at + 12 :]


PIXELS = scene()
VARIANTS = {
    "4:4:4": encoded(PIXELS, quality=90, subsampling=0),
    "4:2:2": encoded(PIXELS, quality=90, subsampling=1),
    "4:2:0": encoded(PIXELS, quality=90, subsampling=2),
    # A square number of MCUs in both directions, so that the turned layout is as valid.
    "4:4:0": as_440(encoded(scene(64, 64), quality=90, subsampling=1)),
    "grey": encoded(PIXELS[..., 0], quality=90),
    "optimised tables": encoded(PIXELS, quality=90, optimize=True),
    "restart markers": encoded(PIXELS, quality=90, restart_marker_blocks=3),
    "rows of restart markers": encoded(PIXELS, quality=90, restart_marker_rows=1),
    "comment": encoded(PIXELS, quality=90, comment=b"as it was"),
}


def coefficients(data):
    """Return the quantised coefficients of every block, by our own reader."""
    patch = JpegPatch(data)
    return np.stack([patch._mcu(m) for m in range(patch.header.mcu_rows * patch.header.mcu_cols)])


@pytest.mark.parametrize("name", VARIANTS)
def test_windows(name):
    """A window shows what an outside decoder shows, to its rounding, in every layout."""
    data = VARIANTS[name]
    patch, luma = JpegPatch(data), decoded(data)
    luma = luma[..., 0] if luma.ndim == 3 else luma
    height, width = luma.shape
    window = patch.window(0, 3, 5, height - 3, width - 5)
    assert np.abs(np.clip(window, 0, 255) - luma[3:, 5:]).max() < 1.5


@pytest.mark.parametrize("name", VARIANTS)
def test_only_touched_blocks(name):
    """A change alters the blocks under it; all others, the headers and the length stay as they are."""
    data = VARIANTS[name]
    patch = JpegPatch(data)
    patch.add([Delta(0, 20, 21, np.full((3, 3), 60.0)), Delta(0, 47, 40, np.full((3, 3), -50.0))])
    changed = patch.to_bytes()
    start = patch.header.scan_start
    assert changed[:start] == data[:start]
    assert changed[-2:] == data[-2:]
    before, after = coefficients(data), coefficients(changed)
    different = np.argwhere((before != after).any(axis=2))
    assert {tuple(d) for d in different} == {patch._address(0, r, c) for r, c in ((2, 2), (5, 5), (6, 5))}
    wanted = np.stack([patch._mcu(m) for m in range(len(after))])
    dropped = (np.abs(wanted) <= 2) & (after == wanted - np.sign(wanted))  # to keep the length
    assert ((after == wanted) | dropped).all()
    decoded(changed)


@pytest.mark.parametrize("name", VARIANTS)
def test_recoding_every_unit(name):
    """Coding every MCU anew with its own values gives the scan back, byte for byte."""
    data = VARIANTS[name]
    patch = JpegPatch(data)
    units = range(patch.header.mcu_rows * patch.header.mcu_cols)
    scan = patch._write_scan({m: patch._original(m) for m in units})
    assert scan == data[patch.header.scan_start : patch._scan_end]


def test_no_change():
    """Without a change, or with one too faint for a single step, the file comes back as it was."""
    patch = JpegPatch(VARIANTS["4:2:0"])
    assert patch.to_bytes() is VARIANTS["4:2:0"]
    patch.add([Delta(1, 4, 4, np.full((1, 1), 0.01))])
    assert patch.to_bytes() == VARIANTS["4:2:0"]


def test_delta_form():
    """A whole block raised by some steps of its DC reads exactly that much brighter."""
    patch = JpegPatch(VARIANTS["4:2:0"])
    step = patch.header.components[2].quantisation[0] / 8
    before = patch.window(2, 8, 8, 8, 8)
    patch.add([Delta(2, 8, 8, np.full((8, 8), 3 * step))])
    np.testing.assert_allclose(patch.window(2, 8, 8, 8, 8), before + 3 * step)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(VARIANTS)), st.integers(0, 2**32 - 1))
def test_any_changes_survive(name, seed):
    """Whatever is added, the written file decodes to what the patch showed, and nothing else moved."""
    data = VARIANTS[name]
    patch, rng = JpegPatch(data), np.random.default_rng(seed)
    for _ in range(4):
        index = int(rng.integers(len(patch.header.components)))
        plane = patch.header.components[index]
        top, left = int(rng.integers(plane.height - 3)), int(rng.integers(plane.width - 3))
        try:
            patch.add([Delta(index, top, left, rng.normal(0, rng.uniform(1, 300), (3, 3)))])
        except MissingSymbolError:
            assert name == "optimised tables"
    again = JpegPatch(patch.to_bytes())
    units = patch.header.mcu_rows * patch.header.mcu_cols
    if len(patch.to_bytes()) > len(data):  # else fitting may have dropped fine coefficients
        assert all((again._mcu(m) == patch._mcu(m)).all() for m in range(units))
    for m in set(range(units)) - set(patch._changed):
        assert (again._mcu(m) == patch._original(m)).all()


def test_length_kept():
    """With data behind the picture the length stays exactly as it was, and that data too."""
    rng = np.random.default_rng(2)
    data = encoded(scene(160, 160), quality=92) + b"a preview that offsets point to"
    kept = 0
    for _ in range(12):
        patch = JpegPatch(data)
        row, col = (int(v) for v in rng.integers(8, 140, 2))
        patch.add([Delta(0, row, col, rng.normal(0, 8, (3, 3)))])
        try:
            changed = patch.to_bytes()
        except JpegLengthError:
            continue
        kept += 1
        assert len(changed) == len(data)
        assert changed.endswith(b"\xff\xd9a preview that offsets point to")
        decoded(changed)
    assert kept >= 10


@pytest.mark.parametrize("tail", [b"trailing", b"\0\0"])
def test_growth(tail):
    """A file that must grow does so only when nothing lies behind its picture."""
    data = encoded(scene(), quality=60) + tail
    patch = JpegPatch(data)
    patch.add([Delta(0, 0, 0, np.random.default_rng(1).normal(0, 70, (64, 64)))])
    with pytest.raises(JpegLengthError, match="more bytes than the place"):
        patch.to_bytes("keep")
    if tail == b"trailing":
        with pytest.raises(JpegLengthError):
            patch.to_bytes()
    else:
        changed = patch.to_bytes()
        assert len(changed) > len(data)
        np.testing.assert_array_equal(coefficients(changed)[0], patch._mcu(0))


def test_nudged_coefficients():
    """A value that an optimised table cannot code becomes a neighbour of it that it can."""
    small = encoded(scene(48, 48), quality=50, optimize=True)
    nudged = 0
    for seed in range(40):
        patch = JpegPatch(small)
        delta = Delta(0, 9, 9, np.random.default_rng(seed).normal(0, 60, (3, 3)))
        mcu, place, change = next(patch._changes(delta), (0, 0, None))
        if change is None:
            continue
        asked = patch._mcu(mcu)[place] + change
        try:
            patch.add([delta])
        except MissingSymbolError:
            continue
        got = patch._mcu(mcu)[place]
        nudged += (got != asked).any()
        assert np.abs(got - asked).max() <= np.abs(change).max()
        np.testing.assert_array_equal(JpegPatch(patch.to_bytes())._mcu(mcu + 1), patch._mcu(mcu + 1))
    assert nudged > 0


def test_missing_symbol():
    """Where the tables allow no change the patch refuses, changes nothing, and says why."""
    flat = encoded(np.full((64, 64), 128, np.uint8), quality=50, optimize=True)
    patch = JpegPatch(flat)
    with pytest.raises(MissingSymbolError, match="no code"):
        patch.add([Delta(0, 8, 8, np.full((8, 8), 50.0)), Delta(0, 40, 40, np.full((8, 8), 50.0))])
    assert patch.to_bytes() == flat


def test_missing_symbol_is_reported_per_site():
    """A site whose repair cannot be coded is left, with the reason, and the file comes back."""
    flat = bytearray(encoded(np.full((64, 64), 128, np.uint8), quality=50, optimize=True))
    repair = repair_jpeg(bytes(flat), [RenderedSite(30, 30, "W", certain_here=True)])
    assert repair.data == bytes(flat)
    assert repair.repaired == ()
    assert [site for site, _ in repair.left] == [(30, 30)]


def test_window_out_of_picture():
    """A window beyond the picture is a programming error, not padding."""
    patch = JpegPatch(VARIANTS["4:2:0"])
    with pytest.raises(IndexError):
        patch.window(0, -1, 0, 4, 4)
    with pytest.raises(IndexError):
        patch.window(1, 34, 0, 4, 4)


def test_header():
    """The header tells size, sampling and restart interval as the file was written."""
    header = parse_header(VARIANTS["restart markers"])
    assert (header.height, header.width, header.restart_interval) == (72, 88, 3)
    assert [(c.row_step, c.col_step, c.height, c.width) for c in header.components] == [
        (1, 1, 72, 88), (2, 2, 36, 44), (2, 2, 36, 44)
    ]  # fmt: skip


REFUSED = {
    "12 bits": (VARIANTS["4:2:0"].replace(b"\xff\xc0\x00\x11\x08", b"\xff\xc1\x00\x11\x0c"), "12 bits"),
    "arithmetic": (VARIANTS["4:2:0"].replace(b"\xff\xc0\x00\x11", b"\xff\xc9\x00\x11"), "arithmetic"),
    "lossless": (VARIANTS["4:2:0"].replace(b"\xff\xc0\x00\x11", b"\xff\xc3\x00\x11"), "lossless"),
    "scans": (VARIANTS["4:2:0"][:-2] + b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00\xff\xd9", "several scans"),
    "RGB": (encoded(PIXELS, keep_rgb=True), "red, green and blue"),
}
with io.BytesIO() as _file:
    Image.new("CMYK", (32, 32), (1, 2, 3, 4)).save(_file, "JPEG")
    REFUSED["CMYK"] = (_file.getvalue(), "4 colour components")


@pytest.mark.parametrize("name", REFUSED)
def test_unsupported(name):
    """A coding that is not patched here is called by its name."""
    data, words = REFUSED[name]
    with pytest.raises(UnsupportedJpegError, match=words):
        JpegPatch(data)


def test_corrupt():
    """Truncated files, missing tables and wrong sizes are told apart from unsupported ones."""
    data = VARIANTS["4:2:0"]
    for cut in (1, 3, 300, len(data) // 2, len(data) - 1):
        with pytest.raises(CorruptJpegError):
            JpegPatch(data[:cut])
    at = data.index(b"\xff\xc0")
    taller = data[: at + 5] + (200).to_bytes(2, "big") + data[at + 7 :]
    with pytest.raises(CorruptJpegError, match="truncated"):
        JpegPatch(taller)
    shorter = data[: at + 5] + (16).to_bytes(2, "big") + data[at + 7 :]
    with pytest.raises(CorruptJpegError, match="more picture data"):
        JpegPatch(shorter)
    with pytest.raises(CorruptJpegError, match="lacks a table"):
        table = data.index(b"\xff\xc4")
        size = int.from_bytes(data[table + 2 : table + 4], "big")
        JpegPatch(data[:table] + data[table + 2 + size :])
    restart = VARIANTS["restart markers"]
    with pytest.raises(CorruptJpegError, match="restart"):
        JpegPatch(restart.replace(b"\xff\xd1", b"\xff\xd5", 1))


def broken(rng, data):
    """Return `data` after one of the accidents that files have."""
    file = bytearray(data)
    scan = data.index(b"\xff\xda") + 14
    kind, at = int(rng.integers(5)), int(rng.integers(scan, len(data)))
    if kind == 0:
        return bytes(file[: rng.integers(len(file))])
    if kind == 1:
        for _ in range(rng.integers(1, 6)):
            file[rng.integers(len(file))] ^= 1 << int(rng.integers(8))
    elif kind == 2:
        for _ in range(rng.integers(1, 4)):
            file[rng.integers(2, scan)] = int(rng.integers(256))
    elif kind == 3:
        file[at:at] = rng.bytes(int(rng.integers(1, 20)))
    else:
        file[at : at + 20] = rng.bytes(int(rng.integers(1, 30)))
    return bytes(file)


def test_fuzz():
    """Whatever is wrong with a file, it is repaired or refused by one of four errors, at once."""
    rng, files = np.random.default_rng(11), list(VARIANTS.values())
    sites = [RenderedSite(30, 40, "R"), RenderedSite(71, 86, "G", certain_here=True)]
    outcomes = {"sound": 0, "refused": 0}
    for i in range(360):
        data = broken(rng, files[i % len(files)])
        began = time.perf_counter()
        try:
            repair = repair_jpeg(data, sites if i % 6 == 0 else [])
            JpegPatch(repair.data)
            outcomes["sound"] += 1
        except PhotoError as error:
            assert isinstance(
                error, UnsupportedJpegError | CorruptJpegError | MissingSymbolError | JpegLengthError
            )
            outcomes["refused"] += 1
        assert i < 30 or time.perf_counter() - began < 5
    assert min(outcomes.values()) > 20


@pytest.mark.skipif(shutil.which("djpeg") is None, reason="djpeg is not installed")
@pytest.mark.parametrize("name", VARIANTS)
def test_djpeg(name, tmp_path):
    """The reference decoder reads a patched file without a warning."""
    patch = JpegPatch(VARIANTS[name])
    patch.add([Delta(0, 30, 30, np.full((3, 3), 80.0))])
    path = tmp_path / "patched.jpg"
    path.write_bytes(patch.to_bytes())
    done = subprocess.run(["djpeg", "-pnm", str(path)], capture_output=True, check=True)
    assert done.stderr == b""


@pytest.mark.parametrize("name", [n for n in VARIANTS if n != "grey"])
def test_jpeglib(name, tmp_path):
    """An independent coefficient reader finds every block outside of the touched ones unchanged."""
    jpeglib = pytest.importorskip("jpeglib")
    patch = JpegPatch(VARIANTS[name])
    patch.add([Delta(0, 25, 25, np.full((3, 3), 90.0)), Delta(1, 9, 9, np.full((1, 1), 60.0))])
    before, after = tmp_path / "before.jpg", tmp_path / "after.jpg"
    before.write_bytes(VARIANTS[name])
    after.write_bytes(patch.to_bytes())
    one, two = jpeglib.read_dct(str(before)), jpeglib.read_dct(str(after))
    assert {tuple(b) for b in np.argwhere((one.Y != two.Y).any(axis=(2, 3)))} == {(3, 3)}
    assert {tuple(b) for b in np.argwhere((one.Cb != two.Cb).any(axis=(2, 3)))} == {(1, 1)}
    assert (one.Cr == two.Cr).all()


def test_segments_are_found():
    """Restart segments are contiguous and cover the scan."""
    patch = JpegPatch(VARIANTS["restart markers"])
    assert all(a[1] == b[0] and b[2] - a[3] == 2 for a, b in pairwise(patch._spans))

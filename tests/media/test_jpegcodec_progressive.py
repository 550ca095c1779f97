"""Progressive files: what of them is coded anew, and what outside readers make of it."""

import io
import shutil
import subprocess
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from defectmap.media.jpegcodec import (
    CorruptJpegError,
    Delta,
    JpegLengthError,
    MissingSymbolError,
    ProgressivePatch,
    RenderedSite,
    UnsupportedJpegError,
    open_picture,
    repair_jpeg,
)
from defectmap.media.jpegcodec.mpf import segments
from defectmap.media.jpegcodec.optimal import optimal_table
from defectmap.media.jpegcodec.picture import ZIGZAG
from defectmap.media.jpegcodec.tables import huffman_table


def scene(height=75, width=91):
    """Return waves of three colours under noise."""
    rows, cols = np.mgrid[:height, :width]
    waves = [128 + 60 * np.sin(cols / 7 + k) + 40 * np.cos(rows / (5 + k)) for k in range(3)]
    noise = np.random.default_rng(5).normal(0, 6, (height, width, 3))
    return np.clip(np.stack(waves, -1) + noise, 0, 255).astype(np.uint8)


def encoded(pixels, **options):
    """Return pixels as a progressive JPEG file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", **{"progressive": True, "quality": 90} | options)
    return file.getvalue()


PIXELS = scene()
VARIANTS = {
    "4:4:4": encoded(PIXELS, subsampling=0),
    "4:2:2": encoded(PIXELS, subsampling=1),
    "4:2:0": encoded(PIXELS, subsampling=2),
    "grey": encoded(PIXELS[..., 0]),
    "restart markers": encoded(PIXELS, restart_marker_blocks=5),
    "flat": encoded(np.full((80, 80, 3), 90, np.uint8)),
    "metadata": encoded(PIXELS, comment=b"as it was", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0"),
    "trailing": encoded(PIXELS) + b"as it was",
}


def changed(data, strength=12.0):
    """Return the file with two spots added to luma and one to chroma, where it has any."""
    patch = ProgressivePatch(data)
    patch.add([Delta(0, 20, 21, np.full((3, 3), strength)), Delta(0, 46, 40, np.full((3, 3), -strength))])
    if len(patch.header.components) > 1:
        patch.add([Delta(1, 9, 9, np.full((2, 2), 3 * strength))])
    return patch, patch.to_bytes()


@pytest.mark.parametrize("name", VARIANTS)
def test_recoding_every_scan(name):
    """Coding every scan anew with its own values gives back what libjpeg wrote, byte for byte."""
    data = VARIANTS[name]
    patch = ProgressivePatch(data)
    for scan in patch._scans:
        tables, entropy = patch._coded(scan)
        assert tables is scan.tables
        assert entropy == data[scan.start : scan.end]


@pytest.mark.parametrize("name", VARIANTS)
def test_windows(name):
    """A window shows what an outside decoder shows, to its rounding."""
    with Image.open(io.BytesIO(VARIANTS[name])) as image:
        image.draft("YCbCr", image.size)
        pixels = np.asarray(image).astype(int)
    luma = pixels[..., 0] if pixels.ndim == 3 else pixels
    window = open_picture(VARIANTS[name]).window(0, 3, 5, luma.shape[0] - 3, luma.shape[1] - 5)
    assert np.abs(np.clip(window, 0, 255) - luma[3:, 5:]).max() < 1.5


@pytest.mark.parametrize("name", [n for n in VARIANTS if n != "trailing"])
def test_only_touched_blocks(name):
    """A change alters the blocks under it; all other coefficients, and all metadata, stay as they are."""
    data = VARIANTS[name]
    patch, after = changed(data)
    expected = {(0, 2, 2), (0, 5, 5), (0, 6, 5)} | ({(1, 1, 1)} if name != "grey" else set())
    assert set(patch.differences(after)) == expected
    kept = [
        [d[start - 4 : end] for marker, start, end in segments(d, ProgressivePatch(d)._scans[0].start)]
        for d in (data, after)
    ]
    assert [s for s in kept[0] if s[1] != 0xC4] == [s for s in kept[1] if s[1] != 0xC4]


@pytest.mark.parametrize("name", [n for n in VARIANTS if n not in {"grey", "trailing"}])
def test_jpeglib(name, tmp_path):
    """An independent coefficient reader finds the very coefficients that were meant, in every block."""
    jpeglib = pytest.importorskip("jpeglib")
    patch, after = changed(VARIANTS[name])
    (tmp_path / "after.jpg").write_bytes(after)
    planes = jpeglib.read_dct(str(tmp_path / "after.jpg"))
    for component, plane in enumerate((planes.Y, planes.Cb, planes.Cr)):
        size = patch.header.components[component]
        rows, cols = -(-size.height // 8), -(-size.width // 8)
        meant = np.array([[patch._block(component, r, c) for c in range(cols)] for r in range(rows)])
        got = plane[:rows, :cols].reshape(rows, cols, 64)[..., ZIGZAG]
        assert ((got == meant) | ((got == 0) & (np.abs(meant) == 1))).all()


@pytest.mark.skipif(shutil.which("djpeg") is None, reason="djpeg is not installed")
@pytest.mark.parametrize("name", VARIANTS)
def test_djpeg(name, tmp_path):
    """The reference decoder reads a patched file without a warning."""
    try:
        _, after = changed(VARIANTS[name])
    except JpegLengthError:
        assert name == "trailing"
        return
    (tmp_path / "after.jpg").write_bytes(after)
    done = subprocess.run(["djpeg", "-pnm", str(tmp_path / "after.jpg")], capture_output=True, check=True)
    assert done.stderr == b""


def test_length():
    """A file whose scans become shorter keeps its length exactly; one that must not grow is refused."""
    data = VARIANTS["trailing"]
    patch = ProgressivePatch(data)
    flat = patch.window(0, 16, 16, 8, 8)
    patch.add([Delta(0, 16, 16, flat.mean() - flat)])
    after = patch.to_bytes("keep")
    assert len(after) == len(data)
    assert after.endswith(b"\xff\xd9as it was")
    assert patch.differences(after) == [(0, 2, 2)]
    patch.add([Delta(0, 0, 0, np.random.default_rng(1).normal(0, 60, (64, 64)))])
    for length in ("keep", "any"):
        with pytest.raises(JpegLengthError):
            patch.to_bytes(length)


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(sorted(set(VARIANTS) - {"trailing"})), st.integers(0, 2**32 - 1))
def test_any_changes_survive(name, seed):
    """Whatever is added, the written file holds what the patch shows, and nothing else moved."""
    data, rng = VARIANTS[name], np.random.default_rng(seed)
    patch = ProgressivePatch(data)
    for _ in range(3):
        index = int(rng.integers(len(patch.header.components)))
        plane = patch.header.components[index]
        top, left = int(rng.integers(plane.height - 3)), int(rng.integers(plane.width - 3))
        patch.add([Delta(index, top, left, rng.normal(0, rng.uniform(1, 300), (3, 3)))])
    after = patch.to_bytes()
    again = ProgressivePatch(after)
    different = (again._blocks != patch._blocks).any(axis=1)
    if len(after) > len(data):  # else fitting may have dropped fine coefficients
        assert not different.any()
    assert set(np.flatnonzero(different)) <= set(patch._originals)


def test_spot():
    """A spot in a progressive photo is removed as in any other."""
    rows, cols = np.mgrid[:128, :128]
    pixels = np.repeat((90 + rows / 4 + cols / 5)[..., None], 3, axis=2)
    pixels += np.random.default_rng(2).normal(0, 2, (128, 128, 1))
    sound = pixels.copy()
    pixels[60:63, 70:73] += 90 * np.array([[0.25, 0.5, 0.25], [0.5, 1, 0.5], [0.25, 0.5, 0.25]])[..., None]
    data = encoded(pixels.astype(np.uint8))
    repair = repair_jpeg(data, [RenderedSite(61, 71, "W")])
    assert repair.repaired == ((61, 71),)
    with Image.open(io.BytesIO(repair.data)) as image:
        after = np.asarray(image).astype(float)
    assert np.abs(after - sound)[57:66, 67:76].mean() < 4


def test_refused():
    """Incomplete, garbled and contradictory files are told apart from unsupported ones."""
    data = VARIANTS["4:2:0"]
    scans = ProgressivePatch(data)._scans
    with pytest.raises(UnsupportedJpegError, match="last bit"):
        ProgressivePatch(data[: scans[-1].at] + b"\xff\xd9")
    with pytest.raises(CorruptJpegError, match="follow each other"):
        ProgressivePatch(data[: scans[1].at] + data[scans[0].at : scans[0].end] + data[scans[1].at :])
    with pytest.raises(CorruptJpegError, match="restart"):
        ProgressivePatch(VARIANTS["restart markers"].replace(b"\xff\xd1", b"\xff\xd5", 1))
    for cut in (300, len(data) // 2, len(data) - 1):
        with pytest.raises(CorruptJpegError):
            ProgressivePatch(data[:cut])
    at = data.index(b"\xff\xc2")
    with pytest.raises(CorruptJpegError):
        ProgressivePatch(data[: at + 5] + b"\xff\xf0\x0f\xf0" + data[at + 9 :])


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.integers(0, 255), st.integers(1, 10**9), max_size=256))
def test_optimal_table(counts):
    """A table made for any symbols codes all of them in at most 16 bits, the frequent ones no longer."""
    array = np.zeros(256, np.int64)
    for symbol, count in counts.items():
        array[symbol] = count
    table = optimal_table(array)
    assert set(np.flatnonzero(table.length)) == set(counts)
    assert (table.lookup[0xFFFF] == 0).all()
    by_count = sorted(counts, key=lambda s: -counts[s])
    for often, seldom in pairwise(by_count):
        assert counts[often] == counts[seldom] or table.length[often] <= table.length[seldom]
    again = huffman_table(table.specification[:16], table.specification[16:])
    np.testing.assert_array_equal(again.code, table.code)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(sorted(VARIANTS)),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=4),
    st.one_of(st.none(), st.floats(0, 1)),
)
def test_any_damage(name, bytes_changed, cut):
    """Whatever is wrong with a file, it is patched or refused by one of four errors."""
    data = bytearray(VARIANTS[name])
    for where, value in bytes_changed:
        data[int(where * len(data))] = value
    damaged = bytes(data if cut is None else data[: int(cut * len(data))])
    try:
        patch = open_picture(damaged)
        patch.add([Delta(0, 3, 3, np.full((3, 3), 40.0))])
        assert patch.differences(patch.to_bytes())
    except (CorruptJpegError, JpegLengthError, MissingSymbolError, UnsupportedJpegError):
        pass
    except IndexError as error:
        assert "out of the picture" in str(error)

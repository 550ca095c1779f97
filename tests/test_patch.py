"""Patching named pixels of one picture."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo

from defectmap.errors import FailedPhotoError, PhotoError, SkippedPhotoError, UsageError
from defectmap.media.discover import content_digest
from defectmap.patch import patch

HEIGHT, WIDTH = 21, 30


def ramp(channels: int | None, kind: type = np.uint8) -> np.ndarray:
    """Make a smooth picture with one wrong pixel in the middle and one in the upper left corner."""
    rows, cols = np.indices((HEIGHT, WIDTH))
    top = np.iinfo(kind).max
    plane = ((rows * 2 + cols) * (top // 200) + top // 10).astype(kind)
    picture = (
        plane if channels is None else np.stack([plane, plane // 2, plane // 3, plane // 4][:channels], -1)
    )
    picture = picture.copy()
    picture[10, 12] = top
    picture[0, 0] = top
    return picture


def expected(picture: np.ndarray, row: int, col: int) -> np.ndarray:
    """Weigh the neighbours that exist, written down another way."""
    total, weights = 0.0, 0.0
    for r in range(max(row - 1, 0), min(row + 2, HEIGHT)):
        for c in range(max(col - 1, 0), min(col + 2, WIDTH)):
            if (r, c) != (row, col):
                weight = 1 / np.hypot(r - row, c - col)
                total, weights = total + weight * picture[r, c].astype(float), weights + weight
    return np.rint(total / weights)


@pytest.mark.parametrize(
    ("name", "mode", "channels", "kind"),
    [
        ("rgb.png", "RGB", 3, np.uint8),
        ("rgba.png", "RGBA", 4, np.uint8),
        ("grey.png", "L", None, np.uint8),
        ("grey.tif", "L", None, np.uint8),
        ("deep.png", "I;16", None, np.uint16),
        ("deep.tif", "I;16", None, np.uint16),
        ("rgb.tif", "RGB", 3, np.uint8),
        ("rgb.bmp", "RGB", 3, np.uint8),
    ],
)
def test_every_kind_of_picture(tmp_path, name, mode, channels, kind):
    """The pixels named, one of them in a corner, become the mean of their neighbours; no other changes."""
    before = ramp(channels, kind)
    source = tmp_path / name
    image = Image.new(mode, (WIDTH, HEIGHT))
    image.frombytes(before.tobytes())
    image.save(source)
    done = patch(source, [(12, 10), (0, 0)])
    with Image.open(done.output) as picture, Image.open(source) as original:
        assert (picture.format, picture.mode) == (original.format, mode)
        after = np.asarray(picture)
    assert done.output == tmp_path / f"{source.stem}-patched{source.suffix}"
    assert [(x, y) for x, y, _, _ in done.points] == [(12, 10), (0, 0)]
    wanted = before.copy()
    for row, col in ((10, 12), (0, 0)):
        wanted[row, col] = expected(before, row, col)
    assert np.array_equal(after, wanted)
    assert [p.old for p in done.points] == [tuple(np.atleast_1d(before[r, c])) for r, c in ((10, 12), (0, 0))]
    assert [p.new for p in done.points] == [tuple(np.atleast_1d(wanted[r, c])) for r, c in ((10, 12), (0, 0))]


def test_neighbouring_points_do_not_spoil_each_other(tmp_path):
    """Two wrong pixels side by side are both judged by the good ones around them."""
    before = np.full((HEIGHT, WIDTH), 100, np.uint8)
    before[10, 12:14] = 255
    Image.fromarray(before).save(tmp_path / "a.png")
    done = patch(tmp_path / "a.png", [(12, 10), (13, 10)])
    assert [p.new for p in done.points] == [(100,), (100,)]


def test_all_points_of_a_tiny_picture(tmp_path):
    """Where every neighbour is named too, they are used after all."""
    Image.fromarray(np.array([[10, 30]], np.uint8)).save(tmp_path / "a.png")
    assert [p.new for p in patch(tmp_path / "a.png", [(0, 0), (1, 0)]).points] == [(30,), (10,)]


@pytest.mark.parametrize("suffix", [".png", ".gif"])
def test_palette(tmp_path, suffix):
    """A picture with a palette keeps it, and the pixel becomes the nearest of its colours."""
    before = ramp(3)
    Image.fromarray(before).quantize(60).save(tmp_path / f"a{suffix}")
    done = patch(tmp_path / f"a{suffix}", [(12, 10)])
    with Image.open(done.source) as old, Image.open(done.output) as new:
        assert new.mode == "P"
        first, second = np.asarray(old.convert("RGB")).astype(int), np.asarray(new.convert("RGB")).astype(int)
    different = (first != second).any(axis=2)
    assert list(zip(*np.nonzero(different), strict=True)) == [(10, 12)]
    mean = expected(first, 10, 12)
    colours = np.unique(first.reshape(-1, 3), axis=0)
    assert np.abs(second[10, 12] - mean).sum() <= np.abs(colours - mean).sum(axis=1).min() + 3


@pytest.mark.parametrize("orientation", range(1, 9))
def test_points_are_those_of_a_viewer(tmp_path, orientation):
    """Points are counted on the picture as its Exif orientation shows it."""
    before = np.full((HEIGHT, WIDTH, 3), 100, np.uint8)
    before[4, 7] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    source = tmp_path / "a.png"
    Image.fromarray(before).save(source, exif=exif)
    with Image.open(source) as picture:
        shown = np.asarray(ImageOps.exif_transpose(picture))
    row, col = np.argwhere(shown[..., 0] == 255)[0]
    done = patch(source, [(int(col), int(row))])
    with Image.open(done.output) as picture:
        assert np.all(np.asarray(picture) == 100)
        assert picture.getexif()[0x0112] == orientation


def jpeg(path: Path, subsampling: str = "4:4:4", orientation: int = 1, **options: object) -> np.ndarray:
    """Write a smooth JPEG with one wrong pixel at row 34, column 45; return its pixels."""
    rows, cols = np.indices((72, 96))
    picture = np.stack([90 + rows, 60 + cols, 150 - rows], -1).astype(np.uint8)
    picture[34, 45] = 255, 250, 250
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(picture)
    image.save(
        path, "JPEG", quality=95, subsampling=subsampling, exif=exif, icc_profile=b"profile", **options
    )
    with Image.open(path) as stored:
        return np.asarray(stored).astype(int)


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:0"])
def test_jpeg(tmp_path, subsampling):
    """A JPEG's pixel comes close to its neighbours' mean; other blocks decode as before, headers are kept."""
    before = jpeg(tmp_path / "a.jpg", subsampling)
    done = patch(tmp_path / "a.jpg", [(45, 34)])
    with Image.open(done.output) as picture:
        after = np.asarray(picture).astype(int)
        assert picture.info["icc_profile"] == b"profile"
    around = before[33:36, 44:47].reshape(9, 3)[[0, 1, 2, 3, 5, 6, 7, 8]].mean(axis=0)
    assert np.abs(before[34, 45] - around).max() > 60
    assert np.abs(after[34, 45] - around).max() < 25
    assert (done.points[0].old, done.points[0].new) == (tuple(before[34, 45]), tuple(after[34, 45]))
    block = 8 if subsampling == "4:4:4" else 16
    changed = np.argwhere((before != after).any(axis=2))
    rim = block - 8 and 1  # decoders blend subsampled colour across the rim of a block
    assert np.all(changed >= [34 // block * block - rim, 45 // block * block - rim])
    assert np.all(changed < [34 // block * block + block + rim, 45 // block * block + block + rim])


def test_turned_jpeg(tmp_path):
    """A JPEG that is shown turned is patched where the viewer points, and stays turned by its Exif alone."""
    before = jpeg(tmp_path / "a.jpg", orientation=6)
    done = patch(tmp_path / "a.jpg", [(72 - 1 - 34, 45)])
    assert done.points[0].old == tuple(before[34, 45])
    assert max(done.points[0].new) < 200


def test_metadata_stay(tmp_path):
    """A PNG keeps its Exif, its colour profile and its texts."""
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    text = PngInfo()
    text.add_text("Author", "someone")
    source = tmp_path / "a.png"
    Image.fromarray(ramp(3)).save(source, exif=exif, icc_profile=b"profile", pnginfo=text, dpi=(300, 300))
    with Image.open(patch(source, [(12, 10)]).output) as picture:
        assert picture.getexif()[0x010F] == "Maker"
        assert picture.info["icc_profile"] == b"profile"
        assert picture.text["Author"] == "someone"
        assert picture.info["dpi"] == pytest.approx((300, 300), rel=1e-3)


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")
def test_metadata_of_a_tiff_stay(tmp_path):
    """A TIFF keeps its compression, its Exif and its description."""
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    exif[0x010E] = "A description"
    source = tmp_path / "a.tif"
    Image.fromarray(ramp(3)).save(source, exif=exif, compression="tiff_lzw")
    more = ["-ExposureTime=0.25", "-XMP:Rating=4", "-GPSAltitude=12"]
    subprocess.run(["exiftool", "-q", "-overwrite_original", *more, source], check=True)

    def tags(path: Path) -> str:
        names = ["-Make", "-ImageDescription", "-ExposureTime", "-Compression", "-Rating", "-GPSAltitude"]
        return subprocess.run(
            ["exiftool", "-s", *names, path], capture_output=True, text=True, check=True
        ).stdout

    assert tags(patch(source, [(12, 10)]).output) == tags(source)
    assert tags(source).count("\n") == 6


def test_nothing_is_overwritten_unasked(tmp_path):
    """The picture itself stays; a default output that is there stays too, a named one is replaced."""
    source = tmp_path / "a.png"
    Image.fromarray(ramp(3)).save(source)
    digest = content_digest(source.read_bytes())
    first = patch(source, [(12, 10)])
    with pytest.raises(FailedPhotoError, match="already there"):
        patch(source, [(0, 0)])
    other = tmp_path / "b.png"
    other.write_bytes(b"something else")
    assert patch(source, [(12, 10)], other).output.read_bytes() == first.output.read_bytes()
    with pytest.raises(UsageError, match="would be overwritten"):
        patch(source, [(12, 10)], source)
    assert content_digest(source.read_bytes()) == digest
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a-patched.png", "a.png", "b.png"]


@pytest.mark.parametrize("point", [(-1, 0), (0, -1), (WIDTH, 0), (0, HEIGHT)])
def test_points_outside(tmp_path, point):
    """A point outside of the picture is refused by its name, and nothing is written."""
    Image.fromarray(ramp(3)).save(tmp_path / "a.png")
    with pytest.raises(UsageError, match=f"{point[0]},{point[1]} is outside"):
        patch(tmp_path / "a.png", [(1, 1), point])
    assert len(list(tmp_path.iterdir())) == 1


def test_usage(tmp_path):
    """No point, or an output of another format, is a mistake of usage."""
    Image.fromarray(ramp(3)).save(tmp_path / "a.png")
    with pytest.raises(UsageError, match="at least one"):
        patch(tmp_path / "a.png", [])
    with pytest.raises(UsageError, match=r"end in \.png"):
        patch(tmp_path / "a.png", [(1, 1)], tmp_path / "b.jpg")


def deep_colour_png() -> bytes:
    """Make a 48-bit PNG, which Pillow reads but would cut."""
    import struct
    import zlib

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", 4, 4, 16, 2, 0, 0, 0)
    rows = b"".join(b"\0" + bytes(24) for _ in range(4))
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    """Return a picture as a file."""
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("make", "error", "reason"),
    [
        (lambda i: saved(i, "WEBP"), SkippedPhotoError, "would lose quality"),
        (lambda i: saved(i, "TIFF", compression="jpeg"), SkippedPhotoError, "would lose quality"),
        (lambda i: saved(i, "TIFF", save_all=True, append_images=[i]), SkippedPhotoError, "several pictures"),
        (lambda i: saved(i, "JPEG", keep_rgb=True), PhotoError, "cannot be patched .*red, green and blue"),
        (lambda i: saved(i, "PNG")[:200], FailedPhotoError, "cannot be read"),
        (lambda i: b"no picture", SkippedPhotoError, "not a picture"),
        (lambda i: saved(i.crop((0, 0, 1, 1)), "PNG"), SkippedPhotoError, "single pixel"),
        (lambda i: deep_colour_png(), SkippedPhotoError, "16 bits per colour"),
    ],
)
def test_refused(tmp_path, make, error, reason):
    """What cannot be written again without loss is refused with the reason, and nothing is written."""
    source = tmp_path / "picture"
    rng = np.random.default_rng(1)
    source.write_bytes(make(Image.fromarray(rng.integers(0, 255, (32, 32, 3), dtype=np.uint8))))
    with pytest.raises(error, match=reason):
        patch(source, [(0, 0)])
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes in folders")
def test_what_is_no_file(tmp_path):
    """A pipe or a folder is refused at once."""
    os.mkfifo(tmp_path / "pipe.jpg")
    for path in (tmp_path / "pipe.jpg", tmp_path, Path()):
        with pytest.raises(FailedPhotoError, match="is not a file"):
            patch(path, [(1, 1)])

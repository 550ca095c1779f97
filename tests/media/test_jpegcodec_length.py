"""What lies behind a repaired picture is still found, whether the file keeps its length or not."""

import io
import shutil
import struct
import subprocess

import numpy as np
import pytest
from PIL import Image

from defectmap.media.jpegcodec import Delta, JpegLengthError, JpegPatch
from defectmap.media.jpegcodec.mpf import read_index

RNG = np.random.default_rng(3)
SIDE = 96


def picture(level):
    """Return a noisy picture around a level."""
    pixels = np.clip(RNG.normal(level, 12, (SIDE, SIDE, 3)), 0, 255).astype(np.uint8)
    return Image.fromarray(pixels)


def several(count=3, **options):
    """Return a multi-picture file as Pillow writes it."""
    file = io.BytesIO()
    pictures = [picture(60 + 40 * i) for i in range(count)]
    options = {"quality": 70, "subsampling": 1} | options
    pictures[0].save(file, "MPO", save_all=True, append_images=pictures[1:], **options)
    return file.getvalue()


def indexed(order, first_offset=8, before=b""):
    """Return a multi-picture file of our own bytes, its index in either byte order."""
    pictures = []
    for level in (90, 150):
        file = io.BytesIO()
        picture(level).save(file, "JPEG", quality=70, subsampling=1)
        pictures.append(file.getvalue())
    entries_at = first_offset + 2 + 36 + 4
    size = 4 + entries_at + 32 + 2
    first = len(pictures[0]) + len(before) + 2 + size
    base = 2 + len(before) + 4 + 4
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", first_offset)
    head += bytes(first_offset - 8)
    head += struct.pack(order + "HHHI4sHHII", 3, 0xB000, 7, 4, b"0100", 0xB001, 4, 1, 2)
    head += struct.pack(order + "HHIII", 0xB002, 7, 32, entries_at, 0)
    entries = struct.pack(order + "IIIHH", 0x20030000, first, 0, 0, 0)
    entries += struct.pack(order + "IIIHH", 0x10002, len(pictures[1]), first - base, 0, 0)
    segment = b"\xff\xe2" + struct.pack(">H", size) + b"MPF\0" + head + entries
    return pictures[0][:2] + before + segment + pictures[0][2:] + pictures[1]


def spoilt(data, size=80):
    """Return a patch of the file that needs many more bytes, beyond what dropping coefficients can save."""
    patch = JpegPatch(data)
    patch.add([Delta(0, 4, 4, RNG.normal(0, 60, (size, size)))])
    return patch


def frames(data):
    """Return the pixels of every picture of a file, as Pillow finds them."""
    found = []
    with Image.open(io.BytesIO(data)) as image:
        for i in range(getattr(image, "n_frames", 1)):
            image.seek(i)
            found.append(np.asarray(image.convert("RGB")))
    return found


FILES = {
    "Pillow": several(),
    "Pillow, restart markers": several(restart_marker_blocks=5),
    "little-endian": indexed("<"),
    "big-endian": indexed(">"),
    "far directory": indexed("<", 20, before=b"\xff\xfe\x00\x06note"),
}


@pytest.mark.parametrize("name", FILES)
def test_longer_multi_picture_file(name):
    """Where the first picture must grow, Pillow finds every picture, and the others as they were."""
    data = FILES[name]
    changed = spoilt(data).to_bytes()
    assert len(changed) > len(data)
    before, after = frames(data), frames(changed)
    assert len(after) == len(before) > 1
    for old, new in zip(before[1:], after[1:], strict=True):
        np.testing.assert_array_equal(old, new)
    index, moved = (read_index(d, JpegPatch(d).header.scan_start) for d in (data, changed))
    for old, new in zip(index.entries[1:], moved.entries[1:], strict=True):
        assert data[old.start : old.start + old.size] == changed[new.start : new.start + new.size]
        assert new.start - old.start == len(changed) - len(data)
    assert moved.entries[0].size == index.entries[0].size + len(changed) - len(data)


@pytest.mark.parametrize("name", FILES)
def test_multi_picture_file_of_the_same_length(name):
    """Where a small change fits, the headers and everything behind the picture are the same bytes."""
    data = FILES[name]
    kept = 0
    for seed in range(6):
        patch = JpegPatch(data)
        patch.add([Delta(0, 20, 13 * seed, np.random.default_rng(seed).normal(0, 9, (3, 3)))])
        try:
            changed = patch.to_bytes("keep")
        except JpegLengthError:
            continue
        kept += 1
        assert len(changed) == len(data)
        start, end = patch.header.scan_start, patch._scan_end
        assert changed[:start] == data[:start]
        assert changed[end:] == data[end:]
        assert len(frames(changed)) == len(frames(data))
    assert kept >= 4


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")
@pytest.mark.parametrize("name", FILES)
def test_exiftool_extracts_the_same_pictures(name, tmp_path):
    """An outside reader extracts the second picture byte for byte as before."""
    extracted = []
    for i, data in enumerate((FILES[name], spoilt(FILES[name]).to_bytes())):
        path = tmp_path / f"{i}.jpg"
        path.write_bytes(data)
        done = subprocess.run(
            ["exiftool", "-b", "-MPImage2", "-PreviewImage", str(path)], capture_output=True, check=True
        )
        extracted.append(done.stdout)
    assert len(extracted[0]) > 500
    assert extracted[0] == extracted[1]


@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize("figure", ["size", "offset", "offset from the Exif header"])
def test_places_named_twice(order, figure):
    """A file whose maker's note seems to hold the place or size of a later picture must not grow."""
    note = bytearray(64)
    exif = b"Exif\0\0" + note
    before = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    data = bytearray(indexed("<", before=before))
    entry = read_index(bytes(data), JpegPatch(bytes(data)).header.scan_start).entries[1]
    value = {"size": entry.size, "offset": entry.start, "offset from the Exif header": entry.start - 12}
    data[32:36] = value[figure].to_bytes(4, order)
    with pytest.raises(JpegLengthError, match="no longer be found"):
        spoilt(bytes(data)).to_bytes()


def test_data_that_no_index_names():
    """A file with more behind it than its index names must not grow; blank padding does not count."""
    data = FILES["little-endian"]
    with pytest.raises(JpegLengthError):
        spoilt(data + b"a film").to_bytes()
    assert len(frames(spoilt(data + bytes(40)).to_bytes())) == 2


@pytest.mark.parametrize("cut", [4, 9, 38, 46])
def test_broken_index(cut):
    """Behind an index that makes no sense nothing is moved."""
    data = FILES["little-endian"]
    at = data.index(b"MPF\0")
    broken = data[: at + cut] + b"\xee" * 8 + data[at + cut + 8 :]
    with pytest.raises(JpegLengthError):
        spoilt(broken).to_bytes()

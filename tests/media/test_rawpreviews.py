import io
from datetime import datetime
from itertools import pairwise

import numpy as np
import pytest
import rawpy
from PIL import Image

from defectmap.media.jpegcodec import RenderedSite
from defectmap.media.nefwriter import nef_bytes
from defectmap.media.raw import decode_raw
from defectmap.media.rawpreviews import embedded_jpegs, repair_previews
from defectmap.media.tiffwriter import HEADER_BYTES, directory, header, longs, shorts, text, undefined
from defectmap.model.registration import Attempt, Registration, document, registration_of
from defectmap.model.sensor import Grid

HEIGHT, WIDTH = 163, 260
RAW = Grid("raw", HEIGHT, WIDTH)
FULL = Grid("jpeg", 144, 240)
SITES = ((40, 60), (100, 181))
# The picture's first pixel is the photosite (8, 10).
WAY = Registration(RAW, FULL, 1.0, 8.0, 10.0, 25, 25, 1e-9, "preview")


def _picture(height=144, width=240, scale=1.0, offset=(8, 10)):
    """Return a JPEG of a smooth scene with a red spot at each site."""
    rows, cols = np.mgrid[:height, :width] / scale
    rng = np.random.default_rng(3)
    grey = 80 + 0.3 * cols + 0.2 * rows + rng.normal(0, 1.5, (height, width))
    rgb = np.repeat(grey[:, :, None], 3, axis=2)
    for row, col in SITES:
        at = int((row - offset[0] + 0.5) * scale), int((col - offset[1] + 0.5) * scale)
        rgb[at[0] - 1 : at[0] + 2, at[1] - 1 : at[1] + 2, 0] += np.array(
            [[30, 55, 30], [55, 110, 55], [30, 55, 30]]
        )
    stream = io.BytesIO()
    Image.fromarray(rgb.clip(0, 255).astype(np.uint8)).save(stream, "JPEG", quality=88)
    return stream.getvalue()


def _nef(preview, **options):
    mosaic = np.random.default_rng(1).normal(900, 20, (HEIGHT, WIDTH)).astype(np.uint16)
    return nef_bytes(mosaic, captured=datetime(2010, 5, 6), preview=preview, **options)


def _sites():
    return [RenderedSite(row, col, "R", True) for row, col in SITES]


def _inside(data):
    ((start, end),) = embedded_jpegs(data)
    return data[start:end]


def _decoded(data):
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image).astype(int)


def _spots(data, scale=1.0, offset=(8, 10)):
    """Return by how much each site is redder than its surroundings."""
    picture = _decoded(data)
    excess = []
    for row, col in SITES:
        r, c = int((row - offset[0] + 0.5) * scale), int((col - offset[1] + 0.5) * scale)
        excess.append(picture[r, c, 0] - np.median(picture[r - 5 : r + 6, c - 5 : c + 6, 0]))
    return np.array(excess)


def _note_preview(jpeg):
    """Return a TIFF whose Nikon MakerNote, with offsets of its own, holds a JPEG."""
    pointer = [longs(0x0011, 0)]
    at = HEADER_BYTES + len(directory(pointer, 0))
    inside = [shorts(0x0103, 6), longs(0x0201, 0), longs(0x0202, len(jpeg))]
    data_at = at + len(directory(inside, 0))
    inside[1] = longs(0x0201, data_at)
    note = (
        b"Nikon\0\x02\x10\0\0"
        + header()
        + directory([longs(0x0011, at)], HEADER_BYTES)
        + directory(inside, at)
        + jpeg
    )
    first = [text(0x010F, "NIKON CORPORATION"), longs(0x8769, 0)]
    exif_at = HEADER_BYTES + len(directory(first, 0))
    first[1] = longs(0x8769, exif_at)
    return header() + directory(first, HEADER_BYTES) + directory([undefined(0x927C, note)], exif_at)


def test_the_full_size_preview():
    """The spots are gone from the preview that LibRaw shows; length and mosaic are the same."""
    data = _nef(_picture())
    result = repair_previews(data, RAW, _sites(), [WAY])
    assert (result.repaired, result.left) == ((FULL,), ())
    assert len(result.data) == len(data)
    before, after = _inside(data), _inside(result.data)
    assert (_spots(before) > 30).all()
    assert (np.abs(_spots(after)) < 12).all()
    changed = np.argwhere((_decoded(before) != _decoded(after)).any(axis=2))
    for row, col in changed:
        assert min(max(abs(row - r + 8), abs(col - c + 10)) for r, c in SITES) <= 40
    assert np.array_equal(decode_raw(data).mosaic, decode_raw(result.data).mosaic)
    with rawpy.imread(io.BytesIO(result.data)) as raw:
        assert np.array_equal(_decoded(raw.extract_thumb().data), _decoded(after))


def test_without_registration():
    """A preview whose place on the sensor is not known is left as it is, and named with the reason."""
    data = _nef(_picture())
    result = repair_previews(data, RAW, _sites(), [])
    assert result.data == data
    ((grid, reason),) = result.left
    assert grid == FULL
    assert "not known" in reason


def test_a_smaller_copy():
    """A preview of half the size is repaired by the registration of the full size, which it is a copy of."""
    small = _picture(72, 120, 0.5)
    data = _nef(small)
    result = repair_previews(data, RAW, _sites(), [WAY])
    assert result.repaired == (Grid("jpeg", 72, 120),)
    after = _inside(result.data)
    assert (np.abs(_spots(after, 0.5)) < 0.4 * _spots(small, 0.5)).all()


def test_tiny_previews_do_not_count():
    """A preview of less than a quarter of the size is neither changed nor mentioned."""
    data = _nef(_picture(32, 48, 0.2))
    result = repair_previews(data, RAW, _sites(), [])
    assert (result.data, result.left) == (data, ())


def test_the_preview_of_the_maker_note():
    """The JPEG within a Nikon's MakerNote is found and repaired too."""
    jpeg = _picture()
    data = _note_preview(jpeg)
    ((start, end),) = embedded_jpegs(data)
    assert data[start:end] == jpeg
    result = repair_previews(data, RAW, _sites(), [WAY])
    assert result.repaired == (FULL,)
    assert (np.abs(_spots(result.data[start:end])) < 20).all()
    assert (result.data[:start], result.data[end:]) == (data[:start], data[end:])


def test_damaged_files_do_no_harm():
    """Whatever the directories say, previews lie within the file and do not overlap."""
    rng = np.random.default_rng(4)
    data = np.frombuffer(_nef(_picture()), np.uint8)
    for _ in range(200):
        damaged = data.copy()
        damaged[rng.integers(0, 700, 4)] = rng.integers(0, 256, 4)
        found = list(embedded_jpegs(damaged.tobytes()))
        assert all(0 <= start < end <= len(data) for start, end in found)
        assert all(before[1] <= after[0] for before, after in pairwise(found))


@pytest.mark.parametrize("way", [WAY, None])
def test_registrations_are_read_back(way):
    """A registration is what its document says; one that is unsure is none."""
    assert registration_of(document(Attempt(RAW, FULL, way, "" if way else "unsure"))) == way

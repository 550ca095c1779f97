"""Previews inside a photo's file that show its bad photosites."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from defectmap.media.embedded import repair_embedded
from defectmap.media.jpegcodec import RenderedSite, repair_jpeg

WIDTH, HEIGHT = 480, 320
PEAK = np.array([[0.25, 0.5, 0.25], [0.5, 1.0, 0.5], [0.25, 0.5, 0.25]])
SITES = [RenderedSite(150, 201, "W"), RenderedSite(60, 402, "W")]


def scene():
    """Return smooth shading under a little noise, in full size."""
    rows, cols = np.mgrid[:HEIGHT, :WIDTH]
    grey = 100 + 50 * np.sin(cols / 60) + 30 * np.cos(rows / 40)
    return grey + np.random.default_rng(4).normal(0, 1.5, grey.shape)


def spoilt():
    """Return the scene with its spots."""
    pixels = scene()
    for site in SITES:
        pixels[site.row - 1 : site.row + 2, site.col - 1 : site.col + 2] += 120 * PEAK
    return pixels


def picture(pixels, size=None):
    """Return pixels as a picture, averaged down to a size."""
    image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).convert("RGB")
    return image.resize(size, Image.Resampling.BOX) if size else image


def encoded(image, **options):
    """Return a picture as a JPEG file."""
    file = io.BytesIO()
    image.save(file, "JPEG", **{"quality": 92} | options)
    return file.getvalue()


def with_segment(preview):
    """Return the spoilt photo with a preview in an application segment, and where the preview begins."""
    photo = encoded(picture(spoilt()))
    head = b"\xff\xe4" + struct.pack(">H", len(preview) + 10) + b"PREVIEW\0"
    return photo[:2] + head + preview + photo[2:], 2 + len(head)


def with_index(*previews):
    """Return the spoilt photo with previews behind it, as Pillow writes a multi-picture file."""
    file = io.BytesIO()
    picture(spoilt()).save(file, "MPO", save_all=True, append_images=previews, quality=92)
    return file.getvalue()


def height(pixels, row, col):
    """Return how far the middle of a neighbourhood stands out from its rim."""
    around = np.asarray(pixels, float)[row - 4 : row + 5, col - 4 : col + 5]
    return float(around[3:6, 3:6].max() - np.median(around))


@pytest.mark.parametrize("scale", [1, 2, 3])
@pytest.mark.parametrize("progressive", [False, True])
def test_preview_in_a_segment(scale, progressive):
    """A preview of a useful size loses the spots that it shows; every byte outside of it stays."""
    size = WIDTH // scale, round(HEIGHT / scale)
    preview = encoded(picture(spoilt(), size), progressive=progressive)
    if len(preview) > 65000:
        pytest.skip("does not fit into a segment")
    data, at = with_segment(preview)
    done = repair_embedded(data, SITES)
    assert done.repaired == (size,)
    assert done.left == ()
    assert done.data[:at] == data[:at]
    assert done.data[at + len(preview) :] == data[at + len(preview) :]
    for site in SITES:
        row, col = int((site.row + 0.5) * size[1] / HEIGHT), int((site.col + 0.5) * size[0] / WIDTH)
        heights = []
        for file in (data, done.data):
            with Image.open(io.BytesIO(file[at : at + len(preview)])) as image:
                heights.append(height(image.convert("L"), row, col))
        assert heights[0] > 12
        assert heights[1] < heights[0] / 3


def test_preview_behind_the_photo():
    """The previews of a multi-picture file are repaired where they are large enough, at their places."""
    large, small = picture(spoilt(), (240, 160)), picture(spoilt(), (96, 64))
    data = with_index(large, small)
    photo = repair_jpeg(data, SITES)
    done = repair_embedded(photo.data, [s for s in SITES if (s.row, s.col) in photo.repaired])
    assert done.repaired == ((240, 160),)
    assert len(done.data) == len(photo.data)
    with Image.open(io.BytesIO(done.data)) as image, Image.open(io.BytesIO(data)) as before:
        assert image.n_frames == 3
        image.seek(1)
        assert max(height(image.convert("L"), s.row // 2, s.col // 2) for s in SITES) < 12
        image.seek(2)
        before.seek(2)
        np.testing.assert_array_equal(np.asarray(image), np.asarray(before))


def test_an_odd_index(recwarn):
    """A multi-picture index that does not tell where its pictures are raises no warnings."""
    data = with_index(picture(spoilt(), (240, 160)))
    data = data.replace(b"0100", b"0999", 1).replace(b"\x02\xb0\x07\x00", b"\x0f\xb0\x07\x00", 1)
    data = data.replace(b"\xb0\x02", b"\xb0\x0f", 1)
    done = repair_embedded(data, SITES)
    assert done.repaired == ((240, 160),)
    assert not recwarn.list


def other_scene():
    """Return a picture of something else that has spots in the same places."""
    pixels = spoilt() - scene()
    return pixels + np.linspace(20, 200, HEIGHT)[:, None]


@pytest.mark.parametrize(
    ("preview", "why"),
    [
        (picture(spoilt(), (240, 180)), "other proportions, as with black bars"),
        (picture(spoilt(), (108, 72)), "less than a quarter"),
        (picture(scene(), (240, 160)), "shows no spot"),
        (picture(other_scene(), (240, 160)), "another scene"),
    ],
    ids=lambda value: value.replace(" ", "_") if isinstance(value, str) else "",
)
def test_left_alone(preview, why):
    """A preview without the spots, too small for them, of another shape or scene stays as it is."""
    data, _ = with_segment(encoded(preview))
    done = repair_embedded(data, SITES)
    assert (done.data, done.repaired, done.left) == (data, (), ()), why


def test_preview_that_cannot_be_patched():
    """A preview of a coding that is not patched is left, with the reason."""
    preview = picture(spoilt(), (240, 160)).convert("CMYK")
    data, _ = with_segment(encoded(preview))
    done = repair_embedded(data, SITES)
    assert done.data == data
    assert [size for size, _ in done.left] == [(240, 160)]
    assert "4 colour components" in done.left[0][1]


def test_garbage():
    """Bytes that only begin like a JPEG are passed over, whatever follows."""
    rng = np.random.default_rng(8)
    preview = encoded(picture(spoilt(), (240, 160)))
    for _ in range(60):
        at = int(rng.integers(4, len(preview)))
        broken = preview[:at] + rng.bytes(12) + preview[at + 12 :]
        data, _ = with_segment(b"\xff\xd8\xff" * 3 + broken)
        done = repair_embedded(data, SITES)
        assert len(done.data) == len(data)


def test_no_sites():
    """Without sites nothing is looked at."""
    data, _ = with_segment(encoded(picture(spoilt(), (240, 160))))
    assert repair_embedded(data, []).data is data

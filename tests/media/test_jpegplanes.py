import io

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from defectmap.media.jpegplanes import decode_planes


def picture(width: int, height: int, contrast: float, mode: str = "RGB") -> Image.Image:
    """Make a picture of waves and noise; much contrast clips it."""
    bands = len(mode) if mode == "RGB" else 1
    rows, cols = np.mgrid[:height, :width]
    waves = np.stack([np.sin(rows / (5 + 4 * b) + cols / (7 + 3 * b)) for b in range(bands)], axis=-1)
    noise = np.random.default_rng(3).normal(0, 0.3, waves.shape)
    pixels = np.clip(128 + contrast * (waves + noise), 0, 255).astype(np.uint8)
    return Image.frombytes(mode, (width, height), pixels.tobytes())


def jpeg(image: Image.Image, **options: object) -> bytes:
    """Write a picture as JPEG."""
    file = io.BytesIO()
    image.save(file, "JPEG", **options)
    return file.getvalue()


def planes_of_pillow(data: bytes) -> list[np.ndarray]:
    """Decode a JPEG as Pillow does: luma, and chroma averaged over 2x2 positions."""
    image = Image.open(io.BytesIO(data))
    image.draft("YCbCr", image.size)
    if image.mode == "L":
        return [np.asarray(image)]
    return [np.asarray(image)[..., 0], *(np.asarray(image.reduce(2))[..., i] for i in (1, 2))]


def agree(data: bytes) -> bool:
    """Whether both decoders make the same of a file."""
    frame = decode_planes(data)
    assert frame is not None
    ours = [plane for plane in (frame.luma, frame.blue, frame.red) if plane is not None]
    theirs = planes_of_pillow(data)
    return len(ours) == len(theirs) and all(
        np.array_equal(a, b) and a.flags.writeable and a.flags.c_contiguous
        for a, b in zip(ours, theirs, strict=True)
    )


@settings(max_examples=150, deadline=None)
@given(
    st.integers(5, 90),
    st.integers(1, 70),
    st.sampled_from([30.0, 100.0, 2000.0]),
    st.sampled_from(["4:2:0", "4:2:2"]),
    st.sampled_from([1, 10, 60, 90, 100]),
    st.sampled_from(
        [{}, {"restart_marker_blocks": 1}, {"restart_marker_blocks": 7}, {"restart_marker_rows": 1}]
    ),
    st.booleans(),
)
@example(33, 35, 100.0, "4:2:0", 90, {}, True)
@example(33, 35, 100.0, "4:2:2", 90, {}, True)
def test_planes_are_those_of_pillow(
    width, height, contrast, subsampling, quality, restarts, optimize
) -> None:
    """What is decoded here is bit for bit what libjpeg decodes, for any size and quality."""
    options = {"subsampling": subsampling, "quality": quality, "optimize": optimize, **restarts}
    assert agree(jpeg(picture(width, height, contrast), **options))


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (37, 21)])
def test_grey_planes_are_those_of_pillow(size) -> None:
    """A grey picture has luma alone, the same as by libjpeg."""
    assert agree(jpeg(picture(*size, 100.0, "L"), quality=85))


@pytest.mark.parametrize(
    "options",
    [{"progressive": True}, {"subsampling": "4:4:4"}, {"keep_rgb": True}],
)
def test_unusual_files_are_left_alone(options) -> None:
    """Progressive files, and colours that are laid out in another way, are not decoded here."""
    assert decode_planes(jpeg(picture(40, 30, 50.0), **options)) is None
    assert decode_planes(jpeg(picture(4, 30, 50.0), subsampling="4:2:0")) is None


def test_what_follows_the_picture_does_not_matter() -> None:
    """A second picture behind the first one, or anything else, changes nothing."""
    data = jpeg(picture(40, 30, 50.0), subsampling="4:2:0")
    assert agree(data + data[:300] + b"\xff\xd0\xff")


@pytest.mark.parametrize("restarts", [{}, {"restart_marker_blocks": 2}])
def test_no_cut_scan_is_decoded(restarts) -> None:
    """A scan that ends too early, with or without an end marker, is not decoded here."""
    data = jpeg(picture(60, 40, 80.0), subsampling="4:2:0", **restarts)
    begin = data.index(b"\xff\xda")
    for length in range(begin, len(data) - 3, 11):
        assert decode_planes(data[:length]) is None
        assert decode_planes(data[:length] + b"\xff\xd9") is None


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_garbled_scans_are_left_alone_or_decoded_alike(data) -> None:
    """Whatever bytes of a scan are changed, it is left alone or decoded as by libjpeg."""
    content = bytearray(data.draw(st.sampled_from(SMALL)))
    begin = content.index(b"\xff\xda") + 14
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(begin, len(content) - 3))] = data.draw(st.integers(0, 255))
    frame = decode_planes(bytes(content))
    assert frame is None or agree(bytes(content))


SMALL = [
    jpeg(picture(43, 31, 80.0), subsampling="4:2:0", quality=70),
    jpeg(picture(43, 31, 80.0), subsampling="4:2:2", quality=95, restart_marker_blocks=2),
]

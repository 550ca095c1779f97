import io
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from defectmap.errors import FailedPhotoError, PhotoError, SkippedPhotoError
from defectmap.media.jpeg import decode_jpeg
from defectmap.media.jpegheader import read_header

DATA = Path(__file__).parents[2] / ".." / "shared" / "data"


def picture(width: int, height: int, mode: str = "RGB") -> Image.Image:
    """Make a smooth, colourful picture with some noise."""
    bands = len(Image.new(mode, (1, 1)).getbands())
    rows, cols = np.mgrid[:height, :width]
    waves = [128 + 90 * np.sin(rows / (9 + 4 * band) + cols / (7 + 3 * band)) for band in range(bands)]
    pixels = np.stack(waves, axis=-1) + np.random.default_rng(7).normal(0, 6, (height, width, bands))
    return Image.frombytes(mode, (width, height), np.clip(pixels, 0, 255).astype(np.uint8).tobytes())


def jpeg(image: Image.Image, **options: object) -> bytes:
    """Write a picture as JPEG."""
    file = io.BytesIO()
    image.save(file, "JPEG", **{"quality": 90, **options})
    return file.getvalue()


def halved(plane: np.ndarray) -> np.ndarray:
    """Average over 2x2 positions as the format says, written for clarity."""
    height, width = plane.shape
    return np.array(
        [
            [np.floor(plane[r : r + 2, c : c + 2].mean() + 0.5) for c in range(0, width, 2)]
            for r in range(0, height, 2)
        ]
    )


def stored_planes(data: bytes) -> np.ndarray:
    """Decode a JPEG to full-size Y, Cb, Cr."""
    image = Image.open(io.BytesIO(data))
    image.draft("YCbCr", image.size)
    return np.asarray(image)


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("size", [(64, 48), (61, 47), (17, 1), (1, 1), (1, 2)])
def test_planes_are_as_stored(subsampling: str, progressive: bool, size: tuple[int, int]) -> None:
    """Luma is the stored plane and chroma its exact 2x2 mean, for any subsampling, coding and odd size."""
    data = jpeg(picture(*size), subsampling=subsampling, progressive=progressive)
    frame = decode_jpeg(data)
    expected = stored_planes(data)
    width, height = size
    assert (frame.grid.kind, frame.grid.height, frame.grid.width) == ("jpeg", height, width)
    assert np.array_equal(frame.luma, expected[..., 0])
    assert np.array_equal(frame.blue, halved(expected[..., 1]))
    assert np.array_equal(frame.red, halved(expected[..., 2]))
    assert all(
        plane.dtype == np.uint8 and plane.flags.writeable for plane in (frame.luma, frame.blue, frame.red)
    )


def test_grey_picture_has_no_chroma() -> None:
    """A grey JPEG gives luma alone."""
    data = jpeg(picture(40, 30, "L"))
    frame = decode_jpeg(data)
    assert frame.blue is None
    assert frame.red is None
    assert np.array_equal(frame.luma, np.asarray(Image.open(io.BytesIO(data))))


@pytest.mark.parametrize("folder", ["caliterra", "copr", "seneca"])
def test_luma_of_real_photos_is_what_djpeg_decodes(folder: str) -> None:
    """The luma of a real photo equals the grey picture of libjpeg's own decoder, bit for bit."""
    photos = sorted((DATA / folder).glob("*.[jJ][pP]*[gG]"))
    if not photos:
        pytest.skip(f"real photos of {folder} are not here")
    djpeg = shutil.which("djpeg")
    if djpeg is None:
        pytest.skip("djpeg is not installed")
    reference = subprocess.run([djpeg, "-grayscale", "-pnm", str(photos[0])], capture_output=True, check=True)
    expected = np.asarray(Image.open(io.BytesIO(reference.stdout)))
    assert np.array_equal(decode_jpeg(photos[0].read_bytes()).luma, expected)


def test_orientation_is_not_applied() -> None:
    """A picture to be shown upright is still decoded as it lies in the file."""
    exif = Image.Exif()
    exif[0x0112] = 6
    plain, turned = jpeg(picture(40, 30)), jpeg(picture(40, 30), exif=exif)
    assert np.array_equal(decode_jpeg(plain).luma, decode_jpeg(turned).luma)


def test_multi_picture_file_gives_its_first_picture() -> None:
    """Of a multi-picture file the first picture is decoded."""
    file = io.BytesIO()
    first, second = picture(40, 30), Image.new("RGB", (20, 10))
    first.save(file, "MPO", save_all=True, append_images=[second], quality=90)
    assert decode_jpeg(file.getvalue()).luma.shape == (30, 40)


def test_size_limits_of_pillow_do_not_apply(monkeypatch: pytest.MonkeyPatch) -> None:
    """Photos above Pillow's decompression limit are decoded."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert decode_jpeg(jpeg(picture(40, 30))).luma.shape == (30, 40)


def test_absurd_size_is_refused_before_decoding() -> None:
    """A header that claims more pixels than any camera has is refused at once."""
    data = bytearray(jpeg(picture(40, 30)))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = b"\xff\xff\xff\xff"
    with pytest.raises(SkippedPhotoError, match="65535 x 65535"):
        decode_jpeg(bytes(data))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (lambda: jpeg(picture(40, 30, "CMYK")), "4 colours"),
        (lambda: jpeg(picture(40, 30), keep_rgb=True), "RGB"),
        (lambda: jpeg(picture(40, 30)).replace(b"\xff\xc0\x00\x11\x08", b"\xff\xc1\x00\x11\x0c"), "12 bits"),
    ],
)
def test_other_colour_codings_are_skipped(data, reason) -> None:
    """CMYK, RGB and 12-bit JPEGs are skipped with a reason."""
    with pytest.raises(SkippedPhotoError, match=reason):
        decode_jpeg(data())


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("lenient", [False, True])
def test_no_cut_file_passes_for_whole(
    monkeypatch: pytest.MonkeyPatch, progressive: bool, lenient: bool
) -> None:
    """A JPEG cut anywhere is refused, even in a process that told Pillow to accept cut files."""
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", lenient)
    exif = Image.Exif()
    exif[0x010F] = "Test"
    data = jpeg(picture(90, 70), progressive=progressive, exif=exif)
    for length in range(0, len(data), 37):
        with pytest.raises(FailedPhotoError):
            decode_jpeg(data[:length])
    with pytest.raises(FailedPhotoError, match="ends too early"):
        decode_jpeg(data[:-1])


def test_damaged_exif_does_not_matter_to_the_planes() -> None:
    """Descriptive segments, damaged ones too, have no influence on the planes and raise no warning."""
    plain = jpeg(picture(40, 30))
    segment = b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\x01\x1a" * 9
    damaged = plain[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2) + segment + plain[2:]
    assert np.array_equal(decode_jpeg(plain).luma, decode_jpeg(damaged).luma)


def test_header_of_a_photo() -> None:
    """The header gives size, components and colour coding without decoding."""
    header = read_header(jpeg(picture(61, 47)))
    assert (header.width, header.height, header.bits, header.components) == (61, 47, 8, (1, 2, 3))
    assert header.jfif
    assert not header.is_rgb


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_corrupt_files_end_in_a_reason(data: st.DataObject) -> None:
    """Whatever bytes are changed, decoding ends in a frame or in a PhotoError."""
    content = bytearray(SMALL)
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        frame = decode_jpeg(bytes(content))
    except PhotoError as error:
        assert error.reason
    else:
        assert frame.luma.ndim == 2


SMALL = jpeg(picture(33, 21), restart_marker_blocks=2)

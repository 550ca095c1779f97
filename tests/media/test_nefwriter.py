import io
import shutil
import subprocess
from datetime import datetime

import numpy as np
import pytest
import rawpy

from defectmap.media.nefcodec import lossy_coding
from defectmap.media.nefwriter import NEF_BLACK, NEF_MARGINS, NEF_WHITE, nef_bytes

WHEN = datetime(2010, 5, 6, 7, 8, 9, 120_000)
KINDS = [
    ("lossless", 12),
    ("lossless", 14),
    ("lossy", 12),
    ("lossy", 14),
    ("packed", 12),
    ("uncompressed", 14),
]
SHAPES = [(40, 56), (67, 98), (130, 200)]


def _scene(height, width, bits, seed=3):
    rng = np.random.default_rng(seed)
    white = NEF_WHITE[bits]
    ramp = np.linspace(0, white, width)[None, :] + rng.normal(0, white / 20, (height, width))
    mosaic = ramp.clip(0, white).astype(np.uint16)
    mosaic[5, 5], mosaic[6, 7] = white, 0
    return mosaic


def _stored(mosaic, compression, bits):
    if compression != "lossy":
        return mosaic
    coding = lossy_coding(bits)
    return coding.values_dn[coding.indices(mosaic)]


def _run(tool, *arguments):
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    return subprocess.run([tool, *arguments], capture_output=True, check=True).stdout


@pytest.mark.parametrize(("compression", "bits"), KINDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_libraw_reads_the_mosaic(compression, bits, shape):
    """LibRaw shows every visible photosite as written, with the documented levels, margins and pattern."""
    mosaic = _scene(*shape, bits)
    balance = (2.5, 1.0, 1.25)
    data = nef_bytes(mosaic, compression=compression, bits=bits, captured=WHEN, white_balance=balance)
    rows, cols = NEF_MARGINS
    with rawpy.imread(io.BytesIO(data)) as raw:
        assert (raw.sizes.raw_height, raw.sizes.raw_width) == shape
        assert raw.sizes.top_margin == raw.sizes.left_margin == 0
        assert np.array_equal(raw.raw_image_visible, _stored(mosaic, compression, bits)[:-rows, :-cols])
        assert raw.black_level_per_channel == [NEF_BLACK] * 4
        assert raw.white_level == NEF_WHITE[bits]
        assert raw.raw_pattern.tolist() == [[0, 1], [3, 2]]
        assert raw.camera_whitebalance[:3] == list(balance)


@pytest.mark.parametrize(("compression", "bits"), KINDS)
def test_dcraw_reads_the_mosaic(compression, bits, tmp_path):
    """Dcraw gives out the same photosites."""
    mosaic = _scene(67, 98, bits)
    path = tmp_path / "a.nef"
    path.write_bytes(nef_bytes(mosaic, compression=compression, bits=bits, captured=WHEN))
    pgm = _run("dcraw", "-D", "-4", "-t", "0", "-c", str(path))
    read = np.frombuffer(pgm, dtype=">u2", offset=len(pgm) - 64 * 94 * 2).reshape(64, 94)
    assert np.array_equal(read, _stored(mosaic, compression, bits)[:-3, :-4])


def test_exiftool_reads_the_metadata(tmp_path):
    """Exiftool finds a valid file with everything that was said about the exposure."""
    path = tmp_path / "a.nef"
    path.write_bytes(
        nef_bytes(
            _scene(40, 56, 12),
            serial="3012345",
            exposure_s=0.004,
            iso=1600,
            captured=WHEN,
            shutter_count=54321,
            software="Ver.1.11 ",
            orientation=8,
            noise_reduction="ON",
        )
    )
    tags = (
        "-Make -Model -SerialNumber -ExposureTime -Nikon:ISO -SubSecDateTimeOriginal -ShutterCount -Software "
        "-Orientation -NoiseReduction -Validate"
    )
    out = _run("exiftool", "-n", "-s3", *tags.split(), str(path))
    assert out.decode().split("\n")[:-1] == [
        "NIKON CORPORATION", "NIKON D80", "3012345", "0.004", "0 1600", "2010:05:06 07:08:09.12", "54321",
        "Ver.1.11", "8", "ON", "0 0 0",
    ]  # fmt: skip


def test_exiv2_reads_the_maker_note():
    """Exiv2 reads serial number, shutter count and noise reduction from the MakerNote."""
    exiv2 = pytest.importorskip("exiv2")
    data = nef_bytes(_scene(40, 56, 12), serial="3012345", captured=WHEN, shutter_count=77)
    image = exiv2.ImageFactory.open(data)
    image.readMetadata()
    exif = image.exifData()
    assert exif["Exif.Nikon3.SerialNumber"].toString() == "3012345"
    assert exif["Exif.Nikon3.ShutterCount"].toString() == "77"
    assert exif["Exif.Nikon3.NoiseReduction"].toString().strip() == "OFF"
    assert exif["Exif.Photo.SubSecTimeOriginal"].toString() == "12"


def test_a_body_without_serial():
    """Without a serial number the file has no such tag."""
    exiv2 = pytest.importorskip("exiv2")
    image = exiv2.ImageFactory.open(nef_bytes(_scene(40, 56, 12), captured=WHEN))
    image.readMetadata()
    assert "Exif.Nikon3.SerialNumber" not in {datum.key() for datum in image.exifData()}


def test_thumbnail_is_kept():
    """A given thumbnail is stored pixel by pixel."""
    picture = np.arange(12 * 17 * 3, dtype=np.uint32).astype(np.uint8).reshape(12, 17, 3)
    data = nef_bytes(_scene(40, 56, 12), captured=WHEN, thumbnail=picture)
    assert picture.tobytes() in data
    with rawpy.imread(io.BytesIO(data)) as raw:
        assert raw.raw_image.shape == (40, 56)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"mosaic": np.full((40, 56), 5000, np.uint16)}, "over 4095"),
        ({"mosaic": np.zeros((40, 56), np.int32)}, "uint16"),
        ({"compression": "packed", "bits": 14}, "12 bits"),
        ({"compression": "uncompressed", "bits": 12}, "14 bits"),
        ({"mosaic": np.zeros((40, 57), np.uint16), "compression": "packed"}, "even"),
        ({"iso": 70_000}, "does not fit"),
        ({"thumbnail": np.zeros((40, 56, 3), np.uint8)}, "smaller"),
    ],
)
def test_what_cannot_be_written_is_refused(arguments, reason):
    """A mosaic or value that the file cannot hold is an error of the caller, with the reason."""
    given = {"mosaic": _scene(40, 56, 12), "captured": WHEN} | arguments
    with pytest.raises(ValueError, match=reason):
        nef_bytes(given.pop("mosaic"), **given)

import io
import shutil
import subprocess
from datetime import datetime

import exiv2
import numpy as np
import pytest
import rawpy
import tifffile
from PIL import Image, ImageCms

from defectmap.errors import FailedPhotoError
from defectmap.media import rendering
from defectmap.media.metadata import read_info
from defectmap.media.nefwriter import nef_bytes
from defectmap.media.raw import decode_raw
from defectmap.media.rendering import rendered_bytes
from defectmap.model.sensor import SensorIdentity

NIKON = SensorIdentity("NIKON CORPORATION", "NIKON D80", "3012345")
WHEN = datetime(2010, 5, 6, 7, 8, 9, 120_000)
SITES = [(20, 30), (70, 101)]


def _photo(orientation=1, *, hot=True):
    """Return a NEF with a gradient both ways, and with two hot photosites unless told otherwise."""
    rows, cols = np.mgrid[:99, :164]
    mosaic = (300 + 8 * cols + 3 * rows + np.random.default_rng(5).normal(0, 12, rows.shape)).astype(
        np.uint16
    )
    for row, col in SITES if hot else ():
        mosaic[row, col] = 4095
    return nef_bytes(
        mosaic, captured=WHEN, serial="3012345", shutter_count=77, iso=800, orientation=orientation
    )


def _picture(data, form):
    if form == "tiff":
        return tifffile.imread(io.BytesIO(data)).astype(int)
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image).astype(int)


def _tags(data):
    image = exiv2.ImageFactory.open(data)
    image.readMetadata()
    return {datum.key(): datum.toString() for datum in image.exifData()}


def _rendered(form, orientation=1):
    data = _photo(orientation)
    healthy = decode_raw(_photo(orientation, hot=False)).mosaic
    return rendered_bytes(data, decode_raw(data).mosaic, healthy, form, NIKON)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_picture_is_librawss_turned_upright(orientation):
    """The TIFF holds the very pixels that LibRaw renders of the healthy file, turned as it turns them."""
    with rawpy.imread(io.BytesIO(_photo(orientation, hot=False))) as raw:
        expected = raw.postprocess(
            use_camera_wb=True,
            no_auto_bright=True,
            adjust_maximum_thr=0.0,
            gamma=(2.4, 12.92),
            output_bps=16,
        )
    data = _rendered("tiff", orientation)
    assert np.array_equal(_picture(data, "tiff"), expected)
    assert _tags(data)["Exif.Image.Orientation"] == "1"


@pytest.mark.parametrize(("form", "reach"), [("tiff", 16), ("jpeg", 24)])
def test_only_the_surroundings_differ(form, reach):
    """Away from the sites the picture is that of the photo as it was; at the sites the spot is gone."""
    data = _photo()
    mosaic = decode_raw(data).mosaic
    old = _picture(rendered_bytes(data, mosaic, mosaic, form, NIKON), form)
    new = _picture(_rendered(form), form)
    far = np.ones(old.shape[:2], np.bool_)
    for row, col in SITES:
        far[max(row - reach, 0) : row + reach, max(col - reach, 0) : col + reach] = False
        around = np.median(new[row - 4 : row + 5, col - 4 : col + 5], axis=(0, 1))
        scale = 65535 if form == "tiff" else 255
        assert abs(new[row, col] - around).max() < 0.1 * scale < abs(old[row, col] - around).max()
    assert far.sum() > 5000
    assert np.array_equal(old[far], new[far])


@pytest.mark.parametrize("form", ["tiff", "jpeg"])
def test_metadata_are_carried_over(form):
    """Exposure, serial number and shutter count are there; size and colour space are the picture's own."""
    data = _rendered(form, 6)
    tags = _tags(data)
    assert tags["Exif.Photo.ISOSpeedRatings"] == "800"
    assert tags["Exif.Nikon3.ShutterCount"] == "77"
    assert tags["Exif.Nikon3.SerialNumber"] == "3012345"
    assert (tags["Exif.Image.Make"], tags["Exif.Image.Model"]) == (NIKON.make, NIKON.model)
    sizes = {
        "tiff": ("Exif.Image.ImageLength", "Exif.Image.ImageWidth"),
        "jpeg": ("Exif.Photo.PixelYDimension", "Exif.Photo.PixelXDimension"),
    }
    assert tuple(int(tags[key]) for key in sizes[form]) == _picture(data, form).shape[:2] == (160, 96)
    with Image.open(io.BytesIO(_rendered("jpeg"))) as image:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
        assert "sRGB" in ImageCms.getProfileName(profile)


def test_a_rendering_is_no_original():
    """A rendered JPEG says what made it, so that it never counts as one that the camera wrote."""
    info = read_info(_rendered("jpeg"), "jpeg")
    assert info.identity == NIKON
    assert info.not_original is not None
    assert "defectmap" in info.not_original


def test_the_same_photo_gives_the_same_file(monkeypatch):
    """Nothing in the file tells when it was made."""
    first = _rendered("jpeg")
    rendering._profile.cache_clear()
    assert _rendered("jpeg") == first


@pytest.mark.parametrize("form", ["tiff", "jpeg"])
def test_exiftool_finds_a_valid_file(form, tmp_path):
    """Exiftool has nothing against the file, and reads the camera's data in it."""
    if shutil.which("exiftool") is None:
        pytest.skip("exiftool is not installed")
    path = tmp_path / f"a.{form}"
    path.write_bytes(_rendered(form))
    command = [
        "exiftool",
        "-n",
        "-s3",
        "-SerialNumber",
        "-Orientation",
        "-ProfileDescription",
        "-Validate",
        path,
    ]
    out = subprocess.run(command, capture_output=True, check=True).stdout.decode().split("\n")
    assert out[:2] == ["3012345", "1"]
    assert "sRGB" in out[2]
    assert out[3] == "0 0 0"


def test_a_picture_that_differs_elsewhere_is_refused(monkeypatch):
    """A rendering that changes far from the repaired sites is not handed out."""
    data = _photo()
    mosaic = decode_raw(data).mosaic
    repaired = mosaic.copy()
    repaired[20, 30] = 600
    real = rendering.render_mosaics

    def brightened(*arguments):
        (old, new), flip = real(*arguments)
        return [old, new // 2], flip

    monkeypatch.setattr(rendering, "render_mosaics", brightened)
    with pytest.raises(FailedPhotoError, match="where nothing was repaired"):
        rendered_bytes(data, mosaic, repaired, "jpeg", NIKON)


def test_metadata_too_long_for_a_jpeg():
    """Where the metadata do not fit into a JPEG, the longest value is left out, and all others are there."""
    mosaic = np.full((99, 164), 900, np.uint16)
    data = nef_bytes(mosaic, captured=WHEN, serial="3012345", iso=800, noise_reduction="X" * 70_000)
    before = decode_raw(data).mosaic
    tags = _tags(rendered_bytes(data, before, before, "jpeg", NIKON))
    assert tags["Exif.Photo.ISOSpeedRatings"] == "800"
    assert tags["Exif.Nikon3.SerialNumber"] == "3012345"
    assert "Exif.Nikon3.NoiseReduction" not in tags

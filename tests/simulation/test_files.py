import io
import json
import shutil
import subprocess
from dataclasses import replace

import exiv2
import numpy as np
import pytest
import rawpy
import tifffile
from PIL import Image

from defectmap.media.metadata import read_info
from defectmap.simulation import TWELVE_BIT, Electronics, Habits, Planting, SimulatedCamera
from defectmap.simulation.files import write_shoot
from defectmap.simulation.render import render

CAMERA = SimulatedCamera(
    seed=3,
    height=120,
    width=160,
    serial="2233445",
    electronics=TWELVE_BIT,
    planting=Planting(per_stratum=1),
    habits=Habits(portrait_share=0.5),
)
NAMES = ("DSC_0001", "DSC_0002", "DSC_0003", "DSC_0004")


@pytest.fixture(scope="module")
def shoot(tmp_path_factory):
    """Return the folder and the truth of a shoot in all three formats."""
    folder = tmp_path_factory.mktemp("card")
    truth = write_shoot(CAMERA, folder, 4, ("nef", "dng", "jpeg"), compressions=["lossless"])
    return folder, truth


@pytest.mark.parametrize(("suffix", "kind"), [("NEF", "raw"), ("DNG", "raw"), ("JPG", "jpeg")])
def test_read_back(shoot, suffix, kind):
    """Every file is an original of this camera to the program's own reader, with its exact conditions."""
    folder, truth = shoot
    for exposure, name in zip(truth.frames, NAMES, strict=True):
        info = read_info((folder / f"{name}.{suffix}").read_bytes(), kind)
        assert info.identity == CAMERA.identity
        assert info.conditions == exposure.conditions
        assert info.not_original is None


def test_names_and_times(shoot):
    """Files are named as a camera names them and dated by its clock."""
    folder, truth = shoot
    assert truth.files == tuple((f"{name}.NEF", f"{name}.DNG", f"{name}.JPG") for name in NAMES)
    assert sorted(path.name for path in folder.iterdir()) == sorted(sum(truth.files, ()))
    for exposure, names in zip(truth.frames, truth.files, strict=True):
        for name in names:
            assert (folder / name).stat().st_mtime == pytest.approx(exposure.captured.timestamp(), abs=0.01)


@pytest.mark.parametrize("suffix", ["NEF", "DNG"])
@pytest.mark.parametrize("name", NAMES)
def test_mosaic(shoot, name, suffix):
    """LibRaw reads the exact mosaic and the levels and colours of the camera."""
    folder, truth = shoot
    exposure = truth.frames[NAMES.index(name)]
    with rawpy.imread(str(folder / f"{name}.{suffix}")) as raw:
        assert np.array_equal(raw.raw_image_visible, CAMERA.shot(exposure).mosaic[:120, :160])
        assert raw.black_level_per_channel == [128] * 4
        assert raw.white_level == 4095
        assert raw.raw_pattern.tolist() in ([[0, 1], [3, 2]], [[0, 1], [1, 2]])
        assert raw.camera_whitebalance[:3] == pytest.approx([2, 1, 5 / 3], rel=1e-4)
        if suffix == "NEF":
            assert raw.raw_image.shape == (truth.geometry.height, truth.geometry.width)


@pytest.mark.parametrize("electronics", [TWELVE_BIT, Electronics()], ids=["12 bit", "14 bit"])
def test_compressions(tmp_path, electronics):
    """Files are lossless, lossy and uncompressed in turn, and LibRaw reads each as it should."""
    camera = replace(CAMERA, electronics=electronics)
    truth = write_shoot(camera, tmp_path, 12)
    seen = set()
    for exposure, (name,) in zip(truth.frames, truth.files, strict=True):
        with rawpy.imread(str(tmp_path / name)) as raw:
            error = np.abs(raw.raw_image_visible.astype(int) - camera.shot(exposure).mosaic[:120, :160])
        with tifffile.TiffFile(tmp_path / name) as file:
            seen.add((file.pages[0].pages[0].tags["Compression"].value, bool(error.max() == 0)))
        # Half the widest step of a lossy curve.
        assert error.max() <= (64 if electronics.bits == 14 else 16)
    assert seen == {(1, True), (34713, True), (34713, False)}


def test_same_bytes(tmp_path, shoot):
    """The same camera writes the same bytes again."""
    folder, truth = shoot
    write_shoot(CAMERA, tmp_path, 4, ("nef", "dng", "jpeg"), compressions=["lossless"])
    for name in sum(truth.files, ()):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


@pytest.mark.parametrize("suffix", ["NEF", "DNG", "JPG"])
def test_identity_by_exiv2(shoot, suffix):
    """The exiv2 library reads the camera, its serial number and the conditions from every kind of file."""
    folder, truth = shoot
    for exposure, name in zip(truth.frames, NAMES, strict=True):
        image = exiv2.ImageFactory.open(str(folder / f"{name}.{suffix}"))
        image.readMetadata()
        exif = image.exifData()
        fields = {key: exif[key].toString() for key in _KEYS}
        conditions = exposure.conditions
        hundredths = exposure.captured.microsecond // 10_000
        assert fields == {
            "Exif.Image.Make": "NIKON CORPORATION",
            "Exif.Image.Model": "NIKON D80",
            "Exif.Image.Software": "Ver.1.01",
            "Exif.Image.Orientation": str(conditions.orientation),
            "Exif.Nikon3.SerialNumber": "2233445",
            "Exif.Nikon3.ShutterCount": str(conditions.shutter_count),
            "Exif.Photo.DateTimeOriginal": exposure.captured.strftime("%Y:%m:%d %H:%M:%S"),
            "Exif.Photo.SubSecTimeOriginal": f"{hundredths:02d}",
            "Exif.Photo.ISOSpeedRatings": f"{conditions.iso:.0f}",
            "Exif.Photo.ExposureTime": fields["Exif.Photo.ExposureTime"],
        }
        numerator, denominator = map(int, fields["Exif.Photo.ExposureTime"].split("/"))
        assert numerator / denominator == pytest.approx(conditions.exposure_s, rel=1e-6)


_KEYS = (
    "Exif.Image.Make",
    "Exif.Image.Model",
    "Exif.Image.Software",
    "Exif.Image.Orientation",
    "Exif.Nikon3.SerialNumber",
    "Exif.Nikon3.ShutterCount",
    "Exif.Photo.DateTimeOriginal",
    "Exif.Photo.SubSecTimeOriginal",
    "Exif.Photo.ISOSpeedRatings",
    "Exif.Photo.ExposureTime",
)


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")
def test_files_are_sound_to_exiftool(shoot):
    """The exiftool validator finds nothing wrong with any file, and reads serial number and releases."""
    folder, truth = shoot
    command = ["exiftool", "-j", "-validate", "-SerialNumber", "-ShutterCount", *sorted(folder.iterdir())]
    entries = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    assert len(entries) == 12
    assert {entry["Validate"] for entry in entries} == {"OK"}
    assert {entry["SerialNumber"] for entry in entries} == {2233445}
    counts = {exposure.conditions.shutter_count for exposure in truth.frames}
    assert {entry["ShutterCount"] for entry in entries} == counts


def test_jpeg(shoot):
    """Pillow reads a JPEG of the visible size with a thumbnail that shows the same picture."""
    folder, truth = shoot
    exposure = truth.frames[0]
    with Image.open(folder / "DSC_0001.JPG") as image:
        assert image.size == (160, 120)
        pixels = np.asarray(image).astype(int)
        entry = image.getexif().get_ifd(0x8769)
    assert (entry[0xA002], entry[0xA003]) == (160, 120)
    expected = render(CAMERA.shot(exposure).mosaic, CAMERA.geometry, CAMERA.white_balance)
    assert np.abs(pixels - expected).mean() < 8
    file = exiv2.ImageFactory.open(str(folder / "DSC_0001.JPG"))
    file.readMetadata()
    small = bytes(exiv2.ExifThumb(file.exifData()).copy().data())
    with Image.open(io.BytesIO(small)) as thumbnail:
        assert thumbnail.size == (80, 60)
        shrunk = expected.reshape(60, 2, 80, 2, 3).mean((1, 3))
        assert np.abs(np.asarray(thumbnail) - shrunk).mean() < 8


def test_foreign_make(tmp_path):
    """A camera of another make writes JPEGs without a MakerNote, and no NEF."""
    camera = replace(CAMERA, make="Canon", model="Canon PowerShot S1 IS", serial=None)
    write_shoot(camera, tmp_path, 1, ("jpeg",))
    with Image.open(tmp_path / "DSC_0001.JPG") as image:
        exif = image.getexif()
        assert exif[0x010F] == "Canon"
        assert 0x927C not in exif.get_ifd(0x8769)
    with pytest.raises(ValueError, match="only a Nikon"):
        write_shoot(camera, tmp_path, 1, ("nef",))

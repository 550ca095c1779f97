import io
import json
import shutil
import subprocess
from datetime import datetime
from pathlib import Path

import exiv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from defectmap.errors import FailedPhotoError, PhotoError
from defectmap.media.metadata import PhotoInfo, read_info
from defectmap.media.nefwriter import nef_bytes
from defectmap.model.frame import Conditions
from defectmap.model.sensor import SensorIdentity

DATA = Path(__file__).parents[2] / ".." / "shared" / "data"
CAMERA = {"Exif.Image.Make": "Test Company", "Exif.Image.Model": "Test One"}


def photo(tags: dict[str, str] | None = None, size: tuple[int, int] = (40, 30)) -> bytes:
    """Make a JPEG with these tags, of a camera with a name."""
    file = io.BytesIO()
    Image.new("RGB", size, (90, 120, 60)).save(file, "JPEG")
    image = exiv2.ImageFactory.open(file.getvalue())
    image.readMetadata()
    exif = image.exifData()
    for key, value in {**CAMERA, **(tags or {})}.items():
        exif[key] = value
    image.writeMetadata()
    stream = image.io()
    stream.open()
    return bytes(stream.mmap())


def info(tags: dict[str, str] | None = None, size: tuple[int, int] = (40, 30)) -> PhotoInfo:
    """Read the tags back from a JPEG that has them."""
    return read_info(photo(tags, size), "jpeg")


REAL = [
    (
        "raw/nikon_d1.nef",
        SensorIdentity("NIKON CORPORATION", "NIKON D1", None),
        Conditions(
            datetime(2000, 11, 19, 13, 1, 50, 240000), 0.004, 200.0, None, 20.0, None, None, "Ver.1.05", None
        ),
    ),
    (
        "raw/truncated.nef",
        SensorIdentity("NIKON CORPORATION", "NIKON D7100", "7302381"),
        Conditions(
            datetime(2013, 9, 3, 9, 45, 16, 400000), 1 / 30, 100.0, 205, 50.0, None, 1, "Ver.1.01", "OFF"
        ),
    ),
    (
        "raw/canon_d30.crw",
        SensorIdentity("Canon", "Canon EOS D30", "0305465770"),
        Conditions(
            datetime(2018, 1, 1, 13, 3, 32), 1.0, 100.0, None, None, None, 1, "Firmware Version 1.03", None
        ),
    ),
    (
        "raw/linear_canon_6d.dng",
        SensorIdentity("Canon", "Canon EOS 6D", "033024001432"),
        Conditions(
            datetime(2019, 6, 6, 7, 29, 51), 1 / 60, 1000.0, None, 65.0, None, 1,
            "Adobe Photoshop Camera Raw 11.3.1 (Macintosh)", None,
        ),
    ),
    (
        "raw/canon_550d_frame.dng",
        SensorIdentity("Canon", "Canon EOS Kiss X4", None),
        Conditions(None, None, None, None, None, None, 1, "Magic Lantern", None),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "identity", "conditions"), REAL, ids=lambda value: str(value)[:30])
def test_real_raw_files(name: str, identity: SensorIdentity, conditions: Conditions) -> None:
    """Real raw files give the camera, its serial number and the conditions they were taken under."""
    path = DATA / name
    if not path.exists():
        pytest.skip(f"real photo {name} is not here")
    read = read_info(path.read_bytes(), "raw")
    assert read.identity == identity
    assert read.conditions == conditions
    assert (read.kind, read.width, read.height, read.not_original) == ("raw", None, None, None)


def test_real_jpegs_agree_with_exiftool() -> None:
    """Real photos give what exiftool reads from them, and pass as originals where they are."""
    exiftool = shutil.which("exiftool")
    paths = [path for folder in ("caliterra", "copr") for path in sorted((DATA / folder).glob("*.*"))[:2]]
    if exiftool is None or not paths:
        pytest.skip("exiftool or the real photos of caliterra and copr are not here")
    tags = [
        "-Make",
        "-Model",
        "-SerialNumber",
        "-ISO",
        "-ExposureTime",
        "-FocalLength",
        "-SubSecDateTimeOriginal",
    ]
    tags += ["-DateTimeOriginal", "-ImageWidth", "-ImageHeight", "-CameraTemperature"]
    output = subprocess.run([exiftool, "-j", "-n", *tags, *map(str, paths)], capture_output=True, check=True)
    for path, reference in zip(paths, json.loads(output.stdout), strict=True):
        read = read_info(path.read_bytes(), "jpeg")
        serial = reference.get("SerialNumber")
        assert read.identity == SensorIdentity(
            reference["Make"], reference["Model"], str(serial).zfill(10) if serial else None
        )
        assert (read.width, read.height) == (reference["ImageWidth"], reference["ImageHeight"])
        assert read.conditions.iso == reference["ISO"]
        assert read.conditions.exposure_s == pytest.approx(reference["ExposureTime"])
        assert read.conditions.focal_length_mm == pytest.approx(reference["FocalLength"])
        time = reference.get("SubSecDateTimeOriginal", reference["DateTimeOriginal"])
        expected = datetime.strptime(time, "%Y:%m:%d %H:%M:%S.%f" if "." in time else "%Y:%m:%d %H:%M:%S")
        assert read.conditions.captured == expected
        assert read.not_original is None


def test_resampled_real_photos_are_taken_at_their_stored_size() -> None:
    """Photos that were scaled down after they were taken are told by the size they are stored in."""
    paths = sorted((DATA / "seneca").glob("*.*"))
    if not paths:
        pytest.skip("real photos of seneca are not here")
    for path in paths[:3]:
        read = read_info(path.read_bytes(), "jpeg")
        assert read.not_original is None
        assert (read.width, read.height) in {(3240, 2430), (3600, 2700)}


def test_written_nef_is_read_back() -> None:
    """A NEF gives back the serial number, shutter count and conditions it was written with."""
    data = nef_bytes(
        np.zeros((64, 64), np.uint16),
        serial="3012345",
        exposure_s=1 / 250,
        iso=400,
        captured=datetime(2010, 5, 6, 7, 8, 9, 120000),
        shutter_count=1234,
        noise_reduction="FPNR",
        orientation=8,
    )
    read = read_info(data, "raw")
    assert read.identity == SensorIdentity("NIKON CORPORATION", "NIKON D80", "3012345")
    assert read.conditions == Conditions(
        datetime(2010, 5, 6, 7, 8, 9, 120000), 0.004, 400.0, 1234, None, None, 8, "Ver.1.01", "FPNR"
    )


@pytest.mark.parametrize(
    ("tags", "serial"),
    [
        ({}, None),
        ({"Exif.Photo.BodySerialNumber": "3012345"}, "3012345"),
        ({"Exif.Photo.BodySerialNumber": "  3012345 "}, "3012345"),
        ({"Exif.Photo.BodySerialNumber": "0000000"}, None),
        ({"Exif.Photo.BodySerialNumber": "\x01\x02\x03\x04"}, None),
        ({"Exif.Photo.BodySerialNumber": "ab"}, None),
        ({"Exif.Photo.BodySerialNumber": "0", "Exif.Image.CameraSerialNumber": "77"}, "77"),
        ({"Exif.Image.Make": "NIKON", "Exif.Nikon3.SerialNO": "NO= 100005e5 "}, "100005e5"),
        ({"Exif.Image.Make": "NIKON CORPORATION", "Exif.Nikon3.SerialNumber": "7302381"}, "7302381"),
        ({"Exif.Image.Make": "Canon", "Exif.Canon.SerialNumber": "520407283"}, "0520407283"),
        (
            {"Exif.Image.Make": "Panasonic", "Exif.Panasonic.InternalSerialNumber": "88 69 70 48 55 49 50"},
            "XEF0712",
        ),
        ({"Exif.Image.Make": "Panasonic", "Exif.Panasonic.InternalSerialNumber": "244 38 237 141"}, None),
        ({"Exif.Image.Make": "Panasonic", "Exif.Panasonic.InternalSerialNumber": "0 0 0 0 0"}, None),
    ],
)
def test_serial_numbers(tags: dict[str, str], serial: str | None) -> None:
    """Serial numbers come without what cameras put around them; encrypted and empty ones count as none."""
    assert info(tags).identity.serial == serial


@pytest.mark.parametrize(
    ("tags", "captured"),
    [
        ({}, None),
        ({"Exif.Photo.DateTimeOriginal": "2010:05:06 07:08:09"}, datetime(2010, 5, 6, 7, 8, 9)),
        (
            {"Exif.Photo.DateTimeOriginal": "2010:05:06 07:08:09", "Exif.Photo.SubSecTimeOriginal": "07"},
            datetime(2010, 5, 6, 7, 8, 9, 70000),
        ),
        (
            {
                "Exif.Photo.DateTimeOriginal": "0000:00:00 00:00:00",
                "Exif.Image.DateTime": "2011-01-02T03:04:05",
            },
            datetime(2011, 1, 2, 3, 4, 5),
        ),
        ({"Exif.Photo.DateTimeDigitized": "2010:05:06 07:08:09"}, datetime(2010, 5, 6, 7, 8, 9)),
        ({"Exif.Photo.DateTimeOriginal": "    :  :     :  :  "}, None),
        ({"Exif.Photo.DateTimeOriginal": "2010:13:40 25:00:00"}, None),
        ({"Exif.Image.DateTime": "1904:01:01 00:00:00"}, None),
    ],
)
def test_capture_times(tags: dict[str, str], captured: datetime | None) -> None:
    """The capture time has its sub-seconds; a clock that was never set counts as no time."""
    assert info(tags).conditions.captured == captured


@pytest.mark.parametrize(
    ("tags", "iso"),
    [
        ({}, None),
        ({"Exif.Photo.ISOSpeedRatings": "400"}, 400.0),
        ({"Exif.Photo.ISOSpeedRatings": "0"}, None),
        ({"Exif.Photo.ISOSpeedRatings": "65535", "Exif.Photo.RecommendedExposureIndex": "102400"}, 102400.0),
        ({"Exif.Photo.ISOSpeedRatings": "65535", "Exif.Photo.ISOSpeed": "204800"}, 204800.0),
        ({"Exif.Image.Make": "NIKON", "Exif.Nikon3.ISOSpeed": "0 200"}, 200.0),
        ({"Exif.Photo.ISOSpeedRatings": "100 0"}, 100.0),
    ],
)
def test_sensitivities(tags: dict[str, str], iso: float | None) -> None:
    """The sensitivity is found in whichever tag the camera wrote it."""
    assert info(tags).conditions.iso == iso


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("10/2500", 0.004),
        ("30/1", 30.0),
        ("0/100", None),
        ("1/0", None),
        ("0/0", None),
        ("2000000000/1", None),
    ],
)
def test_exposure_times(value: str, seconds: float | None) -> None:
    """An exposure of zero or of nonsense counts as unknown."""
    assert info({"Exif.Photo.ExposureTime": value}).conditions.exposure_s == seconds


@pytest.mark.parametrize("count", ["4294965247", "0"])
def test_nonsense_shutter_counts_are_dropped(count: str) -> None:
    """A shutter count that no body reaches counts as none."""
    tags = {"Exif.Image.Make": "NIKON", "Exif.Nikon3.ShutterCount": count}
    assert info(tags).conditions.shutter_count is None


@pytest.mark.parametrize(
    "software",
    [
        "Ver.1.01 ",
        "NIKON D80 Ver.1.01",
        "Firmware Version 1.0.2",
        "ILCE-7RM3 v3.10",
        "1.00",
        "HDR+ 1.0.540104767zd",
        "Digital Camera X100 Ver1.20",
        "KODAK EASYSHARE C713 ZOOM DIGITAL CAMERA",
        "HP PhotoSmart 945",
        "S908BXXU1AVB6",
        "Version 1.2",
        "Magic Lantern",
        "K-5 Ver 1.16",
        "16.4",
        "",
    ],
)
def test_firmware_passes_as_original(software: str) -> None:
    """Files that name only the camera's firmware are originals."""
    assert info({"Exif.Image.Software": software}).not_original is None


@pytest.mark.parametrize(
    "software",
    [
        "Adobe Photoshop CS6 (Windows)",
        "Adobe Photoshop Lightroom Classic 9.2 (Macintosh)",
        "GIMP 2.10.8",
        "darktable 4.2.1",
        "RawTherapee 5.9",
        "Nikon Capture Editor 4.3.1 W",
        "Capture NX-D 1.4.3 W",
        "NX Studio 1.2",
        "Picasa 3.0",
        "ACDSee Pro 7",
        "digiKam-7.1.0",
        "Snapseed 2.0",
        "Capture One 12 Macintosh",
        "ImageMagick 6.9",
        "paint.net 4.2",
        "Paint Shop Pro",
        "Photos 3.0",
        "Affinity Photo 1.8",
        "Microsoft Windows Photo Viewer 6.1.7600.16385",
        "Digital Photo Professional",
        "Hugin 2019",
    ],
)
def test_editors_are_named_in_the_reason(software: str) -> None:
    """A JPEG that an editor or converter wrote is not an original, and the reason names the program."""
    assert (
        info({"Exif.Image.Software": software}).not_original
        == f"was written by {software}, not by the camera"
    )


def test_converted_mosaics_are_originals_unless_merged() -> None:
    """A mosaic stays evidence through a converter to DNG, but not through a program that merges exposures."""
    moment = datetime(2020, 1, 1)
    mosaic = np.zeros((64, 64), np.uint16)
    converted = nef_bytes(mosaic, captured=moment, software="Adobe DNG Converter 16.4")
    merged = nef_bytes(mosaic, captured=moment, software="HDRMerge 0.5")
    assert read_info(converted, "raw").not_original is None
    assert read_info(merged, "raw").not_original == "was written by HDRMerge 0.5, not by the camera"


def test_another_size_than_stated_is_no_reason() -> None:
    """A JPEG that was resized but keeps what its camera wrote is taken: its size sets it apart."""
    read = info({"Exif.Photo.PixelXDimension": "80", "Exif.Photo.PixelYDimension": "60"})
    assert (read.width, read.height, read.not_original) == (40, 30, None)


def test_camera_without_a_name_is_no_camera() -> None:
    """A JPEG that names neither maker nor model is not taken for a camera's."""
    file = io.BytesIO()
    Image.new("RGB", (40, 30)).save(file, "JPEG")
    read = read_info(file.getvalue(), "jpeg")
    assert read.identity == SensorIdentity("", "", None)
    assert read.not_original == "does not say which camera took it"


def test_names_are_stripped() -> None:
    """Blanks and NULs around maker and model are dropped."""
    read = info({"Exif.Image.Make": " NIKON CORPORATION  ", "Exif.Image.Model": "NIKON D80\0\0  "})
    assert read.identity == SensorIdentity("NIKON CORPORATION", "NIKON D80", None)


@pytest.mark.parametrize("data", [b"", b"II*\0", bytes(64), b"\x89PNG\r\n\x1a\n" + bytes(40)])
def test_what_has_no_metadata_fails_with_a_sentence(data: bytes) -> None:
    """Bytes in which no metadata can be read end in a reason, never in exiv2's own exception."""
    with pytest.raises(FailedPhotoError, match="metadata"):
        read_info(data, "raw")


FULL = photo(
    {
        "Exif.Image.Make": "NIKON CORPORATION",
        "Exif.Nikon3.SerialNumber": "3012345",
        "Exif.Nikon3.ISOSpeed": "0 200",
        "Exif.Nikon3.NoiseReduction": "OFF ",
        "Exif.Nikon3.ShutterCount": "12",
        "Exif.Photo.ExposureTime": "1/60",
        "Exif.Photo.DateTimeOriginal": "2010:05:06 07:08:09",
        "Exif.Photo.SubSecTimeOriginal": "12",
        "Exif.Image.Orientation": "1",
        "Exif.Image.Software": "Ver.1.01",
    }
)
HEADER_END = FULL.index(b"\xff\xdb")


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_corrupt_headers_end_in_a_reason(data: st.DataObject) -> None:
    """Whatever bytes of a header are changed, reading ends in an answer or in a PhotoError."""
    content = bytearray(FULL)
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, HEADER_END))] = data.draw(st.integers(0, 255))
    try:
        read = read_info(bytes(content), data.draw(st.sampled_from(["jpeg", "raw"])))
    except PhotoError as error:
        assert error.reason
        assert error.reason.isprintable()
    else:
        assert read.identity.make.isprintable()

import io
import os
import shutil
import subprocess
from datetime import datetime
from pathlib import Path

import exiv2
import numpy as np
import pytest
import rawpy
from PIL import Image

from defectmap.errors import UnsupportedRawError
from defectmap.media.dng import dng_bytes
from defectmap.media.nefwriter import nef_bytes
from defectmap.media.raw import decode_raw
from defectmap.model.sensor import MosaicGeometry, RawColour
from defectmap.simulation import SimulatedCamera

REAL = Path(__file__).parents[2] / ".." / "shared" / "data" / "raw"
WHEN = datetime(2010, 5, 6, 7, 8, 9, 120_000)
D80 = RawColour(
    ((0.8629, -0.2410, -0.0883), (-0.9055, 1.6940, 0.2171), (-0.1490, 0.1363, 0.8520)),
    (1 / 2.1, 1.0, 1 / 1.7),
    "NIKON CORPORATION",
    "NIKON D80",
)


def _mosaic(height=66, width=96, seed=2):
    return np.random.default_rng(seed).normal(1500, 400, (height, width)).clip(60, 4000).astype(np.uint16)


def _geometry(mosaic, cfa=("RG", "GB"), black=None, white=4095):
    height, width = mosaic.shape
    phases = len(cfa) * len(cfa[0])
    return MosaicGeometry(
        height + 5, width + 9, 2, 3, height, width, cfa, black or (64,) * phases, white, "test"
    )


def _source(**arguments):
    return nef_bytes(
        np.pad(_mosaic(), ((0, 3), (0, 4))),
        captured=WHEN,
        serial="3012345",
        shutter_count=4321,
        white_balance=(2.1, 1.0, 1.7),
        **arguments,
    )


def _metadata(data):
    image = exiv2.ImageFactory.open(data)
    image.readMetadata()
    return {datum.key(): datum.toString() for datum in image.exifData()}


def _rendered(data):
    with rawpy.imread(io.BytesIO(data)) as raw:
        return raw.postprocess(
            demosaic_algorithm=rawpy.DemosaicAlgorithm.LINEAR,
            use_camera_wb=True,
            no_auto_bright=True,
            adjust_maximum_thr=0.0,
            output_bps=16,
        ).astype(int)


@pytest.mark.parametrize(
    "cfa",
    [
        ("RG", "GB"),
        ("GB", "RG"),
        ("BG", "GR"),
        ("GR", "BG"),
        ("GR", "GB", "GB", "GR"),
        ("GGRGGB", "GGBGGR", "BRGRBG", "GGBGGR", "GGRGGB", "RBGBRG"),
    ],
)
def test_libraw_reads_mosaic_pattern_and_levels(cfa):
    """LibRaw gives back the same mosaic, pattern, black and white levels for square and other patterns."""
    mosaic = _mosaic()
    geometry = _geometry(mosaic, cfa)
    frame = decode_raw(dng_bytes(mosaic, geometry, D80, source=None))
    assert np.array_equal(frame.mosaic, mosaic)
    assert frame.geometry.cfa == cfa
    assert set(frame.geometry.black) == {64}
    assert frame.geometry.white == 4095
    assert (frame.geometry.height, frame.geometry.width) == mosaic.shape


def test_black_levels_by_phase():
    """Each phase keeps its own black level, also where the pattern begins with blue."""
    mosaic = _mosaic()
    geometry = _geometry(mosaic, ("GB", "RG"), black=(61, 62, 63, 64))
    read = decode_raw(dng_bytes(mosaic, geometry, D80, source=None)).geometry
    assert (read.cfa, read.black) == (("GB", "RG"), (61, 62, 63, 64))


def test_rendering_is_the_cameras():
    """LibRaw renders the DNG as it renders the camera's file."""
    source = _source()
    frame = decode_raw(source)
    with rawpy.imread(io.BytesIO(source)) as raw:
        matrix = tuple(tuple(float(value) for value in row) for row in raw.rgb_xyz_matrix[:3])
    colour = RawColour(matrix, D80.neutral, D80.make, D80.model)
    difference = _rendered(source) - _rendered(dng_bytes(frame.mosaic, frame.geometry, colour, source=source))
    assert np.abs(difference).max() <= 9  # of 65535: the white balance is rounded differently


def test_dcraw_reads_the_mosaic(tmp_path):
    """Dcraw gives out the same photosites."""
    if shutil.which("dcraw") is None:
        pytest.skip("dcraw is not installed")
    mosaic = _mosaic()
    path = tmp_path / "a.dng"
    path.write_bytes(dng_bytes(mosaic, _geometry(mosaic), D80, source=_source()))
    pgm = subprocess.run(["dcraw", "-D", "-4", "-t", "0", "-c", path], capture_output=True, check=True).stdout
    assert np.array_equal(np.frombuffer(pgm[-2 * mosaic.size :], ">u2").reshape(mosaic.shape), mosaic)


def test_exiftool_finds_a_valid_file(tmp_path):
    """Exiftool validates the DNG and reads the camera's data in it."""
    if shutil.which("exiftool") is None:
        pytest.skip("exiftool is not installed")
    mosaic = _mosaic()
    path = tmp_path / "a.dng"
    path.write_bytes(dng_bytes(mosaic, _geometry(mosaic), D80, source=_source(), orientation=6))
    tags = (
        "-Make -Model -SerialNumber -ShutterCount -SubSecDateTimeOriginal -Orientation -DNGVersion -Validate"
    )
    out = subprocess.run(["exiftool", "-n", "-s3", *tags.split(), path], capture_output=True, check=True)
    assert out.stdout.decode().split("\n")[:-1] == [
        "NIKON CORPORATION", "NIKON D80", "3012345", "4321", "2010:05:06 07:08:09.12", "6", "1 3 0 0", "0 0 0"
    ]  # fmt: skip


def test_metadata_are_copied():
    """Every Exif, GPS and MakerNote value of the source is in the DNG, and the storage tags are its own."""
    image = exiv2.ImageFactory.open(_source())
    image.readMetadata()
    exif = image.exifData()
    exif["Exif.GPSInfo.GPSLatitude"] = "52/1 30/1 0/1"
    exif["Exif.Image.Artist"] = "Somebody"
    image.xmpData()["Xmp.dc.title"] = "A title"
    image.writeMetadata()
    stream = image.io()
    stream.open()
    source = bytes(stream.mmap())
    mosaic = _mosaic()
    data = dng_bytes(mosaic, _geometry(mosaic), D80, source=source)
    before, after = _metadata(source), _metadata(data)
    wanted = ("Photo", "GPSInfo", "Nikon3")
    kept = {key: value for key, value in before.items() if key.split(".")[1] in wanted}
    kept.pop("Exif.Photo.MakerNote")  # the same tags, laid out anew
    assert kept.items() <= after.items()
    assert after["Exif.Image.Artist"] == "Somebody"
    assert after["Exif.GPSInfo.GPSLatitude"] == "52/1 30/1 0/1"
    assert after["Exif.Image.ImageWidth"] == "96"
    assert not any("SubImage" in key for key in after)
    assert np.array_equal(decode_raw(data).mosaic, mosaic)


def test_unreadable_metadata_are_reported_and_cost_nothing_else(caplog):
    """A source whose metadata cannot be read gives a DNG without them and a warning."""
    mosaic = _mosaic()
    data = dng_bytes(mosaic, _geometry(mosaic), D80, source=b"no photo at all")
    assert np.array_equal(decode_raw(data).mosaic, mosaic)
    assert "cannot be copied" in caplog.text


def test_unknown_camera_has_a_matrix():
    """A camera without a colour matrix still gives a file that renders."""
    mosaic = _mosaic()
    unknown = RawColour(((0.0,) * 3,) * 3, (1.0, 1.0, 1.0), "", "")
    assert _rendered(dng_bytes(mosaic, _geometry(mosaic), unknown, source=None)).max() > 0


@pytest.mark.parametrize(
    ("cfa", "reason"),
    [
        (("GM", "CY"), "not red, green and blue"),
        (("W",), "not red"),
        (("RGB", "GBR", "BRG"), None),
        (("RGBGG",), "5 columns"),
    ],
)
def test_other_filters(cfa, reason):
    """Patterns that DNG readers do not know are refused with the reason; periods of 3 are written as 6."""
    mosaic = _mosaic()
    if reason is None:
        frame = decode_raw(dng_bytes(mosaic, _geometry(mosaic, cfa), D80, source=None))
        assert frame.geometry.cfa == cfa
        return
    with pytest.raises(UnsupportedRawError, match=reason):
        dng_bytes(mosaic, _geometry(mosaic, cfa), D80, source=None)


def test_foreign_mosaic_is_refused():
    """A mosaic that is not the geometry's visible area is an error of the caller."""
    mosaic = _mosaic()
    with pytest.raises(ValueError, match="visible area"):
        dng_bytes(mosaic[1:], _geometry(mosaic), D80, source=None)


@pytest.mark.parametrize("name", ["nikon_d1.nef", "canon_d30.crw", "sony_a7r3_crop.arw"])
def test_real_raws(name):
    """A real raw keeps its mosaic, pattern and black levels, and the metadata of its maker."""
    path = REAL / name
    if not path.exists():
        pytest.skip(f"real photo {name} is not here")
    source = path.read_bytes()
    frame = decode_raw(source)
    data = dng_bytes(frame.mosaic, frame.geometry, D80, source=source)
    read = decode_raw(data)
    assert np.array_equal(read.mosaic, frame.mosaic)
    assert (read.geometry.cfa, read.geometry.black, read.geometry.white) == (
        frame.geometry.cfa,
        frame.geometry.black,
        frame.geometry.white,
    )
    after = _metadata(data)
    assert after.get("Exif.Photo.ExposureTime") == _metadata(source)["Exif.Photo.ExposureTime"]
    assert any(key.split(".")[1].startswith(("Nikon", "Canon", "Sony")) for key in after)


@pytest.mark.parametrize(
    ("program", "command"),
    [
        ("rawtherapee-cli", ["rawtherapee-cli", "-o", "{out}", "-n", "-b8", "-Y", "-c", "{dng}"]),
        ("darktable-cli", ["darktable-cli", "{dng}", "{out}", "--core", "--configdir", "{settings}"]),
    ],
)
def test_raw_converters_open_it(tmp_path, program, command):
    """RawTherapee and darktable render the file: a picture of its size, with the light where it is."""
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    frame, _ = next(SimulatedCamera(seed=3, height=240, width=320, defects=()).frames_raw(1))
    mosaic = frame.mosaic
    mosaic[:, :160] //= 8
    path = tmp_path / "frame.dng"
    path.write_bytes(dng_bytes(mosaic, frame.geometry, D80, source=None))
    places = {"dng": str(path), "out": str(tmp_path / "out.png"), "settings": str(tmp_path / "settings")}
    environment = {**os.environ, "HOME": str(tmp_path)}
    filled = [word.format(**places) for word in command]
    subprocess.run(filled, check=True, capture_output=True, timeout=120, env=environment)
    with Image.open(tmp_path / "out.png") as image:
        grey = np.asarray(image.convert("L"), float)
    assert abs(grey.shape[0] - 240) <= 16
    assert abs(grey.shape[1] - 320) <= 16
    assert grey[:, 180:].mean() > 1.3 * grey[:, :140].mean()

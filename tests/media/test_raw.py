import contextlib
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import rawpy
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from defectmap.errors import FailedPhotoError, PhotoError, SkippedPhotoError
from defectmap.media import raw as raw_module
from defectmap.media.raw import decode_raw, read_colour
from defectmap.model.sensor import SensorIdentity
from defectmap.simulation.camera import SimulatedCamera
from defectmap.simulation.files import write_shoot

REAL = Path(__file__).parents[2] / ".." / "shared" / "data" / "raw"
X_TRANS = ("GGRGGB", "GGBGGR", "BRGRBG", "GGBGGR", "GGRGGB", "RBGBRG")


def real(name: str) -> bytes:
    """Read a real photo, or skip."""
    path = REAL / name
    if not path.exists():
        pytest.skip(f"real photo {name} is not here")
    return path.read_bytes()


def dng(
    mosaic: np.ndarray,
    cfa: Sequence[str] = ("RG", "GB"),
    active: tuple[int, int, int, int] | None = None,
    black: Sequence[int] = (100,),
    white: int = 4000,
    extra: Sequence[tuple] = (),
) -> bytes:
    """Write the least DNG that LibRaw reads as a mosaic."""
    height, width = mosaic.shape
    rows, cols = len(cfa), len(cfa[0])
    codes = bytes("RGB".index(letter) for row in cfa for letter in row)
    repeat = (2, 2) if len(black) == 4 else (1, 1)
    tags = [
        (271, 2, 0, "Test", True),
        (272, 2, 0, "Camera", True),
        (33421, 3, 2, (rows, cols), True),
        (33422, 1, len(codes), codes, True),
        (50706, 1, 4, bytes([1, 4, 0, 0]), True),
        (50708, 2, 0, "Test Camera", True),
        (50710, 1, 3, bytes([0, 1, 2]), True),
        (50713, 3, 2, repeat, True),
        (50714, 3, len(black), tuple(black), True),
        (50717, 3, 1, white, True),
        (50829, 4, 4, active or (0, 0, height, width), True),
        *extra,
    ]
    file = io.BytesIO()
    tifffile.imwrite(file, mosaic, rowsperstrip=height, photometric=32803, metadata=None, extratags=tags)
    return file.getvalue()


def noise(height: int, width: int) -> np.ndarray:
    """Make a mosaic of seeded noise."""
    return np.random.default_rng(1).integers(100, 3900, (height, width), dtype=np.uint16)


REAL_FRAMES = [
    # name, stored, visible, origin, pattern, black, white
    ("nikon_d1.nef", (1324, 2012), (1324, 2012), (0, 0), ("BG", "GR"), (0, 0, 0, 0), 4095),
    ("sony_a7r3_crop.arw", (3464, 5216), (3464, 5184), (0, 0), ("RG", "GB"), (512,) * 4, 16383),
    ("canon_d30.crw", (1456, 2224), (1448, 2176), (6, 48), ("RG", "GB"), (127, 128, 128, 128), 4095),
    ("canon_550d_frame.dng", (1182, 1888), (1156, 1734), (26, 152), ("RG", "GB"), (2056,) * 4, 15000),
    ("kodak_dc50.kdc", (512, 768), (512, 768), (0, 0), ("GR", "BG"), (0, 0, 0, 0), 16383),
]


@pytest.mark.parametrize(("name", "stored", "visible", "origin", "cfa", "black", "white"), REAL_FRAMES)
def test_real_raw_files_decode_with_their_layout(name, stored, visible, origin, cfa, black, white) -> None:
    """Raw files of five cameras decode with the stored size, margins, pattern and levels they have."""
    frame = decode_raw(real(name))
    geometry = frame.geometry
    assert (geometry.height, geometry.width) == stored
    assert (geometry.visible_height, geometry.visible_width) == visible == frame.mosaic.shape
    assert (geometry.top, geometry.left) == origin
    assert (geometry.cfa, geometry.black, geometry.white) == (cfa, black, white)
    assert frame.mosaic.dtype == np.uint16
    assert frame.mosaic.flags.c_contiguous
    assert frame.mosaic.flags.writeable
    assert (frame.grid.kind, frame.grid.height, frame.grid.width) == ("raw", *stored)
    assert geometry.decoder.startswith("rawpy ")
    assert "LibRaw" in geometry.decoder


@pytest.mark.parametrize("name", ["linear_canon_6d.dng", "linear_nikon_d500.dng"])
def test_demosaiced_raws_are_skipped(name: str) -> None:
    """A raw file that was demosaiced already is skipped with that reason."""
    with pytest.raises(SkippedPhotoError, match="holds demosaiced colour, not a mosaic"):
        decode_raw(real(name))


def test_truncated_nef_fails() -> None:
    """A NEF that was cut short is reported as failed."""
    with pytest.raises(FailedPhotoError, match="ends too early"):
        decode_raw(real("truncated.nef"))


@pytest.mark.parametrize(
    "name", ["canon_550d_frame.dng", "canon_d30.crw", "kodak_dc50.kdc", "nikon_d1.nef", "sony_a7r3_crop.arw"]
)
@pytest.mark.parametrize("kept", [0.3, 0.9, 0.9999])
def test_no_cut_real_raw_passes_for_whole(name: str, kept: float) -> None:
    """A raw file cut anywhere is never accepted, even where LibRaw itself would not complain."""
    data = real(name)
    with pytest.raises(FailedPhotoError):
        decode_raw(data[: int(len(data) * kept)])


@pytest.mark.parametrize("cfa", [("RG", "GB"), ("BG", "GR"), ("GR", "BG"), ("GB", "RG")])
@pytest.mark.parametrize("active", [None, (2, 4, 60, 96), (1, 2, 61, 97), (2, 1, 62, 98), (3, 5, 63, 99)])
def test_pattern_is_counted_from_the_visible_origin(cfa, active) -> None:
    """Whatever the margins, each photosite has the colour that the DNG's pattern gives it."""
    mosaic = noise(64, 100)
    frame = decode_raw(dng(mosaic, cfa, active))
    geometry = frame.geometry
    top, left = (active or (0, 0))[:2]
    rows = slice(geometry.top, geometry.top + geometry.visible_height)
    cols = slice(geometry.left, geometry.left + geometry.visible_width)
    assert np.array_equal(frame.mosaic, mosaic[rows, cols])
    for row in range(geometry.top, geometry.top + 3):
        for col in range(geometry.left, geometry.left + 3):
            assert geometry.colour(row, col) == cfa[(row - top) % 2][(col - left) % 2]


def test_x_trans_pattern_of_six_by_six() -> None:
    """A 6x6 X-Trans pattern comes out whole, counted from the visible origin, with 36 black levels."""
    geometry = decode_raw(dng(noise(66, 90), X_TRANS, active=(7, 13, 60, 88))).geometry
    assert (geometry.top, geometry.left) == (7, 13)
    assert geometry.cfa == X_TRANS
    assert geometry.black == (100,) * 36


def test_black_level_of_each_phase() -> None:
    """Black levels that differ by phase are given in the order of the pattern, row by row."""
    geometry = decode_raw(dng(noise(64, 64), ("GB", "RG"), black=(101, 102, 103, 104))).geometry
    assert geometry.cfa == ("GB", "RG")
    assert geometry.black == (101, 102, 103, 104)
    assert [geometry.black[geometry.phase(row, col)] for row in (0, 1) for col in (0, 1)] == [
        101,
        102,
        103,
        104,
    ]


def test_monochrome_sensor_is_one_colour() -> None:
    """A sensor without colour filters is a mosaic of period one and colour W."""
    data = bytearray(dng(noise(64, 64)))
    photometric = data.index(bytes.fromhex("0601 0300 01000000 2380 0000"))
    data[photometric + 8 : photometric + 10] = (34892).to_bytes(2, "little")
    frame = decode_raw(bytes(data))
    assert frame.geometry.cfa == ("W",)
    assert frame.geometry.black == (100,)
    assert np.array_equal(frame.mosaic, noise(64, 64))


def test_diagonal_sensors_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sensor whose rows lie diagonally is skipped with that reason, not decoded wrongly."""

    class Diagonal:
        sizes = rawpy.ImageSizes(*[0] * len(rawpy.ImageSizes._fields))._replace(
            raw_height=2944, raw_width=1472, height=2943, width=2944
        )

    with pytest.raises(SkippedPhotoError, match="diagonal"):
        raw_module._geometry(Diagonal())


@pytest.mark.parametrize(
    "data", [b"", b"II*\0", b"MM\0*" + bytes(100), b"\xff\xd8\xff" + bytes(500), bytes(5000)]
)
def test_what_is_no_raw_file_fails_with_a_sentence(data: bytes) -> None:
    """Bytes that are no raw file at all end in a reason, never in LibRaw's own exception."""
    with pytest.raises(FailedPhotoError, match=r"is damaged|ends too early|cannot be decoded"):
        decode_raw(data)


def test_white_level_must_be_above_black() -> None:
    """A file whose levels contradict each other is reported as failed."""
    with pytest.raises(FailedPhotoError, match="white level"):
        decode_raw(dng(noise(64, 64), black=(5000,), white=4000))


def test_colour_of_a_known_camera() -> None:
    """A camera in LibRaw's tables gets its matrix, and the white balance that the photo was taken with."""
    colour = read_colour(real("sony_a7r3_crop.arw"), SensorIdentity("SONY", "ILCE-7RM3", None))
    assert colour.matrix == ((0.664, -0.1847, -0.0503), (-0.5238, 1.301, 0.2474), (-0.0993, 0.1673, 0.6527))
    assert colour.neutral == pytest.approx((1024 / 2528, 1.0, 1024 / 1564))
    assert (colour.make, colour.model) == ("SONY", "ILCE-7RM3")


def test_colour_of_an_unknown_camera_comes_from_its_dng() -> None:
    """A DNG of a camera nobody knows keeps the matrix and the neutral that it states."""
    matrix = (0.6, -0.2, -0.1, -0.5, 1.3, 0.25, -0.1, 0.2, 0.7)
    fractions = tuple(n for value in matrix for n in (round(value * 10000), 10000))
    neutral = (4096, 10000, 10000, 10000, 7000, 10000)
    extra = [(50721, 10, 9, fractions, True), (50728, 5, 3, neutral, True), (50778, 3, 1, 21, True)]
    colour = read_colour(dng(noise(64, 64), extra=extra), SensorIdentity("Test", "Camera", None))
    assert np.ravel(colour.matrix) == pytest.approx(matrix, abs=0.003)
    assert colour.neutral == pytest.approx((0.4096, 1.0, 0.7), abs=1e-4)


def test_colour_without_white_balance_is_daylight() -> None:
    """Where the file states no white balance, the neutral is that of daylight."""
    colour = read_colour(real("canon_d30.crw"), SensorIdentity("Canon", "Canon EOS D30", None))
    assert 0 < colour.neutral[0] < colour.neutral[2] < 1
    assert colour.neutral[1] == 1


SMALL = dng(noise(32, 48))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_corrupt_files_end_in_a_reason(data: st.DataObject) -> None:
    """Whatever bytes are changed, cut or put in, decoding ends in a frame or in a PhotoError."""
    content = bytearray(SMALL)
    header = data.draw(st.booleans())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, 400 if header else len(content) - 1))] = data.draw(
            st.integers(0, 255)
        )
    if data.draw(st.booleans()):
        at = data.draw(st.integers(0, len(content)))
        content[at:at] = data.draw(st.binary(max_size=20))
    try:
        frame = decode_raw(bytes(content))
    except PhotoError as error:
        assert error.reason
    else:
        geometry = frame.geometry
        assert frame.mosaic.shape == (geometry.visible_height, geometry.visible_width)
        assert len(geometry.black) == geometry.period[0] * geometry.period[1]


def test_libraw_is_not_heard(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Of damaged data only the reason is told, by what is raised; LibRaw's own words name no file."""
    write_shoot(SimulatedCamera(height=60, width=80), tmp_path, 1, ("nef",), compressions=("lossless",))
    content = bytearray((tmp_path / "DSC_0001.NEF").read_bytes())
    beyond = bytearray(content)
    table = content.index(b"\x00\x96\x00\x07")  # of the coding, in the MakerNote
    beyond[table + 8 : table + 12] = b"\x7f\xff\xff\xff"
    for damaged in (content[:-400] + bytes(400), content[:-400] + b"\xff" * 400, beyond):
        with contextlib.suppress(PhotoError):
            decode_raw(bytes(damaged))
    assert capfd.readouterr() == ("", "")

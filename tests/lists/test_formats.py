"""What every format has in common, and what each says of its own."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from defectmap.lists import opcodes
from defectmap.lists.content import About, ListError
from defectmap.lists.dcraw import GUARD, unix_time
from defectmap.lists.frames import Frame
from defectmap.lists.names import converter_name, file_name
from defectmap.lists.registry import FORMATS, read_list, write_list
from defectmap.model.defects import Defect, DefectMap, Kind, Period, Structure, StructureKind
from defectmap.model.sensor import MosaicGeometry, SensorIdentity

CANON = MosaicGeometry(60, 90, 8, 12, 46, 70, ("RG", "GB"), (0,) * 4, 4095, "test")
BODY = SensorIdentity("Canon", "Canon EOS 450D", "987654")
ABOUT = About(BODY, CANON.grid, CANON, "defectmap 9", 3)
ONSET = datetime(2010, 6, 20, 12)
COLUMN = Structure(StructureKind.COLUMN, 8, 40, 54, 41)
PART = Structure(StructureKind.ROW, 30, 20, 31, 32)
GAPS = Structure(StructureKind.COLUMN, 9, 60, 50, 61, (2, 1))


def _defect(row: int, col: int, kind: Kind = Kind.HOT, **more: object) -> Defect:
    return Defect(row, col, kind, CANON.colour(row, col), 5.0, "DN", 9.0, 4, 3, **more)  # type: ignore[arg-type]


def _sites(name: str, data: bytes) -> set[tuple[int, int]]:
    return {(s.row, s.col) for s in read_list(FORMATS[name], data, CANON.grid, CANON)}


visible_sites = st.sets(st.tuples(st.integers(8, 53), st.integers(12, 81)), max_size=30)


@pytest.mark.parametrize("name", FORMATS)
@given(sites=visible_sites, lines=st.sets(st.sampled_from([COLUMN, PART, GAPS])))
def test_there_and_back(name: str, sites: set[tuple[int, int]], lines: set[Structure]) -> None:
    """Every format gives back each bad photosite of a body with margins in its place, those of lines too."""
    found = DefectMap(CANON.grid, tuple(_defect(*site) for site in sites), tuple(lines))
    wanted = sites | {site for line in lines for site in line.sites()}
    assert _sites(name, write_list(FORMATS[name], ABOUT, found)) == wanted


def test_what_each_says_of_one_photosite() -> None:
    """Row 20, column 30 of a frame with margins of 8 and 12 is counted as each program counts."""
    found = DefectMap(CANON.grid, (_defect(20, 30, periods=(Period(ONSET),)),))
    text = {
        name: write_list(FORMATS[name], ABOUT, found).decode().splitlines()[-1]
        for name in ("dcraw", "rawtherapee", "art", "siril", "pixinsight", "lsst")
    }
    assert text == {
        "dcraw": f"18 12 {unix_time(ONSET)}",
        "rawtherapee": "18 12",
        "art": "18 12",
        "siril": "P 18 12 H",
        "pixinsight": "Col 18 12 12",
        "lsst": "18,33,1,1",
    }
    assert write_list(FORMATS["csv"], ABOUT, found).decode().splitlines()[1].startswith("20,30,hot,")
    document = json.loads(write_list(FORMATS["json"], ABOUT, found))
    assert (document["defects"][0]["row"], document["defects"][0]["col"]) == (20, 30)
    assert document["visible"] == {"top": 8, "left": 12, "width": 70, "height": 46}
    mask = Image.open(io.BytesIO(write_list(FORMATS["png"], ABOUT, found)))
    assert (mask.size, mask.mode, mask.getpixel((18, 12)), mask.getbbox()) == (
        (70, 46),
        "L",
        255,
        (18, 12, 19, 13),
    )
    code = write_list(FORMATS["dng"], ABOUT, found)
    assert code[-8:] == bytes([0, 0, 0, 20, 0, 0, 0, 30])


def test_columns_and_rows() -> None:
    """Formats that have columns and rows name them as such, whole or in part."""
    found = DefectMap(CANON.grid, (), (COLUMN, PART))
    text = {
        name: write_list(FORMATS[name], ABOUT, found).decode() for name in ("siril", "pixinsight", "lsst")
    }
    assert "C 28 0 H" in text["siril"].splitlines() and text["siril"].count("P ") == 12
    assert text["pixinsight"].splitlines() == ["Col 28", "Row 22 8 19"]
    assert text["lsst"].splitlines()[-2:] == ["28,0,1,46", "8,23,12,1"]


def test_a_fits_mask_is_read_by_another_program() -> None:
    """Pillow shows the mask as it is: a FITS image with its first row at the bottom."""
    found = DefectMap(CANON.grid, (_defect(20, 30), _defect(8, 12)))
    data = write_list(FORMATS["fits"], ABOUT, found)
    assert len(data) % 2880 == 0
    picture = Image.open(io.BytesIO(data))
    assert picture.size == (70, 46)
    bad = {(x, y) for x in range(70) for y in range(46) if picture.getpixel((x, y))}
    assert bad == {(18, 12), (0, 0)}


def test_a_fits_mask_is_read_by_astropy() -> None:
    """The library astropy has nothing to complain of, and finds the photosite counted from the bottom."""
    fits = pytest.importorskip("astropy.io.fits")
    with fits.open(
        io.BytesIO(write_list(FORMATS["fits"], ABOUT, DefectMap(CANON.grid, (_defect(20, 30),))))
    ) as f:
        f.verify("exception")
        assert f[0].data.sum() == 1 and f[0].data[33, 18] == 1


def test_masks_of_the_stored_frame_and_from_the_top() -> None:
    """A mask's own size and ROWORDER say what it counts in."""
    whole = Image.new("L", (90, 60))
    whole.putpixel((30, 20), 7)
    stream = io.BytesIO()
    whole.save(stream, "PNG")
    assert _sites("png", stream.getvalue()) == {(20, 30)}
    data = write_list(FORMATS["fits"], ABOUT, DefectMap(CANON.grid, (_defect(20, 30),)))
    assert _sites("fits", data) == {(20, 30)}
    assert _sites("fits", data.replace(b"'BOTTOM-UP'", b"'TOP-DOWN' ")) == {(8 + 33, 30)}


@given(st.datetimes(datetime(1980, 1, 1), datetime(2060, 1, 1)))
def test_times_of_dcraw(onset: datetime) -> None:
    """An entry acts on every photo after its onset, in whatever time zone its reader lives."""
    time = unix_time(onset)
    for hours in (-12, 0, 14):
        photo = (onset + timedelta(seconds=1) - timedelta(hours=hours) - datetime(1970, 1, 1)).total_seconds()
        assert time <= photo or time == 2**31 - 1
    if time < 2**31 - 1:
        assert onset - GUARD - datetime(1970, 1, 1) < timedelta(seconds=time + 1)
    assert unix_time(None) == 0


def test_dates_come_back() -> None:
    """The time of dcraw is that of the camera's clock; CSV and JSON keep healing as well."""
    found = DefectMap(
        CANON.grid,
        (_defect(20, 30, periods=(Period(ONSET, ONSET + timedelta(1), first_good=ONSET + timedelta(9)),)),),
    )
    for name in ("csv", "json"):
        (site,) = read_list(FORMATS[name], write_list(FORMATS[name], ABOUT, found), CANON.grid, CANON)
        assert (site.since, site.until) == (ONSET, ONSET + timedelta(9))
    (site,) = read_list(FORMATS["dcraw"], b"18 12 1277035200\n1 1 0 # dead\n\n"[:17], CANON.grid, CANON)
    assert site.since == datetime(2010, 6, 20, 12)


def test_crowded_sites_are_named_again() -> None:
    """In a list of dcraw two bad neighbours come by several times, a lone site once."""
    found = DefectMap(CANON.grid, (_defect(20, 30), _defect(20, 32), _defect(40, 60)))
    lines = write_list(FORMATS["dcraw"], ABOUT, found).decode().splitlines()
    assert [lines.count(f"{x} {y} 0") for x, y in ((18, 12), (20, 12), (48, 32))] == [4, 4, 1]
    assert max(map(len, lines)) < 127


def test_suspects_are_told_apart_or_left_out() -> None:
    """CSV and JSON list suspects as such, and give none back; other formats leave them out."""
    found = DefectMap(CANON.grid, (_defect(20, 30), _defect(25, 35, certain=False, missing="proof")))
    for name in FORMATS:
        data = write_list(FORMATS[name], ABOUT, found)
        assert _sites(name, data) == {(20, 30)}
        assert (b"proof" in data) == (name in ("csv", "json"))


def test_the_offset_of_rawtherapee() -> None:
    """A first line with a single number moves all; later columns are passed over."""
    assert _sites("rawtherapee", b"4\n10 20\n13 20 0\n") == {(32, 26), (32, 29)}
    assert _sites("rawtherapee", b"# 4\n10 20\n") == {(28, 22)}


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("dcraw", "10 20\n", "no time in line 1"),
        ("dcraw", "10 20 0\nx y\n", "in line 2"),
        ("dcraw", "70 20 0\n", "outside of the 70 x 46"),
        ("dcraw", "-1 20 0\n", "outside"),
        ("dcraw", "1 20 99999999999999\n", "in no calendar"),
        ("rawtherapee", "ten 20\n", "in line 1"),
        ("siril", "Q 1 2 H\n", "in line 1"),
        ("siril", "P 1\n", "in line 1"),
        ("siril", "P nan inf H\n", "in line 1"),
        ("pixinsight", "Diagonal 3\n", "in line 1"),
        ("pixinsight", "Col 3 9 2\n", "ends before it begins"),
        ("pixinsight", "Col 70\n", "outside"),
        ("lsst", "a,b\n1,2\n", "has the columns"),
        ("lsst", "x0,y0,width,height\n1,2,0,1\n", "empty box"),
        ("lsst", "x0,y0,width,height\n0,0,70,46\n", "too many"),
        ("csv", "", "has no table"),
        ("csv", "row,kind\n1,hot\n", "has the columns"),
        ("csv", "row,col,first_bad\n1,2,yesterday\n", "line 2"),
        ("json", "{}", "is no list"),
        ("json", "[1, 2]", "is no list"),
        ("json", '{"height": 5, "width": 6, "defects": []}', "does not fit"),
        ("png", "nothing", "is not a picture: check --format"),
        ("fits", "nothing", "is not a FITS file"),
        ("fits", "SIMPLE  =", "without an end"),
        ("dng", "abc", "cut off"),
        ("siril", "P\0", "not a text file"),
    ],
)
def test_what_is_no_list_is_refused(name: str, text: str, reason: str) -> None:
    """A damaged or foreign list is refused in a sentence that names the place."""
    with pytest.raises(ListError, match=reason):
        _sites(name, text.encode())


@pytest.mark.parametrize("name", FORMATS)
@given(
    data=st.one_of(
        st.binary(max_size=200), st.text("CLPRowcl0123456789 ,-.#\n'\"{}[]:e", max_size=80).map(str.encode)
    )
)
def test_nothing_but_a_list_error(name: str, data: bytes) -> None:
    """Whatever the bytes are, a reader gives sites or says what is wrong."""
    head = b"SIMPLE  =" if name == "fits" and data[:1] > b"\x80" else b""
    try:
        read_list(FORMATS[name], head + data, CANON.grid, CANON)
    except ListError as error:
        assert str(error) and not str(error).endswith(".")


def test_masks_that_are_inverted_or_inexact_are_refused() -> None:
    """A mask that is mostly bad, one with loss, and one of another size."""
    for mode, size, form, reason in (
        ("L", (70, 46), "PNG", "more than half"),
        ("L", (70, 46), "JPEG", "with loss"),
        ("L", (46, 70), "PNG", "more than half"),
    ):
        stream = io.BytesIO()
        Image.new(mode, size, 255).save(stream, form)
        with pytest.raises(ListError, match=reason):
            _sites("png", stream.getvalue())
    stream = io.BytesIO()
    Image.new("L", (46, 70)).save(stream, "PNG")
    with pytest.raises(ListError, match="46 x 70"):
        _sites("png", stream.getvalue())


def test_opcodes_are_joined_once() -> None:
    """Opcodes of a file stay, in front; the same list is not added twice."""
    mine = write_list(FORMATS["dng"], ABOUT, DefectMap(CANON.grid, (_defect(20, 30),)))
    warp = bytes([0, 0, 0, 1]) + bytes([0, 0, 0, 1, 1, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]) + b"zz"
    both = opcodes.joined(warp, mine)
    assert both[:4] == bytes([0, 0, 0, 2]) and both[4:22] == warp[4:] and both[22:] == mine[4:]
    assert opcodes.joined(both, mine) == both
    assert opcodes.joined(b"", mine) == mine


@pytest.mark.parametrize(("cfa", "phase"), [("GRBG", 0), ("RGGB", 1), ("BGGR", 2), ("GBRG", 3)])
def test_the_bayer_phase_counts_from_the_stored_frame(cfa: str, phase: int) -> None:
    """The phase is that of the first stored photosite, not of the first visible one."""
    even = replace(CANON, cfa=(cfa[:2], cfa[2:]))
    assert opcodes.bayer_phase(even) == phase
    swapped = {"GRBG": "RGGB", "RGGB": "GRBG", "BGGR": "GBRG", "GBRG": "BGGR"}[cfa]
    odd = replace(CANON, left=13, cfa=(swapped[:2], swapped[2:]))
    assert opcodes.bayer_phase(odd) == phase


def test_another_frame() -> None:
    """A list may count in a frame of its own, such as that of a DNG that holds the visible area alone."""
    frame = Frame(8, 12, 46, 70)
    data = write_list(FORMATS["dng"], ABOUT, DefectMap(CANON.grid, (_defect(20, 30),)), frame)
    assert data[-8:] == bytes([0, 0, 0, 12, 0, 0, 0, 18])
    (site,) = read_list(FORMATS["dng"], data, CANON.grid, CANON, frame)
    assert (site.row, site.col) == (20, 30)


def test_names() -> None:
    """Lists are named as the reading program looks for them; without a serial number if there is none."""
    nikon = SensorIdentity("NIKON CORPORATION", "NIKON D80", "3012345")
    assert FORMATS["rawtherapee"].file_name(nikon) == "Nikon D80 3012345.badpixels"
    assert FORMATS["art"].file_name(replace(nikon, serial=None)) == "Nikon D80.badpixels"
    assert FORMATS["dcraw"].file_name(nikon) == ".badpixels"
    assert converter_name(BODY) == "Canon EOS 450D"
    assert converter_name(SensorIdentity("SONY", "ILCE-7S", None)) == "Sony ILCE-7S"
    assert converter_name(SensorIdentity("", "", None)) == "camera"
    assert file_name(SensorIdentity("A/S", "X:1", "7/8"), ".lst") == "A_S X_1 7_8.lst"

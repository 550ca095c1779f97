"""The programs that the lists are for, as judges: each changes pictures where it should and nowhere else."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import rawpy
import tifffile
from PIL import Image

from defectmap.lists import opcodes
from defectmap.lists.content import About
from defectmap.lists.registry import FORMATS, write_list
from defectmap.media.dngopcodes import read_image, with_opcodes
from defectmap.media.raw import decode_raw
from defectmap.model.defects import Defect, DefectMap, Kind, Period, Structure, StructureKind
from defectmap.model.sensor import SensorIdentity

from .photos import LEVEL, MARGINS, SITES, TAKEN, dng, mosaic

ABOUT = About(SensorIdentity("Canon", "Canon EOS 450D", None), MARGINS.grid, MARGINS, "defectmap 9", 1)
TOP, LEFT = MARGINS.top, MARGINS.left
REAL = Path(__file__).parents[2] / ".." / "shared" / "data" / "raw" / "canon_550d_frame.dng"


def _needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


def _found(sites: tuple[tuple[int, int], ...], *lines: Structure, **dates: datetime | None) -> DefectMap:
    entries = tuple(
        Defect(r, c, Kind.HOT, MARGINS.colour(r, c), 9.0, "DN", 9.0, 4, 3, periods=(Period(**dates),))
        for r, c in sites
    )
    return DefectMap(MARGINS.grid, entries, lines)


def _list(name: str, found: DefectMap, path: Path) -> Path:
    path.write_bytes(write_list(FORMATS[name], ABOUT, found))
    return path


def _run(*words: object, **variables: str) -> bytes:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **variables}
    done = subprocess.run(
        [str(word) for word in words], check=True, capture_output=True, env=environment, timeout=100
    )
    return done.stdout


def _visible(sites: tuple[tuple[int, int], ...]) -> set[tuple[int, int]]:
    return {(row - TOP, col - LEFT) for row, col in sites}


def _dcraw(photo: Path, bad: Path | None) -> np.ndarray:
    """Return the mosaic that dcraw goes on with."""
    picture = Image.open(io.BytesIO(_run("dcraw", "-D", "-4", "-c", *(("-P", bad) if bad else ()), photo)))
    return np.asarray(picture).astype(int)


def _libraw(photo: Path, bad: Path | None) -> np.ndarray:
    """Return the picture that LibRaw makes, plainly interpolated."""
    settings = rawpy.Params(
        demosaic_algorithm=rawpy.DemosaicAlgorithm.LINEAR,
        no_auto_bright=True,
        adjust_maximum_thr=0.0,
        gamma=(1, 1),
        output_bps=16,
        output_color=rawpy.ColorSpace.raw,
        user_flip=0,
    )
    if bad is not None:
        settings.bad_pixels = os.fsencode(bad)
    with rawpy.imread(str(photo)) as raw:
        return raw.postprocess(settings).astype(int)


def _changed(before: np.ndarray, after: np.ndarray) -> set[tuple[int, int]]:
    different = before != after
    different = different.any(axis=2) if different.ndim == 3 else different
    return {(int(row), int(col)) for row, col in zip(*np.nonzero(different), strict=True)}


def _only_around(changed: set[tuple[int, int]], sites: set[tuple[int, int]], reach: int) -> bool:
    """Whether all changes are around sites, and none of these is without."""

    def near(one: tuple[int, int], other: tuple[int, int]) -> bool:
        return max(abs(one[0] - other[0]), abs(one[1] - other[1])) <= reach

    return all(any(near(c, s) for s in sites) for c in changed) and all(
        any(near(c, s) for c in changed) for s in sites
    )


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """Return a DNG of a body with margins, five of its photosites bad."""
    path = tmp_path / "a.dng"
    path.write_bytes(dng(mosaic()))
    return path


@_needs("dcraw")
def test_dcraw_changes_just_the_listed_photosites(photo: Path, tmp_path: Path) -> None:
    """Of a body with margins, each listed photosite becomes as its neighbours, and nothing else changes."""
    before, after = _dcraw(photo, None), _dcraw(photo, _list("dcraw", _found(SITES), tmp_path / "bad"))
    assert _changed(before, after) == _visible(SITES)
    truth = mosaic(())[TOP : TOP + MARGINS.visible_height, LEFT : LEFT + MARGINS.visible_width].astype(int)
    assert np.abs(after - truth).max() <= 4


@_needs("dcraw")
def test_dcraw_finds_the_list_by_its_name(photo: Path, tmp_path: Path) -> None:
    """Under the name that is proposed, beside the photo, no option is needed."""
    name = FORMATS["dcraw"].file_name(ABOUT.camera)
    _list("dcraw", _found(SITES), tmp_path / name)
    found = subprocess.run(
        ["dcraw", "-D", "-4", "-c", photo.name], cwd=tmp_path, check=True, capture_output=True, timeout=60
    ).stdout
    assert Image.open(io.BytesIO(found)).getpixel((120, 100)) < LEVEL + 1000


Read = Callable[[Path, Path | None], np.ndarray]


@pytest.mark.parametrize("read", [pytest.param(_dcraw, marks=_needs("dcraw")), _libraw])
@pytest.mark.parametrize(
    ("ahead", "acts"),
    [(timedelta(0), True), (timedelta(seconds=-1), True), (timedelta(days=2), False), (None, True)],
)
def test_the_onset_is_that_of_the_reader(
    read: Read, ahead: timedelta | None, acts: bool, photo: Path, tmp_path: Path
) -> None:
    """An entry acts on photos from its onset on, and not on those of two days before."""
    since = None if ahead is None else TAKEN + ahead
    bad = _list("dcraw", _found(SITES[:1], last_good=since), tmp_path / "bad")
    assert bool(_changed(read(photo, None), read(photo, bad))) == acts


@pytest.mark.parametrize("zone", ["UTC", "America/Los_Angeles", "Asia/Tokyo", "Pacific/Kiritimati"])
@_needs("dcraw_emu")
def test_the_reader_may_live_anywhere(zone: str, photo: Path, tmp_path: Path) -> None:
    """LibRaw takes the photo's clock for that of its own zone: a new defect is repaired nonetheless."""
    bad = _list("dcraw", _found(SITES[:1], last_good=TAKEN - timedelta(seconds=1)), tmp_path / "bad")
    plain, fixed = tmp_path / "plain.dng", tmp_path / "fixed.dng"
    for path in (plain, fixed):
        shutil.copyfile(photo, path)
    options = ("-4", "-W", "-o", "0", "-q", "0")
    _run("dcraw_emu", *options, plain, TZ=zone)
    _run("dcraw_emu", *options, "-P", bad, fixed, TZ=zone)
    before, after = (np.asarray(Image.open(f"{path}.ppm")).astype(int) for path in (plain, fixed))
    assert _only_around(_changed(before, after), _visible(SITES[:1]), 2)


@pytest.mark.parametrize("read", [pytest.param(_dcraw, marks=_needs("dcraw")), _libraw])
def test_neighbours_are_not_filled_from_each_other(read: Read, photo: Path, tmp_path: Path) -> None:
    """Bad photosites beside each other, and a bad column, come out as right as lone ones do."""
    pair = ((110, 140), (110, 142), (112, 140), (111, 141), (113, 141))
    column = Structure(StructureKind.COLUMN, TOP, 200, TOP + MARGINS.visible_height, 201)
    frame = mosaic((*pair, *column.sites()))
    photo.write_bytes(dng(frame))
    bad = _list("dcraw", _found(pair, column), tmp_path / "bad")
    healthy = tmp_path / "healthy.dng"
    healthy.write_bytes(dng(mosaic(())))
    scale = read(healthy, None).max() / mosaic(()).max()
    rest = np.abs(read(photo, bad) - read(healthy, None)).max() / scale
    assert rest < 0.01 * (16000 - LEVEL)


@pytest.mark.parametrize("name", ["rawtherapee", "art"])
@_needs("rawtherapee-cli")
def test_rawtherapee_changes_the_picture_just_there(name: str, photo: Path, tmp_path: Path) -> None:
    """Under the name that is proposed, RawTherapee finds the list and repairs the photosites it names."""
    folder, settings = tmp_path / "darks", tmp_path / "settings"
    folder.mkdir()
    settings.mkdir()
    (settings / "options").write_text(f"[General]\nDarkFramesPath={folder}\n")
    profile = tmp_path / "plain.pp3"
    profile.write_text("[RAW]\nHotPixelFilter=false\nDeadPixelFilter=false\n[RAW Bayer]\nMethod=fast\n")

    def shown(output: str) -> np.ndarray:
        target = tmp_path / output
        _run(
            *("rawtherapee-cli", "-q", "-o", target, "-t", "-Y", "-p", profile, "-c", photo),
            RT_SETTINGS=str(settings),
            RT_CACHE=str(tmp_path / "cache"),
        )
        return tifffile.imread(target).astype(int)

    before = shown("before.tif")
    _list(name, _found(SITES), folder / FORMATS[name].file_name(ABOUT.camera))
    after = shown("after.tif")
    # Its pictures lack four rows and columns at each edge, and the bad corners with them.
    sites = {(row - 4, col - 4) for row, col in _visible((SITES[0], SITES[1], SITES[4]))}
    assert _only_around(_changed(before, after), sites, 4)


@_needs("darktable-cli")
def test_darktable_changes_the_picture_just_there(photo: Path, tmp_path: Path) -> None:
    """A copy of a DNG with the list in it comes out as one without the bad photosites would."""
    inside = SITES[0], SITES[1], SITES[4]
    listed = tmp_path / "listed.dng"
    listed.write_bytes(with_opcodes(photo.read_bytes(), write_list(FORMATS["dng"], ABOUT, _found(SITES))))
    healthy = tmp_path / "healthy.dng"
    healthy.write_bytes(dng(mosaic(())))

    def shown(source: Path) -> np.ndarray:
        target = source.with_suffix(".png")
        _run(
            *("darktable-cli", source, target, "--core", "--configdir", tmp_path / "dt"),
            *("--cachedir", tmp_path / "dtc", "--library", ":memory:", "--disable-opencl"),
        )
        return np.asarray(Image.open(target)).astype(int)

    bad, fixed, good = shown(photo), shown(listed), shown(healthy)
    assert _only_around(_changed(bad, fixed), _visible(inside) | _visible(SITES[2:4]), 16)
    assert np.abs(fixed - good).max() <= 3 < np.abs(bad - good).max()


@_needs("exiftool")
def test_exiftool_finds_nothing_wrong_with_the_dng(photo: Path, tmp_path: Path) -> None:
    """The copy is as sound as the source, and its list is named for what it is."""
    listed = tmp_path / "listed.dng"
    listed.write_bytes(with_opcodes(photo.read_bytes(), write_list(FORMATS["dng"], ABOUT, _found(SITES))))
    verdicts = [_run("exiftool", "-validate", "-warning", "-error", "-a", path) for path in (photo, listed)]
    assert verdicts[0] == verdicts[1]
    assert b"FixBadPixelsList" in _run("exiftool", "-OpcodeList1", listed)


def test_a_copy_of_a_dng_changes_nothing_else(photo: Path) -> None:
    """The mosaic is the same, every byte but one offset is where it was, and the list reads back."""
    source = photo.read_bytes()
    written = write_list(FORMATS["dng"], ABOUT, _found(SITES))
    copy = with_opcodes(source, written)
    assert sum(a != b for a, b in zip(source, copy, strict=False)) <= 4
    assert np.array_equal(decode_raw(source).mosaic, decode_raw(copy).mosaic)
    image = read_image(copy)
    assert (image.height, image.width, image.active) == (320, 424, (10, 20, 310, 416))
    assert image.opcodes == written
    again = with_opcodes(copy, opcodes.joined(image.opcodes, written))
    assert read_image(again).opcodes == written


@_needs("dcraw")
@pytest.mark.skipif(not REAL.is_file(), reason=f"{REAL.name} is not there")
def test_a_real_canon_with_margins(tmp_path: Path) -> None:
    """Of a real photo with margins dcraw changes listed photosites alone, and a copy with a list is sound."""
    data = REAL.read_bytes()
    geometry = decode_raw(data).geometry
    assert geometry.top > 0 and geometry.left > 0
    rng = np.random.default_rng(1)
    rows = rng.integers(geometry.top, geometry.top + geometry.visible_height, 40)
    cols = rng.integers(geometry.left, geometry.left + geometry.visible_width, 40)
    sites = tuple(zip(rows.tolist(), cols.tolist(), strict=True))
    entries = tuple(Defect(row, col, Kind.HOT, "R", 9.0, "DN", 9.0, 4, 3) for row, col in sites)
    about = About(ABOUT.camera, geometry.grid, geometry, "defectmap 9", 1)
    found = DefectMap(geometry.grid, entries)
    bad = tmp_path / "bad"
    bad.write_bytes(write_list(FORMATS["dcraw"], about, found))
    changed = _changed(_dcraw(REAL, None), _dcraw(REAL, bad))
    wanted = {(row - geometry.top, col - geometry.left) for row, col in sites}
    # A noisy sample may by chance be its neighbours' mean already.
    assert changed <= wanted and len(changed) > 30
    copy = with_opcodes(data, write_list(FORMATS["dng"], about, found))
    assert np.array_equal(decode_raw(data).mosaic, decode_raw(copy).mosaic)
    assert read_image(copy).height == geometry.height

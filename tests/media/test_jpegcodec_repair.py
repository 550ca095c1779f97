"""Repair of whole JPEG files: how near it comes to the photo that a sound sensor would have taken."""

import io
import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from defectmap.media.jpegcodec import JpegPatch, RenderedSite, repair, repair_jpeg
from defectmap.model.rendered import remove

DATA = Path(__file__).parents[2] / ".." / "shared" / "data"
SIDE = 320


def scene():
    """Return smooth shading, edges and patches of texture."""
    rows, cols = np.mgrid[:SIDE, :SIDE]
    rng = np.random.default_rng(7)
    waves = [120 + 45 * np.sin(cols / 31 + k) + 35 * np.cos(rows / (23 + k)) for k in range(3)]
    stripes = 25 * np.sin((rows + 2 * cols) / 4) * (cols > SIDE // 2)
    edges = 30 * ((rows // 40 + cols // 56) % 2)
    noise = rng.normal(0, 2, (SIDE, SIDE, 1))
    return np.clip(np.stack(waves, -1) + (stripes + edges)[..., None] + noise, 5, 250)


def colour(row, col):
    """Return the letter of an RGGB photosite."""
    return ("RG", "GB")[row % 2][col % 2]


def demosaiced(mosaic):
    """Return the bilinear demosaic of an RGGB mosaic."""
    rows, cols = np.indices(mosaic.shape)
    red, blue = (rows % 2 == 0) & (cols % 2 == 0), (rows % 2 == 1) & (cols % 2 == 1)
    cross = np.array([[0, 0.25, 0], [0.25, 1, 0.25], [0, 0.25, 0]])
    square = np.array([[0.25, 0.5, 0.25], [0.5, 1, 0.5], [0.25, 0.5, 0.25]])
    planes = []
    for mask, kernel in ((red, square), (~(red | blue), cross), (blue, square)):
        padded = np.pad(mosaic * mask, 1, mode="reflect")
        planes.append(
            sum(kernel[i, j] * padded[i : i + SIDE, j : j + SIDE] for i in range(3) for j in range(3))
        )
    return np.stack(planes, -1)


def encoded(pixels, quality):
    """Return the pixels as a 4:2:0 JPEG."""
    file = io.BytesIO()
    image = Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))
    image.save(file, "JPEG", quality=quality, subsampling=2)
    return file.getvalue()


def decoded(data):
    """Return the RGB pixels of a JPEG."""
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB")).astype(float)


def capture(quality):
    """Return a JPEG without and one with defects, and the sites of these."""
    rng, pixels = np.random.default_rng(9), scene()
    mosaic = pixels[..., 1].copy()
    mosaic[::2, ::2], mosaic[1::2, 1::2] = pixels[::2, ::2, 0], pixels[1::2, 1::2, 2]
    bad = mosaic.copy()
    sites = []
    for row in range(24, SIDE - 24, 32):
        for col in range(24, SIDE - 24, 32):
            at = row + int(rng.integers(6)), col + int(rng.integers(6))
            bad[at] = min(255, bad[at] + rng.uniform(60, 200)) if rng.random() < 0.8 else 0.1 * bad[at]
            sites.append(RenderedSite(*at, colour(*at)))
    return encoded(demosaiced(mosaic), quality), encoded(demosaiced(bad), quality), sites


def psnr(pixels, truth, sites):
    """Return the PSNR over the 9x9 around the sites, in dB."""
    errors = [np.mean((pixels - truth)[s.row - 4 : s.row + 5, s.col - 4 : s.col + 5] ** 2) for s in sites]
    return float(10 * np.log10(255**2 / np.mean(errors)))


@pytest.mark.parametrize(("quality", "gain"), [(92, 7.5), (80, 5.0)])
def test_quality(quality, gain):
    """A repaired file is nearer to the photo of a sound sensor than median and re-encoding bring it."""
    sound, damaged, sites = capture(quality)
    repair = repair_jpeg(damaged, sites)
    truth, hurt, mended = decoded(sound), decoded(damaged), decoded(repair.data)
    median = hurt.copy()
    for s in sites:
        around = hurt[s.row - 1 : s.row + 2, s.col - 1 : s.col + 2].reshape(-1, 3)
        median[s.row, s.col] = np.median(around, axis=0)
    usual = psnr(decoded(encoded(median, quality)), truth, sites)
    assert psnr(mended, truth, sites) > psnr(hurt, truth, sites) + gain
    assert psnr(mended, truth, sites) > usual + gain / 2
    assert len(repair.repaired) + len(repair.left) == len(sites)


def test_far_pixels_are_identical():
    """Pixels farther than one from every touched MCU are the same after as before."""
    _, damaged, sites = capture(92)
    repair = repair_jpeg(damaged, sites[::5])
    near = np.zeros((SIDE, SIDE), bool)
    for row, col in repair.repaired:
        for r in {(row - 6) // 16, (row + 6) // 16}:
            for c in {(col - 6) // 16, (col + 6) // 16}:
                near[max(16 * r - 1, 0) : 16 * r + 17, max(16 * c - 1, 0) : 16 * c + 17] = True
    different = (decoded(damaged) != decoded(repair.data)).any(axis=2)
    assert different.any()
    assert not (different & ~near).any()


def test_repair_of_repaired():
    """Repairing a repaired file again does it no harm to speak of."""
    sound, damaged, sites = capture(92)
    once = repair_jpeg(damaged, sites)
    twice = repair_jpeg(once.data, sites)
    assert len(twice.repaired) < 0.5 * len(once.repaired)
    truth = decoded(sound)
    assert psnr(decoded(twice.data), truth, sites) > psnr(decoded(once.data), truth, sites) - 1.0


def test_removals_too_faint_for_the_coding(monkeypatch):
    """A site is told as repaired only if something of the photo was changed around it."""
    _, damaged, sites = capture(92)
    loud, quiet = sites[10], sites[40]

    def faint(planes, group, *others):
        found = remove(planes, group, *others)
        return replace(found, deltas=tuple(d * 1e-4 for d in found.deltas)) if quiet in group else found

    monkeypatch.setattr(repair, "remove", faint)
    done = repair_jpeg(damaged, [loud, quiet])
    assert done.repaired == ((loud.row, loud.col),)
    assert done.left == (((quiet.row, quiet.col), "not visible in this photo"),)
    alone = repair_jpeg(damaged, [quiet])
    assert (alone.data, alone.repaired) == (damaged, ())


def test_no_sites():
    """Without sites, or with sites outside of the picture only, the file comes back as it was."""
    sound, _, _ = capture(92)
    assert repair_jpeg(sound, []).data is sound
    repair = repair_jpeg(sound, [RenderedSite(SIDE, 3, "R"), RenderedSite(-1, 3, "R")])
    assert repair.data is sound
    assert [reason for _, reason in repair.left] == ["outside of this photo"] * 2


def test_corner_sites():
    """Sites in the corners and side by side are repaired or left, never an error."""
    _, damaged, _ = capture(92)
    corners = [
        (0, 0),
        (0, SIDE - 1),
        (SIDE - 1, 0),
        (SIDE - 1, SIDE - 1),
        (50, 50),
        (50, 51),
        (51, 50),
        (53, 60),
    ]
    repair = repair_jpeg(damaged, [RenderedSite(*c, "G", certain_here=True) for c in corners])
    assert len(repair.repaired) + len(repair.left) == len(corners)
    decoded(repair.data)


REAL = [
    ("caliterra/IMG_9354.jpg", (2137, 3635)),
    ("caliterra/IMG_9390.jpg", (2137, 3635)),
    ("seneca/IMG_0499.jpg", (1675, 3344)),
    ("seneca/IMG_0566.jpg", (1675, 3344)),
]


@pytest.mark.parametrize(("name", "site"), REAL)
def test_real_photo(name, site):
    """The fierce spot of a real camera and its dark ring are gone; length and headers are as before."""
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{name} is not here")
    data = path.read_bytes()
    repair = repair_jpeg(data, [RenderedSite(*site, "W")])
    assert repair.repaired == (site,)
    assert len(repair.data) == len(data)
    start = JpegPatch(data).header.scan_start
    assert repair.data[:start] == data[:start]
    before, after = (JpegPatch(d).window(0, site[0] - 16, site[1] - 16, 33, 33) for d in (data, repair.data))
    around = np.ones((33, 33), bool)
    around[10:23, 10:23] = False
    low, high = np.percentile(after[around], [0.5, 99.5])
    inside = after[12:21, 12:21]
    assert before[16, 16] > high
    assert low - 12 < inside.min()
    assert inside.max() < high + 12
    outside = np.ones((33, 33), bool)
    outside[16 - 14 : 16 + 15, 16 - 14 : 16 + 15] = False
    np.testing.assert_allclose(after[outside], before[outside], atol=1e-6)


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")
def test_metadata_of_real_photo(tmp_path):
    """An outside reader finds the same metadata in a repaired photo."""
    name, site = REAL[0]
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{name} is not here")
    repaired = tmp_path / path.name
    repaired.write_bytes(repair_jpeg(path.read_bytes(), [RenderedSite(*site, "W")]).data)
    tags = []
    for photo in (path, repaired):
        command = ["exiftool", "-json", "-G1", "-a", "--System:all", str(photo)]
        done = subprocess.run(command, capture_output=True, check=True)
        tags.append({k: v for k, v in json.loads(done.stdout)[0].items() if k != "SourceFile"})
    assert tags[0] == tags[1]
    assert len(tags[0]) > 50

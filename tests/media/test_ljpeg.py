import io
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import rawpy
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from defectmap.media.dng import dng_bytes
from defectmap.media.ljpeg import encode, encoded_tiles
from defectmap.media.raw import decode_raw
from defectmap.model.sensor import MosaicGeometry, RawColour

MATRIX = ((0.8629, -0.2410, -0.0883), (-0.9055, 1.6940, 0.2171), (-0.1490, 0.1363, 0.8520))
COLOUR = RawColour(MATRIX, (0.5, 1.0, 0.7), "Test", "Camera")


def _dng(mosaic, *, compressed=True, white=None):
    height, width = mosaic.shape
    geometry = MosaicGeometry(
        height, width, 0, 0, height, width, ("RG", "GB"), (0,) * 4, white or max(int(mosaic.max()), 1), "test"
    )
    return dng_bytes(mosaic, geometry, COLOUR, source=None, compressed=compressed)


def _noise(height, width, bits, seed=1):
    rng = np.random.default_rng(seed)
    level = np.linspace(0.05, 0.7, width) * ((1 << bits) - 1)
    mosaic = rng.normal(level, 0.02 * (1 << bits), (height, width)).clip(0, (1 << bits) - 1).astype(np.uint16)
    mosaic[0, 0], mosaic[3, 4], mosaic[3, 6] = (1 << bits) - 1, (1 << bits) - 1, 0
    return mosaic


@pytest.mark.parametrize("bits", [8, 12, 14, 16])
@pytest.mark.parametrize("shape", [(66, 96), (67, 97), (24, 40), (530, 1031)])
def test_libraw_reads_the_mosaic(bits, shape):
    """LibRaw gives back every photosite, whatever the depth, also where tiles reach beyond the border."""
    mosaic = _noise(*shape, bits)
    assert np.array_equal(decode_raw(_dng(mosaic)).mosaic, mosaic)


@settings(max_examples=60, deadline=None)
@given(arrays(np.uint16, (8, 16), elements=st.sampled_from([0, 1, 2, 32767, 32768, 32769, 65534, 65535])))
def test_extreme_differences(samples):
    """Every difference of 16 bits has a code, and another decoder reads it back."""
    imagecodecs = pytest.importorskip("imagecodecs")
    assert np.array_equal(imagecodecs.ljpeg_decode(encode(samples, 16)).reshape(8, 16), samples)


def test_tifffile_reads_the_mosaic():
    """Tifffile with its codecs reads the same mosaic from the tiles."""
    pytest.importorskip("imagecodecs")
    mosaic = _noise(530, 1031, 14)
    with tifffile.TiffFile(io.BytesIO(_dng(mosaic))) as file:
        page = file.pages[0]
        assert (page.compression, page.tilewidth, page.tilelength) == (7, 512, 512)
        assert np.array_equal(page.asarray(), mosaic)


@pytest.mark.skipif(shutil.which("dcraw") is None, reason="dcraw is not installed")
def test_dcraw_reads_the_mosaic(tmp_path):
    """Dcraw gives out the same photosites."""
    mosaic = _noise(530, 1031, 14)
    path = tmp_path / "a.dng"
    path.write_bytes(_dng(mosaic))
    pgm = subprocess.run(["dcraw", "-D", "-4", "-t", "0", "-c", path], capture_output=True, check=True).stdout
    assert np.array_equal(np.frombuffer(pgm[-2 * mosaic.size :], ">u2").reshape(mosaic.shape), mosaic)


def test_it_is_rendered_as_the_uncompressed_one():
    """LibRaw renders both kinds of DNG to the same picture; the lossless JPEG is smaller."""
    mosaic = _noise(200, 300, 12)
    pictures, sizes = [], []
    for compressed in (True, False):
        data = _dng(mosaic, compressed=compressed)
        sizes.append(len(data))
        with rawpy.imread(io.BytesIO(data)) as raw:
            pictures.append(raw.postprocess(no_auto_bright=True, adjust_maximum_thr=0.0))
    assert np.array_equal(*pictures)
    assert sizes[0] < 0.95 * sizes[1]


@pytest.mark.skipif(shutil.which("rawtherapee-cli") is None, reason="rawtherapee-cli is not installed")
def test_rawtherapee_renders_it_as_the_uncompressed_one(tmp_path, monkeypatch):
    """RawTherapee makes the same picture of both kinds."""
    monkeypatch.setenv("HOME", str(tmp_path))
    mosaic = _noise(200, 304, 12)
    pictures = []
    for compressed in (True, False):
        path = Path(tmp_path / f"{compressed}.dng")
        path.write_bytes(_dng(mosaic, compressed=compressed))
        out = path.with_suffix(".tif")
        command = ["rawtherapee-cli", "-o", out, "-t", "-b16", "-Y", "-c", path]
        subprocess.run(command, capture_output=True, check=True, timeout=60)
        pictures.append(tifffile.imread(out))
    assert np.array_equal(*pictures)


def test_a_narrow_mosaic_is_not_compressed():
    """A mosaic narrower than the narrowest tile is kept in one strip."""
    mosaic = _noise(40, 15, 12)
    with tifffile.TiffFile(io.BytesIO(_dng(mosaic))) as file:
        assert file.pages[0].compression == 1
        assert np.array_equal(file.pages[0].asarray(), mosaic)


@pytest.mark.parametrize(
    ("samples", "precision"),
    [
        (np.full((8, 16), 4096, np.uint16), 12),
        (np.zeros((8, 15), np.uint16), 12),
        (np.zeros((8, 16), np.uint16), 17),
        (np.zeros((0, 16), np.uint16), 12),
    ],
)
def test_what_does_not_fit_is_refused(samples, precision):
    """Samples over the precision, an odd width or no sample at all are errors of the caller."""
    with pytest.raises(ValueError, match="do not make a lossless JPEG"):
        encode(samples, precision)


def test_tiles_come_row_by_row():
    """A mosaic is cut into tiles from the left to the right, then downwards."""
    imagecodecs = pytest.importorskip("imagecodecs")
    mosaic = _noise(40, 70, 12)
    tiles = [imagecodecs.ljpeg_decode(tile).reshape(32, 32) for tile in encoded_tiles(mosaic, 32)]
    assert len(tiles) == 6
    whole = np.vstack([np.hstack(tiles[:3]), np.hstack(tiles[3:])])
    assert np.array_equal(whole[:40, :70], mosaic)
    assert np.array_equal(whole[:40, 70], mosaic[:, 68])  # the colours go on in turns

"""RawTherapee's own repair of listed bad pixels, where it is installed.

It develops a DNG of the mosaic without demosaicing it ("mono"), with the photosites in a file of its own
format. What it makes of healthy photosites of each colour tells how it renders levels, and so what it put
into the bad ones.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from defectmap.media.dng import dng_bytes
from defectmap.model.sensor import MosaicGeometry, RawColour

PROGRAM = shutil.which("rawtherapee-cli")

_CAMERA = ("ACME", "Test")
_IDENTITY = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
_PROFILE = """[Version]
AppVersion=5.9
Version=349
[Exposure]
Auto=false
[HLRecovery]
Enabled=false
[White Balance]
Enabled=false
[RAW]
HotPixels=false
DeadPixels=false
[RAW Bayer]
Method=mono
CcSteps=0
Border=0
[Color Management]
InputProfile=(none)
OutputProfile=No ICM: sRGB output
"""


def rawtherapee_repair(mosaic: NDArray[np.uint16], sites: Sequence[tuple[int, int]]) -> NDArray[np.float64]:
    """Return what RawTherapee puts into the bad photosites of an RGGB mosaic of 8-bit levels."""
    with tempfile.TemporaryDirectory() as name:
        developed = _developed(Path(name), mosaic, sites)
    healthy = np.ones(mosaic.shape, np.bool_)
    healthy[tuple(np.array(sites).T)] = False
    values = np.empty(len(sites))
    for phase in ((0, 0), (0, 1), (1, 0), (1, 1)):
        part = slice(phase[0], None, 2), slice(phase[1], None, 2)
        good = healthy[part]
        levels = np.unique(mosaic[part][good])
        shown = [float(np.median(developed[part][good & (mosaic[part] == level)])) for level in levels]
        for index, (row, col) in enumerate(sites):
            if (row % 2, col % 2) == phase:
                values[index] = np.interp(developed[row, col], np.maximum.accumulate(shown), levels)
    return values


def _developed(
    folder: Path, mosaic: NDArray[np.uint16], sites: Sequence[tuple[int, int]]
) -> NDArray[np.float64]:
    import tifffile  # noqa: PLC0415

    height, width = mosaic.shape
    geometry = MosaicGeometry(height, width, 0, 0, height, width, ("RG", "GB"), (0,) * 4, 255, "benchmark")
    colour = RawColour(_IDENTITY, (1.0, 1.0, 1.0), *_CAMERA)
    (folder / "in.dng").write_bytes(dng_bytes(mosaic, geometry, colour, source=None))
    listed = "".join(f"{col} {row}\n" for row, col in sites)
    (folder / f"{' '.join(_CAMERA)}.badpixels").write_text(listed)
    (folder / "options").write_text(f"[General]\nDarkFramesPath={folder}\nVerbose=true\n")
    (folder / "plain.pp3").write_text(_PROFILE)
    files = (
        "-o",
        folder / "out.tif",
        "-p",
        folder / "plain.pp3",
        "-t",
        "-b16",
        "-Y",
        "-c",
        folder / "in.dng",
    )
    done = subprocess.run(
        [PROGRAM or "rawtherapee-cli", *map(str, files)],
        env={**os.environ, "RT_SETTINGS": str(folder), "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    if f"Correcting {len(sites)} pixels" not in done.stdout:
        raise RuntimeError("RawTherapee did not take the list of bad pixels")
    developed = np.asarray(tifffile.imread(folder / "out.tif"), np.float64)
    return developed[..., 1]

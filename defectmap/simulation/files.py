"""The simulated camera's memory card: raw files and JPEGs as a body writes them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from defectmap.media.nefwriter import NefCompression, nef_bytes
from defectmap.model.sensor import RawColour
from defectmap.simulation.camera import Shot, SimulatedCamera
from defectmap.simulation.exif import exif_segment, thumbnail
from defectmap.simulation.render import encode, framed, render
from defectmap.simulation.truth import GroundTruth

FileFormat = Literal["nef", "dng", "jpeg"]

_SUFFIX: dict[FileFormat, str] = {"nef": ".NEF", "dng": ".DNG", "jpeg": ".JPG"}
# Key of the random stream that chooses a file's compression; the camera's own come before it.
_COMPRESSION = 100


def write_shoot(
    camera: SimulatedCamera,
    directory: Path,
    n: int,
    formats: Sequence[FileFormat] = ("nef",),
    *,
    first: int = 0,
    start: datetime | None = None,
    days: float | None = None,
    compressions: Sequence[NefCompression] | None = None,
    quality: int = 92,
    subsampling: str = "4:2:0",
    sharpening: float = 0.0,
    preview: bool = False,
    on_file: Callable[[Path], None] | None = None,
) -> GroundTruth:
    """Take a shoot and write its files, ``DSC_0001.NEF`` and so on.

    Parameters
    ----------
    camera : SimulatedCamera
        For "nef" it must be a Nikon's of 12 or 14 bits.
    directory : Path
        Made if missing; files of the same names are replaced.
    n : int
        Number of frames.
    formats : sequence of {"nef", "dng", "jpeg"}
        Which files each frame gets.
    first, start, days
        As in :meth:`SimulatedCamera.plan`; the first file is named by the number after `first`.
    compressions : sequence of str, optional
        What a NEF's compression is drawn from; by default all that the camera's depth knows. A lossy file
        does not hold the exact mosaic.
    quality : int
    subsampling : str
    sharpening : float
        How JPEGs are made, as in `render` and `encode`.
    preview : bool
        Whether a NEF holds the JPEG of full size too, more compressed.
    on_file : callable, optional
        Called with each file's path when it is complete.

    Returns
    -------
    GroundTruth
        With the frames and the names of their files.

    Raises
    ------
    ValueError
        For a NEF of a camera that writes none.
    """
    directory.mkdir(parents=True, exist_ok=True)
    compressions = compressions or _compressions(camera)
    plan = camera.plan(n, first=first, start=start, days=days)
    files: list[tuple[str, ...]] = []
    for exposure in plan:
        shot = camera.shot(exposure)
        whole = render(shot.mosaic, camera.geometry, camera.white_balance, sharpening=sharpening)
        picture = framed(whole, camera.jpeg_crop, camera.jpeg_scale)
        inside = encode(framed(whole, camera.jpeg_crop), quality=80) if preview else None
        names = []
        for kind in formats:
            if kind == "jpeg":
                exif = exif_segment(picture, camera.identity, shot.conditions, _multipliers(camera))
                data = encode(picture, quality=quality, subsampling=subsampling, exif=exif)
            elif kind == "dng":
                data = _dng(camera, shot, picture)
            else:
                rng = np.random.default_rng([camera.seed, _COMPRESSION, exposure.index])
                compression = compressions[int(rng.integers(len(compressions)))]
                data = _nef(camera, shot, compression, picture, inside)
            path = directory / f"DSC_{exposure.index + 1:04d}{_SUFFIX[kind]}"
            path.write_bytes(data)
            moment = exposure.captured.timestamp()
            os.utime(path, (moment, moment))
            names.append(path.name)
            if on_file is not None:
                on_file(path)
        files.append(tuple(names))
    return camera.truth.with_frames(plan, files)


def _compressions(camera: SimulatedCamera) -> tuple[NefCompression, ...]:
    if camera.electronics.bits == 12 and camera.geometry.width % 2 == 0:
        return "lossless", "lossy", "packed"
    return ("lossless", "lossy", "uncompressed") if camera.electronics.bits == 14 else ("lossless", "lossy")


def _multipliers(camera: SimulatedCamera) -> tuple[float, float, float]:
    red, green, blue = camera.white_balance
    return green / red, 1.0, green / blue


def _nef(
    camera: SimulatedCamera,
    shot: Shot,
    compression: NefCompression,
    picture: NDArray[np.uint8],
    preview: bytes | None,
) -> bytes:
    electronics, conditions = camera.electronics, shot.conditions
    if electronics.bits not in (12, 14) or not camera.make.upper().startswith("NIKON"):
        raise ValueError("only a Nikon of 12 or 14 bits writes NEF files")
    assert conditions.exposure_s is not None
    assert conditions.iso is not None
    return nef_bytes(
        shot.mosaic,
        compression=compression,
        bits=12 if electronics.bits == 12 else 14,
        model=camera.model,
        serial=camera.serial,
        exposure_s=conditions.exposure_s,
        iso=round(conditions.iso),
        captured=shot.exposure.captured,
        shutter_count=conditions.shutter_count or 0,
        white_balance=_multipliers(camera),
        software=camera.software,
        orientation=conditions.orientation or 1,
        noise_reduction=conditions.noise_reduction or "OFF",
        black=electronics.black_dn,
        thumbnail=thumbnail(picture),
        preview=preview,
    )


def _dng(camera: SimulatedCamera, shot: Shot, picture: NDArray[np.uint8]) -> bytes:
    """Return the visible area as DNG, with the metadata of the JPEG taken at the same time."""
    from defectmap.media.dng import dng_bytes  # noqa: PLC0415 - loads exiv2

    exif = exif_segment(picture, camera.identity, shot.conditions, _multipliers(camera))
    red, green, blue = camera.white_balance
    largest = max(camera.white_balance)
    neutral = red / largest, green / largest, blue / largest
    unknown = 0.0, 0.0, 0.0
    return dng_bytes(
        np.ascontiguousarray(shot.mosaic[: camera.height, : camera.width]),
        camera.geometry,
        # An all-zero matrix stands for an unknown one: the camera's colours are those of sRGB.
        RawColour((unknown, unknown, unknown), neutral, camera.make, camera.model),
        source=encode(thumbnail(picture), exif=exif),
        orientation=shot.conditions.orientation or 1,
        compressed=False,
    )

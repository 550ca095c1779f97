"""Undemosaiced frames: how near to the truth repaired photosites come.

Two tables. In the first, photos as mosaics on the 8-bit scale with photosites that say nothing, alone and in
groups. In the second, linear mosaics with noise, in which the photosites still respond to light.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

from benchmarks.detection.printing import print_rows
from benchmarks.detection.scenes import PhotoScenes
from benchmarks.detection.sensor import BLACK, E_PER_DN, FULL_WELL_E, WHITE, behind_filters, draw_setting
from benchmarks.repair.rawtherapee import PROGRAM, rawtherapee_repair
from defectmap.model.correction import corrected_values
from defectmap.model.defects import Defect, Kind
from defectmap.model.frame import Conditions, RawFrame
from defectmap.model.restoration import restored_values
from defectmap.model.sensor import MosaicGeometry, RawColour

Mosaic = NDArray[np.uint16]
Sites = Sequence[tuple[int, int]]
Values = NDArray[np.float64]

CFA = ("RG", "GB")
PEAK = 255.0

GROUPS: Mapping[str, Sites] = {
    "single": ((0, 0),),
    "pair": ((0, 0), (0, 2)),
    "2x2": tuple((row, col) for row in range(2) for col in range(2)),
    "3x3": tuple((row, col) for row in range(3) for col in range(3)),
}
_APART, _MARGIN = 6, 10
_PAIRS = ((0, 2), (2, 0), (2, 2), (2, -2))


def photos_of(folder: Path) -> list[NDArray[np.uint8]]:
    """Return the pictures of a folder as arrays of shape (height, width, 3)."""
    suffixes = {".png", ".jpg", ".jpeg", ".tif", ".tiff"}
    files = sorted(f for f in folder.iterdir() if f.suffix.lower() in suffixes) if folder.is_dir() else []
    if not files:
        raise SystemExit(f"{folder} holds no pictures: name a folder of photos with --scenes")
    return [np.asarray(Image.open(file).convert("RGB")) for file in files]


def mosaic_of(photo: NDArray[Any]) -> NDArray[Any]:
    """Keep of each pixel the colour that its photosite would see."""
    mosaic = photo[:, :, 1].copy()
    mosaic[::2, ::2], mosaic[1::2, 1::2] = photo[::2, ::2, 0], photo[1::2, 1::2, 2]
    return mosaic


def placed(shape: tuple[int, ...], group: Sites, count: int, rng: Generator) -> list[tuple[int, int]]:
    """Place groups of bad photosites at random, apart from each other and from the edges."""
    taken = np.zeros(shape[:2], np.bool_)
    sites: list[tuple[int, int]] = []
    while len(sites) < count * len(group):
        row = int(rng.integers(_MARGIN, shape[0] - _MARGIN))
        col = int(rng.integers(_MARGIN, shape[1] - _MARGIN))
        if not taken[row - _APART : row + _APART + 1, col - _APART : col + _APART + 1].any():
            taken[row, col] = True
            sites += [(row + r, col + c) for r, c in group]
    return sites


def psnr(square_errors: Sequence[Values], peak: float = PEAK) -> float:
    """Return the peak signal-to-noise ratio of all sites together, in dB."""
    return float(10.0 * np.log10(peak**2 / max(float(np.concatenate(square_errors).mean()), 1e-12)))


# --- methods: from a mosaic with bad photosites to what they should read ---------------------------------


def _neighbours(mosaic: Mosaic, sites: Sites, offsets: Sites) -> Iterator[Values]:
    bad = set(sites)
    for row, col in sites:
        near = [(row + r, col + c) for r, c in offsets]
        yield np.array([mosaic[at] for at in near if at not in bad], np.float64)


def mean_of_four(mosaic: Mosaic, sites: Sites) -> Values:
    """Take the mean of the four nearest of the same phase."""
    offsets = ((-2, 0), (2, 0), (0, -2), (0, 2))
    return np.array([near.mean() for near in _neighbours(mosaic, sites, offsets)])


def median_of_eight(mosaic: Mosaic, sites: Sites) -> Values:
    """Take the median of the eight nearest of the same phase."""
    offsets = [(row, col) for row in (-2, 0, 2) for col in (-2, 0, 2) if (row, col) != (0, 0)]
    return np.array([np.median(near) for near in _neighbours(mosaic, sites, offsets)])


def gradient_weighted(mosaic: Mosaic, sites: Sites) -> Values:
    """Take the mean of the four opposite pairs of the same phase, the more alike a pair is the more of it.

    So do many converters, RawTherapee among them; diagonal pairs, being farther, count 1 / sqrt(2). Pairs
    with a bad member are left out; where all have one, the median of those that are good is taken.
    """
    bad = set(sites)
    fallback = median_of_eight(mosaic, sites)
    values = []
    for (row, col), otherwise in zip(sites, fallback, strict=True):
        total = weight = 0.0
        for r, c in _PAIRS:
            one, other = (row - r, col - c), (row + r, col + c)
            if one in bad or other in bad:
                continue
            first, second = float(mosaic[one]), float(mosaic[other])
            alike = (np.sqrt(0.5) if r and c else 1.0) / (abs(first - second) + 1.0)
            total, weight = total + alike * 0.5 * (first + second), weight + alike
        values.append(total / weight if weight else otherwise)
    return np.array(values)


def ours(mosaic: Mosaic, sites: Sites) -> Values:
    """Interpolate as this program does."""
    return corrected_values(mosaic, sites, CFA).astype(np.float64)


@cache
def _rawpy_enhance() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            from rawpy import enhance  # noqa: PLC0415 - wants OpenCV or scikit-image, which may be missing
        except ImportError:
            return None
    return enhance


def rawpy_repair(mosaic: Mosaic, sites: Sites) -> Values:
    """Let rawpy.enhance.repair_bad_pixels (its median) repair a DNG of the mosaic."""
    import rawpy  # noqa: PLC0415

    from defectmap.media.dng import dng_bytes  # noqa: PLC0415

    height, width = mosaic.shape
    geometry = MosaicGeometry(height, width, 0, 0, height, width, CFA, (0,) * 4, 255, "benchmark")
    matrix = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    colour = RawColour(matrix, (1.0, 1.0, 1.0), "none", "none")
    at = np.array(sites)
    with rawpy.imread(io.BytesIO(dng_bytes(mosaic, geometry, colour, source=None))) as raw:
        _rawpy_enhance().repair_bad_pixels(raw, at, method="median")
        return np.asarray(raw.raw_image_visible[tuple(at.T)], np.float64)


def methods() -> dict[str, Callable[[Mosaic, Sites], Values] | None]:
    """Return the methods compared, None for one that is not installed."""
    return {
        "mean of 4": mean_of_four,
        "median of 8": median_of_eight,
        "gradient-weighted pairs": gradient_weighted,
        "RawTherapee": rawtherapee_repair if PROGRAM else None,
        "rawpy.enhance.repair_bad_pixels": rawpy_repair if _rawpy_enhance() else None,
        "defectmap": ours,
    }


def silent_table(photos: Sequence[NDArray[np.uint8]], count: int, seed: int) -> list[list[str]]:
    """Measure the repair of photosites that say nothing, in dB at those photosites.

    Parameters
    ----------
    photos : sequence of ndarray of shape (height, width, 3), uint8
    count : int
        Groups of each form per photo.
    seed : int

    Returns
    -------
    list of rows
        Cells, the first row being the heading.
    """
    chosen = methods()
    errors: dict[tuple[str, str], list[Values]] = {}
    for number, photo in enumerate(photos):
        mosaic = mosaic_of(photo).astype(np.uint16)
        for form, (group_name, group) in enumerate(GROUPS.items()):
            sites = placed(mosaic.shape, group, count, np.random.default_rng((seed, number, form)))
            at = tuple(np.array(sites).T)
            damaged = mosaic.copy()
            damaged[at] = 255
            for name, method in chosen.items():
                if method is not None:
                    missed = method(damaged, sites) - mosaic[at]
                    errors.setdefault((name, group_name), []).append(missed**2)
    rows = [["PSNR at the repaired photosites, dB", *GROUPS]]
    for name, method in chosen.items():
        cells = [f"{psnr(errors[name, group]):.1f}" if method else "-" for group in GROUPS]
        rows.append([name if method else f"{name} (not installed)", *cells])
    return rows


# --- photosites that respond -----------------------------------------------------------------------------

READ_E, READ_DN = 3.0, 2.0
HIGHLIGHT = 0.9


@dataclass(frozen=True, slots=True)
class Responding:
    """A class of photosites that still respond.

    Attributes
    ----------
    kind : Kind
    electrons : float
        Added to each exposure, of hot sites by dark current.
    gain : float
    wrong : float
        Relative standard deviation of what is really added about what the map says.
    """

    kind: Kind
    electrons: float = 0.0
    gain: float = 1.0
    wrong: float = 0.0


RESPONDING: Mapping[str, Responding] = {
    "hot 30 e-, rate +-25 %": Responding(Kind.HOT, 30.0, wrong=0.25),
    "hot 300 e-, rate +-25 %": Responding(Kind.HOT, 300.0, wrong=0.25),
    "offset 30 e-": Responding(Kind.OFFSET, 30.0, wrong=0.03),
    "gain 0.8": Responding(Kind.DIM, gain=0.8, wrong=0.005),
    "gain 0.4": Responding(Kind.DIM, gain=0.4, wrong=0.005),
}


@dataclass(frozen=True, slots=True)
class Exposure:
    """One frame with bad photosites, and what they would have read, were they healthy.

    Attributes
    ----------
    frame : RawFrame
    conditions : Conditions
    sites : list of (row, col)
    defects : list of Defect
        What a map says of them.
    names : list of str
        Class of each site.
    truth : ndarray of shape (sites,), float64
        DN above black, of the same photons and the same read noise.
    """

    frame: RawFrame
    conditions: Conditions
    sites: list[tuple[int, int]]
    defects: list[Defect]
    names: list[str]
    truth: Values


def expose(light: NDArray[np.float32], iso: float, count: int, rng: Generator) -> Exposure:
    """Take a photo with a sensor that has `count` bad photosites of each class.

    Parameters
    ----------
    light : ndarray of shape (height, width), float32
        1 saturates.
    iso : float
    count : int
    rng : numpy.random.Generator
    """
    per_dn = E_PER_DN / (iso / 100.0)
    electrons = rng.poisson(light * np.float32(FULL_WELL_E / (iso / 100.0))).astype(np.float64)
    noise = np.hypot(READ_E, READ_DN * per_dn) * rng.standard_normal(light.shape)
    mosaic = _read_out(electrons + noise, per_dn)
    anywhere = placed(light.shape, GROUPS["single"], 2 * count * len(RESPONDING), rng)
    # Where a healthy site would be saturated there is no truth to come near to.
    sites = [site for site in anywhere if light[site] < HIGHLIGHT][: count * len(RESPONDING)]
    names = [name for name in RESPONDING for _ in range(count)][: len(sites)]
    truth = mosaic[tuple(np.array(sites).T)].astype(np.float64) - BLACK
    defects = []
    for site, name in zip(sites, names, strict=True):
        what, wrong = RESPONDING[name], 1.0 + RESPONDING[name].wrong * rng.standard_normal()
        row, col = site
        if what.kind is Kind.DIM:
            kept = rng.binomial(int(electrons[site]), min(what.gain * wrong, 1.0))
            defect = Defect(row, col, what.kind, "", what.gain, "gain", 9.0, 9, 9)
            error = what.gain * what.wrong
        else:
            kept = electrons[site] + rng.poisson(what.electrons * max(wrong, 0.0))
            unit = "DN/s at ISO 100" if what.kind is Kind.HOT else "DN at ISO 100"
            defect = Defect(row, col, what.kind, "", what.electrons / E_PER_DN, unit, 9.0, 9, 9)
            error = what.wrong * defect.strength
        # Of a rate it is the temperature that is not known, not the strength.
        defects.append(defect if what.kind is Kind.HOT else replace(defect, strength_sd=error))
        mosaic[site] = _read_out(np.array(kept + noise[site]), per_dn)
    height, width = mosaic.shape
    geometry = MosaicGeometry(height, width, 0, 0, height, width, CFA, (BLACK,) * 4, WHITE, "benchmark")
    conditions = Conditions(exposure_s=1.0, iso=iso)
    return Exposure(RawFrame(mosaic, geometry), conditions, sites, defects, names, truth)


def _read_out(electrons: Values, per_dn: float) -> Mosaic:
    return np.clip(np.rint(electrons / per_dn + BLACK), 0, WHITE).astype(np.uint16)


def responding_table(folder: Path, frames: int, count: int, seed: int) -> list[list[str]]:
    """Measure the repair of photosites that respond, against what healthy ones would have read.

    Parameters
    ----------
    folder : Path
        Photos that the scenes of the reference sensor are made of.
    frames : int
    count : int
        Photosites of each class per frame.
    seed : int

    Returns
    -------
    list of rows
        PSNR in dB, the peak being the range from black to white. The first row is the heading.
    """
    errors: dict[tuple[str, str], list[Values]] = {}
    ways = ("left alone", "mean of 4", "median of 8", "interpolation", "restoration", "fused")
    draw = PhotoScenes(folder).draw
    for number in range(frames):
        rng = np.random.default_rng((seed, number))
        setting = draw_setting(rng)
        one = expose(behind_filters(draw(rng), setting.level), setting.iso, count, rng)
        mosaic = one.frame.mosaic
        untrusted = np.zeros(mosaic.shape, np.bool_)
        at = tuple(np.array(one.sites).T)
        untrusted[at] = True
        reading = mosaic[at].astype(np.float64) - BLACK
        gain = setting.iso / 100.0
        plain = [
            value / d.strength if d.kind is Kind.DIM else value - d.strength * gain
            for value, d in zip(reading, one.defects, strict=True)
        ]
        fused = restored_values(one.frame, one.sites, one.defects, one.conditions, untrusted)
        tried: dict[str, Values] = {
            "left alone": reading,
            "mean of 4": mean_of_four(mosaic, one.sites) - BLACK,
            "median of 8": median_of_eight(mosaic, one.sites) - BLACK,
            "interpolation": ours(mosaic, one.sites) - BLACK,
            "restoration": np.array(plain),
            "fused": fused.astype(np.float64) - BLACK,
        }
        names = np.array(one.names)
        for way, values in tried.items():
            for name in RESPONDING:
                errors.setdefault((name, way), []).append((values - one.truth)[names == name] ** 2)
    rows = [["PSNR at the repaired photosites, dB", *ways]]
    for name in RESPONDING:
        rows.append([name, *(f"{psnr(errors[name, way], WHITE - BLACK):.1f}" for way in ways)])
    return rows


def print_raw(scenes: Path, sites: int, frames: int, per_class: int, seed: int) -> None:
    """Print both tables."""
    print_rows(silent_table(photos_of(scenes), sites, seed))
    print()
    print_rows(responding_table(scenes, frames, per_class, seed))

"""Scenes for the simulated camera, drawn from a random generator: no picture is read.

Natural pictures are layers of things that hide one another, with sizes that follow a power law (the *dead
leaves* model: Lee, Mumford and Huang, International Journal of Computer Vision 41, 2001), textured with a
1/f-like spectrum. On this come what makes life hard for a search for bad photosites: straight lines, foliage,
points of light as sharp as a lens can make them, deep shade and clipped highlights.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

_TILE = 512


@dataclass(frozen=True, slots=True)
class Scene:
    """A subject in front of the lens.

    Attributes
    ----------
    light : ndarray of shape (height, width, 3), float32
        Linear RGB before the lens; the mean of green is the exposure level, 1 saturates the sensor.
    blur_px : float
        Standard deviation of the lens's point spread function, in photosites.
    style : str
        Which kind of subject it is.
    """

    light: Float32
    blur_px: float
    style: str


def draw_scene(rng: Generator, height: int, width: int) -> Scene:
    """Draw a new scene.

    Parameters
    ----------
    rng : Generator
        Decides everything about the scene.
    height, width : int
        Size in photosites.

    Returns
    -------
    Scene
    """
    from defectmap.simulation import kernels  # noqa: PLC0415 - numba is loaded when a scene is needed

    style = str(rng.choice(list(_STYLES), p=[weight for weight, _ in _STYLES.values()]))
    texture = _texture(rng)
    canvas = _backdrop(rng, height, width, style)
    kernels.drape(canvas, texture, rng.uniform(0.05, 0.25), rng.uniform(0.05, 0.25))
    # Skies and stars' backgrounds are smooth, walls and soils are not.
    finest = 0.04 if style in _OUTDOORS else 0.25
    kernels.drape(canvas, np.ascontiguousarray(texture.T), rng.uniform(0.7, 1.0), rng.uniform(0.01, finest))
    shapes = np.concatenate(
        [*_STYLES[style][1](rng, height, width), *_shade_and_glare(rng, height, width, style)]
    )
    kernels.paint(canvas, shapes, texture)
    kernels.sparkle(canvas, _points(rng, height, width, style))
    level = (0.02 if style == "night" else 0.18) * 2.0 ** rng.normal(0.0, 0.8)
    # The median-like mean (without the brightest hundredth) is what a light meter holds on to.
    sample = canvas[::4, ::4, 1]
    metered = float(np.minimum(sample, np.quantile(sample, 0.99)).mean())
    canvas *= np.float32(level / metered)
    sharp = rng.random() < 0.6
    return Scene(canvas, float(rng.uniform(0.6, 0.8) if sharp else rng.uniform(0.9, 1.6)), style)


def point_spread(blur_px: float) -> Float32:
    """Return one axis of a Gaussian point spread function, as weights of sum 1."""
    reach = max(2, int(np.ceil(3 * blur_px)))
    steps = np.arange(-reach, reach + 1)
    weights = np.exp(-0.5 * (steps / blur_px) ** 2)
    psf: Float32 = (weights / weights.sum()).astype(np.float32)
    return psf


def _texture(rng: Generator) -> Float32:
    """Return a periodic tile of zero mean and unit variance whose amplitude falls as frequency^-slope."""
    slope = rng.uniform(0.7, 1.2)
    frequency = np.hypot(np.fft.fftfreq(_TILE)[:, None], np.fft.rfftfreq(_TILE)[None, :])
    frequency[0, 0] = 1.0
    spectrum = np.fft.rfft2(rng.standard_normal((_TILE, _TILE), dtype=np.float32)) * frequency**-slope
    spectrum[0, 0] = 0.0
    tile = np.fft.irfft2(spectrum, s=(_TILE, _TILE))
    texture: Float32 = (tile / tile.std()).astype(np.float32)
    return texture


def _backdrop(rng: Generator, height: int, width: int, style: str) -> Float32:
    """Return a sky or wall: one colour at the top running smoothly into another below."""
    if style == "night":
        top, bottom = np.array([0.004, 0.005, 0.009]), np.array([0.012, 0.010, 0.010])
    elif style in ("landscape", "city"):
        top, bottom = np.array([0.25, 0.42, 0.75]), np.array([0.7, 0.8, 0.9])
    else:
        top, bottom = _colours(rng, 2, 0.05, 0.6, 0.25)
    fall = np.linspace(0.0, 1.0, height)[:, None, None] ** rng.uniform(0.6, 1.6)
    side = 1.0 + rng.uniform(-0.2, 0.2) * np.linspace(-1.0, 1.0, width)[None, :, None]
    backdrop: Float32 = ((top + (bottom - top) * fall) * side).astype(np.float32)
    return backdrop


def _colours(rng: Generator, count: int, darkest: float, brightest: float, saturation: float) -> Float64:
    """Return `count` RGB reflectances, log-uniform in brightness."""
    grey = np.exp(rng.uniform(np.log(darkest), np.log(brightest), (count, 1)))
    return np.asarray(grey * np.exp(saturation * rng.standard_normal((count, 3))))


def _sizes(rng: Generator, count: int, smallest: float, largest: float) -> Float64:
    """Return sizes whose density falls as size^-3, which makes the layers look alike at every scale."""
    spread = 1.0 - (smallest / largest) ** 2
    return np.asarray(smallest / np.sqrt(1.0 - rng.random(count) * spread))


def _table(
    rng: Generator,
    rows: Float64,
    cols: Float64,
    half_u: Float64,
    half_v: Float64,
    angle: Float64 | float,
    colour: Float64,
    *,
    rectangle: NDArray[np.bool_] | bool = False,
    multiply: bool = False,
    softness: Float64 | float = 1.0,
    grain: Float64 | float = 0.0,
    shading: float = 0.25,
) -> Float32:
    """Lay out a shape table as `kernels.paint` reads it; scalars are repeated for every shape."""
    count = len(rows)
    shade = rng.uniform(-shading, shading, (2, count))
    plain = (np.asarray(rectangle, float), float(multiply), softness, rows, cols, half_u, half_v, angle)
    columns = [np.broadcast_to(np.asarray(value, float), count) for value in plain]
    columns += [*colour.T, *shade, np.broadcast_to(np.asarray(grain, float), count)]
    return np.stack(columns, axis=1).astype(np.float32)


def _objects(
    rng: Generator, height: int, width: int, count: int, largest: float, top: float = 0.0
) -> Float32:
    """Return things of every size, the big ones first, between `top` (share of the height) and the bottom."""
    sizes = np.sort(_sizes(rng, count, 3.0, largest))[::-1]
    # Mostly the big lie behind, yet not strictly: neighbours in the order are mixed.
    sizes = sizes[np.argsort(np.arange(count) + rng.normal(0.0, 0.15 * count, count))]
    slim = np.exp(rng.uniform(np.log(0.25), 0.0, count))
    return _table(
        rng,
        rng.uniform(top * height, height, count),
        rng.uniform(0, width, count),
        sizes,
        sizes * slim,
        rng.uniform(0, np.pi, count),
        _colours(rng, count, 0.03, 0.8, 0.3),
        rectangle=rng.random(count) < 0.35,
        softness=np.where(rng.random(count) < 0.2, sizes * 0.3, 1.0),
        grain=rng.exponential(0.25, count),
    )


def _leaves(rng: Generator, height: int, width: int, count: int, top: float) -> Float32:
    """Return foliage: clumps of small leaves, the ones behind darker."""
    clumps = max(3, count // 700)
    middle_row = rng.uniform(top * height, height, clumps)
    middle_col = rng.uniform(0, width, clumps)
    reach = rng.uniform(0.04, 0.15, clumps) * height
    tint = np.array([0.22, 0.34, 0.08]) * np.exp(0.3 * rng.standard_normal((clumps, 3)))
    of = rng.integers(0, clumps, count)
    length = _sizes(rng, count, 2.0, 9.0)
    depth = np.linspace(0.25, 1.3, count)[:, None]
    return _table(
        rng,
        middle_row[of] + reach[of] * rng.normal(0, 0.6, count),
        middle_col[of] + reach[of] * rng.normal(0, 0.6, count),
        length,
        length * rng.uniform(0.25, 0.6, count),
        rng.uniform(0, np.pi, count),
        tint[of] * depth * np.exp(0.3 * rng.standard_normal((count, 1))),
        grain=0.15,
        shading=0.4,
    )


def _ground(rng: Generator, height: int, width: int, horizon: float) -> Float32:
    """Return the land: a few overlapping slopes below the horizon."""
    count = 4
    rows = height * (horizon + 0.45 + np.linspace(0.0, 0.35, count))
    grey = np.exp(rng.uniform(np.log(0.06), np.log(0.3), (count, 1)))
    return _table(
        rng,
        rows,
        width * rng.uniform(0.2, 0.8, count),
        np.full(count, 1.2 * width),
        np.full(count, 0.45 * height),
        rng.normal(0.0, 0.05, count),
        grey * np.array([1.0, 0.9, 0.6]) * np.exp(0.15 * rng.standard_normal((count, 3))),
        grain=rng.uniform(0.25, 0.6, count),
    )


def _buildings(rng: Generator, height: int, width: int) -> list[Float32]:
    """Return house fronts with rows of windows."""
    tables = []
    for _ in range(int(rng.integers(5, 10))):
        half_u, half_v = rng.uniform(0.05, 0.14) * width, rng.uniform(0.15, 0.4) * height
        row, col = height * rng.uniform(0.75, 1.0) - half_v * 0.6, rng.uniform(0, width)
        tilt = rng.normal(0.0, 0.02)
        front = _table(
            rng,
            np.array([row]),
            np.array([col]),
            np.array([half_u]),
            np.array([half_v]),
            tilt,
            _colours(rng, 1, 0.08, 0.6, 0.15),
            rectangle=True,
            grain=float(rng.uniform(0.1, 0.3)),
        )
        across, up = int(rng.integers(4, 10)), int(rng.integers(5, 14))
        u = np.tile(np.linspace(-0.85, 0.85, across) * half_u, up)
        v = np.repeat(np.linspace(-0.9, 0.9, up) * half_v, across)
        windows = _table(
            rng,
            row + v * np.cos(tilt) + u * np.sin(tilt),
            col + u * np.cos(tilt) - v * np.sin(tilt),
            np.full(u.size, 0.5 * half_u / across),
            np.full(u.size, 0.55 * half_v / up),
            tilt,
            _colours(rng, u.size, 0.02, 0.5, 0.2),
            rectangle=True,
            grain=0.15,
        )
        tables += [front, windows]
    return tables


def _lines(rng: Generator, height: int, width: int, count: int) -> Float32:
    """Return wires, poles and twigs: long and about a photosite wide."""
    return _table(
        rng,
        rng.uniform(0, height, count),
        rng.uniform(0, width, count),
        rng.uniform(0.1, 0.8, count) * width,
        np.exp(rng.uniform(np.log(0.5), np.log(4.0), count)),
        np.where(rng.random(count) < 0.5, rng.normal(0.0, 0.1, count), rng.uniform(0, np.pi, count)),
        _colours(rng, count, 0.02, 0.7, 0.1),
        rectangle=True,
    )


def _shade_and_glare(rng: Generator, height: int, width: int, style: str) -> list[Float32]:
    """Return soft deep shade and, in half of the scenes, a glare that clips."""
    strengths = [
        float(np.exp(rng.uniform(np.log(0.04), np.log(0.4)))) for _ in range(int(rng.integers(1, 4)))
    ]
    if rng.random() < 0.5:
        strengths.append(float(rng.uniform(3.0, 12.0)))
    tables = []
    for strength in strengths:
        size = rng.uniform(0.06, 0.25) * width
        # Out of doors shade lies on the ground and glare comes from the sky.
        low, high = (0.0, 1.0) if style not in _OUTDOORS else (0.7, 1.0) if strength < 1 else (0.0, 0.4)
        tables.append(
            _table(
                rng,
                rng.uniform(low * height, high * height, 1),
                rng.uniform(0, width, 1),
                np.array([size]),
                np.array([size * rng.uniform(0.4, 1.0)]),
                rng.uniform(0, np.pi, 1),
                np.full((1, 3), strength),
                rectangle=bool(strength < 1 and rng.random() < 0.3),
                multiply=True,
                softness=float(rng.uniform(2.0, 80.0)),
                shading=0.0,
            )
        )
    return tables


def _points(rng: Generator, height: int, width: int, style: str) -> Float32:
    """Return stars or glints of water and metal, from faint to far beyond saturation."""
    megapixels = height * width / 1e6
    count = int((900 if style == "night" else rng.uniform(20, 400)) * megapixels) + 4
    strength = np.exp(rng.normal(0.0, 1.3, (count, 1))) * (0.1 if style == "night" else 1.0)
    tint = np.exp(0.15 * rng.standard_normal((count, 3)))
    where = rng.uniform(0, 1, (count, 2)) * (height - 1, width - 1)
    return np.concatenate([where, strength * tint], axis=1).astype(np.float32)


def _count(height: int, width: int, per_megapixel: float) -> int:
    return max(8, int(per_megapixel * height * width / 1e6))


def _landscape(rng: Generator, height: int, width: int) -> list[Float32]:
    horizon = rng.uniform(0.25, 0.6)
    return [
        _ground(rng, height, width, horizon),
        _objects(rng, height, width, _count(height, width, 300), 0.06 * height, horizon + 0.1),
        _leaves(rng, height, width, _count(height, width, 25000), horizon),
        _lines(rng, height, width, 3),
    ]


def _foliage(rng: Generator, height: int, width: int) -> list[Float32]:
    return [
        _objects(rng, height, width, _count(height, width, 200), 0.3 * height),
        _leaves(rng, height, width, _count(height, width, 70000), -0.1),
        _lines(rng, height, width, 6),
        _leaves(rng, height, width, _count(height, width, 20000), 0.2),
    ]


def _city(rng: Generator, height: int, width: int) -> list[Float32]:
    return [
        _ground(rng, height, width, 0.6),
        *_buildings(rng, height, width),
        _objects(rng, height, width, _count(height, width, 250), 0.06 * height, 0.75),
        _leaves(rng, height, width, _count(height, width, 12000), 0.85),
        _lines(rng, height, width, 7),
    ]


def _still_life(rng: Generator, height: int, width: int) -> list[Float32]:
    return [
        _objects(rng, height, width, _count(height, width, rng.uniform(400, 6000)), 0.45 * height),
        _lines(rng, height, width, 4),
    ]


def _night(rng: Generator, height: int, width: int) -> list[Float32]:
    dim = _objects(rng, height, width, _count(height, width, 150), 0.2 * height, 0.6)
    dim[:, 8:11] *= 0.06
    return [dim, _lines(rng, height, width, 4) * _NIGHT_LINES]


# Shape-table columns of lines at night: everything as by day, colours a hundredth.
_NIGHT_LINES = np.array([1.0] * 8 + [0.01] * 3 + [1.0] * 3, np.float32)

_OUTDOORS = ("landscape", "city", "night")

_STYLES: dict[str, tuple[float, Callable[[Generator, int, int], list[Float32]]]] = {
    "landscape": (0.3, _landscape),
    "foliage": (0.15, _foliage),
    "city": (0.2, _city),
    "still life": (0.28, _still_life),
    "night": (0.07, _night),
}

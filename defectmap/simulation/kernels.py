"""Compiled loops of the simulated camera: painting a scene, the lens, demosaicing."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

# Columns of a shape table, one row per shape, painted in order (later rows lie in front).
RECTANGLE, MULTIPLY, SOFTNESS, ROW, COL, HALF_U, HALF_V, ANGLE, RED, GREEN, BLUE, SHADE_U, SHADE_V, GRAIN = (
    range(14)
)
SHAPE_COLUMNS = 14


@njit(cache=True, nogil=True)
def paint(canvas: Float32, shapes: Float32, texture: Float32) -> None:
    """Paint ellipses and rectangles over a linear RGB canvas, in place.

    Parameters
    ----------
    canvas : ndarray of shape (height, width, 3), float32
    shapes : ndarray of shape (n, SHAPE_COLUMNS), float32
        Centre and half axes in pixels, angle in radians; a soft edge `SOFTNESS` pixels wide; `MULTIPLY`
        tints what lies below instead of covering it; `GRAIN` scales the texture on the shape.
    texture : ndarray of shape (side, side), float32
        Periodic tile of zero mean and unit variance.
    """
    height, width, _ = canvas.shape
    side = texture.shape[0]
    for index in range(shapes.shape[0]):
        shape = shapes[index]
        cosine, sine = math.cos(shape[ANGLE]), math.sin(shape[ANGLE])
        half_u, half_v = shape[HALF_U], shape[HALF_V]
        edge = max(shape[SOFTNESS], np.float32(1.0))
        slim = min(half_u, half_v)
        outermost = (1.0 + 0.5 * edge / slim) ** 2
        reach_u, reach_v = half_u + edge, half_v + edge
        reach_row = abs(sine) * reach_u + abs(cosine) * reach_v
        reach_col = abs(cosine) * reach_u + abs(sine) * reach_v
        shift_row, shift_col = index * 131, index * 197
        for row in range(max(0, int(shape[ROW] - reach_row)), min(height, int(shape[ROW] + reach_row) + 2)):
            for col in range(
                max(0, int(shape[COL] - reach_col)), min(width, int(shape[COL] + reach_col) + 2)
            ):
                down, right = row - shape[ROW], col - shape[COL]
                u = right * cosine + down * sine
                v = down * cosine - right * sine
                if shape[RECTANGLE] > 0:
                    inside = min(half_u - abs(u), half_v - abs(v))
                else:
                    squared = (u / half_u) ** 2 + (v / half_v) ** 2
                    if squared >= outermost:
                        continue
                    inside = (1.0 - math.sqrt(squared)) * slim
                cover = inside / edge + 0.5
                if cover <= 0.0:
                    continue
                cover = min(cover, 1.0)
                light = 1.0 + shape[SHADE_U] * u / half_u + shape[SHADE_V] * v / half_v
                if shape[GRAIN] > 0:
                    light *= math.exp(
                        shape[GRAIN] * texture[(row + shift_row) % side, (col + shift_col) % side]
                    )
                light = max(light, 0.02)
                for colour in range(3):
                    below = canvas[row, col, colour]
                    paint_value = light * shape[RED + colour]
                    if shape[MULTIPLY] > 0:
                        paint_value *= below
                    canvas[row, col, colour] = below + cover * (paint_value - below)


@njit(cache=True, nogil=True)
def drape(canvas: Float32, texture: Float32, scale: float, amount: float) -> None:
    """Multiply the canvas by the exponential of a texture stretched by 1 / `scale`, in place."""
    height, width, _ = canvas.shape
    side = texture.shape[0]
    for row in range(height):
        y = row * scale
        top = int(y)
        down = y - top
        upper, lower = top % side, (top + 1) % side
        for col in range(width):
            x = col * scale
            left = int(x)
            right = x - left
            near, far = left % side, (left + 1) % side
            value = (1.0 - down) * ((1.0 - right) * texture[upper, near] + right * texture[upper, far])
            value += down * ((1.0 - right) * texture[lower, near] + right * texture[lower, far])
            factor = math.exp(amount * value)
            for colour in range(3):
                canvas[row, col, colour] *= factor


@njit(cache=True, nogil=True)
def sparkle(canvas: Float32, points: Float32) -> None:
    """Add points of light (row, col, red, green, blue) between pixel centres to the canvas, in place."""
    height, width, _ = canvas.shape
    for index in range(points.shape[0]):
        top, left = int(points[index, 0]), int(points[index, 1])
        down, right = points[index, 0] - top, points[index, 1] - left
        for step_row in range(2):
            for step_col in range(2):
                row, col = top + step_row, left + step_col
                if row < height and col < width:
                    share = (down if step_row else 1.0 - down) * (right if step_col else 1.0 - right)
                    for colour in range(3):
                        canvas[row, col, colour] += share * points[index, 2 + colour]


@njit(cache=True, nogil=True)
def through_lens(scene: Float32, psf: Float32, colours: NDArray[np.uint8]) -> Float32:
    """Blur a scene and sample it through a colour filter array.

    Parameters
    ----------
    scene : ndarray of shape (height, width, 3), float32
    psf : ndarray of shape (2 r + 1,), float32
        One axis of a separable point spread function of sum 1.
    colours : ndarray of shape (rows, cols), uint8
        Channel index per position of the periodic colour filter array.

    Returns
    -------
    ndarray of shape (height, width), float32
    """
    height, width, _ = scene.shape
    rows, cols = colours.shape
    reach = psf.shape[0] // 2
    out = np.empty((height, width), np.float32)
    line = np.empty((width + 2 * reach, 3), np.float32)
    for row in range(height):
        line[:] = 0.0
        for step in range(-reach, reach + 1):
            source = min(max(row + step, 0), height - 1)
            weight = psf[step + reach]
            for col in range(width):
                for colour in range(3):
                    line[col + reach, colour] += weight * scene[source, col, colour]
        for step in range(reach):
            line[step] = line[reach]
            line[width + reach + step] = line[width + reach - 1]
        for col in range(width):
            colour = colours[row % rows, col % cols]
            total = np.float32(0.0)
            for step in range(2 * reach + 1):
                total += psf[step] * line[col + step, colour]
            out[row, col] = total
    return out


@njit(cache=True, nogil=True)
def demosaic(padded: Float32, colours: NDArray[np.uint8]) -> Float32:
    """Demosaic a Bayer mosaic along its edges.

    Green follows the direction of the smaller gradient with a second-order correction (Hamilton and Adams,
    US patent 5,629,734, expired); red and blue are interpolated as differences from green.

    Parameters
    ----------
    padded : ndarray of shape (height + 8, width + 8), float32
        White-balanced linear mosaic, mirrored by four photosites on each side (which keeps the phase).
    colours : ndarray of shape (2, 2), uint8
        Channel index per position.

    Returns
    -------
    ndarray of shape (height, width, 3), float32
    """
    tall, wide = padded.shape
    green = np.empty((tall, wide), np.float32)
    for row in range(2, tall - 2):
        for col in range(2, wide - 2):
            here = padded[row, col]
            if colours[row % 2, col % 2] == 1:
                green[row, col] = here
                continue
            left, right = padded[row, col - 1], padded[row, col + 1]
            above, below = padded[row - 1, col], padded[row + 1, col]
            curve_h = 2 * here - padded[row, col - 2] - padded[row, col + 2]
            curve_v = 2 * here - padded[row - 2, col] - padded[row + 2, col]
            slope_h = abs(left - right) + abs(curve_h)
            slope_v = abs(above - below) + abs(curve_v)
            along_h = (left + right) / 2 + curve_h / 4
            along_v = (above + below) / 2 + curve_v / 4
            if slope_h < slope_v:
                green[row, col] = along_h
            elif slope_v < slope_h:
                green[row, col] = along_v
            else:
                green[row, col] = (along_h + along_v) / 2
    out = np.empty((tall - 8, wide - 8, 3), np.float32)
    for row in range(4, tall - 4):
        for col in range(4, wide - 4):
            base = green[row, col]
            out[row - 4, col - 4, 1] = base
            for colour in (0, 2):
                total, count = np.float32(0.0), 0
                if colours[row % 2, col % 2] == colour:
                    out[row - 4, col - 4, colour] = padded[row, col]
                    continue
                for step_row in range(-1, 2):
                    for step_col in range(-1, 2):
                        y, x = row + step_row, col + step_col
                        if colours[y % 2, x % 2] == colour:
                            total += padded[y, x] - green[y, x]
                            count += 1
                out[row - 4, col - 4, colour] = base + total / count
    return out

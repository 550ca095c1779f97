"""Scoring in compiled loops against the same in plain array arithmetic."""

from __future__ import annotations

import numpy as np
import pytest

from defectmap.model import kernels
from defectmap.model.prediction import PlaneModel, chroma_model, luma_model, mosaic_model
from defectmap.model.sensor import MosaicGeometry

XTRANS = ("GBGGRG", "RGRBGB", "GBGGRG", "GRGGBG", "BGBRGR", "GRGGBG")
TEXTURE = np.float32(0.09)


def mosaic(cfa: tuple[str, ...]) -> PlaneModel:
    """Return the model of a mosaic with some pattern."""
    return mosaic_model(MosaicGeometry(48, 60, 0, 0, 48, 60, cfa, (100,) * (len(cfa) ** 2), 4000, "test"))


def ranked(padded: np.ndarray, model: PlaneModel) -> np.ndarray:
    """Return the sorted neighbours of each site."""
    pad, (rows, cols) = model.pad, model.offsets.shape[:2]
    height, width = padded.shape[0] - 2 * pad, padded.shape[1] - 2 * pad
    r, c = np.indices((height, width))
    offsets = model.offsets[r % rows, c % cols]
    near = padded[r[..., None] + pad + offsets[..., 0], c[..., None] + pad + offsets[..., 1]]
    return np.sort(near.astype(np.int32), axis=2)


def summed(unrest: np.ndarray, radius: int) -> np.ndarray:
    """Sum over squares; beyond the edges the nearest site stands in."""
    wide = np.pad(unrest, radius, mode="edge")
    return np.lib.stride_tricks.sliding_window_view(wide, (2 * radius + 1,) * 2).sum(axis=(2, 3))


@pytest.mark.parametrize(
    "model",
    [mosaic(("RG", "GB")), mosaic(("W",)), mosaic(XTRANS), luma_model(), chroma_model()],
    ids=["bayer", "grey", "x-trans", "luma", "chroma"],
)
def test_rows_are_scored_as_plain_arithmetic_has_it(model: PlaneModel) -> None:
    """Scores, noise and light of every site are to the bit what the formulas give in float32."""
    rng = np.random.default_rng(7)
    dtype, top = (
        (np.uint8, 255) if model.offsets.shape == (1, 1, 8, 2) and model.black == 0 else (np.uint16, 4095)
    )
    pad, shape = model.pad, (48, 60)
    level = np.repeat(rng.uniform(0.1, 1.0, (shape[0] + 2 * pad, 1)), shape[1] + 2 * pad, axis=1) * top
    padded = rng.normal(level, 0.05 * top).clip(0, top).astype(dtype)
    variance = rng.uniform(1, 30, top + 1).astype(np.float32)
    reach = 48 * ((2 * model.outer + 1) ** 2 - (2 * model.inner + 1) ** 2)
    above, below, either = rng.uniform(0.3, 2.0, (3, reach + 1)).astype(np.float32)
    pairs = np.stack([above, below], axis=1).view(np.uint32) + (
        either.view(np.uint32).astype(np.uint64)[:, None] << np.uint64(32)
    )
    z, noise_code, light_code = np.empty(shape, np.int8), *np.empty((2, *shape), np.uint8)

    kernels.score_rows(
        padded, pad, model.common_offsets, variance, 1, TEXTURE, np.int32(model.clipped),
        np.float32(model.black), model.outer, model.inner, pairs.ravel(), 0, shape[0],
        z, noise_code, light_code,
    )  # fmt: skip

    near = ranked(padded, model)
    values = padded[pad:-pad, pad:-pad].astype(np.int32)
    twice, spread = near[..., 3] + near[..., 4], (near[..., 6] - near[..., 1]).astype(np.float32)
    sigma = np.sqrt(variance[twice >> 1] + TEXTURE * spread * spread)
    score = np.floor((2 * values - twice).astype(np.float32) * np.float32(8) / sigma + np.float32(0.5))
    silent = near[..., 6] >= model.clipped
    unrest = np.where(silent, 16, np.minimum(np.abs(score), 48)).astype(np.int64)
    activity = summed(unrest, model.outer) - summed(unrest, model.inner)
    narrowing = np.where((score < 0) | silent, below[activity], above[activity])
    wanted = np.floor(score.astype(np.float32) * narrowing + np.float32(0.5)).clip(-127, 127)
    assert np.array_equal(z, np.where(silent, kernels.Z_INVALID, wanted))
    assert 0 < silent.mean() < 0.5 or model.clipped > top

    steps = (np.float32(4) * sigma / either[activity]).view(np.int32) >> 20
    code = (steps - (127 << 3)).clip(0, 127)
    assert np.array_equal(noise_code, code)
    coded = (((code + (127 << 3)) << 20) | (1 << 19)).astype(np.int32).view(np.float32)
    light = (np.float32(0.5) * twice.astype(np.float32) - np.float32(model.black)) * np.float32(4) / coded
    assert np.array_equal(light_code, (light + np.float32(0.5)).astype(np.int32).clip(0, 255))

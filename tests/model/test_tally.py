"""Sums of a few frames in narrow types."""

from __future__ import annotations

from datetime import datetime
from functools import partial

import numpy as np
import pytest

from defectmap.model.evidence import FIELDS, RAW_WEIGHTS, RENDERED_WEIGHTS, regressor_weights
from defectmap.model.frame import Conditions, RawFrame
from defectmap.model.kernels import Z_INVALID
from defectmap.model.prediction import ScoredPlane
from defectmap.model.sensor import MosaicGeometry
from defectmap.model.study import Gatherer
from defectmap.model.tally import BATCH, TALLY_FRAMES, Tally

SHAPE = (53, 37)


def plane(values: np.ndarray, z: np.ndarray, code: np.ndarray, light: np.ndarray) -> ScoredPlane:
    """Return a scored plane of given arrays."""
    return ScoredPlane(values, 0, z, code, light)


def cut(one: ScoredPlane, rows: slice) -> ScoredPlane:
    """Return some rows of a scored plane."""
    return ScoredPlane(one.padded[rows], 0, one.z[rows], one.noise_code[rows], one.light_code[rows])


def add(tally: Tally, frames: list[tuple[ScoredPlane, Conditions]]) -> None:
    """Add a batch of frames."""
    tally.add([partial(cut, one) for one, _ in frames], [when for _, when in frames])


def plainly(frames: list[tuple[ScoredPlane, Conditions]]) -> dict[str, np.ndarray]:
    """Add frames up in Python's own integers."""
    shape = frames[0][0].z.shape
    sums = {name: np.zeros(shape, object) for name in FIELDS}
    for one, when in frames:
        valid = one.z != Z_INVALID
        z = np.where(valid, one.z.astype(int).clip(-80, 80), 0).astype(object)
        for name, array in (("value", one.values), ("z", z)):
            number = np.where(valid, array.astype(object), 0)
            sums[f"{name}_sum"] += number
            sums[f"{name}_sumsq"] += number**2 if name == "value" else (number**2 + 8) // 16
        scale = RENDERED_WEIGHTS if one.values.dtype == np.uint8 else RAW_WEIGHTS
        hot = regressor_weights(when.dose, scale)[one.noise_code]
        offset = regressor_weights(when.gain, scale)[one.noise_code]
        for name, array in (("hot", hot), ("offset", offset), ("light", one.light_code)):
            weight = np.where(valid, array.astype(object), 0)
            sums[f"{name}_sum"] += weight * z
            sums[f"{name}_weight"] += weight**2
        sums["n"] += valid.astype(object)
        sums["over"] += (one.z.astype(int) > 80).astype(object)
        sums["under"] += (valid & (one.z.astype(int) < -80)).astype(object)
    return sums


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 11])
def test_sums_are_those_of_plain_integers(dtype: type, count: int) -> None:
    """Any number of frames is summed to the bit as whole numbers without limit are."""
    rng = np.random.default_rng(count)
    frames = [
        (
            plane(
                rng.integers(0, np.iinfo(dtype).max, SHAPE, dtype, endpoint=True),
                rng.integers(-128, 127, SHAPE, np.int8, endpoint=True),
                rng.integers(0, 128, SHAPE, np.uint8),
                rng.integers(0, 256, SHAPE, np.uint8),
            ),
            Conditions(exposure_s=0.001 * 5.0**number, iso=None if number == 2 else 100.0 * 2**number),
        )
        for number in range(count)
    ]
    tally = Tally(SHAPE, np.dtype(dtype))
    for start in range(0, count, BATCH):
        add(tally, frames[start : start + BATCH])
    wanted = plainly(frames)
    for name, array in tally.sums.items():
        assert np.array_equal(array, wanted[name].astype(FIELDS[name])), name
    assert tally.frames == count


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("score", [127, -127])
def test_a_full_tally_of_the_largest_numbers_is_exact(dtype: type, score: int) -> None:
    """The narrow types hold as many frames as a tally takes, whatever these read."""
    frame = plane(
        np.full(SHAPE, np.iinfo(dtype).max, dtype),
        np.full(SHAPE, score, np.int8),
        np.zeros(SHAPE, np.uint8),
        np.full(SHAPE, 255, np.uint8),
    )
    when = Conditions(exposure_s=1000.0, iso=25600.0)
    scale = RENDERED_WEIGHTS if dtype == np.uint8 else RAW_WEIGHTS
    for regressor in (when.dose, when.gain):
        assert regressor_weights(regressor, scale)[0] == scale.limit
    tally = Tally(SHAPE, np.dtype(dtype))
    while tally.frames < TALLY_FRAMES:
        add(tally, [(frame, when)] * 16)
    wanted = plainly([(frame, when)] * TALLY_FRAMES)
    for name, array in tally.sums.items():
        assert np.array_equal(array, wanted[name].astype(FIELDS[name])), name


def test_more_frames_than_a_tally_holds_are_summed_on() -> None:
    """The sums of many frames are those of their parts, though one tally after the other is filled."""
    geometry = MosaicGeometry(12, 14, 0, 0, 12, 14, ("RG", "GB"), (0,) * 4, 4095, "test")
    rng, many, parts = np.random.default_rng(4), Gatherer(every_frame=True), []
    for number in range(2 * TALLY_FRAMES + 3):
        frame = RawFrame(rng.normal(1000, 20, (12, 14)).astype(np.uint16), geometry)
        when = Conditions(captured=datetime(2020, 1, 1), exposure_s=0.5, iso=200.0)
        many.add(frame, when)
        if number % 100 == 0:
            parts.append(Gatherer(every_frame=True))
        parts[-1].add(frame, when)
    for name, array in many.arrays().items():
        field = name.split(".")[1]
        assert np.array_equal(array, sum(part.arrays()[name].astype(FIELDS[field]) for part in parts)), name
        assert np.array_equal(array, many.planes()["mosaic"].sums[field])

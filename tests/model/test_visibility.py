"""In which photos a defect shows, in words."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from defectmap.model.defects import Defect, Kind
from defectmap.model.evidence import RAW_WEIGHTS
from defectmap.model.frame import Conditions
from defectmap.model.prediction import PlaneScoring, mosaic_model
from defectmap.model.sensor import MosaicGeometry
from defectmap.model.tally import Tally
from defectmap.model.visibility import lowest_iso, shortest_exposure_s, usual_noise, visible


def defect(kind: Kind, strength: float, origin: str = "") -> Defect:
    """Return a defect of that strength."""
    return Defect(3, 4, kind, "R", strength, "", 9.0, 5, 5, origin=origin)


@pytest.mark.parametrize(
    ("kind", "strength", "noise", "words"),
    [
        (Kind.HOT, 200.0, 10.0, "above 1/4 s at ISO 100, 1/23 s at ISO 3200"),
        (
            Kind.HOT,
            -5.0,
            10.0,
            "above 10 s at ISO 100, 1.8 s at ISO 3200 (reads too little)",
        ),
        (Kind.HOT, 0.01, 10.0, "above 884 s at ISO 3200"),
        (Kind.HOT, 1e-5, 10.0, "in hardly any photo"),
        (Kind.HOT, 200.0, None, "in long exposures"),
        (Kind.OFFSET, 60.0, 10.0, "in every photo"),
        (Kind.OFFSET, 25.0, 10.0, "from ISO 400"),
        (Kind.OFFSET, -25.0, 10.0, "from ISO 400 (reads too little)"),
        (Kind.OFFSET, 0.1, 10.0, "in hardly any photo"),
        (Kind.OFFSET, 25.0, None, "in dark areas"),
        (Kind.DIM, 0.95, 10.0, "in even, light areas"),
        (Kind.BRIGHT, 1.5, 10.0, "in every photo"),
        (Kind.STUCK, 900.0, 10.0, "in every photo"),
        (Kind.DEAD, 0.0, 10.0, "in every photo"),
        (Kind.NOISY, 50.0, 10.0, "in some photos"),
    ],
)
def test_words(kind: Kind, strength: float, noise: float | None, words: str) -> None:
    """Each kind says when it shows, and without knowledge of the noise says less."""
    assert visible(defect(kind, strength), noise) == words


def test_strengths_of_another_grid_are_not_compared() -> None:
    """A site carried over from another grid is not measured by the noise of this one."""
    assert visible(defect(Kind.HOT, 200.0, "raw:3904x2616"), 1.0) == "in long exposures"


@given(st.floats(0.1, 1e4), st.floats(0.1, 100), st.sampled_from([100.0, 800.0, 3200.0]))
def test_shown_from_there_on(rate: float, noise: float, iso: float) -> None:
    """At the stated exposure the excess is five times the noise."""
    exposure_s = shortest_exposure_s(rate, noise, iso)
    gain = iso / 100.0
    assert rate * exposure_s * gain == pytest.approx(5.0 * noise * gain**0.5)
    gain = lowest_iso(rate, noise) / 100.0
    assert rate * gain == pytest.approx(5.0 * noise * gain**0.5)


def test_noise_is_that_of_the_photos() -> None:
    """The usual noise is the one that the photos were made with; unknown without their sensitivity."""
    geometry = MosaicGeometry(96, 96, 0, 0, 96, 96, ("RG", "GB"), (128,) * 4, 4095, "test")
    rng, tally, gains = np.random.default_rng(1), Tally((96, 96), np.dtype(np.uint16)), []
    for _ in range(12):
        gain = float(rng.choice([1.0, 2.0, 8.0]))
        mosaic = np.clip(np.rint(rng.normal(1000, 9.0 * gain**0.5, (96, 96))), 0, 4095).astype(np.uint16)
        plane = PlaneScoring(mosaic, mosaic_model(geometry), "mosaic")
        tally.add([plane.score], [Conditions(exposure_s=0.01, iso=100.0 * gain)])
        gains.append(gain)
    noise = usual_noise(tally.sums["offset_weight"], tally.sums["n"], gains, RAW_WEIGHTS)
    assert noise == pytest.approx(9.0, rel=0.2)
    assert usual_noise(tally.sums["offset_weight"], tally.sums["n"], [None] * 12, RAW_WEIGHTS) is None
    assert usual_noise(np.zeros((2, 2), np.uint64), np.ones((2, 2), np.uint32), [1.0], RAW_WEIGHTS) is None

"""What is written at bad photosites that still respond."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from defectmap.model.correction import corrected_values
from defectmap.model.defects import Defect, Kind
from defectmap.model.frame import Conditions, RawFrame
from defectmap.model.restoration import common_factor, restored_values
from defectmap.model.sensor import MosaicGeometry

BLACK, WHITE, HEIGHT, WIDTH, TOP, LEFT = 200, 4095, 96, 128, 3, 4
GEOMETRY = MosaicGeometry(
    HEIGHT + 5, WIDTH + 6, TOP, LEFT, HEIGHT, WIDTH, ("RG", "GB"), (BLACK,) * 4, WHITE, "test"
)
E_PER_DN = 4.0
SECOND = Conditions(exposure_s=2.0, iso=200.0)


def textured(seed: int = 1) -> np.ndarray:
    """Draw light, in electrons: a smooth side, and one of grain in which a guess is off by much."""
    rng = np.random.default_rng(seed)
    rows, cols = np.mgrid[:HEIGHT, :WIDTH]
    smooth = 2500.0 * (1.0 + 0.2 * np.sin(rows / 20.0 + cols / 30.0))
    return smooth * (1.0 + 0.15 * rng.standard_normal((HEIGHT, WIDTH)) * (cols > WIDTH // 3))


@dataclass
class Shot:
    """One exposure, with bad sites of one kind at places far apart."""

    kind: Kind
    strength: float
    unit: str
    light: np.ndarray = field(default_factory=textured)
    factor: float = 1.0
    """By which the frame's deviations are larger than the map has them."""
    count: int = 40

    def __post_init__(self) -> None:
        rng = np.random.default_rng(7)
        electrons = rng.poisson(self.light).astype(float)
        self.truth = np.clip(np.rint(BLACK + electrons / E_PER_DN), 0, WHITE).astype(np.uint16)
        rows, cols = np.mgrid[8 : HEIGHT - 8 : 11, 8 : WIDTH - 8 : 13]
        self.at = rows.ravel()[: self.count], cols.ravel()[: self.count]
        reading = self.truth.astype(float)
        if self.unit == "gain":
            kept = rng.binomial(electrons[self.at].astype(int), min(self.strength, 1.0))
            reading[self.at] = BLACK + kept / E_PER_DN
        else:
            exposed = SECOND.dose if self.kind is Kind.HOT else SECOND.gain
            added = self.factor * self.strength * exposed * E_PER_DN
            reading[self.at] += rng.poisson(added, self.at[0].size) / E_PER_DN
        self.mosaic = np.clip(np.rint(reading), 0, WHITE).astype(np.uint16)
        self.sites = [(int(r) + TOP, int(c) + LEFT) for r, c in zip(*self.at, strict=True)]
        self.defects = [
            Defect(row, col, self.kind, "", self.strength, self.unit, 9.0, 9, 9) for row, col in self.sites
        ]
        self.untrusted = np.zeros((GEOMETRY.height, GEOMETRY.width), np.bool_)
        self.untrusted[tuple(np.array(self.sites).T)] = True

    def restored(self, conditions: Conditions = SECOND, **changes: object) -> np.ndarray:
        """Repair it with some of what the map says changed."""
        defects = [replace(d, **changes) for d in self.defects]
        frame = RawFrame(self.mosaic, GEOMETRY)
        return restored_values(frame, self.sites, defects, conditions, self.untrusted)

    def interpolated(self) -> np.ndarray:
        """Repair it from the neighbours alone."""
        inside = self.untrusted[TOP : TOP + HEIGHT, LEFT : LEFT + WIDTH]
        places = [(row - TOP, col - LEFT) for row, col in self.sites]
        return corrected_values(self.mosaic, places, GEOMETRY.cfa, inside)

    def error(self, values: np.ndarray) -> float:
        """Return the root mean square distance from the truth, in DN."""
        return float(np.sqrt(np.mean((values.astype(float) - self.truth[self.at]) ** 2)))


RESPONDING = [
    (Kind.HOT, 40.0, "DN/s at ISO 100"),
    (Kind.OFFSET, 60.0, "DN at ISO 100"),
    (Kind.DIM, 0.7, "gain"),
]


@pytest.mark.parametrize(("kind", "strength", "unit"), RESPONDING)
def test_what_still_responds_is_not_guessed(kind, strength, unit):
    """In texture, a reading that is put right comes several times nearer to the truth than a guess."""
    shot = Shot(kind, strength, unit)
    restored = shot.error(shot.restored())
    assert restored < 0.3 * shot.error(shot.interpolated())
    assert restored < 0.3 * shot.error(shot.mosaic[shot.at])


@pytest.mark.parametrize("factor", [0.5, 1.7])
def test_the_frame_tells_its_temperature(factor):
    """Where all hot sites burn hotter or cooler by one factor than the map has it, the frame tells it."""
    shot = Shot(Kind.HOT, 150.0, "DN/s at ISO 100", factor=factor)
    known = shot.error(shot.restored())
    off = abs(factor - 1.0) * 150.0 * SECOND.dose
    assert known < 0.15 * off
    few = Shot(Kind.HOT, 150.0, "DN/s at ISO 100", factor=factor, count=3)
    assert few.error(few.restored()) < 1.2 * few.error(few.interpolated()) + 3.0


@pytest.mark.parametrize("kind", [Kind.STUCK, Kind.DEAD, Kind.NOISY])
def test_what_does_not_respond_is_interpolated(kind):
    """Stuck, dead and very noisy sites get what their neighbours say, and nothing of their own."""
    shot = Shot(Kind.OFFSET, 60.0, "DN at ISO 100")
    assert np.array_equal(shot.restored(kind=kind, unit="DN", strength=900.0), shot.interpolated())


@pytest.mark.parametrize(("kind", "strength", "unit"), RESPONDING)
def test_clipped_readings_say_nothing(kind, strength, unit):
    """A reading at an end of its range is not put right."""
    shot = Shot(kind, strength, unit)
    for end in (0, WHITE):
        shot.mosaic[shot.at] = end
        assert np.array_equal(shot.restored(), shot.interpolated())


@pytest.mark.parametrize(("kind", "strength", "unit"), RESPONDING)
def test_what_the_map_does_not_say_is_not_assumed(kind, strength, unit):
    """Without exposure data, or with a strength of another grid, sites are interpolated."""
    shot = Shot(kind, strength, unit)
    if unit != "gain":
        assert np.array_equal(shot.restored(Conditions()), shot.interpolated())
        assert np.array_equal(shot.restored(origin="jpeg:100x90"), shot.interpolated())
    assert np.array_equal(shot.restored(unit="DN"), shot.interpolated()) or unit != "gain"


@pytest.mark.parametrize(("kind", "strength", "unit"), RESPONDING)
def test_a_map_that_the_frame_contradicts(kind, strength, unit):
    """Where putting right leads out of all that the surroundings hold, the neighbours are believed."""
    flat = np.full((HEIGHT, WIDTH), 2500.0)
    shot = Shot(kind, strength, unit, light=flat, count=4)
    shot.mosaic[shot.at] = shot.truth[shot.at]
    wrong = {"strength": 0.3} if unit == "gain" else {"strength": 600.0, "strength_sd": 6.0}
    assert shot.error(shot.restored(**wrong)) < 1.5 * shot.error(shot.interpolated()) + 1.0


def test_a_poorly_known_strength_counts_less():
    """The worse a strength is known, the nearer the result is to the interpolation."""
    shot = Shot(Kind.DIM, 0.7, "gain")
    guess = shot.interpolated().astype(float)
    distance = [
        np.abs(shot.restored(strength_sd=sd).astype(float) - guess).mean() for sd in (0.002, 0.05, 0.2, 2.0)
    ]
    assert distance == sorted(distance, reverse=True)
    assert distance[-1] < 0.1 * distance[0]


def test_a_repair_that_would_do_harm_is_not_made():
    """A site whose own noise is less than the error of any guess keeps its reading."""
    shot = Shot(Kind.OFFSET, 1.0, "DN at ISO 100")
    assert np.array_equal(shot.restored(kind=Kind.NOISY, unit="DN", strength=1.0), shot.mosaic[shot.at])


@settings(max_examples=60, deadline=None)
@given(
    common=st.floats(0.4, 2.0),
    spread=st.floats(0.0, 0.2),
    noise=st.floats(0.01, 0.1),
    liars=st.integers(0, 4),
    seed=st.integers(0, 999),
)
def test_a_common_factor_is_robust(common, spread, noise, liars, seed):
    """The factor that ratios share is found within a few of its own errors, whatever a few of them say."""
    rng = np.random.default_rng(seed)
    ratios = common + np.hypot(spread, noise) * rng.standard_normal(25)
    ratios[:liars] = rng.uniform(-30.0, 30.0, liars)
    found = common_factor(ratios, np.full(25, noise**2), 0.6)
    assert abs(found.common - common) < 1.5 * np.hypot(spread, noise) + 0.02
    assert found.spread < 2.5 * np.hypot(spread, noise) + 0.02


@given(ratios=st.lists(st.floats(-5.0, 5.0), max_size=4))
def test_too_few_to_compare(ratios):
    """From fewer than five sites no factor is drawn, and the usual spread is assumed."""
    found = common_factor(np.array(ratios), np.ones(len(ratios)), 0.6)
    assert (found.common, found.spread) == (1.0, 0.6)


def test_nothing_to_restore():
    """No sites give no values, and a site of which the map knows nothing is interpolated."""
    shot = Shot(Kind.OFFSET, 60.0, "DN at ISO 100")
    frame = RawFrame(shot.mosaic, GEOMETRY)
    assert restored_values(frame, [], shot.defects, SECOND, shot.untrusted).shape == (0,)
    assert np.array_equal(restored_values(frame, shot.sites, [], SECOND, shot.untrusted), shot.interpolated())

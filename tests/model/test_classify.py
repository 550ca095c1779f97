"""Kinds and strengths, against small simulated sensors whose defects are known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest

from defectmap.model.classify import Quiet, SiteRecord, classify
from defectmap.model.defects import Defect, DefectMap, Kind
from defectmap.model.frame import Conditions, RawFrame
from defectmap.model.sensor import MosaicGeometry
from defectmap.model.study import Study

SIDE = 128
FULL_E = 30_000.0
EXPOSURES_S = (0.001, 0.004, 0.02, 0.06, 0.25, 1.0, 4.0)
SITE = (60, 61)


@dataclass(frozen=True)
class Bad:
    """What is wrong with one photosite: DN/s and DN at ISO 100, gain, or a constant DN above black."""

    rate: float = 0.0
    offset: float = 0.0
    gain: float = 1.0
    level: float | None = None


@dataclass(frozen=True)
class Sensor:
    """A 12-bit sensor of few photosites."""

    bad: dict[tuple[int, int], Bad]
    black: int = 128
    exposures_s: tuple[float, ...] = EXPOSURES_S
    isos: tuple[int, ...] = (100, 200, 400, 800, 1600)
    overdone: float = 0.0
    """How many times the dark signal long-exposure noise reduction takes off exposures from 1 s on."""
    darkest: float = 0.03

    @property
    def geometry(self) -> MosaicGeometry:
        """Layout of its frames."""
        return MosaicGeometry(SIDE, SIDE, 0, 0, SIDE, SIDE, ("RG", "GB"), (self.black,) * 4, 4095, "test")

    def frames(self, count: int, seed: int = 1) -> Iterator[tuple[RawFrame, Conditions]]:
        """Take photos of gentle slopes in different light."""
        rng = np.random.default_rng(seed)
        rows, cols = np.mgrid[:SIDE, :SIDE] / SIDE
        for _ in range(count):
            exposure_s, iso = float(rng.choice(self.exposures_s)), float(rng.choice(self.isos))
            gain, top = iso / 100.0, 4095.0 - self.black
            level = self.darkest * (0.7 / self.darkest) ** rng.random() * top
            slope = rng.uniform(-0.5, 0.5, 2)
            light = level * (1.0 + slope[0] * (rows - 0.5) + slope[1] * (cols - 0.5))
            for _ in range(6):
                row, col = rng.integers(0, SIDE - 16, 2)
                light[row : row + 16, col : col + 16] *= rng.uniform(0.5, 1.2)
            for (row, col), bad in self.bad.items():
                dark = bad.rate * exposure_s * gain
                if exposure_s >= 1.0:
                    dark *= 1.0 - self.overdone
                light[row, col] = bad.gain * light[row, col] + bad.offset * gain + dark
            per_dn = FULL_E / gain / top
            noise = np.sqrt(np.maximum(light, 0.0) / per_dn + (3.0 / per_dn) ** 2 + 0.25)
            value = light + noise * rng.standard_normal((SIDE, SIDE)) + self.black
            for site, bad in self.bad.items():
                if bad.level is not None:
                    value[site] = bad.level + self.black
            mosaic = np.clip(np.rint(value), 0, 4095).astype(np.uint16)
            yield RawFrame(mosaic, self.geometry), Conditions(exposure_s=exposure_s, iso=iso)

    def map(self, count: int = 60, changed: Callable[[Conditions], Conditions] = lambda c: c) -> DefectMap:
        """Judge photos, with what the camera wrote of them changed."""
        study = Study()
        for frame, conditions in self.frames(count):
            study.add(frame, changed(conditions))
        return study.map()


def only(found: DefectMap) -> Defect:
    """Return the one defect, at the planted site."""
    (defect,) = found.defects
    assert (defect.row, defect.col) == SITE
    return defect


@pytest.mark.parametrize(
    ("bad", "kind", "strength", "within"),
    [
        (Bad(rate=300.0), Kind.HOT, 300.0, 60.0),
        (Bad(rate=8.0), Kind.HOT, 8.0, 2.0),
        (Bad(offset=40.0), Kind.OFFSET, 40.0, 2.4),
        (Bad(offset=3.0), Kind.OFFSET, 3.0, 0.5),
        (Bad(offset=-6.0), Kind.OFFSET, -6.0, 1.0),
        (Bad(gain=0.94), Kind.DIM, 0.94, 0.01),
        (Bad(gain=0.5), Kind.DIM, 0.5, 0.01),
        (Bad(gain=0.06), Kind.DIM, 0.06, 0.01),
        (Bad(gain=1.08), Kind.BRIGHT, 1.08, 0.01),
        (Bad(gain=2.5), Kind.BRIGHT, 2.5, 0.03),
        (Bad(gain=0.0), Kind.DEAD, 0.0, 3.0),
        (Bad(level=400.0), Kind.STUCK, 400.0, 1.0),
        (Bad(level=60.0), Kind.STUCK, 60.0, 1.0),
    ],
)
def test_kind_and_strength(bad: Bad, kind: Kind, strength: float, within: float) -> None:
    """Sites weak and strong are called what they are, and are measured."""
    found = only(Sensor({SITE: bad}).map())
    assert found.kind is kind
    assert found.strength == pytest.approx(strength, abs=within)


def test_partly_stuck_hot_site_is_hot_or_offset() -> None:
    """A hot site with an offset is named by one of the two."""
    assert only(Sensor({SITE: Bad(rate=100.0, offset=40.0)}).map()).kind in {Kind.HOT, Kind.OFFSET}


@pytest.mark.parametrize(
    ("bad", "kinds"),
    [
        (Bad(offset=40.0), {Kind.OFFSET}),
        (Bad(rate=200.0), {Kind.OFFSET, Kind.HOT}),
        (Bad(gain=1.3), {Kind.BRIGHT}),
        (Bad(gain=0.8), {Kind.DIM}),
        (Bad(gain=0.0), {Kind.DEAD}),
        (Bad(level=400.0), {Kind.STUCK}),
    ],
)
@pytest.mark.parametrize("unknown", [("exposure_s",), ("iso",), ("exposure_s", "iso")])
def test_unknown_exposures(bad: Bad, kinds: set[Kind], unknown: tuple[str, ...]) -> None:
    """Where photos tell no exposure time or no ISO, the light still tells kinds apart, and nothing is hot."""
    blank = dict.fromkeys(unknown)
    sensor = Sensor({SITE: bad}, isos=(100,) if "iso" in unknown else (100, 400))
    found = only(sensor.map(40, lambda conditions: replace(conditions, **blank)))
    assert found.kind in kinds - {Kind.HOT}
    assert np.isfinite(found.strength)


def test_some_exposures_unknown() -> None:
    """Photos that tell their exposure say the kind, though others of the same site do not."""
    count = iter(range(1000))

    def every_other(conditions: Conditions) -> Conditions:
        return replace(conditions, exposure_s=None, iso=None) if next(count) % 2 else conditions

    assert only(Sensor({SITE: Bad(rate=300.0)}).map(changed=every_other)).kind is Kind.HOT
    assert only(Sensor({SITE: Bad(gain=0.7)}).map(changed=every_other)).kind is Kind.DIM


def test_constant_exposures_tell_offsets_only() -> None:
    """In photos of one exposure a hot site cannot be told from an offset, and is called an offset."""
    sensor = Sensor({SITE: Bad(rate=2000.0)}, exposures_s=(0.02,), isos=(200,))
    found = only(sensor.map())
    assert found.kind is Kind.OFFSET
    assert found.strength == pytest.approx(40.0, rel=0.06)


def test_holes_of_noise_reduction_are_hot_sites_below_zero() -> None:
    """What long-exposure noise reduction took too much off is neither dead nor dim: it is hot, negatively."""
    found = only(Sensor({SITE: Bad(rate=60.0)}, overdone=2.0).map(80))
    assert found.kind is Kind.HOT
    assert found.strength < 0


def test_noise_reduction_at_black_makes_no_dead_site() -> None:
    """A hole that reaches black in long exposures only is not dead."""
    found = only(Sensor({SITE: Bad(rate=3000.0)}, black=0, overdone=1.5).map(80))
    assert found.kind not in {Kind.DEAD, Kind.DIM, Kind.STUCK}


def test_truncated_black() -> None:
    """Where noise below black is cut off, dark photos make no site a defect, and dead ones are found."""
    dark = Sensor({SITE: Bad(gain=0.0)}, black=0, darkest=0.001)
    found = dark.map(80)
    assert only(found).kind is Kind.DEAD
    assert found.suspects == ()
    assert Sensor({}, black=0, darkest=0.0005).map(80).entries == ()


def test_bad_since_late_is_still_told() -> None:
    """A site that was healthy in half of the photos is called what it is since."""
    study = Study()
    healthy = list(Sensor({}).frames(60))
    for bad, kind in ((Bad(gain=1.5), Kind.BRIGHT), (Bad(offset=40.0), Kind.OFFSET)):
        study = Study()
        late = list(Sensor({SITE: bad}).frames(60, seed=2))
        for frame, conditions in healthy[:30] + late[:30]:
            study.add(frame, conditions)
        assert only(study.map()).kind is kind


def _rendered(linear: np.ndarray, light: np.ndarray, opposed: bool) -> SiteRecord:
    """Return what a JPEG shows of a site that adds so much to the light in sixteen frames."""
    excess = (light**2.2 + linear) ** (1 / 2.2) - light
    if opposed:
        excess[3] = -40.0
    gain = np.tile([16.0, 32.0, 64.0, 64.0], light.size // 4)
    return SiteRecord(
        spread=20.0,
        share=1.0,
        mean=120.0,
        near_mean=100.0,
        variance=1000.0,
        near_variance=1000.0,
        quiet={
            Kind.HOT: Quiet(1.0, 10.0, 3.0),
            Kind.OFFSET: Quiet(30.0, 600.0, 30.0),
            Kind.BRIGHT: Quiet(300.0, 50_000.0, 70.0),
        },
        excess=excess,
        sigma=np.full(light.size, 8.0),
        light=light,
        cut=np.zeros(light.size, bool),
        dose_s=gain * np.geomspace(0.001, 2.0, light.size)[np.random.default_rng(1).permutation(light.size)],
        gain=gain,
        rendered=True,
    )


@pytest.mark.parametrize("opposed", [False, True])
def test_offset_behind_a_tone_curve(opposed: bool) -> None:
    """An offset that a JPEG shows much in shade and little in light is one, even if a frame opposes it."""
    light = np.tile([160.0, 120.0, 20.0, 90.0], 4) + np.arange(16.0)
    gain = np.tile([16.0, 32.0, 64.0, 64.0], 4)
    site = _rendered(600.0 * gain, light, opposed)
    assert classify(site, 6.0).kind is Kind.OFFSET


@pytest.mark.parametrize(
    ("bad", "kind"),
    [
        (Bad(offset=60.0), Kind.OFFSET),
        (Bad(gain=0.8), Kind.DIM),
        (Bad(gain=0.02), Kind.DEAD),
        (Bad(level=900.0), Kind.STUCK),
    ],
)
def test_how_well_a_strength_is_known(bad, kind):
    """Strengths of sites that respond come with a standard error that their true error agrees with."""
    defect = only(Sensor({SITE: bad}).map())
    assert defect.kind is kind
    if kind in {Kind.DEAD, Kind.STUCK}:
        assert defect.strength_sd is None
        return
    truth = bad.offset or bad.gain
    assert defect.strength_sd < 0.1 * truth
    assert abs(defect.strength - truth) < 4.0 * defect.strength_sd

from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from defectmap.model.defects import Kind
from defectmap.simulation import TWELVE_BIT, Electronics, PlantedDefect, Planting
from defectmap.simulation.sensor import REFERENCE_TEMPERATURE_C, expose, plant

START = datetime(2020, 1, 1)
CHIP = Electronics(gain_spread=0.0)
SITE = (5, 5)


def _readings(
    defects, *, light=0.1, iso=100.0, exposure_s=0.01, temperature_c=REFERENCE_TEMPERATURE_C, n=400
):
    """Return n readings of the site in electrons above black."""
    flat = np.full((8, 8), light, np.float32)
    gains = np.ones_like(flat)
    rng = np.random.default_rng(1)
    readings = [
        expose(
            flat, CHIP, gains, defects, iso=iso, exposure_s=exposure_s, temperature_c=temperature_c, rng=rng
        )[SITE]
        for _ in range(n)
    ]
    return (np.array(readings, float) - CHIP.black_dn) * CHIP.electrons_per_dn(iso)


@pytest.mark.parametrize(
    ("exposure_s", "temperature_c"), [(1.0, 30.0), (4.0, 30.0), (1.0, 37.0), (2.0, 23.0)]
)
def test_hot(exposure_s, temperature_c):
    """A hot site gains its rate times the exposure, doubling every 7 degrees."""
    hot = PlantedDefect(*SITE, Kind.HOT, "strong", rate_e_per_s=2000.0)
    readings = _readings([hot], exposure_s=exposure_s, temperature_c=temperature_c)
    expected = 3000 + 2000 * exposure_s * 2 ** ((temperature_c - 30) / 7)
    assert readings.mean() == pytest.approx(expected, abs=5 * np.sqrt(expected / 400) + 1)


@pytest.mark.parametrize(
    ("iso", "exposure_s"), [(100.0, 0.001), (100.0, 8.0), (1600.0, 0.001), (1600.0, 8.0)]
)
def test_offset(iso, exposure_s):
    """An offset adds the same electrons whatever the exposure time and the sensitivity."""
    offset = PlantedDefect(*SITE, Kind.OFFSET, "strong", offset_e=200.0)
    readings = _readings([offset], light=0.02, iso=iso, exposure_s=exposure_s)
    light_e = 600.0 * 100.0 / iso
    assert readings.mean() == pytest.approx(light_e + 200.0, abs=6.0)


@pytest.mark.parametrize("light", [0.0, 0.3, 2.0])
def test_stuck(light):
    """A stuck site reads its level, give or take the converter's noise, whatever the light."""
    stuck = PlantedDefect(*SITE, Kind.STUCK, "mid", level=0.4)
    readings_dn = _readings([stuck], light=light, n=50) / CHIP.electrons_per_dn(100)
    assert np.abs(readings_dn - 0.4 * 15871).max() < 10


@pytest.mark.parametrize("light", [0.1, 0.9])
def test_dead(light):
    """A dead site stays at black."""
    readings = _readings([PlantedDefect(*SITE, Kind.DEAD, "strong", gain=0.0)], light=light)
    assert readings.mean() == pytest.approx(0.0, abs=2.0)
    assert readings.std() < 8.0


@pytest.mark.parametrize("gain", [0.2, 0.95, 1.4])
def test_gain(gain):
    """A dim or bright site answers to light in proportion to its gain."""
    kind = Kind.DIM if gain < 1 else Kind.BRIGHT
    readings = _readings([PlantedDefect(*SITE, kind, "mid", gain=gain)], light=0.3)
    assert readings.mean() == pytest.approx(gain * 9000, rel=0.005)


def test_noisy():
    """A noisy site has a healthy mean and two states as far apart as was planted."""
    noisy = PlantedDefect(*SITE, Kind.NOISY, "strong", telegraph_e=400.0)
    readings = _readings([noisy], light=0.02)
    assert readings.mean() == pytest.approx(600, abs=40)
    assert readings.std() == pytest.approx(np.sqrt(200**2 + 600 + 9 + 14), rel=0.05)


@pytest.mark.parametrize("electronics", [CHIP, TWELVE_BIT], ids=["14 bit", "12 bit"])
@pytest.mark.parametrize("iso", [100.0, 1600.0])
@pytest.mark.parametrize("light", [0.0, 0.02, 0.5])
def test_noise(electronics, iso, light):
    """A healthy chip shows shot noise, read noise and rounding, and nothing else."""
    flat = np.full((200, 200), light, np.float32)
    mosaic = expose(
        flat,
        electronics,
        np.ones_like(flat),
        [],
        iso=iso,
        exposure_s=1.0,
        temperature_c=40.0,
        rng=np.random.default_rng(2),
    )
    per_dn = electronics.electrons_per_dn(iso)
    electrons = (mosaic.astype(float) - electronics.black_dn) * per_dn
    level = light * electronics.full_well_e * 100 / iso
    variance = level + 3.0**2 + (electronics.read_noise_dn * per_dn) ** 2 + per_dn**2 / 12
    assert electrons.mean() == pytest.approx(level, abs=5 * np.sqrt(variance / flat.size))
    assert electrons.var() == pytest.approx(variance, rel=0.04)


def test_saturation():
    """Light beyond saturation reads the white level, and no more."""
    flat = np.full((8, 8), 5.0, np.float32)
    mosaic = expose(
        flat,
        CHIP,
        np.ones_like(flat),
        [],
        iso=400.0,
        exposure_s=1.0,
        temperature_c=20.0,
        rng=np.random.default_rng(0),
    )
    assert (mosaic == CHIP.white_dn).all()


@given(
    seed=st.integers(0, 2**32),
    spacing=st.integers(1, 12),
    late=st.floats(0, 1),
    healed=st.floats(0, 1),
    stuck=st.floats(0, 1),
)
def test_plant(seed, spacing, late, healed, stuck):
    """Planted sites keep their distance and the border, and onsets and healings fall within the life."""
    planting = Planting(1, spacing, late, healed, stuck)
    planted = plant(np.random.default_rng(seed), 120, 160, planting, START, 100.0)
    assert len(planted) == 19
    assert {defect.kind for defect in planted} == set(Kind)
    rows = np.array([defect.row for defect in planted])
    cols = np.array([defect.col for defect in planted])
    apart = np.maximum(abs(rows[:, None] - rows), abs(cols[:, None] - cols)) + 1000 * np.eye(19, dtype=int)
    assert apart.min() >= spacing
    assert rows.min() >= 4
    assert rows.max() < 116
    for defect in planted:
        onset, end = defect.onset or START, defect.healed or START + timedelta(days=100)
        assert START <= onset < end <= START + timedelta(days=100)
        assert defect.bad_at(onset)
        assert defect.bad_at(end) == (defect.healed is None)


def test_strata():
    """Every kind is planted in its degrees, and another share of late ones moves no site."""

    def planted(late):
        return plant(np.random.default_rng(4), 300, 300, Planting(2, late_share=late), START, 100.0)

    rates = sorted(d.rate_e_per_s for d in planted(0.0) if d.kind is Kind.HOT)
    assert all(5 <= rate <= 50 for rate in rates[:2])
    assert all(500 <= rate <= 5000 for rate in rates[-2:])
    assert [(d.row, d.col, d.gain) for d in planted(0.0)] == [(d.row, d.col, d.gain) for d in planted(1.0)]
    assert all(d.onset is None for d in planted(0.0))
    assert all(d.onset is not None for d in planted(1.0))


def test_plant_too_many():
    """More sites than the sensor has room for are refused with the figures."""
    with pytest.raises(ValueError, match="190 sites at least 8 apart do not fit on 40 x 40"):
        plant(np.random.default_rng(0), 40, 40, Planting(10), START, 100.0)

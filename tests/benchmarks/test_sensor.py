"""The reference sensor of the benchmark of detection."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from PIL import Image

from benchmarks.detection.rendering import as_jpeg
from benchmarks.detection.scenes import SIDE, scenes_of, with_stars
from benchmarks.detection.sensor import (
    BLACK,
    CLASSES,
    E_PER_DN,
    GEOMETRY,
    WHITE,
    ReferenceSensor,
    Setting,
    Truth,
    behind_filters,
    draw_setting,
    expose,
    plant,
)
from defectmap.model.frame import RawFrame


def _grey(rng):
    return np.full((SIDE, SIDE, 3), 0.4, np.float32)


def _setting(exposure_s=0.01, iso=100.0, temperature_c=30.0, level=0.18):
    return Setting(exposure_s, iso, temperature_c, level)


@pytest.mark.parametrize(("iso", "level"), [(100, 0.2), (100, 0.002), (1600, 0.1), (6400, 0.3)])
def test_noise_is_shot_and_read_noise(iso, level):
    """A healthy site's variance is that of its electrons, of both read noises and of rounding."""
    light = np.full((512, 512), level, np.float32)
    mosaic = expose(light, _setting(iso=iso), (), np.random.default_rng(1)).astype(np.float64)
    per_dn = E_PER_DN / (iso / 100)
    electrons = level * 30_000 / (iso / 100)
    assert mosaic.mean() - BLACK == pytest.approx(electrons / per_dn, rel=0.002)
    assert mosaic.var() == pytest.approx((electrons + 3**2) / per_dn**2 + 2**2 + 1 / 12, rel=0.02)


@pytest.mark.parametrize(("temperature_c", "factor"), [(30, 1), (37, 2), (16, 0.25)])
def test_dark_rate_doubles_every_seven_degrees(temperature_c, factor):
    """A hot site adds its rate times the exposure time, twice as much every seven degrees."""
    truths = tuple(Truth(row, 5, "hot_strong", rate_e_per_s=800.0) for row in range(900))
    light = np.full((900, 11), 0.1, np.float32)
    setting = _setting(exposure_s=2.0, iso=200, temperature_c=temperature_c)
    mosaic = expose(light, setting, truths, np.random.default_rng(2)).astype(np.float64)
    excess = mosaic[:, 5].mean() - mosaic[:, :5].mean()
    assert excess == pytest.approx(factor * truths[0].strength * 2.0 * 2.0, rel=0.02)


def test_offset_and_gain_are_in_units_of_the_truth():
    """An offset adds its DN at ISO 100 times the gain; a dim site reads its share of the light."""
    rows = range(900)
    truths = tuple(Truth(row, 5, "off_strong", offset_e=100.0) for row in rows)
    truths += tuple(Truth(row, 8, "low_mid", gain=0.7) for row in rows)
    light = np.full((900, 12), 0.1, np.float32)
    mosaic = expose(light, _setting(iso=800), truths, np.random.default_rng(3)).astype(np.float64) - BLACK
    healthy = mosaic[:, :5].mean()
    assert mosaic[:, 5].mean() - healthy == pytest.approx(8 * truths[0].strength, rel=0.02)
    assert mosaic[:, 8].mean() / healthy == pytest.approx(truths[-1].strength, rel=0.01)


def test_stuck_keeps_its_level_and_dead_stays_black():
    """A stuck site reads its level within two DN whatever the light; a dead one reads black."""
    truths = (Truth(3, 3, "stuck", level=0.5), Truth(8, 8, "dead", gain=0.0))
    for level in (0.0, 0.1, 1.5):
        light = np.full((12, 12), level, np.float32)
        mosaic = expose(light, _setting(), truths, np.random.default_rng(4))
        assert abs(int(mosaic[3, 3]) - (BLACK + (WHITE - BLACK) / 2)) <= 2.5
        assert abs(int(mosaic[8, 8]) - BLACK) < 6 * np.hypot(3 / E_PER_DN, 2)
    assert mosaic[0, 0] == WHITE


def test_planted_as_many_and_as_far_apart_as_asked():
    """Every class has its number of sites, within its bounds, none nearer than eight to another."""
    truths = plant(np.random.default_rng(5), 400, 400, 10)
    assert Counter(t.name for t in truths) == dict.fromkeys(CLASSES, 10)
    for t in truths:
        kind = CLASSES[t.name]
        assert kind.low <= getattr(t, kind.quantity) <= kind.high
    assert min(max(abs(a.row - b.row), abs(a.col - b.col)) for a, b in combinations(truths, 2)) >= 8


def test_settings_are_spread_as_stated():
    """Four fifths of the exposures are shorter than 1/15 s, a twentieth longer than a second."""
    rng = np.random.default_rng(6)
    settings = [draw_setting(rng) for _ in range(20_000)]
    times = np.array([s.exposure_s for s in settings])
    assert (times < 1 / 15).mean() == pytest.approx(0.8, abs=0.01)
    assert (times > 1).mean() == pytest.approx(0.05, abs=0.01)
    assert (times.min(), times.max()) == (pytest.approx(1e-3, rel=0.05), pytest.approx(10, rel=0.05))
    assert {s.iso for s in settings} == {100, 200, 400, 800, 1600, 3200, 6400}
    levels = np.log2(np.array([s.level for s in settings]) / 0.18)
    assert (levels.mean(), levels.std()) == (pytest.approx(0, abs=0.03), pytest.approx(0.8, abs=0.02))


def test_frames_depend_on_seed_and_number_alone():
    """A frame is the same whether or not others were taken before it."""
    sensor = ReferenceSensor(7, _grey, per_class=2)
    sensor.frame(0)
    again, conditions = sensor.frame(3)
    first, same_conditions = ReferenceSensor(7, _grey, per_class=2).frame(3)
    other, _ = ReferenceSensor(8, _grey, per_class=2).frame(3)
    assert (again.mosaic == first.mosaic).all()
    assert conditions == same_conditions
    assert (again.mosaic != other.mosaic).any()


def test_colours_are_those_of_the_filters():
    """Red photosites see half of a grey scene's green light, blue ones six tenths, at the mean asked for."""
    light = behind_filters(_grey(None), 0.2)
    assert light.mean() == pytest.approx(0.2, rel=1e-5)
    assert light[0::2, 0::2].mean() / light[0::2, 1::2].mean() == pytest.approx(0.5)
    assert light[1::2, 1::2].mean() / light[1::2, 0::2].mean() == pytest.approx(0.6)


@pytest.mark.parametrize("subsampling", ["4:2:0", "4:2:2"])
@pytest.mark.parametrize(("plane", "row", "col"), [("red", 200, 300), (None, 400, 501), ("blue", 601, 701)])
def test_defect_lights_its_own_pixel_of_the_jpeg(subsampling, plane, row, col):
    """A raised photosite changes the luma of its own pixel most; a red or blue one tints the place."""
    truths = (Truth(row, col, "off_strong", offset_e=6000.0),)
    mosaic = expose(behind_filters(_grey(None), 0.18), _setting(), truths, np.random.default_rng(9))
    healthy = mosaic.copy()
    healthy[row, col] = mosaic[row, col - 2]
    with_it, without = (
        as_jpeg(RawFrame(m, GEOMETRY), quality=100, subsampling=subsampling) for m in (mosaic, healthy)
    )
    change = with_it.luma.astype(int) - without.luma
    assert np.unravel_index(change.argmax(), change.shape) == (row, col)
    if plane is not None:
        tint = getattr(with_it, plane).astype(float) - getattr(without, plane)
        tint[tint < 2] = 0
        # A chroma sample lies amid its four pixels.
        place = [float((axis * tint).sum() / tint.sum()) * 2 + 0.5 for axis in np.indices(tint.shape)]
        assert place == pytest.approx((row, col), abs=1.2)


def test_scenes_come_from_a_folder_or_are_drawn(tmp_path):
    """Pictures of a folder make scenes of the sensor's size; without a folder scenes are drawn."""
    ramp = np.linspace(0, 255, 300).astype(np.uint8)
    Image.fromarray(np.dstack([np.tile(ramp, (200, 1))] * 3)).save(tmp_path / "ramp.png")
    for folder in (tmp_path, tmp_path / "none"):
        draw, told = scenes_of(folder)
        scene = draw(np.random.default_rng(10))
        assert scene.shape == (SIDE, SIDE, 3)
        assert scene.min() >= 0
        assert (scene == draw(np.random.default_rng(10))).all()
        assert ("want of" in told) == (folder != tmp_path)
    with pytest.raises(ValueError, match="no pictures"):
        (tmp_path / "empty").mkdir()
        scenes_of(tmp_path / "empty")[0](np.random.default_rng(0))


def test_tripod_frames_share_one_starry_scene():
    """About half of the frames show the one scene of the tripod; its stars only add light."""
    drawn = []

    def draw(rng):
        drawn.append(rng.random())
        return np.full((SIDE, SIDE, 3), 0.1, np.float32)

    sensor = ReferenceSensor(11, draw, per_class=0, tripod_share=0.5)
    list(sensor.frames(12))
    assert 4 <= len(drawn) <= 10
    starry = with_stars(_grey(None), np.random.default_rng(12), count=50)
    assert starry.min() >= np.float32(0.4)
    assert (starry[..., 1] > 0.405).sum() > 100

"""The model on plain arrays."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pytest

from defectmap.model import study
from defectmap.model.defects import Kind, StructureKind
from defectmap.model.frame import Conditions, RawFrame
from defectmap.model.sensor import MosaicGeometry


def test_frames_of_two_grids_do_not_mix() -> None:
    """A frame of another size is refused with both sizes."""
    gathered = study.Study()
    for side in (64, 66):
        geometry = MosaicGeometry(side, side, 0, 0, side, side, ("RG", "GB"), (0,) * 4, 4095, "test")
        frame = RawFrame(np.full((side, side), 100, np.uint16), geometry)
        if side == 64:
            gathered.add(frame, Conditions())
        else:
            with pytest.raises(ValueError, match="cannot join"):
                gathered.add(frame, Conditions())


def test_no_frames_no_map() -> None:
    """A map of nothing is refused."""
    with pytest.raises(ValueError, match="add some first"):
        study.Study().map()


XTRANS = ("GGRGGB", "GGBGGR", "BRGRBG", "GGBGGR", "GGRGGB", "RBGBRG")


@pytest.mark.parametrize("cfa", [("W",), ("RG", "GB"), XTRANS])
def test_any_pattern(cfa: tuple[str, ...]) -> None:
    """Sensors without colours, with 2x2 and with 6x6 patterns show the same defects by the same code."""
    shape = (72, 84)
    geometry = MosaicGeometry(76, 90, 3, 5, *shape, cfa, (512,) * (len(cfa) * len(cfa[0])), 16383, "test")
    rng, gathered = np.random.default_rng(3), study.Study()
    for _ in range(40):
        mosaic = rng.normal(rng.uniform(1000, 3000), 20, shape)
        mosaic[20, 33], mosaic[30, 50] = 9000, 530
        mosaic[50, 60] += 200
        mosaic[40:43, 20:23] += 300
        mosaic[:, 70] += 60
        frame = RawFrame(np.clip(mosaic, 0, 16383).astype(np.uint16), geometry)
        gathered.add(frame, Conditions(exposure_s=0.01, iso=100))
    found = gathered.map()
    block = [(40 + r, 20 + c) for r in range(3) for c in range(3)]
    assert found.sites == {(r + 3, c + 5) for r, c in [(20, 33), (30, 50), (50, 60), *block]}
    assert {d.colour for d in found} <= set("".join(cfa))
    lines = [line for line in found.lines if line.kind is StructureKind.COLUMN]
    assert [line.left for line in lines] == [75]


@pytest.mark.parametrize("cfa", [("W",), ("RG", "GB"), XTRANS])
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (4, 40), (13, 5)])
def test_frames_too_small_to_predict(cfa: tuple[str, ...], shape: tuple[int, int]) -> None:
    """A frame of a few photosites is no trouble and shows nothing."""
    gathered = study.Study()
    geometry = MosaicGeometry(*shape, 0, 0, *shape, cfa, (0,) * (len(cfa) * len(cfa[0])), 4095, "test")
    for level in (100, 200, 300):
        gathered.add(RawFrame(np.full(shape, level, np.uint16), geometry), Conditions())
    assert not gathered.map().entries


def test_kinds_of_sites_that_were_bad_for_a_part_of_the_time() -> None:
    """A site that sticks, dies or dims half-way is called that, not hot, and its onset is found."""
    geometry = MosaicGeometry(96, 96, 0, 0, 96, 96, ("RG", "GB"), (512,) * 4, 16383, "test")
    rng, gathered = np.random.default_rng(9), study.Study()
    dosed = rng.uniform(0.001, 0.5, 60)
    for number, exposure in enumerate(dosed):
        light = rng.uniform(500, 4000)
        mosaic = 512 + rng.normal(light, 0.02 * light + 5, (96, 96))
        if number >= 30:
            mosaic[20, 33] = 9000
            mosaic[40, 50] = 512
            mosaic[60, 71] = 512 + 0.4 * light
        when = Conditions(datetime(2020, 1, 1) + timedelta(number), exposure_s=float(exposure), iso=100)
        gathered.add(RawFrame(np.clip(mosaic, 0, 16383).astype(np.uint16), geometry), when)
    found = {(d.row, d.col): d for d in gathered.map().defects}
    kinds = {site: one.kind for site, one in found.items()}
    assert kinds == {(20, 33): Kind.STUCK, (40, 50): Kind.DEAD, (60, 71): Kind.DIM}
    onset = datetime(2020, 1, 31)
    assert all(one.last_good < onset <= one.first_bad for one in found.values())

"""The histogram of scores counts every photosite once."""

from __future__ import annotations

import numpy as np
import pytest

from defectmap.model.defects import Defect, DefectMap, Kind, Structure, StructureKind
from defectmap.model.scores import FILTERS, GaussianScores, SpreadNull
from defectmap.model.sensor import Grid, MosaicGeometry
from defectmap.reporting.scores import ScoreCounter

GRID = Grid("raw", 110, 210)
GEOMETRY = MosaicGeometry(110, 210, 4, 6, 100, 200, ("RG", "GB"), (0,) * 4, 4095, "none")


def scores(shape: tuple[int, int], seed: int = 1) -> GaussianScores:
    """Return normal scores, independent of each other."""
    rng = np.random.default_rng(seed)
    planes = {name: rng.standard_normal(shape).astype(np.float32) for name in FILTERS}
    known = {name: np.ones(shape, bool) for name in FILTERS}
    return GaussianScores(planes, known, {}, SpreadNull(np.zeros((1, 1)), np.ones((1, 1))))


def entry(row: int, col: int, certain: bool = True) -> Defect:
    """Return an entry of a map."""
    return Defect(row, col, Kind.STUCK, "R", 1.0, "DN", 9.0, 5, 5, certain=certain)


def test_healthy_scores_follow_the_null() -> None:
    """Of a healthy sensor the counts are those of chance, and their sum that of the photosites."""
    counter = ScoreCounter(DefectMap(GRID), GEOMETRY)
    assert counter.histogram() is None
    counter.add("mosaic", scores((100, 200)))
    found = counter.histogram()
    assert found is not None
    assert sum(found.others) == 20_000 and sum(found.null) == pytest.approx(20_000)
    off = np.array(found.others) - np.array(found.null)
    assert (np.abs(off) < 5 * np.sqrt(np.array(found.null) + 1)).all()


def test_listed_sites_take_their_echoes_with_them() -> None:
    """An entry counts once, with the largest score about it; structures are no healthy sites."""
    made = scores((100, 200))
    made.planes["level"][20, 30] = -25.0
    made.planes["dose"][21, 31] = 60.0
    made.planes["level"][:, 150] = 9.0
    line = Structure(StructureKind.COLUMN, 4, 156, 104, 157)
    counter = ScoreCounter(DefectMap(GRID, (entry(24, 36), entry(0, 0, certain=False)), (line,)), GEOMETRY)
    counter.add("mosaic", made)
    found = counter.histogram()
    assert found is not None
    assert found.defects[-1] == 1 and sum(found.defects) == sum(found.suspects) == 1
    assert sum(found.others) == 20_000 - 25 - 100
    assert all(edge < 7 for edge, count in zip(found.edges, found.others, strict=True) if count)


def test_planes_of_a_jpeg_are_counted_together() -> None:
    """An entry of a JPEG counts once, though three planes show it."""
    counter = ScoreCounter(DefectMap(Grid("jpeg", 100, 200), (entry(50, 60),)), None)
    for plane, shape in (("luma", (100, 200)), ("blue", (50, 100)), ("red", (50, 100))):
        made = scores(shape)
        step = shape[0] // 50
        made.planes["level"][25 * step, 30 * step] = 12.0
        counter.add(plane, made)
    found = counter.histogram()
    assert found is not None
    assert found.defects[24] == sum(found.defects) == 1
    assert max(edge for edge, count in zip(found.edges, found.others, strict=True) if count) < 7

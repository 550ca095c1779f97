"""How the benchmark of detection counts."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.detection.clamping import clamp
from benchmarks.detection.scoring import score, together
from benchmarks.detection.sensor import BLACK, E_PER_DN, Truth
from benchmarks.detection.variance import ValueVariance, beyond, lowest
from defectmap.model.defects import Defect, DefectMap, Kind
from defectmap.model.sensor import Grid

TRUTHS = (
    Truth(20, 20, "hot_mid", rate_e_per_s=100 * E_PER_DN),
    Truth(40, 40, "off_mid", offset_e=20 * E_PER_DN),
    Truth(60, 60, "low_mid", gain=0.8),
    Truth(80, 80, "dead", gain=0.0),
)


def _defect(row, col, kind, strength=1.0, confidence=10.0, certain=True):
    unit = "gain" if kind in {Kind.DIM, Kind.BRIGHT} else "DN"
    return Defect(row, col, kind, "R", strength, unit, confidence, 5, 5, certain=certain)


def _map(*entries):
    return DefectMap(Grid("raw", 1000, 1000), entries)


def test_each_entry_is_counted_once_as_what_it_is():
    """Hits, second reports, echoes beside a defect, plain false alarms and suspects are told apart."""
    found = _map(
        _defect(21, 20, Kind.HOT, 110.0),
        _defect(19, 19, Kind.OFFSET, confidence=7.0),
        _defect(40, 43, Kind.OFFSET),
        _defect(500, 500, Kind.HOT),
        _defect(80, 80, Kind.STUCK),
        _defect(60, 60, Kind.DIM, certain=False),
        _defect(700, 60, Kind.DIM, certain=False),
    )
    tally = score(found, TRUTHS, reach=1)
    assert dict(tally.found) == {"hot_mid": 1, "dead": 1}
    assert (tally.twice, tally.false, tally.beside) == (1, 2, 1)
    assert (tally.suspects, tally.true_suspects) == (2, 1)
    assert tally.recall == 0.5
    assert tally.kinds_right == 0.5
    assert tally.false_per_million == 2.0
    assert score(found, TRUTHS, reach=0).found.total() == 1


def test_strengths_are_compared_in_the_units_of_the_map():
    """Rates and offsets are compared by ratio, rates also without their common one; gains by difference."""
    found = _map(
        _defect(20, 20, Kind.HOT, 150.0), _defect(40, 40, Kind.OFFSET, 19.0), _defect(60, 60, Kind.DIM, 0.81)
    )
    tally = together([score(found, TRUTHS), score(found, TRUTHS)])
    assert tally.ratios[Kind.HOT] == pytest.approx((1.5, 1.5))
    assert tally.ratios[Kind.OFFSET] == pytest.approx((0.95, 0.95))
    assert tally.own_ratios == pytest.approx((1.0, 1.0))
    assert tally.gain_errors == pytest.approx((0.01, 0.01))


@pytest.mark.parametrize("rule", ["same", "any", "far"])
def test_clamping_is_what_its_rule_says(rule):
    """Every photosite is clamped as a loop over its neighbours would."""
    rng = np.random.default_rng(1)
    mosaic = (BLACK + rng.integers(0, 400, (24, 30))).astype(np.uint16)
    mosaic[rng.integers(2, 22, 12), rng.integers(2, 28, 12)] += 5000
    clamped = clamp(mosaic, rule)
    values = mosaic.astype(int)
    for row in range(2, 22):
        for col in range(2, 28):
            here = values[row, col]
            block = values[row - 2 : row + 3, col - 2 : col + 3]
            others = np.delete(block.ravel(), 12).max()
            same = np.delete(block[::2, ::2].ravel(), 4).max()
            if rule == "far":
                expected = min(here, same) if here - BLACK > 2 * (others - BLACK) + 400 else here
            else:
                expected = min(here, others if rule == "any" else same)
            assert clamped[row, col] == expected
    assert (clamped != mosaic).any()


def test_lowest_variance_finds_what_never_changes():
    """The variance is numpy's; constant sites come first, and a hot site does not."""
    rng = np.random.default_rng(2)
    variance = ValueVariance((40, 40))
    stack = rng.normal(2000, 100, (50, 40, 40)).round()
    stack[:, 11, 12] = 3000
    stack[:, 21, 22] += 500
    for frame in stack.astype(np.uint16):
        variance.add(frame)
    scores = variance.scores()
    order = np.argsort(-scores[0::2, 0::2].ravel())
    assert (np.diff(stack.var(axis=0)[0::2, 0::2].ravel()[order]) > -1e-6).all()
    answers = lowest(scores, {(11, 12), (21, 22)})
    assert (answers.reported, answers.true) == (2, 1)
    answers = beyond(scores, {(11, 12), (21, 22)}, 6.0)
    assert (answers.reported, answers.true) == (1, 1)

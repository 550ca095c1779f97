"""Scores against the null of their own position."""

from __future__ import annotations

import numpy as np
import pytest

from defectmap.model.evidence import Z_UNIT, PlaneEvidence
from defectmap.model.scores import GaussianScores, standardise
from defectmap.model.sums import Sums

SHAPE = (320, 400)


def test_each_position_has_its_own_null() -> None:
    """Positions of a period that differ in level and width have the same scores."""
    rng = np.random.default_rng(1)
    score = rng.standard_normal(SHAPE).astype(np.float32)
    score[::2, 1::2] = 7 + 3 * score[::2, 1::2]
    standardise(score, np.ones(SHAPE, bool), (2, 2))
    for part in (score[::2, 1::2], score[1::2, ::2]):
        assert abs(float(np.median(part))) < 0.05
        assert float(part.std()) == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("zeros", [0.4, 0.9])
def test_scores_that_are_mostly_nought_do_not_stand_out(zeros: float) -> None:
    """Where coarse coding makes most scores 0, an ordinary one is small still, and a strong one is heard."""
    rng = np.random.default_rng(2)
    frames = 36
    z = np.where(rng.random((frames, *SHAPE)) < zeros, 0, rng.normal(0, Z_UNIT, (frames, *SHAPE)))
    z[:, 20, 30] = 4 * Z_UNIT
    # Of most sites only one frame has any weight to speak of, as of a long exposure.
    weight = np.full((frames, 1, 1), 0.02)
    weight[0] = 1.0
    evidence = PlaneEvidence.empty(SHAPE)
    evidence.sums["z_sum"][:] = np.rint(z.sum(axis=0))
    evidence.sums["n"][:] = frames
    evidence.sums["hot_sum"][:] = (weight * z).sum(axis=0)
    evidence.sums["hot_weight"][:] = (weight**2).sum()
    for name in ("level", "dose"):
        score = GaussianScores.of(Sums.of(evidence), (1, 1)).planes[name]
        usual = np.delete(score.ravel(), 20 * SHAPE[1] + 30)
        assert float(np.sqrt(np.mean(usual**2))) < 2.2
        assert score[20, 30] > 4

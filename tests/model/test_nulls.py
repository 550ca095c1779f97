"""The tail of a score, measured on healthy photosites."""

from __future__ import annotations

import numpy as np
import pytest

from defectmap.model.nulls import tail_widening

SHAPE = (700, 600)


def test_normal_scores_need_hardly_more() -> None:
    """Scores that are normal widen the threshold by no more than a tenth and a bit."""
    score = np.random.default_rng(1).standard_normal(SHAPE).astype(np.float32)
    assert 1.0 < tail_widening(score, np.ones(SHAPE, bool), 6.0, 8) < 1.2


@pytest.mark.parametrize("freedom", [3, 6, 12])
def test_wide_tails_are_allowed_for(freedom: int) -> None:
    """Sums of few heavy-tailed terms stay under the threshold that their own tail asks for."""
    rng = np.random.default_rng(freedom)
    score = np.clip(rng.standard_t(freedom, (8, *SHAPE)), -5, 5).sum(axis=0).astype(np.float32)
    score /= np.float32(1.4826 * np.median(np.abs(score)))
    assert np.abs(score).max() < 5.5 * tail_widening(score, np.ones(SHAPE, bool), 5.5, 8)


def test_defects_do_not_widen() -> None:
    """Photosites beyond the threshold, and what they spread to, have no say."""
    score = np.random.default_rng(2).standard_normal(SHAPE).astype(np.float32)
    known = np.ones(SHAPE, bool)
    alone = tail_widening(score, known, 6.0, 8)
    rng = np.random.default_rng(3)
    for row, col in zip(rng.integers(8, SHAPE[0] - 8, 60), rng.integers(8, SHAPE[1] - 8, 60), strict=True):
        score[row - 4 : row + 5, col - 4 : col + 5] = -4
        score[row, col] = 30
    assert tail_widening(score, known, 6.0, 8) == pytest.approx(alone, abs=0.03)


def test_too_few_to_tell() -> None:
    """Where hardly any photosite is known, the tail is taken to be wide."""
    score = np.full(SHAPE, 5, np.float32)
    assert tail_widening(score, np.zeros(SHAPE, bool), 6.0, 8) == 1.5


def test_tails_beyond_the_threshold_count() -> None:
    """Scores of which a hundredth lies far out, everywhere, are not taken for defects and left out."""
    rng = np.random.default_rng(4)
    score = rng.standard_normal(SHAPE).astype(np.float32)
    wide = rng.random(SHAPE) < 0.02
    score[wide] *= 5
    assert tail_widening(score, np.ones(SHAPE, bool), 5.5, 8) > 1.7

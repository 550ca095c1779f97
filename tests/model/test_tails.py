"""Tails of distributions."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from defectmap.model.tails import (
    FAR,
    NEAR,
    ChanceTail,
    binomial_score,
    discovery_score,
    normal_score,
    normal_tail,
    poisson_score,
)


@given(st.floats(0.0, 30.0))
def test_scores_and_tails_are_inverse(score: float) -> None:
    """The score of the tail of a score is that score."""
    assert normal_score(normal_tail(score)) == pytest.approx(score, abs=1e-6)


@given(st.integers(1, 60), st.floats(0.001, 0.5), st.data())
def test_binomial_scores_are_those_of_the_exact_tail(trials: int, share: float, data: st.DataObject) -> None:
    """Counts above the mean score as the sum of the binomial terms says, counts below score nothing."""
    count = data.draw(st.integers(0, trials))
    score = binomial_score(count, trials, share)
    if count <= trials * share:
        assert score == 0.0
        return
    tail = sum(comb(trials, k) * share**k * (1 - share) ** (trials - k) for k in range(count, trials + 1))
    assert score == pytest.approx(normal_score(tail), abs=1e-6)


def test_rare_binomial_counts_are_poisson() -> None:
    """With many trials of a small share both scores agree."""
    assert binomial_score(9, 100_000, 1e-5) == pytest.approx(poisson_score(9, 1.0), abs=1e-3)


def calibrated(tail: ChanceTail, *scores: float) -> NDArray[np.float32]:
    """Return what a tail makes of some scores."""
    return tail.calibrated(np.array(scores, np.float32))


def test_a_normal_tail_stays_normal() -> None:
    """Where the shares found are those of a normal distribution, scores are what they are."""
    for tail in (ChanceTail.of(normal_tail(NEAR), normal_tail(FAR)), ChanceTail.of(0.0, 0.0)):
        assert calibrated(tail, FAR, 5.0, 9.0) == pytest.approx([FAR, 5.0, 9.0], abs=1e-5)


@given(st.floats(1e-6, 0.2), st.floats(0.0, 1.0), st.floats(FAR, 9.0))
def test_calibrated_scores_lie_between_both_tails(near: float, share: float, score: float) -> None:
    """A score is no less likely than of a normal tail, and no likelier than the tail carried on says."""
    tail = ChanceTail.of(near, near * share)
    (found,) = calibrated(tail, score)
    assert tail.far + tail.slope * (score - FAR) - 1e-4 <= found <= score + 1e-4
    (measured,) = calibrated(tail, FAR)
    assert measured == pytest.approx(tail.far, abs=1e-5)


def test_a_wide_tail_is_followed() -> None:
    """Scores from a Laplace distribution are taken for much likelier than normal ones of their size."""
    # Scaled to a standard deviation of 1 by its MAD, as scores are.
    scale = np.log(2.0) * 1.4826
    tail = ChanceTail.of(*(float(0.5 * np.exp(-z * scale)) for z in (NEAR, FAR)))
    true = normal_score(float(0.5 * np.exp(-6.0 * scale)))
    (found,) = calibrated(tail, 6.0)
    assert true <= found < true + 0.5 * (6.0 - true)


@given(st.integers(0, 2**32 - 1), st.integers(0, 40))
def test_discoveries_keep_their_rate(seed: int, true: int) -> None:
    """Among a thousand tests the discoveries include all sure ones, and few others."""
    rng = np.random.default_rng(seed)
    chance = np.array([normal_score(p) for p in rng.uniform(size=1000 - true)], np.float32)
    scores = np.concatenate([np.full(true, 7.0, np.float32), chance])
    bar = discovery_score(scores, 1000, 0.01)
    assert (scores[:true] >= bar).all()
    assert (scores[true:] >= bar).sum() <= 5


def test_the_more_there_is_to_find_the_less_is_asked() -> None:
    """Many clear discoveries lower the bar; of nothing but chance it is that of a single test family."""
    few, many = (discovery_score(np.full(n, 9.0, np.float32), 10**7, 0.001) for n in (3, 3000))
    assert many < few < discovery_score(np.empty(0, np.float32), 10**7, 0.001)
    assert discovery_score(np.empty(0, np.float32), 10**7, 0.001) == pytest.approx(normal_score(1e-10))
    assert discovery_score(np.empty(0, np.float32), 10**7, 0.001, 0.05) == pytest.approx(normal_score(5e-9))

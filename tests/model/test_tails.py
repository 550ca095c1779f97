"""Tails of distributions."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from defectmap.model.tails import (
    FAR,
    NEAR,
    ChanceTail,
    binomial_score,
    discoveries,
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


def test_a_normal_tail_stays_normal() -> None:
    """Where the shares found are those of a normal distribution, the tail carried on is normal."""
    near, far = normal_tail(NEAR), normal_tail(FAR)
    assert ChanceTail.of(near, far).above(5.0) == pytest.approx(normal_tail(5.0))
    assert ChanceTail.of(0.0, 0.0).above(5.0) == pytest.approx(normal_tail(5.0))


def test_a_wide_tail_is_carried_on() -> None:
    """The tail of a Laplace distribution is followed to within a factor of three over two more units."""
    # Scaled to a standard deviation of 1 by its MAD, as scores are.
    scale = np.log(2.0) * 1.4826

    def tail(score: float) -> float:
        return float(0.5 * np.exp(-score * scale))

    for score in (4.0, 5.0, 5.75):
        assert 1 / 3 < ChanceTail.of(tail(NEAR), tail(FAR)).above(score) / tail(score) < 3


@given(st.integers(0, 2**32 - 1), st.integers(0, 40))
def test_discoveries_keep_their_rate(seed: int, true: int) -> None:
    """Among a thousand tests the marked ones include all sure ones, and few others."""
    rng = np.random.default_rng(seed)
    chances = np.concatenate([np.full(true, 1e-12), rng.uniform(size=1000 - true)])
    marked = discoveries(chances, 1000, 0.01)
    assert marked[:true].all()
    assert marked[true:].sum() <= 5


def test_nothing_to_discover() -> None:
    """No tests, no discoveries."""
    assert discoveries(np.empty(0), 1000, 0.01).size == 0


@given(st.floats(1e-6, 0.2), st.floats(0.0, 1.0), st.floats(4.0, 7.0))
def test_thresholds_are_between_both_tails(near: float, share: float, limit: float) -> None:
    """What is demanded is no less than of a normal tail, and no more than the tail carried on asks for."""
    tail = ChanceTail.of(near, near * share)
    demanded = tail.threshold(limit)
    assert demanded >= limit
    assert tail.above(demanded) >= normal_tail(demanded) * (1 - 1e-9)
    if tail.slope == 1.0 and tail.far == FAR:
        assert demanded == pytest.approx(limit)

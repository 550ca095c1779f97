"""Counts against what chance makes of healthy photosites."""

from __future__ import annotations

import numpy as np
import pytest

from defectmap.model.counts import Counts
from defectmap.model.evidence import PlaneEvidence
from defectmap.model.sums import Sums
from defectmap.model.tails import binomial_score, poisson_score

SHAPE = (200, 300)
FRAMES = 400


def counted() -> PlaneEvidence:
    """Return healthy counts but for one site that stands out often, one low, and one that ties."""
    rng = np.random.default_rng(1)
    part = PlaneEvidence.empty(SHAPE)
    part.sums["n"][:] = rng.integers(FRAMES - 9, FRAMES + 1, SHAPE)
    part.sums["over"][:] = rng.poisson(0.004 * FRAMES, SHAPE)
    part.sums["under"][:] = rng.poisson(0.001 * FRAMES, SHAPE)
    part.sums["tie_frames"][:] = 50
    part.sums["ties"][:] = rng.binomial(50, 0.02, SHAPE)
    part.sums["over"][20, 30], part.sums["under"][20, 31], part.sums["ties"][20, 32] = 200, 90, 45
    return part


def test_chance_is_that_of_the_healthy() -> None:
    """Bad sites have no part in the chances."""
    counts = Counts.of(Sums.of(counted()))
    assert counts.frames == FRAMES
    assert counts.over == pytest.approx(0.004, rel=0.05)
    assert counts.under == pytest.approx(0.001, rel=0.05)
    assert counts.tied == pytest.approx(0.02, rel=0.05)


@pytest.mark.parametrize("least", [0.0, 2.5, 4.0])
def test_outstanding_are_those_of_high_scores(least: float) -> None:
    """All sites whose score is so high are found, and have the same score as when asked for."""
    part = counted()
    sums = Sums.of(part)
    counts = Counts.of(sums)
    every = np.arange(sums.size)
    found, scores = counts.outstanding(sums, least)["votes"]
    whole = counts.votes(sums, every)
    np.testing.assert_array_equal(scores, whole[found])
    wanted = np.flatnonzero(np.abs(whole) >= max(least, 1e-3))
    assert np.isin(wanted, found).all()
    assert least == 0 or (np.abs(scores) >= least * (1 - 1e-6)).all()
    tied, scores = counts.outstanding(sums, least)["ties"]
    np.testing.assert_array_equal(scores, counts.ties(sums, tied))
    assert np.isin(np.flatnonzero(counts.ties(sums, every)), tied).all()


def test_scores_are_those_of_the_tails() -> None:
    """Votes are Poisson tails with the sign of the way out; ties are binomial ones."""
    sums = Sums.of(counted())
    counts = Counts.of(sums)
    sites = np.array([20 * SHAPE[1] + col for col in (30, 31, 32)])
    n = sums.at("n", sites)
    high, low, _ = counts.votes(sums, sites)
    assert high == np.float32(poisson_score(200, counts.over * int(n[0])))
    assert low == -np.float32(poisson_score(90, counts.under * int(n[1])))
    assert counts.ties(sums, sites)[2] == np.float32(binomial_score(45, 50, counts.tied))


def test_no_frame_makes_no_score() -> None:
    """Of a plane that no frame says anything of nothing stands out."""
    sums = Sums.of(PlaneEvidence.empty(SHAPE))
    for sites, scores in Counts.of(sums).outstanding(sums, 2.5).values():
        assert sites.size == scores.size == 0

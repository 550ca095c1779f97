# ruff: noqa: RUF001 - Greek letters and dashes are for the eye
"""Scores of healthy and of planted sites against what chance alone brings."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmarks.detection.running import Job
from benchmarks.detection.scenes import SIDE
from benchmarks.detection.variance import ValueVariance
from benchmarks.figures.style import BLACK, BLUE, GREY, ORANGE, RED
from defectmap.model import prediction
from defectmap.model.counts import Counts
from defectmap.model.decide import gaussian_threshold
from defectmap.model.kernels import Z_INVALID, Z_UNIT
from defectmap.model.prediction import PlaneScoring, mosaic_model
from defectmap.model.scores import GaussianScores
from defectmap.model.study import Study
from defectmap.model.sums import Sums
from defectmap.model.tails import normal_tail

SEED, FRAMES = 1, 100
Scores = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Scored:
    """What one sequence of the reference sensor came to.

    Attributes
    ----------
    single : ndarray of float32
        Scores of healthy sites in single frames, a few of each frame, in standard deviations.
    filters : dict of str to ndarray of shape (SIDE, SIDE), float32
        Scores of all frames together.
    counts : ndarray of shape (SIDE, SIDE), float32
        The stronger one of the two scores that are counts.
    variance : ndarray of shape (SIDE, SIDE)
        That of the lowest variance.
    planted : ndarray of shape (SIDE, SIDE), bool
    """

    single: Scores
    filters: dict[str, Scores]
    counts: Scores
    variance: NDArray[np.float64]
    planted: NDArray[np.bool_]


def score_sequence(job: Job) -> list[Scored]:
    """Score one sequence, with the unrest around each site as a scale or, as a variant, without."""
    (scaled,) = job.variant
    flat: Any = nullcontext() if scaled else patch.object(prediction, "unrest_narrowings", _as_they_are)
    sensor = job.sensor()
    planted = np.zeros((SIDE, SIDE), bool)
    planted[[t.row for t in sensor.truths], [t.col for t in sensor.truths]] = True
    study, variance, single = Study(), ValueVariance((SIDE, SIDE)), []
    with flat:
        for number, (frame, conditions) in enumerate(sensor.frames(job.checkpoints[-1])):
            study.add(frame, conditions)
            variance.add(frame.mosaic)
            if number % 10 == 0:
                z = PlaneScoring(frame.mosaic, mosaic_model(frame.geometry), "mosaic").score().z
                single.append(z[~planted & (z != Z_INVALID)].astype(np.float32) / Z_UNIT)
    evidence = study.planes()["mosaic"]
    sums = Sums.of(evidence)
    filters = GaussianScores.of(sums, (2, 2)).planes
    counts = np.zeros((SIDE, SIDE), np.float32)
    for sites, found in Counts.of(sums).outstanding(sums, 0.0).values():
        counts.ravel()[sites] = np.maximum(counts.ravel()[sites], np.abs(found))
    return [Scored(np.concatenate(single), filters, counts, variance.scores(), planted)]


def _as_they_are(_rows: object, _height: int, _width: int, outer: int, inner: int) -> NDArray[np.uint64]:
    """Stand in for the factors on the scores by unrest: 1, whatever the unrest."""
    summed = (2 * outer + 1) ** 2 - (2 * inner + 1) ** 2
    return np.ones((2 * (3 * Z_UNIT * summed + 1), 2), np.float32).view(np.uint64).ravel()


def scores_against_null(scored: Scored) -> Figure:
    """Draw the histograms of the lowest variance and of the program's scores, with the null of each."""
    figure, (left, right) = _side_by_side()
    threshold = gaussian_threshold(scored.planted.size) * (1 + 1.5 / FRAMES)
    edges = np.arange(-8.0, 42.5, 0.5)
    middles = 0.5 * (edges[1:] + edges[:-1])
    normal = np.exp(-0.5 * middles**2) / np.sqrt(2 * np.pi) * 0.5 * scored.planted.size
    _histogram(left, scored.variance, scored.planted, edges, normal)
    left.set_title("the classic search: lowest variance")
    left.set_xlabel("log variance below its median, in units of its MAD (σ)")
    left.set_ylabel("photosites per ½ σ")
    strongest = np.maximum(_strongest(scored), scored.counts)
    edges = np.arange(0.0, 42.5, 0.5)
    _histogram(right, strongest, scored.planted, edges, _strongest_of_normal(scored, edges))
    right.set_title("this program: the strongest of six scores")
    right.set_xlabel("strongest score, either sign (σ of healthy photosites)")
    for axes in (left, right):
        axes.axvline(threshold, color=BLACK, linewidth=1, linestyle=(0, (4, 2)))
        axes.set_yscale("log")
        axes.set_ylim(0.7, 1e6)
        axes.set_xlim(-8, 42.5)
        axes.set_xticks([0, 10, 20, 30, 41.75], ["0", "10", "20", "30", "≥ 41"])
    for axes, values in ((left, scored.variance), (right, strongest)):
        beyond, total = values > threshold, scored.planted.sum()
        bad, good = (beyond & scored.planted).sum(), (beyond & ~scored.planted).sum()
        text = f"beyond the threshold:\n{bad:,} of {total:,} planted,\n{good:,} healthy"
        axes.text(threshold + 0.8, 6e5, text, va="top")
    right.legend(loc="upper right", bbox_to_anchor=(1.0, 0.75))
    return figure


def _strongest(scored: Scored) -> Scores:
    return np.max(np.abs(np.stack(list(scored.filters.values()))), axis=0)


def _histogram(
    axes: Any, values: NDArray[Any], planted: NDArray[np.bool_], edges: NDArray[Any], null: NDArray[Any]
) -> None:
    inside = np.clip(values, edges[0], edges[-1] - 1e-3)
    healthy, bad = (np.histogram(inside[mask], edges)[0] for mask in (~planted, planted))
    axes.stairs(healthy, edges, fill=True, color=GREY, label="healthy photosites")
    axes.stairs(bad, edges, fill=True, color=RED, alpha=0.55, label="planted defects")
    axes.stairs(bad, edges, color=RED, linewidth=1)
    axes.plot(0.5 * (edges[1:] + edges[:-1]), null, color=BLUE, linewidth=1.4, label="null: chance alone")


def _strongest_of_normal(scored: Scored, edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how often the largest of normal scores, as correlated as the four filters', is in each bin."""
    table = np.stack([plane[~scored.planted] for plane in scored.filters.values()]).astype(np.float64)
    correlation = np.corrcoef(table[:, (np.abs(table) < 4).all(axis=0)])
    root, rng, rounds = np.linalg.cholesky(correlation), np.random.default_rng(0), 20
    counts = np.zeros(edges.size - 1)
    for _ in range(rounds):
        drawn = root @ rng.standard_normal((len(table), scored.planted.size), np.float32)
        counts += np.histogram(np.abs(drawn).max(axis=0), edges)[0]
    return counts / rounds


def unrest(scaled: Scored, plain: Scored) -> Figure:
    """Draw the tails of healthy sites' scores with and without scaling by the unrest around them."""
    figure, (left, right) = _side_by_side()
    threshold = gaussian_threshold(scaled.planted.size) * (1 + 1.5 / FRAMES)
    for axes, pick, farthest in (
        (left, lambda s: np.abs(s.single), 7.5),
        (right, lambda s: _strongest(s)[~s.planted], 8.5),
    ):
        at = np.linspace(0, farthest, 200)
        for scored, colour, label in (
            (plain, ORANGE, "scaled by noise and spread alone"),
            (scaled, BLUE, "scaled by the unrest as well"),
        ):
            axes.plot(at, _beyond(pick(scored), at), color=colour, linewidth=1.8, label=label)
        null = 2e6 * np.array([normal_tail(z) for z in at.tolist()])
        if axes is right:
            drawn = _strongest_of_normal(scaled, np.append(at, np.inf))
            null = 1e6 * np.cumsum(drawn[::-1])[::-1] / drawn.sum()
        style = {"color": BLACK, "linewidth": 1, "linestyle": (0, (1, 1.5)), "label": "normal"}
        axes.plot(at, np.where(null > 0, null, np.nan), **style)
        axes.set_yscale("log")
        axes.set_ylim(0.5, 1e6)
        axes.set_xlim(0, farthest)
    left.set_title("single frames")
    right.set_title(f"sums over {FRAMES} frames")
    left.set_xlabel("score (σ)")
    right.set_xlabel("strongest of the four filters (σ of healthy photosites)")
    left.set_ylabel("healthy photosites beyond, per million")
    right.axvline(threshold, color=BLACK, linewidth=1, linestyle=(0, (4, 2)))
    right.text(threshold + 0.15, 5e5, "threshold", va="top")
    left.annotate("beyond 4 σ, what other\ncolours share is left out", (4, 400), (4.2, 3000))
    left.legend(loc="upper right")
    return figure


def _beyond(values: Scores, at: NDArray[np.float64]) -> NDArray[np.float64]:
    ordered = np.sort(values)
    share_beyond = 1e6 * (1.0 - np.searchsorted(ordered, at) / ordered.size)
    return np.where(share_beyond > 0, share_beyond, np.nan)


def _side_by_side() -> tuple[Figure, Any]:
    figure = Figure(figsize=(8.0, 3.2), layout="constrained")
    return figure, figure.subplots(1, 2, sharey=True)

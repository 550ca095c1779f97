"""How often photosites stood out, or tied with a neighbour, against the chance of healthy ones to do so."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from defectmap.model.sums import Sites, Sums
from defectmap.model.tails import binomial_score, poisson_score

FIELDS = ("over", "under", "ties", "tie_frames", "n")
"""The sums that are counts."""

_MOST = 1 << 16
"""Counts are smaller than that."""

Scores = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Counts:
    """The counts of a plane as a whole.

    Attributes
    ----------
    frames : int
        Most frames in which a photosite said something.
    said, stood_out : int
        Times that any photosite said something, and that it stood out.
    over, under : float
        Chance of a healthy photosite to stand out in one frame, either way.
    tied : float
        Chance of one to tie with its largest neighbour in a frame that may be clamped.
    """

    frames: int
    said: int
    stood_out: int
    over: float
    under: float
    tied: float

    @classmethod
    def of(cls, sums: Sums) -> Counts:
        """Measure them."""
        tables = {name: _Table() for name in ("over", "under", "ties")}
        for band in sums.bands(*FIELDS):
            for name, table in tables.items():
                table.add(band.sums[name], band.sums["tie_frames" if name == "ties" else "n"])
        over, under, ties = tables.values()
        return cls(
            over.most,
            int(over.trials.sum()),
            over.counted() + under.counted(),
            over.background(),
            under.background(),
            min(max(ties.background(), 1e-6), 0.5),
        )

    def votes(self, sums: Sums, sites: Sites) -> Scores:
        """Return the counts of standing out as the normal score of the same tail, with their sign."""
        over, under, n = (sums.at(name, sites) for name in ("over", "under", "n"))
        return self._votes(over, under, n)

    def ties(self, sums: Sums, sites: Sites) -> Scores:
        """Return the counts of ties with the largest neighbour as the normal score of the same tail.

        A site that the camera clamps to the largest of its neighbours equals one of them in frame after
        frame; nobody else does, beyond chance.
        """
        return self._ties(sums.at("ties", sites), sums.at("tie_frames", sites))

    def outstanding(self, sums: Sums, least: float) -> dict[str, tuple[Sites, Scores]]:
        """Return the sites whose ``votes`` or ``ties`` have a score of at least so much, and that score."""
        found: dict[str, list[tuple[Sites, Scores]]] = {"votes": [], "ties": []}
        most = {name: self._most_frames(rate, least) for name, rate in self._rates}
        for band in sums.bands(*FIELDS):
            flat = {name: band.sums[name].ravel() for name in FIELDS}
            first = band.first_row * sums.shape[1]
            voted = [np.flatnonzero(flat[name] >= 2) for name in most]
            voted = [
                sites[flat["n"][sites] <= table[flat[name][sites]]]
                for sites, (name, table) in zip(voted, most.items(), strict=True)
            ]
            sites = np.unique(np.concatenate(voted))
            found["votes"].append(
                (sites + first, self._votes(*(flat[f][sites] for f in ("over", "under", "n"))))
            )
            sites = np.flatnonzero(flat["ties"] >= 3)
            scores = self._ties(flat["ties"][sites], flat["tie_frames"][sites])
            found["ties"].append((sites[scores > 0] + first, scores[scores > 0]))
        return {
            name: (np.concatenate([s for s, _ in parts]), np.concatenate([z for _, z in parts]))
            for name, parts in found.items()
        }

    @property
    def _rates(self) -> tuple[tuple[str, float], tuple[str, float]]:
        return ("over", self.over), ("under", self.under)

    def _most_frames(self, rate: float, least: float) -> NDArray[np.int64]:
        """Return of how many frames a count may be at most, to have a score of at least so much."""
        table = np.full(_MOST, self.frames)
        table[:2] = -1
        for count in range(2, _MOST):
            low, high = 0, self.frames + 1
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if poisson_score(count, rate * middle) >= least else (low, middle)
            table[count] = low
            if low == self.frames:
                break
        return table

    def _votes(self, over: NDArray[Any], under: NDArray[Any], n: NDArray[Any]) -> Scores:
        score = np.zeros(n.shape, np.float32)
        for counts, (_, rate), sign in zip((over, under), self._rates, (1.0, -1.0), strict=True):
            (several,) = np.nonzero(counts >= 2)
            pairs, where = _pairs(counts[several], n[several])
            tails = np.array([poisson_score(k, rate * m) for k, m in pairs])[where]
            stronger = tails > np.abs(score[several])
            score[several[stronger]] = sign * tails[stronger]
        return score

    def _ties(self, ties: NDArray[Any], frames: NDArray[Any]) -> Scores:
        score = np.zeros(ties.shape, np.float32)
        telling = (ties > 2 * self.tied * frames) & (ties >= 3)
        pairs, where = _pairs(ties[telling], frames[telling])
        score[telling] = np.array([binomial_score(k, n, self.tied) for k, n in pairs], np.float32)[where]
        return score


def _pairs(counts: NDArray[Any], trials: NDArray[Any]) -> tuple[list[tuple[int, int]], NDArray[np.intp]]:
    """Return the different pairs of a count and the trials it is of, and which of them each is."""
    keys, where = np.unique(counts.astype(np.int64) << 32 | trials.astype(np.int64), return_inverse=True)
    return list(zip((keys >> 32).tolist(), (keys & 0xFFFFFFFF).tolist(), strict=True)), where


@dataclass(slots=True)
class _Table:
    """By count: the sites that have it, and in how many frames they had the chance."""

    sites: NDArray[np.int64] = field(default_factory=lambda: np.zeros(_MOST, np.int64))
    trials: NDArray[np.int64] = field(default_factory=lambda: np.zeros(_MOST, np.int64))
    most: int = 0

    def add(self, count: NDArray[Any], trials: NDArray[Any]) -> None:
        some = np.flatnonzero(count)
        counts, chances = count.ravel()[some].astype(np.int64), trials.ravel()[some]
        numbers = np.bincount(counts)
        # Of float64, exact below 2**53.
        frames = np.bincount(counts, chances).astype(np.int64)
        self.sites[: numbers.size] += numbers
        self.trials[: frames.size] += frames
        self.sites[0] += count.size - some.size
        self.trials[0] += int(trials.sum()) - int(frames.sum())
        self.most = max(self.most, int(trials.max(initial=0)))

    def counted(self) -> int:
        """Return the sum of all counts."""
        return int((self.sites * np.arange(_MOST)).sum())

    def background(self) -> float:
        """Return the chance of a healthy photosite to be counted in one frame, bad ones left out."""
        counted, trials = np.cumsum(self.sites * np.arange(_MOST)), np.cumsum(self.trials)
        total = float(trials[-1])
        rate = float(counted[-1]) / total if total else 0.0
        for _ in range(8):
            limit = int(min(max(3.0, 10.0 * rate * float(self.most)), _MOST - 1))
            trimmed = float(counted[limit]) / max(float(trials[limit]), 1.0)
            if trimmed >= 0.999 * rate:
                break
            rate = trimmed
        return max(rate, 1.0 / max(total, 1.0))

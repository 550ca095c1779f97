"""Register two grids by the defects that both show.

A camera's JPEG is its raw frame less a few rows and columns, and perhaps made smaller. Both show the same
bad photosites, so the shift that brings the two maps together is the one under which many sites coincide.
Maps of two strangers coincide too, at few sites, whose number is Poisson-distributed: what is asked for is
is more than the best of all hypotheses would reach by chance once in 10,000 times (Bonferroni).

The hypotheses are that the picture was cut out of the frame, and that the whole picture was made smaller; not
that it was mirrored or turned, because both streams are stored as the sensor is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import exp, floor, isclose, lgamma, log

import numpy as np
from numpy.typing import NDArray

from defectmap.model.defects import Defect, DefectMap, Kind
from defectmap.model.registration import Attempt, Registration
from defectmap.model.sensor import Grid, MosaicGeometry

FALSE_REGISTRATIONS = 1e-4
"""Chance that two maps without anything in common are taken to lie in one frame."""

_REACH = 64  # photosites that a camera may leave out beyond the difference in size
_FEWEST = 3  # coincidences
_TOLERANCE = 1.0  # pixels of the coarser grid
_ROUNDING = 0.25  # sites that rounding an offset to half a site may take away
_MOST_SITES = 400  # the strongest of a map
_APART = 4  # sites nearer than that are one
_PER_LINE = 2  # sites of a row or column that count: more of them are a bad line
_CROWD, _CROWD_REACH = 5, 24  # suspects among so many others so near are a date stamp or a logo
_RESIZED = 0.95  # larger scales than that are none
_RIVAL = 4.0  # pixels between two hypotheses that are not the same one

Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Hypotheses:
    """Offsets to try at one scale: of the target's corner, in sites of the source.

    Attributes
    ----------
    scale : float
    low, high : tuple of float
        Least and largest row and column.
    step : float
        Distance of neighbouring hypotheses, in pixels of the target.
    width : int
        Columns of the target.
    """

    scale: float
    low: tuple[float, float]
    high: tuple[float, float]
    step: float
    width: int

    @property
    def shape(self) -> tuple[int, int]:
        rows, cols = (
            floor((high - low) * self.scale / self.step + 1e-9) + 1
            for low, high in zip(self.low, self.high, strict=True)
        )
        return rows, cols


@dataclass(frozen=True, slots=True)
class _Peak:
    """The hypothesis of one scale under which the sites coincide best."""

    tried: _Hypotheses
    merit: float
    shift: tuple[float, float]
    rival: int


def register_defects(source: DefectMap, target: DefectMap, geometry: MosaicGeometry | None = None) -> Attempt:
    """Find where a coarser or smaller grid lies on another, from the defects and suspects of both.

    Parameters
    ----------
    source, target : DefectMap
        The target's grid is no larger than the source's, but for a few pixels.
    geometry : MosaicGeometry or None
        Of a raw source; its visible area bounds what a picture made smaller can show.

    Returns
    -------
    Attempt
        Independent of the order of the sites.
    """
    ours, theirs = _distinct(source), _distinct(target)
    fewest = min(len(ours), len(theirs))
    if not fewest:
        return Attempt(source.grid, target.grid, None, "one of the two shows no defect to go by")
    families = [list(_crops(source.grid, target.grid)), list(_resizes(source.grid, target.grid, geometry))]
    families = [family for family in families if family]
    if not families:
        return Attempt(source.grid, target.grid, None, "the two sizes do not go together")
    alike = _alike(ours, theirs)
    reason = ""
    best: Registration | None = None
    for family in families:
        trials = len(families) * sum(h.shape[0] * h.shape[1] for h in family)
        mean = _chance_coincidences(source.grid, target.grid, int(alike.sum()), family[0].scale)
        needed = _needed(mean, trials)
        peak: _Peak | None = None
        for tried in family:  # the largest scale last, which wins a tie
            other = _peak(_places(ours), _places(theirs), alike, tried, peak.merit if peak else 0.0)
            peak = other if other and (peak is None or other.merit >= peak.merit) else peak
        found = peak and _refined(ours, theirs, alike, peak)
        if not found or found.coincidences < needed:
            count = found.coincidences if found else 0
            verb = "coincides" if count == 1 else "coincide"
            reason = reason or f"{count} of the {fewest} defects {verb}; {needed} are needed"
        elif peak is not None and peak.rival >= max(needed, found.coincidences / 2):
            reason = "the defects fit in several places"
        else:
            chance = min(1.0, trials * poisson_tail(found.coincidences, mean))
            sure = Registration(
                source.grid,
                target.grid,
                found.scale,
                found.row,
                found.col,
                found.coincidences,
                fewest,
                chance,
            )
            best = sure if best is None or chance < best.chance else best
    return Attempt(source.grid, target.grid, best, "" if best else reason)


def sign(defect: Defect) -> int:
    """Return whether a site is too bright (1), too dark (-1), or either by turns (0)."""
    if defect.kind in (Kind.DEAD, Kind.DIM):
        return -1
    if defect.kind is Kind.BRIGHT:
        return 1
    return int(np.sign(defect.strength)) if defect.kind in (Kind.HOT, Kind.OFFSET) else 0


def poisson_tail(count: int, mean: float) -> float:
    """Return the chance that a Poisson variable of that mean reaches the count.

    Examples
    --------
    >>> round(poisson_tail(3, 0.045) * 1e5, 2)
    1.47
    """
    if count <= 0:
        return 1.0
    if mean <= 0.0:
        return 0.0
    term = exp(count * log(mean) - mean - lgamma(count + 1.0))
    total, k = 0.0, count
    while term > 1e-17 * total or k <= mean:
        total += term
        k += 1
        term *= mean / k
        if term == 0.0:
            break
    return min(1.0, total)


def _distinct(found: DefectMap) -> list[Defect]:
    """Return the strongest sites that say something each by itself.

    Members of a heap or of a bad line coincide all or none, which the count would take for certainty.
    """
    suspects = np.array([(d.row, d.col) for d in found.suspects], np.int64).reshape(-1, 2)
    chosen: list[Defect] = []
    places = np.empty((_MOST_SITES, 2), np.int64)
    lines: dict[tuple[int, int], int] = {}
    for entry in sorted(found, key=lambda d: (-d.confidence, d.row, d.col)):
        if len(chosen) == _MOST_SITES:
            break
        place = np.array((entry.row, entry.col))
        if not entry.certain:
            near = np.abs(suspects - place).max(axis=1) <= _CROWD_REACH
            if int(near.sum()) > _CROWD:
                continue
        if (np.abs(places[: len(chosen)] - place).max(axis=1, initial=0) < _APART).any() and chosen:
            continue
        ours = (0, entry.row), (1, entry.col)
        if any(lines.get(line, 0) >= _PER_LINE for line in ours):
            continue
        for line in ours:
            lines[line] = lines.get(line, 0) + 1
        places[len(chosen)] = place
        chosen.append(entry)
    return chosen


def _places(entries: Sequence[Defect]) -> Points:
    return np.array([(d.row, d.col) for d in entries], np.float64).reshape(-1, 2)


def _alike(ours: Sequence[Defect], theirs: Sequence[Defect]) -> NDArray[np.bool_]:
    """Mark the pairs of which not one is bright and the other dark.

    The tint of a JPEG's spot is no good witness of its filter colour: it is not asked.
    """
    first, second = (np.array([sign(d) for d in entries], np.int64) for entries in (ours, theirs))
    return np.asarray(first[:, None] * second[None, :] >= 0)


def _crops(source: Grid, target: Grid) -> Iterator[_Hypotheses]:
    """Yield what is possible if the picture was cut out of the frame."""
    more = source.height - target.height, source.width - target.width
    if min(more) >= -_REACH:
        low = -float(_REACH)
        yield _Hypotheses(1.0, (low, low), (more[0] - low, more[1] - low), 1.0, target.width)


def _resizes(source: Grid, target: Grid, geometry: MosaicGeometry | None) -> Iterator[_Hypotheses]:
    """Yield what is possible if the whole picture, less a few photosites, was made smaller."""
    top, left, height, width = 0, 0, source.height, source.width
    if geometry is not None:
        top, left = geometry.top, geometry.left
        height, width = geometry.visible_height, geometry.visible_width
    # A JPEG that is made smaller is made from the whole of the large one, but for rounding.
    spare = _REACH if source.kind == "raw" else 8
    # So many sites fewer or more shift what lies at the edges by less than half a pixel from the middle.
    for cut in range(0, spare + 1, max(1, round(width / target.width))):
        if width - cut < 2 * _REACH and cut:
            return
        scale = target.width / (width - cut)
        cut_rows = height - target.height / scale
        if scale > _RESIZED or not -1.0 / scale <= cut_rows <= spare:
            continue
        low = top - 1.0, left - 1.0
        yield _Hypotheses(scale, low, (top + max(cut_rows, 0.0) + 1.0, left + cut + 1.0), 0.5, target.width)


def _chance_coincidences(source: Grid, target: Grid, pairs: int, scale: float) -> float:
    """Return how many sites coincide by chance, on average, under any one hypothesis."""
    area = max(source.height * source.width * scale**2, float(target.height * target.width))
    reach = _TOLERANCE if isclose(scale, 1.0) else _TOLERANCE + _ROUNDING * scale
    return pairs * (2 * reach + 1) ** 2 / area


def _needed(mean: float, trials: int) -> int:
    count = _FEWEST
    while trials * poisson_tail(count, mean) >= FALSE_REGISTRATIONS:
        count += 1
    return count


def _shifts(ours: Points, theirs: Points, scale: float) -> NDArray[np.float64]:
    """Return for each pair how far the target's pixel is from where the source's site would be unshifted."""
    return np.asarray(theirs[None, :, :] - ((ours[:, None, :] + 0.5) * scale - 0.5))


def _peak(
    ours: Points, theirs: Points, alike: NDArray[np.bool_], tried: _Hypotheses, enough: float
) -> _Peak | None:
    """Let each pair vote for the hypotheses that it fits; return the best, None if it is not good enough."""
    step, shape = tried.step, tried.shape
    low = -np.array(tried.high) * tried.scale
    reach = _TOLERANCE / step
    # Rows first: few pairs are left then.
    rows = (theirs[None, :, 0] - ((ours[:, None, 0] + 0.5) * tried.scale - 0.5) - low[0]) / step
    i, j = np.nonzero((rows >= -reach) & (rows <= shape[0] - 1 + reach) & alike)
    cols = (theirs[j, 1] - ((ours[i, 1] + 0.5) * tried.scale - 0.5) - low[1]) / step
    fits = (cols >= -reach) & (cols <= shape[1] - 1 + reach)
    cells = np.stack([rows[i, j][fits], cols[fits]], axis=1)
    if not len(cells) or 2.0 * _TOLERANCE * len(cells) < enough:
        return None
    first = np.ceil(cells - reach - 1e-9).astype(np.int64)
    last = np.floor(cells + reach + 1e-9).astype(np.int64)
    keys: list[NDArray[np.int64]] = []
    weights: list[NDArray[np.float64]] = []
    span = int(2 * reach) + 1
    for down in range(span):
        for right in range(span):
            cell = first + np.array((down, right))
            valid = ((cell <= last) & (cell >= 0) & (cell < np.array(shape))).all(axis=1)
            keys.append(cell[valid, 0] * shape[1] + cell[valid, 1])
            weights.append(2.0 * _TOLERANCE - np.abs(cells[valid] - cell[valid]).max(axis=1) * step)
    key, weight = np.concatenate(keys), np.concatenate(weights)
    if not len(key):
        return None
    unique, inverse, votes = np.unique(key, return_inverse=True, return_counts=True)
    # Exact fits weigh most. Rounded, so that ties are ties whatever the order of the sum.
    merit = np.round(np.bincount(inverse, weight), 6)
    winner = np.lexsort((unique, -merit))[0]
    place = np.stack(np.divmod(unique, shape[1]), axis=1)
    far = np.abs(place - place[winner]).max(axis=1) * step > _RIVAL
    return _Peak(
        tried,
        float(merit[winner]),
        (float(low[0] + place[winner, 0] * step), float(low[1] + place[winner, 1] * step)),
        int(votes[far].max(initial=0)),
    )


@dataclass(frozen=True, slots=True)
class _Fit:
    """A hypothesis at its best place."""

    scale: float
    row: float
    col: float
    coincidences: int


def _refined(ours: Sequence[Defect], theirs: Sequence[Defect], alike: NDArray[np.bool_], peak: _Peak) -> _Fit:
    """Place a hypothesis as its coincidences say and count those that remain."""
    first, second = _places(ours), _places(theirs)
    scale, shift = peak.tried.scale, np.array(peak.shift)
    resized = not isclose(scale, 1.0)
    if resized:
        scale, shift = _fitted(first, second, alike, scale, shift)
        scale, (row, col) = _exact(first, second, alike, scale, shift, peak.tried.width)
    else:
        row, col = (float(np.rint(-s)) + 0.0 for s in shift)  # adding 0 turns the negative zero into zero
    shifts = _shifts(first, second, scale)
    reach = _TOLERANCE + (_ROUNDING * scale if resized else 0.0)
    fits = alike & (np.abs(shifts + np.array((row, col)) * scale) <= reach + 1e-9).all(axis=2)
    return _Fit(scale, row, col, int(min(fits.any(axis=1).sum(), fits.any(axis=0).sum())))


def _exact(
    first: Points,
    second: Points,
    alike: NDArray[np.bool_],
    scale: float,
    shift: NDArray[np.float64],
    width: int,
) -> tuple[float, tuple[float, float]]:
    """Return scale and corner, to half a site, that put most sites into the very pixel that shows them.

    A site's centre lies at (site + 1/2 - corner) x scale of a picture whose pixel k reaches from k to k + 1.
    Which pixel that is says more than how far its middle is away: of the latter nearly a pixel is rounding.
    Scales are those of whole numbers of columns. Of several that do as well, corners of whole sites are
    preferred, as cameras leave out whole rows and columns, and then those of the least squares.
    """
    i, j = np.nonzero(alike & (np.abs(_shifts(first, second, scale) - shift) <= 1.5 * _TOLERANCE).all(axis=2))
    centre = (first[i].mean(axis=0) if len(i) else np.zeros(2)) + 0.5
    best = (-1, False, -np.inf), scale, (0.0, 0.0)
    for columns in range(round(width / scale) - 2, round(width / scale) + 3):
        tried = width / columns
        # The centre of all sites stays where the least squares have it.
        around = np.rint(2.0 * (centre - (scale * centre + shift) / tried)) / 2.0
        for row in around[0] + 0.5 * np.arange(-2, 3):
            for col in around[1] + 0.5 * np.arange(-2, 3):
                corner = np.array((row, col))
                place = (first[i] + 0.5 - corner) * tried
                hits = int((np.floor(place + 1e-9) == second[j]).all(axis=1).sum())
                whole = bool((corner == np.rint(corner)).all())
                off = -float(np.round(np.square(second[j] + 0.5 - place).sum(), 6))
                if (hits, whole, off) > best[0]:
                    best = (hits, whole, off), tried, (float(row) + 0.0, float(col) + 0.0)
    return best[1], best[2]


def _fitted(
    first: Points, second: Points, alike: NDArray[np.bool_], scale: float, shift: NDArray[np.float64]
) -> tuple[float, NDArray[np.float64]]:
    """Return scale and shift by least squares over the coincidences: sizes alone tell the scale roughly."""
    start = scale
    for _ in range(3):
        shifts = _shifts(first, second, scale)
        i, j = np.nonzero(alike & (np.abs(shifts - shift) <= 1.5 * _TOLERANCE).all(axis=2))
        if len(i) < _FEWEST:
            break
        ours, theirs = first[i] + 0.5, second[j] + 0.5
        centred = ours - ours.mean(axis=0)
        scale = float((centred * (theirs - theirs.mean(axis=0))).sum() / max((centred**2).sum(), 1.0))
        if abs(scale / start - 1.0) > 0.05:  # a heap of sites says nothing of the scale
            return start, shift
        shift = (theirs - ours * scale).mean(axis=0)
    return scale, shift

"""Bad columns and rows, and the weak fixed pattern of rows and columns that every sensor has.

Every column (row) of a sensor is a little brighter or darker than its neighbours, since each has its own
amplifier. That pattern is taken out; a bad column is one that the distribution over all columns does not
explain. Where a bad one begins and ends is found by the segment of largest sum of scores less half of what is
demanded: the likelihood ratio of a shifted mean (E. S. Page, "Continuous inspection schemes", Biometrika 41
(1954), doi 10.1093/biomet/41.1-2.100).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from defectmap.model.abreast import each, halves
from defectmap.model.defects import Structure, StructureKind
from defectmap.model.line_runs import standing_out
from defectmap.model.scores import median_of

VISIBLE_SIGMA = 0.5
"""A line is seen in a single frame from about this shift on, in standard deviations of the noise of a site.

The eye adds up a line: half of the noise of one photosite is the noise of a mean over four of them.
"""

_SAMPLES = 401  # sites of a column whose median stands for the column: to a sixteenth of a site's noise
_FEWEST = 12  # sites of a line; fewer may be defects that lie in a row by chance, or a heap
_ORDINARY = 6.0  # so many spreads of the columns still are their fixed pattern
_EDGE, _EDGE_DEMAND = 2, 3.0  # lines at an edge, predicted from one side only, must be so much stronger
_OPPOSITE = 1.2  # a stronger line of the other sign explains one beside it
_BLOCK = 16
_ABREAST = 256  # lines looked at together: their sums stay in a processor's cache
_LANES = 64  # columns whose samples stay in a processor's cache
_SLIGHT = 2.0  # mean score of runs that are levelled, if not listed

_Run = tuple[int, int, int, int, int, float, bool]
_Plane = NDArray[np.float32]
_Known = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Lines:
    """The columns and rows, whole or in part, that stand out from their neighbours.

    Attributes
    ----------
    bad : tuple of Structure
        Worth listing.
    slight : tuple of Structure
        Certain, but too weak to see, no more than other columns have, or the echo of a bad one in the
        prediction: to be levelled, so that none of their sites passes for a defect.
    """

    bad: tuple[Structure, ...] = ()
    slight: tuple[Structure, ...] = ()


@dataclass(frozen=True, slots=True)
class _Pattern:
    """Medians of the columns of a plane, per row phase, shape (phases, columns), in units of the plane."""

    medians: NDArray[np.float32]
    errors: NDArray[np.float32]  # of each median, one per row phase
    spreads: NDArray[np.float32]  # of the medians over the columns, one per row phase

    def removable(self) -> NDArray[np.float32]:
        """Return what to take out: the medians, less so where they are hardly more than their own error."""
        errors, spreads = self.errors[:, None], np.maximum(self.spreads, 1e-12)[:, None]
        trust = np.clip(1.0 - (errors / spreads) ** 2, 0.0, 1.0)
        clear = np.abs(self.medians) > 4.0 * errors
        return np.where(clear, self.medians, self.medians * trust).astype(np.float32)

    def ordinary(self) -> NDArray[np.float32]:
        """Return the medians, but only what is usual of those that the others do not explain."""
        centre = np.median(self.medians, axis=1, keepdims=True)
        usual = np.abs(self.medians - centre) <= _ORDINARY * np.maximum(self.spreads, self.errors)[:, None]
        return np.where(usual, self.medians, centre).astype(np.float32)


def visible_threshold(defect_score: float, frames: int) -> float:
    """Return the mean score from which a line is worth listing.

    Parameters
    ----------
    defect_score : float
        Score from which a single photosite is a defect.
    frames : int

    Returns
    -------
    float
        Half of that score, so that a line never falls apart into single defects; but with many frames, in
        which any weak pattern becomes certain, what makes a line visible in a single one.
    """
    return max(0.5 * defect_score, VISIBLE_SIGMA * sqrt(frames))


def without_fixed_pattern(
    score: _Plane,
    known: _Known,
    period: tuple[int, int],
    lines: Lines | None = None,
    reach: int = 4,
) -> None:
    """Take the fixed pattern of columns and rows out of a plane of scores, in place.

    The pattern is the median of each column and of each row, per position in the CFA period: a single defect
    does not move it, and what covers less than half of a column moves it little.

    Parameters
    ----------
    score : ndarray of shape (rows, cols), float32
        Standardised scores.
    known : ndarray of shape (rows, cols), bool
        False where there is no score; 0 is left there.
    period : tuple of int
        Rows and columns of the CFA.
    lines : Lines, optional
        Those of :func:`find_lines`. They do not enter the medians, nor does what lies along a bad one. The
        sites of bad ones become 0, slight ones are levelled, and so is what lies along a bad one, whose
        prediction it shifts.
    reach : int
        Rows or columns beside a bad line that its shift may reach.
    """
    from defectmap.model import score_kernels as kernels  # noqa: PLC0415 - compiled code loads slowly

    lines = lines or Lines()
    trusted = known
    if lines.bad or lines.slight:
        trusted = known.copy()
        for line in (*lines.bad, *lines.slight):
            trusted[next(line.slices())] = False
    measured = trusted
    if lines.bad:
        measured = trusted.copy()
        for line in lines.bad:  # what lies along one shares its shift
            rows_near = slice(max(line.top - reach, 0), line.bottom + reach)
            measured[rows_near, max(line.left - reach, 0) : line.right + reach] = False
    columns = _pattern(score, measured, period[0]).removable()
    for phase in range(period[0]):
        score[phase :: period[0]] -= columns[phase]
    kernels.less_row_pattern(score, _pattern(score, measured, period[1], across=True).removable())
    for line in lines.slight:
        part = next(line.slices())
        trusted[part] = known[part]
        score[part] -= np.median(score[part][known[part]])
    for line in lines.bad:
        if line.kind is StructureKind.COLUMN:
            _level_beside(score, trusted, (line.left, line.top, line.bottom), period[0], reach)
        else:
            _level_beside(score.T, trusted.T, (line.top, line.left, line.right), period[1], reach)
    score *= trusted


def find_lines(
    score: _Plane,
    known: _Known,
    period: tuple[int, int],
    threshold: float,
    *,
    reach: int = 4,
    dominance: float = 4.0,
) -> Lines:
    """Find bad columns and rows, whole, in part, or only every second site of them (one colour).

    Parameters
    ----------
    score : ndarray of shape (rows, cols), float32
        Standardised scores with their fixed pattern; 0 where unknown. Not changed.
    known : ndarray of shape (rows, cols), bool
    period : tuple of int
        Rows and columns of the CFA.
    threshold : float
        Mean score that the sites of a line must have, in units of the noise of healthy sites, see
        :func:`visible_threshold`; under 3 the noise itself makes lines. On a sensor with a strong fixed
        pattern as much is demanded as sets a line apart from the distribution over all of them.
    reach : int
        Within so many columns of a stronger line a weaker one may be its echo in the prediction.
    dominance : float
        How many times stronger the other must be if both are of the same sign, which an echo seldom has; of
        the opposite sign it need hardly be stronger.

    Returns
    -------
    Lines
        Columns and rows in coordinates of the plane. `strength` is the median score of the members, in units
        of the noise of healthy sites.
    """
    from defectmap.model import score_kernels as kernels  # noqa: PLC0415 - compiled code loads slowly

    columns, rows = _patterns(score, known, period)
    parts = columns.ordinary(), rows.ordinary()
    flat = np.empty_like(score)

    def flatten(part: slice) -> None:
        kernels.flattened(score[part], known[part], parts[0], parts[1][:, part], flat[part])

    each(flatten, halves(len(score), period[0]))
    noise = _noise(flat, known)
    if noise == 0.0:
        return Lines()
    flat *= np.float32(1.0 / noise)
    leasts = [max(threshold, _ORDINARY * float(part.spreads.max()) / noise) for part in (columns, rows)]

    def scanned(across: bool) -> list[_Run]:
        return list(_scan(flat, known, leasts[across], across))

    bad: list[Structure] = []
    slight: list[Structure] = []
    for across, runs in enumerate(each(scanned, (False, True))):
        kind = StructureKind.ROW if across else StructureKind.COLUMN
        strong: list[Structure] = []
        weak: list[Structure] = []
        for first, last, column, step, sign, strength, listed in runs:
            box = (column, first, column + 1, last) if across else (first, column, last, column + 1)
            period_of = (1, step) if across else (step, 1)
            line = Structure(kind, *box, period=period_of, strength=strength, sign=sign)
            (strong if listed else weak).append(line)
        kept = _without_echoes(strong, kind, reach, dominance)
        bad += kept
        slight += [line for line in strong if line not in kept] + weak
    return Lines(tuple(bad), tuple(slight))


def _patterns(score: _Plane, known: _Known, period: tuple[int, int]) -> list[_Pattern]:
    """Measure the columns of a plane and its rows."""

    def measured(across: bool) -> _Pattern:
        return _pattern(score, known, period[across], across=across)

    return each(measured, (False, True))


def _pattern(score: _Plane, known: _Known, phases: int, *, across: bool = False) -> _Pattern:
    """Measure the columns of a plane, or across its rows, on some of their sites."""
    from defectmap.model import score_kernels as kernels  # noqa: PLC0415 - compiled code loads slowly

    length, width = score.shape[::-1] if across else score.shape
    medians, counts = np.zeros((phases, width), np.float32), np.zeros((phases, width), np.int64)
    errors, spreads = np.zeros(phases, np.float32), np.zeros(phases, np.float32)
    pick, stride = (kernels.lanes_across if across else kernels.lanes), max(1, width // 500)
    some: list[list[_Plane]] = [[] for _ in range(phases)]
    for first in range(0, width, _LANES):
        here = slice(first, min(first + _LANES, width))
        for phase in range(min(phases, length)):
            sites = len(range(phase, length, phases))
            step = max(1, sites // _SAMPLES)
            values = pick(score, known, phase, phases * step, -(-sites // step), here.start, here.stop)
            some[phase].append(values[-first % stride :: stride].copy())
            medians[phase, here], counts[phase, here] = _medians(values)
    for phase in range(phases):
        counted = counts[phase] > 0
        if counted.any():
            noise = _scale(np.concatenate(some[phase]) - medians[phase, ::stride, None])
            errors[phase] = 1.2533 * noise / sqrt(float(np.median(counts[phase, counted])))
            spreads[phase] = _scale(medians[phase, counted])
    return _Pattern(medians, errors, spreads)


def _medians(values: _Plane) -> tuple[_Plane, NDArray[np.int64]]:
    """Return the median of each row and how many values it is of; NaN counts as no value. Sorts in place."""
    values.sort(axis=1)  # NaN comes last
    count = np.count_nonzero(~np.isnan(values), axis=1)
    row = np.arange(count.size)
    middle = 0.5 * (
        values[row, np.maximum(count - 1, 0) // 2] + values[row, np.minimum(count // 2, values.shape[1] - 1)]
    )
    return np.where(count > 0, middle, 0.0).astype(np.float32), count


def _scale(values: NDArray[Any]) -> float:
    """Return the standard deviation that the median absolute deviation stands for."""
    values = values[~np.isnan(values)]
    if values.size == 0:
        return 0.0
    return 1.4826 * median_of(np.abs(values - np.float32(median_of(values))))


def _noise(flat: _Plane, known: _Known) -> float:
    step = max(1, int(sqrt(flat.size / 250_000)))
    return _scale(flat[::step, ::step][known[::step, ::step]])


def _level_beside(
    score: _Plane, trusted: _Known, place: tuple[int, int, int], phases: int, reach: int
) -> None:
    """Take the shift of the columns beside a bad one, (column, first row, last row), out along its length."""
    column, first, last = place
    first, last = max(first - reach, 0), min(last + reach, score.shape[0])
    for phase in range(first, min(first + phases, last)):
        part = slice(phase, last, phases)
        for beside in range(max(column - reach, 0), min(column + reach + 1, score.shape[1])):
            good = trusted[part, beside]
            if good.any():
                score[part, beside] -= np.median(score[part, beside][good])


def _scan(flat: _Plane, known: _Known, demanded: float, across: bool) -> Iterator[_Run]:
    """Yield the runs that stand out in the columns of a plane, or across in its rows, in units of its noise.

    Each is (first row, row beyond the last, column, step, sign, strength, whether it is as strong as
    demanded).
    """
    length, width = flat.shape[::-1] if across else flat.shape
    if length < _FEWEST:
        return
    for column in _promising(flat, known, demanded, across).tolist():
        needed = _needed(column, width, demanded)
        lane = (column, slice(None)) if across else (slice(None), column)
        values, free = flat[lane].astype(np.float64), known[lane].copy()
        for least, step, start in (
            (least, step, start) for least in (needed, _SLIGHT) for step, start in ((1, 0), (2, 0), (2, 1))
        ):
            own = slice(start, None, step)
            for sign in (1, -1):
                for first, last in standing_out(sign * values[own], free[own], least, _FEWEST):
                    begin, end = start + first * step, start + (last - 1) * step + 1
                    members = slice(begin, end, step)
                    strength = float(np.median((sign * values[members])[free[members]]))
                    free[members] = False
                    yield begin, end, column, step, sign, strength, least == needed


def _needed(column: int, width: int, demanded: float) -> float:
    return demanded * (_EDGE_DEMAND if min(column, width - 1 - column) < _EDGE else 1.0)


def _promising(flat: _Plane, known: _Known, demanded: float, across: bool) -> NDArray[np.int64]:
    """Return the columns, or rows, that may hold a run: others need no closer look.

    They have a block of sites whose mean comes near what is demanded, and a run whose sum comes to it.
    """
    from defectmap.model import score_kernels as kernels  # noqa: PLC0415 - compiled code loads slowly

    leasts = np.array([demanded, _SLIGHT])
    clips, limits = (1.5 * leasts).astype(np.float32), np.array([0.3, 0.5]) * leasts * _BLOCK
    mark = kernels.promising_rows if across else kernels.promising_columns
    near: NDArray[np.int64] = np.flatnonzero(mark(flat, _BLOCK, clips, limits))
    width = flat.shape[0] if across else flat.shape[1]
    found = []
    for first in range(0, near.size, _ABREAST):
        some = near[first : first + _ABREAST]
        values, free = (kernels.side_by_side(plane, some, across) for plane in (flat, known))
        demands = np.array(
            [[_needed(column, width, demanded) for column in some.tolist()], [_SLIGHT] * some.size]
        )
        found.append(some[kernels.holding_runs(values, free, demands.astype(np.float32), _FEWEST)])
    return np.concatenate([near[:0], *found])


def _without_echoes(
    lines: Sequence[Structure], kind: StructureKind, reach: int, dominance: float
) -> list[Structure]:
    """Drop the lines that a stronger one beside them explains: it is among what predicts them."""

    def place(line: Structure) -> tuple[int, int, int]:
        if kind is StructureKind.COLUMN:
            return line.left, line.top, line.bottom
        return line.top, line.left, line.right

    kept: list[Structure] = []
    for line in sorted(lines, key=lambda line: -line.strength):
        column, first, last = place(line)
        explained = False
        for other in kept:
            beside, begin, end = place(other)
            needed = dominance if other.sign == line.sign else _OPPOSITE
            shared = min(last, end) - max(first, begin)
            explained |= (
                0 < abs(beside - column) <= reach
                and other.strength >= needed * line.strength
                and shared >= 0.5 * (last - first)
            )
        if not explained:
            kept.append(line)
    return sorted(kept, key=place)

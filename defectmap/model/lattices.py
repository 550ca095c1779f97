"""Photosites that a maker put there on purpose: the regular lattices of phase-detection sites.

Thousands of photosites with half of a lens read less light than their neighbours. They are told from defects
by their places alone: as many at the same position of a period, filling a rectangle, as chance never brings.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from defectmap.model.defects import Structure, StructureKind

LEAST_SITES = 50
"""Candidates that a lattice must hold."""

LEAST_FILL = 0.5
"""Share of its positions that must be candidates."""

_LONGEST = 128  # rows or columns after which a lattice repeats at most
_FEWEST_LINES = 4  # rows and columns of sites that it has at least
_LINK = 2  # sites so many periods apart are of one lattice, if nothing is between them
_NEIGHBOURS = 3  # of the eight nearest positions of a lattice, so many are filled around each of its sites

_Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Patch:
    """The positions of one phase of a lattice, as ranges of period numbers."""

    phase: tuple[int, int]
    rows: tuple[int, int]
    cols: tuple[int, int]


def find_lattices(
    sites: NDArray[np.int64],
    signs: NDArray[np.int64],
    shape: tuple[int, int],
    strength: NDArray[np.float32] | None = None,
) -> tuple[Structure, ...]:
    """Find the regular lattices among candidates.

    Parameters
    ----------
    sites : ndarray of shape (n,), int64
        Flat candidate sites of a plane.
    signs : ndarray of shape (n,)
        Of their deviation; the sites of a lattice share theirs.
    shape : tuple of int
        Rows and columns of the plane.
    strength : ndarray of shape (n,), optional
        Standardised scores, for the strength of the structures.

    Returns
    -------
    tuple of Structure
        Rectangles that hold at least `LEAST_SITES` candidates on at least `LEAST_FILL` of their positions.
        Phases of one period that cover the same rectangle are one structure. Candidates of the same sign on
        these positions are its members, see :func:`on_structures`.
    """
    found: list[Structure] = []
    rows, cols = np.divmod(sites, shape[1])
    scores = np.zeros(sites.size) if strength is None else np.abs(strength)
    for sign in (-1, 1):
        left = np.flatnonzero(np.sign(signs) == sign)
        while left.size >= LEAST_SITES:
            period = _period(rows[left], cols[left], shape)
            patches = [] if period is None else _patches(rows[left], cols[left], period, shape)
            if period is None or not patches:
                break
            new = _joined(patches, period, sign)
            taken = on_structures(new, rows[left], cols[left])
            members = [on_structures([one], rows[left], cols[left]) for one in new]
            found += [
                _with_strength(one, float(np.median(scores[left[mine]])))
                for one, mine in zip(new, members, strict=True)
            ]
            left = left[~taken]
    return tuple(found)


def on_structures(
    structures: Iterable[Structure], rows: NDArray[np.int64], cols: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Mark the sites that are members of any of some structures.

    Parameters
    ----------
    structures : iterable of Structure
    rows, cols : ndarray of shape (n,), int64

    Returns
    -------
    ndarray of shape (n,), bool
    """
    on = np.zeros(rows.shape, bool)
    for one in structures:
        inside = (rows >= one.top) & (rows < one.bottom) & (cols >= one.left) & (cols < one.right)
        period_rows, period_cols = one.period
        wanted = [row * period_cols + col for row, col in one.offsets]
        phase = (rows - one.top) % period_rows * period_cols + (cols - one.left) % period_cols
        on |= inside & np.isin(phase, wanted)
    return on


def _with_strength(one: Structure, strength: float) -> Structure:
    return replace(one, strength=strength)


def _period(rows: _Ints, cols: _Ints, shape: tuple[int, int]) -> tuple[int, int] | None:
    """Return the rows and columns after which most candidates have another; None if that is chance."""
    along_col = _usual_distance(cols, rows, shape[1])
    along_row = _usual_distance(rows, cols, shape[0])
    return None if along_col is None or along_row is None else (along_col, along_row)


def _usual_distance(line: _Ints, position: _Ints, lines: int) -> int | None:
    """Return the most frequent distance of two sites on the same line."""
    order = np.lexsort((position, line))
    line, position = line[order], position[order]
    histogram = np.zeros(_LONGEST + 1, np.int64)
    for lag in range(1, min(_LONGEST, line.size - 1) + 1):
        same = line[lag:] == line[:-lag]
        distance = (position[lag:] - position[:-lag])[same]
        distance = distance[distance <= _LONGEST]
        if distance.size == 0:
            break
        histogram += np.bincount(distance, minlength=_LONGEST + 1)
    histogram[:2] = 0  # two sites side by side are a cluster
    # By chance a distance comes about as often as others do.
    usual = float(np.median(histogram[2:]))
    most = int(histogram.max())
    if most < max(LEAST_SITES // 4, usual + 6.0 * np.sqrt(usual + 1.0)):
        return None
    # Multiples of the period come nearly as often as the period itself.
    return int(np.flatnonzero(histogram >= 0.75 * most)[0])


def _patches(rows: _Ints, cols: _Ints, period: tuple[int, int], shape: tuple[int, int]) -> list[_Patch]:
    """Find the rectangles that one phase of the period fills."""
    phases = rows % period[0] * period[1] + cols % period[1]
    numbers, counts = np.unique(phases, return_counts=True)
    found = []
    for number in numbers[counts >= LEAST_SITES].tolist():
        phase = divmod(number, period[1])
        mine = phases == number
        grid = np.zeros((-(-shape[0] // period[0]), -(-shape[1] // period[1])), bool)
        grid[rows[mine] // period[0], cols[mine] // period[1]] = True
        found += [_Patch(phase, *box) for box in _filled_rectangles(grid)]
    return found


def _filled_rectangles(grid: NDArray[np.bool_]) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Return (first, last) row and column numbers of the parts of a grid that are filled."""
    padded = np.pad(grid, 1).astype(np.int8)
    height, width = grid.shape
    around = sum(
        padded[1 + y : 1 + y + height, 1 + x : 1 + x + width]
        for y in (-1, 0, 1)
        for x in (-1, 0, 1)
        if (y, x) != (0, 0)
    )
    linked = grid & (around >= _NEIGHBOURS)
    boxes = []
    for part in _parts(linked):
        (top, left), (bottom, right) = part.min(axis=0).tolist(), part.max(axis=0).tolist()
        box = _trimmed(grid, [top, left, bottom + 1, right + 1])
        inside = grid[box[0] : box[2], box[1] : box[3]]
        if min(inside.shape) < _FEWEST_LINES or inside.sum() < LEAST_SITES or inside.mean() < LEAST_FILL:
            continue
        boxes.append(((box[0], box[2]), (box[1], box[3])))
    return boxes


def _trimmed(grid: NDArray[np.bool_], box: list[int]) -> list[int]:
    """Cut rows and columns off the edges of a rectangle that are filled less than half as well as it is."""
    while box[0] < box[2] and box[1] < box[3]:
        inside = grid[box[0] : box[2], box[1] : box[3]]
        fills = (inside[0].mean(), inside[:, 0].mean(), inside[-1].mean(), inside[:, -1].mean())
        side = int(np.argmin(fills))
        if fills[side] >= 0.5 * inside.mean():
            break
        box[side] += 1 if side < 2 else -1
    return box


def _parts(linked: NDArray[np.bool_]) -> list[_Ints]:
    """Part the marked places of a grid into those that hang together, each as (n, 2) places."""
    places = np.argwhere(linked)
    waiting = {(int(row), int(col)) for row, col in places}
    near = [(y, x) for y in range(-_LINK, _LINK + 1) for x in range(-_LINK, _LINK + 1) if (y, x) != (0, 0)]
    parts = []
    for row, col in places.tolist():
        if (row, col) not in waiting:
            continue
        waiting.remove((row, col))
        part = [(row, col)]
        for y, x in part:
            for dy, dx in near:
                place = (y + dy, x + dx)
                if place in waiting:
                    waiting.remove(place)
                    part.append(place)
        if len(part) >= LEAST_SITES // 2:
            parts.append(np.array(part, np.int64))
    return parts


def _joined(patches: list[_Patch], period: tuple[int, int], sign: int) -> list[Structure]:
    """Make one structure of the phases that cover the same rectangle, give or take a period."""
    groups: list[list[_Patch]] = []
    for patch in patches:
        corners = (*patch.rows, *patch.cols)
        for group in groups:
            first = (*group[0].rows, *group[0].cols)
            if max(abs(a - b) for a, b in zip(corners, first, strict=True)) <= 1:
                group.append(patch)
                break
        else:
            groups.append([patch])
    return [_structure(group, period, sign) for group in groups]


def _structure(group: list[_Patch], period: tuple[int, int], sign: int) -> Structure:
    spans = []
    for axis in (0, 1):
        ranges = [(p.rows, p.cols)[axis] for p in group]
        step = period[axis]
        first = min(r[0] * step + p.phase[axis] for r, p in zip(ranges, group, strict=True))
        last = max((r[1] - 1) * step + p.phase[axis] for r, p in zip(ranges, group, strict=True))
        spans.append((first, last + 1))
    (top, bottom), (left, right) = spans
    offsets = Counter(((p.phase[0] - top) % period[0], (p.phase[1] - left) % period[1]) for p in group)
    return Structure(StructureKind.LATTICE, top, left, bottom, right, period, tuple(offsets), sign=sign)

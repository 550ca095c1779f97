"""Plain aligned tables."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from benchmarks.detection.scoring import Tally, share
from benchmarks.detection.sensor import CLASSES
from defectmap.model.defects import Kind


def print_rows(rows: Sequence[Sequence[str]]) -> None:
    """Print rows with the first column flush left and the others flush right."""
    widths = [max(len(row[i]) for row in rows if i < len(row)) for i in range(max(map(len, rows)))]
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=False)]
        print("  ".join(cells).rstrip())


def print_tallies(tallies: Sequence[tuple[str, Tally]], *, strengths: bool = True) -> None:
    """Print tallies side by side, each under its title.

    Parameters
    ----------
    tallies : sequence of (str, Tally)
    strengths : bool
        Whether strengths are in the units of the truth, as on a raw grid.
    """
    columns = [_column(tally, strengths=strengths) for _, tally in tallies]
    rows = [["", *(title for title, _ in tallies)]]
    rows += [[label, *(column[label] for column in columns)] for label in columns[0]]
    print_rows(rows)


def _column(tally: Tally, *, strengths: bool) -> dict[str, str]:
    cells = {}
    for name in CLASSES:
        if tally.planted[name]:
            recall = share(tally.found[name], tally.planted[name])
            cells[f"recall {name}"] = f"{recall:.2f}"
    if tally.planted:
        cells["recall, all"] = f"{tally.recall:.3f}"
    cells["false alarms per million"] = f"{tally.false_per_million:.1f}"
    cells["  number"] = str(tally.false)
    if tally.planted:
        cells["  beside a defect"] = str(tally.beside)
        cells["reported twice"] = str(tally.twice)
        cells["kinds right"] = f"{tally.kinds_right:.3f}"
        for name in CLASSES:
            if tally.planted[name]:
                right = share(tally.rightly[name], tally.found[name])
                cells[f"  {name}"] = f"{right:.2f}"
        if strengths:
            cells |= _errors(tally)
    cells["suspects"] = str(tally.suspects)
    if tally.planted:
        cells["  true"] = str(tally.true_suspects)
    return cells


def _errors(tally: Tally) -> dict[str, str]:
    """Return the typical errors of the strengths of sites of the right kind."""
    return {
        "offset, relative error": f"{_median([abs(r - 1) for r in tally.ratios[Kind.OFFSET]]):.3f}",
        "gain, error": f"{_median(np.abs(tally.gain_errors)):.4f}",
        "dark rate, wrong by factor": f"{_factor(tally.ratios[Kind.HOT]):.2f}",
        "  in common": f"{_median(tally.ratios[Kind.HOT]):.2f}",
        "  apart from that": f"{_factor(tally.own_ratios):.2f}",
    }


def _factor(ratios: Sequence[float]) -> float:
    """Return by which factor, up or down, the typical one is wrong."""
    return float(np.exp(_median(np.abs(np.log(np.maximum(ratios, 1e-9))))))


def _median(values: ArrayLike) -> float:
    return float(np.median(values)) if np.size(values) else float("nan")

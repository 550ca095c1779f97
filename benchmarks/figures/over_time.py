# ruff: noqa: RUF001 - Greek letters and dashes are for the eye
"""One hot photosite in the photos of four years."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
from matplotlib import dates as mdates
from matplotlib.figure import Figure

from benchmarks.figures.style import BLUE, GREY, RED
from defectmap.model.defects import Defect, Kind
from defectmap.model.frame import Conditions, RawFrame
from defectmap.model.kernels import Z_INVALID
from defectmap.model.prediction import PlaneScoring, code_sigma, mosaic_model
from defectmap.model.study import Study
from defectmap.simulation import Habits, PlantedDefect, SimulatedCamera

ONSET = datetime(2021, 4, 20)

_EXPOSURES = (
    (0.0, 0.01, "to 1/100 s"),
    (0.01, 0.1, "to 1/10 s"),
    (0.1, 1.0, "to 1 s"),
    (1.0, 60.0, "longer"),
)
_COLOURS = ("#c9c9c9", "#7fb2d6", BLUE, "#00264d")


def defect_over_time() -> Figure:
    """Draw one hot site of the simulated camera, frame by frame over four years."""
    camera = SimulatedCamera(
        seed=4,
        height=240,
        width=320,
        days=1460,
        habits=Habits(
            exposures_s=((1e-3, 1 / 15, 0.6), (1 / 15, 1.0, 0.25), (1.0, 10.0, 0.15)), tripod_share=0.0
        ),
        defects=(PlantedDefect(120, 160, Kind.HOT, "mid", rate_e_per_s=400.0, onset=ONSET),),
    )
    study, rows = Study(), []
    for frame, conditions in camera.frames_raw(300):
        study.add(frame, conditions)
        rows.append((conditions, *_excess(frame, 120, 160)))
    found = study.map()
    (site,) = (d for d in found.defects if (d.row, d.col) == (120, 160))
    return _over_time(rows, site)


def _excess(frame: RawFrame, row: int, col: int) -> tuple[float, bool]:
    """Return by how many standard deviations a site differs from its prediction, and whether that counts."""
    model = mosaic_model(frame.geometry)
    flat = np.array([row * frame.mosaic.shape[1] + col])
    expected = np.median(frame.mosaic.ravel()[model.neighbours(flat, frame.mosaic.shape)])
    scored = PlaneScoring(frame.mosaic, model, "mosaic").score()
    sigma = float(code_sigma(scored.noise_code[row, col]))
    return (float(frame.mosaic[row, col]) - float(expected)) / sigma, scored.z[row, col] != Z_INVALID


def _over_time(rows: Sequence[tuple[Conditions, float, bool]], site: Defect) -> Figure:
    when = mdates.date2num([conditions.captured for conditions, *_ in rows])
    exposure = np.array([conditions.exposure_s for conditions, *_ in rows])
    excess = np.array([value for _, value, _ in rows])
    counted = np.array([counts for *_, counts in rows])
    figure = Figure(figsize=(8.0, 3.4), layout="constrained")
    axes = figure.add_subplot()
    axes.set_yscale("symlog", linthresh=10, linscale=1.2)
    axes.set_ylim(-8, 2000)
    axes.set_yticks([-5, 0, 5, 10, 100, 1000], ["−5", "0", "5", "10", "100", "1000"])
    axes.axhline(0, color=GREY, linewidth=0.8, zorder=0)
    axes.axhline(5, color=GREY, linewidth=0.8, linestyle=(0, (2, 2)), zorder=0)
    for (low, high, label), colour, size in zip(_EXPOSURES, _COLOURS, (3.5, 4.5, 6, 8.5), strict=True):
        mine = counted & (exposure >= low) & (exposure < high)
        style = {"markeredgecolor": "white", "markeredgewidth": 0.4, "linestyle": "none"}
        axes.plot(when[mine], excess[mine], "o", color=colour, markersize=size, label=label, **style)
    axes.plot(when[~counted], excess[~counted], "x", color=GREY, markersize=5, label="not counted")
    axes.axvspan(*mdates.date2num([site.last_good, site.first_bad]), color=RED, alpha=0.3, linewidth=0)
    axes.axvline(mdates.date2num(ONSET), color=RED, linewidth=1.2)
    axes.annotate(
        f"went bad on {ONSET:%-d %B %Y};\nfound to have, between\n"
        f"{site.last_good:%-d %B} and {site.first_bad:%-d %B}",
        (mdates.date2num(site.last_good - timedelta(days=12)), 1500),
        ha="right",
        va="top",
        color=RED,
    )
    axes.xaxis.set_major_locator(mdates.YearLocator())
    axes.xaxis.set_major_formatter(mdates.DateFormatter("%Y"))
    axes.xaxis.set_minor_locator(mdates.MonthLocator((4, 7, 10)))
    axes.set_xlabel("date of the photo")
    axes.set_ylabel("value less prediction\n(σ of that frame; linear up to 10)")
    axes.set_title(f"one hot photosite in 300 photos, {site.frames_seen} of which show it beyond 5 σ")
    figure.legend(loc="outside right upper", title="exposure time", reverse=True, handletextpad=0.2)
    return figure

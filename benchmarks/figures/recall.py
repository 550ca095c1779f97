# ruff: noqa: RUF001 - Greek letters and dashes are for the eye
"""What is found of each class, beside what the lowest variance finds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from benchmarks.detection.running import Job
from benchmarks.detection.scenes import SIDE
from benchmarks.detection.scoring import Tally, score, share, together
from benchmarks.detection.sensor import CLASSES
from benchmarks.detection.variance import ValueVariance
from benchmarks.figures.style import STEPS
from defectmap.model.study import Study

SEEDS, NUMBERS = (1, 2), (30, 100, 300)


def recall_of(job: Job) -> list[tuple[Tally, Counter[str]]]:
    """Judge by class what the program finds, and what as many photosites of lowest variance do."""
    sensor = job.sensor()
    names = {(t.row, t.col): t.name for t in sensor.truths}
    study, variance, counts = Study(), ValueVariance((SIDE, SIDE)), []
    for number, (frame, conditions) in enumerate(sensor.frames(job.checkpoints[-1]), 1):
        study.add(frame, conditions)
        variance.add(frame.mosaic)
        if number in job.checkpoints:
            tally = score(study.map(), sensor.truths)
            lowest = np.argpartition(-variance.scores(), len(names), axis=None)[: len(names)]
            places = (divmod(int(site), SIDE) for site in lowest)
            counts.append((tally, Counter(names[p] for p in places if p in names)))
    return counts


def recall_by_class(results: Sequence[Sequence[tuple[Tally, Counter[str]]]]) -> Figure:
    """Draw recall by class and number of frames, for the program and for the lowest variance."""
    figure = Figure(figsize=(8.0, 4.2), layout="constrained")
    panels = figure.subplots(2, 1, sharex=True, sharey=True)
    names = [*CLASSES, "all"]
    place = np.arange(len(names)) + 0.4 * (np.arange(len(names)) == len(CLASSES))
    own = [together(each[i][0] for each in results) for i in range(len(NUMBERS))]
    lowest = [sum((each[i][1] for each in results), Counter()) for i in range(len(NUMBERS))]
    false = ", ".join(str(tally.false) for tally in own)
    size = f"{own[0].photosites / 1e6:.1f} million photosites"
    for axes, counts, title in (
        (panels[0], [tally.found for tally in own], f"this program (false alarms in {size}: {false})"),
        (panels[1], lowest, "the classic search: as many photosites of lowest variance as there are defects"),
    ):
        for i, (number, found) in enumerate(zip(NUMBERS, counts, strict=True)):
            recall = [share(found[name], own[i].planted[name]) for name in CLASSES]
            recall.append(share(found.total(), own[i].planted.total()))
            axes.bar(place + 0.27 * (i - 1), recall, 0.25, color=STEPS[i], label=f"{number} frames")
        axes.set_title(title)
        axes.set_ylim(0, 1.02)
        axes.set_yticks([0, 0.5, 1], ["0", "½", "1"])
        axes.grid(axis="y", color="#dddddd", linewidth=0.7)
        axes.set_axisbelow(True)
        axes.tick_params(axis="x", length=0)
    panels[0].legend(loc="lower left", bbox_to_anchor=(0.64, 1.0), ncols=3, handlelength=1, columnspacing=1)
    panels[1].set_xticks(place, [_label(name) for name in names])
    figure.supylabel("share found", fontsize=9)
    return figure


_LABELS: Mapping[str, str] = {
    "off": "offset",
    "low_mild": "gain\n.90–.97",
    "low_mid": "gain\n.5–.9",
    "low_deep": "gain\n.05–.5",
    "high_mid": "gain\n1.1–1.5",
    "all": "all\ntwelve",
}


def _label(name: str) -> str:
    if name in _LABELS:
        return _LABELS[name]
    kind, _, degree = name.partition("_")
    return f"{_LABELS.get(kind, kind)}\n{degree}"

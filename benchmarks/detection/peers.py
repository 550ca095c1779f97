"""The tables of other ways: the lowest variance, and rawpy's search on the same files."""

from __future__ import annotations

import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rawpy

from benchmarks.detection.printing import print_rows
from benchmarks.detection.running import Job, over_seeds
from benchmarks.detection.scoring import Tally, score, share, together
from benchmarks.detection.sensor import Truth, plant
from benchmarks.detection.variance import Answers, Site, ValueVariance, beyond, lowest
from defectmap.catalog.store import open_catalog
from defectmap.detect import detect
from defectmap.ingest import ingest
from defectmap.model.study import Study
from defectmap.simulation import Habits, PlantedDefect, SimulatedCamera
from defectmap.simulation.files import write_shoot

FILES, HEIGHT, WIDTH, PER_CLASS = 12, 2592, 3872, 10
_THRESHOLD = 6.0


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Both ways after the same frames."""

    as_many: Answers
    above: Answers
    own: Tally


def measure(job: Job) -> list[Checkpoint]:
    """Judge both ways on one sequence at its checkpoints."""
    sensor = job.sensor()
    planted = {(t.row, t.col) for t in sensor.truths}
    study, checkpoints = Study(), []
    variance: ValueVariance | None = None
    for number, (frame, conditions) in enumerate(sensor.frames(job.checkpoints[-1]), 1):
        variance = variance or ValueVariance(frame.mosaic.shape)
        variance.add(frame.mosaic)
        study.add(frame, conditions)
        if number in job.checkpoints:
            scores = variance.scores()
            checkpoints.append(
                Checkpoint(
                    lowest(scores, planted),
                    beyond(scores, planted, _THRESHOLD),
                    score(study.map(), sensor.truths),
                )
            )
    return checkpoints


def print_variance(
    seeds: Sequence[int], frames: Sequence[int], scenes: Path, workers: int, *, per_class: int
) -> None:
    """Print the lowest variance beside the program, on the same frames of the reference sensor."""
    jobs = [Job(seed, tuple(frames), scenes, per_class) for seed in seeds]
    results = [checkpoints for _, checkpoints in over_seeds(measure, jobs, workers)]
    rows = [["", *(cell for n in frames for cell in (f"N={n} recall", "false per million"))]]
    for label, pick in (
        ("lowest variance, as many answers as defects", lambda c: c.as_many),
        (f"lowest variance, beyond {_THRESHOLD:.0f} MAD", lambda c: c.above),
    ):
        row = [label]
        for i in range(len(frames)):
            answers = [pick(checkpoints[i]) for checkpoints in results]
            false = sum(a.reported - a.true for a in answers)
            row.append(f"{share(sum(a.true for a in answers), sum(a.planted for a in answers)):.3f}")
            row.append(f"{1e6 * false / sum(a.photosites for a in answers):.1f}")
        rows.append(row)
    row = ["defectmap"]
    for i in range(len(frames)):
        own = together(checkpoints[i].own for checkpoints in results)
        row += [f"{own.recall:.3f}", f"{own.false_per_million:.1f}"]
    rows.append(row)
    print_rows(rows)


def print_files(seed: int) -> None:
    """Print rawpy's search beside the program, on the same files of ten megapixels."""
    truths = plant(np.random.default_rng(seed), HEIGHT, WIDTH, PER_CLASS)
    camera = SimulatedCamera(
        seed=seed,
        height=HEIGHT,
        width=WIDTH,
        days=300,
        habits=Habits(tripod_share=0.0),
        defects=tuple(_planted(truth) for truth in truths),
    )
    planted = {(t.row, t.col) for t in truths}
    print(f"\n{FILES} NEFs of {HEIGHT * WIDTH / 1e6:.0f} megapixels with {len(planted)} planted defects")
    with tempfile.TemporaryDirectory() as folder:
        photos = Path(folder) / "photos"
        write_shoot(camera, photos, FILES, formats=("nef",), compressions=("lossless",))
        files = sorted(photos.iterdir())
        _warm_up()
        decoding, _ = _timed(lambda: _decode(files))
        rows = [["", "reported", "true", "processor seconds", "times decoding"]]
        rows.append(["decoding alone", "", "", f"{decoding:.1f}", "1.0"])
        for label, search in (
            ("rawpy.enhance.find_bad_pixels", lambda: _rawpy(files)),
            ("defectmap ingest and detect", lambda: _defectmap(photos, Path(folder))),
        ):
            seconds, sites = _timed(search)
            if sites is None:
                rows.append([f"{label}: needs scikit-image or OpenCV, which is not installed"])
            else:
                cells = len(sites), len(sites & planted), f"{seconds:.1f}", f"{seconds / decoding:.1f}"
                rows.append([label, *map(str, cells)])
    print_rows(rows)


def _planted(truth: Truth) -> PlantedDefect:
    return PlantedDefect(
        truth.row,
        truth.col,
        truth.kind,
        truth.name,
        rate_e_per_s=truth.rate_e_per_s,
        offset_e=truth.offset_e,
        level=max(truth.level, 0.0),
        gain=truth.gain,
    )


def _timed(work: Callable[[], set[Site] | None]) -> tuple[float, set[Site] | None]:
    """Return the processor time of this process, which other programs hardly move, and the result."""
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def _warm_up() -> None:
    """Load what is compiled, which is no part of what a file costs."""
    camera = SimulatedCamera(height=600, width=600)
    with tempfile.TemporaryDirectory() as folder:
        write_shoot(camera, Path(folder) / "photos", 5, formats=("nef",))
        _defectmap(Path(folder) / "photos", Path(folder))


def _decode(files: Sequence[Path]) -> None:
    for file in files:
        with rawpy.imread(str(file)) as raw:
            raw.raw_image_visible.copy()


def _rawpy(files: Sequence[Path]) -> set[Site] | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            from rawpy.enhance import find_bad_pixels  # noqa: PLC0415 - wants a library of its own
    except ImportError:
        return None
    return {(int(row), int(col)) for row, col in find_bad_pixels([str(file) for file in files])}


def _defectmap(photos: Path, folder: Path) -> set[Site]:
    with open_catalog(folder / "catalog.sqlite", create=True) as catalog:
        ingest(catalog, [photos])
        maps = detect(catalog, catalog.sensors.all()[0]).revision.maps
        return {site for found in maps.values() for site in found.sites}

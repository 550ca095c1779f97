"""The table of JPEGs: what is left of the defects in repaired files, and what else was changed.

The definition of the test: the same exposure with and without its defects through the same camera (demosaic
along the edges, sRGB curve, 4:2:0), and the PSNR of the three colours on the 9 x 9 pixels around each visible
defect against the JPEG without defects, averaged over the defects in dB.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.detection.printing import print_rows
from benchmarks.detection.sensor import Truth
from benchmarks.repair.captures import Capture, Picture, captures, halves, planted
from defectmap.media.jpeg import decode_jpeg
from defectmap.media.jpegcodec import repair_jpeg
from defectmap.model.defects import Defect, Kind
from defectmap.model.expecting import Expected, sign
from defectmap.model.footprints import Footprints, learn_from_means
from defectmap.model.rendered import RenderedSite
from defectmap.model.tone import before_curve
from defectmap.simulation.render import encode

VISIBLE_DN = 14.0
"""A defect is visible where it changes the luma of a pixel by more, before coding.

So chosen that the damaged files are about as far from the sound ones as those of the published test, which
does not say what it took for visible: 32.3 dB at quality 92 and 33.3 at 80.
"""

_FAR = 16
_ALWAYS = {Kind.STUCK, Kind.DEAD, Kind.DIM, Kind.BRIGHT, Kind.OFFSET}
_UNSURE = 0.2


@dataclass
class Score:
    """What one method left.

    Attributes
    ----------
    psnr : list of float
        Of each visible defect, in dB.
    worse, changed : int
        Defects whose 9 x 9 pixels are farther from the truth than before, of those whose were changed.
    far, pixels : int
        Pixels changed that are more than 16 from every defect, of so many.
    """

    psnr: list[float] = field(default_factory=list)
    worse: int = 0
    changed: int = 0
    far: int = 0
    pixels: int = 0

    def add(self, other: Score) -> None:
        """Add another part."""
        self.psnr += other.psnr
        self.worse += other.worse
        self.changed += other.changed
        self.far += other.far
        self.pixels += other.pixels


@dataclass(frozen=True, slots=True)
class Job:
    """One sensor, and which of its frames are repaired."""

    seed: int
    scenes: Path
    per_class: int
    learned_from: int
    frames: int
    quality: int


def learned(job: Job, truths: tuple[Truth, ...]) -> Footprints:
    """Learn the footprints from photos of the first half of the scenes."""
    draw, _, _ = halves(job.scenes)
    sums: list[NDArray[np.float64]] = []
    for capture in captures(job.seed, truths, draw, range(1000, 1000 + job.learned_from)):
        frame = decode_jpeg(encode(capture.damaged, quality=job.quality))
        parts = [np.asarray(p, np.float64) for p in (frame.luma, frame.blue, frame.red)]
        sums = [a + b for a, b in zip(sums, parts, strict=True)] if sums else parts
    means = [part / job.learned_from for part in sums]
    usual = float(means[0].mean())
    return Footprints(learn_from_means(*means, [_defect(t) for t in truths]), usual)


def measure(job: Job) -> dict[str, Score]:
    """Repair the frames of one sensor in all ways."""
    truths = planted(job.seed, job.per_class)
    footprints = learned(job, truths)
    _, draw, _ = halves(job.scenes)
    scores: dict[str, Score] = {}
    for number, capture in enumerate(captures(job.seed, truths, draw, range(job.frames))):
        shown = [t for t in truths if capture.peak(t) > VISIBLE_DN]
        sound, damaged = (encode(p, quality=job.quality) for p in (capture.sound, capture.damaged))
        rng = np.random.default_rng([job.seed, 22, number])
        methods = methods_of(capture, truths, shown, footprints, job.quality, rng)
        truth, before = _pixels(sound), _pixels(damaged)
        for name, method in methods.items():
            part = _score(truth, before, method(damaged), truths, shown)
            scores.setdefault(name, Score()).add(part)
    return scores


def methods_of(
    capture: Capture,
    truths: Sequence[Truth],
    shown: Sequence[Truth],
    footprints: Footprints,
    quality: int,
    rng: np.random.Generator,
) -> Mapping[str, Callable[[bytes], Picture]]:
    """Return what is compared; each takes the damaged file and returns the repaired pixels.

    The usual ways are told which defects are visible, the program only which sites are bad.
    """
    plain = [_site(t) for t in truths]
    guesses = {t: capture.change(t) * float(rng.normal(1.0, _UNSURE)) for t in truths}
    methods: dict[str, Callable[[bytes], Picture]] = {
        "damaged": _pixels,
        "median of 1 pixel, quality 97": partial(_with_median, shown=shown, quality=97),
        "median of 1 pixel, same quality": partial(_with_median, shown=shown, quality=quality),
    }
    try:
        import cv2  # noqa: F401, PLC0415 - not a dependency
    except ImportError:
        pass
    else:
        methods["Telea's inpainting, radius 3"] = partial(_inpainted, shown=shown, quality=quality)
    methods |= {
        "site and colour": partial(_repaired, sites=plain, footprints=None),
        "learned footprint": partial(_repaired, sites=plain, footprints=footprints),
        "and amplitude +-20 %": partial(
            _repaired,
            sites=[_site(t, _expected(capture, t, guesses[t], _UNSURE)) for t in truths],
            footprints=footprints,
        ),
        "and true amplitude": partial(
            _repaired,
            sites=[_site(t, _expected(capture, t, capture.change(t), 0.01)) for t in truths],
            footprints=footprints,
        ),
    }
    return methods


def print_jpeg(jobs: Sequence[Job], workers: int) -> None:
    """Print one table per quality."""
    if workers > 1 and len(jobs) > 1:
        with ProcessPoolExecutor(workers) as pool:
            results = list(pool.map(measure, jobs))
    else:
        results = [measure(job) for job in jobs]
    for quality in sorted({job.quality for job in jobs}, reverse=True):
        total: dict[str, Score] = {}
        for job, scores in zip(jobs, results, strict=True):
            for name, score in scores.items() if job.quality == quality else ():
                total.setdefault(name, Score()).add(score)
        visible = len(total["damaged"].psnr)
        print(f"\nquality {quality}, 4:2:0, {visible} visible defects")
        rows = [["", "PSNR dB", "median", "changed", "made worse", "far pixels changed"]]
        for name, score in total.items():
            share = score.worse / max(score.changed, 1)
            rows.append(
                [
                    name,
                    f"{np.mean(score.psnr):.2f}",
                    f"{np.median(score.psnr):.2f}",
                    str(score.changed),
                    f"{share:.1%}",
                    f"{score.far / max(score.pixels, 1):.1%}",
                ]
            )
        print_rows(rows)


def _score(
    truth: NDArray[np.float64],
    before: NDArray[np.float64],
    after: NDArray[np.float64],
    truths: Sequence[Truth],
    shown: Sequence[Truth],
) -> Score:
    score = Score()
    visible = set(shown)
    far = np.ones(truth.shape[:2], bool)
    for t in truths:
        far[max(t.row - _FAR, 0) : t.row + _FAR + 1, max(t.col - _FAR, 0) : t.col + _FAR + 1] = False
        near = slice(t.row - 4, t.row + 5), slice(t.col - 4, t.col + 5)
        errors = [float(np.mean((p[near] - truth[near]) ** 2)) for p in (before, after)]
        if t in visible:
            score.psnr.append(float(10 * np.log10(255**2 / max(errors[1], 1e-2))))
        if (before[near] != after[near]).any():
            score.changed += 1
            score.worse += errors[1] > errors[0]
    score.far = int(((before != after).any(axis=2) & far).sum())
    score.pixels = int(far.sum())
    return score


def _defect(t: Truth) -> Defect:
    return Defect(t.row, t.col, t.kind, _colour(t), t.strength, "", 99.0, 9, 9)


def _colour(t: Truth) -> str:
    return ("RG", "GB")[t.row % 2][t.col % 2]


def _site(t: Truth, known: Expected | None = None) -> RenderedSite:
    return RenderedSite(t.row, t.col, _colour(t), t.kind in _ALWAYS, known, sign(_defect(t)))


def _expected(capture: Capture, t: Truth, amplitude_dn: float, unsure: float) -> Expected:
    """Return what leads to an amplitude: more light before the tone curve, or a loss of light."""
    light = max(capture.light(t), 1.0)
    if amplitude_dn < 0:
        return Expected(amplitude_dn / light, 0.0, light, unsure)
    added = before_curve(np.array([light]), np.array([amplitude_dn]), light)
    return Expected(0.0, float(added[0]), light, unsure)


def _pixels(data: bytes) -> NDArray[np.float64]:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB")).astype(np.float64)


def _repaired(
    data: bytes, sites: Sequence[RenderedSite], footprints: Footprints | None
) -> NDArray[np.float64]:
    return _pixels(repair_jpeg(data, sites, footprints=footprints).data)


def _with_median(data: bytes, shown: Sequence[Truth], quality: int) -> NDArray[np.float64]:
    pixels = _pixels(data)
    mended = pixels.copy()
    for t in shown:
        around = pixels[t.row - 1 : t.row + 2, t.col - 1 : t.col + 2].reshape(-1, 3)
        mended[t.row, t.col] = np.median(around, axis=0)
    return _pixels(encode(mended.astype(np.uint8), quality=quality))


def _inpainted(data: bytes, shown: Sequence[Truth], quality: int) -> NDArray[np.float64]:
    import cv2  # noqa: PLC0415 - not a dependency

    pixels = _pixels(data).astype(np.uint8)
    mask = np.zeros(pixels.shape[:2], np.uint8)
    for t in shown:
        mask[t.row - 1 : t.row + 2, t.col - 1 : t.col + 2] = 1
    return _pixels(encode(cv2.inpaint(pixels, mask, 3, cv2.INPAINT_TELEA), quality=quality))

"""The table of speed: what scoring and summing a frame cost beside decoding it, in one process."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.detection.printing import print_rows
from defectmap.media.jpeg import decode_jpeg
from defectmap.media.raw import decode_raw
from defectmap.model.frame import Conditions, JpegFrame, RawFrame
from defectmap.model.prediction import planes_of
from defectmap.model.study import Study
from defectmap.simulation import Habits, SimulatedCamera
from defectmap.simulation.files import FileFormat, write_shoot

HEIGHT, WIDTH = 2592, 3872
_FRAMES, _ROUNDS = 4, 3

Frame = RawFrame | JpegFrame


def print_speed(seed: int) -> None:
    """Print processor time per megapixel, the least of several rounds over the same frames."""
    camera = SimulatedCamera(seed=seed, height=HEIGHT, width=WIDTH, days=300, habits=Habits(tripod_share=0.0))
    rows = [["seconds per megapixel", "decode", "score", "score and sum", "times decoding"]]
    codings: tuple[tuple[FileFormat, Callable[[bytes], Frame]], ...] = (
        ("nef", decode_raw),
        ("jpeg", decode_jpeg),
    )
    for kind, decode in codings:
        with tempfile.TemporaryDirectory() as folder:
            truth = write_shoot(
                camera, Path(folder), 2 * _FRAMES, formats=(kind,), compressions=("lossless",)
            )
            files = [path.read_bytes() for path in sorted(Path(folder).iterdir())]
        decoding, scoring, both = _measure(files, decode, [e.conditions for e in truth.frames])
        rows.append([kind, *(f"{s:.4f}" for s in (decoding, scoring, both)), f"{both / decoding:.2f}"])
    print_rows(rows)


def _measure(
    files: Sequence[bytes], decode: Callable[[bytes], Frame], conditions: Sequence[Conditions]
) -> tuple[float, float, float]:
    frames = [decode(data) for data in files]
    shots = list(zip(frames, conditions, strict=True))
    megapixels = _FRAMES * frames[0].grid.height * frames[0].grid.width / 1e6

    def studied() -> float:
        evidence = Study()
        # The first frames also pay for fresh memory, which a long sequence hardly notices.
        _add(evidence, shots[:_FRAMES])
        return _seconds(lambda: _add(evidence, shots[_FRAMES:]))

    return (
        min(_seconds(lambda: [decode(d) for d in files[:_FRAMES]]) for _ in range(_ROUNDS)) / megapixels,
        min(_seconds(lambda: _score(frames[:_FRAMES])) for _ in range(_ROUNDS)) / megapixels,
        min(studied() for _ in range(_ROUNDS)) / megapixels,
    )


def _add(evidence: Study, shots: Sequence[tuple[Frame, Conditions]]) -> None:
    for frame, when in shots:
        evidence.add(frame, when)
    evidence.planes()


def _score(frames: Sequence[Frame]) -> None:
    for frame in frames:
        for plane in planes_of(frame).values():
            plane.score()


def _seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start

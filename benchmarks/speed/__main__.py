"""Command line of the benchmark of speed."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from benchmarks.detection.printing import print_rows
from benchmarks.speed.peers import frame_by_frame
from benchmarks.speed.timing import WAYS, timed, whole_program
from defectmap.simulation import Habits, SimulatedCamera
from defectmap.simulation.files import FileFormat, write_shoot

SUFFIXES: dict[FileFormat, str] = {"nef": "NEF", "jpeg": "JPG"}


def print_speed(kind: FileFormat, megapixels: float, frames: int, few: int, workers: Sequence[int]) -> None:
    """Print seconds for few photos and for all, what a further one costs, and the ratio to decoding."""
    height = int(round((megapixels * 1e6 / 1.5) ** 0.5 / 12) * 12)
    width = height * 3 // 2
    habits = Habits(tripod_share=0.0)
    camera = SimulatedCamera(seed=6, height=height, width=width, days=300, habits=habits)
    head = ["way", "workers", f"{few} photos, s", f"{frames} photos, s", "each further, s"]
    rows = [[*head, "times decoding", "times one worker", "largest process, MiB"]]
    with tempfile.TemporaryDirectory() as folder:
        write_shoot(camera, Path(folder), frames, formats=(kind,))
        photos = sorted(Path(folder).glob(f"*.{SUFFIXES[kind]}"))
        whole_program(photos[:2], 1)  # compiles what is not compiled yet
        alone: dict[str, float] = {}
        ways = dict(WAYS)
        if kind == "nef" and (find_spec("cv2") or find_spec("skimage")):
            ways["rawpy's search"] = frame_by_frame
        for number in workers:
            decoding = None
            for name, way in ways.items():
                if way is frame_by_frame and number > 1:
                    continue  # it has one process
                first, _ = timed(way, photos[:few], number)
                whole, mib = timed(way, photos, number)
                each = (whole - first) / (frames - few)
                decoding = each if decoding is None else decoding
                alone.setdefault(name, whole)
                times = [f"{first:.2f}", f"{whole:.2f}", f"{each:.3f}", f"{each / decoding:.2f}"]
                rows.append([name, str(number), *times, f"{alone[name] / whole:.2f}", f"{mib:.0f}"])
        size = whole_program(photos, 1) / (height * width)
    print(f"{kind}, {height * width / 1e6:.1f} megapixels, {size:.1f} bytes of catalog per photosite")
    print_rows(rows)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed", description="Print what ingest costs beside decoding."
    )
    parser.add_argument("--frames", type=int, default=50)
    parser.add_argument("--few", type=int, default=10)
    parser.add_argument("--megapixels", type=float, default=10.0)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--format", choices=tuple(SUFFIXES), nargs="+", default=list(SUFFIXES))
    args = parser.parse_args()
    for kind in args.format:
        print_speed(kind, args.megapixels, args.frames, args.few, args.workers)
        print()


if __name__ == "__main__":
    main()

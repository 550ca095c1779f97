"""Command line of the pictures."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.detection.running import Job, over_seeds
from benchmarks.detection.scenes import DEFAULT_FOLDER
from benchmarks.figures.over_time import defect_over_time
from benchmarks.figures.recall import NUMBERS, SEEDS, recall_by_class, recall_of
from benchmarks.figures.scores import FRAMES, SEED, Scored, score_sequence, scores_against_null, unrest
from benchmarks.figures.style import STYLE

DEFAULT_OUTPUT = Path(__file__).parents[2] / "docs" / "pictures"


def draw(scenes: Path, workers: int) -> dict[str, Callable[[], Figure]]:
    """Return how each picture is drawn, by its name."""
    jobs = [Job(SEED, (FRAMES,), scenes, variant=(scaled,)) for scaled in (True, False)]
    sequences: list[Scored] = []

    def scored() -> list[Scored]:
        if not sequences:
            sequences.extend(each[0] for _, each in over_seeds(score_sequence, jobs, workers))
        return sequences

    def recalls() -> Figure:
        both = [Job(seed, NUMBERS, scenes) for seed in SEEDS]
        return recall_by_class([counts for _, counts in over_seeds(recall_of, both, workers)])

    return {
        "scores": lambda: scores_against_null(scored()[0]),
        "unrest": lambda: unrest(*scored()),
        "over-time": defect_over_time,
        "recall": recalls,
    }


def main() -> None:
    """Draw all pictures, or some."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.figures", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=DEFAULT_OUTPUT, metavar="FOLDER")
    parser.add_argument("--only", nargs="+", choices=["scores", "unrest", "over-time", "recall"])
    parser.add_argument("--format", default="svg", choices=["svg", "png"])
    parser.add_argument("--scenes", type=Path, default=DEFAULT_FOLDER, help="folder of pictures")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(STYLE):
        for name, make in draw(args.scenes, args.workers).items():
            if not args.only or name in args.only:
                path = args.folder / f"{name}.{args.format}"
                metadata = {"Date": None} if args.format == "svg" else None
                make().savefig(path, dpi=130, metadata=metadata)
                print(path)


if __name__ == "__main__":
    main()

"""How much more processes gain: seconds by their number, for few photos and for many.

``python -m benchmarks.speed.processes FOLDER`` takes the photos of one camera in a folder, prints a table,
and with ``--picture`` draws it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.detection.printing import print_rows
from benchmarks.speed.timing import WAYS, timed


@dataclass(frozen=True, slots=True)
class Timing:
    """What one way took.

    Attributes
    ----------
    way : str
    photos, workers : int
    seconds : float
    """

    way: str
    photos: int
    workers: int
    seconds: float


def measure(photos: Sequence[Path], numbers: Sequence[int], workers: Sequence[int]) -> list[Timing]:
    """Time every way on so many of the photos, in so many processes."""
    return [
        Timing(name, number, count, timed(way, photos[:number], count)[0])
        for number in numbers
        for name, way in WAYS.items()
        for count in workers
    ]


def print_table(timings: Sequence[Timing]) -> None:
    """Print seconds, and how many times as fast more processes are than one."""
    alone = {(one.way, one.photos): one.seconds for one in timings if one.workers == 1}
    rows = [["photos", "way", "processes", "seconds", "times as fast as one"]]
    for one in timings:
        gain = alone[one.way, one.photos] / one.seconds if (one.way, one.photos) in alone else float("nan")
        rows.append([str(one.photos), one.way, str(one.workers), f"{one.seconds:.1f}", f"{gain:.2f}"])
    print_rows(rows)


def draw(timings: Sequence[Timing], path: Path) -> None:
    """Draw seconds over processes, a panel for each number of photos."""
    import matplotlib as mpl  # noqa: PLC0415 - an extra
    from matplotlib.figure import Figure  # noqa: PLC0415

    from benchmarks.figures.style import BLUE, GREY, ORANGE, STYLE  # noqa: PLC0415

    colours = dict(zip(WAYS, (GREY, BLUE, ORANGE), strict=True))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8.0, 3.2), layout="constrained")
        numbers = sorted({one.photos for one in timings})
        for axes, number in zip(figure.subplots(1, len(numbers), squeeze=False)[0], numbers, strict=True):
            for way, colour in colours.items():
                part = [one for one in timings if (one.way, one.photos) == (way, number)]
                axes.plot(
                    [one.workers for one in part],
                    [one.seconds for one in part],
                    color=colour,
                    marker="o",
                    label=way,
                )
            axes.set_title(f"{number} photos")
            axes.set_xticks(sorted({one.workers for one in timings}))
            axes.set_xlabel("processes")
            axes.set_ylim(bottom=0)
            axes.set_ylabel("seconds")
        figure.axes[0].legend()
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def main() -> None:
    """Time, print, draw."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.processes", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--numbers", type=int, nargs="+", default=[50, 480], help="of photos")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2], help="processes")
    parser.add_argument("--picture", type=Path, help="file to draw to")
    args = parser.parse_args()
    photos = sorted(path for path in args.folder.iterdir() if path.suffix in {".NEF", ".JPG"})
    if len(photos) < max(args.numbers):
        parser.error(
            f"{args.folder} holds {len(photos)} photos (*.NEF, *.JPG), {max(args.numbers)} are asked for"
        )
    WAYS["defectmap"](photos[:2], 1)  # compiles what is not compiled yet
    timings = measure(photos, args.numbers, args.workers)
    print_table(timings)
    if args.picture:
        draw(timings, args.picture)


if __name__ == "__main__":
    main()

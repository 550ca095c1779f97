"""Command line of the benchmark of detection."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.detection import clamping, jpeg, oracle, peers, raw, speed
from benchmarks.detection.scenes import DEFAULT_FOLDER, scenes_of


@dataclass(frozen=True, slots=True)
class Table:
    """One table: what it shows, its usual seeds and numbers of frames, and how it is made."""

    title: str
    seeds: tuple[int, ...]
    frames: tuple[int, ...]
    show: Callable[[argparse.Namespace], None]


def _raw(args: argparse.Namespace) -> None:
    raw.print_raw(args.seeds, args.frames, args.scenes, args.workers, per_class=args.per_class)


def _clean(args: argparse.Namespace) -> None:
    raw.print_clean(args.seeds, args.frames, args.scenes, args.workers)


def _tripod(args: argparse.Namespace) -> None:
    raw.print_raw(
        args.seeds, args.frames, args.scenes, args.workers, per_class=args.per_class, tripod_share=0.5
    )


def _jpeg(args: argparse.Namespace) -> None:
    jpeg.print_jpeg(
        args.seeds,
        args.frames,
        args.scenes,
        args.workers,
        per_class=args.per_class,
        qualities=args.quality,
        subsamplings=args.subsampling,
        sharpening=args.sharpening,
    )


def _clamped(args: argparse.Namespace) -> None:
    clamping.print_clamped(args.seeds, args.frames, args.scenes, args.workers, per_class=args.per_class)


def _oracle(args: argparse.Namespace) -> None:
    oracle.print_oracle(args.seeds, args.frames, args.scenes, args.workers, per_class=args.per_class)


def _peers(args: argparse.Namespace) -> None:
    peers.print_variance(args.seeds, args.frames, args.scenes, args.workers, per_class=args.per_class)
    peers.print_files(args.seeds[0])


def _speed(args: argparse.Namespace) -> None:
    speed.print_speed(args.seeds[0])


TABLES = {
    "raw": Table("undemosaiced frames of ordinary scenes", (1, 2), (30, 100, 300), _raw),
    "clean": Table("a sensor without defects: false alarms", tuple(range(1, 21)), (100,), _clean),
    "tripod": Table("half of the frames one scene with 2,000 stars and glints", (1, 2), (30, 100), _tripod),
    "jpeg": Table("JPEGs, a hit within one pixel", (1,), (30, 100, 300), _jpeg),
    "clamped": Table(
        "a camera that clamps hot photosites from 1/4 s or ISO 6400 on", (1,), (30, 100), _clamped
    ),
    "oracle": Table("what the raw frames hold at best", (1, 2), (30, 100, 300), _oracle),
    "peers": Table("the lowest variance, and rawpy's search", (1,), (30, 100, 300), _peers),
    "speed": Table("scoring and summing beside decoding", (1,), (), _speed),
}


def main() -> None:
    """Print one table."""
    names = "\n".join(f"  {name:8} {table.title}" for name, table in TABLES.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.detection",
        description="Print what is found of known defects, and what is found besides.",
        epilog=f"tables:\n{names}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("table", choices=list(TABLES), metavar="TABLE")
    parser.add_argument("--seeds", type=int, nargs="+")
    parser.add_argument("--frames", type=int, nargs="+", help="a map is asked for after so many")
    parser.add_argument("--per-class", type=int, default=100, help="defects of each of the twelve classes")
    parser.add_argument("--scenes", type=Path, default=DEFAULT_FOLDER, help="folder of pictures")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--quality", type=int, nargs="+", default=[92, 80], help="of the JPEGs")
    parser.add_argument(
        "--subsampling", nargs="+", default=["4:2:0", "4:2:2"], choices=["4:2:0", "4:2:2", "4:4:4"]
    )
    parser.add_argument("--sharpening", type=float, default=0.0, help="of the JPEGs; 0.3 is mild")
    args = parser.parse_args()
    table = TABLES[args.table]
    args.seeds = args.seeds or list(table.seeds)
    args.frames = sorted(args.frames or table.frames)
    print(f"{args.table}: {table.title}")
    print(f"{scenes_of(args.scenes)[1]}; seeds {' '.join(map(str, args.seeds))}\n")
    start = time.perf_counter()
    table.show(args)
    print(f"\n{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()

"""Command line of the benchmark of repairs."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from benchmarks.detection.scenes import DEFAULT_FOLDER
from benchmarks.repair.captures import halves
from benchmarks.repair.jpeg import Job, print_jpeg
from benchmarks.repair.raw import print_raw


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.repair",
        description="Print how near repaired photos come to those of a sound sensor.",
    )
    parser.add_argument(
        "table",
        choices=["jpeg", "raw"],
        metavar="TABLE",
        help="jpeg: demosaiced, coded 4:2:0; raw: undemosaiced, sites that are silent and sites that respond",
    )
    parser.add_argument("--scenes", type=Path, default=DEFAULT_FOLDER, help="folder of pictures")
    parser.add_argument("--seeds", type=int, nargs="+", default=[3, 4])
    parser.add_argument("--frames", type=int, default=8, help="photos repaired per seed")
    parser.add_argument(
        "--learned-from", type=int, default=40, help="photos that footprints are learned from"
    )
    parser.add_argument("--per-class", type=int, default=12, help="defects of each of the twelve classes")
    parser.add_argument("--quality", type=int, nargs="+", default=[92, 80], help="of the JPEGs")
    parser.add_argument("--sites", type=int, default=100, help="groups of each form per picture, in raw")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    args = parser.parse_args()
    if args.table == "raw":
        print_raw(args.scenes, args.sites, args.frames, args.per_class, args.seeds[0])
        return
    print(f"jpeg: {halves(args.scenes)[2]}; seeds {' '.join(map(str, args.seeds))}")
    start = time.perf_counter()
    jobs = [
        Job(seed, args.scenes, args.per_class, args.learned_from, args.frames, quality)
        for quality in args.quality
        for seed in args.seeds
    ]
    print_jpeg(jobs, args.workers)
    print(f"\n{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()

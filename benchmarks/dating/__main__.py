"""Command line of the benchmark of dating."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from benchmarks.dating.methods import METHODS
from benchmarks.dating.scoring import cameras, measure, share_dated
from benchmarks.dating.sequences import print_sequence
from benchmarks.dating.simulating import KINDS
from benchmarks.dating.trends import GOOD, TRENDS, good_sites
from benchmarks.detection.printing import print_rows


def print_onsets(seed: int, sites: int) -> None:
    """Print how well onsets are dated, by kind and method."""
    head = ["kind", "method", "sites", "within 2", "median error", "covered", "width", "100 early", "undated"]
    rows = [[*head, "bad all along, dated"]]
    for name, kind in KINDS.items():
        followed, always = cameras(seed, kind, sites), cameras(seed + 1000, kind, sites, 0)
        for title, method in METHODS.items():
            figures = measure(method, kind, followed)
            wrong = [share_dated(method, kind, shoots, lives) for shoots, lives in always]
            rows.append(
                [
                    name,
                    title,
                    str(figures.sites),
                    f"{figures.near:.2f}",
                    f"{figures.error:.0f}",
                    f"{figures.covered:.3f}",
                    f"{figures.width:.0f}",
                    f"{figures.early:.3f}",
                    f"{figures.undated:.2f}",
                    f"{np.mean(wrong):.3f}",
                ]
            )
    print_rows(rows)


def print_control(seed: int, sites: int) -> None:
    """Print how many good sites are dated while lens, place or dust change."""
    rows = [["good sites", *METHODS]]
    for trend in TRENDS:
        followed = good_sites(seed, trend, sites)
        cells = []
        for method in METHODS.values():
            shares = [share_dated(method, GOOD, shoots, lives) for shoots, lives in followed]
            cells.append(f"{np.mean(shares):.4f}")
        rows.append([trend, *cells])
    print_rows(rows)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.dating", description="Print how well onsets of defects are dated."
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sites", type=int, default=400, help="of each kind")
    parser.add_argument("--scenes", type=Path, help="pictures for whole frames; without, none are made")
    parser.add_argument("--frames", type=int, default=150, help="whole frames")
    args = parser.parse_args()
    start = time.perf_counter()
    print_onsets(args.seed, args.sites)
    print()
    print_control(args.seed, args.sites)
    if args.scenes is not None:
        print()
        print_sequence(args.scenes, args.seed, args.frames)
    print(f"\n{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()

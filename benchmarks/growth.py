"""Print how a catalog grows: its size after each part of each of four years.

python benchmarks/growth.py [--frames 30] [--height 900] [--width 1200] [--format nef]
"""

from __future__ import annotations

import argparse
import tempfile
from datetime import datetime, timedelta
from pathlib import Path

from defectmap.catalog.store import open_catalog
from defectmap.detect import detect
from defectmap.ingest import ingest
from defectmap.simulation import Habits, SimulatedCamera
from defectmap.simulation.files import write_shoot

YEARS = (2019, 2020, 2021, 2022)


def main() -> None:
    """Take photos of four years, ingest them year by year in two parts, and look at the file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=30, help="for each part")
    parser.add_argument("--height", type=int, default=900)
    parser.add_argument("--width", type=int, default=1200)
    parser.add_argument("--format", choices=("nef", "jpeg"), default="nef")
    arguments = parser.parse_args()
    camera = SimulatedCamera(
        seed=6, height=arguments.height, width=arguments.width, habits=Habits(tripod_share=0.0)
    )
    photosites = arguments.height * arguments.width
    print("year  frames  MB in all  kB per frame added  bytes per photosite in all")
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "catalog.sqlite"
        taken, before = 0, 0
        for year in YEARS:
            for part in range(2):
                photos = Path(name) / f"{year}-{part}"
                start = datetime(year, 1, 10) + timedelta(180 * part)
                write_shoot(
                    camera,
                    photos,
                    arguments.frames,
                    formats=(arguments.format,),
                    first=taken,
                    start=start,
                    days=160,
                )
                with open_catalog(path, create=True) as catalog:
                    ingest(catalog, [photos])
                    detect(catalog, catalog.sensors.all()[0])
                taken += arguments.frames
                size = path.stat().st_size
                print(
                    f"{year}  {taken:6d}  {size / 1e6:9.2f}  {(size - before) / arguments.frames / 1e3:18.1f}"
                    f"  {size / photosites:26.1f}"
                )
                before = size


if __name__ == "__main__":
    main()

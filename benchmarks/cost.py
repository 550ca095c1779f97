"""Print what ingest and detect cost at 10 megapixels: seconds and memory, beside decoding alone.

python benchmarks/cost.py [--frames 30] [--workers 1]
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import rawpy
from PIL import Image

from defectmap.catalog.store import open_catalog
from defectmap.detect import detect
from defectmap.ingest import ingest
from defectmap.simulation import Habits, SimulatedCamera
from defectmap.simulation.files import write_shoot

HEIGHT, WIDTH = 2592, 3872


def decode(path: Path) -> None:
    """Decode a photo and do nothing with it."""
    if path.suffix == ".NEF":
        with rawpy.imread(str(path)) as raw:
            raw.raw_image_visible.copy()
    else:
        with Image.open(path) as image:
            np.asarray(image)


def main() -> None:
    """Simulate, decode, ingest, detect."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=30)
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args()
    camera = SimulatedCamera(seed=6, height=HEIGHT, width=WIDTH, days=300, habits=Habits(tripod_share=0.0))
    for kind, suffix in (("nef", "NEF"), ("jpeg", "JPG")):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / "photos"
            write_shoot(camera, folder, arguments.frames, formats=(kind,))
            photos = sorted(folder.glob(f"*.{suffix}"))
            start = time.perf_counter()
            for photo in photos:
                decode(photo)
            decoding = (time.perf_counter() - start) / len(photos)
            path = Path(name) / "catalog.sqlite"
            with open_catalog(path, create=True) as catalog:
                few = len(photos) // 5
                seconds = []
                # The first go compiles and creates; the others tell the cost of a go from that of a frame.
                for part in (photos[:few], photos[few : 2 * few], photos[2 * few :]):
                    start = time.perf_counter()
                    ingest(catalog, part, workers=arguments.workers)
                    seconds.append(time.perf_counter() - start)
                start = time.perf_counter()
                detect(catalog, catalog.sensors.all()[0])
                judging = time.perf_counter() - start
            each = (seconds[2] - seconds[1]) / (len(photos) - 3 * few)
            who = resource.RUSAGE_CHILDREN if arguments.workers > 1 else resource.RUSAGE_SELF
            print(
                f"{kind}: decoding alone {decoding:.3f} s per frame; ingest {each:.3f} s per further frame "
                f"and {seconds[1] - few * each:.1f} s per go ({arguments.workers} workers); "
                f"detect {judging:.1f} s; "
                f"largest process so far {resource.getrusage(who).ru_maxrss / 1024:.0f} MiB; catalog "
                f"{path.stat().st_size / (HEIGHT * WIDTH):.1f} bytes per photosite"
            )


if __name__ == "__main__":
    main()

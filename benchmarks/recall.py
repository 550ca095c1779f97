"""Print what is found of a simulated sensor's defects, by kind, from its NEF and from its JPEG files.

python benchmarks/recall.py [--frames 100] [--seed 5] [--height 900] [--width 1200]
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from pathlib import Path

from defectmap.catalog.store import open_catalog
from defectmap.detect import detect
from defectmap.ingest import ingest
from defectmap.model.defects import DefectMap
from defectmap.simulation import GroundTruth, Planting, SimulatedCamera
from defectmap.simulation.files import write_shoot


def print_table(found: DefectMap, truth: GroundTruth) -> None:
    """Compare a map with the truth: within one pixel on a JPEG grid, exactly on a raw one."""
    reach = 0 if found.grid.kind == "raw" else 1
    planted = {(d.row, d.col): d for d in truth.defects}
    hits: dict[tuple[int, int], str] = {}
    false = 0
    for defect in found.defects:
        near = [p for p in planted if max(abs(p[0] - defect.row), abs(p[1] - defect.col)) <= reach]
        if near:
            hits[near[0]] = defect.kind
        else:
            false += 1
    print(f"\n{found.grid.kind}: {len(hits)} of {len(planted)} found, {false} false alarms")
    print(f"{'planted kind':14}{'planted':>8}{'found':>7}{'recall':>8}{'kind right':>12}")
    for kind, total in sorted(Counter(d.kind for d in planted.values()).items()):
        mine = [site for site in hits if planted[site].kind == kind]
        right = sum(hits[site] == kind for site in mine)
        print(f"{kind:14}{total:8}{len(mine):7}{len(mine) / total:8.2f}{right:12}")


def main() -> None:
    """Simulate, ingest, detect, compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--height", type=int, default=900)
    parser.add_argument("--width", type=int, default=1200)
    arguments = parser.parse_args()
    camera = SimulatedCamera(
        seed=arguments.seed,
        height=arguments.height,
        width=arguments.width,
        planting=Planting(per_stratum=8, late_share=0.0, healed_share=0.0),
    )
    with tempfile.TemporaryDirectory() as folder:
        photos = Path(folder) / "photos"
        truth = write_shoot(camera, photos, arguments.frames, formats=("nef", "jpeg"))
        with open_catalog(Path(folder) / "catalog.sqlite", create=True) as catalog:
            ingest(catalog, [photos], workers=2)
            (sensor,) = catalog.sensors.all()
            for found in detect(catalog, sensor).revision.maps.values():
                print_table(found, truth)


if __name__ == "__main__":
    main()

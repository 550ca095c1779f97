"""Print what judging a sensor costs: seconds, memory, and bytes per photosite of the sums in the catalog.

python benchmarks/judging.py [--height 4000] [--width 6000] [--frames 20] [--kind raw jpeg] [--planes]

Frames are scored as they are simulated; no photo is written. Each map is made in a process of its own.
"""

from __future__ import annotations

import argparse
import hashlib
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from defectmap.catalog.evidence import PlaneKey
from defectmap.catalog.records import FrameRecord
from defectmap.catalog.store import open_catalog
from defectmap.detect import detect
from defectmap.model.evidence import METHOD, Widened
from defectmap.model.study import Gatherer
from defectmap.simulation import Habits, SimulatedCamera

_ROUNDS = 3
_YEAR = 2019


def store(camera: SimulatedCamera, kind: str, frames: int, years: int, path: Path) -> None:
    """Make a catalog of frames; of two years the sums are kept apart."""
    gatherers = {epoch: Gatherer() for epoch in (0, _YEAR)[:years]}
    taken = []
    stream = camera.frames_raw(frames) if kind == "raw" else camera.frames_jpeg(frames)
    for number, (frame, conditions) in enumerate(stream):
        epoch = 0 if years * number < frames else _YEAR
        gatherers[epoch].add(frame, conditions)
        taken.append((epoch, conditions))
    with open_catalog(path, create=True) as catalog, catalog.transaction():
        sensor = catalog.sensors.sensor(camera.identity)
        geometry = camera.geometry if kind == "raw" else None
        record = catalog.sensors.stream(sensor.id, frame.grid, geometry, METHOD)
        for epoch, gatherer in gatherers.items():
            catalog.evidence.add_to_planes(record.id, epoch, Widened(gatherer.arrays()))
        witnesses = {epoch: iter(gatherer.witnesses()) for epoch, gatherer in gatherers.items()}
        for number, (epoch, conditions) in enumerate(taken):
            witness = next(witnesses[epoch])
            name = f"{number:06}"
            seen = witness.framing
            row = FrameRecord(
                hashlib.sha256(name.encode()).digest(),
                name,
                conditions,
                seen.signature,
                witness.counted,
                epoch,
                seen.level_dn,
                seen.contrast_dn,
            )
            catalog.frames.add(record.id, row, witness.sightings, witness.faint)


def stored_bytes(path: Path) -> Counter[str]:
    """Return the compressed bytes of the sums per photosite, by their name and in all."""
    found: Counter[str] = Counter()
    with open_catalog(path, read_only=True) as catalog:
        (stream,) = catalog.sensors.streams()
        for epoch in catalog.evidence.epochs(stream.id):
            for name in catalog.evidence.plane_names(stream.id, epoch):
                blobs = catalog.evidence.stored(PlaneKey(stream.id, epoch, name))
                found[name.split(".")[1]] += sum(len(blob.payload) for _, blob in blobs)
        size = stream.grid.height * stream.grid.width
    found["all"] = found.total()
    return Counter({name: count / size for name, count in found.items()})


def judge(path: Path) -> None:
    """Make the map once and print seconds, processor time and memory."""
    with open_catalog(path) as catalog:
        (sensor,) = catalog.sensors.all()
        start, used = time.perf_counter(), time.process_time()
        found = detect(catalog, sensor)
        taken = time.perf_counter() - start, time.process_time() - used
    print(*taken, peak_mib(), found.defects)


def peak_mib() -> float:
    """Return the most memory of this process."""
    status = Path("/proc/self/status")
    if status.exists():
        # What Linux says of resources begins with those of the process that started this one.
        lines = (line.split() for line in status.read_text(encoding="ascii").splitlines())
        return next(int(line[1]) for line in lines if line[0] == "VmHWM:") / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Simulate, store, and judge in fresh processes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--height", type=int, default=4000)
    parser.add_argument("--width", type=int, default=6000)
    parser.add_argument("--frames", type=int, default=20)
    parser.add_argument("--years", type=int, choices=(1, 2), default=1)
    parser.add_argument("--kind", nargs="+", choices=("raw", "jpeg"), default=["raw", "jpeg"])
    parser.add_argument("--planes", action="store_true", help="bytes of each sum")
    parser.add_argument("--catalog", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.catalog is not None:
        judge(arguments.catalog)
        return
    habits = Habits(tripod_share=0.0)
    camera = SimulatedCamera(seed=6, height=arguments.height, width=arguments.width, days=300, habits=habits)
    for kind in arguments.kind:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "catalog.sqlite"
            store(camera, kind, arguments.frames, arguments.years, path)
            command = [sys.executable, __file__, "--catalog", str(path)]
            rounds = []
            for _ in range(_ROUNDS):
                told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
                rounds.append([float(one) for one in told.split()])
            seconds, used, peak, defects = (min(column) for column in zip(*rounds, strict=True))
            sizes = stored_bytes(path)
        print(
            f"{kind}, {arguments.height * arguments.width / 1e6:.0f} megapixels, {arguments.frames} frames: "
            f"{seconds:.1f} s, {used:.1f} s of processor time, {peak:.0f} MiB, {defects:.0f} defects; "
            f"{sizes['all']:.1f} bytes per photosite"
        )
        if arguments.planes:
            print("  " + ", ".join(f"{name} {size:.2f}" for name, size in sizes.items() if name != "all"))


if __name__ == "__main__":
    main()

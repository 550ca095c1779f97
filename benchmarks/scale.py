"""Print what a large past costs: the same work with a catalog of few frames and with one of many.

python benchmarks/scale.py [--sensors 20] [--frames 500000] [--shoot 50] [--plans] [--profile WORK]

Both catalogs hold cameras of a small sensor whose sums and maps are real. Frames of the large one, with their
sightings and files, are copies of real ones under other names, digests, times and framings, so that all are
scenes of their own. `--plans` shows how SQLite searches for each question that the work asks.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import re
import sqlite3
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path

from defectmap.catalog.records import SensorRecord
from defectmap.catalog.store import Catalog, open_catalog
from defectmap.detect import detect
from defectmap.fix import plan
from defectmap.history import history
from defectmap.ingest import ingest
from defectmap.overview import cameras, choose_stream, newest_map, outdated
from defectmap.simulation import Habits, SimulatedCamera
from defectmap.simulation.files import write_shoot

TEMPLATES = 60
"""Real frames that the generated ones are copies of."""

COUNTED = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :past) "


def columns(sqlite: sqlite3.Connection, table: str, **changed: str) -> tuple[str, str]:
    """Return the columns of a table, and what to select for a copy of a row `t` with some of them changed."""
    names = [row[1] for row in sqlite.execute(f"PRAGMA table_info({table})")]
    return ", ".join(names), ", ".join(changed.get(name, f"t.{name}") for name in names)


def copy(sqlite: sqlite3.Connection, table: str, source: str, values: dict[str, int], **changed: str) -> None:
    """Insert copies of rows `t` of a table."""
    names, selected = columns(sqlite, table, **changed)
    head = COUNTED if source.startswith("n ") else ""
    sqlite.execute(f"{head}INSERT INTO {table} ({names}) SELECT {selected} FROM {source}", values)


def grow(path: Path, sensors: int, past: int) -> None:
    """Give a catalog of one camera more cameras, and each of them a past of so many frames."""
    with closing(sqlite3.connect(path)) as sqlite:
        sqlite.execute("PRAGMA synchronous = OFF")
        first = sqlite.execute("SELECT max(id) FROM frames").fetchone()[0] + 1
        for number in range(1, sensors + 1):
            values = {"sensor": number, "first": first, "past": past, "of": TEMPLATES}
            if number > 1:
                values["past"] += TEMPLATES
                copy(sqlite, "sensors", "sensors t WHERE t.id = 1", values, id=":sensor", serial=":sensor")
                copy(sqlite, "streams", "streams t WHERE t.id = 1", values, id=":sensor", sensor_id=":sensor")
                copy(
                    sqlite, "planes", "planes t WHERE t.stream_id = 1", values, id="NULL", stream_id=":sensor"
                )
            copy(
                sqlite,
                "frames",
                "n JOIN frames t ON t.id = 1 + n.i % :of",
                values,
                id=":first + n.i",
                stream_id=":sensor",
                digest="randomblob(32)",
                name="printf('OLD_%06d.NEF', n.i)",
                # Five years, however many frames.
                captured="strftime('%Y-%m-%dT%H:%M:%S.000000', '2005-01-01', "
                "printf('+%d minutes', n.i * 2600000 / :past))",
                shutter_count="NULL",
                epoch="0",
                signature="randomblob(length(t.signature))",
                scene=":first + n.i",
            )
            for table in ("sightings", "faint_sightings"):
                source = f"n JOIN {table} t ON t.frame_id = 1 + n.i % :of"
                copy(sqlite, table, source, values, frame_id=":first + n.i")
            copy(
                sqlite,
                "files",
                "n JOIN files t ON t.frame_id = 1 + n.i % :of",
                values,
                id="NULL",
                path="printf('/archive/%d/OLD_%06d.NEF', :sensor, n.i)",
                digest="randomblob(32)",
                frame_id=":first + n.i",
            )
            first += values["past"]
            sqlite.commit()


def spread_map(path: Path, sensors: int) -> None:
    """Give the other cameras the map of the first."""
    with closing(sqlite3.connect(path)) as sqlite:
        for number in range(2, sensors + 1):
            values = {"sensor": number}
            copy(sqlite, "revisions", "revisions t WHERE t.id = 1", values, id=":sensor", sensor_id=":sensor")
            for table, own in (("revision_streams", {}), ("defects", {"id": "NULL"})):
                source = f"{table} t WHERE t.revision_id = 1"
                copy(sqlite, table, source, values, revision_id=":sensor", stream_id=":sensor", **own)
        # One photo in five was repaired.
        sqlite.execute(
            "INSERT INTO repairs "
            "(source, output, source_digest, output_digest, revision_id, created, undone) "
            "SELECT files.path, files.path || '.out', frames.digest, randomblob(32), 1, '2013-01-01', 0 "
            "FROM frames JOIN files ON files.frame_id = frames.id WHERE frames.id % 5 = 0"
        )
        sqlite.commit()


def sensor(catalog: Catalog) -> SensorRecord:
    """Return the camera of the real photos."""
    return next(one for one in catalog.sensors.all() if one.id == 1)


def works(shoot: Path) -> dict[str, Callable[[Catalog], object]]:
    """Return what is to be done, in this order, by name."""

    def defects(catalog: Catalog) -> object:
        return newest_map(catalog, sensor(catalog), choose_stream(catalog, sensor(catalog)))

    return {
        "ingest": lambda catalog: ingest(catalog, [shoot]),
        "ingest again": lambda catalog: ingest(catalog, [shoot]),
        "outdated": outdated,
        "detect": lambda catalog: detect(catalog, sensor(catalog)),
        "history": lambda catalog: history(catalog, sensor(catalog)),
        "defects": defects,
        "fix --dry-run": lambda catalog: plan(catalog, [], [shoot]),
        "cameras": cameras,
    }


def measure(path: Path, shoot: Path, profiled: list[str], asked: set[str]) -> dict[str, float]:
    """Do all work with a catalog; return the seconds of processor time by name."""
    seconds = {}
    with open_catalog(path) as catalog:
        connection = catalog.database.connection.connection.driver_connection
        assert connection is not None
        connection.set_trace_callback(asked.add)
        for name, work in works(shoot).items():
            profile = cProfile.Profile()
            if name in profiled:
                profile.enable()
            begun = time.process_time()
            work(catalog)
            seconds[name] = time.process_time() - begun
            if name in profiled:
                profile.disable()
                pstats.Stats(profile).sort_stats("cumulative").print_stats(30)
        connection.set_trace_callback(None)
    return seconds


def show_plans(path: Path, asked: set[str]) -> None:
    """Print how SQLite answers each kind of question that was asked."""
    kinds = {re.sub(r"'(?:[^']|'')*'|x'\w*'|\b\d+\b", "?", text): text for text in sorted(asked, key=len)}
    with closing(sqlite3.connect(path)) as sqlite:
        for kind, text in sorted(kinds.items()):
            if kind.lstrip().upper().startswith(("SELECT", "UPDATE", "DELETE")):
                steps = [row[3] for row in sqlite.execute(f"EXPLAIN QUERY PLAN {text}")]
                print("\n" + " ".join(kind.split())[-160:], *steps, sep="\n    ")


def main() -> None:
    """Simulate, grow, measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sensors", type=int, default=20)
    parser.add_argument("--frames", type=int, default=500_000, help="of all sensors together")
    parser.add_argument("--shoot", type=int, default=50)
    parser.add_argument("--plans", action="store_true")
    parser.add_argument("--profile", metavar="WORK", action="append", default=[], help="one of them")
    arguments = parser.parse_args()
    camera = SimulatedCamera(
        seed=6, height=240, width=320, start=datetime(2012, 3, 1), days=300, habits=Habits(tripod_share=0.0)
    )
    with tempfile.TemporaryDirectory() as name:
        before, shoot = Path(name) / "before", Path(name) / "shoot"
        write_shoot(camera, before, TEMPLATES, formats=("nef",))
        write_shoot(camera, shoot, arguments.shoot, formats=("nef",), first=TEMPLATES)
        asked: set[str] = set()
        seconds = []
        # The first catalog is for what is compiled and loaded once.
        for sensors, past in ((1, 1), (1, 1), (arguments.sensors, arguments.frames // arguments.sensors)):
            path = Path(name) / f"{len(seconds)}.sqlite"
            with open_catalog(path, create=True) as catalog:
                ingest(catalog, [before])
            grow(path, sensors, past)
            with open_catalog(path) as catalog:
                detect(catalog, sensor(catalog))
            spread_map(path, sensors)
            large = len(seconds) == 2
            seconds.append(
                measure(path, shoot, arguments.profile if large else [], asked if large else set())
            )
        frames = arguments.sensors * (past + TEMPLATES)
        print(f"seconds with {TEMPLATES} frames, and with {frames} of {arguments.sensors} cameras")
        for work, large in seconds[-1].items():
            print(f"{work:14}  {seconds[1][work]:8.2f}  {large:8.2f}  x {large / seconds[1][work]:.1f}")
        print(f"the larger catalog has {path.stat().st_size / 1e6:.0f} MB")
        if arguments.plans:
            show_plans(path, asked)


if __name__ == "__main__":
    main()

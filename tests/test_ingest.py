"""Adding photos: once each, in any order, in any number of parts."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from defectmap import crew
from defectmap.catalog.checking import check
from defectmap.catalog.evidence import Evidence
from defectmap.catalog.frames import Frames
from defectmap.catalog.store import Catalog, open_catalog
from defectmap.crew import Crew, Task
from defectmap.detect import detect
from defectmap.ingest import IngestOutcome, ingest
from defectmap.measuring import Measurement, Photo
from defectmap.merge import merge
from defectmap.model.defects import DefectMap
from defectmap.simulation.files import write_shoot
from defectmap.simulation.truth import GroundTruth

from .conftest import small_camera

Library = tuple[Path, GroundTruth]


def photos(library: Library) -> list[Path]:
    """Return the photos of a library."""
    return sorted(library[0].glob("*.NEF"))


def take_in(catalog_path: Path, *goes: Iterable[Path], workers: int = 1) -> list[IngestOutcome]:
    """Ingest in several goes."""
    with open_catalog(catalog_path, create=True) as catalog:
        return [ingest(catalog, go, workers=workers) for go in goes]


def maps(catalog: Catalog) -> dict[str, list[DefectMap]]:
    """Detect, and return the maps by sensor."""
    return {
        sensor.name: list(detect(catalog, sensor).revision.maps.values()) for sensor in catalog.sensors.all()
    }


def state(catalog_path: Path) -> tuple[dict[str, list[DefectMap]], dict[str, np.ndarray], dict[str, bool]]:
    """Return the maps, every evidence plane, and which photos count."""
    with open_catalog(catalog_path) as catalog:
        planes: dict[str, np.ndarray] = {}
        counted: dict[str, bool] = {}
        for stream in catalog.sensors.streams():
            for epoch in catalog.evidence.epochs(stream.id):
                for name in catalog.evidence.plane_names(stream.id, epoch):
                    planes[f"{stream.grid} {epoch} {name}"] = catalog.evidence.read_plane(
                        stream.id, epoch, name
                    )
            counted.update({f.name: f.counted for f in catalog.frames.of_stream(stream.id)})
        return maps(catalog), planes, counted


def assert_same(first: Path, second: Path) -> None:
    """Compare two catalogs: evidence bit by bit, and maps."""
    (maps_1, planes_1, counted_1), (maps_2, planes_2, counted_2) = state(first), state(second)
    assert counted_1 == counted_2
    assert planes_1.keys() == planes_2.keys()
    for name, plane in planes_1.items():
        assert np.array_equal(plane, planes_2[name]), name
    assert maps_1 == maps_2


@pytest.fixture(scope="session")
def reference(library: Library, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Take in the whole library in one go by one process."""
    path = tmp_path_factory.mktemp("reference") / "catalog.sqlite"
    (outcome,) = take_in(path, [library[0]])
    assert (outcome.ingested, outcome.known, outcome.skipped, outcome.failed) == (40, 0, (), ())
    return path


def test_second_ingest_opens_no_photo(
    library: Library, reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Photos that are known by path, size and time are not even opened."""
    catalog_path = tmp_path / "catalog.sqlite"
    shutil.copy(reference, catalog_path)

    def never(path: Path) -> bytes:
        raise AssertionError(f"{path} was opened")

    monkeypatch.setattr("defectmap.measuring.read_stamped", never)
    (outcome,) = take_in(catalog_path, [library[0]])
    assert (outcome.ingested, outcome.known) == (0, 40)
    assert_same(reference, catalog_path)


def test_known_photos_cost_no_query_each(library: Library, reference: Path, tmp_path: Path) -> None:
    """However many photos are known, by folder or one by one, the catalog is asked as often."""
    catalog_path = tmp_path / "catalog.sqlite"
    shutil.copy(reference, catalog_path)
    counts = []
    with open_catalog(catalog_path) as catalog:
        connection = catalog.database.connection.connection.driver_connection
        for paths in ([library[0]], photos(library)[:1], photos(library)):
            asked: list[str] = []
            connection.set_trace_callback(asked.append)
            assert ingest(catalog, paths).ingested == 0
            connection.set_trace_callback(None)
            counts.append(len(asked))
    assert len(set(counts)) == 1


def test_moved_and_copied_photos_are_known(library: Library, reference: Path, tmp_path: Path) -> None:
    """A photo of known content counts once, wherever it lies and whatever its name."""
    catalog_path = tmp_path / "catalog.sqlite"
    shutil.copy(reference, catalog_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for number, path in enumerate(photos(library)[:5]):
        shutil.copy(path, elsewhere / f"copy {number}.nef")
    (outcome,) = take_in(catalog_path, [elsewhere])
    assert (outcome.ingested, outcome.known) == (0, 5)
    assert_same(reference, catalog_path)


def test_copies_in_one_go_count_once(library: Library, tmp_path: Path) -> None:
    """Exact copies among new photos are one frame."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for path in photos(library)[:3]:
        shutil.copy(path, folder / path.name)
        shutil.copy(path, folder / f"copy of {path.name}")
    first, second = take_in(tmp_path / "catalog.sqlite", [folder], [folder])
    assert (first.ingested, first.known) == (3, 3)
    assert (second.ingested, second.known) == (0, 6)


def test_workers_do_not_change_the_result(library: Library, reference: Path, tmp_path: Path) -> None:
    """Two processes give the same evidence, bit for bit, and the same map as one."""
    catalog_path = tmp_path / "catalog.sqlite"
    monkey = pytest.MonkeyPatch()
    monkey.setattr("defectmap.ingest.TASK_FRAMES", 7)
    (outcome,) = take_in(catalog_path, [library[0]], workers=2)
    monkey.undo()
    assert outcome.ingested == 40
    assert_same(reference, catalog_path)


def test_results_of_several_tasks_are_written_at_once(
    library: Library, reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each worker gets as many photos; few results wait, and what waits is added up before it is written."""
    run, add = Crew.measure, Evidence.add_to_planes
    lengths: list[int] = []
    waiting: list[int] = []
    written: list[int] = []

    def measure(self: Crew, tasks: Sequence[Task], *options: Any) -> Iterator[Measurement]:
        lengths.extend(len(task.photos) for task in tasks)
        for measurement in run(self, tasks, *options):
            assert self._folder is not None
            waiting.append(len(list(Path(self._folder.name).iterdir())))
            yield measurement

    def count(self: Evidence, stream_id: int, epoch: int, arrays: Any, *, sign: int = 1) -> None:
        if sign > 0:
            written.extend({len(addends.planes) for addends in arrays.values()})
        add(self, stream_id, epoch, arrays, sign=sign)

    monkeypatch.setattr("defectmap.ingest.TASK_FRAMES", 7)
    monkeypatch.setattr(Crew, "measure", measure)
    monkeypatch.setattr(Evidence, "add_to_planes", count)
    catalog_path = tmp_path / "catalog.sqlite"
    (outcome,) = take_in(catalog_path, [library[0]], workers=2)
    monkeypatch.undo()
    assert outcome.ingested == 40
    assert sorted(lengths) == [6, 6, 7, 7, 7, 7]
    assert written == [4, 2]
    assert max(waiting) <= 6
    assert_same(reference, catalog_path)


@pytest.mark.parametrize("workers", [1, 2])
def test_interruption_keeps_what_was_measured(
    library: Library, reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    """What was measured in full is in the catalog, and the next run goes on from there."""
    run = Crew.measure

    def measure(*arguments: Any) -> Iterator[Measurement]:
        measured = run(*arguments)
        yield next(measured)
        yield next(measured)
        raise KeyboardInterrupt

    monkeypatch.setattr("defectmap.ingest.TASK_FRAMES", 5)
    monkeypatch.setattr(Crew, "measure", measure)
    catalog_path = tmp_path / "catalog.sqlite"
    with pytest.raises(KeyboardInterrupt):
        take_in(catalog_path, [library[0]], workers=workers)
    monkeypatch.undo()
    (outcome,) = take_in(catalog_path, [library[0]])
    assert (outcome.ingested, outcome.known) == (30, 10)
    assert_same(reference, catalog_path)


def test_interruption_of_writing_loses_nothing(
    library: Library, reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C while results are written ends the run after they are."""
    add, calls = Frames.add, []

    def interrupted(*arguments: Any) -> int:
        calls.append(None)
        if len(calls) == 9:
            raise KeyboardInterrupt
        return add(*arguments)

    monkeypatch.setattr(Frames, "add", interrupted)
    catalog_path = tmp_path / "catalog.sqlite"
    with pytest.raises(KeyboardInterrupt):
        take_in(catalog_path, [library[0]], workers=2)
    monkeypatch.undo()
    (outcome,) = take_in(catalog_path, [library[0]])
    assert (outcome.ingested, outcome.known) == (0, 40)
    assert_same(reference, catalog_path)


@pytest.mark.parametrize("workers", [1, 2])
def test_photos_that_another_run_added_meanwhile(
    library: Library, reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    """Photos that are in the catalog when results are written count once; the rest is measured alone."""
    run = Crew.measure
    catalog_path = tmp_path / "catalog.sqlite"

    def measure(*arguments: Any) -> Iterator[Measurement]:
        take_in(catalog_path, photos(library)[10:15])
        yield from run(*arguments)

    def first(*arguments: Any) -> Iterator[Measurement]:
        monkeypatch.setattr(Crew, "measure", run)
        yield from measure(*arguments)

    monkeypatch.setattr("defectmap.ingest.TASK_FRAMES", 10)
    monkeypatch.setattr(Crew, "measure", first)
    (outcome,) = take_in(catalog_path, [library[0]], workers=workers)
    assert (outcome.ingested, outcome.known) == (35, 5)
    assert_same(reference, catalog_path)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_order_of_goes_gives_the_same_map(
    library: Library, reference: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """However the photos are dealt to goes, tripod series torn apart, evidence and map come out the same."""
    hands = data.draw(st.lists(st.integers(0, 2), min_size=40, max_size=40))
    goes = deal(photos(library), hands)
    catalog_path = tmp_path_factory.mktemp("goes") / "catalog.sqlite"
    take_in(catalog_path, *goes)
    assert_same(reference, catalog_path)


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_shards_in_any_order_give_the_same_map(
    library: Library, reference: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """However the photos are dealt to shards, and in whatever order these are merged, the map is the same."""
    hands = data.draw(st.lists(st.integers(0, 2), min_size=40, max_size=40))
    folder = tmp_path_factory.mktemp("shards")
    shards = []
    for number, go in enumerate(deal(photos(library), hands)):
        if go:
            shards.append(folder / f"shard-{number}.sqlite")
            take_in(shards[-1], go)
    order = data.draw(st.permutations(shards))
    with open_catalog(folder / "catalog.sqlite", create=True) as catalog:
        outcome = merge(catalog, order)
        assert (outcome.merged, outcome.known, outcome.frames) == (len(shards), 0, 40)
        again = merge(catalog, order)
        assert (again.merged, again.known, again.frames) == (0, len(shards), 0)
    assert_same(reference, folder / "catalog.sqlite")
    assert check(folder / "catalog.sqlite").ok


def deal(cards: Sequence[Path], hands: Sequence[int]) -> list[list[Path]]:
    """Deal photos to three players."""
    return [[card for card, hand in zip(cards, hands, strict=True) if hand == player] for player in range(3)]


def test_only_one_frame_of_a_scene_counts(library: Library, reference: Path) -> None:
    """Of each tripod series the first frame enters the sums, the others only tell when a site showed."""
    scenes: dict[int, list[str]] = {}
    for exposure, (name,) in zip(library[1].frames, library[1].files, strict=True):
        scenes.setdefault(exposure.scene_id, []).append(name)
    with open_catalog(reference) as catalog:
        (stream,) = catalog.sensors.streams()
        frames = catalog.frames.of_stream(stream.id)
    counted = {f.name for f in frames if f.counted}
    assert any(len(names) > 3 for names in scenes.values())
    for names in scenes.values():
        assert [name in counted for name in sorted(names)] == [i == 0 for i in range(len(names))]


def test_cameras_do_not_mix(tmp_path: Path) -> None:
    """Two bodies of one model, and one that writes no serial number, are three sensors."""
    for name, serial in (("a", "111"), ("b", "222"), ("c", None)):
        write_shoot(small_camera(seed=3, serial=serial), tmp_path / name, 2, formats=("nef", "jpeg"))
    with open_catalog(tmp_path / "catalog.sqlite", create=True) as catalog:
        outcome = ingest(catalog, [tmp_path])
        assert outcome.cameras == ("NIKON D80 (no serial)", "NIKON D80 111", "NIKON D80 222")
        for sensor in catalog.sensors.all():
            assert sorted(s.grid.kind for s in catalog.sensors.streams(sensor.id)) == ["jpeg", "raw"]


def test_what_is_no_photo_is_named_and_the_run_goes_on(library: Library, tmp_path: Path) -> None:
    """Truncated, empty, mislabelled and foreign files end with a reason each; good ones are taken."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    good = photos(library)[0]
    shutil.copy(good, folder / "good.nef")
    (folder / "cut.nef").write_bytes(good.read_bytes()[: good.stat().st_size // 2])
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "text.jpg").write_text("not a photo")
    shutil.copy(good, folder / "mislabelled.jpg")
    first, second = take_in(tmp_path / "catalog.sqlite", [folder, tmp_path / "nowhere"], [folder])
    assert first.ingested == 1
    assert first.known == 1
    reasons = {t.path.name: t.reason for t in (*first.skipped, *first.failed)}
    assert set(reasons) == {"cut.nef", "empty.jpg", "text.jpg", "nowhere"}
    assert {t.path.name for t in second.failed} >= {"cut.nef", "empty.jpg"}
    assert second.ingested == 0


def test_dry_run_writes_nothing(library: Library, tmp_path: Path) -> None:
    """A dry run says how many photos are new and leaves the catalog as it was."""
    with open_catalog(tmp_path / "catalog.sqlite", create=True) as catalog:
        outcome = ingest(catalog, [library[0]], dry_run=True)
        assert outcome.ingested == 40
        assert catalog.sensors.all() == []
        assert catalog.files.under(library[0]) == []


KILLED = """
import os, signal, sys
from pathlib import Path
from defectmap import ingest as verb
from defectmap.catalog.frames import Frames
from defectmap.catalog.store import open_catalog

verb.TASK_FRAMES = 5
add, calls = Frames.add, []

def add_or_die(self, *arguments):
    calls.append(None)
    if len(calls) == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
    return add(self, *arguments)

Frames.add = add_or_die
with open_catalog(Path(sys.argv[1]), create=True) as catalog:
    verb.ingest(catalog, [Path(sys.argv[2])])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is a signal of Unix")
@pytest.mark.parametrize("moment", [3, 20])
def test_killed_run_leaves_a_whole_catalog(
    library: Library, reference: Path, tmp_path: Path, moment: int
) -> None:
    """After a kill in mid-commit the catalog is whole, and the next run ends as if there had been none."""
    path = tmp_path / "catalog.sqlite"
    killed = [sys.executable, "-c", KILLED, str(path), str(library[0]), str(moment)]
    assert subprocess.run(killed, timeout=120, check=False).returncode == -9
    assert check(path).ok
    with open_catalog(path) as catalog:
        there = sum(len(catalog.frames.of_stream(s.id)) for s in catalog.sensors.streams())
    assert there == (moment - 1) // 5 * 5
    (outcome,) = take_in(path, [library[0]])
    assert (outcome.ingested, outcome.known) == (40 - there, there)
    assert_same(reference, path)


CRASHING = """
import os, sys
from pathlib import Path
from defectmap import crew
from defectmap import ingest as verb
from defectmap.catalog.store import open_catalog

measure_apart = crew.measure_apart

def crash_on_seven(task, folder):
    if any(photo.file.path.name == "DSC_0007.NEF" for photo in task.photos):
        os._exit(1)
    return measure_apart(task, folder)

identify_run = crew.identify_run

def crash_on_nine(files):
    if any(file.path.name == "DSC_0009.NEF" for file in files):
        os._exit(1)
    return identify_run(files)

if __name__ == "__main__":
    verb.TASK_FRAMES = 5
    crew.measure_apart = crash_on_seven
    crew.identify_run = crash_on_nine
    with open_catalog(Path(sys.argv[1]), create=True) as catalog:
        outcome = verb.ingest(catalog, [Path(sys.argv[2])], workers=2)
    print(outcome.ingested, *(f"{f.path.name} {f.reason}" for f in outcome.failed), sep="\\n")
"""


def test_photo_that_kills_its_worker_is_named(library: Library, tmp_path: Path) -> None:
    """A photo on which decoder or metadata reader crash fails by itself; all others are taken."""
    script = tmp_path / "crashing.py"
    script.write_text(CRASHING)
    result = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "catalog.sqlite"), str(library[0])],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    taken, *crashed = result.stdout.splitlines()
    assert taken == "38"
    assert crashed == [
        "DSC_0007.NEF cannot be decoded: the decoder crashed on it",
        "DSC_0009.NEF cannot be read: the reader of its metadata crashed on it",
    ]


def test_folder_that_vanishes_is_told(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Photos that are gone when their turn comes fail by name, and are tried again by the next run."""
    folder = tmp_path / "card"
    shutil.copytree(library[0], folder)
    run_measure = crew.measure

    def unplug(photos: Sequence[Photo], **options: Any) -> Measurement:
        shutil.rmtree(folder, ignore_errors=True)
        return run_measure(photos, **options)

    monkeypatch.setattr(crew, "measure", unplug)
    (outcome,) = take_in(tmp_path / "catalog.sqlite", [folder])
    monkeypatch.undo()
    assert outcome.ingested == 0
    assert len(outcome.failed) == 40
    shutil.copytree(library[0], folder)
    (outcome,) = take_in(tmp_path / "catalog.sqlite", [folder])
    assert (outcome.ingested, outcome.failed) == (40, ())


def test_another_layout_than_the_stored_one_is_refused(library: Library, tmp_path: Path) -> None:
    """A mosaic whose colours lie otherwise than in the camera's other files fails with both layouts named."""
    photo = photos(library)[0]
    data = photo.read_bytes()
    assert data.count(b"\x00\x01\x01\x02") >= 1
    turned = tmp_path / "turned.nef"
    turned.write_bytes(data.replace(b"\x00\x01\x01\x02", b"\x02\x01\x01\x00"))
    first, second = take_in(tmp_path / "catalog.sqlite", [photo], [turned])
    assert (first.ingested, second.ingested) == (1, 0)
    (trouble,) = second.failed
    assert "RG/GB" in trouble.reason
    assert "BG/GR" in trouble.reason

"""Many machines: a cluster of processes measures what one process does, whatever becomes of them."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from defectmap import fieldwork
from defectmap import ingest as verb
from defectmap.catalog.store import open_catalog
from defectmap.cli.app import run
from defectmap.errors import DefectmapError, UsageError
from defectmap.fieldwork import add, measure_photos, unfold
from defectmap.ingest import IngestOutcome, ingest
from defectmap.measuring import Photo, identify
from defectmap.media.discover import FoundFile, discover

from .test_ingest import Library, assert_same, take_in

distributed = pytest.importorskip("distributed", reason="Dask's distributed is not installed")


@contextmanager
def cluster(workers: int = 2, preload: str | None = None) -> Iterator[distributed.LocalCluster]:
    """Start a scheduler and workers, each a process with a nanny that replaces it when it dies."""
    options = {"preload": [preload]} if preload else {}
    with distributed.LocalCluster(
        n_workers=workers,
        threads_per_worker=2,
        processes=True,
        dashboard_address=":0",
        memory_limit=0,
        **options,
    ) as local:
        yield local


@pytest.fixture(autouse=True)
def many_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut forty photos into many tasks; a worker may take long to come back on a busy machine."""
    from defectmap import cluster as module

    monkeypatch.setattr(verb, "TASK_FRAMES", 3)
    monkeypatch.setattr(module, "PATIENCE_S", 60.0)


def take_apart(path: Path, photos: Path, address: str, progress: Callable[..., None]) -> IngestOutcome:
    """Ingest by the workers of a scheduler."""
    with open_catalog(path, create=True) as catalog:
        return ingest(catalog, [photos], scheduler=address, progress=progress)


def silent(*_: object) -> None:
    """Tell nobody."""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is a signal of Unix")
def test_a_cluster_gives_the_same_catalog_though_a_worker_is_killed(library: Library, tmp_path: Path) -> None:
    """Sums and map are those of a single process, bit for bit, also when a worker is killed on the way."""
    take_in(tmp_path / "one.sqlite", [library[0]])
    counts: list[int] = []
    with cluster() as local:
        victim = local.workers[0].pid

        def kill(what: str, done: int, total: int) -> None:
            if what == "Measuring":
                if done >= 4 and not any(count >= 4 for count in counts):
                    os.kill(victim, signal.SIGKILL)
                counts.append(done)

        outcome = take_apart(tmp_path / "many.sqlite", library[0], local.scheduler_address, kill)
    assert (outcome.ingested, outcome.known, outcome.skipped, outcome.failed) == (40, 0, (), ())
    assert counts == sorted(counts)
    assert 4 <= max(counts) <= 40
    assert_same(tmp_path / "one.sqlite", tmp_path / "many.sqlite")


CRASHING = """
import os
from defectmap import fieldwork

def dying(function, deadly):
    def or_dies(thing, **options):
        if deadly(thing):
            os._exit(1)
        return function(thing, **options)
    return or_dies

fieldwork.measure = dying(fieldwork.measure, lambda them: "DSC_0007.NEF" in {p.file.path.name for p in them})
fieldwork.identify = dying(fieldwork.identify, lambda file: file.path.name == "DSC_0009.NEF")
"""


def test_photos_that_kill_workers_are_named(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A photo of which workers die is found and left out, and tried again by the next run."""
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in (7, 9):
        (photos / f"DSC_000{number}.NEF").symlink_to(library[0] / f"DSC_000{number}.NEF")
    with cluster(1, CRASHING) as local:
        outcome = take_apart(tmp_path / "many.sqlite", photos, local.scheduler_address, silent)
    assert outcome.ingested == 0
    assert [t.path.name for t in outcome.failed] == ["DSC_0007.NEF", "DSC_0009.NEF"]
    assert all("workers die" in t.reason for t in outcome.failed)
    (again,) = take_in(tmp_path / "many.sqlite", [photos])
    assert (again.ingested, again.failed) == (2, ())


MOVED = """
from pathlib import Path
from defectmap import fieldwork
fieldwork._size = lambda path: None
"""
OLDER = """
from defectmap import fieldwork
fieldwork.METHOD -= 1
"""
FOREIGN = """
from defectmap import fieldwork
vars(fieldwork).pop('look', None)
"""


@pytest.mark.parametrize(
    ("preload", "reason"),
    [
        (MOVED, "does not see .*DSC_0001.NEF: mount the same folders there"),
        (OLDER, "with method .*: install the same version there"),
        (FOREIGN, "another defectmap than this one"),
    ],
    ids=["moved", "older", "foreign"],
)
def test_workers_that_cannot_take_part_say_why(
    library: Library, tmp_path: Path, preload: str, reason: str
) -> None:
    """Before anything is measured it is told which workers see no photos or run another program."""
    with cluster(1, preload) as local, pytest.raises(DefectmapError, match=reason):
        take_apart(tmp_path / "many.sqlite", library[0], local.scheduler_address, silent)
    with open_catalog(tmp_path / "many.sqlite") as catalog:
        assert catalog.sensors.all() == []


def test_a_scheduler_without_workers_is_told(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no worker comes, the command to start one is named."""
    from defectmap import cluster as module

    monkeypatch.setattr(module, "PATIENCE_S", 1.0)
    with cluster(0) as local, pytest.raises(DefectmapError, match=r"start some .*dask worker tcp://"):
        take_apart(tmp_path / "many.sqlite", library[0], local.scheduler_address, silent)


def test_a_scheduler_that_goes_away_is_told(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was committed before stays, and the run ends with what to do."""
    from defectmap import errands

    monkeypatch.setattr(errands, "SHEAF_FRAMES", 1)
    path = tmp_path / "many.sqlite"
    with cluster(1) as local:

        def close(what: str, done: int, total: int) -> None:
            with open_catalog(path, read_only=True) as catalog:
                if any(catalog.frames.of_stream(stream.id) for stream in catalog.sensors.streams()):
                    local.close()

        with pytest.raises(DefectmapError, match=r"went away.* what was added stays"):
            take_apart(path, library[0], local.scheduler_address, close)
    with open_catalog(path) as catalog:
        (stream,) = catalog.sensors.streams()
        there = len(catalog.frames.of_stream(stream.id))
    assert 0 < there < 40
    (rest,) = take_in(path, [library[0]])
    assert (rest.ingested, rest.known) == (40 - there, there)


def test_a_scheduler_that_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody at the address, and no address: both are said, with the next step."""
    from defectmap import cluster as module

    monkeypatch.setattr(module, "PATIENCE_S", 1.0)
    with pytest.raises(DefectmapError, match=r"no scheduler answers at tcp://127.0.0.1:9 .*dask scheduler"):
        module.Cluster("tcp://127.0.0.1:9")
    with pytest.raises(UsageError, match="no address of a scheduler"):
        module.Cluster("somewhere")


def test_without_dask_it_is_named(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the extra is missing, the command says how to install it."""
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.delitem(sys.modules, "defectmap.cluster", raising=False)
    words = ["--catalog", str(tmp_path / "c.sqlite"), "ingest", str(library[0])]
    assert run([*words, "--scheduler", "tcp://127.0.0.1:8786"]) == 1
    assert "pip install 'defectmap[dask]'" in capsys.readouterr().err
    assert run([*words, "--scheduler", "tcp://127.0.0.1:8786", "--workers", "2"]) == 2


def test_added_sheaves_are_one_measurement(library: Library) -> None:
    """Sums of two halves, added on their way, are those of the whole where no scene shows in both."""
    files = [file for file in discover([library[0]]) if isinstance(file, FoundFile)]
    photos = [photo for photo in map(identify, files) if isinstance(photo, Photo)][:6]
    sheaves = [measure_photos([photo], 2010, lambda: None) for photo in photos]
    whole = sheaves[0]
    for sheaf in sheaves[1:]:
        whole = add(whole, sheaf)
    (part,) = unfold(whole).parts
    assert [frame.photo for frame in part.frames] == photos
    every = fieldwork.measure(photos, newest=2010, every_frame=True).parts[0].arrays
    assert part.arrays.keys() == every.keys()
    assert all((part.arrays[name][:] == every[name]).all() for name in every)

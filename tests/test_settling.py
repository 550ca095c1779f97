"""Scenes that are kept while frames come: the same, however they come."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from defectmap.catalog.records import FrameRecord, StreamRecord
from defectmap.catalog.store import Catalog, open_catalog
from defectmap.ingest import ingest
from defectmap.merge import merge
from defectmap.model.evidence import METHOD
from defectmap.model.scenes import join_scenes
from defectmap.model.sensor import Grid, SensorIdentity
from defectmap.settling import StreamScenes
from defectmap.simulation.truth import GroundTruth

NOTHING_SEEN = np.zeros(0, [("site", "<u4")])


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a new catalog; to be copied."""
    path = tmp_path_factory.mktemp("empty") / "catalog.sqlite"
    open_catalog(path, create=True).close()
    return path


def looks(seed: int, number: int) -> list[bytes]:
    """Return signatures of a walk: most are like the one before, none like those far away."""
    rng = np.random.default_rng(seed)
    walk = np.cumsum(rng.choice([4.0, 4.0, 60.0], (number, 1)) * rng.normal(size=(number, 256)), axis=0)
    walk += rng.normal(0, 40, 256)
    return [np.rint(step * (127 / np.abs(step).max())).astype(np.int8).tobytes() for step in walk]


def stream_of(catalog: Catalog, width: int = 16) -> StreamRecord:
    """Return a stream of the one camera."""
    sensor = catalog.sensors.sensor(SensorIdentity("MAKER", "MODEL", "1"))
    return catalog.sensors.stream(sensor.id, Grid("jpeg", 16, width), None, METHOD)


def add(catalog: Catalog, signatures: Sequence[bytes], numbers: Iterable[int]) -> None:
    """Add some frames that do not count, as one part of a run."""
    stream = stream_of(catalog)
    with catalog.transaction():
        for number in numbers:
            record = FrameRecord(
                number.to_bytes(32), f"{number}", signature=signatures[number], counted=False
            )
            catalog.frames.add(stream.id, record, NOTHING_SEEN)
        (sensor,) = catalog.sensors.all()
        StreamScenes(catalog, sensor, stream).settle()


def scenes_of(catalog: Catalog) -> dict[str, int]:
    """Return the scene of each frame by its name."""
    stream = stream_of(catalog)
    frames = catalog.frames.of_stream(stream.id)
    assert join_scenes({f.id: f.signature for f in sorted(frames, key=lambda f: f.id)}) == {
        f.id: f.scene for f in frames
    }
    assert catalog.scenes.count(stream.id) == len({f.scene for f in frames})
    return {f.name: f.scene for f in frames}


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.lists(st.integers(0, 3), min_size=2, max_size=24), st.data())
def test_scenes_do_not_depend_on_how_frames_come(
    empty: Path, seed: int, runs: list[int], data: st.DataObject
) -> None:
    """In any order, cut into any runs or shards, frames end in the scenes that all of them at once make."""
    signatures = looks(seed, len(runs))
    order = data.draw(st.permutations(range(len(runs))))
    parts = [[n for n in order if runs[n] == run] for run in range(4)]
    with tempfile.TemporaryDirectory() as name:
        paths = [Path(shutil.copy(empty, Path(name) / f"{number}.sqlite")) for number in range(6)]
        for path, part in zip(paths, parts, strict=False):
            with open_catalog(path) as shard:
                if part:
                    add(shard, signatures, part)
                    scenes_of(shard)
        with open_catalog(paths[4]) as one, open_catalog(paths[5]) as merged:
            for part in parts:
                if part:
                    add(one, signatures, part)
                    scenes_of(one)
            merge(merged, [path for path, part in zip(paths, parts, strict=False) if part])
            assert kin(scenes_of(one)) == kin(scenes_of(merged))


def kin(scenes: dict[str, int]) -> set[frozenset[str]]:
    """Return which frames are together, whatever their scene is called."""
    return {frozenset(name for name in scenes if scenes[name] == scene) for scene in scenes.values()}


def test_streams_do_not_share_scenes(empty: Path, tmp_path: Path) -> None:
    """Frames of two streams are of two scenes, however alike."""
    (look,) = looks(1, 1)
    with open_catalog(Path(shutil.copy(empty, tmp_path / "catalog.sqlite"))) as catalog:
        add(catalog, [look], [0])
        other = stream_of(catalog, width=32)
        record = FrameRecord(b"o" * 32, "other", signature=look, counted=False)
        catalog.frames.add(other.id, record, NOTHING_SEEN)
        (sensor,) = catalog.sensors.all()
        StreamScenes(catalog, sensor, other).settle()
        (frame,) = catalog.frames.of_stream(other.id)
        assert frame.scene == frame.id


def test_what_could_not_be_taken_out_is_tried_again(
    library: tuple[Path, GroundTruth], tmp_path: Path
) -> None:
    """A photo that counts although it should not is taken out when its drive is back, by any new photo."""
    folder, truth = library
    photos = sorted(folder.glob("*.NEF"))
    scenes: dict[int, list[int]] = {}
    for exposure in truth.frames:
        scenes.setdefault(exposure.scene_id, []).append(exposure.index)
    first, second = next(members for members in scenes.values() if len(members) >= 2)[:2]
    stranger = next(members[0] for members in scenes.values() if first not in members)
    drive, away = tmp_path / "drive", tmp_path / "away"
    drive.mkdir()
    shutil.copy(photos[second], drive)
    with open_catalog(tmp_path / "catalog.sqlite", create=True) as catalog:
        ingest(catalog, [drive])
        drive.rename(away)
        assert ingest(catalog, [photos[first]]).overcounted == 1
        away.rename(drive)
        assert ingest(catalog, [photos[stranger]]).overcounted == 0
        (stream,) = catalog.sensors.streams()
        counted = {f.name for f in catalog.frames.of_stream(stream.id) if f.counted}
        assert counted == {photos[first].name, photos[stranger].name}

"""Promises of absorbing a shard."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from defectmap.catalog import absorb as absorb_module
from defectmap.catalog import planes
from defectmap.catalog.absorb import absorb
from defectmap.catalog.checking import check
from defectmap.catalog.records import AbsorbReport, FileRecord
from defectmap.catalog.store import Catalog, open_catalog
from defectmap.errors import CatalogError, ShardRefusedError
from defectmap.model.sensor import Grid, MosaicGeometry


@pytest.fixture(scope="session")
def ingest(d80_stream, frame, sightings):
    """Add frames by number, each with evidence, a sighting and a file, as an ingest would."""

    def add(path: Path, numbers: list[int]) -> Path:
        with open_catalog(path) as catalog, catalog.transaction():
            stream_id = d80_stream(catalog).id
            for number in numbers:
                record = frame(f"DSC_{number}.NEF", hour=number, epoch=number % 2)
                frame_id = catalog.frames.add(stream_id, record, sightings((number % 6, 2)))
                sums = np.random.default_rng(number).integers(-99, 99, (6, 8))
                catalog.evidence.add_to_planes(
                    stream_id, record.epoch, {"sum": sums, "n": np.ones((6, 8), np.uint32)}
                )
                photo = Path(f"/photos/{number}-\udcff.nef")
                catalog.files.remember(
                    FileRecord(photo, number, 1, record.digest, "frame", frame_id=frame_id)
                )
        return path

    return add


def content(catalog: Catalog) -> dict[str, object]:
    """Return all that a catalog holds, whatever the order in which it came."""
    evidence, stored = catalog.evidence, {}
    for stream in catalog.sensors.streams():
        names = {f.id: f.name for f in catalog.frames.of_stream(stream.id)}
        stored[str(stream.grid)] = {
            "frames": [replace(f, id=0, stream_id=0, scene=0) for f in catalog.frames.of_stream(stream.id)],
            "sightings": sorted((names[i], seen.tolist()) for i, seen in catalog.frames.sightings(stream.id)),
            "planes": {
                (epoch, name): evidence.read_plane(stream.id, epoch, name).tolist()
                for epoch in evidence.epochs(stream.id)
                for name in evidence.plane_names(stream.id, epoch)
            },
            "files": [(f.path, f.frame_id and names[f.frame_id]) for f in catalog.files.under(Path("/"))],
        }
    return stored


def changed(path: Path, statement: str) -> Path:
    """Change a closed catalog behind its back."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
        connection.commit()
    return path


@given(st.lists(st.integers(0, 3), min_size=1, max_size=8), st.randoms(use_true_random=False))
@settings(max_examples=8, deadline=None)
def test_any_partition_into_shards_gives_the_same_catalog(empty_catalog, ingest, deals, random):
    """However frames are dealt to shards, and however often those are absorbed, the result is the same."""
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(absorb_module, "_PAGE", 2)
        patch.setattr(planes, "BAND_BYTES", 100)
        new = lambda file: Path(shutil.copyfile(empty_catalog, Path(name) / file))  # noqa: E731
        dealt = {to: [i for i, shard in enumerate(deals) if shard == to] for to in set(deals)}
        shards = [ingest(new(f"shard-{to}"), numbers) for to, numbers in dealt.items()]
        random.shuffle(shards)

        with (
            open_catalog(ingest(new("whole"), list(range(len(deals))))) as whole,
            open_catalog(new("sum")) as merged,
        ):
            first = [absorb(merged, shard) for shard in shards]
            again = [absorb(merged, shard) for shard in reversed(shards)]

            assert content(whole) == content(merged)
        assert len(deals) == sum(report.frames_added for report in first)
        assert all(report == AbsorbReport(0, known=True, streams=()) for report in again)
        assert check(Path(name) / "sum").ok


def test_absorbing_says_what_it_did(catalog, new_catalog, ingest, stream):
    """The report counts frames and names this catalog's streams."""
    assert AbsorbReport(3, known=False, streams=(stream.id,)) == absorb(
        catalog, ingest(new_catalog("shard"), [1, 2, 3])
    )


def test_shard_is_only_read(catalog, new_catalog, ingest):
    """Absorbing does not change the shard, and leaves nothing beside it."""
    shard = ingest(new_catalog("shard"), [1, 2])
    before = shard.read_bytes()

    absorb(catalog, shard)

    assert before == shard.read_bytes()
    assert [shard] == list(shard.parent.glob("shard*"))


def test_partly_known_shard_is_refused(catalog, new_catalog, ingest):
    """A shard of which some frames are here is refused with their first names; nothing is changed."""
    ingest(catalog.path, list(range(10, 32)))
    before = content(catalog)
    shard = ingest(new_catalog("shard"), list(range(20, 40)))

    with pytest.raises(ShardRefusedError) as caught:
        absorb(catalog, shard)

    message = str(caught.value)
    assert "12 of its 20 frames are here already" in message
    assert "DSC_20.NEF, DSC_21.NEF" in message
    assert "DSC_29.NEF, ...)" in message
    assert "DSC_30.NEF" not in message
    assert before == content(catalog)


def test_catalog_does_not_absorb_itself(catalog, ingest):
    """The catalog itself is no shard, under whatever name."""
    link = catalog.path.with_name("link.sqlite")
    link.symlink_to(catalog.path)

    for path in (catalog.path, link):
        with pytest.raises(ShardRefusedError, match="is the catalog itself"):
            absorb(catalog, path)


def test_copy_of_the_catalog_is_known(catalog, ingest, tmp_path):
    """A copy of the catalog brings nothing new."""
    ingest(catalog.path, [1, 2])
    catalog.database.connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    assert absorb(catalog, Path(shutil.copyfile(catalog.path, tmp_path / "copy"))).known


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("UPDATE planes SET payload = zeroblob(length(payload))", "its checksum does not match"),
        ("UPDATE sightings SET checksum = zeroblob(8)", "sightings of frame DSC_1.NEF"),
        ("DELETE FROM sensors", "belongs to a missing row"),
        ("UPDATE streams SET method = 2", "method 1, .* method 2"),
    ],
)
def test_unsound_shard_is_refused(catalog, stream, new_catalog, ingest, damage, message):
    """A shard that is damaged, or of another method, is refused by name, and nothing is changed."""
    shard = changed(ingest(new_catalog("shard"), [1, 2]), damage)
    before = content(catalog)

    with pytest.raises(ShardRefusedError, match=f"shard .*{message}"):
        absorb(catalog, shard)
    assert before == content(catalog)


def test_shard_of_another_layout_is_refused(catalog, new_catalog, ingest, d80):
    """A shard whose frames are laid out differently is refused, and nothing of it is written."""
    geometry = MosaicGeometry(9, 9, 1, 1, 6, 8, ("RG", "GB"), (0,) * 4, 4095, "any")
    catalog.sensors.stream(catalog.sensors.sensor(d80).id, Grid("raw", 9, 9), geometry, method=1)
    shard = ingest(new_catalog("shard"), [1])
    with open_catalog(shard) as theirs:
        other = replace(geometry, cfa=("BG", "GR"))
        theirs.sensors.stream(theirs.sensors.sensor(d80).id, Grid("raw", 9, 9), other, method=1)
    before = content(catalog)

    with pytest.raises(ShardRefusedError, match="laid out as"):
        absorb(catalog, shard)
    assert before == content(catalog)


@pytest.mark.parametrize(("revision", "message"), [("0000", "older"), ("0099", "newer")])
def test_shard_of_another_version(catalog, new_catalog, revision, message):
    """A shard of another schema says whether it or the program is too old."""
    shard = changed(new_catalog("shard"), f"UPDATE alembic_version SET version_num = '{revision}'")

    with pytest.raises(CatalogError, match=f"shard was made by a.? {message} defectmap"):
        absorb(catalog, shard)


def test_missing_shard(catalog, tmp_path):
    """A shard that is not there is named."""
    with pytest.raises(CatalogError, match=r"there is no catalog at .*none"):
        absorb(catalog, tmp_path / "none")


def test_overfull_sums_take_back_the_whole_shard(catalog, new_catalog, ingest):
    """If the sums of the last plane do not fit, nothing of the shard is kept."""
    ingest(catalog.path, [1])
    stream_id = catalog.sensors.streams()[0].id
    catalog.evidence.add_to_planes(stream_id, 1, {"sum": np.full((6, 8), (1 << 63) - 100)})
    before = content(catalog)

    with pytest.raises(CatalogError, match="is full"):
        absorb(catalog, ingest(new_catalog("shard"), [3, 5, 7, 9]))
    assert before == content(catalog)


def test_nicknames_and_known_files_stay_ours(catalog, new_catalog, ingest, d80):
    """What this catalog knows of a path or calls a camera stays; what it lacks is taken from the shard."""
    ours = FileRecord(Path("/photos/1-\udcff.nef"), 7, 7, None, "failed", "no permission")
    catalog.files.remember(ours)
    shard = ingest(new_catalog("shard"), [1, 2])
    with open_catalog(shard) as theirs:
        theirs.sensors.set_nickname(theirs.sensors.sensor(d80).id, "theirs")

    absorb(catalog, shard)

    assert ours == catalog.files.by_path(ours.path)
    assert catalog.files.by_path(Path("/photos/2-\udcff.nef")).outcome == "frame"
    assert catalog.sensors.sensor(d80).nickname == "theirs"
    catalog.sensors.set_nickname(catalog.sensors.sensor(d80).id, "ours")
    absorb(catalog, ingest(new_catalog("shard-2"), [3]))
    assert catalog.sensors.sensor(d80).nickname == "ours"

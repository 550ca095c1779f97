"""Promises of making, opening and writing a catalog."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from defectmap.catalog import store
from defectmap.catalog.checking import check
from defectmap.catalog.database import explain
from defectmap.catalog.schema import APPLICATION_ID
from defectmap.catalog.store import open_catalog
from defectmap.errors import CatalogError


def test_new_catalog_is_one_closed_file(tmp_path):
    """A new catalog is a single file, in a folder made for it, and opens again."""
    path = tmp_path / "new folder" / "catalog %41?#.sqlite"
    with open_catalog(path, create=True) as catalog:
        uuid = catalog.uuid

    assert [path] == list(path.parent.iterdir())
    with open_catalog(path, read_only=True) as catalog:
        assert uuid == catalog.uuid


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="this system's names are always text")
def test_catalog_under_a_name_that_is_no_text(tmp_path):
    """The catalog's own path may hold bytes that are no valid text."""
    path = tmp_path / "Bilder-\udcfc" / "catalog.sqlite"

    open_catalog(path, create=True).close()

    assert check(path).ok


def test_catalog_is_sqlite_with_log_keys_and_mark(catalog):
    """A catalog has a write-ahead log, checks foreign keys and carries the program's mark."""
    run = catalog.database.connection.exec_driver_sql

    assert run("PRAGMA journal_mode").scalar_one() == "wal"
    assert run("PRAGMA foreign_keys").scalar_one() == 1
    assert run("PRAGMA application_id").scalar_one() == APPLICATION_ID
    assert APPLICATION_ID.to_bytes(4, "big") == b"DfMp"


def test_making_one_catalog_twice_at_once(tmp_path):
    """Programs that make the same catalog at the same time end up with one and the same."""
    path = tmp_path / "catalog.sqlite"

    def uuid(_: int) -> str:
        with open_catalog(path, create=True) as catalog:
            return catalog.uuid

    with ThreadPoolExecutor(4) as pool:
        uuids = set(pool.map(uuid, range(4)))

    assert len(uuids) == 1
    assert [path] == list(tmp_path.iterdir())


def test_file_system_without_hard_links(tmp_path, monkeypatch):
    """A new catalog is made where the file system has no hard links, too."""

    def link(*_: object) -> None:
        raise OSError("not supported")

    monkeypatch.setattr(os, "link", link)

    open_catalog(tmp_path / "catalog.sqlite", create=True).close()

    assert check(tmp_path / "catalog.sqlite").ok


def test_half_made_catalog_is_never_seen(tmp_path, monkeypatch):
    """A making that fails leaves nothing behind."""

    def fail(_: object) -> None:
        raise RuntimeError("power cut")

    monkeypatch.setattr(store, "migrate", fail)

    with pytest.raises(RuntimeError, match="power cut"):
        open_catalog(tmp_path / "catalog.sqlite", create=True)
    assert list(tmp_path.iterdir()) == []


def test_log_of_a_lost_catalog_is_not_taken_up(tmp_path):
    """A new catalog is not made beside the log of one that is gone, whose pages it would take in."""
    (tmp_path / "catalog.sqlite-wal").write_bytes(b"pages")

    with pytest.raises(CatalogError, match="bring the one back or move the other away"):
        open_catalog(tmp_path / "catalog.sqlite", create=True)


def test_missing_catalog(tmp_path):
    """Without a catalog the message says which command makes one."""
    with pytest.raises(
        CatalogError, match=r"there is no catalog at .*none\.sqlite: run `defectmap ingest PATH`"
    ):
        open_catalog(tmp_path / "none.sqlite")


def test_catalog_where_none_can_be_made(tmp_path):
    """A folder that cannot be made is named."""
    (tmp_path / "file").touch()

    with pytest.raises(CatalogError, match="no catalog can be made at"):
        open_catalog(tmp_path / "file" / "catalog.sqlite", create=True)


@pytest.mark.parametrize("content", [b"", b"no database at all" * 20, b"SQLite format 3\0"])
def test_file_that_is_no_database(tmp_path, content):
    """A file that is not SQLite's is refused and left alone, also where a catalog may be made."""
    path = tmp_path / "holiday.nef"
    path.write_bytes(content)

    with pytest.raises(CatalogError, match=r"holiday\.nef is not a catalog"):
        open_catalog(path, create=True)
    assert content == path.read_bytes()
    assert [path] == list(tmp_path.iterdir())


def test_folder_is_no_catalog(tmp_path):
    """A folder is refused by name."""
    with pytest.raises(CatalogError, match="cannot be opened as a catalog"):
        open_catalog(tmp_path)


def test_database_of_another_program(tmp_path):
    """Another program's SQLite file is refused and left alone."""
    path = tmp_path / "digikam4.db"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE Images (id INTEGER)")
    other.commit()
    other.close()
    before = path.read_bytes()

    with pytest.raises(CatalogError, match="database of another program"):
        open_catalog(path, create=True)
    assert before == path.read_bytes()


def test_damaged_catalog(new_catalog):
    """A catalog whose first page is garbage is called damaged."""
    path = new_catalog("catalog.sqlite")
    content = bytearray(path.read_bytes())
    content[100:4096] = b"\xa5" * 3996
    path.write_bytes(content)

    with pytest.raises(CatalogError, match="is damaged"):
        open_catalog(path)


def test_cut_catalog(new_catalog):
    """A catalog that lost its end is reported by its check, not taken for a whole one."""
    path = new_catalog("catalog.sqlite")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])

    try:
        report = check(path)
    except CatalogError as error:
        assert "damaged" in str(error)
    else:
        assert not report.ok


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (sqlite3.SQLITE_BUSY_SNAPSHOT, "is being written by another defectmap"),
        (sqlite3.SQLITE_FULL, "the disk is full"),
        (sqlite3.SQLITE_IOERR_WRITE, "check the disk"),
        (sqlite3.SQLITE_NOTADB, "is damaged"),
        (sqlite3.SQLITE_READONLY_DIRECTORY, "cannot be written"),
        (sqlite3.SQLITE_CANTOPEN, "cannot be opened"),
        (sqlite3.SQLITE_CONSTRAINT, "refused what was asked"),
    ],
)
def test_errors_are_sentences(code, sentence):
    """Whatever SQLite reports, the user reads the catalog's name and what it means."""
    error = sqlite3.OperationalError("as SQLite says")
    error.sqlite_errorcode = code

    message = explain(Path("catalog.sqlite"), error)

    assert sentence in message
    assert "catalog.sqlite" in message


def test_second_writer_is_told(new_catalog):
    """A writer that waited in vain is told that another one is at work, and nothing of it is written."""
    path = new_catalog("catalog.sqlite")
    with open_catalog(path) as first, open_catalog(path, busy_timeout_s=0.05) as second, first.transaction():
        with (
            pytest.raises(CatalogError, match="is being written by another defectmap; try again"),
            second.transaction(),
        ):
            pass
        assert second.sensors.all() == []


def test_second_writer_waits(new_catalog, d80):
    """A writer waits for another to finish, and then writes."""
    path = new_catalog("catalog.sqlite")
    with open_catalog(path) as first, open_catalog(path) as second:
        release = threading.Event()

        def write_second() -> int:
            release.set()
            return second.sensors.sensor(d80).id

        with ThreadPoolExecutor(1) as pool:
            with first.transaction():
                waiting = pool.submit(write_second)
                release.wait()
                ours = first.sensors.sensor(d80)
            assert ours.id == waiting.result(timeout=20)


def test_transaction_is_all_or_nothing(catalog, d80):
    """An exception takes back everything that the transaction wrote."""
    with pytest.raises(KeyboardInterrupt), catalog.transaction():
        catalog.sensors.sensor(d80)
        raise KeyboardInterrupt

    assert catalog.sensors.all() == []
    catalog.sensors.sensor(d80)
    assert len(catalog.sensors.all()) == 1


def test_inner_transaction_can_fail_alone(catalog, d80):
    """What an inner transaction wrote before its exception is gone, what the outer one wrote stays."""
    with catalog.transaction():
        sensor = catalog.sensors.sensor(d80)
        with pytest.raises(ZeroDivisionError), catalog.transaction():
            catalog.sensors.set_nickname(sensor.id, "old one")
            raise ZeroDivisionError

    assert [sensor] == catalog.sensors.all()


def test_snapshot_sees_one_state(new_catalog, d80):
    """Within a snapshot nothing changes, whatever another program writes; afterwards it is there."""
    path = new_catalog("catalog.sqlite")
    with open_catalog(path) as writer, open_catalog(path, read_only=True) as reader:
        with reader.snapshot():
            assert reader.sensors.all() == []
            writer.sensors.sensor(d80)
            assert reader.sensors.all() == []
        assert len(reader.sensors.all()) == 1


def test_snapshot_is_not_for_writing(catalog):
    """Writing within a snapshot is a mistake of the program and says so."""
    with catalog.snapshot(), pytest.raises(RuntimeError, match="for reading"), catalog.transaction():
        pass


def test_read_only_catalog_refuses_writes(new_catalog, d80):
    """A catalog that was opened for reading cannot be changed."""
    path = new_catalog("catalog.sqlite")
    with (
        open_catalog(path, read_only=True) as catalog,
        pytest.raises(CatalogError, match="cannot be written"),
    ):
        catalog.sensors.sensor(d80)


def test_full_disk_leaves_the_catalog_as_it_was(catalog, stream):
    """A disk that fills up ends the transaction with a sentence, and the catalog is what it was before."""
    run = catalog.database.connection.exec_driver_sql
    pages = run("PRAGMA page_count").scalar_one()
    run(f"PRAGMA max_page_count = {pages + 4}")
    noise = np.random.default_rng(1).integers(0, 1 << 60, (200, 300))

    with pytest.raises(CatalogError, match="the disk is full"), catalog.transaction():
        catalog.sensors.set_nickname(stream.sensor_id, "old one")
        catalog.evidence.add_to_planes(stream.id, 0, {"n": noise})

    assert catalog.sensors.all()[0].nickname is None
    assert catalog.evidence.epochs(stream.id) == []
    assert check(catalog.path).ok


WRITER = """
    import sys
    import time
    from pathlib import Path

    import numpy as np

    from defectmap.catalog.store import open_catalog

    catalog = open_catalog(Path(sys.argv[1]))
    with catalog.transaction():
        stream = catalog.sensors.streams()[0]
        # Noise that does not compress: more than the page cache holds, so that pages are on disk already.
        noise = np.random.default_rng(1).integers(0, 1 << 60, (1000, 1000))
        catalog.evidence.add_to_planes(stream.id, 0, {"n": noise, "m": noise})
        catalog.sensors.set_nickname(stream.sensor_id, "half written")
        print("writing", flush=True)
        time.sleep(60)
"""


def test_killed_writer_leaves_the_catalog_whole(catalog, stream):
    """A program killed in the middle of a transaction leaves the catalog as it was before."""
    catalog.evidence.add_to_planes(stream.id, 0, {"n": np.ones((1000, 1000), np.int64)})
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(WRITER), str(catalog.path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
    finally:
        process.kill()
        process.communicate()

    assert catalog.path.with_name("catalog.sqlite-wal").stat().st_size > 4 << 20
    catalog.sensors.set_nickname(stream.sensor_id, "whole")
    assert catalog.evidence.plane_names(stream.id, 0) == ["n"]
    assert (catalog.evidence.read_plane(stream.id, 0, "n") == 1).all()
    assert not [problem for problem in check(catalog.path).problems if "no frame" not in problem]


READER = """
    import os
    import sys
    from pathlib import Path

    from defectmap.catalog.checking import check

    if os.geteuid() == 0:
        os.setuid(65534)
    print(check(Path(sys.argv[1])))
"""


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="this system has no user ids")
def test_catalog_on_a_medium_that_cannot_be_written(empty_catalog):
    """A catalog in a folder that cannot be written can be read."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = Path(shutil.copyfile(empty_catalog, folder / "catalog.sqlite"))
        path.chmod(0o444)
        folder.chmod(0o555)
        try:
            done = subprocess.run(
                [sys.executable, "-c", textwrap.dedent(READER), str(path)],
                capture_output=True,
                text=True,
                check=False,
            )
        finally:
            folder.chmod(0o755)

    assert done.stdout == "CheckReport(problems=())\n", done.stderr


def test_opening_needs_no_alembic(empty_catalog):
    """Alembic is imported only where a schema is made or changed."""
    script = f"""
        import sys
        from pathlib import Path

        from defectmap.catalog.store import open_catalog

        open_catalog(Path({str(empty_catalog)!r})).close()
        assert "alembic" not in sys.modules
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True)

"""Opening, making and upgrading a catalog: one SQLite file with write-ahead log."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import tempfile
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Self
from uuid import uuid4

from sqlalchemy import insert, select

from defectmap import __version__
from defectmap.catalog.database import Database
from defectmap.catalog.evidence import Evidence
from defectmap.catalog.files import Files
from defectmap.catalog.frames import Frames
from defectmap.catalog.imports import Imports
from defectmap.catalog.migrating import migrate, schema_revision
from defectmap.catalog.repairs import Repairs
from defectmap.catalog.revisions import Revisions
from defectmap.catalog.scenes import Scenes
from defectmap.catalog.schema import APPLICATION_ID, HEAD, CatalogRow
from defectmap.catalog.sensors import Sensors
from defectmap.errors import CatalogError

_log = logging.getLogger(__name__)


class Catalog:
    """An open catalog; close it, or use it in a ``with`` statement. For one thread at a time.

    What it holds is reached through its parts, each of which reads and writes one kind of thing. Every
    writing call is atomic by itself; calls that belong together go into one :meth:`transaction`.

    Attributes
    ----------
    path : Path
    sensors : Sensors
        Sensors and their streams.
    frames : Frames
        Frames and the sightings in them.
    scenes : Scenes
        Which frames show the same framing.
    files : Files
        Files that were looked at.
    evidence : Evidence
        Accumulated planes.
    revisions : Revisions
        Defect maps.
    repairs : Repairs
        Files that were written.
    imports : Imports
        Lists of other programs.
    database : Database
        The connection behind them, for the modules of this package.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.path = database.path
        self.sensors = Sensors(database)
        self.frames = Frames(database)
        self.scenes = Scenes(database)
        self.files = Files(database)
        self.evidence = Evidence(database)
        self.revisions = Revisions(database)
        self.repairs = Repairs(database)
        self.imports = Imports(database)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def uuid(self) -> str:
        """Identifies this catalog and copies of it."""
        return self.database.connection.execute(select(CatalogRow.uuid)).scalar_one()

    def transaction(self) -> AbstractContextManager[None]:
        """Write all or nothing; see :meth:`defectmap.catalog.database.Database.transaction`."""
        return self.database.transaction()

    def snapshot(self) -> AbstractContextManager[None]:
        """Read one consistent state; see :meth:`defectmap.catalog.database.Database.snapshot`."""
        return self.database.snapshot()

    def close(self) -> None:
        """Close the file; an unfinished transaction is rolled back."""
        self.database.close()


def open_catalog(
    path: Path, *, create: bool = False, read_only: bool = False, busy_timeout_s: float = 30.0
) -> Catalog:
    """Open a catalog.

    Parameters
    ----------
    path : Path
    create : bool
        Make a new catalog where there is no file, with the folders above it.
    read_only : bool
        Refuse every write.
    busy_timeout_s : float
        How long a transaction waits for another writer, in seconds.

    Raises
    ------
    CatalogError
        If there is none, if the file is no catalog or damaged, or if its schema is of another version.
    """
    if create and not path.exists():
        _create(path)
    database = open_database(path, read_only=read_only, busy_timeout_s=busy_timeout_s)
    try:
        found = schema_revision(database.connection)
        if found != HEAD:
            raise CatalogError(f"{path} {_other_version(found, path)}")
    except BaseException:
        database.close()
        raise
    return Catalog(database)


def open_database(path: Path, *, read_only: bool = False, busy_timeout_s: float = 30.0) -> Database:
    """Open the file of a catalog of any schema version; the header is read before SQLite touches it.

    Raises
    ------
    CatalogError
        If there is no such file or it is no catalog.
    """
    try:
        with path.open("rb") as file:
            header = file.read(100)
    except FileNotFoundError:
        raise CatalogError(f"there is no catalog at {path}: run `defectmap ingest PATH` first") from None
    except OSError as error:
        raise CatalogError(f"{path} cannot be opened as a catalog: {error.strerror}") from error
    if len(header) < 100 or not header.startswith(b"SQLite format 3\0"):
        raise CatalogError(f"{path} is not a catalog of defectmap; name another file with --catalog")
    if int.from_bytes(header[68:72], "big") != APPLICATION_ID:
        raise CatalogError(f"{path} is a database of another program; name another file with --catalog")
    return Database(path, read_only=read_only, busy_timeout_s=busy_timeout_s)


def upgrade(path: Path, *, busy_timeout_s: float = 30.0) -> Path | None:
    """Bring a catalog of an older schema up to date, keeping a copy of it as it was.

    Parameters
    ----------
    path : Path
    busy_timeout_s : float
        How long to wait for another writer, in seconds.

    Returns
    -------
    Path or None
        The copy; None if there was nothing to do.

    Raises
    ------
    CatalogError
        If it is no catalog, was made by a newer program, is in use or cannot be migrated; it is left as it
        was then.
    """
    with open_database(path, busy_timeout_s=busy_timeout_s) as database:
        # SQLite changes a table by making it anew, which foreign keys would forbid; they are checked below.
        database.connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
        with database.transaction():
            found = schema_revision(database.connection)
            if found == HEAD:
                return None
            if not _is_older(found):
                raise CatalogError(f"{path} {_other_version(found, path)}")
            copy = _backup(database, f"before-upgrade-from-{found}")
            migrate(database.connection)
            if database.connection.exec_driver_sql("PRAGMA foreign_key_check").first() is not None:
                raise CatalogError(f"{path} holds rows that belong to nothing; run `defectmap check`")
    _log.info("%s was upgraded from schema %s to %s; a copy is in %s", path, found, HEAD, copy)
    return copy


def _create(path: Path) -> None:
    """Make an empty catalog under another name, then give it its own: it is never seen half made."""
    if path.with_name(path.name + "-wal").exists():
        raise CatalogError(
            f"{path} is missing but its {path.name}-wal is there; bring the one back or move the other away"
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as error:
        raise CatalogError(f"no catalog can be made at {path}: {error.strerror}") from error
    draft = folder / "catalog"
    try:
        with Database(draft, create=True) as database:
            connection = database.connection
            # Large pages: nearly all of a catalog is blobs of a megabyte. To be said before the log is begun.
            connection.exec_driver_sql("PRAGMA page_size = 16384")
            connection.exec_driver_sql("PRAGMA journal_mode = WAL")
            with database.transaction():
                migrate(connection)
                connection.execute(
                    insert(CatalogRow).values(
                        uuid=str(uuid4()), created=datetime.now(UTC), program_version=__version__
                    )
                )
                connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
        _publish(draft, path)
    finally:
        for leftover in folder.iterdir():
            leftover.unlink()
        folder.rmdir()


def _publish(draft: Path, path: Path) -> None:
    # Whoever is first wins: another defectmap may be making the same catalog.
    try:
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    except OSError:
        # A file system without hard links.
        if not path.exists():
            draft.rename(path)


def _backup(database: Database, label: str) -> Path:
    path = database.path
    for number in range(1, 1000):
        copy = path.with_name(f"{path.name}.{label}" + (f"-{number}" if number > 1 else ""))
        try:
            copy.touch(exist_ok=False)
        except FileExistsError:
            continue
        except OSError as error:
            raise CatalogError(f"no copy of {path} can be made beside it: {error.strerror}") from error
        database.backup(copy)
        return copy
    raise CatalogError(f"{path.parent} is full of copies of {path.name}; move some of them away")


def _is_older(revision: str | None) -> bool:
    return revision is not None and re.fullmatch(r"\d{4}", revision) is not None and revision < HEAD


def _other_version(revision: str | None, path: Path) -> str:
    if revision is None:
        return "is damaged: its schema version is missing; restore it from a copy"
    if _is_older(revision):
        return f"was made by an older defectmap; run `defectmap --catalog {path} upgrade`"
    return "was made by a newer defectmap; update the program"

"""One connection to one SQLite file: how it is opened, locked and what its errors mean to a user."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.pool import NullPool

from defectmap.errors import CatalogError

_log = logging.getLogger(__name__)


class Database:
    """An open SQLite file with explicit transactions; to be used by one thread at a time.

    Outside of a transaction every statement stands alone. SQLite's own errors come out as
    :class:`CatalogError` that name the file.

    Parameters
    ----------
    path : Path
    read_only : bool
        Refuse every write; also opens files on a medium that cannot be written.
    create : bool
        Make an empty file where there is none.
    busy_timeout_s : float
        How long to wait for another writer, in seconds.
    """

    def __init__(
        self, path: Path, *, read_only: bool = False, create: bool = False, busy_timeout_s: float = 30.0
    ) -> None:
        self.path = path
        self._savepoints = 0
        self._writing = self._reading = False
        self._sqlite = self._connect(read_only, create, busy_timeout_s)
        engine = create_engine(
            "sqlite://", creator=lambda: self._sqlite, poolclass=NullPool, isolation_level="AUTOCOMMIT"
        )
        event.listen(engine, "handle_error", self._on_error, retval=True)
        self.connection: Connection = engine.connect()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; an unfinished transaction is rolled back."""
        self.connection.close()
        self._sqlite.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Write all or nothing: commits at the end, rolls back on any exception.

        Within another transaction it is a savepoint of that one.

        Raises
        ------
        CatalogError
            If another program holds the catalog for longer than the busy timeout, or the disk fails.
        """
        if self._reading:
            raise RuntimeError("a snapshot is for reading: leave it before writing")
        if self._writing:
            with self._savepoint():
                yield
            return
        self._run("BEGIN IMMEDIATE")
        self._writing = True
        try:
            yield
            self._run("COMMIT")
        finally:
            self._writing = False
            self._roll_back()

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Read one consistent state, whatever is written meanwhile."""
        if self._writing or self._reading:
            yield
            return
        self._run("BEGIN")
        self._reading = True
        try:
            yield
        finally:
            self._reading = False
            self._roll_back()

    def backup(self, target: Path) -> None:
        """Copy the whole database into an existing empty file, through SQLite's backup interface.

        Raises
        ------
        CatalogError
            If the copy cannot be written; it is removed then.
        """
        copy = sqlite3.connect(target)
        source = sqlite3.connect(_uri(self.path, "mode=ro"), uri=True)
        try:
            source.backup(copy)
        except sqlite3.Error as error:
            target.unlink()
            raise CatalogError(explain(target, error)) from error
        finally:
            source.close()
            copy.close()

    @contextmanager
    def _savepoint(self) -> Iterator[None]:
        name = f"level_{self._savepoints}"
        self._run(f"SAVEPOINT {name}")
        self._savepoints += 1
        try:
            yield
        except BaseException:
            # A full disk or an I/O error may have ended the whole transaction already.
            if self._sqlite.in_transaction:
                self._run(f"ROLLBACK TO {name}")
            raise
        finally:
            self._savepoints -= 1
            if self._sqlite.in_transaction:
                self._run(f"RELEASE {name}")

    def _run(self, statement: str) -> None:
        self.connection.exec_driver_sql(statement)

    def _roll_back(self) -> None:
        if self._sqlite.in_transaction:
            self._run("ROLLBACK")

    def _connect(self, read_only: bool, create: bool, busy_timeout_s: float) -> sqlite3.Connection:
        mode = "mode=rwc" if create else "mode=rw"
        try:
            try:
                return self._configured(mode, read_only, busy_timeout_s)
            except sqlite3.OperationalError as error:
                # In a folder that cannot be written SQLite cannot make the files that go with its write-ahead
                # log; without a log beside it, the file alone is the whole truth.
                if not read_only or not _cannot_write(error) or _log_beside(self.path):
                    raise
                return self._configured("immutable=1", read_only, busy_timeout_s)
        except sqlite3.Error as error:
            raise CatalogError(explain(self.path, error)) from error

    def _configured(self, mode: str, read_only: bool, busy_timeout_s: float) -> sqlite3.Connection:
        connection = sqlite3.connect(
            _uri(self.path, mode),
            uri=True,
            timeout=busy_timeout_s,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute(f"PRAGMA journal_size_limit = {64 << 20}")
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if read_only:
                connection.execute("PRAGMA query_only = ON")
        except BaseException:
            connection.close()
            raise
        return connection

    def _on_error(self, context: ExceptionContext) -> BaseException | None:
        error = context.original_exception
        if not isinstance(error, sqlite3.DatabaseError) or isinstance(error, sqlite3.ProgrammingError):
            return None
        _log.debug("SQLite: %s", error, exc_info=error)
        return CatalogError(explain(self.path, error))


def explain(path: Path, error: sqlite3.Error) -> str:
    """Say in a sentence with its next step what an error of SQLite means."""
    match getattr(error, "sqlite_errorcode", 0) & 0xFF:
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return f"{path} is being written by another defectmap; try again when that has finished"
        case sqlite3.SQLITE_FULL:
            return f"the disk is full: {path} was left as it was before; make room and try again"
        case sqlite3.SQLITE_IOERR:
            return (
                f"{path} cannot be read or written ({error}); it was left as it was before: "
                "check the disk, then run `defectmap check`"
            )
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return f"{path} is damaged ({error}); restore it from a copy, or ingest into a new catalog"
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_AUTH:
            return f"{path} cannot be written; check its permissions and those of its folder"
        case sqlite3.SQLITE_CANTOPEN:
            return f"{path} cannot be opened; check that its folder exists and its permissions"
        case _:
            return f"{path} refused what was asked of it ({error}); run `defectmap check`"


def _uri(path: Path, query: str) -> str:
    return f"{path.absolute().as_uri()}?{query}"


def _cannot_write(error: sqlite3.Error) -> bool:
    return error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)


def _log_beside(path: Path) -> bool:
    log = path.with_name(path.name + "-wal")
    return log.exists() and log.stat().st_size > 0

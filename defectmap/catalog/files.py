"""Files that were looked at, so that none is opened twice."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, and_, false, literal, or_, select, type_coerce
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.types import LargeBinary, NullType, Text

from defectmap.catalog.database import Database
from defectmap.catalog.records import FileRecord, FileState
from defectmap.catalog.schema import FileRow

_COLUMNS = (
    FileRow.path,
    FileRow.size,
    FileRow.mtime_ns,
    FileRow.digest,
    FileRow.outcome,
    FileRow.reason,
    FileRow.frame_id,
)

# The path as it is stored: to make a Path of it takes longer than to read it.
_STATE_COLUMNS: tuple[Any, ...] = (
    type_coerce(FileRow.path, NullType),
    FileRow.size,
    FileRow.mtime_ns,
    FileRow.outcome,
    FileRow.reason,
)

_PAGE = 500


class Files:
    """The files of a catalog."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def remember(self, file: FileRecord) -> None:
        """Note what became of a file; what was known of its path before is replaced."""
        values = asdict(file)
        statement = insert(FileRow).values(**values)
        with self._database.transaction():
            self._database.connection.execute(
                statement.on_conflict_do_update(index_elements=[FileRow.path], set_=values)
            )

    def by_path(self, path: Path) -> FileRecord | None:
        """Return what is known of a path; None if nothing."""
        found = self._select(FileRow.path == path)
        return found[0] if found else None

    def under(self, folder: Path) -> list[FileRecord]:
        """Return the files in a folder and the folders below it, ordered by path."""
        return self._select(_below(folder))

    def states(self, folders: Iterable[Path], files: Sequence[Path] = ()) -> dict[str, FileState]:
        """Return what is known of all files in folders and below, and of single files, by path as text.

        No more is read of a file than tells whether it has changed: of hundreds of thousands at a time.
        """
        wanted = [
            *map(_below, folders),
            *(FileRow.path.in_(files[at : at + _PAGE]) for at in range(0, len(files), _PAGE)),
        ]
        states: dict[str, FileState] = {}
        for condition in wanted:
            for path, size, mtime_ns, outcome, reason in self._database.connection.execute(
                select(*_STATE_COLUMNS).where(condition)
            ):
                states[os.fsdecode(path)] = FileState(size, mtime_ns, outcome, reason)
        return states

    def by_digest(self, digest: bytes) -> list[FileRecord]:
        """Return the files of one content, ordered by path."""
        return self._select(FileRow.digest == digest)

    def paths_of(self, frame_id: int) -> list[Path]:
        """Return where a frame's file was seen, ordered by path."""
        return [file.path for file in self._select(FileRow.frame_id == frame_id)]

    def _select(self, condition: ColumnElement[bool]) -> list[FileRecord]:
        rows: Sequence[Any] = self._database.connection.execute(
            select(*_COLUMNS).where(condition).order_by(FileRow.path)
        ).all()
        return [FileRecord(**row._mapping) for row in rows]


def _below(folder: Path) -> ColumnElement[bool]:
    """Return the condition that a file lies below a folder."""
    first = str(folder).removesuffix(os.sep) + os.sep
    past = first[:-1] + chr(ord(os.sep) + 1)
    # SQLite orders every blob after every text, so names of either kind need their own range.
    as_blob = type_coerce(FileRow.path, LargeBinary)
    blobs = and_(as_blob >= os.fsencode(first), as_blob < os.fsencode(past))
    return or_(_text_range(first, past), blobs)


def _text_range(first: str, past: str) -> ColumnElement[bool]:
    try:
        first.encode()
    except UnicodeEncodeError:
        return false()
    path = type_coerce(FileRow.path, Text)
    return and_(path >= literal(first, Text), path < literal(past, Text))

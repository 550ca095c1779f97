"""Promises of the schema and its migrations."""

from __future__ import annotations

import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from defectmap.catalog import migrating, store
from defectmap.catalog.checking import check
from defectmap.catalog.migrating import migrations_folder
from defectmap.catalog.schema import HEAD, Base
from defectmap.catalog.store import open_catalog, upgrade
from defectmap.errors import CatalogError

NEXT = f"{int(HEAD) + 1:04}"
SECOND = """
import sqlalchemy as sa
from alembic import op

revision = "{next}"
down_revision = "{head}"


def upgrade():
    op.add_column("sensors", sa.Column("note", sa.Text))
    {more}
"""


def definitions(run) -> dict[str, set[str]]:
    """Return what defines each table and index, whatever the order of columns."""
    rows = run("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name != 'alembic_version'")
    # A column that was added later stands after the constraints, on the line of the last of them.
    parts = re.compile(r",\s*(?![^(]*\))|\n")
    return {name: {part.strip(" \t,)") for part in parts.split(sql)} for name, sql in rows}


@pytest.fixture
def next_schema(monkeypatch, tmp_path):
    """Make this program one of the next schema, whose migration does a given thing more."""

    def make(more: str = "") -> None:
        folder = tmp_path / "next" / "100% migrations"
        shutil.copytree(migrations_folder(), folder, ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "versions" / f"{NEXT}_next.py").write_text(SECOND.format(next=NEXT, head=HEAD, more=more))
        monkeypatch.setattr(migrating, "migrations_folder", lambda: folder)
        monkeypatch.setattr(store, "HEAD", NEXT)

    return make


def set_revision(path: Path, revision: str) -> None:
    """Pretend that a catalog was made by another version."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))
        connection.commit()


def test_migrations_make_the_tables_that_the_code_speaks_of(catalog):
    """Running all migrations gives exactly the tables, columns, keys and indices of the schema module."""
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        Base.metadata.create_all(connection)
        wanted = definitions(connection.exec_driver_sql)
    engine.dispose()

    assert wanted == definitions(catalog.database.connection.exec_driver_sql)


def test_head_is_the_newest_migration():
    """The version that the program names without Alembic is the newest of its migrations."""
    assert ScriptDirectory(migrations_folder()).get_heads() == [HEAD]


@pytest.mark.parametrize("table", sorted((m.class_ for m in Base.registry.mappers), key=lambda c: c.__name__))
def test_every_table_is_explained(table):
    """The schema is a data dictionary: each table says what its rows mean."""
    assert table.__doc__


def test_current_catalog_needs_no_upgrade(new_catalog):
    """Upgrading a catalog of this version does nothing and makes no copy."""
    path = new_catalog("catalog.sqlite")

    assert upgrade(path) is None
    assert [path] == list(path.parent.glob("catalog*"))


def test_newer_catalog_is_refused(new_catalog):
    """A catalog of a schema that this program does not know is refused, and not upgraded either."""
    path = new_catalog("catalog.sqlite")
    set_revision(path, "0042")

    for use in (open_catalog, upgrade, check):
        with pytest.raises(CatalogError, match=r"was made by a newer defectmap; update the program"):
            use(path)


def test_catalog_without_version_is_damaged(new_catalog):
    """A catalog that does not say its version is called damaged."""
    path = new_catalog("catalog.sqlite")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE alembic_version")

    with pytest.raises(CatalogError, match="is damaged: its schema version is missing"):
        open_catalog(path)


def test_older_catalog_is_upgraded_on_request(new_catalog, d80, next_schema):
    """An older catalog is refused with the command to run; that migrates it and keeps a copy as it was."""
    path = new_catalog("catalog.sqlite")
    with open_catalog(path) as catalog:
        sensor = catalog.sensors.sensor(d80)
    next_schema()

    with pytest.raises(
        CatalogError, match=r"was made by an older defectmap; run `defectmap --catalog .* upgrade`"
    ):
        open_catalog(path)
    copy = upgrade(path)

    assert path.with_name(f"catalog.sqlite.before-upgrade-from-{HEAD}") == copy
    assert {path, copy} == set(path.parent.glob("catalog*"))
    with open_catalog(path) as catalog:
        assert [sensor] == catalog.sensors.all()
        assert "note" in str(definitions(catalog.database.connection.exec_driver_sql)["sensors"])
    set_revision(copy, NEXT)
    assert check(copy).ok


def test_earlier_copies_are_kept(new_catalog, next_schema):
    """A copy never takes the place of another."""
    next_schema()
    path = new_catalog("catalog.sqlite")
    earlier = path.with_name(f"catalog.sqlite.before-upgrade-from-{HEAD}")
    earlier.write_text("precious")

    assert upgrade(path) == path.with_name(f"catalog.sqlite.before-upgrade-from-{HEAD}-2")
    assert earlier.read_text() == "precious"


@pytest.mark.parametrize(
    ("more", "error", "message"),
    [
        ("raise RuntimeError('power cut')", RuntimeError, "power cut"),
        (
            "op.execute(\"INSERT INTO streams VALUES (1, 7, 'raw', 2, 2, NULL, 1)\")",
            CatalogError,
            "belong to nothing",
        ),
    ],
)
def test_failed_upgrade_leaves_the_catalog_as_it_was(
    new_catalog, next_schema, monkeypatch, more, error, message
):
    """An upgrade that fails, or leaves rows that belong to nothing, is taken back whole."""
    path = new_catalog("catalog.sqlite")
    next_schema(more)

    with pytest.raises(error, match=message):
        upgrade(path)

    monkeypatch.undo()
    assert check(path).ok


def test_catalog_in_use_is_not_upgraded(new_catalog, next_schema):
    """A catalog that is being written is not upgraded."""
    path = new_catalog("catalog.sqlite")
    with open_catalog(path) as writer, writer.transaction():
        next_schema()
        with pytest.raises(CatalogError, match="is being written"):
            upgrade(path, busy_timeout_s=0)

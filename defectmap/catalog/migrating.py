"""Running the Alembic migrations: the one way in which a schema is made or changed."""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import Final

import sqlalchemy as sa

from defectmap.errors import CatalogError

# Alembic keeps the running environment in module globals.
_alone: Final = Lock()


def migrations_folder() -> Path:
    """Return the folder of the Alembic environment: in the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "migrations", package.parent / "migrations"):
        if (folder / "env.py").is_file():
            return folder
    raise CatalogError("this installation of defectmap lacks its migrations; install it again")


def migrate(connection: sa.Connection) -> None:
    """Run every migration that is not yet in the schema.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        With a transaction that the caller holds and ends.
    """
    # Alembic is slow to import and needed on the day of a new schema only.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    config.attributes["connection"] = connection
    with _alone:
        command.upgrade(config, "head")


def schema_revision(connection: sa.Connection) -> str | None:
    """Return the identifier of the newest migration in the schema; None if there is none."""
    has_table = connection.exec_driver_sql(
        "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'"
    ).scalar_one()
    if not has_table:
        return None
    return connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one_or_none()

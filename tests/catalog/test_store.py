"""Promises of making, opening and writing a catalog."""

from __future__ import annotations

from pathlib import Path

from defectmap.catalog.store import open_catalog


def test_new_catalog_is_one_closed_file(tmp_path: Path):
    """A new catalog is a single file, in a folder made for it, and opens again."""
    path = tmp_path / "new folder" / "catalog %41?.sqlite"
    with open_catalog(path, create=True) as catalog:
        uuid = catalog.uuid

    assert [path] == list(path.parent.iterdir())
    with open_catalog(path, read_only=True) as catalog:
        assert uuid == catalog.uuid

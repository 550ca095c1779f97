"""Absorbing shards: whole or not at all."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from defectmap.catalog.store import open_catalog
from defectmap.errors import CatalogError, ShardRefusedError
from defectmap.ingest import ingest
from defectmap.merge import merge
from defectmap.simulation.truth import GroundTruth

Library = tuple[Path, GroundTruth]


def shard(path: Path, photos: list[Path]) -> Path:
    """Make a catalog of some photos."""
    with open_catalog(path, create=True) as catalog:
        ingest(catalog, photos)
    return path


def test_partial_overlap_is_refused_with_the_photos_named(library: Library, tmp_path: Path) -> None:
    """A shard that shares some photos with the catalog is refused with their names, and nothing changes."""
    photos = sorted(library[0].glob("*.NEF"))
    path = shard(tmp_path / "catalog.sqlite", photos[:6])
    other = shard(tmp_path / "shard.sqlite", photos[4:10])
    with open_catalog(path) as catalog:
        with pytest.raises(ShardRefusedError, match=r"DSC_0005\.NEF.*DSC_0006\.NEF"):
            merge(catalog, [other])
        (stream,) = catalog.sensors.streams()
        assert len(catalog.frames.of_stream(stream.id)) == 6


def test_what_is_no_catalog_is_refused(library: Library, tmp_path: Path) -> None:
    """A missing shard and a file that is no catalog end with a sentence that names them."""
    path = shard(tmp_path / "catalog.sqlite", sorted(library[0].glob("*.NEF"))[:2])
    text = tmp_path / "text.sqlite"
    text.write_text("no catalog")
    with open_catalog(path) as catalog:
        for bad in (text, tmp_path / "missing.sqlite"):
            with pytest.raises((CatalogError, ShardRefusedError), match=bad.name):
                merge(catalog, [bad])


def test_surplus_of_a_scene_that_cannot_be_read_again_is_told(library: Library, tmp_path: Path) -> None:
    """Where the photos of a shard are out of reach, a scene that counts twice is reported, and still does."""
    folder, truth = library
    photos = sorted(folder.glob("*.NEF"))
    scenes: dict[int, list[int]] = {}
    for exposure in truth.frames:
        scenes.setdefault(exposure.scene_id, []).append(exposure.index)
    series = next(members for members in scenes.values() if len(members) >= 4)
    away = tmp_path / "away"
    away.mkdir()
    moved = [Path(shutil.copy(photos[i], away)) for i in series[2:]]
    path = shard(tmp_path / "catalog.sqlite", [photos[i] for i in series[:2]])
    other = shard(tmp_path / "shard.sqlite", moved)
    shutil.rmtree(away)
    with open_catalog(path) as catalog:
        outcome = merge(catalog, [other])
        assert (outcome.merged, outcome.frames, outcome.overcounted) == (1, len(moved), 1)
        (stream,) = catalog.sensors.streams()
        assert sum(f.counted for f in catalog.frames.of_stream(stream.id)) == 2

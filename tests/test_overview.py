"""What cameras tells, however it comes to know it."""

from __future__ import annotations

from pathlib import Path

from defectmap.catalog.store import open_catalog
from defectmap.detect import detect
from defectmap.ingest import ingest
from defectmap.overview import cameras, outdated


def test_scenes_are_counted_once(library, tmp_path: Path):
    """The number of scenes is that of all frames, whether the map knows it or has yet to be made."""
    photos = sorted(library[0].glob("*.NEF"))
    with open_catalog(tmp_path / "catalog.sqlite", create=True) as catalog:
        ingest(catalog, photos[:30])
        (sensor,) = catalog.sensors.all()
        assert outdated(catalog) == [sensor]
        before = cameras(catalog)[0].streams[0].scenes
        detect(catalog, sensor)
        assert outdated(catalog) == []
        assert cameras(catalog)[0].streams[0].scenes == before
        ingest(catalog, photos)
        assert outdated(catalog) == [sensor]
        after = cameras(catalog)[0].streams[0].scenes
    assert before < after == len({exposure.scene_id for exposure in library[1].frames})

"""What cameras tells, however it comes to know it."""

from __future__ import annotations

from pathlib import Path

import pytest

from defectmap.catalog.frames import Frames
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


@pytest.mark.parametrize("misdated", [False, True])
def test_a_map_tells_the_times_that_photos_would(
    library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, misdated: bool
):
    """Times are the same whether a map tells them, which reads no photo, or the photos do."""
    with open_catalog(tmp_path / "catalog.sqlite", create=True) as catalog:
        ingest(catalog, [library[0]])
        if misdated:
            sql = "UPDATE frames SET captured = '1980-01-01T00:00:00.000000' WHERE id = 7"
            catalog.database.connection.exec_driver_sql(sql)
        (sensor,) = catalog.sensors.all()
        by_photos = cameras(catalog)[0]
        detect(catalog, sensor)
        read = []
        of_stream = Frames.of_stream
        monkeypatch.setattr(Frames, "of_stream", lambda *a, **k: read.append(a) or of_stream(*a, **k))
        by_map = cameras(catalog)[0]
    assert bool(read) == misdated == bool(by_map.doubts)
    assert by_map.doubts == by_photos.doubts
    spans = [[(s.first, s.last, s.frames, s.scenes) for s in one.streams] for one in (by_map, by_photos)]
    assert spans[0] == spans[1]

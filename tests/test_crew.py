"""The processes that measure: where their results go."""

from __future__ import annotations

import pytest

from defectmap.crew import Crew, Task, affordable_workers, measure_apart
from defectmap.errors import DefectmapError
from defectmap.measuring import Photo, identify
from defectmap.media.discover import FoundFile


def test_a_full_temporary_folder_is_named(library, tmp_path):
    """Where a worker cannot put its sums, the folder is named, and what to do."""
    path = sorted(library[0].glob("*.NEF"))[0]
    status = path.stat()
    photo = identify(FoundFile(path, status.st_size, status.st_mtime_ns))
    assert isinstance(photo, Photo)
    with pytest.raises(DefectmapError, match="TMPDIR"):
        measure_apart(Task([photo], 0), tmp_path / "gone")


def identified(library):
    """Return the photos of the library."""
    paths = sorted(library[0].glob("*.NEF"))
    return [identify(FoundFile(p, p.stat().st_size, p.stat().st_mtime_ns)) for p in paths]


def test_large_photos_are_measured_by_fewer(library):
    """So many workers are affordable as fit into the memory, but one always is."""
    photos = identified(library)
    assert affordable_workers(photos, 1 << 20) == 1
    assert affordable_workers(photos, 1 << 30) == 4
    assert affordable_workers([], 1 << 40) > 1000


def test_fewer_at_a_time_measure_the_same(library):
    """However many tasks may be under way at a time, all are measured."""
    photos = identified(library)
    tasks = [Task(photos[start : start + 5], 0) for start in range(0, 40, 5)]
    counts = []
    with Crew(3) as crew:
        for most in (1, 2, None):
            parts = [part for m in crew.measure(tasks, lambda done: None, most) for part in m.parts]
            counts.append(sorted(len(part.frames) for part in parts))
    assert counts == [[5] * 8] * 3

"""The processes that measure: where their results go."""

from __future__ import annotations

import pytest

from defectmap.crew import Task, measure_apart
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

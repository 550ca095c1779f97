import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from defectmap import measuring
from defectmap.measuring import Photo, identify, measure
from defectmap.media import discover as discover_module
from defectmap.media.discover import FoundFile


def a_photo(folder: Path, seed: int = 0) -> Path:
    """Write a small photo of a camera."""
    path = folder / "DSC_0001.JPG"
    pixels = np.random.default_rng(seed).integers(0, 256, (48, 64, 3)).astype(np.uint8)
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "NIKON", "D80"
    Image.fromarray(pixels).save(path, quality=90, exif=exif)
    return path


def identified(path: Path) -> Photo:
    """Identify a file that must be a photo."""
    status = path.stat()
    photo = identify(FoundFile(path, status.st_size, status.st_mtime_ns))
    assert isinstance(photo, Photo)
    return photo


@pytest.mark.parametrize("settled", [False, True])
def test_a_photo_that_changes_after_it_was_identified_does_not_count(tmp_path, monkeypatch, settled) -> None:
    """What is measured is what was identified: a file with other content is troubled, old or new."""
    if settled:
        monkeypatch.setattr(discover_module, "_UNSETTLED_NS", 0)
    photo = identified(a_photo(tmp_path))
    time.sleep(0.05)
    a_photo(tmp_path, seed=1)
    result = measure([photo])
    assert not result.parts
    assert [trouble.reason for trouble in result.troubles] == [
        "changed while it was being read: ingest it again"
    ]


def test_an_old_photo_that_did_not_change_is_digested_once(tmp_path, monkeypatch) -> None:
    """A file whose stamp is the same is believed without another look at all of its content."""
    monkeypatch.setattr(discover_module, "_UNSETTLED_NS", 0)
    path = a_photo(tmp_path)
    time.sleep(0.05)
    photo = identified(path)
    monkeypatch.setattr(measuring, "content_digest", lambda data: pytest.fail("digested twice"))
    assert len(measure([photo]).parts) == 1

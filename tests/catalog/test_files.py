"""Promises of the files of a catalog."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from defectmap.catalog.records import FileRecord

PHOTO = FileRecord(
    Path("/photos/2009/DSC_0001.NEF"), 1234, 1_700_000_000_123_456_789, b"d" * 32, "skipped", "edited"
)


def test_file_comes_back(catalog):
    """What became of a file is remembered by its path; other paths are unknown."""
    catalog.files.remember(PHOTO)

    assert catalog.files.by_path(PHOTO.path) == PHOTO
    assert catalog.files.by_digest(b"d" * 32) == [PHOTO]
    assert catalog.files.by_path(Path("/photos/2009")) is None


def test_changed_file_replaces_what_was_known(catalog):
    """A file looked at again has its new outcome only."""
    catalog.files.remember(PHOTO)
    again = replace(PHOTO, size=9, digest=None, outcome="failed", reason="no permission")

    catalog.files.remember(again)

    assert [again] == catalog.files.under(Path("/"))


def test_names_that_are_no_text_survive(catalog):
    """Names with bytes that are no valid text come back as they are, and are found like any other."""
    strange = replace(PHOTO, path=Path("/photos/Gro\udcdfmutter/\udcff.jpg"))
    catalog.files.remember(strange)
    catalog.files.remember(PHOTO)

    assert strange == catalog.files.by_path(strange.path)
    assert [PHOTO, strange] == catalog.files.under(Path("/photos"))
    assert [strange] == catalog.files.under(strange.path.parent)


def test_only_what_lies_below_a_folder_is_listed(catalog):
    """A folder whose name merely begins alike, and the path itself, are not below it."""
    for name in ("a/1", "a/b/2", "a", "a0/3", "a-b/4", "A/5"):
        catalog.files.remember(replace(PHOTO, path=Path("/") / name))

    assert [Path("/a/1"), Path("/a/b/2")] == [file.path for file in catalog.files.under(Path("/a"))]
    assert len(catalog.files.under(Path("/"))) == 6


def test_paths_of_a_frame(catalog, stream, frame, sightings):
    """Every path at which a frame was seen is known."""
    frame_id = catalog.frames.add(stream.id, frame("a"), sightings())
    paths = [Path("/a/1.nef"), Path("/b/copy of 1.nef")]
    for path in reversed(paths):
        catalog.files.remember(replace(PHOTO, path=path, outcome="frame", reason="", frame_id=frame_id))

    assert paths == catalog.files.paths_of(frame_id)


def test_states_tell_of_many_files_at_once(catalog):
    """Of all files below folders, and of single ones, it is told by path as text what would show a change."""
    names = ("a/1", "a/b/\udcff.jpg", "b/2", "c/3", "c/4")
    for number, name in enumerate(names):
        catalog.files.remember(replace(PHOTO, path=Path("/") / name, size=number))

    states = catalog.files.states([Path("/a"), Path("/nowhere")], [Path("/c/4"), Path("/c/5"), Path("/b")])

    assert {path: state.size for path, state in states.items()} == {
        "/a/1": 0,
        "/a/b/\udcff.jpg": 1,
        "/c/4": 4,
    }
    assert states["/a/1"] == (0, PHOTO.mtime_ns, "skipped", "edited")

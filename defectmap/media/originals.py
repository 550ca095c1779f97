"""Where the originals of photos repaired in place are kept: beside them, with a note of both contents.

The note makes undoing possible without the catalog, and after the folder was moved.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from defectmap.media.discover import DIGEST_BYTES, ORIGINALS_FOLDER
from defectmap.media.writing import write_new

_SUFFIX = ".digests"
_LONGEST_NOTE = 1024


@dataclass(frozen=True, slots=True)
class Note:
    """The digests of a photo's original and of its repaired content."""

    original: bytes
    repaired: bytes


def original_of(photo: Path) -> Path:
    """Return where the original of a photo is kept once it is repaired in place."""
    return photo.parent / ORIGINALS_FOLDER / photo.name


def write_note(original: Path, note: Note) -> None:
    """Put a note beside an original, in place of an older one.

    Raises
    ------
    FailedPhotoError
        If it cannot be written.
    """
    text = f"original {note.original.hex()}\nrepaired {note.repaired.hex()}\n"
    write_new(_place(original), text.encode(), like=None, overwrite=True)


def read_note(original: Path) -> Note | None:
    """Return the note beside an original; None if there is none, or it is damaged."""
    try:
        with _place(original).open("rb") as file:
            words = file.read(_LONGEST_NOTE).decode("ascii").split()
        if words[::2] != ["original", "repaired"]:
            return None
        note = Note(*map(bytes.fromhex, words[1::2]))
    except (OSError, ValueError):
        return None
    return note if {len(note.original), len(note.repaired)} == {DIGEST_BYTES} else None


def forget(original: Path) -> None:
    """Remove what is left beside an original that is back in its place: its note, and the folder if empty."""
    with contextlib.suppress(OSError):
        _place(original).unlink(missing_ok=True)
        original.parent.rmdir()


def _place(original: Path) -> Path:
    return original.with_name(original.name + _SUFFIX)

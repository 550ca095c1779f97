"""Every exception of the program, each with the exit code it ends a command with.

Two families are kept apart. A :class:`PhotoError` is the trouble of one file: it is collected and the run
goes on. Every other :class:`DefectmapError` ends the command.
"""

from __future__ import annotations

from typing import ClassVar


class DefectmapError(Exception):
    """A failure that ends the command; its text is a sentence with the next step."""

    exit_code: ClassVar[int] = 1


class UsageError(DefectmapError):
    """What was asked for cannot be understood, or is ambiguous."""

    exit_code = 2


class CatalogError(DefectmapError):
    """The catalog cannot be used: damaged, locked, of another version, or not a catalog."""

    exit_code = 4


class ShardRefusedError(DefectmapError):
    """A catalog cannot be merged because part of it is already here."""

    exit_code = 5


class PhotoError(DefectmapError):
    """One file cannot be used, for a reason that concerns this file alone.

    Parameters
    ----------
    reason : str
        Why, as the end of a sentence that begins with the file's name; no full stop.
    """

    exit_code = 3

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class SkippedPhotoError(PhotoError):
    """The file is sound but does not count: not a photo, edited, demosaiced, not an original."""


class FailedPhotoError(PhotoError):
    """The file should have been readable and is not: truncated, corrupt, no permission, gone."""


class UnsupportedRawError(SkippedPhotoError):
    """A sound raw that cannot be changed in place, coded in a way this program does not write."""

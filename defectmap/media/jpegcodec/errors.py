"""Why a JPEG could not be repaired: each kind calls for another answer."""

from __future__ import annotations

from defectmap.errors import PhotoError


class UnsupportedJpegError(PhotoError):
    """The file may be sound, but it is coded in a way that is not patched here."""


class CorruptJpegError(PhotoError):
    """The file breaks the rules of its own coding: truncated, garbled, tables missing."""


class MissingSymbolError(PhotoError):
    """The file's own Huffman tables have no code for a coefficient that the repair needs."""


class JpegLengthError(PhotoError):
    """The repaired file would grow, and data behind the picture would then no longer be found."""

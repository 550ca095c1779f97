"""Raw files decoded quickly: Nikon-compressed ones by this package's own decoder.

It is believed per kind of file, and only after LibRaw decoded one of that kind to the same mosaic. What the
own decoder stumbles over is left to LibRaw, so that a frame, or what is said of a broken file, does not
depend on which of the two it was.
"""

from __future__ import annotations

import logging

import numpy as np
from numpy.typing import NDArray

from defectmap.errors import FailedPhotoError, PhotoError
from defectmap.media import tiff
from defectmap.media.nefnote import NikonNote, nikon_note
from defectmap.media.raw import AnnouncedLayout, announced_layout, decode_raw
from defectmap.model.frame import RawFrame
from defectmap.model.sensor import MosaicGeometry

_log = logging.getLogger(__name__)

_WIDTH, _HEIGHT, _BITS, _MODEL, _SOFTWARE = 256, 257, 258, 272, 305
_NIKON = 34713
# Of the MakerNote: crop of the sensor, black level, crop of the picture, kind and table of the compression.
_NOTE_TAGS = (0x001B, 0x003D, 0x0045, 0x0093)
_LINEARISATION = 0x0096
_PER_FRAME = {tiff.STRIP_OFFSETS, tiff.STRIP_BYTE_COUNTS}

# All that geometry and levels can depend on.
_Kind = tuple[object, ...]
_geometries: dict[_Kind, MosaicGeometry | None] = {}
_MOST_KINDS = 1000


def read_raw(data: bytes) -> RawFrame:
    """Decode a raw file as :func:`defectmap.media.raw.decode_raw` does, to the same frame, more quickly.

    Parameters
    ----------
    data : bytes
        The whole file.

    Returns
    -------
    RawFrame

    Raises
    ------
    SkippedPhotoError
    FailedPhotoError
        As `decode_raw`, with the same words.
    """
    directory = _compressed_mosaic(data)
    note = nikon_note(data) if directory else None
    if directory is None or note is None:
        return decode_raw(data)
    layout = announced_layout(data)
    kind = _kind(data, layout, directory, note)
    if kind not in _geometries:
        return _compare(data, layout, directory, kind)
    geometry = _geometries[kind]
    if geometry is not None:
        try:
            return RawFrame(_own_mosaic(data, layout, directory), geometry)
        except PhotoError as error:
            _log.debug("LibRaw decodes a raw file whose stream %s", error.reason)
    return decode_raw(data)


def _compressed_mosaic(data: bytes) -> tiff.Directory | None:
    """Return the directory of the mosaic if it is Nikon-compressed, whole, and the only one."""
    found = [each for each in tiff.directories(data) if each.first(tiff.PHOTOMETRIC) == tiff.CFA]
    if len(found) != 1 or found[0].first(tiff.COMPRESSION) != _NIKON or found[0].data_end > len(data):
        return None
    return found[0]


def _kind(data: bytes, layout: AnnouncedLayout, directory: tiff.Directory, note: NikonNote) -> _Kind:
    """Gather what tells files apart that LibRaw may decode or describe differently."""
    every = list(tiff.directories(data))
    return (
        layout,
        *(every[0].fields.get(tag) for tag in (tiff.MAKE, _MODEL, _SOFTWARE)),
        # A tag more may bring a table of levels with it.
        *((*each.fields, *each.opaque) for each in (*every, note.directory)),
        *sorted((tag, values) for tag, values in directory.fields.items() if tag not in _PER_FRAME),
        *(note.directory.fields.get(tag) or note.opaque(data, tag) for tag in _NOTE_TAGS),
        note.order,
        note.opaque(data, _LINEARISATION),
    )


def _compare(data: bytes, layout: AnnouncedLayout, directory: tiff.Directory, kind: _Kind) -> RawFrame:
    """Decode the first file of a kind both ways, and remember whether they agree."""
    frame = decode_raw(data)
    try:
        agrees = np.array_equal(_own_mosaic(data, layout, directory), frame.mosaic)
    except FailedPhotoError:
        return frame  # it may be damaged, which says nothing of its kind
    except PhotoError:
        agrees = False
    if len(_geometries) < _MOST_KINDS:
        _geometries[kind] = frame.geometry if agrees else None
    return frame


def _own_mosaic(data: bytes, layout: AnnouncedLayout, directory: tiff.Directory) -> NDArray[np.uint16]:
    """Decode the visible area.

    Raises
    ------
    PhotoError
        If the stream is damaged, or is not one that is known here.
    """
    from defectmap.media.nefcodec import decode_mosaic, taken_for_uncompressed  # noqa: PLC0415 - loads numba
    from defectmap.media.nefpatch import nef_strip  # noqa: PLC0415

    height, width, bits = (directory.first(tag) or 0 for tag in (_HEIGHT, _WIDTH, _BITS))
    strip = nef_strip(data, directory, height, width, bits)
    # LibRaw reads as many rows as are visible, from the first stored one on.
    same = (layout.height, layout.width, layout.top) == (height, width, 0)
    if not same or taken_for_uncompressed(strip.length, height, width):
        raise FailedPhotoError("is not laid out as its directory says")
    stream = np.frombuffer(data, np.uint8, strip.length, strip.offset)
    columns = slice(layout.left, layout.left + layout.visible_width)
    return decode_mosaic(stream, layout.visible_height, width, strip.coding, columns)

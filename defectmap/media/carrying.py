"""Metadata carried over from a photo into a file made of it."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import exiv2

_log = logging.getLogger(__name__)

# Groups of exiv2 that describe how the source file stores its pictures; these tags are the new file's own.
_LAYOUT_GROUPS = ("Image", "SubImage", "Thumbnail", "SubThumb", "PanasonicRaw", "MakerNote", "NikonPreview")
_DESCRIPTIONS = ("ImageDescription", "Software", "DateTime", "Artist", "Copyright", "Rating")


def with_metadata_of(source: bytes, data: bytes, own: Mapping[str, str] | None = None) -> bytes:
    """Return a DNG, TIFF or JPEG with the metadata of another file: Exif, GPS, MakerNote, XMP and IPTC.

    Left out are the tags of the first directory, but for descriptions. What exiv2 cannot carry over is
    logged; of what does not fit into a JPEG it leaves out the longest values.

    Parameters
    ----------
    source, data : bytes
        Whole files.
    own : mapping of str to str, optional
        Values by exiv2 key, such as ``Exif.Image.Orientation``, that are set whatever the source has.
    """
    exiv2.LogMsg.setLevel(exiv2.LogMsg.Level.mute)
    try:
        origin = exiv2.ImageFactory.open(source)
        origin.readMetadata()
        target = exiv2.ImageFactory.open(data)
        target.readMetadata()
        exif = target.exifData()
        for datum in origin.exifData():
            group = datum.groupName()
            described = group == "Image" and datum.tagName() in _DESCRIPTIONS
            if described or group.rstrip("0123456789") not in _LAYOUT_GROUPS:
                _carry_over(datum, exif)
        for key, value in (own or {}).items():
            exif[key] = value
        target.setXmpData(origin.xmpData())
        target.setIptcData(origin.iptcData())
        target.writeMetadata()
        stream = target.io()
        stream.open()
        return bytes(stream.mmap())
    except exiv2.Exiv2Error as error:
        _log.warning("The metadata of the source cannot be copied: %s", error)
        return data


def _carry_over(datum: exiv2.Exifdatum, exif: exiv2.ExifData) -> None:
    try:
        exif.add(exiv2.ExifKey(datum.key()), datum.getValue())
    except exiv2.Exiv2Error as error:
        _log.warning("%s is not copied: %s", datum.key(), error)

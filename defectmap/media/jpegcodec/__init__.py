"""Repair of JPEG files without a second loss: a few blocks are coded anew, all other bits copied."""

from defectmap.media.jpegcodec.errors import (
    CorruptJpegError,
    JpegLengthError,
    MissingSymbolError,
    UnsupportedJpegError,
)
from defectmap.media.jpegcodec.markers import Component, Header, parse_header
from defectmap.media.jpegcodec.opening import open_picture
from defectmap.media.jpegcodec.patch import JpegPatch
from defectmap.media.jpegcodec.picture import BlockPicture, Delta
from defectmap.media.jpegcodec.progressive import ProgressivePatch
from defectmap.media.jpegcodec.repair import JpegRepair, repair_jpeg
from defectmap.model.rendered import RenderedSite

__all__ = [
    "BlockPicture",
    "Component",
    "CorruptJpegError",
    "Delta",
    "Header",
    "JpegLengthError",
    "JpegPatch",
    "JpegRepair",
    "MissingSymbolError",
    "ProgressivePatch",
    "RenderedSite",
    "UnsupportedJpegError",
    "open_picture",
    "parse_header",
    "repair_jpeg",
]

"""Open a JPEG for repair, whichever way it is coded."""

from __future__ import annotations

from defectmap.media.jpegcodec.patch import JpegPatch
from defectmap.media.jpegcodec.picture import BlockPicture
from defectmap.media.jpegcodec.progressive import ProgressivePatch
from defectmap.media.jpegcodec.scans import is_progressive


def open_picture(data: bytes) -> BlockPicture:
    """Open a file.

    Parameters
    ----------
    data : bytes
        A whole JPEG file.

    Returns
    -------
    BlockPicture

    Raises
    ------
    UnsupportedJpegError
        If the coding is none that can be patched.
    CorruptJpegError
        If the file is truncated or garbled anywhere up to its end-of-image marker.
    """
    return ProgressivePatch(data) if is_progressive(data) else JpegPatch(data)

"""The JPEG that a camera makes of a frame of the reference sensor, as a reader decodes it."""

from __future__ import annotations

from benchmarks.detection.sensor import WHITE_BALANCE
from defectmap.media.jpeg import decode_jpeg
from defectmap.model.frame import JpegFrame, RawFrame
from defectmap.simulation.render import encode, render


def as_jpeg(frame: RawFrame, *, quality: int, subsampling: str, sharpening: float = 0.0) -> JpegFrame:
    """Render, encode and decode a frame.

    The rendering is the simulated camera's: white balance, demosaic along the edges, sRGB curve, 8 bits.

    Parameters
    ----------
    frame : RawFrame
    quality : int
        As Pillow and libjpeg count it.
    subsampling : {"4:2:0", "4:2:2", "4:4:4"}
    sharpening : float
        Share of the difference from a 3 x 3 mean that is added.

    Returns
    -------
    JpegFrame
        Pixel (row, col) lies on photosite (row, col).
    """
    picture = render(frame.mosaic, frame.geometry, WHITE_BALANCE, sharpening=sharpening)
    return decode_jpeg(encode(picture, quality=quality, subsampling=subsampling))

"""One decoded exposure and the conditions it was taken under."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from defectmap.model.sensor import Grid, MosaicGeometry


@dataclass(frozen=True, slots=True)
class Conditions:
    """What the camera wrote about one exposure; None where it wrote nothing.

    Attributes
    ----------
    captured : datetime or None
        The camera's clock, without time zone, sub-seconds included as microseconds.
    exposure_s : float or None
        Exposure time in seconds.
    iso : float or None
        ISO sensitivity.
    shutter_count : int or None
        Number of releases so far.
    focal_length_mm : float or None
    temperature_c : float or None
        Camera temperature in degrees Celsius.
    orientation : int or None
        EXIF orientation, 1 to 8: how to show the picture, not how it is stored.
    software : str or None
        Firmware, or the program that last wrote the file.
    noise_reduction : str or None
        The camera's noise-reduction flag as text.
    """

    captured: datetime | None = None
    exposure_s: float | None = None
    iso: float | None = None
    shutter_count: int | None = None
    focal_length_mm: float | None = None
    temperature_c: float | None = None
    orientation: int | None = None
    software: str | None = None
    noise_reduction: str | None = None

    @property
    def dose(self) -> float | None:
        """Exposure time times gain, in seconds at ISO 100; None when either is unknown."""
        if self.exposure_s is None or self.iso is None:
            return None
        return self.exposure_s * self.iso / 100.0

    @property
    def gain(self) -> float | None:
        """Gain relative to ISO 100; None when the sensitivity is unknown."""
        return None if self.iso is None else self.iso / 100.0


@dataclass(frozen=True, slots=True)
class RawFrame:
    """An undemosaiced frame.

    Attributes
    ----------
    mosaic : ndarray of shape (visible_height, visible_width), uint16
        DN of the visible area.
    geometry : MosaicGeometry
    """

    mosaic: NDArray[np.uint16]
    geometry: MosaicGeometry

    @property
    def grid(self) -> Grid:
        """The stream grid this frame belongs to."""
        return self.geometry.grid


@dataclass(frozen=True, slots=True)
class JpegFrame:
    """A decoded JPEG as luma and chroma, on its stored grid.

    Attributes
    ----------
    luma : ndarray of shape (height, width), uint8
    blue, red : ndarray of shape (ceil(height / 2), ceil(width / 2)), uint8
        The Cb and Cr planes at half the luma grid in both directions, whatever the file's own subsampling;
        None for a grey picture.
    """

    luma: NDArray[np.uint8]
    blue: NDArray[np.uint8] | None
    red: NDArray[np.uint8] | None

    @property
    def grid(self) -> Grid:
        """The stream grid this frame belongs to."""
        return Grid("jpeg", *self.luma.shape)

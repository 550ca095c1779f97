"""Which sensor, and how its stored frames lie on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

StreamKind = Literal["raw", "jpeg"]


@dataclass(frozen=True, slots=True, order=True)
class SensorIdentity:
    """One physical chip, as its photos name it.

    Attributes
    ----------
    make, model : str
        As the camera writes them, blanks and NULs stripped; "" where the file has none.
    serial : str or None
        Serial number of the body; None for a camera that writes none. Such a sensor is one of its own
        kind and never the same as one with a serial.
    """

    make: str
    model: str
    serial: str | None

    @property
    def name(self) -> str:
        """Short name for people, such as ``NIKON D80 3012345`` or ``Canon EOS 450D (no serial)``."""
        model = self.model or "unknown camera"
        first_word = self.make.split(" ")[0].lower() if self.make else ""
        title = model if not first_word or model.lower().startswith(first_word) else f"{self.make} {model}"
        return f"{title} {self.serial}" if self.serial else f"{title} (no serial)"


@dataclass(frozen=True, slots=True, order=True)
class Grid:
    """The pixel grid of one stream: full stored raw frame or stored JPEG, never turned.

    Attributes
    ----------
    kind : {"raw", "jpeg"}
    height, width : int
        Rows and columns.
    """

    kind: StreamKind
    height: int
    width: int


@dataclass(frozen=True, slots=True)
class MosaicGeometry:
    """Where the visible area lies in the stored raw frame, and what its photosites mean.

    Attributes
    ----------
    height, width : int
        Full stored frame.
    top, left : int
        Full-frame position of the first visible photosite.
    visible_height, visible_width : int
        Size of the visible (light-receiving) area.
    cfa : tuple of str
        Colour filter array as rows of letters, such as ``("RG", "GB")``, periodic, counted from the origin
        of the **visible** area. Letters are R, G, B (any further colour has its own letter).
    black : tuple of int
        Black level in DN, one per CFA phase, row by row of the pattern.
    white : int
        Saturation level in DN.
    decoder : str
        Name and version of the decoder that these margins come from.
    """

    height: int
    width: int
    top: int
    left: int
    visible_height: int
    visible_width: int
    cfa: tuple[str, ...]
    black: tuple[int, ...]
    white: int
    decoder: str

    @property
    def grid(self) -> Grid:
        """The stream grid of frames with this geometry."""
        return Grid("raw", self.height, self.width)

    @property
    def period(self) -> tuple[int, int]:
        """Rows and columns after which the colour filter array repeats."""
        return len(self.cfa), len(self.cfa[0])

    def phase(self, row: int, col: int) -> int:
        """CFA phase (index into `black`) of a full-frame site."""
        rows, cols = self.period
        return (row - self.top) % rows * cols + (col - self.left) % cols

    def colour(self, row: int, col: int) -> str:
        """Colour letter of a full-frame site."""
        rows, cols = self.period
        return self.cfa[(row - self.top) % rows][(col - self.left) % cols]


@dataclass(frozen=True, slots=True)
class RawColour:
    """What a raw converter needs, besides the mosaic, to render it as the camera's own file.

    Attributes
    ----------
    matrix : tuple of 3 tuples of 3 float
        From CIE XYZ (D65) to the camera's red, green and blue, one row per colour; all zero if unknown.
    neutral : tuple of 3 float
        Camera values of white under the light of the photo, the largest usually 1: the inverse of the
        white-balance multipliers.
    make, model : str
        Camera as the file names it.
    """

    matrix: tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]]
    neutral: tuple[float, float, float]
    make: str
    model: str

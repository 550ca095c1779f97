"""Bad-pixel masks as pictures: 8-bit grey PNG, and FITS images.

A mask has the size of the visible area, or on reading also that of the full stored frame; 0 is good, anything
else is bad. A FITS mask follows the FITS standard 4.0: a primary array of bytes whose first row is the lowest
one, as its keyword ROWORDER says, which astronomical programs have agreed on.
"""

from __future__ import annotations

import io
import re
from typing import Final

import numpy as np
from numpy.typing import NDArray

from defectmap.lists.content import Content, Found, ListError, Mark

_BLOCK: Final = 2880
_CARD: Final = 80
_TYPES: Final = {"8": ">u1", "16": ">i2", "32": ">i4", "64": ">i8", "-32": ">f4", "-64": ">f8"}


def write_png(content: Content) -> bytes:
    """Return an 8-bit grey PNG: 255 where a photosite is bad, else 0; lossless whatever reads it."""
    from PIL import Image  # noqa: PLC0415 - loads slowly
    from PIL.PngImagePlugin import PngInfo  # noqa: PLC0415

    info = PngInfo()
    info.add_text("Description", content.about.sentence)
    info.add_text("Software", content.about.program)
    stream = io.BytesIO()
    Image.fromarray(_mask(content) * np.uint8(255)).save(stream, "PNG", pnginfo=info, optimize=False)
    return stream.getvalue()


def read_png(data: bytes) -> Found:
    """Read a picture as a mask: of several channels any that is not 0 counts, but for the opacity.

    Raises
    ------
    ListError
        If it is no picture, or one in a format with loss, which leaves no sharp zero.
    """
    from PIL import Image, UnidentifiedImageError  # noqa: PLC0415

    try:
        with Image.open(io.BytesIO(data)) as picture:
            if picture.format in {"JPEG", "MPO", "WEBP", "AVIF"}:
                raise ListError("is a picture with loss, whose black is not exact: use PNG")
            shown = picture.convert("RGB") if picture.mode in {"P", "PA", "RGBA", "LA"} else picture
            values = np.asarray(shown)
    except UnidentifiedImageError as error:
        raise ListError("is not a picture: check --format") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ListError(f"is not a picture that can be read ({error})") from error
    return _found(np.any(values, axis=2) if values.ndim == 3 else np.not_equal(values, 0))


def write_fits(content: Content) -> bytes:
    """Return a FITS file with one 8-bit image: 1 where a photosite is bad, else 0."""
    height, width = content.frame.height, content.frame.width
    camera = content.about.camera
    cards = [
        _card("SIMPLE", "T", "FITS standard 4.0"),
        _card("BITPIX", "8", "0 good, 1 bad"),
        _card("NAXIS", "2"),
        _card("NAXIS1", str(width)),
        _card("NAXIS2", str(height)),
        _card("ROWORDER", "'BOTTOM-UP'", "the first row is the lowest"),
        _card("INSTRUME", _quoted(camera.model or camera.make)),
        *([_card("DET_SER", _quoted(camera.serial))] if camera.serial else []),
        _card("IMAGETYP", "'BPM     '", "bad-pixel mask"),
        *(f"COMMENT {part}".ljust(_CARD) for part in re.findall(".{1,72}", content.about.sentence)),
        "END".ljust(_CARD),
    ]
    head = "".join(cards).encode("ascii")
    # The rows of the frame count from the bottom already.
    image = _mask(content).tobytes()
    return head + b" " * (-len(head) % _BLOCK) + image + bytes(-len(image) % _BLOCK)


def read_fits(data: bytes) -> Found:
    """Read the primary image of a FITS file as a mask.

    Raises
    ------
    ListError
        If it is no FITS file, or its first part is no plain image of two axes.
    """
    if not data.startswith(b"SIMPLE  ="):
        raise ListError("is not a FITS file")
    header, start = _header(data)
    height, width = (int(header.get(name, "0")) for name in ("NAXIS2", "NAXIS1"))
    kind = _TYPES.get(header.get("BITPIX", ""))
    if header.get("NAXIS") != "2" or kind is None or height < 1 or width < 1:
        raise ListError("has no plain image of two axes in its first part: save the mask uncompressed")
    size = height * width * np.dtype(kind).itemsize
    if start + size > len(data):
        raise ListError("ends too early")
    values = np.frombuffer(data, kind, height * width, start).reshape(height, width)
    physical = values.astype(np.float64) * _number(header, "BSCALE", 1.0) + _number(header, "BZERO", 0.0)
    return _found(
        np.not_equal(physical, 0), bottom_up=header.get("ROWORDER", "").strip("' ").upper() != "TOP-DOWN"
    )


def _header(data: bytes) -> tuple[dict[str, str], int]:
    """Return the values of the keywords as text, and where the data begin."""
    header: dict[str, str] = {}
    for at in range(0, len(data) - _CARD + 1, _CARD):
        card = data[at : at + _CARD].decode("ascii", "replace")
        name = card[:8].strip()
        if name == "END":
            return header, -(-(at + _CARD) // _BLOCK) * _BLOCK
        if card[8:10] == "= ":
            value = card[10:].strip()
            quoted = re.match(r"'((?:[^']|'')*)'", value)
            header.setdefault(name, quoted[1] if quoted else value.partition("/")[0].strip())
    raise ListError("has a header without an end")


def _number(header: dict[str, str], name: str, default: float) -> float:
    try:
        return float(header.get(name, default))
    except ValueError:
        raise ListError(f"has {header[name]!r} for {name}, which is no number") from None


def _card(name: str, value: str, comment: str = "") -> str:
    shown = value.ljust(20) if value.startswith("'") else value.rjust(20)
    return f"{name:8}= {shown}{f' / {comment}' if comment else ''}".ljust(_CARD)[:_CARD]


def _quoted(text: str) -> str:
    plain = text.encode("ascii", "replace").decode("ascii").replace("'", "''")[:60]
    return f"'{plain:8}'"


def _mask(content: Content) -> NDArray[np.uint8]:
    mask = np.zeros((content.frame.height, content.frame.width), np.uint8)
    for box in content.boxes:
        mask[box.top : box.bottom, box.left : box.right] = 1
    for mark in content.marks:
        mask[mark.row, mark.col] = 1
    return mask


def _found(bad: NDArray[np.bool_], *, bottom_up: bool | None = None) -> Found:
    height, width = bad.shape
    if 2 * int(np.count_nonzero(bad)) > height * width:
        raise ListError("marks more than half of the picture: 0 should be good, anything else bad")
    rows, cols = np.nonzero(bad)
    marks = tuple(Mark(row, col) for row, col in zip(rows.tolist(), cols.tolist(), strict=True))
    return Found(marks, size=(height, width), bottom_up=bottom_up)

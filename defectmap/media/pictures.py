"""Single pixels of a picture replaced by the mean of their neighbours; everything else stays as it is.

Of a JPEG only the blocks with these pixels are coded anew. Pictures of formats without loss are written again
in their format with their metadata. Others are refused: writing them again would change every pixel.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from defectmap.errors import FailedPhotoError, SkippedPhotoError, UsageError
from defectmap.media.discover import sniff
from defectmap.media.jpegcodec import BlockPicture, Delta, open_picture
from defectmap.model.correction import eight_neighbour_mean

_ORIENTATION = 0x0112
_MODES = {"L", "LA", "RGB", "RGBA", "P", "I;16", "I;16B"}
_LOSSLESS = {"PNG", "TIFF", "BMP", "PPM", "TGA", "GIF"}
_LOSSY_TIFF = {"jpeg", "tiff_jpeg", "webp"}
# Directories and packets of a TIFF that libtiff does not write, and the texts that are copied with them:
# description, software, date, artist, rating, XMP, copyright, IPTC, Exif, GPS.
_LEFT_TO_EXIV2 = (270, 305, 306, 315, 18246, 700, 33432, 33723, 34665, 34853)

Values = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """One pixel before and after.

    Attributes
    ----------
    x, y : int
        As a viewer shows the picture, turned as its metadata say.
    old, new : tuple of int
        One value per channel: grey, red-green-blue, and alpha where there is one.
    """

    x: int
    y: int
    old: Values
    new: Values


def patch_pixels(data: bytes, points: Sequence[tuple[int, int]]) -> tuple[bytes, tuple[Change, ...]]:
    """Replace pixels by the weighted mean of the eight around them.

    Parameters
    ----------
    data : bytes
        The whole file: a JPEG, or a picture in a format without loss, with up to 8 bits per channel or as
        grey with 16.
    points : sequence of (x, y)
        As a viewer shows the picture. None of them is used to replace another while it has other neighbours.

    Returns
    -------
    data : bytes
        The whole new file, in the same format. A picture with a palette keeps it, and the pixel becomes the
        nearest of its colours. A JPEG keeps its coarseness: the pixel becomes what its block can hold, and
        samples of colour that several pixels share are replaced as one.
    changes : tuple of Change
        In the order of `points`.

    Raises
    ------
    UsageError
        If a point is outside of the picture.
    PhotoError
        If the picture cannot be read, or not be written again without loss.
    """
    if sniff(data) == "raw":
        raise SkippedPhotoError("is a raw photo, which has photosites, not pixels: use `defectmap fix`")
    picture = _open(data)
    width, height = picture.size
    places = [_stored(x, y, width, height, _orientation(picture)) for x, y in points]
    for (x, y), (row, col) in zip(points, places, strict=True):
        if not (0 <= row < height and 0 <= col < width):
            raise UsageError(f"{x},{y} is outside of the picture")
    if width * height == 1:
        raise SkippedPhotoError("is a single pixel, which has no neighbours")
    if picture.format in {"JPEG", "MPO"}:
        patched = _patched_jpeg(data, places)
    else:
        _refuse_lossy(picture)
        patched = _saved(data, picture, _replaced(picture, places))
    before = [_colour(picture, place) for place in places]
    picture = _open(patched)
    after = [_colour(picture, place) for place in places]
    return patched, tuple(
        Change(x, y, old, new) for (x, y), old, new in zip(points, before, after, strict=True)
    )


def _open(data: bytes) -> Image.Image:
    """Open and decode a picture; Pillow's troubles come out as :class:`FailedPhotoError`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            picture = Image.open(io.BytesIO(data))
            coding = str(picture.tile)
            picture.load()
    except UnidentifiedImageError:
        raise SkippedPhotoError("is not a picture of a kind that is known") from None
    # Pillow's parsers let many kinds of exception through on corrupt data.
    except Exception as error:
        raise FailedPhotoError(f"cannot be read: {error or type(error).__name__}") from error
    if ";16" in coding and not picture.mode.startswith("I"):
        raise SkippedPhotoError("has 16 bits per colour, which would be cut to 8")
    return picture


def _orientation(picture: Image.Image) -> int:
    return int(picture.getexif().get(_ORIENTATION, 1))


def _stored(x: int, y: int, width: int, height: int, orientation: int) -> tuple[int, int]:
    """Return the stored (row, col) of a pixel as shown (Exif 2.32, tag Orientation)."""
    right, bottom = width - 1, height - 1
    return {
        2: (y, right - x),
        3: (bottom - y, right - x),
        4: (bottom - y, x),
        5: (x, y),
        6: (bottom - x, y),
        7: (bottom - x, right - y),
        8: (x, right - y),
    }.get(orientation, (y, x))


def _colour(picture: Image.Image, place: tuple[int, int]) -> Values:
    """Return a pixel of the stored picture; one with a palette as the colour that it means."""
    row, col = place
    pixel = picture.crop((col, row, col + 1, row + 1))
    if picture.mode == "P":
        pixel = pixel.convert(_full_mode(picture))
    value = pixel.getpixel((0, 0))
    return tuple(int(v) for v in value) if isinstance(value, tuple) else (int(value or 0),)


def _full_mode(picture: Image.Image) -> str:
    return "RGBA" if "transparency" in picture.info else "RGB"


def _refuse_lossy(picture: Image.Image) -> None:
    """Refuse what cannot be written again with every other pixel as it was."""
    kind = picture.format or "unknown"
    if kind not in _LOSSLESS or picture.info.get("compression") in _LOSSY_TIFF:
        raise SkippedPhotoError(f"is a {kind} that would lose quality: convert it to PNG or TIFF first")
    if getattr(picture, "n_frames", 1) != 1:
        raise SkippedPhotoError("holds several pictures, of which only one would be kept")
    if picture.mode not in _MODES:
        raise SkippedPhotoError(f"has pixels of a kind that is not patched: {picture.mode}")


def _replaced(picture: Image.Image, places: Sequence[tuple[int, int]]) -> Image.Image:
    """Return the picture with the pixels replaced."""
    stored: NDArray[Any] = np.asarray(picture)
    has_palette = picture.mode == "P"
    shown: NDArray[Any] = np.asarray(picture.convert(_full_mode(picture))) if has_palette else stored
    bad = _marked(shown.shape[:2], places)
    changed = stored.copy()
    for row, col in places:
        value = eight_neighbour_mean(shown, row, col, bad)
        changed[row, col] = _nearest_entry(stored, shown, value) if has_palette else value
    result = picture.copy()
    result.frombytes(changed.tobytes())
    return result


def _marked(shape: tuple[int, ...], places: Sequence[tuple[int, int]]) -> NDArray[np.bool_]:
    marked = np.zeros(shape, np.bool_)
    for row, col in places:
        marked[row, col] = True
    return marked


def _nearest_entry(indices: NDArray[Any], shown: NDArray[Any], colour: NDArray[Any]) -> int:
    """Return the index whose colour, as it occurs in the picture, is nearest to a wanted one."""
    used, first = np.unique(indices, return_index=True)
    colours = shown.reshape(-1, shown.shape[-1])[first].astype(np.int64)
    return int(used[np.square(colours - colour).sum(axis=1).argmin()])


def _saved(source: bytes, picture: Image.Image, changed: Image.Image) -> bytes:
    """Return the changed picture as a file like the one it comes from."""
    stream = io.BytesIO()
    try:
        changed.save(stream, picture.format, **_options(picture))
    except (OSError, ValueError, RuntimeError) as error:
        raise FailedPhotoError(f"cannot be written again: {error}") from error
    data = stream.getvalue()
    if picture.format == "TIFF":
        from defectmap.media.carrying import with_metadata_of  # noqa: PLC0415 - loads tifffile and exiv2

        data = with_metadata_of(source, data)
    again = _open(data)
    if again.mode != changed.mode or not np.array_equal(np.asarray(again), np.asarray(changed)):
        raise FailedPhotoError("was left alone: its patched copy does not read back as it should")
    return data


def _options(picture: Image.Image) -> Mapping[str, Any]:
    """Return what Pillow must be told to keep of a file besides its pixels."""
    info = picture.info
    if picture.format == "GIF":
        return _picked(info, "transparency", "comment", "background") | {"optimize": False}
    options = _picked(info, "icc_profile", "dpi", "transparency", "compression")
    if len(exif := picture.getexif()):
        options["exif"] = exif
    if picture.format == "TIFF":
        for tag in _LEFT_TO_EXIV2:
            exif.pop(tag, None)
    if picture.format == "PNG":
        text = PngInfo()
        for name, value in getattr(picture, "text", {}).items():
            text.add_itxt(name, str(value)) if hasattr(value, "lang") else text.add_text(name, str(value))
        options["pnginfo"] = text
    return options


def _picked(info: Mapping[Any, Any], *names: str) -> dict[str, Any]:
    return {name: info[name] for name in names if name in info}


def _patched_jpeg(data: bytes, places: Sequence[tuple[int, int]]) -> bytes:
    patch = open_picture(data)
    deltas = []
    for index, component in enumerate(patch.header.components):
        samples = {(row // component.row_step, col // component.col_step) for row, col in places}
        # Changes to one block go together: each would be rounded to its coarseness alone.
        blocks: dict[tuple[int, int], NDArray[np.float64]] = {}
        for row, col in sorted(samples):
            top, left = row // 8 * 8, col // 8 * 8
            shape = min(8, component.height - top), min(8, component.width - left)
            block = blocks.setdefault((top, left), np.zeros(shape))
            block[row - top, col - left] = _jpeg_change(patch, index, row, col, samples)
        deltas += [Delta(index, top, left, block) for (top, left), block in blocks.items()]
    patch.add(deltas)
    return patch.to_bytes()


def _jpeg_change(
    patch: BlockPicture, component: int, row: int, col: int, bad: Iterable[tuple[int, int]]
) -> float:
    """Return what makes a sample the mean of those around it."""
    size = patch.header.components[component]
    top, left = max(row - 1, 0), max(col - 1, 0)
    height, width = min(row + 2, size.height) - top, min(col + 2, size.width) - left
    if height * width == 1:
        return 0.0
    window = patch.window(component, top, left, height, width)
    inside = [(r - top, c - left) for r, c in bad if 0 <= r - top < height and 0 <= c - left < width]
    mean = eight_neighbour_mean(window, row - top, col - left, _marked(window.shape, inside))
    return float(mean - window[row - top, col - left])

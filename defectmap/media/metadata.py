"""Which camera took a photo, and under which conditions, read by exiv2 from memory.

Tags: Exif 2.32 (CIPA DC-008), DNG 1.7, and the MakerNotes as exiv2 names them. Nothing in a file is trusted:
a value that makes no sense counts as not written.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from math import isfinite

import exiv2

from defectmap.errors import FailedPhotoError
from defectmap.media.jpegheader import read_header
from defectmap.media.originality import edited_by
from defectmap.model.frame import Conditions
from defectmap.model.sensor import SensorIdentity, StreamKind

exiv2.LogMsg.setLevel(exiv2.LogMsg.Level.mute)
# exiv2's XMP parser keeps global state; reading takes well under a millisecond, so one at a time will do.
_exiv2_lock = threading.Lock()

# Each list in order of preference.
_SERIAL = (
    "Exif.Photo.BodySerialNumber",
    "Exif.Nikon3.SerialNumber",
    "Exif.Nikon3.SerialNO",
    "Exif.Canon.SerialNumber",
    "Exif.OlympusEq.SerialNumber",
    "Exif.OlympusEq.InternalSerialNumber",
    "Exif.Olympus.SerialNumber2",
    "Exif.Olympus2.SerialNumber2",
    "Exif.Fujifilm.SerialNumber",
    "Exif.Panasonic.InternalSerialNumber",
    "Exif.Pentax.SerialNumber",
    "Exif.PentaxDng.SerialNumber",
    "Exif.Sony1.SerialNumber",
    "Exif.Sony2.SerialNumber",
    "Exif.Sigma.SerialNumber",
    "Exif.Image.CameraSerialNumber",
)
_TIMES = (  # and the tag of the sub-seconds that go with it
    ("Exif.Photo.DateTimeOriginal", "Exif.Photo.SubSecTimeOriginal"),
    ("Exif.Image.DateTimeOriginal", "Exif.Photo.SubSecTimeOriginal"),
    ("Exif.Photo.DateTimeDigitized", "Exif.Photo.SubSecTimeDigitized"),
    ("Exif.Image.DateTime", "Exif.Photo.SubSecTime"),
)
_EXPOSURE = ("Exif.Photo.ExposureTime", "Exif.Image.ExposureTime")
_ISO = (
    "Exif.Photo.ISOSpeedRatings",
    "Exif.Photo.RecommendedExposureIndex",
    "Exif.Photo.ISOSpeed",
    "Exif.Photo.StandardOutputSensitivity",
    "Exif.Image.ISOSpeedRatings",
    "Exif.Nikon3.ISOSpeed",
    "Exif.Nikon1.ISOSpeed",
    "Exif.Nikon2.ISOSpeed",
)
_CANON_ISO = ("Exif.CanonSi.ISOSpeed", "Exif.CanonSi.AutoISO")
_SHUTTER_COUNT = (
    "Exif.Nikon3.ShutterCount",
    "Exif.Nikon3.MechanicalShutterCount",
    "Exif.PentaxDng.ShutterCount",
)
_FOCAL_LENGTH = ("Exif.Photo.FocalLength", "Exif.Image.FocalLength")
_TEMPERATURE = (
    "Exif.SonyMisc1.CameraTemperature",
    "Exif.Pentax.Temperature",
    "Exif.PentaxDng.Temperature",
    "Exif.OlympusFi.SensorTemperature",
    "Exif.Olympus.SensorTemperature",
    "Exif.Samsung2.CameraTemperature",
)
_CANON_TEMPERATURE = "Exif.CanonSi.CameraTemperature"
_SOFTWARE = ("Exif.Image.Software", "Exif.Canon.FirmwareVersion")
_NOISE_REDUCTION = (
    "Exif.Nikon3.NoiseReduction",
    "Exif.Sony1.LongExposureNoiseReduction",
    "Exif.Sony2.LongExposureNoiseReduction",
    "Exif.CanonLiOp.LongExposureNoiseReduction",
    "Exif.CanonFi.NoiseReduction",
    "Exif.OlympusCs.NoiseReduction",
    "Exif.Olympus.NoiseReduction",
    "Exif.Panasonic.LongShutterNoiseReduction",
    "Exif.Panasonic.NoiseReduction",
    "Exif.Pentax.NoiseReduction",
    "Exif.Fujifilm.NoiseReduction",
)
_MAKE, _MODEL = "Exif.Image.Make", "Exif.Image.Model"
_ORIENTATION = "Exif.Image.Orientation"

_WANTED = frozenset(
    (
        *_SERIAL,
        *(tag for pair in _TIMES for tag in pair),
        *_EXPOSURE,
        *_ISO,
        *_CANON_ISO,
        *_SHUTTER_COUNT,
        *_FOCAL_LENGTH,
        *_TEMPERATURE,
        _CANON_TEMPERATURE,
        *_SOFTWARE,
        *_NOISE_REDUCTION,
        _MAKE,
        _MODEL,
        _ORIENTATION,
    )
)
_TIME = re.compile(r"(\d{4})[:/-](\d\d)[:/-](\d\d)[ T](\d\d):(\d\d):(\d\d)(?!\d)")
_BYTES = re.compile(r"\d{1,3}(?: \d{1,3}){3,}")
_LEAST_SERIAL_LETTERS = 4

Tags = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PhotoInfo:
    """What a photo says of itself.

    Attributes
    ----------
    kind : {"raw", "jpeg"}
    identity : SensorIdentity
    conditions : Conditions
    width, height : int or None
        Stored size of a JPEG in pixels; None for a raw, whose decoder knows its size better.
    not_original : str or None
        Why the file is not what the camera wrote, as the end of a sentence; None for an original.
    """

    kind: StreamKind
    identity: SensorIdentity
    conditions: Conditions
    width: int | None
    height: int | None
    not_original: str | None


def read_info(data: bytes, kind: StreamKind) -> PhotoInfo:
    """Read camera, conditions and origin of a photo.

    Parameters
    ----------
    data : bytes
        The whole file.
    kind : {"raw", "jpeg"}
        What :func:`defectmap.media.discover.sniff` made of it.

    Raises
    ------
    FailedPhotoError
        The header is corrupt or truncated.
    """
    header = read_header(data) if kind == "jpeg" else None
    tags = _read_tags(data)
    identity = SensorIdentity(_clean(tags.get(_MAKE, "")), _clean(tags.get(_MODEL, "")), _serial(tags))
    return PhotoInfo(
        kind=kind,
        identity=identity,
        conditions=_conditions(tags, identity),
        width=header.width if header else None,
        height=header.height if header else None,
        not_original=_why_not_original(tags, identity, mosaic=kind == "raw"),
    )


def _read_tags(data: bytes) -> dict[str, str]:
    """Read the wanted tags as text; of a tag that occurs twice, the first."""
    tags: dict[str, str] = {}
    try:
        with _exiv2_lock:
            image = exiv2.ImageFactory.open(data)
            image.readMetadata()
            exif = image.exifData()
            for datum in exif:
                key = datum.key()
                if key not in _WANTED or key in tags:
                    continue
                try:
                    tags[key] = datum.print(exif) if key in _NOISE_REDUCTION else datum.toString()
                except (UnicodeDecodeError, exiv2.Exiv2Error):
                    continue
    except exiv2.Exiv2Error as error:
        raise FailedPhotoError(f"has metadata that cannot be read: {_clean(error.message)}") from error
    except (UnicodeDecodeError, MemoryError) as error:
        raise FailedPhotoError("has metadata that cannot be read: they are corrupt") from error
    return tags


def _why_not_original(tags: Tags, identity: SensorIdentity, *, mosaic: bool) -> str | None:
    """Return the reason when the file is not what the camera wrote."""
    if not identity.make and not identity.model:
        return "does not say which camera took it"
    programs = [_clean(tags[tag]) for tag in _SOFTWARE if tag in tags]
    program = edited_by(programs, mosaic=mosaic)
    return None if program is None else f"was written by {program}, not by the camera"


def _conditions(tags: Tags, identity: SensorIdentity) -> Conditions:
    """Gather what the camera wrote about the exposure."""
    orientation = _integer(tags, _ORIENTATION)
    return Conditions(
        captured=_captured(tags),
        exposure_s=_first(_fractions(tags, _EXPOSURE), 1e-7, 1e6),
        iso=_iso(tags),
        shutter_count=_shutter_count(tags),
        focal_length_mm=_first(_fractions(tags, _FOCAL_LENGTH), 0.1, 1e5),
        temperature_c=_temperature(tags, identity),
        orientation=orientation if 1 <= orientation <= 8 else None,
        software=_text(tags, _SOFTWARE),
        noise_reduction=_text(tags, _NOISE_REDUCTION),
    )


def _clean(text: str) -> str:
    """Cut text at its first NUL and fold its blanks; "" where anything in it cannot be printed."""
    text = " ".join(text.split("\0", 1)[0].split())
    return text if text.isprintable() else ""


def _text(tags: Tags, names: Iterable[str]) -> str | None:
    """Return the first tag that holds text."""
    return next(filter(None, (_clean(tags.get(name, "")) for name in names)), None)


def _serial(tags: Tags) -> str | None:
    """Return the body's serial number, cleaned of what cameras put around it or in its place."""
    for name in _SERIAL:
        text = tags.get(name, "")
        if _BYTES.fullmatch(text):
            # Bytes without a type: text in some cameras (Panasonic), encrypted in others (Pentax).
            codes = [int(code) for code in text.split()]
            text = bytes(codes).decode("latin-1") if max(codes) < 127 else ""
        serial = _clean(text).removeprefix("NO=").strip()
        if name == "Exif.Canon.SerialNumber":
            serial = serial.split(" ")[0].zfill(10)  # CRW files append a second number
        enough = len(serial) >= _LEAST_SERIAL_LETTERS or serial.isdigit()
        if enough and serial.isascii() and set(serial) & set("123456789") and len(serial) <= 64:
            return serial
    return None


def _captured(tags: Tags) -> datetime | None:
    """Return the moment of capture by the camera's clock."""
    for name, sub_second in _TIMES:
        match = _TIME.match(_clean(tags.get(name, "")))
        if match is None:
            continue
        fraction = re.match(r"\d*", _clean(tags.get(sub_second, "")))
        digits = fraction.group() if fraction else ""
        year, month, day, hour, minute, second = (int(part) for part in match.groups())
        microsecond = int(digits.ljust(6, "0")[:6])
        try:
            moment = datetime(year, month, day, hour, minute, second, microsecond)
        except ValueError:  # "0000:00:00 00:00:00" of a clock that was never set
            continue
        if 1980 <= moment.year < 2100:
            return moment
    return None


def _fractions(tags: Tags, names: Iterable[str]) -> Iterable[float]:
    """Read the first number of each tag: a fraction such as "10/2500", an integer or a decimal."""
    for name in names:
        numerator, _, denominator = tags.get(name, "").split(" ")[0].partition("/")
        try:
            yield float(numerator) / float(denominator or 1)
        except (ValueError, ZeroDivisionError, OverflowError):
            continue


def _first(numbers: Iterable[float], least: float, most: float) -> float | None:
    """Return the first number within the limits."""
    return next((number for number in numbers if isfinite(number) and least <= number <= most), None)


def _integer(tags: Tags, name: str) -> int:
    """Read the first number of a tag as an integer, 0 where there is none."""
    text = tags.get(name, "").split(" ")[0]
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


def _iso(tags: Tags) -> float | None:
    """Return the sensitivity.

    65535 in the first tag stands for a value that does not fit; old Nikons write a pair whose second number
    counts; old Canons write it as two exponents (base and automatic gain, 32 to the stop, base ISO 100/32).
    """
    candidates = []
    for name in _ISO:
        words = tags.get(name, "").split()
        word = words[-1] if words and ".Nikon" in name else (words[0] if words else "")
        if word.isascii() and word.isdigit() and len(word) < 10 and int(word) != 65535:
            candidates.append(float(word))
    if _CANON_ISO[0] in tags:
        base, automatic = (_integer(tags, name) for name in _CANON_ISO)
        if 0 < base < 1000 and automatic < 1000:
            candidates.append(float(round(100 / 32 * 2 ** ((base + automatic) / 32))))
    return _first(candidates, 1, 5e6)


def _shutter_count(tags: Tags) -> int | None:
    """Return the number of releases so far."""
    return next((count for name in _SHUTTER_COUNT if 0 < (count := _integer(tags, name)) < 20_000_000), None)


def _temperature(tags: Tags, identity: SensorIdentity) -> float | None:
    """Return the camera's temperature; 0 means that none was measured."""
    raised = _integer(tags, _CANON_TEMPERATURE)
    if raised and "EOS" in identity.model:
        return _first([raised - 128.0], -50, 120)
    degrees = _first(_fractions(tags, _TEMPERATURE), -50, 120)
    return degrees or None

"""Names of cameras as raw converters build them, which look for their lists under these names."""

from __future__ import annotations

import re
from typing import Final

from defectmap.model.sensor import SensorIdentity

# dcraw's identify() and LibRaw's table of makers: a make that contains one of these words is called by it.
_MAKERS: Final = (
    "AgfaPhoto",
    "Canon",
    "Casio",
    "DJI",
    "Epson",
    "Fujifilm",
    "Hasselblad",
    "Kodak",
    "Konica Minolta",
    "Leica",
    "Mamiya",
    "Minolta",
    "Motorola",
    "Nikon",
    "Nokia",
    "Olympus",
    "OM Digital",
    "Panasonic",
    "Pentax",
    "Phase One",
    "Ricoh",
    "Samsung",
    "Sigma",
    "Sinar",
    "Sony",
    "Yi",
)


def converter_name(camera: SensorIdentity) -> str:
    """Return ``Make Model`` as dcraw, LibRaw and RawTherapee name a camera, such as ``Nikon D80``."""
    make = next((m for m in _MAKERS if re.search(rf"\b{m}\b", camera.make, re.IGNORECASE)), camera.make)
    model = camera.model
    for prefix in (make, camera.make):
        if prefix and model.lower().startswith(f"{prefix.lower()} "):
            model = model[len(prefix) + 1 :].strip()
    return f"{make} {model}".strip() or "camera"


def file_name(camera: SensorIdentity, suffix: str) -> str:
    """Return ``Make Model Serial`` with a suffix; characters that no file name may have become ``_``."""
    name = converter_name(camera) + (f" {camera.serial}" if camera.serial else "")
    return re.sub(r'[\x00-\x1f/\\:*?"<>|]', "_", name) + suffix

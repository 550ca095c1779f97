"""What is true about a simulated camera and its photos, and its JSON form."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from defectmap.model.defects import Kind
from defectmap.model.frame import Conditions
from defectmap.model.sensor import MosaicGeometry, SensorIdentity
from defectmap.simulation.sensor import PlantedDefect


@dataclass(frozen=True, slots=True)
class Exposure:
    """One planned release of the shutter: everything about it but the picture.

    Attributes
    ----------
    index : int
        Number of the frame, from 0.
    scene_id : int
        Frames of one tripod run share it.
    conditions : Conditions
        What the camera writes into the file.
    temperature_c : float
        Temperature of the chip, which the file does not tell.
    brightness : float
        Light of this frame relative to the scene's own.
    """

    index: int
    scene_id: int
    conditions: Conditions
    temperature_c: float
    brightness: float

    @property
    def captured(self) -> datetime:
        """Capture time, which a simulated camera always knows."""
        assert self.conditions.captured is not None
        return self.conditions.captured


@dataclass(frozen=True, slots=True)
class GroundTruth:
    """A simulated sensor, its planted defects and the frames it took.

    Attributes
    ----------
    identity : SensorIdentity
    geometry : MosaicGeometry
    seed : int
    defects : tuple of PlantedDefect
        Ordered by (row, col), in full stored raw coordinates.
    frames : tuple of Exposure
    files : tuple of tuple of str
        Names of the files written for each frame; empty where none were.
    """

    identity: SensorIdentity
    geometry: MosaicGeometry
    seed: int
    defects: tuple[PlantedDefect, ...]
    frames: tuple[Exposure, ...] = ()
    files: tuple[tuple[str, ...], ...] = ()

    @property
    def sites(self) -> frozenset[tuple[int, int]]:
        """Raw positions of the planted defects."""
        return frozenset((defect.row, defect.col) for defect in self.defects)

    @property
    def jpeg_sites(self) -> frozenset[tuple[int, int]]:
        """Positions of the planted defects on the grid of a JPEG that shows the whole visible area."""
        return frozenset((row - self.geometry.top, col - self.geometry.left) for row, col in self.sites)

    def at(self, row: int, col: int) -> PlantedDefect | None:
        """Return the defect planted at a raw position, None where the photosite is healthy."""
        return next((d for d in self.defects if (d.row, d.col) == (row, col)), None)

    def bad_at(self, moment: datetime) -> tuple[PlantedDefect, ...]:
        """Return the defects that are bad at a moment."""
        return tuple(defect for defect in self.defects if defect.bad_at(moment))

    def frames_where_bad(self, defect: PlantedDefect) -> tuple[Exposure, ...]:
        """Return the frames taken while the site was bad (whether or not it shows in them)."""
        return tuple(frame for frame in self.frames if defect.bad_at(frame.captured))

    def with_frames(self, frames: Iterable[Exposure], files: Iterable[tuple[str, ...]] = ()) -> GroundTruth:
        """Return the same truth about other frames."""
        return replace(self, frames=tuple(frames), files=tuple(files))

    def to_json(self) -> str:
        """Return the whole as a JSON document."""
        return json.dumps(asdict(self), default=datetime.isoformat, indent=1)

    @classmethod
    def from_json(cls, text: str) -> GroundTruth:
        """Return what :meth:`to_json` wrote.

        Raises
        ------
        ValueError
            When the text is not such a document.
        """
        try:
            return _read(json.loads(text))
        except (KeyError, TypeError, AttributeError) as problem:
            raise ValueError(f"not the ground truth of a simulated camera: {problem!r}") from problem

    def save(self, path: Path) -> None:
        """Write the JSON document to a file."""
        path.write_text(self.to_json(), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> GroundTruth:
        """Read the JSON document from a file."""
        return cls.from_json(path.read_text(encoding="utf-8"))


def _read(document: dict[str, Any]) -> GroundTruth:
    geometry = dict(document["geometry"])
    geometry["cfa"] = tuple(geometry["cfa"])
    geometry["black"] = tuple(geometry["black"])
    return GroundTruth(
        identity=SensorIdentity(**document["identity"]),
        geometry=MosaicGeometry(**geometry),
        seed=document["seed"],
        defects=tuple(
            PlantedDefect(
                **{
                    **entry,
                    "kind": Kind(entry["kind"]),
                    "onset": _moment(entry["onset"]),
                    "healed": _moment(entry["healed"]),
                }
            )
            for entry in document["defects"]
        ),
        frames=tuple(
            Exposure(**{**entry, "conditions": _conditions(entry["conditions"])})
            for entry in document["frames"]
        ),
        files=tuple(tuple(names) for names in document["files"]),
    )


def _conditions(entry: dict[str, Any]) -> Conditions:
    return Conditions(**{**entry, "captured": _moment(entry["captured"])})


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)

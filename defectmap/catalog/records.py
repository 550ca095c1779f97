"""What goes into the catalog and comes out of it: frozen values, no SQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

from defectmap.model.defects import DefectMap
from defectmap.model.frame import Conditions
from defectmap.model.listed import ListedSite
from defectmap.model.scenes import Framing
from defectmap.model.sensor import Grid, MosaicGeometry, SensorIdentity

Outcome = Literal["frame", "skipped", "failed"]


@dataclass(frozen=True, slots=True)
class SensorRecord:
    """A sensor of the catalog."""

    id: int
    identity: SensorIdentity
    nickname: str | None

    @property
    def name(self) -> str:
        """The nickname if there is one, else the sensor's own name."""
        return self.nickname or self.identity.name


@dataclass(frozen=True, slots=True)
class StreamRecord:
    """A stream of a sensor.

    Attributes
    ----------
    id, sensor_id : int
    grid : Grid
    geometry : MosaicGeometry or None
        None for a stream of JPEG files.
    method : int
        Version of the measure that its evidence is in; evidence of two versions is never added.
    """

    id: int
    sensor_id: int
    grid: Grid
    geometry: MosaicGeometry | None
    method: int


@dataclass(frozen=True, slots=True)
class FrameRecord:
    """A frame to be added.

    Attributes
    ----------
    digest : bytes
        32-byte digest of the file's content.
    name : str
        File name without its folder; the last resort for the order of frames.
    conditions : Conditions
    signature : bytes or None
        What tells its scene from others.
    counted : bool
        Whether its evidence is in the planes.
    epoch : int
        The epoch whose planes hold its evidence.
    level_dn, contrast_dn : float or None
        What makes brightness of the signature, see `Framing`; None where that is not known.
    """

    digest: bytes
    name: str
    conditions: Conditions = field(default_factory=Conditions)
    signature: bytes | None = None
    counted: bool = True
    epoch: int = 0
    level_dn: float | None = None
    contrast_dn: float | None = None


@dataclass(frozen=True, slots=True)
class StoredFrame:
    """A frame of the catalog.

    `signature` is None also where it was not asked for; `scene` is the frame's own id until it was compared.
    """

    id: int
    stream_id: int
    digest: bytes
    name: str
    conditions: Conditions
    signature: bytes | None
    counted: bool
    epoch: int
    level_dn: float | None
    contrast_dn: float | None
    scene: int

    @property
    def framing(self) -> Framing | None:
        """Where it is light and where dark; None where that is not known."""
        if self.signature is None or self.level_dn is None or self.contrast_dn is None:
            return None
        return Framing(self.signature, self.level_dn, self.contrast_dn)


class FileState(NamedTuple):
    """What is known of a file that was looked at, as far as it tells whether to look again."""

    size: int
    mtime_ns: int
    outcome: Outcome
    reason: str


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A file that was looked at.

    Attributes
    ----------
    path : Path
        Absolute; a name that is no valid text survives.
    size : int
        Bytes.
    mtime_ns : int
        Time of last change, in nanoseconds since 1970.
    digest : bytes or None
        32-byte digest of its content; None for a file that could not be read.
    outcome : {"frame", "skipped", "failed"}
    reason : str
        Why it was skipped or failed; "" for a frame.
    frame_id : int or None
        The frame it holds, if it holds one.
    """

    path: Path
    size: int
    mtime_ns: int
    digest: bytes | None
    outcome: Outcome
    reason: str = ""
    frame_id: int | None = None


@dataclass(frozen=True, slots=True)
class RevisionRecord:
    """A revision to be saved: the maps of every stream it judged, and how they came about.

    Attributes
    ----------
    maps : Mapping of int to DefectMap
        By stream id; a stream where nothing was found has an empty map.
    created : datetime
    program_version : str
    method : int
        Version of the decision.
    frames, scenes : int
        What it rests on.
    provenance : Mapping
        Anything else that made it so; plain values that JSON holds.
    """

    maps: Mapping[int, DefectMap]
    created: datetime
    program_version: str
    method: int
    frames: int
    scenes: int
    provenance: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Revision:
    """An immutable, numbered defect map of a sensor; `number` counts from 1 for each sensor."""

    id: int
    sensor_id: int
    number: int
    content: RevisionRecord

    @property
    def maps(self) -> Mapping[int, DefectMap]:
        """The maps by stream id."""
        return self.content.maps


@dataclass(frozen=True, slots=True)
class ListRecord:
    """A list of another program.

    Attributes
    ----------
    name : str
        What it is called here.
    format : str
        How it was written.
    digest : bytes
        32-byte digest of the file it was read from.
    imported : datetime
    sites : tuple of ListedSite
        On the grid of its stream, each once.
    """

    name: str
    format: str
    digest: bytes
    imported: datetime
    sites: tuple[ListedSite, ...]


@dataclass(frozen=True, slots=True)
class StoredList:
    """A list of the catalog."""

    id: int
    stream_id: int
    record: ListRecord


@dataclass(frozen=True, slots=True)
class RepairRecord:
    """A repair to be remembered.

    Attributes
    ----------
    source, output : Path
        Absolute; the same path for a repair in place.
    backup : Path or None
        Where the original is kept; None where the source was left alone.
    source_digest, output_digest : bytes
        Of the content before and after.
    revision_id : int
        The revision whose map was used.
    created : datetime
    """

    source: Path
    output: Path
    backup: Path | None
    source_digest: bytes
    output_digest: bytes
    revision_id: int
    created: datetime


@dataclass(frozen=True, slots=True)
class StoredRepair:
    """A repair of the catalog; `undone` once the original is back."""

    id: int
    repair: RepairRecord
    undone: bool


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What a check of a catalog found; `problems` are sentences, empty when `ok`."""

    problems: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


@dataclass(frozen=True, slots=True)
class AbsorbReport:
    """What became of a shard.

    Attributes
    ----------
    frames_added : int
    known : bool
        True if every frame of the shard was here already, so that nothing was done.
    streams : tuple of int
        Streams (ids of this catalog) whose evidence grew.
    """

    frames_added: int
    known: bool
    streams: tuple[int, ...]

"""What one worker does with photos: identify, decode, score, accumulate. It knows no catalog."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from defectmap.errors import FailedPhotoError, PhotoError, SkippedPhotoError
from defectmap.media.discover import FoundFile, Stamp, content_digest, read_stamped, sniff
from defectmap.model.evidence import Widened
from defectmap.model.faint import FaintSightings
from defectmap.model.frame import Conditions, JpegFrame, RawFrame
from defectmap.model.scenes import Framing
from defectmap.model.sensor import Grid, MosaicGeometry, SensorIdentity, StreamKind
from defectmap.model.study import Gatherer
from defectmap.spool import SpoolDesk, SpooledSums


@dataclass(frozen=True, slots=True)
class Trouble:
    """A file that does not count.

    Attributes
    ----------
    file : FoundFile
    reason : str
        Why, as the end of a sentence that begins with the file's name.
    failed : bool
        True for a file that should have been readable; False for one that is sound but does not count.
    digest : bytes or None
        Of its content; None where it could not be read.
    """

    file: FoundFile
    reason: str
    failed: bool
    digest: bytes | None = None


@dataclass(frozen=True, slots=True)
class Photo:
    """An identified photo.

    Attributes
    ----------
    file : FoundFile
    digest : bytes
    kind : {"raw", "jpeg"}
    identity : SensorIdentity
    conditions : Conditions
    size : tuple of int or None
        Width and height as the header of a JPEG gives them.
    stamp : tuple of int or None
        With the same stamp the file has the same content, see `read_stamped`.
    """

    file: FoundFile
    digest: bytes
    kind: StreamKind
    identity: SensorIdentity
    conditions: Conditions
    size: tuple[int, int] | None
    stamp: Stamp | None = None

    @property
    def year(self) -> int:
        """Year of capture; 0 where unknown."""
        return self.conditions.captured.year if self.conditions.captured else 0

    @property
    def order(self) -> tuple[bool, datetime, int, str, bytes]:
        """Sorts photos of a camera as they were taken; those without a time come last."""
        return capture_order(self.conditions, self.file.path.name, self.digest)


def capture_order(conditions: Conditions, name: str, digest: bytes) -> tuple[bool, datetime, int, str, bytes]:
    """Return a key that sorts frames as they were taken: a total order that depends on the frames alone."""
    when = conditions.captured
    return (when is None, when or datetime.min, conditions.shutter_count or 0, name, digest)


@dataclass(frozen=True, slots=True)
class MeasuredFrame:
    """One frame as measured.

    Attributes
    ----------
    photo : Photo
    framing : Framing
    sightings : ndarray of SIGHTING
    faint : FaintSightings
    counted : bool
        Whether it is in the sums of its part.
    """

    photo: Photo
    framing: Framing
    sightings: NDArray[np.void]
    faint: FaintSightings
    counted: bool


@dataclass(slots=True)
class Part:
    """Frames of one stream and epoch with their sums.

    Attributes
    ----------
    grid : Grid
    geometry : MosaicGeometry or None
        Of its first frame, if raw.
    epoch : int
        Year of capture of the newest frames; 0 for all others.
    frames : list of MeasuredFrame
    arrays : dict of str to ndarray, or SpooledSums
        The sums by name, in types just wide enough for these frames.
    """

    grid: Grid
    geometry: MosaicGeometry | None
    epoch: int
    frames: list[MeasuredFrame] = field(default_factory=list)
    arrays: dict[str, Any] = field(default_factory=dict)

    @property
    def widened(self) -> Widened:
        """The sums in the types of a catalog, widened one by one when they are asked for."""
        return Widened(self.arrays)


@dataclass(slots=True)
class Measurement:
    """The parts that some photos of one camera gave, and the photos that gave none."""

    parts: list[Part] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)


def identify(file: FoundFile) -> Photo | Trouble:
    """Read a file and say which camera took it, and when.

    Parameters
    ----------
    file : FoundFile

    Returns
    -------
    Photo or Trouble
    """
    from defectmap.media.metadata import read_info  # noqa: PLC0415 - exiv2 loads slowly

    digest = None
    try:
        data, stamp = read_stamped(file.path)
        digest = content_digest(data)
        kind = sniff(data)
        if kind is None:
            raise SkippedPhotoError("is not a photo of a camera, or of a kind that is not known")
        info = read_info(data, kind)
        if info.not_original:
            raise SkippedPhotoError(info.not_original)
    except PhotoError as error:
        return Trouble(file, error.reason, isinstance(error, FailedPhotoError), digest)
    size = (info.width, info.height) if info.width and info.height else None
    return Photo(file, digest, kind, info.identity, info.conditions, size, stamp)


def decode(data: bytes, kind: StreamKind) -> RawFrame | JpegFrame:
    """Decode the content of a photo.

    Raises
    ------
    PhotoError
        If it cannot be decoded.
    """
    if kind == "raw":
        from defectmap.media.nefreading import read_raw  # noqa: PLC0415 - LibRaw loads slowly

        return read_raw(data)
    from defectmap.media.jpeg import decode_jpeg  # noqa: PLC0415

    return decode_jpeg(data)


def measure(
    photos: Sequence[Photo],
    *,
    newest: int = 0,
    every_frame: bool = False,
    folder: Path | None = None,
    tick: Callable[[], None] = lambda: None,
) -> Measurement:
    """Decode, score and accumulate photos of one camera.

    Parameters
    ----------
    photos : sequence of Photo
        In order of capture.
    newest : int
        The year whose frames are an epoch of their own; all others are of epoch 0.
    every_frame : bool
        Sum every frame, also the second and further ones of a scene.
    folder : Path, optional
        Where the sums are to be, in files that are there until somebody removes them; else in memory.
    tick : callable, optional
        Called after each photo.

    Returns
    -------
    Measurement
        A part per grid, layout and epoch. With a `folder`, memory is bounded by a few decoded frames of each.
    """
    result = Measurement()
    parts: dict[tuple[Any, ...], _Accumulator] = {}
    for photo in photos:
        frame = _decoded(photo, result.troubles)
        if frame is not None:
            geometry = frame.geometry if isinstance(frame, RawFrame) else None
            epoch = newest if photo.year == newest else 0
            layout = (geometry.cfa, geometry.top, geometry.left) if geometry else ()
            key = (frame.grid, layout, frame_shape(frame), epoch)
            if key not in parts:
                parts[key] = _Accumulator(Part(frame.grid, geometry, epoch), every_frame, folder)
            parts[key].add(photo, frame)
        del frame  # before the next one is decoded
        tick()
    for accumulator in parts.values():
        result.parts.append(accumulator.finish())
    return result


def frame_shape(frame: RawFrame | JpegFrame) -> tuple[int, ...]:
    """Return rows and columns of the decoded plane."""
    return frame.mosaic.shape if isinstance(frame, RawFrame) else frame.luma.shape


def _decoded(photo: Photo, troubles: list[Trouble]) -> RawFrame | JpegFrame | None:
    digest = None
    try:
        data, stamp = read_stamped(photo.file.path)
        same = stamp is not None and stamp == photo.stamp
        if not same and content_digest(data) != photo.digest:
            raise FailedPhotoError("changed while it was being read: ingest it again")
        # From here on the trouble is with the content, and stays.
        digest = photo.digest
        return decode(data, photo.kind)
    except PhotoError as error:
        troubles.append(Trouble(photo.file, error.reason, isinstance(error, FailedPhotoError), digest))
        return None


class _Accumulator:
    """Gathers the frames of one part."""

    def __init__(self, part: Part, every_frame: bool, folder: Path | None) -> None:
        self._part = part
        self._folder = folder
        desk = None if folder is None else SpoolDesk(folder)
        self._gatherer = Gatherer(every_frame=every_frame, desk=desk)
        self._photos: list[Photo] = []

    def add(self, photo: Photo, frame: RawFrame | JpegFrame) -> None:
        self._gatherer.add(frame, photo.conditions)
        self._photos.append(photo)

    def finish(self) -> Part:
        self._part.frames = [
            MeasuredFrame(photo, witness.framing, witness.sightings, witness.faint, witness.counted)
            for photo, witness in zip(self._photos, self._gatherer.witnesses(), strict=True)
        ]
        arrays = self._gatherer.arrays()
        self._part.arrays = arrays if self._folder is None else SpooledSums(arrays)
        return self._part

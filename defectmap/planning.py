"""Which photos are to be repaired, with which map, and into which file. Nothing is written here."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Literal

from defectmap.catalog.records import RepairRecord, Revision, SensorRecord, StreamRecord
from defectmap.catalog.store import Catalog
from defectmap.errors import FailedPhotoError, PhotoError, SkippedPhotoError
from defectmap.measuring import Photo, Trouble, identify
from defectmap.media.discover import (
    ORIGINALS_FOLDER,
    FoundFile,
    TroubledFile,
    content_digest,
    discover,
    read_photo,
)
from defectmap.media.originals import original_of
from defectmap.model.bodyclock import BodyClock
from defectmap.model.footprints import Footprints
from defectmap.model.frame import Conditions
from defectmap.model.registration import Registration, registration_of
from defectmap.model.sensor import Grid, StreamKind
from defectmap.repairing import Corrected, Correction

Format = Literal["same", "dng", "tiff", "jpeg"]
_SUFFIXES: dict[Format, tuple[str, ...]] = {
    "dng": (".dng",),
    "tiff": (".tif", ".tiff"),
    "jpeg": (".jpg", ".jpeg"),
}
Status = Literal["planned", "repaired", "clean", "skipped", "failed"]


@dataclass(frozen=True, slots=True)
class Repair:
    """What is to become of one photo, or became of it.

    Attributes
    ----------
    source : Path
    output : Path or None
        The file that is written, equal to `source` for a repair in place; None where nothing is.
    camera : str
        Name of the sensor; "" where it is not known.
    revision : int or None
        Number of the revision whose map is used.
    repaired : tuple of (row, col)
        On the stream's grid, the full stored raw frame or the stored JPEG. While "planned" the sites to be
        looked at, once "repaired" those that were changed; else empty.
    status : {"planned", "repaired", "clean", "skipped", "failed"}
        "clean": there was nothing to do.
    reason : str
        Why it was not repaired, as the end of a sentence that begins with the source; else "". Of a planned
        or repaired photo, why its date does not help to tell what is bad, and what in it was left as it is.
    """

    source: Path
    output: Path | None
    camera: str
    revision: int | None
    repaired: tuple[tuple[int, int], ...]
    status: Status
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """A photo of a plan and what carrying it out takes.

    Attributes
    ----------
    repair : Repair
    task : Correction or None
        None unless the photo is "planned".
    revision_id : int
    frame_id : int or None
        The frame that the photo is, if the catalog has it.
    replaces : bytes or None
        Digest that the file at the output must have; None where there must be no file yet.
    holds : Path or None
        The file that is the photo's already and that no other photo may be written to.
    """

    repair: Repair
    task: Correction | None = None
    revision_id: int = 0
    frame_id: int | None = None
    replaces: bytes | None = None
    holds: Path | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be done, in the order it would be done in."""

    steps: tuple[Step, ...]

    @property
    def repairs(self) -> tuple[Repair, ...]:
        """The same as a list for people."""
        return tuple(step.repair for step in self.steps)


@dataclass(frozen=True, slots=True)
class _Original:
    """The camera's own content of a photo, wherever it is kept.

    Attributes
    ----------
    file : Path
        The photo itself, or the backup it was repaired from.
    digest, present : bytes
        Of the original, and of what is at the photo's path now.
    """

    file: Path
    digest: bytes
    present: bytes
    camera: str
    sensor: SensorRecord | None
    grid: Grid | None
    kind: StreamKind
    conditions: Conditions
    frame_id: int | None


class Planner:
    """What the catalog knows, arranged for planning."""

    def __init__(
        self, catalog: Catalog, sensors: Sequence[SensorRecord], in_place: bool, form: Format
    ) -> None:
        self._catalog = catalog
        self._wanted = {sensor.id for sensor in sensors}
        self._in_place = in_place
        self._format = form
        self._sensors = {sensor.id: sensor for sensor in catalog.sensors.all()}
        self._by_identity = {sensor.identity: sensor for sensor in self._sensors.values()}
        self._streams = {stream.id: stream for stream in catalog.sensors.streams()}
        self._revisions: dict[int, Revision | None] = {}
        self._clocks: dict[int, tuple[BodyClock, datetime | None]] = {}

    def named(self, paths: Iterable[Path]) -> Iterator[tuple[Path, FoundFile | PhotoError]]:
        """Yield the files at and below some paths."""
        for found in discover(paths):
            yield (
                found.path,
                FailedPhotoError(found.reason) if isinstance(found, TroubledFile) else found,
            )

    def catalogued(self) -> Iterator[tuple[Path, FoundFile | PhotoError]]:
        """Yield one file of each photo that the catalog has of the wanted cameras."""
        for stream in self._streams.values():
            if stream.sensor_id not in self._wanted:
                continue
            for frame in self._catalog.frames.of_stream(stream.id, signatures=False):
                paths = self._catalog.files.paths_of(frame.id)
                # Of a photo repaired in place the original is noted too; the photo itself is what is meant.
                paths.sort(key=lambda path: path.parent.name == ORIGINALS_FOLDER)
                there = [path for path in paths if path.is_file()][:1]
                yield from self.named(there)
                if not there:
                    reason = "is not where it was seen last: bring its drive back, or name its new folder"
                    yield (paths[0] if paths else Path(frame.name)), SkippedPhotoError(reason)

    def step(self, path: Path, found: FoundFile | PhotoError, destination: Path) -> Step:
        """Plan one photo."""
        blank = Repair(path, None, "", None, (), "skipped")
        try:
            if isinstance(found, PhotoError):
                raise found
            original = self._original(found)
            blank = replace(blank, camera=original.camera)
            return self._planned(path, original, destination, blank)
        except PhotoError as error:
            return Step(outcome(blank, error))

    def _original(self, found: FoundFile) -> _Original:
        """Find out which photo a file is, without opening it where the catalog knows."""
        if found.path.parent.name == ORIGINALS_FOLDER:
            raise SkippedPhotoError(
                "is the original of a photo that was repaired in place, and stays as it is"
            )
        record = self._catalog.files.by_path(found.path)
        unchanged = record is not None and (record.size, record.mtime_ns) == (found.size, found.mtime_ns)
        # Size and time do not tell a photo from its repair in place.
        if record is not None and unchanged and not self._catalog.repairs.wrote(found.path):
            if record.outcome != "frame":
                raise (FailedPhotoError if record.outcome == "failed" else SkippedPhotoError)(record.reason)
            digest = record.digest or b""
            if (known := self._known(found.path, digest, digest)) is not None:
                return known
        photo = identify(found)
        if isinstance(photo, Trouble):
            raise (FailedPhotoError if photo.failed else SkippedPhotoError)(photo.reason)
        file, digest = found.path, photo.digest
        if (repair := self._catalog.repairs.of_content(photo.digest)) is not None:
            file, digest = self._kept(found.path, repair), repair.source_digest
        return self._known(file, digest, photo.digest) or self._unknown(file, digest, photo)

    def _kept(self, path: Path, repair: RepairRecord) -> Path:
        """Return where the original of a repaired photo is, also after its folder was moved."""
        if repair.backup is None:
            raise SkippedPhotoError(f"is a repaired copy of {repair.source}")
        kept = next((file for file in (original_of(path), repair.backup) if file.is_file()), None)
        if kept is None:
            raise SkippedPhotoError(
                f"was repaired in place as {repair.output}, and its original {repair.backup} is gone"
            )
        if self._in_place and kept != original_of(path) and path != repair.output and repair.output.exists():
            raise SkippedPhotoError(f"is a copy of {repair.output}, which was repaired in place: repair that")
        return kept

    def _known(self, file: Path, digest: bytes, present: bytes) -> _Original | None:
        frame = self._catalog.frames.by_digest(digest)
        if frame is None:
            return None
        stream = self._streams[frame.stream_id]
        sensor = self._sensors[stream.sensor_id]
        return _Original(
            file,
            digest,
            present,
            sensor.name,
            sensor,
            stream.grid,
            stream.grid.kind,
            frame.conditions,
            frame.id,
        )

    def _unknown(self, file: Path, digest: bytes, photo: Photo) -> _Original:
        """Describe a photo that is not in the catalog."""
        sensor = self._by_identity.get(photo.identity)
        grid = None
        if sensor is not None and photo.kind == "raw":
            from defectmap.media.raw import stored_grid  # noqa: PLC0415 - LibRaw loads slowly

            grid = stored_grid(read_photo(file))
        elif photo.size is not None:
            grid = Grid("jpeg", photo.size[1], photo.size[0])
        name = sensor.name if sensor else photo.identity.name
        return _Original(file, digest, photo.digest, name, sensor, grid, photo.kind, photo.conditions, None)

    def _planned(self, path: Path, original: _Original, destination: Path, blank: Repair) -> Step:
        """Plan a photo whose camera and day are known."""
        sensor = original.sensor
        if sensor is None:
            raise SkippedPhotoError(
                f"is of {original.camera}, of which there is no map: ingest photos of it first"
            )
        if self._wanted and sensor.id not in self._wanted:
            raise SkippedPhotoError(f"is of another camera: {original.camera}")
        revision = self._revision(sensor.id)
        if revision is None:
            raise SkippedPhotoError(
                f"is of {sensor.name}, of which there is no map yet: run `defectmap detect`"
            )
        stream = self._stream(sensor, original)
        if stream.id not in revision.maps:
            raise SkippedPhotoError("is of a kind that the map does not cover yet: run `defectmap detect`")
        blank = replace(blank, revision=revision.number)
        day, note = self._day(sensor, original.conditions)
        known = revision.maps[stream.id].valid_on(day)
        conditions = replace(original.conditions, captured=None if note else day)
        defects = known.defects
        # A line is too long for a guess of what it did to a JPEG.
        lines = known.lines if original.kind == "raw" else ()
        repaired_in_place = original.present != original.digest
        earlier = self._catalog.repairs.of_content(original.present) if repaired_in_place else None
        if earlier is not None and earlier.revision_id == revision.id:
            return Step(_clean(blank, f"was repaired in place with revision {revision.number} already"))
        if not defects and not lines:
            nothing = "has no known defect" + (
                " but bad columns or rows, which only raw files have repaired" if known.lines else ""
            )
            undo = ", but was repaired in place with an older map: `defectmap undo` brings the original back"
            return Step(_clean(blank, nothing + (undo if repaired_in_place else "")))
        form = self._form(original)
        replaces: bytes | None
        if self._in_place:
            destination, replaces = path, original.present
        else:
            destination = _renamed(path, destination, form) if form != "same" else destination
            replaces, by = self._earlier_output(path, original, destination)
            if by == revision.id:
                return Step(
                    _clean(blank, f"was repaired with revision {revision.number} already: {destination}"),
                    holds=destination,
                )
        sites = tuple(
            sorted({*((d.row, d.col) for d in defects), *(site for s in lines for site in s.sites())})
        )
        task = Correction(
            original.file,
            original.digest,
            stream.grid,
            sensor.identity,
            conditions,
            defects,
            form,
            tuple(s for s in known.structures if not s.lists_members),
            registrations=_registrations(revision, stream.grid),
            footprints=known_footprints(revision, stream.grid),
        )
        planned = replace(blank, output=destination, repaired=sites, status="planned", reason=note)
        return Step(planned, task, revision.id, original.frame_id, replaces)

    def _day(self, sensor: SensorRecord, conditions: Conditions) -> tuple[datetime | None, str]:
        """Return when a photo was taken, and why it is repaired by its own evidence alone, if it is."""
        if sensor.id not in self._clocks:
            frames = self._catalog.frames.moments(sensor.id)
            clock = BodyClock.of(frames)
            self._clocks[sensor.id] = clock, min(filter(None, map(clock.date, frames)), default=None)
        clock, first = self._clocks[sensor.id]
        day = clock.date(conditions)
        if conditions.captured is None:
            why = "has no date"
        elif day is None:
            why = f"has a date that cannot be right, {conditions.captured:%Y-%m-%d}"
        elif first is not None and day < first:
            why = f"was taken before the first photo that the map rests on, of {first:%Y-%m-%d}"
        else:
            return day, ""
        return day, f"{why}: only defects that it shows itself are repaired"

    def _form(self, original: _Original) -> Format:
        """Return the format to write; a raw that cannot be changed as it is becomes a DNG."""
        if original.kind == "jpeg":
            if self._format in ("dng", "tiff"):
                raise SkippedPhotoError(
                    f"is a JPEG, and would lose by becoming a {self._format.upper()}: leave out --format to "
                    "repair it as it is"
                )
            return "same"
        if self._format != "same":
            return self._format
        from defectmap.media.rawpatch import patch_obstacle  # noqa: PLC0415

        obstacle = patch_obstacle(read_photo(original.file))
        if obstacle is None:
            return "same"
        if self._in_place:
            raise SkippedPhotoError(
                f"cannot be changed in place ({obstacle}): write a DNG instead, without --in-place"
            )
        return "dng"

    def _earlier_output(
        self, path: Path, original: _Original, destination: Path
    ) -> tuple[bytes | None, int | None]:
        """Return digest and revision id of an earlier output of the same photo that may be replaced."""
        if not os.path.lexists(destination):
            return None, None
        try:
            digest = content_digest(destination.read_bytes())
        except OSError:
            digest = b""
        # Where a folder was moved with what was written into it, the content tells whose it is.
        repairs = self._catalog.repairs
        before = repairs.of_content(digest, destination) or repairs.of_content(digest)
        ours = before is not None and (before.source == path or before.source_digest == original.digest)
        if before is None or before.backup is not None or not ours:
            raise SkippedPhotoError(
                f"was left alone: another file is already at {destination}, and is not overwritten"
            )
        return digest, before.revision_id if before.source_digest == original.digest else None

    def _revision(self, sensor_id: int) -> Revision | None:
        if sensor_id not in self._revisions:
            self._revisions[sensor_id] = self._catalog.revisions.latest(sensor_id)
        return self._revisions[sensor_id]

    def _stream(self, sensor: SensorRecord, original: _Original) -> StreamRecord:
        streams = [
            s for s in self._streams.values() if s.sensor_id == sensor.id and s.grid.kind == original.kind
        ]
        grid = original.grid
        for stream in streams:
            if stream.grid == grid:
                return stream
        size = f"{grid.width} x {grid.height}" if grid else "of unknown size"
        sizes = " and ".join(f"{s.grid.width} x {s.grid.height}" for s in streams)
        kind = "raw" if original.kind == "raw" else "JPEG"
        raise SkippedPhotoError(
            f"is {size}, but the map of {sensor.name} is of {kind} files of {sizes}"
            if streams
            else f"is a {kind} file, and the map of {sensor.name} has none: ingest some of them first"
        )


def known_footprints(revision: Revision, grid: Grid) -> Footprints:
    """Return the footprints that were learned for a map, none where it was made without."""
    for source in revision.content.provenance.get("streams", ()):
        if (source["kind"], source["height"], source["width"]) == (grid.kind, grid.height, grid.width):
            return Footprints.from_document(source.get("footprints") or {})
    return Footprints()


def _renamed(path: Path, destination: Path, form: Format) -> Path:
    """Return where a photo goes in another format.

    A photo beside it that has that name already keeps it.
    """
    suffixes = _SUFFIXES[form]
    beside = (path.with_suffix(s) for suffix in suffixes for s in (suffix, suffix.upper()))
    if path.suffix.lower() not in suffixes and any(file.exists() for file in beside):
        return destination.with_name(destination.name + suffixes[0])
    return destination.with_suffix(suffixes[0])


def _registrations(revision: Revision, source: Grid) -> tuple[Registration, ...]:
    """Return how other grids lie on this one, as a revision says it."""
    stored = revision.content.provenance.get("registrations", [])
    found = (registration_of(attempt) for attempt in stored)
    return tuple(r for r in found if r is not None and r.source == source)


def _clean(blank: Repair, reason: str) -> Repair:
    return replace(blank, status="clean", reason=reason)


def outcome(repair: Repair, result: Corrected | PhotoError) -> Repair:
    """Say what became of a photo."""
    if isinstance(result, PhotoError):
        failed = isinstance(result, FailedPhotoError)
        status: Status = "failed" if failed else "skipped"
        return replace(repair, output=None, repaired=(), status=status, reason=result.reason)
    if result.data is None:
        return replace(repair, output=None, repaired=(), status="clean", reason=result.reason)
    reason = "; ".join(filter(None, (repair.reason, result.reason)))
    return replace(repair, repaired=result.repaired, status="repaired", reason=reason)

"""Write what was measured: what several workers found goes into the catalog in one go.

Adding to the planes of a catalog costs the same for one photo as for hundreds: the sums of several tasks are
added up first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from defectmap.catalog.addends import Addends, Rows
from defectmap.catalog.records import FileRecord, FrameRecord, Outcome, SensorRecord, StreamRecord
from defectmap.catalog.store import Catalog
from defectmap.errands import SHEAF_FRAMES
from defectmap.errors import FailedPhotoError
from defectmap.measuring import Measurement, Part, Photo, Trouble, measure
from defectmap.media.discover import FoundFile
from defectmap.model.evidence import FIELDS, METHOD
from defectmap.settling import StreamScenes, fold_epochs
from defectmap.spool import SpooledSums

_MORE = 2
"""So many more results than there are workers wait at most: they take room on the disk."""


class Commits:
    """Takes measurements, and commits those that wait when they are enough.

    Parameters
    ----------
    catalog : Catalog
    give_up : callable
        Told of photos that do not count, in a transaction.
    workers : int
        Who measure at the same time.

    Attributes
    ----------
    ingested, known : int
        Frames that were added; photos that another run had added meanwhile.
    sensors : dict of int to SensorRecord
        Those with new frames, by their id.
    raws : dict of int to (StreamRecord, list of Photo)
        New raw photos by their stream.
    overcounted : dict of int to int
        By stream the frames of a repeated scene that could not be read again, and so still count.
    """

    def __init__(self, catalog: Catalog, give_up: Callable[[Trouble], None], workers: int) -> None:
        self._catalog = catalog
        self._give_up = give_up
        self._most = workers + _MORE
        self._waiting: list[Measurement] = []
        self._scenes: dict[int, StreamScenes] = {}
        self.ingested = self.known = 0
        self.sensors: dict[int, SensorRecord] = {}
        self.raws: dict[int, tuple[StreamRecord, list[Photo]]] = {}
        self.overcounted: dict[int, int] = {}

    def take(self, measurement: Measurement) -> None:
        """Take a measurement; what waits is written if it is enough, or is in memory.

        Raises
        ------
        CatalogError
            If it cannot be written; it waits on.
        """
        self._waiting.append(measurement)
        parts = [part for waiting in self._waiting for part in waiting.parts]
        photos = sum(len(part.frames) for part in parts)
        in_files = all(isinstance(part.arrays, SpooledSums) for part in parts)
        if len(self._waiting) >= self._most or photos >= SHEAF_FRAMES or not in_files:
            self.write()

    def write(self) -> None:
        """Commit what waits, evidence and frames in one transaction, and let go of it.

        Raises
        ------
        CatalogError
            If it cannot be written; it waits on.
        """
        parts = [part for waiting in self._waiting for part in waiting.parts]
        with self._catalog.transaction():
            for trouble in [trouble for waiting in self._waiting for trouble in waiting.troubles]:
                self._give_up(trouble)
            self._commit(parts)
        self._waiting.clear()
        for part in parts:
            part.arrays.clear()

    def _commit(self, parts: Iterable[Part]) -> None:
        """Write parts, those of one stream and epoch together; the caller holds the transaction."""
        catalog = self._catalog
        alike: dict[tuple[object, ...], tuple[SensorRecord, StreamRecord, list[Part]]] = {}
        for part in parts:
            sensor = catalog.sensors.sensor(part.frames[0].photo.identity)
            try:
                stream = catalog.sensors.stream(sensor.id, part.grid, part.geometry, METHOD)
            except FailedPhotoError as error:
                for frame in part.frames:
                    self._give_up(Trouble(frame.photo.file, error.reason, True, frame.photo.digest))
                continue
            fresh = [f for f in part.frames if catalog.frames.by_digest(f.photo.digest) is None]
            if len(fresh) < len(part.frames):
                # Another run added some of these photos meanwhile; measure the rest alone.
                self.known += len(part.frames) - len(fresh)
                self._commit(measure([f.photo for f in fresh], newest=part.epoch).parts)
                continue
            shapes = frozenset((name, array.shape) for name, array in part.arrays.items())
            key = (stream.id, part.epoch, shapes)
            alike.setdefault(key, (sensor, stream, []))[2].append(part)
        for sensor, stream, together in alike.values():
            self._add(sensor, stream, together)

    def _add(self, sensor: SensorRecord, stream: StreamRecord, parts: Sequence[Part]) -> None:
        """Write the frames of parts of one stream and epoch, and their sums."""
        catalog, epoch = self._catalog, parts[0].epoch
        scenes = self._scenes.setdefault(stream.id, StreamScenes(catalog, sensor, stream))
        fold_epochs(catalog, sensor.id, stream.grid.kind, epoch)
        catalog.evidence.add_to_planes(stream.id, epoch, _joined([part.arrays for part in parts]))
        frames = [frame for part in parts for frame in part.frames]
        for frame in frames:
            photo = frame.photo
            record = FrameRecord(
                photo.digest,
                photo.file.path.name,
                photo.conditions,
                frame.framing.signature,
                frame.counted,
                epoch,
                frame.framing.level_dn,
                frame.framing.contrast_dn,
            )
            frame_id = catalog.frames.add(stream.id, record, frame.sightings, frame.faint)
            remember(catalog, photo.file, photo.digest, frame_id=frame_id)
        if stream.geometry is not None:
            self.raws.setdefault(stream.id, (stream, []))[1].extend(frame.photo for frame in frames)
        self.overcounted[stream.id] = scenes.settle()
        fold_epochs(catalog, sensor.id, stream.grid.kind)
        self.sensors[sensor.id] = sensor
        self.ingested += len(frames)


def _joined(parts: Sequence[Mapping[str, Rows]]) -> dict[str, Addends]:
    """Return the sums of like parts as what they come to together, in the types of a catalog."""
    return {
        name: Addends(FIELDS[name.rpartition(".")[2]], [part[name] for part in parts]) for name in parts[0]
    }


def remember(
    catalog: Catalog,
    file: FoundFile,
    digest: bytes,
    *,
    frame_id: int | None = None,
    trouble: Trouble | None = None,
) -> None:
    """Note in a catalog what became of a file: which frame it is, or why it does not count."""
    outcome: Outcome = "frame" if trouble is None else "failed" if trouble.failed else "skipped"
    reason = "" if trouble is None else trouble.reason
    catalog.files.remember(FileRecord(file.path, file.size, file.mtime_ns, digest, outcome, reason, frame_id))

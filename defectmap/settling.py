"""Keep the sums to one frame per scene, whatever the order in which frames came.

The frame of a scene that counts is the first that was taken. When one arrives that was taken earlier, or that
shows two scenes to be one, the sums hold too many of the scene: the surplus is read again and subtracted,
which is exact, because the sums are integers.
"""

from __future__ import annotations

import logging

import numpy as np

from defectmap.catalog.records import SensorRecord, StoredFrame, StreamRecord
from defectmap.catalog.store import Catalog
from defectmap.measuring import Photo, capture_order, measure
from defectmap.media.discover import FoundFile
from defectmap.model.scenes import links, representatives, unite
from defectmap.model.sensor import SensorIdentity, StreamKind

_log = logging.getLogger(__name__)


def newest_epoch(catalog: Catalog, identity: SensorIdentity, kind: StreamKind) -> int:
    """Return the latest epoch of a sensor's streams of one kind; 0 where there is none."""
    known = [s for s in catalog.sensors.all() if s.identity == identity]
    streams = [stream for sensor in known for stream in catalog.sensors.streams(sensor.id)]
    epochs = [e for s in streams if s.grid.kind == kind for e in catalog.evidence.epochs(s.id)]
    return max(epochs, default=0)


def fold_epochs(catalog: Catalog, sensor_id: int, kind: StreamKind, coming: int = 0) -> None:
    """Leave the newest year of a sensor's streams of one kind an epoch of its own; fold what was before.

    Folded before the sums of a `coming` epoch are added, the years before make room for them: a catalog never
    needs that of three epochs.
    """
    streams = [s for s in catalog.sensors.streams(sensor_id) if s.grid.kind == kind]
    newest = max([coming, *(e for s in streams for e in catalog.evidence.epochs(s.id))])
    for stream in streams:
        catalog.evidence.fold_epochs(stream.id, newest)


class StreamScenes:
    """The scenes of one stream, kept up to date while frames are added.

    Parameters
    ----------
    catalog : Catalog
    sensor : SensorRecord
    stream : StreamRecord
    """

    def __init__(self, catalog: Catalog, sensor: SensorRecord, stream: StreamRecord) -> None:
        self._catalog = catalog
        self._sensor = sensor
        self._stream = stream
        self._unreadable: set[int] = set()

    def settle(self) -> int:
        """Find the scenes of new frames, and leave the sums the first of each scene alone.

        Call it in the transaction that added frames. It is a no-op where every scene is as it should be.

        Returns
        -------
        int
            Frames that count although they should not, because their files cannot be read again.
        """
        scenes, stream_id = self._catalog.scenes, self._stream.id
        fresh = scenes.fresh(stream_id)
        if len(fresh):
            found = [links(fresh, known) for known in scenes.looks(stream_id)]
            scenes.join(stream_id, unite(np.concatenate(found)))
        # The first of a scene always counts: it is left out or taken out only where an earlier one is there.
        frames = scenes.overcounted(stream_id)
        order = {f.id: capture_order(f.conditions, f.name, f.digest) for f in frames}
        chosen = representatives({f.id: f.scene for f in frames}, order)
        for frame in frames:
            if frame.id not in chosen and frame.id not in self._unreadable:
                self._take_out(frame)
        return len(self._unreadable)

    def _take_out(self, frame: StoredFrame) -> None:
        for path in self._catalog.files.paths_of(frame.id):
            try:
                found = path.stat()
            except OSError:
                continue
            file = FoundFile(path, found.st_size, found.st_mtime_ns)
            photo = Photo(
                file, frame.digest, self._stream.grid.kind, self._sensor.identity, frame.conditions, None
            )
            parts = measure([photo], every_frame=True).parts
            if parts:
                self._catalog.evidence.add_to_planes(self._stream.id, frame.epoch, parts[0].widened, sign=-1)
                self._catalog.frames.set_counted(frame.id, False)
                return
        self._unreadable.add(frame.id)
        _log.warning(
            "%s shows the same scene as an earlier photo, but cannot be read again to take it out of the "
            "statistics: bring its drive back and ingest any photo of %s",
            frame.name,
            self._sensor.name,
        )

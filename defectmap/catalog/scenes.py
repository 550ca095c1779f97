"""Scenes: which frames of a stream show the same framing, and which of these the evidence holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sqlalchemy import func, select, true, update

from defectmap.catalog.database import Database
from defectmap.catalog.frames import SCENE, frame_columns, stored_frame
from defectmap.catalog.records import StoredFrame
from defectmap.catalog.schema import FrameRow
from defectmap.model.scenes import Looks

_PAGE = 4096


class Scenes:
    """The scenes of a catalog; each bears the smallest id of its frames."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def fresh(self, stream_id: int) -> Looks:
        """Return the frames of a stream that were not yet compared, each as a scene of its own."""
        query = select(FrameRow.id, FrameRow.signature).where(
            FrameRow.stream_id == stream_id, FrameRow.scene.is_(None)
        )
        rows = self._database.connection.execute(query).all()
        return Looks.of([row.id for row in rows], [row.signature for row in rows])

    def looks(self, stream_id: int) -> Iterator[Looks]:
        """Yield all frames of a stream page by page, those not yet compared as scenes of their own."""
        query = select(SCENE, FrameRow.signature).where(FrameRow.stream_id == stream_id)
        for page in self._database.connection.execute(query).partitions(_PAGE):
            yield Looks.of(*zip(*page, strict=True))

    def join(self, stream_id: int, joined: Mapping[int, int]) -> None:
        """Give all frames of a stream their scenes.

        Parameters
        ----------
        stream_id : int
        joined : mapping of int to int
            What becomes of scenes that are joined to others; new frames are scenes of their own by their ids.
        """
        frames, connection = FrameRow.stream_id == stream_id, self._database.connection
        with self._database.transaction():
            connection.execute(
                update(FrameRow).where(frames, FrameRow.scene.is_(None)).values(scene=FrameRow.id)
            )
            for scene, smallest in joined.items():
                connection.execute(
                    update(FrameRow).where(frames, FrameRow.scene == scene).values(scene=smallest)
                )

    def count(self, stream_id: int) -> int:
        """Return the number of scenes of a stream."""
        # Each has one frame that it is named by.
        query = select(func.count()).where(FrameRow.stream_id == stream_id, FrameRow.id == SCENE)
        return self._database.connection.execute(query).scalar_one()

    def overcounted(self, stream_id: int) -> list[StoredFrame]:
        """Return the frames in the evidence of a stream whose scene has more than one there."""
        frames = FrameRow.stream_id == stream_id, FrameRow.counted == true()
        several = select(FrameRow.scene).where(*frames).group_by(FrameRow.scene).having(func.count() > 1)
        query = select(*frame_columns(signatures=False)).where(*frames, FrameRow.scene.in_(several))
        return [stored_frame(row) for row in self._database.connection.execute(query)]

"""The tables of a catalog, as a data dictionary: every class says what one of its rows means.

The tables are made by the migrations alone; this module is how the code speaks of them, and a test holds the
two together. Blobs come last in their rows, so that listings do not read past them.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from defectmap.catalog.columns import Base, FileName

HEAD: Final = "0008"
"""The newest migration this program knows; identifiers are numbers in four digits, so they order as text."""

APPLICATION_ID: Final = 0x44664D70
"""SQLite's ``application_id`` of a catalog: the letters ``DfMp``."""


class CatalogRow(Base):
    """The one row of this table says which catalog this is and what made it."""

    __tablename__ = "catalog"

    uuid: Mapped[str] = mapped_column(primary_key=True)
    created: Mapped[datetime]
    program_version: Mapped[str]


class SensorRow(Base):
    """One physical chip; a body that writes no serial number has NULL there, and one row per model."""

    __tablename__ = "sensors"

    id: Mapped[int] = mapped_column(primary_key=True)
    make: Mapped[str]
    model: Mapped[str]
    serial: Mapped[str | None]
    nickname: Mapped[str | None]

    __table_args__ = (
        Index("uq_sensors_identity", "make", "model", text("coalesce(serial, '')"), unique=True),
    )


class StreamRow(Base):
    """One kind of file of a sensor on one grid; `method` is the version of the measure its evidence is in."""

    __tablename__ = "streams"

    id: Mapped[int] = mapped_column(primary_key=True)
    sensor_id: Mapped[int] = mapped_column(ForeignKey("sensors.id"))
    kind: Mapped[str]
    height: Mapped[int]
    width: Mapped[int]
    geometry: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    method: Mapped[int]

    __table_args__ = (
        UniqueConstraint("sensor_id", "kind", "height", "width"),
        CheckConstraint("kind IN ('raw', 'jpeg')", name="kind"),
    )


class RegistrationRow(Base):
    """How the grid of one stream lies on that of another, as the preview inside a raw file showed it.

    A pixel of the target is a photosite of the source less (`row`, `col`), times `scale`; `tiles` of `of`
    parts of the picture agree on it, by chance with probability `chance`.
    """

    __tablename__ = "registrations"

    source_id: Mapped[int] = mapped_column(ForeignKey("streams.id"), primary_key=True)
    target_id: Mapped[int] = mapped_column(ForeignKey("streams.id"), primary_key=True)
    scale: Mapped[float]
    row: Mapped[float]
    col: Mapped[float]
    tiles: Mapped[int]
    of: Mapped[int]
    chance: Mapped[float]


class FrameRow(Base):
    """One decoded photo, known by the digest of its file's content: the ledger of what the evidence holds.

    `counted` is false for a frame whose evidence was left out or taken out again; `epoch` names the planes
    that hold its evidence. `captured` is the camera's clock. `signature` tells scenes apart;
    times `contrast_dn` / 127, plus `level_dn`, it is the brightness of the picture's parts. The two are NULL
    for frames of older programs. `scene` is the smallest id of the frames of the stream that show the same
    framing, and NULL only within the transaction that adds a frame, until it is compared with the others.
    """

    __tablename__ = "frames"

    id: Mapped[int] = mapped_column(primary_key=True)
    stream_id: Mapped[int] = mapped_column(ForeignKey("streams.id"))
    digest: Mapped[bytes] = mapped_column(unique=True)
    name: Mapped[str] = mapped_column(FileName)
    captured: Mapped[datetime | None] = mapped_column(index=True)
    exposure_s: Mapped[float | None]
    iso: Mapped[float | None]
    shutter_count: Mapped[int | None]
    focal_length_mm: Mapped[float | None]
    temperature_c: Mapped[float | None]
    orientation: Mapped[int | None]
    software: Mapped[str | None]
    noise_reduction: Mapped[str | None]
    counted: Mapped[bool]
    epoch: Mapped[int]
    signature: Mapped[bytes | None]
    level_dn: Mapped[float | None]
    contrast_dn: Mapped[float | None]
    scene: Mapped[int | None]

    __table_args__ = (
        Index(None, "stream_id", "epoch"),
        Index(None, "stream_id", "scene", "counted"),
        CheckConstraint("length(digest) = 32", name="digest"),
    )


class FileRow(Base):
    """One file that was looked at: what became of it, and of which frame it is a copy."""

    __tablename__ = "files"

    id: Mapped[int] = mapped_column(primary_key=True)
    path: Mapped[Path] = mapped_column(unique=True)
    size: Mapped[int]
    mtime_ns: Mapped[int]
    digest: Mapped[bytes | None] = mapped_column(index=True)
    outcome: Mapped[str]
    reason: Mapped[str]
    frame_id: Mapped[int | None] = mapped_column(ForeignKey("frames.id"), index=True)

    __table_args__ = (CheckConstraint("outcome IN ('frame', 'skipped', 'failed')", name="outcome"),)


class SightingsRow(Base):
    """The photosites that stood out in one frame: `count` records of the layout `dtype`, compressed."""

    __tablename__ = "sightings"

    frame_id: Mapped[int] = mapped_column(ForeignKey("frames.id"), primary_key=True)
    count: Mapped[int]
    dtype: Mapped[str]
    checksum: Mapped[bytes]
    payload: Mapped[bytes]


class FaintSightingsRow(Base):
    """The photosites that stood out faintly in one raw frame: all of so large a score, `least`, and more."""

    __tablename__ = "faint_sightings"

    frame_id: Mapped[int] = mapped_column(ForeignKey("frames.id"), primary_key=True)
    least: Mapped[int]
    count: Mapped[int]
    dtype: Mapped[str]
    checksum: Mapped[bytes]
    payload: Mapped[bytes]


class PlaneRow(Base):
    """A band of rows of one plane of accumulated evidence: exact integer sums over the frames of an epoch.

    Band `band` covers the rows `first_row` to `first_row + rows` of the plane `name`; all bands together
    cover the plane once.
    """

    __tablename__ = "planes"

    id: Mapped[int] = mapped_column(primary_key=True)
    stream_id: Mapped[int] = mapped_column(ForeignKey("streams.id"))
    epoch: Mapped[int]
    name: Mapped[str]
    band: Mapped[int]
    first_row: Mapped[int]
    rows: Mapped[int]
    cols: Mapped[int]
    dtype: Mapped[str]
    checksum: Mapped[bytes]
    payload: Mapped[bytes]

    __table_args__ = (UniqueConstraint("stream_id", "epoch", "name", "band"),)


class RevisionRow(Base):
    """One immutable defect map of a sensor, numbered from 1, and how it came about.

    `frames` and `scenes` count what it rests on, `method` is the version of the decision, `provenance` holds
    the rest of what made it so (thresholds, streams, epochs).
    """

    __tablename__ = "revisions"

    id: Mapped[int] = mapped_column(primary_key=True)
    sensor_id: Mapped[int] = mapped_column(ForeignKey("sensors.id"))
    number: Mapped[int]
    created: Mapped[datetime]
    program_version: Mapped[str]
    method: Mapped[int]
    frames: Mapped[int]
    scenes: Mapped[int]
    provenance: Mapped[dict[str, Any]] = mapped_column(JSON)

    __table_args__ = (UniqueConstraint("sensor_id", "number"),)


class RevisionStreamRow(Base):
    """A stream that a revision judged, also where it found nothing."""

    __tablename__ = "revision_streams"

    revision_id: Mapped[int] = mapped_column(ForeignKey("revisions.id"), primary_key=True)
    stream_id: Mapped[int] = mapped_column(ForeignKey("streams.id"), primary_key=True)


class DefectRow(Base):
    """One bad photosite of a revision, on the grid of its stream; `origin` is "" where it was found there.

    `periods` are the times in which it was bad, in order, each an object of ISO 8601 times and a confidence.
    The four times beside it are those of the last, and all there is where `periods` is NULL.
    """

    __tablename__ = "defects"

    id: Mapped[int] = mapped_column(primary_key=True)
    revision_id: Mapped[int] = mapped_column(ForeignKey("revisions.id"))
    stream_id: Mapped[int] = mapped_column(ForeignKey("streams.id"))
    row: Mapped[int]
    col: Mapped[int]
    kind: Mapped[str]
    colour: Mapped[str]
    strength: Mapped[float]
    unit: Mapped[str]
    confidence: Mapped[float]
    frames_seen: Mapped[int]
    scenes: Mapped[int]
    certain: Mapped[bool]
    missing: Mapped[str]
    last_good: Mapped[datetime | None]
    first_bad: Mapped[datetime | None]
    last_bad: Mapped[datetime | None]
    first_good: Mapped[datetime | None]
    origin: Mapped[str] = mapped_column(server_default="")
    strength_sd: Mapped[float | None]
    periods: Mapped[list[Any] | None] = mapped_column(JSON(none_as_null=True))

    __table_args__ = (Index(None, "revision_id", "stream_id"),)


class StructureRow(Base):
    """Photosites of a revision that are bad together: a column, a row, a lattice or a cluster.

    `bottom` and `right` are the first row and column beyond it; `offsets` are the members within one period
    as [row, col] from (`top`, `left`).
    """

    __tablename__ = "structures"

    id: Mapped[int] = mapped_column(primary_key=True)
    revision_id: Mapped[int] = mapped_column(ForeignKey("revisions.id"))
    stream_id: Mapped[int] = mapped_column(ForeignKey("streams.id"))
    kind: Mapped[str]
    top: Mapped[int]
    left: Mapped[int]
    bottom: Mapped[int]
    right: Mapped[int]
    period_rows: Mapped[int]
    period_cols: Mapped[int]
    offsets: Mapped[list[Any]] = mapped_column(JSON)
    strength: Mapped[float]
    sign: Mapped[int]
    last_good: Mapped[datetime | None]
    first_bad: Mapped[datetime | None]
    last_bad: Mapped[datetime | None]
    first_good: Mapped[datetime | None]

    __table_args__ = (Index(None, "revision_id", "stream_id"),)


class ListRow(Base):
    """One list of another program, on the grid of a stream; `digest` is that of the file it was read from.

    It is no evidence: what it names is judged by nothing here, and goes when it goes.
    """

    __tablename__ = "lists"

    id: Mapped[int] = mapped_column(primary_key=True)
    stream_id: Mapped[int] = mapped_column(ForeignKey("streams.id"))
    name: Mapped[str]
    format: Mapped[str]
    digest: Mapped[bytes]
    imported: Mapped[datetime]

    __table_args__ = (
        UniqueConstraint("stream_id", "name"),
        CheckConstraint("length(digest) = 32", name="digest"),
    )


class ListedSiteRow(Base):
    """A photosite that a list calls bad: from `since` on, NULL for always, and no more from `until` on."""

    __tablename__ = "listed_sites"

    list_id: Mapped[int] = mapped_column(ForeignKey("lists.id"), primary_key=True)
    row: Mapped[int] = mapped_column(primary_key=True)
    col: Mapped[int] = mapped_column(primary_key=True)
    since: Mapped[datetime | None]
    until: Mapped[datetime | None]


class RepairRow(Base):
    """One repaired file: from which source, by which revision, and where the original was kept.

    `backup` is NULL where the repair was written beside the original; `undone` is true once the original is
    back in its place.
    """

    __tablename__ = "repairs"

    id: Mapped[int] = mapped_column(primary_key=True)
    source: Mapped[Path] = mapped_column(index=True)
    output: Mapped[Path] = mapped_column(index=True)
    backup: Mapped[Path | None]
    source_digest: Mapped[bytes] = mapped_column(index=True)
    output_digest: Mapped[bytes] = mapped_column(index=True)
    revision_id: Mapped[int] = mapped_column(ForeignKey("revisions.id"), index=True)
    created: Mapped[datetime]
    undone: Mapped[bool]

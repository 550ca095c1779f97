"""The first schema: sensors, streams, frames, their evidence, the maps drawn from it and the repairs made."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "catalog",
        sa.Column("uuid", sa.Text, nullable=False),
        sa.Column("created", sa.Text, nullable=False),
        sa.Column("program_version", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("uuid", name="pk_catalog"),
    )
    op.create_table(
        "sensors",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("make", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("serial", sa.Text),
        sa.Column("nickname", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_sensors"),
    )
    op.create_index(
        "uq_sensors_identity", "sensors", ["make", "model", sa.text("coalesce(serial, '')")], unique=True
    )
    op.create_table(
        "streams",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("sensor_id", sa.Integer, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("geometry", sa.JSON),
        sa.Column("method", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_streams"),
        sa.ForeignKeyConstraint(["sensor_id"], ["sensors.id"], name="fk_streams_sensor_id"),
        sa.UniqueConstraint(
            "sensor_id", "kind", "height", "width", name="uq_streams_sensor_id_kind_height_width"
        ),
        sa.CheckConstraint("kind IN ('raw', 'jpeg')", name="ck_streams_kind"),
    )
    op.create_table(
        "frames",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("stream_id", sa.Integer, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("captured", sa.Text),
        sa.Column("exposure_s", sa.Double),
        sa.Column("iso", sa.Double),
        sa.Column("shutter_count", sa.Integer),
        sa.Column("focal_length_mm", sa.Double),
        sa.Column("temperature_c", sa.Double),
        sa.Column("orientation", sa.Integer),
        sa.Column("software", sa.Text),
        sa.Column("noise_reduction", sa.Text),
        sa.Column("counted", sa.Boolean, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("signature", sa.LargeBinary),
        sa.PrimaryKeyConstraint("id", name="pk_frames"),
        sa.ForeignKeyConstraint(["stream_id"], ["streams.id"], name="fk_frames_stream_id"),
        sa.UniqueConstraint("digest", name="uq_frames_digest"),
        sa.CheckConstraint("length(digest) = 32", name="ck_frames_digest"),
    )
    op.create_index("ix_frames_stream_id_epoch", "frames", ["stream_id", "epoch"])
    op.create_table(
        "files",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("mtime_ns", sa.Integer, nullable=False),
        sa.Column("digest", sa.LargeBinary),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("frame_id", sa.Integer),
        sa.PrimaryKeyConstraint("id", name="pk_files"),
        sa.ForeignKeyConstraint(["frame_id"], ["frames.id"], name="fk_files_frame_id"),
        sa.UniqueConstraint("path", name="uq_files_path"),
        sa.CheckConstraint("outcome IN ('frame', 'skipped', 'failed')", name="ck_files_outcome"),
    )
    op.create_index("ix_files_digest", "files", ["digest"])
    op.create_index("ix_files_frame_id", "files", ["frame_id"])
    op.create_table(
        "sightings",
        sa.Column("frame_id", sa.Integer, nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("dtype", sa.Text, nullable=False),
        sa.Column("checksum", sa.LargeBinary, nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("frame_id", name="pk_sightings"),
        sa.ForeignKeyConstraint(["frame_id"], ["frames.id"], name="fk_sightings_frame_id"),
    )
    op.create_table(
        "planes",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("stream_id", sa.Integer, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("band", sa.Integer, nullable=False),
        sa.Column("first_row", sa.Integer, nullable=False),
        sa.Column("rows", sa.Integer, nullable=False),
        sa.Column("cols", sa.Integer, nullable=False),
        sa.Column("dtype", sa.Text, nullable=False),
        sa.Column("checksum", sa.LargeBinary, nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_planes"),
        sa.ForeignKeyConstraint(["stream_id"], ["streams.id"], name="fk_planes_stream_id"),
        sa.UniqueConstraint("stream_id", "epoch", "name", "band", name="uq_planes_stream_id_epoch_name_band"),
    )
    op.create_table(
        "revisions",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("sensor_id", sa.Integer, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("created", sa.Text, nullable=False),
        sa.Column("program_version", sa.Text, nullable=False),
        sa.Column("method", sa.Integer, nullable=False),
        sa.Column("frames", sa.Integer, nullable=False),
        sa.Column("scenes", sa.Integer, nullable=False),
        sa.Column("provenance", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_revisions"),
        sa.ForeignKeyConstraint(["sensor_id"], ["sensors.id"], name="fk_revisions_sensor_id"),
        sa.UniqueConstraint("sensor_id", "number", name="uq_revisions_sensor_id_number"),
    )
    op.create_table(
        "revision_streams",
        sa.Column("revision_id", sa.Integer, nullable=False),
        sa.Column("stream_id", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("revision_id", "stream_id", name="pk_revision_streams"),
        sa.ForeignKeyConstraint(["revision_id"], ["revisions.id"], name="fk_revision_streams_revision_id"),
        sa.ForeignKeyConstraint(["stream_id"], ["streams.id"], name="fk_revision_streams_stream_id"),
    )
    op.create_table(
        "defects",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("revision_id", sa.Integer, nullable=False),
        sa.Column("stream_id", sa.Integer, nullable=False),
        sa.Column("row", sa.Integer, nullable=False),
        sa.Column("col", sa.Integer, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("colour", sa.Text, nullable=False),
        sa.Column("strength", sa.Double, nullable=False),
        sa.Column("unit", sa.Text, nullable=False),
        sa.Column("confidence", sa.Double, nullable=False),
        sa.Column("frames_seen", sa.Integer, nullable=False),
        sa.Column("scenes", sa.Integer, nullable=False),
        sa.Column("certain", sa.Boolean, nullable=False),
        sa.Column("missing", sa.Text, nullable=False),
        sa.Column("last_good", sa.Text),
        sa.Column("first_bad", sa.Text),
        sa.Column("last_bad", sa.Text),
        sa.Column("first_good", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_defects"),
        sa.ForeignKeyConstraint(["revision_id"], ["revisions.id"], name="fk_defects_revision_id"),
        sa.ForeignKeyConstraint(["stream_id"], ["streams.id"], name="fk_defects_stream_id"),
    )
    op.create_index("ix_defects_revision_id_stream_id", "defects", ["revision_id", "stream_id"])
    op.create_table(
        "repairs",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("output", sa.Text, nullable=False),
        sa.Column("backup", sa.Text),
        sa.Column("source_digest", sa.LargeBinary, nullable=False),
        sa.Column("output_digest", sa.LargeBinary, nullable=False),
        sa.Column("revision_id", sa.Integer, nullable=False),
        sa.Column("created", sa.Text, nullable=False),
        sa.Column("undone", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_repairs"),
        sa.ForeignKeyConstraint(["revision_id"], ["revisions.id"], name="fk_repairs_revision_id"),
    )
    op.create_index("ix_repairs_output", "repairs", ["output"])
    op.create_index("ix_repairs_revision_id", "repairs", ["revision_id"])
    op.create_index("ix_repairs_source", "repairs", ["source"])

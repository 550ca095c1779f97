"""Which frames show the same framing, so that each is compared once; finding repairs by what was repaired."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from defectmap.model.scenes import join_scenes

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("frames", sa.Column("scene", sa.Integer))
    connection = op.get_bind()
    for (stream_id,) in connection.exec_driver_sql("SELECT id FROM streams").all():
        frames = connection.exec_driver_sql(
            "SELECT id, signature FROM frames WHERE stream_id = ? ORDER BY id", (stream_id,)
        ).all()
        scenes = join_scenes({frame.id: frame.signature for frame in frames})
        if scenes:
            connection.exec_driver_sql(
                "UPDATE frames SET scene = ? WHERE id = ?", [(s, f) for f, s in scenes.items()]
            )
    op.create_index("ix_frames_stream_id_scene_counted", "frames", ["stream_id", "scene", "counted"])
    op.create_index("ix_frames_captured", "frames", ["captured"])
    op.create_index("ix_repairs_source_digest", "repairs", ["source_digest"])
    op.create_index("ix_repairs_output_digest", "repairs", ["output_digest"])

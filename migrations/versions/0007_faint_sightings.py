"""What stands out faintly in raw frames, from which onsets are dated."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "faint_sightings",
        sa.Column("frame_id", sa.Integer, nullable=False),
        sa.Column("least", sa.Integer, nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("dtype", sa.Text, nullable=False),
        sa.Column("checksum", sa.LargeBinary, nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("frame_id", name="pk_faint_sightings"),
        sa.ForeignKeyConstraint(["frame_id"], ["frames.id"], name="fk_faint_sightings_frame_id"),
    )

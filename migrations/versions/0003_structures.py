"""Bad columns and rows, lattices and clusters of a revision."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "structures",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("revision_id", sa.Integer, nullable=False),
        sa.Column("stream_id", sa.Integer, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("top", sa.Integer, nullable=False),
        sa.Column("left", sa.Integer, nullable=False),
        sa.Column("bottom", sa.Integer, nullable=False),
        sa.Column("right", sa.Integer, nullable=False),
        sa.Column("period_rows", sa.Integer, nullable=False),
        sa.Column("period_cols", sa.Integer, nullable=False),
        sa.Column("offsets", sa.JSON, nullable=False),
        sa.Column("strength", sa.Double, nullable=False),
        sa.Column("sign", sa.Integer, nullable=False),
        sa.Column("last_good", sa.Text),
        sa.Column("first_bad", sa.Text),
        sa.Column("last_bad", sa.Text),
        sa.Column("first_good", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_structures"),
        sa.ForeignKeyConstraint(["revision_id"], ["revisions.id"], name="fk_structures_revision_id"),
        sa.ForeignKeyConstraint(["stream_id"], ["streams.id"], name="fk_structures_stream_id"),
    )
    op.create_index("ix_structures_revision_id_stream_id", "structures", ["revision_id", "stream_id"])

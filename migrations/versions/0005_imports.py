"""Lists of other programs, kept as witnesses of their own beside the evidence."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "lists",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("stream_id", sa.Integer, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("format", sa.Text, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("imported", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_lists"),
        sa.ForeignKeyConstraint(["stream_id"], ["streams.id"], name="fk_lists_stream_id"),
        sa.UniqueConstraint("stream_id", "name", name="uq_lists_stream_id_name"),
        sa.CheckConstraint("length(digest) = 32", name="ck_lists_digest"),
    )
    op.create_table(
        "listed_sites",
        sa.Column("list_id", sa.Integer, nullable=False),
        sa.Column("row", sa.Integer, nullable=False),
        sa.Column("col", sa.Integer, nullable=False),
        sa.Column("since", sa.Text),
        sa.Column("until", sa.Text),
        sa.PrimaryKeyConstraint("list_id", "row", "col", name="pk_listed_sites"),
        sa.ForeignKeyConstraint(["list_id"], ["lists.id"], name="fk_listed_sites_list_id"),
    )

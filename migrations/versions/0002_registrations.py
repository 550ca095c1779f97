"""How the grids of a sensor's streams lie on each other, and on which grid a defect was found."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "registrations",
        sa.Column("source_id", sa.Integer, nullable=False),
        sa.Column("target_id", sa.Integer, nullable=False),
        sa.Column("scale", sa.Double, nullable=False),
        sa.Column("row", sa.Double, nullable=False),
        sa.Column("col", sa.Double, nullable=False),
        sa.Column("tiles", sa.Integer, nullable=False),
        sa.Column("of", sa.Integer, nullable=False),
        sa.Column("chance", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("source_id", "target_id", name="pk_registrations"),
        sa.ForeignKeyConstraint(["source_id"], ["streams.id"], name="fk_registrations_source_id"),
        sa.ForeignKeyConstraint(["target_id"], ["streams.id"], name="fk_registrations_target_id"),
    )
    op.add_column("defects", sa.Column("origin", sa.Text, nullable=False, server_default=""))

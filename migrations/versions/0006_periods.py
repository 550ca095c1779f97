"""Several times in which a site was bad, the likeliest dates, and how light each frame is."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("defects", sa.Column("periods", sa.JSON))
    op.add_column("frames", sa.Column("level_dn", sa.Double))
    op.add_column("frames", sa.Column("contrast_dn", sa.Double))

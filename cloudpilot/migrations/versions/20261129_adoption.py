"""backups and servers that were found in a vault

Revision ID: c41f7a90d2e6
Revises: e18d5b60c7f2
Create Date: 2026-11-29 10:40:00.000000
"""

import sqlalchemy as sa
from alembic import op

import cloudpilot.db

revision = "c41f7a90d2e6"
down_revision = "e18d5b60c7f2"
branch_labels = None
depends_on = None

AT = cloudpilot.db.UtcDateTime(timezone=True)
OF_BACKUPS = ("adopted_at", "signed_at", "unverified_why", "signature")


def upgrade() -> None:
    with op.batch_alter_table("backups") as batch:
        batch.add_column(sa.Column("adopted_at", AT, nullable=True))
        batch.add_column(sa.Column("signed_at", AT, nullable=True))
        batch.add_column(
            sa.Column("unverified_why", sa.String(), nullable=False, server_default="")
        )
        batch.add_column(sa.Column("signature", sa.Text(), nullable=True))
        found = sa.text("adopted_at IS NOT NULL")
        only = {"sqlite_where": found, "postgresql_where": found}
        batch.create_index("ix_backups_adopted_at", ["adopted_at"], **only)
    with op.batch_alter_table("servers") as batch:
        batch.add_column(sa.Column("adopted_at", AT, nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("servers") as batch:
        batch.drop_column("adopted_at")
    with op.batch_alter_table("backups") as batch:
        batch.drop_index("ix_backups_adopted_at")
        for name in OF_BACKUPS:
            batch.drop_column(name)

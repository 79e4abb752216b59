"""snapshot trees; pages of schedules by an index

Revision ID: 3d7a90b1c4e8
Revises: 9c4f1d0e7a62
Create Date: 2026-11-28 21:16:02.117300
"""

import sqlalchemy as sa
from alembic import op

revision = "3d7a90b1c4e8"
down_revision = "9c4f1d0e7a62"
branch_labels = None
depends_on = None

TABLES = ("sites", "schedules", "backups")
ORDERED = ("next_run_at", "late_at")


def upgrade() -> None:
    for table in TABLES:
        with op.batch_alter_table(table) as batch:
            batch.add_column(
                sa.Column("method", sa.String(length=20), nullable=False, server_default="archive")
            )
    with op.batch_alter_table("backups") as batch:
        batch.add_column(sa.Column("own_size", sa.BigInteger(), nullable=True))
    for column in ORDERED:
        op.drop_index(f"ix_schedules_{column}", "schedules")
        op.create_index(f"ix_schedules_{column}_id", "schedules", [column, "id"])


def downgrade() -> None:
    for column in ORDERED:
        op.drop_index(f"ix_schedules_{column}_id", "schedules")
        op.create_index(f"ix_schedules_{column}", "schedules", [column])
    with op.batch_alter_table("backups") as batch:
        batch.drop_column("own_size")
    for table in TABLES:
        with op.batch_alter_table(table) as batch:
            batch.drop_column("method")

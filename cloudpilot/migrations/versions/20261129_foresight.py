"""what stands in the way of a schedule's next backup

Revision ID: 6c1f08d2b9e7
Revises: c41f7a90d2e6
Create Date: 2026-11-29 11:05:00.000000
"""

import sqlalchemy as sa
from alembic import op

import cloudpilot.db

revision = "6c1f08d2b9e7"
down_revision = "c41f7a90d2e6"
branch_labels = None
depends_on = None

AT = cloudpilot.db.UtcDateTime(timezone=True)


def upgrade() -> None:
    with op.batch_alter_table("schedules") as table:
        table.add_column(sa.Column("doubts", sa.JSON(), nullable=True))
        table.add_column(sa.Column("doubted_at", AT, nullable=True))
        table.create_index("ix_schedules_doubted_at", ["doubted_at"])


def downgrade() -> None:
    with op.batch_alter_table("schedules") as table:
        table.drop_index("ix_schedules_doubted_at")
        table.drop_column("doubted_at")
        table.drop_column("doubts")

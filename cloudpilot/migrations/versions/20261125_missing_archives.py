"""archives that Checks look for; the newest run of a kind by an index

Revision ID: c7e2f40b91d6
Revises: a3d1c09e55b2
Create Date: 2026-11-25 12:50:11.482913
"""

import sqlalchemy as sa
from alembic import op

import cloudpilot.db

revision = "c7e2f40b91d6"
down_revision = "a3d1c09e55b2"
branch_labels = None
depends_on = None


def upgrade() -> None:
    at = cloudpilot.db.UtcDateTime(timezone=True)
    with op.batch_alter_table("copies") as batch_op:
        batch_op.add_column(sa.Column("seen_at", at, nullable=True))
        batch_op.add_column(sa.Column("missing_at", at, nullable=True))
        batch_op.add_column(sa.Column("missing_why", sa.String(), nullable=True))
    with op.batch_alter_table("runs") as batch_op:
        columns = ["server_id", "kind", "created_at", "id"]
        batch_op.create_index("ix_runs_server_id_kind_created_at_id", columns)


def downgrade() -> None:
    op.drop_index("ix_runs_server_id_kind_created_at_id", "runs")
    op.execute("UPDATE copies SET status = 'stored' WHERE status = 'missing'")
    with op.batch_alter_table("copies") as batch_op:
        for name in ("missing_why", "missing_at", "seen_at"):
            batch_op.drop_column(name)

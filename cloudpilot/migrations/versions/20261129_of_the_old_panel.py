"""what was the old panel's is marked, whatever any clock says

Revision ID: a94d17c3f0b6
Revises: 6c1f08d2b9e7
Create Date: 2026-11-29 12:25:00.000000
"""

import sqlalchemy as sa
from alembic import op

import cloudpilot.db

revision = "a94d17c3f0b6"
down_revision = "6c1f08d2b9e7"
branch_labels = None
depends_on = None

AT = cloudpilot.db.UtcDateTime(timezone=True)
MARKED = {"runs": "created_at", "vault_objects": "begun_at", "panel_exports": "created_at"}


def upgrade() -> None:
    for table, at in MARKED.items():
        with op.batch_alter_table(table) as batch:
            batch.add_column(
                sa.Column("of_old_panel", sa.Boolean(), nullable=False, server_default=sa.false())
            )
        rows = sa.table(table, sa.column(at, AT), sa.column("of_old_panel", sa.Boolean()))
        until = sa.select(sa.func.max(sa.table("imports", sa.column("until", AT)).c.until))
        mark = sa.update(rows).where(rows.c[at] <= until.scalar_subquery())
        op.execute(mark.values(of_old_panel=True))
    with op.batch_alter_table("imports") as batch:
        batch.drop_column("until")


def downgrade() -> None:
    with op.batch_alter_table("imports") as batch:
        batch.add_column(sa.Column("until", AT, nullable=True))
    op.execute("UPDATE imports SET until = imported_at")
    with op.batch_alter_table("imports") as batch:
        batch.alter_column("until", existing_type=AT, nullable=False)
    for table in MARKED:
        with op.batch_alter_table(table) as batch:
            batch.drop_column("of_old_panel")

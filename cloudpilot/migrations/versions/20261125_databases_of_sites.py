"""databases of sites

Revision ID: 63a08e148b5c
Revises: c7e2f40b91d6
Create Date: 2026-11-25 12:38:45.066250
"""

import sqlalchemy as sa
from alembic import op

import cloudpilot.db

revision = "63a08e148b5c"
down_revision = "c7e2f40b91d6"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "databases",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column(
            "engine",
            sa.Enum("mariadb", "mysql", "postgresql", name="engine", native_enum=False, length=20),
            nullable=False,
        ),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("port", sa.Integer(), nullable=True),
        sa.Column("socket", sa.String(), nullable=False),
        sa.Column("user", sa.String(), nullable=False),
        sa.Column("password", sa.String(), nullable=False),
        sa.Column("all_but", sa.Boolean(), nullable=False),
        sa.Column("names", sa.JSON(), nullable=False),
        sa.Column("created_at", cloudpilot.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("removed_at", cloudpilot.db.UtcDateTime(timezone=True), nullable=True),
        sa.Column("findings", sa.JSON(), nullable=True),
        sa.Column("inspected_at", cloudpilot.db.UtcDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["site_id"], ["sites.id"], name=op.f("fk_databases_site_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_databases")),
    )
    with op.batch_alter_table("databases", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_databases_site_id"), ["site_id"], unique=False)

    with op.batch_alter_table("backups", schema=None) as batch_op:
        batch_op.add_column(sa.Column("databases", sa.JSON(), nullable=False, server_default="[]"))
        batch_op.add_column(sa.Column("census", sa.JSON(), nullable=False, server_default="[]"))


def downgrade() -> None:
    with op.batch_alter_table("backups", schema=None) as batch_op:
        batch_op.drop_column("census")
        batch_op.drop_column("databases")

    with op.batch_alter_table("databases", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_databases_site_id"))

    op.drop_table("databases")

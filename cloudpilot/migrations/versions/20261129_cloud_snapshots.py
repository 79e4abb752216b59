"""clouds, which machine of them a server is, and snapshots

Revision ID: b7e2c95a1d04
Revises: 047cbbf95bbf
Create Date: 2026-11-29 08:00:12.441907
"""

import sqlalchemy as sa
from alembic import op

import cloudpilot.db

revision = "b7e2c95a1d04"
down_revision = "047cbbf95bbf"
branch_labels = None
depends_on = None

AT = cloudpilot.db.UtcDateTime(timezone=True)
LINKED = {"servers": "ix_servers_cloud_id", "copies": "ix_copies_cloud_id", "runs": None}


def upgrade() -> None:
    op.create_table(
        "clouds",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        *(
            sa.Column(name, sa.String(), nullable=False)
            for name in ("region", "project", "tenant", "key_id", "endpoint", "secret")
        ),
        sa.Column("created_at", AT, nullable=False),
        sa.Column("removed_at", AT, nullable=True),
        sa.Column("lines", sa.JSON(), nullable=True),
        sa.Column("instances", sa.JSON(), nullable=True),
        sa.Column("checked_at", AT, nullable=True),
        sa.Column("next_check_at", AT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_clouds"),
    )
    op.create_index("ix_clouds_next_check_at", "clouds", ["next_check_at"])
    for table, index in LINKED.items():
        with op.batch_alter_table(table) as batch:
            batch.add_column(sa.Column("cloud_id", sa.Uuid(), nullable=True))
            batch.create_foreign_key(f"fk_{table}_cloud_id", "clouds", ["cloud_id"], ["id"])
            if index:
                batch.create_index(index, ["cloud_id"])
    with op.batch_alter_table("runs") as batch:
        batch.create_index("ix_runs_cloud_id_created_at_id", ["cloud_id", "created_at", "id"])
    with op.batch_alter_table("servers") as batch:
        batch.add_column(sa.Column("instance_id", sa.String(), nullable=True))
        batch.add_column(sa.Column("instance_name", sa.String(), nullable=True))
    with op.batch_alter_table("copies") as batch:
        batch.add_column(sa.Column("parts", sa.JSON(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("copies") as batch:
        batch.drop_column("parts")
    with op.batch_alter_table("servers") as batch:
        batch.drop_column("instance_name")
        batch.drop_column("instance_id")
    with op.batch_alter_table("runs") as batch:
        batch.drop_index("ix_runs_cloud_id_created_at_id")
    for table, index in LINKED.items():
        with op.batch_alter_table(table) as batch:
            if index:
                batch.drop_index(index)
            batch.drop_constraint(f"fk_{table}_cloud_id", type_="foreignkey")
            batch.drop_column("cloud_id")
    op.drop_table("clouds")

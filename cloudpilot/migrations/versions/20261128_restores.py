"""restores

Revision ID: 4922329679d9
Revises: 3d7a90b1c4e8
Create Date: 2026-11-28 21:08:58.048772
"""

import sqlalchemy as sa
from alembic import op

import cloudpilot.db

revision = "4922329679d9"
down_revision = "3d7a90b1c4e8"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "restores",
        sa.Column(
            "status",
            sa.Enum(
                "planned",
                "running",
                "completed",
                "undoing",
                "failed",
                "undone",
                name="restorestatus",
                native_enum=False,
                length=20,
            ),
            nullable=False,
        ),
        sa.Column("backup_id", sa.Uuid(), nullable=False),
        sa.Column("vault_id", sa.Uuid(), nullable=True),
        sa.Column("server_id", sa.Uuid(), nullable=False),
        sa.Column("root", sa.String(), nullable=False),
        sa.Column("paths", sa.JSON(), nullable=False),
        sa.Column("databases", sa.JSON(), nullable=False),
        sa.Column("logins", sa.String(), nullable=True),
        sa.Column("into", sa.String(), nullable=False),
        sa.Column("exact", sa.Boolean(), nullable=False),
        sa.Column("safe", sa.Boolean(), nullable=False),
        sa.Column("safe_backup_id", sa.Uuid(), nullable=True),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("requested_by", sa.Uuid(), nullable=True),
        sa.Column("survey", sa.JSON(), nullable=True),
        sa.Column("surveyed_at", cloudpilot.db.UtcDateTime(timezone=True), nullable=True),
        sa.Column("created_at", cloudpilot.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("started_at", cloudpilot.db.UtcDateTime(timezone=True), nullable=True),
        sa.Column("finished_at", cloudpilot.db.UtcDateTime(timezone=True), nullable=True),
        sa.Column("kept_until", cloudpilot.db.UtcDateTime(timezone=True), nullable=True),
        sa.Column("error_code", sa.String(), nullable=True),
        sa.Column("error_detail", sa.Text(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["backup_id"], ["backups.id"], name=op.f("fk_restores_backup_id")),
        sa.ForeignKeyConstraint(
            ["requested_by"], ["people.id"], name=op.f("fk_restores_requested_by")
        ),
        sa.ForeignKeyConstraint(
            ["safe_backup_id"], ["backups.id"], name=op.f("fk_restores_safe_backup_id")
        ),
        sa.ForeignKeyConstraint(["server_id"], ["servers.id"], name=op.f("fk_restores_server_id")),
        sa.ForeignKeyConstraint(["vault_id"], ["vaults.id"], name=op.f("fk_restores_vault_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_restores")),
    )
    with op.batch_alter_table("restores", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_restores_backup_id_created_at_id"),
            ["backup_id", "created_at", "id"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_restores_created_at_id"), ["created_at", "id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_restores_safe_backup_id"), ["safe_backup_id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_restores_status_kept_until"), ["status", "kept_until"], unique=False
        )
        batch_op.create_index(
            "uq_restores_active_server",
            ["server_id"],
            unique=True,
            sqlite_where=sa.text("status IN ('running', 'undoing')"),
            postgresql_where=sa.text("status IN ('running', 'undoing')"),
        )

    with op.batch_alter_table("runs", schema=None) as batch_op:
        batch_op.add_column(sa.Column("restore_id", sa.Uuid(), nullable=True))
        batch_op.create_index(
            batch_op.f("ix_runs_restore_id_created_at_id"),
            ["restore_id", "created_at", "id"],
            unique=False,
        )
        batch_op.create_foreign_key(
            batch_op.f("fk_runs_restore_id"), "restores", ["restore_id"], ["id"]
        )


def downgrade() -> None:
    with op.batch_alter_table("runs", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("fk_runs_restore_id"), type_="foreignkey")
        batch_op.drop_index(batch_op.f("ix_runs_restore_id_created_at_id"))
        batch_op.drop_column("restore_id")

    with op.batch_alter_table("restores", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_restores_active_server",
            sqlite_where=sa.text("status IN ('running', 'undoing')"),
            postgresql_where=sa.text("status IN ('running', 'undoing')"),
        )
        batch_op.drop_index(batch_op.f("ix_restores_status_kept_until"))
        batch_op.drop_index(batch_op.f("ix_restores_safe_backup_id"))
        batch_op.drop_index(batch_op.f("ix_restores_created_at_id"))
        batch_op.drop_index(batch_op.f("ix_restores_backup_id_created_at_id"))

    op.drop_table("restores")

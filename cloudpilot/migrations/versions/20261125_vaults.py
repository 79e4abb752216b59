"""vaults, what is in them, and what uploads it

Revision ID: e5b80c2d7f14
Revises: 63a08e148b5c
Create Date: 2026-11-25 16:40:02.317744
"""

import sqlalchemy as sa
from alembic import op
from alembic.operations import BatchOperations

import cloudpilot.db

revision = "e5b80c2d7f14"
down_revision = "63a08e148b5c"
branch_labels = None
depends_on = None

AT = cloudpilot.db.UtcDateTime(timezone=True)
WISHES = ("vault_id", "streamed", "local_days", "rate")


def upgrade() -> None:
    _vaults()
    for table in ("sites", "backups"):
        with op.batch_alter_table(table) as batch_op:
            _add_wishes(batch_op, table)
    with op.batch_alter_table("backups") as batch_op:
        batch_op.add_column(sa.Column("delete_requested_at", AT, nullable=True))
    with op.batch_alter_table("copies") as batch_op:
        batch_op.add_column(sa.Column("vault_id", sa.Uuid(), nullable=True))
        batch_op.add_column(sa.Column("remove_at", AT, nullable=True))
        batch_op.add_column(sa.Column("error_code", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("error_detail", sa.String(), nullable=True))
        batch_op.create_foreign_key("fk_copies_vault_id", "vaults", ["vault_id"], ["id"])
        columns = ["vault_id", "status", "size"]
        batch_op.create_index("ix_copies_vault_id_status_size", columns)
        batch_op.create_index("ix_copies_remove_at", ["remove_at"])
    with op.batch_alter_table("runs") as batch_op:
        batch_op.alter_column("server_id", existing_type=sa.Uuid(), nullable=True)
        batch_op.add_column(sa.Column("vault_id", sa.Uuid(), nullable=True))
        batch_op.create_foreign_key("fk_runs_vault_id", "vaults", ["vault_id"], ["id"])
        columns = ["vault_id", "created_at", "id"]
        batch_op.create_index("ix_runs_vault_id_created_at_id", columns)
    _objects()


def _vaults() -> None:
    op.create_table(
        "vaults",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        *(
            sa.Column(name, sa.String(), nullable=False)
            for name in ("bucket", "region", "endpoint", "prefix", "key_id", "secret")
        ),
        sa.Column("path_style", sa.Boolean(), nullable=False),
        sa.Column("equal_parts", sa.Boolean(), nullable=False),
        sa.Column("created_at", AT, nullable=False),
        sa.Column("removed_at", AT, nullable=True),
        sa.Column("lines", sa.JSON(), nullable=True),
        sa.Column("checked_at", AT, nullable=True),
        sa.Column("next_check_at", AT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_vaults"),
    )
    op.create_index("ix_vaults_next_check_at", "vaults", ["next_check_at"])


def _add_wishes(batch_op: BatchOperations, table: str) -> None:
    batch_op.add_column(sa.Column("vault_id", sa.Uuid(), nullable=True))
    no = sa.false()
    batch_op.add_column(sa.Column("streamed", sa.Boolean(), nullable=False, server_default=no))
    batch_op.add_column(sa.Column("local_days", sa.Integer(), nullable=True))
    batch_op.add_column(sa.Column("rate", sa.BigInteger(), nullable=True))
    batch_op.create_foreign_key(f"fk_{table}_vault_id", "vaults", ["vault_id"], ["id"])


def _objects() -> None:
    op.create_table(
        "vault_objects",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("copy_id", sa.Uuid(), nullable=False),
        sa.Column("vault_id", sa.Uuid(), nullable=False),
        sa.Column("attempt", sa.Uuid(), nullable=False),
        *(
            sa.Column(name, sa.String(), nullable=False)
            for name in ("name", "key", "upload_secret")
        ),
        sa.Column("begun_at", AT, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.String(), nullable=True),
        sa.Column("md5", sa.String(), nullable=False),
        sa.Column("parts", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("stored_at", AT, nullable=True),
        sa.Column("etag", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("verified_by", sa.String(), nullable=True),
        sa.Column("gone_at", AT, nullable=True),
        sa.Column("kept_until", AT, nullable=True),
        sa.ForeignKeyConstraint(["copy_id"], ["copies.id"], name="fk_vault_objects_copy_id"),
        sa.ForeignKeyConstraint(["vault_id"], ["vaults.id"], name="fk_vault_objects_vault_id"),
        sa.PrimaryKeyConstraint("id", name="pk_vault_objects"),
    )
    for name, columns, unique in (
        ("ix_vault_objects_copy_id", ["copy_id"], False),
        ("ix_vault_objects_vault_id", ["vault_id"], False),
        ("uq_vault_objects_attempt_name", ["attempt", "name"], True),
    ):
        op.create_index(name, "vault_objects", columns, unique=unique)


def downgrade() -> None:
    op.execute("DELETE FROM runs WHERE server_id IS NULL")
    op.drop_table("vault_objects")
    with op.batch_alter_table("runs") as batch_op:
        batch_op.drop_index("ix_runs_vault_id_created_at_id")
        batch_op.drop_constraint("fk_runs_vault_id", type_="foreignkey")
        batch_op.drop_column("vault_id")
        batch_op.alter_column("server_id", existing_type=sa.Uuid(), nullable=False)
    op.execute("DELETE FROM copies WHERE place = 'vault'")
    with op.batch_alter_table("copies") as batch_op:
        batch_op.drop_index("ix_copies_vault_id_status_size")
        batch_op.drop_index("ix_copies_remove_at")
        batch_op.drop_constraint("fk_copies_vault_id", type_="foreignkey")
        for name in ("vault_id", "remove_at", "error_code", "error_detail"):
            batch_op.drop_column(name)
    for table in ("backups", "sites"):
        with op.batch_alter_table(table) as batch_op:
            batch_op.drop_constraint(f"fk_{table}_vault_id", type_="foreignkey")
            for name in WISHES + (("delete_requested_at",) if table == "backups" else ()):
                batch_op.drop_column(name)
    op.drop_table("vaults")

"""exports of the panel, and that it was brought back from one

Revision ID: e18d5b60c7f2
Revises: c4a81f27d9e3
Create Date: 2026-11-29 11:00:00.000000
"""

import sqlalchemy as sa
from alembic import op

import cloudpilot.db

revision = "e18d5b60c7f2"
down_revision = "c4a81f27d9e3"
branch_labels = None
depends_on = None

AT = cloudpilot.db.UtcDateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "imports",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("made_at", AT, nullable=False),
        sa.Column("panel", sa.String(), nullable=False),
        sa.Column("imported_at", AT, nullable=False),
        sa.Column("until", AT, nullable=False),
        sa.Column("begun_at", AT, nullable=True),
        sa.Column("begun_by", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(["begun_by"], ["people.id"], name="fk_imports_begun_by"),
        sa.PrimaryKeyConstraint("id", name="pk_imports"),
    )
    op.create_table(
        "panel_exports",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("vault_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("recipient", sa.String(), nullable=False),
        sa.Column("created_at", AT, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.String(), nullable=True),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("stored_at", AT, nullable=True),
        sa.Column("gone_at", AT, nullable=True),
        sa.Column("error_code", sa.String(), nullable=True),
        sa.Column("error_detail", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["vault_id"], ["vaults.id"], name="fk_panel_exports_vault_id"),
        sa.PrimaryKeyConstraint("id", name="pk_panel_exports"),
    )
    op.create_index(
        "ix_panel_exports_vault_id_created_at", "panel_exports", ["vault_id", "created_at"]
    )


def downgrade() -> None:
    op.drop_table("panel_exports")
    op.drop_table("imports")

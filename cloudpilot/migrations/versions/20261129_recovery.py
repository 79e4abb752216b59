"""recovery keys

Revision ID: c4a81f27d9e3
Revises: b7e2c95a1d04
Create Date: 2026-11-29 10:40:00.000000
"""

import sqlalchemy as sa
from alembic import op

import cloudpilot.db

revision = "c4a81f27d9e3"
down_revision = "b7e2c95a1d04"
branch_labels = None
depends_on = None

AT = cloudpilot.db.UtcDateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "recovery_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recipient", sa.String(), nullable=False),
        sa.Column("manifest_key", sa.String(), nullable=False),
        sa.Column("ending_hash", sa.String(), nullable=True),
        sa.Column("created_at", AT, nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("confirmed_at", AT, nullable=True),
        sa.ForeignKeyConstraint(["created_by"], ["people.id"], name="fk_recovery_keys_created_by"),
        sa.PrimaryKeyConstraint("id", name="pk_recovery_keys"),
    )


def downgrade() -> None:
    op.drop_table("recovery_keys")

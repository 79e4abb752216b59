"""schedules and their slots, increments, retention, the address of the status

Revision ID: 9c4f1d0e7a62
Revises: e5b80c2d7f14
Create Date: 2026-11-25 21:04:11.402113
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from alembic import op
from alembic.operations import BatchOperations

import cloudpilot.db

revision = "9c4f1d0e7a62"
down_revision = "e5b80c2d7f14"
branch_labels = None
depends_on = None

AT = cloudpilot.db.UtcDateTime(timezone=True)
RULES = ("keep_last", "keep_daily", "keep_weekly", "keep_monthly", "keep_yearly")
TIMES = ("paused_at", "removed_at", "next_run_at", "good_at", "late_at", "late_since")
NEEDED: tuple[tuple[str, Any], ...] = (
    ("id", sa.Uuid()),
    ("server_id", sa.Uuid()),
    ("type", sa.String(length=20)),
    ("paths", sa.JSON()),
    ("excludes", sa.JSON()),
    ("compression", sa.String(length=20)),
    ("cron", sa.String()),
    ("zone", sa.String()),
    ("spread_minutes", sa.Integer()),
    ("retries", sa.Integer()),
    ("retention_days", sa.Integer()),
    *((name, sa.Integer()) for name in RULES),
    ("incremental", sa.Boolean()),
    ("full_every", sa.Integer()),
    ("streamed", sa.Boolean()),
    ("note", sa.String()),
    ("created_at", AT),
)
OPTIONAL: tuple[tuple[str, Any], ...] = (
    ("site_id", sa.Uuid()),
    ("grace_minutes", sa.Integer()),
    ("full_days", sa.Integer()),
    ("vault_id", sa.Uuid()),
    ("local_days", sa.Integer()),
    ("rate", sa.BigInteger()),
    ("created_by", sa.Uuid()),
    *((name, AT) for name in TIMES),
)
INDEXES = ("next_run_at", "late_at", "site_id", "server_id", "vault_id")
OF_BACKUPS: dict[str, Any] = {
    "pinned_at": AT,
    "judge_at": AT,
    "chain_id": sa.Uuid(),
    "base_id": sa.Uuid(),
    "state_sha256": sa.String(),
    "usual_size": sa.BigInteger(),
    "schedule_id": sa.Uuid(),
    "slot_id": sa.Uuid(),
}
BACKUP_INDEXES = (
    ["judge_at"],
    ["chain_id"],
    ["slot_id"],
    ["schedule_id", "created_at", "id"],
)
WAITING = sa.text("status = 'waiting'")


def upgrade() -> None:
    _schedules()
    _slots()
    op.create_table(
        "status_addresses",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.String(), nullable=False),
        sa.Column("made_by", sa.Uuid(), nullable=True),
        sa.Column("created_at", AT, nullable=False),
        sa.Column("ended_at", AT, nullable=True),
        sa.ForeignKeyConstraint(["made_by"], ["people.id"], name="fk_status_addresses_made_by"),
        sa.PrimaryKeyConstraint("id", name="pk_status_addresses"),
        sa.UniqueConstraint("token_hash", name="uq_status_addresses_token_hash"),
    )
    with op.batch_alter_table("servers") as batch_op:
        two = sa.Column("backups_at_once", sa.Integer(), nullable=False, server_default="2")
        batch_op.add_column(two)
    with op.batch_alter_table("backups") as batch_op:
        _backups(batch_op)
    _judge_later()


def _judge_later() -> None:
    """From now on backups go when their days are over; nobody was told so of those that are there,
    so they stay for a week at least."""
    names = ("judge_at", "expires_at", "deleted_at")
    backups = sa.table("backups", *(sa.column(name, AT) for name in names))
    first = datetime.now(UTC) + timedelta(days=7)
    later = sa.case((backups.c.expires_at > first, backups.c.expires_at), else_=first)
    op.execute(sa.update(backups).where(backups.c.deleted_at.is_(None)).values(judge_at=later))


def _schedules() -> None:
    op.create_table(
        "schedules",
        *(sa.Column(name, kind, nullable=False) for name, kind in NEEDED),
        *(sa.Column(name, kind, nullable=True) for name, kind in OPTIONAL),
        *(
            sa.ForeignKeyConstraint([column], [f"{table}.id"], name=f"fk_schedules_{column}")
            for column, table in (
                ("server_id", "servers"),
                ("site_id", "sites"),
                ("vault_id", "vaults"),
                ("created_by", "people"),
            )
        ),
        sa.PrimaryKeyConstraint("id", name="pk_schedules"),
    )
    for column in INDEXES:
        op.create_index(f"ix_schedules_{column}", "schedules", [column])


def _slots() -> None:
    op.create_table(
        "slots",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("schedule_id", sa.Uuid(), nullable=False),
        sa.Column("due_at", AT, nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("try_at", AT, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("until", AT, nullable=True),
        sa.Column("by_hand", sa.Boolean(), nullable=False),
        sa.Column("why", sa.String(), nullable=False),
        sa.Column("error_code", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["schedule_id"], ["schedules.id"], name="fk_slots_schedule_id"),
        sa.PrimaryKeyConstraint("id", name="pk_slots"),
        sa.UniqueConstraint("schedule_id", "due_at", name="uq_slots_schedule_id_due_at"),
    )
    op.create_index(
        "ix_slots_waiting",
        "slots",
        ["try_at"],
        sqlite_where=WAITING,
        postgresql_where=WAITING,
    )


def _backups(batch_op: BatchOperations) -> None:
    for name, kind in OF_BACKUPS.items():
        batch_op.add_column(sa.Column(name, kind, nullable=True))
    batch_op.add_column(sa.Column("level", sa.Integer(), nullable=False, server_default="0"))
    batch_op.add_column(sa.Column("kept_because", sa.String(), nullable=False, server_default=""))
    for table, column in (("schedules", "schedule_id"), ("slots", "slot_id")):
        batch_op.create_foreign_key(f"fk_backups_{column}", table, [column], ["id"])
    for columns in BACKUP_INDEXES:
        batch_op.create_index(f"ix_backups_{'_'.join(columns)}", columns)


def downgrade() -> None:
    with op.batch_alter_table("backups") as batch_op:
        for columns in BACKUP_INDEXES:
            batch_op.drop_index(f"ix_backups_{'_'.join(columns)}")
        for column in ("schedule_id", "slot_id"):
            batch_op.drop_constraint(f"fk_backups_{column}", type_="foreignkey")
        for name in (*OF_BACKUPS, "level", "kept_because"):
            batch_op.drop_column(name)
    with op.batch_alter_table("servers") as batch_op:
        batch_op.drop_column("backups_at_once")
    for table in ("status_addresses", "slots", "schedules"):
        op.drop_table(table)

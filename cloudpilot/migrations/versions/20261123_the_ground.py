"""the ground

Revision ID: a3d1c09e55b2
Revises: 57cb47f7738a
Create Date: 2026-11-23 20:27:29.005167
"""

import sqlalchemy as sa
from alembic import op

import cloudpilot.db

revision = "a3d1c09e55b2"
down_revision = "57cb47f7738a"
branch_labels = None
depends_on = None

# The audit log: the database itself refuses to change or delete an entry.
APPEND_ONLY = {
    "sqlite": [
        f"CREATE TRIGGER audit_entries_no_{act} BEFORE {act} ON audit_entries"
        " BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END"
        for act in ("update", "delete")
    ],
    "postgresql": [
        "CREATE FUNCTION audit_entries_append_only() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$",
        "CREATE TRIGGER audit_entries_append_only BEFORE UPDATE OR DELETE OR TRUNCATE"
        " ON audit_entries FOR EACH STATEMENT EXECUTE FUNCTION audit_entries_append_only()",
    ],
}


def upgrade() -> None:
    op.create_table(
        "audit_entries",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", cloudpilot.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=True),
        sa.Column("subject_name", sa.String(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_entries")),
    )
    with op.batch_alter_table("audit_entries", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_audit_entries_at_id"), ["at", "id"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_audit_entries_person_id_at_id"), ["person_id", "at", "id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_audit_entries_subject_id_at_id"),
            ["subject_id", "at", "id"],
            unique=False,
        )

    op.create_table(
        "sign_in_failures",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", cloudpilot.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("account_hash", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_in_failures")),
    )
    with op.batch_alter_table("sign_in_failures", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_sign_in_failures_account_hash_at"), ["account_hash", "at"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_sign_in_failures_address_at"), ["address", "at"], unique=False
        )

    op.create_table(
        "one_time_links",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.String(), nullable=False),
        sa.Column(
            "purpose",
            sa.Enum("invitation", "reset", name="purpose", native_enum=False, length=20),
            nullable=False,
        ),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column(
            "role",
            sa.Enum(
                "owner", "admin", "member", "viewer", name="role", native_enum=False, length=20
            ),
            nullable=True,
        ),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column("made_by", sa.Uuid(), nullable=True),
        sa.Column("created_at", cloudpilot.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("expires_at", cloudpilot.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("used_at", cloudpilot.db.UtcDateTime(timezone=True), nullable=True),
        sa.Column("withdrawn_at", cloudpilot.db.UtcDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["made_by"], ["people.id"], name=op.f("fk_one_time_links_made_by")),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_one_time_links_person_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_one_time_links")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_one_time_links_token_hash")),
    )
    op.create_table(
        "sessions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.String(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("agent", sa.String(), nullable=False),
        sa.Column("created_at", cloudpilot.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("seen_at", cloudpilot.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("expires_at", cloudpilot.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("ended_at", cloudpilot.db.UtcDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_sessions_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_sessions_token_hash")),
    )
    with op.batch_alter_table("sessions", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_sessions_person_id_created_at"),
            ["person_id", "created_at"],
            unique=False,
        )

    with op.batch_alter_table("checkups", schema=None) as batch_op:
        batch_op.add_column(sa.Column("changes", sa.JSON(), nullable=False, server_default="[]"))
        batch_op.create_index(batch_op.f("ix_checkups_at"), ["at"], unique=False)

    with op.batch_alter_table("runs", schema=None) as batch_op:
        batch_op.add_column(sa.Column("options", sa.JSON(), nullable=False, server_default="{}"))

    with op.batch_alter_table("servers", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("expected_host_keys", sa.JSON(), nullable=False, server_default="[]")
        )
        batch_op.add_column(sa.Column("next_public_key", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("next_private_key", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("key_made_at", cloudpilot.db.UtcDateTime(timezone=True)))
        batch_op.add_column(
            sa.Column("next_check_at", cloudpilot.db.UtcDateTime(timezone=True), nullable=True)
        )
        batch_op.create_index(
            batch_op.f("ix_servers_next_check_at"), ["next_check_at"], unique=False
        )

    with op.batch_alter_table("sites", schema=None) as batch_op:
        batch_op.add_column(sa.Column("preview", sa.JSON(), nullable=True))
        batch_op.add_column(
            sa.Column("previewed_at", cloudpilot.db.UtcDateTime(timezone=True), nullable=True)
        )

    _fill()
    op.create_index(
        "ix_backups_warned",
        "backups",
        ["created_at", "warning_count"],
        sqlite_where=sa.text("warning_count > 0"),
        postgresql_where=sa.text("warning_count > 0"),
    )
    op.create_index(
        op.f("ix_copies_server_id_status_size"), "copies", ["server_id", "status", "size"]
    )
    op.create_index(
        op.f("ix_runs_kind_status_created_at"), "runs", ["kind", "status", "created_at"]
    )
    for statement in APPEND_ONLY[op.get_bind().dialect.name]:
        op.execute(statement)


def _fill() -> None:
    """What the rows that are there already say in the new columns; the models have no defaults."""
    op.execute("UPDATE servers SET key_made_at = created_at")
    for table, column in (
        ("checkups", "changes"),
        ("runs", "options"),
        ("servers", "expected_host_keys"),
    ):
        with op.batch_alter_table(table) as batch_op:
            batch_op.alter_column(
                column, existing_type=sa.JSON(), existing_nullable=False, server_default=None
            )
    with op.batch_alter_table("servers") as batch_op:
        batch_op.alter_column(
            "key_made_at", existing_type=cloudpilot.db.UtcDateTime(timezone=True), nullable=False
        )


def downgrade() -> None:
    op.drop_index(op.f("ix_runs_kind_status_created_at"), "runs")
    op.drop_index(op.f("ix_copies_server_id_status_size"), "copies")
    op.drop_index("ix_backups_warned", "backups")
    with op.batch_alter_table("sites", schema=None) as batch_op:
        batch_op.drop_column("previewed_at")
        batch_op.drop_column("preview")

    with op.batch_alter_table("servers", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_servers_next_check_at"))
        batch_op.drop_column("next_check_at")
        batch_op.drop_column("key_made_at")
        batch_op.drop_column("next_private_key")
        batch_op.drop_column("next_public_key")
        batch_op.drop_column("expected_host_keys")

    with op.batch_alter_table("runs", schema=None) as batch_op:
        batch_op.drop_column("options")

    with op.batch_alter_table("checkups", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_checkups_at"))
        batch_op.drop_column("changes")

    with op.batch_alter_table("sessions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_sessions_person_id_created_at"))

    op.drop_table("sessions")
    op.drop_table("one_time_links")
    with op.batch_alter_table("sign_in_failures", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_sign_in_failures_address_at"))
        batch_op.drop_index(batch_op.f("ix_sign_in_failures_account_hash_at"))

    op.drop_table("sign_in_failures")
    with op.batch_alter_table("audit_entries", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_audit_entries_subject_id_at_id"))
        batch_op.drop_index(batch_op.f("ix_audit_entries_person_id_at_id"))
        batch_op.drop_index(batch_op.f("ix_audit_entries_at_id"))

    op.drop_table("audit_entries")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION audit_entries_append_only()")

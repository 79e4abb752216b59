"""What was in the database before an update is there after it."""

from datetime import UTC, datetime
from uuid import uuid4

import flask_migrate
from flask import Flask
from sqlalchemy import select, text

from cloudpilot.db import db, reading
from cloudpilot.domain.servers import Server

FIRST_RELEASE = "57cb47f7738a"


def test_a_server_from_before_the_audit_log_is_kept(core: Flask) -> None:
    flask_migrate.downgrade(revision=FIRST_RELEASE)
    created_at = datetime(2026, 11, 1, 12, tzinfo=UTC)
    columns = {
        "id": uuid4().hex,
        "name": "web-1",
        "host": "h",
        "port": 22,
        "username": "cloudpilot",
        "privilege": "plain",
        "backup_root": "/var/backups/cloudpilot",
        "public_key": "k",
        "private_key": "sealed",
        "host_keys": '["SHA256:a"]',
        "created_at": created_at
        if db.engine.dialect.name == "postgresql"
        else str(created_at)[:19],
    }
    names = ", ".join(columns)
    with db.engine.begin() as connection:
        places = ", ".join(f":{name}" for name in columns)
        connection.execute(text(f"INSERT INTO servers ({names}) VALUES ({places})"), columns)
    flask_migrate.upgrade()
    with reading() as session:
        server = session.scalars(select(Server)).one()
    assert (server.host_keys, server.expected_host_keys) == (["SHA256:a"], [])
    assert server.key_made_at == server.created_at == created_at

"""Rows of clouds, and one in memory for them."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from cloudpilot import clock
from cloudpilot.clouds.memory import WEB, MemoryCloud, MemoryStore
from cloudpilot.db import transaction
from cloudpilot.domain import instances, requests
from cloudpilot.domain.clouds import Cloud
from cloudpilot.domain.requests import Wish
from cloudpilot.domain.servers import Server
from cloudpilot.jobs import opening
from cloudpilot.kinds import BackupType, CloudKind, Compression

SAME_ACCOUNT = {
    "key": "account", "level": "ok", "title": "The same account", "detail": "", "remedy": "",
    "code": "", "worse_at": None,
}  # fmt: skip
MACHINES = [
    {"id": WEB.id, "name": WEB.name, "addresses": list(WEB.addresses), "region": WEB.region,
     "disks": WEB.disks, "size": WEB.size},
    {"id": "i-db", "name": "db-1", "addresses": ["203.0.113.11"], "region": WEB.region,
     "disks": 1, "size": None},
]  # fmt: skip


def add_cloud(session: Session, name: str = "aws", **columns: Any) -> Cloud:
    """An account at Amazon's, whose machines a check has seen."""
    values: dict[str, Any] = {
        "id": uuid4(),
        "name": name,
        "kind": CloudKind.AWS,
        "region": "eu-central-1",
        "project": "",
        "tenant": "",
        "key_id": "AKIAEXAMPLE",
        "endpoint": "",
        "secret": "sealed",
        "instances": MACHINES,
        "lines": [SAME_ACCOUNT],
        "checked_at": clock.now(),
    }
    cloud = Cloud(**(values | columns))
    session.add(cloud)
    session.flush()
    return cloud


def linked(session: Session, server: Server, **columns: Any) -> Cloud:
    """A new cloud, of which the server is a machine."""
    cloud = add_cloud(session, **columns)
    instances.link(session, server, cloud, WEB.id)
    return cloud


def ask(session: Session, server: Server, **wish: Any) -> UUID:
    """A snapshot is asked for; the backup's id."""
    what = Wish(server, None, [], [], Compression.GZIP, BackupType.SNAPSHOT, **wish)
    run = requests.backup_now(session, what, None)
    assert run.backup_id
    return run.backup_id


def in_memory(core: Flask, cloud_id: UUID, monkeypatch: pytest.MonkeyPatch) -> MemoryStore:
    """From now on every cloud that is opened is in this memory; the row has the secret to it."""
    store = MemoryStore()
    registry = opening.cloud_registry
    monkeypatch.setattr(registry, "open_cloud", lambda told: MemoryCloud(store, told.secret))
    with transaction() as session:
        row = session.get_one(Cloud, cloud_id)
        row.secret = core.extensions["sealer"].seal(store.secret, row.secret_place)
    return store

"""Manifests as servers write them, and what lies in a vault with them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy.orm import Session

from cloudpilot import clock
from cloudpilot.domain import adoption, manifests
from cloudpilot.domain.adoption import Found, Laid
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.manifests import Folder
from cloudpilot.domain.objects import ARCHIVE, INDEX, MANIFEST

SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
SIZE = 4_711
AT = datetime(2026, 11, 20, 10, tzinfo=UTC)


@dataclass(frozen=True)
class There:
    """An object as a store lists it."""

    key: str
    size: int = 10
    modified_at: datetime = AT


def a_folder(**ids: UUID) -> Folder:
    """Of a backup that nobody knows."""
    return Folder(**({"server": uuid4(), "site": uuid4(), "backup": uuid4()} | ids))


def told(folder: Folder, **changes: Any) -> dict[str, Any]:
    """A manifest of it as JSON has it; `plan` and `result` hold what is to be otherwise there."""
    plan = {
        "format": 1,
        "backup_id": str(folder.backup),
        "type": "files",
        "created_at": "2026-11-20T10:00:00+00:00",
        "server": {"id": str(folder.server), "name": "web-1"},
        "site": {"id": str(folder.site), "name": "shop"},
        "paths": ["/srv/shop"],
        "excludes": ["*.log", "/cache"],
        "databases": [],
        "compression": "gzip",
        "method": "archive",
    }
    counted = ("entries", "files", "directories", "symlinks", "hardlinks", "others", "unreadable")
    result = {
        "archive": "files-20261120-100000Z.tar.gz",
        "index": "files-20261120-100000Z.tar.gz.index.gz",
        "sha256": SHA256,
        "size": SIZE,
        "tar_bytes": 10_240,
        **dict.fromkeys(counted, 0),
        "files": 3,
        "members": 1,
        "warnings": 0,
        "seconds": 1,
        "compressor": "igzip -2 -n -c",
        "databases": 0,
        "complete": True,
    }
    plan |= changes.pop("plan", {})
    result |= changes.pop("result", {})
    return {"format": 1, "plan": plan, "result": result} | changes


def body(folder: Folder, **changes: Any) -> bytes:
    """The same as it lies there."""
    return json.dumps(told(folder, **changes)).encode()


def a_found(folder: Folder, objects: Mapping[str, Laid] | None = None, **changes: Any) -> Found:
    """A backup that lies in a vault."""
    manifest = manifests.parse(body(folder, **changes), folder, clock.now())
    attempt = uuid4()
    names = {
        ARCHIVE: manifest.archive,
        INDEX: f"{manifest.archive}.index.gz",
        MANIFEST: "manifest.json",
    }
    size = manifest.made.size
    there = {
        name: Laid(f"{folder.name}/{attempt}/{file}", size if name == ARCHIVE else 10, "e", "v")
        for name, file in names.items()
    }
    return Found(manifest, attempt, objects or there)


def adopted(session: Session, vault_id: UUID, folder: Folder | None = None, **how: Any) -> Backup:
    """The row of one that was adopted."""
    backup = adoption.adopt(session, vault_id, a_found(folder or a_folder(), **how))
    assert backup is not None
    return backup

"""A panel with everything in it, and an empty one of another kind with another secret key."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from cloudpilot import cli, create_core, recovery
from cloudpilot.db import db, reading, transaction
from cloudpilot.domain import recovery as keys
from cloudpilot.domain import status_address
from cloudpilot.domain.copies import Copy
from cloudpilot.domain.objects import VaultObject
from cloudpilot.domain.panel_exports import PanelExport
from cloudpilot.exports import loading, writing
from cloudpilot.exports.sealed import SEALED
from cloudpilot.exports.tables import exported
from cloudpilot.recovery import RecoveryKey
from cloudpilot.secrets import CannotOpenError, Secret
from cloudpilot.settings import Settings
from tests.support.database import database
from tests.support.rows import add_person
from tests.web.scenes import SCENES

OTHER_KEY = Secret("another secret key, as a new panel has one")


@pytest.fixture(scope="session")
def key() -> RecoveryKey:
    """One recovery key for all."""
    return recovery.new()


@pytest.fixture
def old(core: Flask, key: RecoveryKey) -> Flask:
    """A panel with rows in every table, all of its secrets really sealed."""
    with transaction() as session:
        owner = add_person(session)
        for name in ("much", "announced", "restored"):
            SCENES[name](session)
        status_address.make(session, owner)
        _add_objects(session)
        made = keys.add(session, core.extensions["sealer"], key, "hash", owner)
        keys.confirm(session, made)
    with transaction() as session:
        for sealed in SEALED:
            for row in session.scalars(select(sealed.table)):
                secret = core.extensions["sealer"].seal(Secret("s3cret"), sealed.place(row))
                if sealed.table is not keys.PanelKey:
                    setattr(row, sealed.column.key, secret)
    return core


def _add_objects(session: Session) -> None:
    """What scenes do not have."""
    copy = session.scalars(select(Copy).where(Copy.vault_id.is_not(None))).first()
    assert copy
    assert copy.vault_id
    of = {"vault_id": copy.vault_id, "key": "a/b/c"}
    parts: list[list[object]] = [[1, 5, "md5", "told"]]
    session.add(
        VaultObject(
            copy_id=copy.id, attempt=uuid4(), name="archive", upload_secret="", parts=parts, **of
        )
    )
    session.add(PanelExport(recipient="age1", size=2**40, **of))


@contextmanager
def panel(settings: Settings, url: str) -> Iterator[Flask]:
    """Another panel, in its own context."""
    app = create_core(replace(settings, database_url=url, secret_key=OTHER_KEY))
    cli.register(app)
    with app.app_context():
        yield app
        db.session.remove()
        db.engine.dispose()
        app.extensions["redis"].close()


@pytest.fixture
def new_url(settings: Settings, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of the kind that the old panel has not."""
    other = "postgresql" if settings.database_url.startswith("sqlite") else "sqlite"
    (tmp_path / "new").mkdir()
    return database(other, request, tmp_path / "new")


@pytest.fixture
def new(settings: Settings, new_url: str) -> Callable[[], Any]:
    """The empty panel: `with new() as app`."""
    return lambda: panel(settings, new_url)


def export(app: Flask) -> bytes:
    """What the panel exports."""
    target = BytesIO()
    with reading() as session:
        whom = writing.whom(session, app.extensions["sealer"])
    writing.write(db.engine, app.extensions["sealer"], whom, target)
    return target.getvalue()


def load(app: Flask, key: RecoveryKey, data: bytes) -> None:
    """Bring it back into this panel."""
    with transaction() as session:
        loading.load(session, app.extensions["sealer"], key, BytesIO(data))


def everything(app: Flask) -> dict[str, list[Any]]:
    """All that is exported, in clear, by table."""
    found = {}
    with db.engine.connect() as connection:
        for table in exported():
            rows = []
            for row in connection.execute(select(table.rows)).mappings():
                values = dict(row)
                for name, sealed in table.sealed.items():
                    place = sealed.place(sealed.table(id=row["id"]))
                    values[name] = _clear(app, values[name], place)
                rows.append(values)
            found[table.name] = sorted(rows, key=lambda row: str(row.get("id", row)))
    return found


def _clear(app: Flask, value: str | None, place: str) -> str | None:
    try:
        return app.extensions["sealer"].open(value, place).reveal() if value else value
    except CannotOpenError:
        return f"still sealed: {value}"

"""What an older version has exported comes back as if that panel had been updated."""

import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import flask_migrate
import pytest
from alembic.script import ScriptDirectory
from flask import Flask
from sqlalchemy import Column, Connection, MetaData, Table, select, table, text

from cloudpilot import clock, recovery
from cloudpilot.db import MIGRATIONS, db, reading, transaction
from cloudpilot.domain import recovery as keys
from cloudpilot.domain import rest
from cloudpilot.domain.people import Person
from cloudpilot.domain.servers import Server
from cloudpilot.errors import ExportDamaged, ExportFailed
from cloudpilot.exports import updating, writing
from cloudpilot.exports.tables import LEFT_OUT, Exported, exported
from cloudpilot.exports.values import opened
from cloudpilot.recovery import RecoveryKey
from cloudpilot.secrets import Sealer
from tests.exports.conftest import everything, export, load, panel
from tests.exports.test_refused import forged, rows_of
from tests.support.database import database
from tests.support.rows import add_person, add_server

New = Callable[[], Any]

FIRST = "e18d5b60c7f2"  # before it there were no exports
SCRIPTS = ScriptDirectory(str(MIGRATIONS))
HEAD = str(SCRIPTS.get_current_head())
OLDER = [one.revision for one in SCRIPTS.iterate_revisions(HEAD, FIRST, inclusive=True)][1:]


def tables(connection: Connection) -> Iterator[Exported]:
    """What a panel of the database's revision exports: all that it has but what is left out."""
    there = updating.columns(connection)
    known = {one.name: one.sealed for one in exported() if one.name in there}
    for name in (*known, *sorted(set(there) - set(known) - set(LEFT_OUT))):
        kinds = there[name].items()
        columns = [Column(one, kind) for one, kind in kinds if f"{name}.{one}" not in LEFT_OUT]
        whole = Table(name, MetaData(), *(Column(one, kind) for one, kind in kinds))
        yield Exported(name, whole, table(name, *columns), known.get(name, {}))


def export_of(app: Flask, key: RecoveryKey, revision: str) -> bytes:
    """What the panel would have exported at that revision, at which its database is."""
    sealer: Sealer = app.extensions["sealer"]
    lines, counts = list[Any](), dict[str, int]()
    with db.engine.connect() as connection:
        for one in tables(connection):
            rows = list(writing.rows(connection, one))
            counts[one.name] = len(rows)
            for row in rows:
                opened(one, sealer, row)
                lines.append({"table": one.name, "row": row})
    first = {"format": "cloudpilot-export", "version": 1, "panel": "0.7.0", "counts": counts}
    at = {"revision": revision, "made_at": clock.now()}
    return forged(key, [first | at, *lines], counts)


@pytest.mark.parametrize("revision", OLDER)
def test_each_step_since_there_are_exports_is_walked(
    old: Flask, new: New, key: RecoveryKey, revision: str
) -> None:
    flask_migrate.downgrade(revision=revision)
    data = export_of(old, key, revision)
    flask_migrate.upgrade()
    updated = everything(old)
    assert len(updated["servers"]) > 1
    assert "s3cret" in str(updated["vaults"])
    with new() as app:
        load(app, key, data)
        assert everything(app) == updated
        with reading() as session:
            assert rest.is_at_rest(session)


# Exports that panels of those revisions have really written, for the key beside them. Each release
# adds one.
WRITTEN = sorted((Path(__file__).parent / "written").glob("*.age"))


@pytest.mark.parametrize("file", WRITTEN, ids=lambda file: file.stem)
def test_what_was_written_then_is_read_for_ever(core: Flask, file: Path) -> None:
    key = recovery.read((file.parent / "key").read_text())
    data = file.read_bytes()
    first = rows_of(data, key)[0]
    assert first["revision"] == file.stem
    load(core, key, data)
    there = everything(core)
    assert {name: len(there[name]) for name in first["counts"]} == first["counts"]
    assert "s3cret" in str(there["servers"])


@pytest.fixture
def small(core: Flask, key: RecoveryKey) -> Flask:
    """A panel with an owner, a recovery key, and servers of which one has a secret."""
    with transaction() as session:
        made = keys.add(session, core.extensions["sealer"], key, "hash", add_person(session))
        keys.confirm(session, made)
        add_server(session, "stuck")
        server = add_server(session, "web-1")
        server.private_key = core.extensions["sealer"].seal(key.secret, server.key_place)
    return core


NEXT = f'''"""what servers are called is said louder"""
from alembic import op
import sqlalchemy as sa
revision, down_revision = "{"f" * 12}", "{HEAD}"
def upgrade():
    op.execute("UPDATE servers SET name = upper(name)")
    with op.batch_alter_table("servers") as batch:
        batch.alter_column("name", existing_type=sa.String(), type_=sa.String(200))
    op.create_index("ix_people_name", "people", ["name"])
'''


def test_an_export_of_today_comes_into_a_panel_of_tomorrow(
    small: Flask, new: New, key: RecoveryKey, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    data = export(small)
    later = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, later)
    (later / "versions/20991231_louder.py").write_text(NEXT)
    monkeypatch.setattr(updating, "MIGRATIONS", later)
    with new() as app:
        with transaction() as session:
            session.execute(text("UPDATE alembic_version SET version_num = :at"), {"at": "f" * 12})
        load(app, key, data)
        with reading() as session:
            stuck, web = session.scalars(select(Server).order_by(Server.name))
    assert (stuck.name, web.name, stuck.private_key) == ("STUCK", "WEB-1", "sealed")
    assert app.extensions["sealer"].open(web.private_key, web.key_place) == key.secret


@pytest.fixture
def target(small: Flask, settings: Any, request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """An empty panel with SQLite: `with target() as app`."""
    (tmp_path / "target").mkdir()
    url = database("sqlite", request, tmp_path / "target")
    return lambda: panel(settings, url)


def of_before(app: Flask, key: RecoveryKey) -> list[Any]:
    """The rows of an export, as of the revision before: what is exported was the same."""
    first, *rows, _ = rows_of(export(app), key)
    return [first | {"revision": SCRIPTS.get_revision(HEAD).down_revision}, *rows]


def test_a_secret_reaches_no_disk(
    small: Flask, target: Any, key: RecoveryKey, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen = tmp_path / "seen.db"
    monkeypatch.setattr(updating, "NAMELESS", str(seen))
    data = forged(key, of_before(small, key))
    with target() as app:
        load(app, key, data)
    written = b"".join(one.read_bytes() for one in tmp_path.glob("seen.db*"))
    assert b"web-1" in written
    assert key.secret.reveal().encode() not in written
    assert b"AGE-SECRET" not in written


def test_what_has_no_room_in_memory_is_in_a_file_of_no_name() -> None:
    connection = updating.nameless()
    for command in ("PRAGMA cache_size=1", "PRAGMA temp_store=FILE", "CREATE TABLE t (x BLOB)"):
        connection.exec_driver_sql(command)
    for _ in range(200):
        connection.exec_driver_sql("INSERT INTO t VALUES (randomblob(9000))")
    mine = [one for one in Path("/proc/self/fd").iterdir() if "etilqs" in link(one)]
    assert mine
    for one in mine:
        assert link(one).endswith("(deleted)")
        assert stat.S_IMODE(one.stat().st_mode) == 0o600
    connection.close()
    connection.engine.dispose()
    assert [one for one in Path("/proc/self/fd").iterdir() if "etilqs" in link(one)] == []


def link(one: Path) -> str:
    """What a file descriptor is of; nothing if it is closed meanwhile."""
    try:
        return str(one.readlink())
    except OSError:
        return ""


def test_a_full_disk_is_said_and_nothing_is_changed(
    small: Flask, target: Any, key: RecoveryKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    nameless = updating.nameless

    def tiny() -> Connection:
        connection = nameless()
        connection.exec_driver_sql("PRAGMA max_page_count=70")
        connection.rollback()
        return connection

    data = forged(key, of_before(small, key))
    with target() as app:
        with monkeypatch.context() as patched:
            patched.setattr(updating, "nameless", tiny)
            with pytest.raises(ExportFailed, match="disk is full"):
                load(app, key, data)
        with reading() as session:
            assert session.scalars(select(Person)).all() == []
        load(app, key, data)


def test_rows_of_a_table_are_all_alike(small: Flask, target: Any, key: RecoveryKey) -> None:
    """Which columns an older version exported is what its first row has."""
    first, *rows = of_before(small, key)
    one, two = (row for row in rows if row["table"] == "servers")
    less = {name: value for name, value in two["row"].items() if name != "instance_name"}
    changed = [two | {"row": less} if row is two else row for row in rows]
    with target() as app:
        with pytest.raises(ExportDamaged, match="A row of servers has other columns"):
            load(app, key, forged(key, [first, *changed]))
        load(app, key, forged(key, [first, *rows]))
    assert one

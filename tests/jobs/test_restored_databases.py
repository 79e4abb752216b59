"""Databases restored from request to end, with the files of the same backup: real servers."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from cloudpilot.db import transaction
from cloudpilot.domain import restores
from cloudpilot.domain.restores import RestoreStatus
from cloudpilot.domain.servers import Server
from cloudpilot.domain.sites import Site
from cloudpilot.domain.status import Status
from cloudpilot.engine import restoring
from cloudpilot.engine.logins import Login
from cloudpilot.engine.restoring import Restoration
from cloudpilot.errors import DiskFull
from cloudpilot.jobs import restored
from cloudpilot.kinds import BackupType, RunKind
from cloudpilot.secrets import Secret
from tests.engine.test_restore_kills import killed, waiting_at
from tests.support.dumped import login_to
from tests.support.postgresql import PostgreSql
from tests.support.restores import begin, planned, runs_of, there, undone
from tests.support.restores import restored as restored_to_the_end
from tests.support.rows import add_database, add_person, add_run
from tests.support.until import until
from tests.support.uploading import drive, found, push, step

SHOP = "cp_jobs_shop"
CREATE = "create table t (id int primary key, v varchar(20)); insert into t values (1, 'then');"
CHANGE = "update t set v = 'now'; insert into t values (2, 'since');"


@pytest.fixture(params=["mariadb", "postgresql"])
def database(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A server with a database of one row."""
    server = request.getfixturevalue(request.param)
    server.sql(f"drop database if exists {SHOP}")
    server.sql(f"create database {SHOP}")
    server.sql(CREATE, SHOP)
    yield server
    for name in server.databases():
        if name.startswith("cp_"):
            server.sql(f"drop database {name}")


def rows(server: Any, name: str = SHOP) -> list[str]:
    return server.sql("select id, v from t order by id", name).split()


@pytest.fixture
def full(core: Flask, site_id: UUID, database: Any) -> UUID:
    """A backup of a site's file and its database, both changed since."""
    made = completed(core, site_id, login_to(database))
    database.sql(CHANGE, SHOP)
    return made


def completed(core: Flask, site_id: UUID, login: Login) -> UUID:
    """A backup by this login."""
    with transaction() as session:
        add_person(session)
        site = session.get_one(Site, site_id)
        where = {"host": login.host, "port": login.port, "socket": login.socket}
        row = add_database(
            session,
            site,
            engine=login.engine,
            user=login.user,
            all_but=False,
            names=[SHOP],
            **where,
        )
        sealer = core.extensions["sealer"]
        row.password = sealer.seal(login.password, row.password_place)
        server = session.get_one(Server, site.server_id)
        backup_id = add_run(session, server, site, BackupType.FULL).backup_id
    drive()
    assert backup_id
    assert found(backup_id).status is Status.COMPLETED, found(backup_id).error_detail
    return backup_id


def test_files_and_database_together_and_undone(full: UUID, database: Any, tmp_path: Path) -> None:
    page = tmp_path / "site/index.html"
    before = page.read_bytes()
    page.write_text("defaced")
    then = rows(database)

    restore = restored_to_the_end(full, dumps=[1])

    assert (restore.status, restore.error_detail) == (RestoreStatus.COMPLETED, None)
    [looked] = (restore.survey or {})["databases"]
    assert (looked["name"], looked["exists"], looked["method"]) == (SHOP, True, "swap")
    assert rows(database)[-1] == "then"
    assert page.read_bytes() == before
    assert restore.safe_backup_id
    safe = found(restore.safe_backup_id)
    assert (safe.type, safe.status) == (BackupType.FULL, Status.COMPLETED)

    restore = undone(restore.id)
    assert restore.status is RestoreStatus.UNDONE
    assert [run.kind for run in runs_of(restore.id) if "./script: line" in run.log] == []
    assert rows(database) == then
    assert page.read_text() == "defaced"
    assert [name for name in database.databases() if name.startswith("cp_") and name != SHOP] == []


def test_no_room_for_a_database_is_told_before_it_is_imported(
    full: UUID, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, whole = rows(database), restoring.restore

    def on_a_full_disk(what: Restoration) -> dict[str, bytes]:
        files = whole(what)
        before, name, after = files["script"].partition(b"room_at() {")
        after = after.replace(b"stat -f -c '%a %S %b'", rb"printf '1 512 9\n'", 1)
        return files | {"script": before + name + after}

    monkeypatch.setattr(restoring, "restore", on_a_full_disk)
    restore = restored_to_the_end(full, dumps=[1], safe=False)
    assert (restore.status, restore.error_code) == (RestoreStatus.FAILED, DiskFull.code)
    assert rows(database) == now
    assert [name for name in database.databases() if name.startswith("cp_") and name != SHOP] == []


@pytest.mark.xdist_group("rgw")
def test_from_a_vault(full: UUID, database: Any, vault_id: UUID) -> None:
    """By signed requests for the archive and a login for the database, in one run."""
    push(full, vault_id)
    drive()
    restore = restored_to_the_end(full, vault_id=vault_id, dumps=[1], safe=False)
    assert (restore.status, restore.error_detail) == (RestoreStatus.COMPLETED, None)
    assert rows(database)[-1] == "then"


def test_beside_the_one_that_is_there(full: UUID, database: Any) -> None:
    now = rows(database)
    restore = restored_to_the_end(full, paths=[], dumps=[1], suffix="_back")
    assert (restore.status, restore.error_detail) == (RestoreStatus.COMPLETED, None)
    assert restore.safe_backup_id is None
    assert rows(database) == now
    assert rows(database, f"{SHOP}_back")[-1] == "then"
    undone(restore.id)
    assert f"{SHOP}_back" not in database.databases()


@pytest.mark.parametrize("stage", ["unpack", "swap"])
def test_killed_it_is_put_back(
    full: UUID, database: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stage: str
) -> None:
    now = rows(database)
    whole = restoring.restore
    monkeypatch.setattr(restoring, "restore", lambda what: waiting_at(stage, whole(what)))
    restore_id = planned(full, dumps=[1], safe=False)
    begin(restore_id)
    step()
    [run] = [one for one in runs_of(restore_id) if one.kind is RunKind.RESTORE]
    gate = tmp_path / "root" / str(restore_id) / f"run-{run.id}" / "at"
    until(gate.exists, bool, seconds=60)
    killed(str(restore_id))
    drive()
    assert there(restore_id).status is RestoreStatus.FAILED
    assert rows(database) == now
    assert [name for name in database.databases() if name.startswith("cp_") and name != SHOP] == []


def test_a_login_of_its_own_is_kept_sealed_until_it_is_over(full: UUID, database: Any) -> None:
    """It takes the place of the one by which backups sign in."""
    restore_id = planned(full, paths=[], dumps=[1])
    with transaction() as session:
        restore = restores.find(session, restore_id)
        assert restored.targets(session, restore)[0].login.user == login_to(database).user
        place = restore.logins_place
        restore.logins = restored.sealed_login(place, "somebody", Secret("canary-password"))
        assert "canary" not in restore.logins
        [target] = restored.targets(session, restore)
        assert (target.login.user, target.login.password.reveal()) == (
            "somebody",
            "canary-password",
        )


KEEPER = "cp_jobs_keeper"


@pytest.fixture
def owned(core: Flask, site_id: UUID, postgresql: PostgreSql, tmp_path: Path) -> Iterator[UUID]:
    """A backup of a page and of a database whose owner has no CREATEDB, both changed since."""
    postgresql.sql(f"create role {KEEPER} login password 'right'")
    postgresql.sql(f"create database {SHOP} owner {KEEPER}")
    postgresql.sql(CREATE, SHOP, user=KEEPER)
    yield completed(core, site_id, login_to(postgresql, KEEPER, "right", by_port=True))
    postgresql.sql(f"drop database {SHOP} with (force)")
    postgresql.sql(f"drop role {KEEPER}")


def changed(server: PostgreSql, page: Path) -> None:
    server.sql(CHANGE, SHOP)
    page.write_text("defaced")


def left(server: PostgreSql) -> list[str]:
    """Of ours, in the database and beside it."""
    names = server.sql("select nspname from pg_namespace where nspname ~ '^cp_'", SHOP).split()
    return names + [one for one in server.databases() if one.startswith("cp_") and one != SHOP]


def test_in_place_with_files_and_the_way_back_is_the_safe_mode_backup(
    owned: UUID, postgresql: PostgreSql, tmp_path: Path
) -> None:
    page = tmp_path / "site/index.html"
    before = page.read_bytes()
    changed(postgresql, page)
    now = rows(postgresql)
    restore = restored_to_the_end(owned, dumps=[1])
    assert (restore.status, restore.error_detail) == (RestoreStatus.COMPLETED, None)
    assert (restore.in_place, restore.can_be_undone) == ([SHOP], False)
    assert (rows(postgresql)[-1], page.read_bytes()) == ("then", before)
    assert left(postgresql) == []
    assert restore.safe_backup_id
    back = restored_to_the_end(restore.safe_backup_id, dumps=[1])
    assert (back.status, back.in_place) == (RestoreStatus.COMPLETED, [SHOP])
    assert (rows(postgresql), page.read_text()) == (now, "defaced")


def test_in_place_what_the_server_does_not_take_takes_the_files_back_with_it(
    owned: UUID, postgresql: PostgreSql, tmp_path: Path
) -> None:
    page = tmp_path / "site/index.html"
    changed(postgresql, page)
    postgresql.sql("create view hangs as select v from t", SHOP, user=KEEPER)
    now = rows(postgresql)
    restore = restored_to_the_end(owned, dumps=[1])
    assert (restore.status, restore.error_code) == (RestoreStatus.FAILED, "DB_IMPORT_FAILED")
    assert (rows(postgresql), page.read_text()) == (now, "defaced")
    assert left(postgresql) == []


WAIT = "touch at; while :; do sleep 0.1; done"
BEFORE = (b"'COMMIT;' '\\o work", rf"'\! {WAIT}' 'COMMIT;' '\o work".encode())
AFTER = (b"  note swapped\n  postgresql_unmark\n", f"  {WAIT}\n".encode())


@pytest.mark.parametrize(
    ("moment", "status"),
    [(BEFORE, RestoreStatus.FAILED), (AFTER, RestoreStatus.COMPLETED)],
    ids=["before its commit", "after it, before that was noted"],
)
def test_killed_in_place_it_is_all_done_or_all_undone(
    owned: UUID,
    postgresql: PostgreSql,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    moment: tuple[bytes, bytes],
    status: RestoreStatus,
) -> None:
    page = tmp_path / "site/index.html"
    before = page.read_bytes()
    changed(postgresql, page)
    now = rows(postgresql)
    whole = restoring.restore
    monkeypatch.setattr(restoring, "restore", lambda what: waiting(whole(what), *moment))
    restore_id = planned(owned, dumps=[1])
    begin(restore_id)
    until(lambda: step() or gates(tmp_path, restore_id), bool, seconds=60)
    assert gates(tmp_path, restore_id)
    assert page.read_bytes() == before  # the transaction comes last
    killed(str(restore_id))
    drive()
    restore = there(restore_id)
    done = status is RestoreStatus.COMPLETED
    assert (restore.status, restore.error_code is None) == (status, done)
    assert page.read_bytes() == (before if done else b"defaced")
    assert (rows(postgresql) == now) is not done
    assert left(postgresql) == []


def waiting(files: dict[str, bytes], old: bytes, new: bytes) -> dict[str, bytes]:
    """The same script; it waits at that moment."""
    assert files["script"].count(old) == 1
    return files | {"script": files["script"].replace(old, new)}


def gates(folder: Path, restore_id: UUID) -> list[Path]:
    return list(folder.glob(f"root/{restore_id}/run-*/at"))

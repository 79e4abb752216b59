"""Taking the panel off a server, as far as rows know; a new key; and where a server may move."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from cloudpilot import clock
from cloudpilot.db import transaction
from cloudpilot.domain import (
    audit,
    backups,
    deletions,
    keys,
    moving,
    outcomes,
    removals,
    requests,
    restore_steps,
    restores,
    runs,
    servers,
    uninstalls,
)
from cloudpilot.domain.archives import Made
from cloudpilot.domain.audit import Action
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import CopyStatus
from cloudpilot.domain.people import Person
from cloudpilot.domain.restores import Restore, RestoreStatus
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Server
from cloudpilot.domain.status import Status
from cloudpilot.errors import (
    BackupInProgress,
    InvalidConfig,
    InvalidState,
    RestoreInProgress,
    SshNotConfigured,
)
from cloudpilot.kinds import RunKind
from tests.domain.test_backups import RESULT
from tests.support.rows import add_person, add_run, add_server

GONE = {"key": True, "rule": True}


@pytest.fixture
def server_id(core: Flask) -> UUID:
    """A server with one stored backup of 1,000 bytes."""
    with transaction() as session:
        server = add_server(session, backup_root="/srv/backups")
        add_person(session)
        store(session, add_run(session, server))
    return server.id


def store(session: Session, run: Run) -> None:
    assert run.backup_id
    run.move(session, Status.RUNNING)
    backup = backups.find(session, run.backup_id)
    outcomes.started(session, backup)
    outcomes.completed(session, backup, Made.parse(RESULT), [])
    run.move(session, Status.COMPLETED)


def of(session: Session, server_id: UUID) -> tuple[Server, Person]:
    return servers.find(session, server_id), session.scalars(select(Person)).one()


def end_deletions(session: Session) -> None:
    for run in session.scalars(select(Run).where(Run.kind == RunKind.DELETE)).all():
        if not run.status.is_final:
            run.move(session, Status.RUNNING)
            run.move(session, Status.COMPLETED)
            outcomes.removed(session, run)


def test_what_lies_there_is_counted(server_id: UUID) -> None:
    with transaction() as session:
        server, _ = of(session, server_id)
        server.backup_root = "/srv/new"
        there = uninstalls.belongings(session, server)
    assert there.roots == ("/srv/new", "/var/backups/cloudpilot", "/srv/backups")
    assert (there.backups, there.size, there.leaving) == (1, 1000, 0)


def test_all_backups_go_once_the_name_was_typed(server_id: UUID) -> None:
    with transaction() as session:
        server, owner = of(session, server_id)
        for typed in ("", "web-2"):
            with pytest.raises(InvalidConfig):
                uninstalls.delete_all(session, server, owner, typed)
        asked = uninstalls.delete_all(session, server, owner, " web-1 ")
        assert [run.kind for run in asked] == [RunKind.DELETE]
        assert uninstalls.delete_all(session, server, owner, "web-1") == []  # asked for already
        assert uninstalls.belongings(session, server).leaving == 1
        with pytest.raises(BackupInProgress):
            uninstalls.prove(session, server, owner, keep=True, said=GONE)
        end_deletions(session)
        assert uninstalls.belongings(session, server).backups == 0
        run = uninstalls.prove(session, server, owner, keep=False, said=GONE)
        assert run.options == {"keep": False, "said": GONE}
        assert uninstalls.latest(session, server) == run


def test_what_the_panel_deletes_by_itself_becomes_a_wish(server_id: UUID) -> None:
    with transaction() as session:
        server, owner = of(session, server_id)
        [backup] = session.scalars(select(Backup)).all()
        [ours] = outcomes.remove(session, backup, by=None)
        assert uninstalls.delete_all(session, server, owner, server.name) == [ours]
        assert ours.requested_by == owner.id


def test_nothing_is_taken_off_while_something_is_made(server_id: UUID) -> None:
    with transaction() as session:
        server, owner = of(session, server_id)
        add_run(session, server)
        for keep in (True, False):
            with pytest.raises(BackupInProgress):
                uninstalls.prove(session, server, owner, keep=keep)
        with pytest.raises(BackupInProgress):
            uninstalls.delete_all(session, server, owner, server.name)


def add_restore(session: Session, server: Server, status: RestoreStatus, **columns: Any) -> Restore:
    """Of the server's one backup, to itself."""
    backup = session.scalars(select(Backup).where(Backup.server_id == server.id)).one()
    place = {"backup_id": backup.id, "server_id": server.id, "root": "/srv/elsewhere"}
    what = {"paths": ["/srv/shop"], "subject": "shop", "logins": "sealed"}
    restore = Restore(status=status, **(place | what | columns))
    session.add(restore)
    session.flush()
    return restore


@pytest.mark.parametrize("status", [RestoreStatus.RUNNING, RestoreStatus.UNDOING])
def test_nothing_is_taken_off_while_something_is_restored(
    server_id: UUID, status: RestoreStatus
) -> None:
    """Whether or not a run of it is at work this very moment."""
    with transaction() as session:
        server, owner = of(session, server_id)
        restore = add_restore(session, server, status)
        assert uninstalls.belongings(session, server).restoring == restore
        with pytest.raises(RestoreInProgress, match="web-1"):
            uninstalls.prove(session, server, owner, keep=True, said=GONE)
        with pytest.raises(RestoreInProgress):
            uninstalls.delete_all(session, server, owner, server.name)


def test_what_restores_keep_there_is_out_of_reach_when_the_server_is_forgotten(
    server_id: UUID,
) -> None:
    with transaction() as session:
        server, owner = of(session, server_id)
        other = add_server(session, "web-2")
        week = clock.now() + timedelta(days=7)
        kept = add_restore(session, server, RestoreStatus.COMPLETED, kept_until=week)
        plan = add_restore(session, server, RestoreStatus.PLANNED, root="/srv/planned")
        add_restore(session, server, RestoreStatus.COMPLETED)  # forgotten
        elsewhere = {"kept_until": week, "backup_id": kept.backup_id, "server_id": other.id}
        elsewhere = add_restore(session, server, RestoreStatus.COMPLETED, **elsewhere)
        there = uninstalls.belongings(session, server)
        assert (there.restoring, there.kept) == (None, (kept,))
        assert "/srv/elsewhere" in there.roots
        assert "/srv/planned" not in there.roots
        uninstalls.prove(session, server, owner, keep=True)  # it is warned of, not refused
        removals.forget(session, server)
        assert [one.logins for one in (kept, plan, elsewhere)] == [None, None, "sealed"]
        assert (kept.can_be_undone, elsewhere.can_be_undone) == (False, True)
        assert restores.kept_on(session, server) == []


def test_nothing_is_undone_where_the_panel_is_being_taken_off(server_id: UUID) -> None:
    with transaction() as session:
        server, owner = of(session, server_id)
        week = clock.now() + timedelta(days=7)
        kept = add_restore(session, server, RestoreStatus.COMPLETED, kept_until=week)
        uninstalls.prove(session, server, owner, keep=True)
        with pytest.raises(BackupInProgress, match="being removed"):
            restore_steps.undo(session, kept, owner)
        assert kept.status is RestoreStatus.COMPLETED


def test_archives_stay_only_if_somebody_says_so(server_id: UUID) -> None:
    with transaction() as session:
        server, owner = of(session, server_id)
        with pytest.raises(BackupInProgress):
            uninstalls.prove(session, server, owner, keep=False)
        assert uninstalls.prove(session, server, owner, keep=True).options == {"keep": True}
        with pytest.raises(BackupInProgress):  # a key that goes is not changed
            keys.change(session, server, owner)


def test_what_stays_behind_is_not_deleted_by_us(server_id: UUID) -> None:
    with transaction() as session:
        server, owner = of(session, server_id)
        [backup] = session.scalars(select(Backup)).all()
        removals.forget(session, server)
        with pytest.raises(InvalidState, match=rf"by hand, {backup.copies[0].path}"):
            deletions.delete(session, backup, owner)
        assert backups.latest_run(session, backup, RunKind.DELETE) is None


def test_nothing_stays_where_nothing_is(server_id: UUID) -> None:
    with transaction() as session:
        server, _ = of(session, server_id)
        [backup] = session.scalars(select(Backup)).all()
        there = uninstalls.belongings(session, server)
        assert (there.stay(True), there.stay(False)) == (True, False)
        backup.copies[0].move(session, CopyStatus.DELETING)
        backup.copies[0].move(session, CopyStatus.GONE)
        assert not uninstalls.belongings(session, server).stay(True)


def test_a_key_that_is_still_there_is_not_tried(server_id: UUID) -> None:
    with transaction() as session:
        server, owner = of(session, server_id)
        with pytest.raises(InvalidState):
            uninstalls.prove(session, server, owner, keep=True, said=GONE | {"key": False})
        server.host_keys = []
        with pytest.raises(SshNotConfigured):
            uninstalls.prove(session, server, owner, keep=True, said=GONE)
        with pytest.raises(SshNotConfigured):
            keys.change(session, server, owner)


def test_what_is_gone_is_not_deleted_again(server_id: UUID) -> None:
    with transaction() as session:
        server, owner = of(session, server_id)
        [backup] = session.scalars(select(Backup)).all()
        backup.copies[0].move(session, CopyStatus.DELETING)
        backup.copies[0].move(session, CopyStatus.GONE)
        assert uninstalls.delete_all(session, server, owner, server.name) == []


def test_a_key_change_is_known_and_so_is_whom_we_trust(server_id: UUID) -> None:
    with transaction() as session:
        server, owner = of(session, server_id)
        assert keys.latest_change(session, server) is None
        assert keys.latest_trust(session, server) is None
        run = keys.change(session, server, None)
        assert (run.requested_by, keys.latest_change(session, server)) == (None, run)
        with pytest.raises(BackupInProgress):
            keys.change(session, server, owner)
        audit.record(session, audit.PANEL, Action.SERVER_CHANGED, server)
        audit.record(session, audit.PANEL, Action.HOST_KEYS_FOLLOWED, server)
        session.flush()
        trust = keys.latest_trust(session, server)
        assert trust is not None
        assert trust.action == Action.HOST_KEYS_FOLLOWED


def test_only_the_key_that_went_is_forgotten() -> None:
    server = Server(next_public_key="another", next_private_key="sealed")
    keys.forget_next(server, "the one that went")
    assert server.next_public_key == "another"
    keys.forget_next(server, "another")
    assert (server.next_public_key, server.next_private_key) == (None, None)


def test_a_server_moves_only_if_it_stays_the_same_machine(server_id: UUID) -> None:
    with transaction() as session:
        server, _ = of(session, server_id)
        for values in ({"name": "x"}, {"host": server.host, "port": server.port}):
            moving.allow(session, server, values, same=False)
        for values in ({"host": "10.0.0.7"}, {"port": 2222}):
            with pytest.raises(InvalidConfig):
                moving.allow(session, server, values, same=False)
            moving.allow(session, server, values, same=True)
        check = requests.check(session, server, None)
        with pytest.raises(BackupInProgress):
            moving.allow(session, server, {"port": 2222}, same=True)
        runs.find(session, check.id).move(session, Status.FAILED)
        [backup] = session.scalars(select(Backup)).all()
        backup.copies[0].move(session, CopyStatus.DELETING)
        backup.copies[0].move(session, CopyStatus.GONE)
        moving.allow(session, server, {"port": 2222}, same=False)

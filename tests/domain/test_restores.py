"""Which restores may be planned and begun, and what follows when a run of one ends."""

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
    backups,
    deletions,
    expiry,
    lists,
    outcomes,
    restore_kept,
    restore_plans,
    restore_sources,
    restore_steps,
    restores,
    runs,
    servers,
)
from cloudpilot.domain.archives import Made
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import Copy, CopyStatus
from cloudpilot.domain.databases import Database
from cloudpilot.domain.people import Person
from cloudpilot.domain.restore_plans import Asked
from cloudpilot.domain.restores import Restore, RestoreStatus
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Server
from cloudpilot.domain.sites import Site
from cloudpilot.domain.status import Status
from cloudpilot.errors import (
    BackupInProgress,
    CloudPilotError,
    CommandFailed,
    DiskFull,
    InvalidConfig,
    InvalidPath,
    InvalidState,
    NotCompleted,
    NotFound,
    PrivilegeMissing,
    RestoreInProgress,
    RunKilled,
    RunLost,
    SshNotConfigured,
)
from cloudpilot.jobs import endings
from cloudpilot.jobs.endings import Ending
from cloudpilot.kinds import BackupType, Place, Privilege, RunKind
from tests.domain.test_backups import RESULT
from tests.support.rows import add_database, add_person, add_run, add_server
from tests.support.vaulting import add_vault

THERE = {"paths": [{"path": "/srv/shop", "kind": "folder"}]}
NOTHING = {"paths": [{"path": "/srv/shop", "kind": "absent"}]}


@pytest.fixture
def backup_id(core: Flask, make_run: UUID) -> UUID:
    """A completed backup of /srv/shop, on its server, where everything may be done."""
    with transaction() as session:
        backup = session.scalars(select(Backup)).one()
        outcomes.started(session, backup)
        outcomes.completed(session, backup, Made.parse(RESULT), [])
        run = session.get_one(Run, make_run)
        run.move(session, Status.RUNNING)
        run.move(session, Status.COMPLETED)
        server = session.get_one(Server, backup.server_id)
        server.privilege = Privilege.FULL
        backup.paths = ["/srv/shop"]
        add_person(session)
        return backup.id


def asked(session: Session, backup_id: UUID, **what: Any) -> Asked:
    backup = session.get_one(Backup, backup_id)
    plain = {"server": session.get_one(Server, backup.server_id), "vault_id": None}
    return Asked(backup=backup, **({"paths": ["/srv/shop"]} | plain | what))


def somebody(session: Session) -> Person:
    return session.scalars(select(Person)).one()


def planned(session: Session, backup_id: UUID, found: Any = None, **what: Any) -> Restore:
    restore = restore_plans.plan(session, asked(session, backup_id, **what), somebody(session))
    restore_plans.surveyed(session, restore, found or THERE)
    return restore


def begun(session: Session, backup_id: UUID, **what: Any) -> tuple[Restore, Run]:
    """Without safe mode: its run is there."""
    restore = planned(session, backup_id, safe=False, **what)
    [run] = restore_steps.start(session, restore, "shop", somebody(session))
    return restore, run


def ended(session: Session, run: Run, error: CloudPilotError | None = None) -> None:
    """As the job that looks at it writes it down."""
    if run.status is Status.PENDING:
        run.move(session, Status.RUNNING, sent_at=clock.now())
    run.move(session, Status.FAILED if error else Status.COMPLETED)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"paths": []}, InvalidPath),
        ({"paths": ["/srv/shopping"]}, InvalidPath),
        ({"paths": ["/srv/shop/a/../../b"]}, InvalidPath),
        ({"vault_id": UUID(int=7)}, InvalidState),
    ],
)
def test_what_is_asked_for_has_to_be_there(
    backup_id: UUID, change: Any, error: type[CloudPilotError]
) -> None:
    with transaction() as session, pytest.raises(error):
        restore_plans.plan(session, asked(session, backup_id, **change), somebody(session))


def test_parts_of_its_paths_may_be_restored(backup_id: UUID) -> None:
    with transaction() as session:
        restore = planned(session, backup_id, paths=["/srv/shop/b", "/srv/shop/a"])
        assert restore.paths == ["/srv/shop/a", "/srv/shop/b"]
        assert restore_plans.confirmed_by(session, restore) == "shop"


def test_only_completed_backups_that_stay_are_restored(backup_id: UUID) -> None:
    with transaction() as session:
        backup = session.get_one(Backup, backup_id)
        backup.delete_requested_at = clock.now()
        with pytest.raises(NotCompleted):
            planned(session, backup_id)


def test_another_server_reads_from_a_vault_only(backup_id: UUID) -> None:
    with transaction() as session:
        other = add_server(session, "web-2", privilege=Privilege.FULL)
        with pytest.raises(InvalidState, match="bring the backup to a vault first"):
            planned(session, backup_id, server=other)
        vault = add_vault(session)
        backup = session.get_one(Backup, backup_id)
        copy = Copy(place=Place.VAULT, vault_id=vault.id, name="a", status=CopyStatus.STORED)
        backup.copies.append(copy)
        session.flush()
        assert restore_sources.places(session, backup) == [None, vault.id]
        restore = planned(session, backup_id, server=other, vault_id=vault.id, safe=True)
        assert restore_sources.archives(session, restore) == [(backup, copy)]
        assert restore_plans.need(session, restore).fetched == backup.size
        session.get_one(Server, backup.server_id).removed_at = clock.now()
        assert restore_sources.places(session, backup) == [vault.id]
        copy.move(session, CopyStatus.MISSING)
        with pytest.raises(InvalidState):
            restore_sources.archives(session, restore)


def test_a_server_that_is_not_set_up_and_one_with_too_few_rights(backup_id: UUID) -> None:
    with transaction() as session:
        server = session.get_one(Server, session.get_one(Backup, backup_id).server_id)
        server.host_keys = []
        with pytest.raises(SshNotConfigured):
            planned(session, backup_id)
        server.host_keys, server.privilege = ["SHA256:a"], Privilege.PLAIN
        with pytest.raises(PrivilegeMissing):
            planned(session, backup_id)
        assert planned(session, backup_id, into="/srv/back").into == "/srv/back"
        server.username = "root"
        assert planned(session, backup_id).into == ""


COUNTED = {"engine": "mariadb", "where": "/run/mysqld/mysqld.sock", "name": "shop"}


def with_database(session: Session, backup_id: UUID) -> str:
    """The backup holds a database, too; the id of its login."""
    backup = session.get_one(Backup, backup_id)
    row = add_database(session, site_of(session, backup), all_but=False, names=["shop"])
    backup.databases, backup.census = [row.plan()], [COUNTED]
    return str(row.id)


def test_databases_are_chosen_by_number_and_may_get_another_name(backup_id: UUID) -> None:
    with transaction() as session:
        login = with_database(session, backup_id)
        restore = planned(session, backup_id, paths=[], dumps=[1, 1], suffix="_back")
        assert restore.paths == []
        assert restore.databases == [
            {"number": 1, "backed_up": "shop", "name": "shop_back", "database": login}
        ]
        for wrong in (0, 2):
            with pytest.raises(InvalidPath):
                planned(session, backup_id, dumps=[wrong])


@pytest.mark.parametrize(
    ("exists", "paths", "kind"),
    [
        (True, ["/srv/shop"], BackupType.FULL),
        (True, [], BackupType.DATABASE),
        (False, ["/srv/shop"], BackupType.FILES),
    ],
)
def test_safe_mode_saves_what_will_be_replaced(
    backup_id: UUID, exists: bool, paths: list[str], kind: BackupType
) -> None:
    with transaction() as session:
        with_database(session, backup_id)
        looked = {"databases": [{"number": 1, "exists": exists}]}
        found = looked | (THERE if paths else {"paths": []})
        restore = planned(session, backup_id, found, paths=paths, dumps=[1])
        restore_steps.start(session, restore, "shop", somebody(session))
        saved = backups.find(session, restore.safe_backup_id or UUID(int=0))
        assert (saved.type, len(saved.databases)) == (kind, int(exists))


@pytest.mark.parametrize("text", ["-x", "a b", "ä", "x" * 21])
def test_what_is_added_to_names_is_plain(text: str) -> None:
    assert restore_plans.valid_suffix(" _back2 ") == "_back2"
    with pytest.raises(InvalidConfig):
        restore_plans.valid_suffix(text)


def test_of_a_backup_that_lacks_names_nothing_that_it_lacks_goes(backup_id: UUID) -> None:
    with transaction() as session:
        backup = session.get_one(Backup, backup_id)
        backup.counts = backup.counts | {"unreadable": 1}
        assert planned(session, backup_id, exact=True).exact is False


def test_safe_mode_is_a_pinned_backup_of_its_own(backup_id: UUID) -> None:
    """Of what is there, and none of the site's: it would pass for the newest good one."""
    with transaction() as session:
        restore = planned(session, backup_id)
        [run] = restore_steps.start(session, restore, " shop ", somebody(session))
        saved = backups.find(session, restore.safe_backup_id or UUID(int=0))
        assert (run.kind, run.backup_id) == (RunKind.MAKE, saved.id)
        assert (saved.paths, saved.site_id, bool(saved.pinned_at)) == (["/srv/shop"], None, True)
        assert restores.waits_for(restore, None)
        with pytest.raises(InvalidState):
            restore_steps.start(session, restore, "shop", somebody(session))
        [restoring] = restore_steps.saved(session, saved)
        assert (restoring.kind, restoring.restore_id) == (RunKind.RESTORE, restore.id)
        assert not restores.waits_for(restore, restoring)
        assert restores.latest_run(session, restore) == restoring
        assert restore_steps.saved(session, backups.find(session, backup_id)) == []


@pytest.mark.parametrize(("found", "into"), [(NOTHING, ""), (THERE, "/srv/back")])
def test_where_nothing_is_touched_nothing_is_saved(backup_id: UUID, found: Any, into: str) -> None:
    with transaction() as session:
        restore = planned(session, backup_id, found, into=into)
        [run] = restore_steps.start(session, restore, "shop", somebody(session))
        assert (run.kind, restore.safe_backup_id) == (RunKind.RESTORE, None)


def test_without_its_safe_mode_backup_it_fails(backup_id: UUID) -> None:
    with transaction() as session:
        restore = planned(session, backup_id)
        restore_steps.start(session, restore, "shop", somebody(session))
        saved = backups.find(session, restore.safe_backup_id or UUID(int=0))
        restore_steps.not_saved(session, saved, DiskFull("The disk is full."))
        assert (restore.status, restore.error_code) == (RestoreStatus.FAILED, "DISK_FULL")
        assert restore.remedy
        restore_steps.not_saved(session, saved, DiskFull("Again."))


def test_what_has_to_be_true_to_begin(backup_id: UUID) -> None:
    with transaction() as session:
        person = somebody(session)
        restore = planned(session, backup_id)
        with pytest.raises(InvalidConfig):
            restore_steps.start(session, restore, "web-1", person)
        restore.surveyed_at = clock.now() - timedelta(hours=2)
        with pytest.raises(InvalidState):
            restore_steps.start(session, restore, "shop", person)
        restore.survey = None
        with pytest.raises(InvalidState):
            restore_steps.start(session, restore, "shop", person)
        look = restore_plans.look(session, restore, None)
        assert (look.kind, look.requested_by) == (RunKind.SURVEY, None)


def test_not_while_the_site_is_backed_up_and_the_other_way_round(backup_id: UUID) -> None:
    with transaction() as session:
        backup = session.get_one(Backup, backup_id)
        server = session.get_one(Server, backup.server_id)
        making = add_run(session, server, backup.site_id and site_of(session, backup))
        restore = planned(session, backup_id, safe=False)
        with pytest.raises(BackupInProgress):
            restore_steps.start(session, restore, "shop", somebody(session))
        runs.find(session, making.id).move(session, Status.FAILED)
        [run] = restore_steps.start(session, restore, "shop", somebody(session))
        with pytest.raises(RestoreInProgress):
            add_run(session, server, site_of(session, backup))
        assert restore_sources.uses(session, backup)
        with pytest.raises(RestoreInProgress):
            deletions.delete(session, backup, somebody(session))
        assert outcomes.remove_uploaded(session, backup) == []
        ended(session, run)
        restore_steps.done(session, run)
        assert not restore_sources.uses(session, backup)


def site_of(session: Session, backup: Backup) -> Any:
    return session.get_one(Site, backup.site_id)


def test_a_backup_that_is_being_restored_does_not_expire(backup_id: UUID) -> None:
    with transaction() as session:
        restore, run = begun(session, backup_id)
        backup = session.get_one(Backup, backup_id)
        later = clock.now() - timedelta(days=1)
        backup.expires_at = backup.judge_at = later
        assert expiry._go(session, backup, clock.now()) == []
        assert backup.kept_because == "Kept: a restore reads it."
        ended(session, run)
        restore_steps.done(session, run)
        assert [one.kind for one in expiry._go(session, backup, clock.now())] == [RunKind.DELETE]
        assert restore.status is RestoreStatus.COMPLETED


def test_only_one_restore_at_a_time_on_a_server(backup_id: UUID) -> None:
    with transaction() as session:
        begun(session, backup_id)
        other = planned(session, backup_id, safe=False)
        with pytest.raises(RestoreInProgress):
            restore_steps.start(session, other, "shop", somebody(session))
        assert other.status is RestoreStatus.PLANNED


def test_a_login_that_was_typed_for_nothing_is_dropped_after_a_day(backup_id: UUID) -> None:
    with transaction() as session:
        restore = planned(session, backup_id)
        restore.logins = "sealed"
        session.flush()
        assert not restore_kept.has_old_logins(session)
        restore.created_at = clock.now() - timedelta(days=2)
        session.flush()
        assert restore_kept.has_old_logins(session)
        restore_kept.drop_logins(session)
        session.refresh(restore)
        assert restore.logins is None


def test_done_undone_and_cleared(backup_id: UUID) -> None:
    with transaction() as session:
        person = somebody(session)
        restore, run = begun(session, backup_id)
        assert restore.is_active
        assert restore.logins_place == f"restores/{restore.id}/logins"
        ended(session, run)
        assert restore_steps.done(session, run) == []
        assert restore.can_be_undone
        assert restore_kept.due_to_forget(session) == []
        undoing = restore_steps.undo(session, restore, person)
        assert (undoing.kind, restore.status) == (RunKind.UNDO, RestoreStatus.UNDOING)
        with pytest.raises(InvalidState):
            restore_steps.undo(session, restore, person)
        ended(session, undoing)
        [clearing] = restore_steps.put_back(session, undoing)
        assert (clearing.kind, restore.status) == (RunKind.CLEAR, RestoreStatus.UNDONE)
        assert not restore.can_be_undone
        assert restores.of_backup(session, backups.find(session, backup_id)) == [restore]
        assert lists.restores(session).rows == [restore]
        assert servers.of_ids(session, [restore.server_id])


def test_it_has_ended_when_its_run_has_and_what_was_there_is_kept_from_now_on(
    backup_id: UUID,
) -> None:
    """Its end may be seen long after it."""
    with transaction() as session:
        restore, run = begun(session, backup_id)
        ended(session, run)
        run.finished_at = clock.now() - timedelta(hours=3)
        restore_steps.done(session, run)
        assert restore.finished_at == run.finished_at
        assert restore.kept_until
        assert restore.kept_until > clock.now() + restore_steps.KEPT - timedelta(minutes=1)


def test_what_was_there_before_is_forgotten_once(backup_id: UUID) -> None:
    with transaction() as session:
        restore, run = begun(session, backup_id)
        ended(session, run)
        restore_steps.done(session, run)
        restore.kept_until = clock.now() - timedelta(seconds=1)
        session.flush()
        assert restore_kept.due_to_forget(session) == [restore.id]
        forgetting = restore_kept.forget(session, restore, None)
        assert restore_kept.due_to_forget(session) == []
        ended(session, forgetting)
        [clearing] = restore_kept.forgotten(session, forgetting)
        assert (clearing.kind, restore.kept_until) == (RunKind.CLEAR, None)
        with pytest.raises(InvalidState):
            restore_kept.forget(session, restore, somebody(session))


def test_what_may_be_gone_in_part_is_not_put_back(backup_id: UUID) -> None:
    with transaction() as session:
        restore, run = begun(session, backup_id)
        ended(session, run)
        restore_steps.done(session, run)
        forgetting = restore_kept.forget(session, restore, None)
        forgetting.sent_at = clock.now()
        forgetting.move(session, Status.FAILED, because=RunKilled("It was killed."))
        assert restore.kept_until  # it is tried again
        with pytest.raises(InvalidState, match="a part of it may be gone"):
            restore_steps.undo(session, restore, somebody(session))


IN_PLACE = {"databases": [{"number": 1, "name": "shop", "exists": True, "method": "in_place"}]}


def begun_in_place(session: Session, backup_id: UUID, **what: Any) -> tuple[Restore, Run]:
    """Its safe-mode backup is made; its run is there."""
    with_database(session, backup_id)
    found = IN_PLACE | (THERE if what.get("paths") else {"paths": []})
    restore = planned(session, backup_id, found, dumps=[1], **what)
    restore_steps.start(session, restore, "shop", somebody(session))
    saved = backups.find(session, restore.safe_backup_id or UUID(int=0))
    [run] = restore_steps.saved(session, saved)
    return restore, run


@pytest.mark.parametrize("paths", [[], ["/srv/shop"]])
def test_of_one_in_place_there_is_no_undo(backup_id: UUID, paths: list[str]) -> None:
    with transaction() as session:
        restore, run = begun_in_place(session, backup_id, paths=paths)
        ended(session, run)
        assert restore_steps.done(session, run) == []
        assert (restore.can_be_undone, restore.keeps_what_was) == (False, bool(paths))
        with pytest.raises(InvalidState, match="restore the safe-mode backup"):
            restore_steps.undo(session, restore, somebody(session))
        assert restore.status is RestoreStatus.COMPLETED
        restore.kept_until = clock.now()
        session.flush()
        assert restore_kept.due_to_forget(session) == [restore.id]
        assert restore_kept.forget(session, restore, None).kind is RunKind.FORGET


def test_what_was_done_for_good_before_its_run_was_lost_is_done(backup_id: UUID) -> None:
    with transaction() as session:
        restore, run = begun_in_place(session, backup_id)
        ended(session, run, RunLost("Gone."))
        [undoing] = restore_steps.failed(session, run, RunLost("Gone."))
        ended(session, undoing)
        assert endings.follow(session, undoing, Ending(clock.now(), None, None, stands=True)) == []
        assert (restore.status, restore.error_code) == (RestoreStatus.COMPLETED, None)
        assert restore.is_kept


@pytest.mark.parametrize("lacks", ["safe mode", "the name", "the login"])
def test_without_a_way_back_nothing_is_restored_in_place(backup_id: UUID, lacks: str) -> None:
    with transaction() as session:
        login = session.get_one(Database, UUID(with_database(session, backup_id)))
        found = IN_PLACE | {"paths": []}
        safe = lacks != "safe mode"
        restore = planned(session, backup_id, found, paths=[], dumps=[1], safe=safe)
        login.names = ["news"] if lacks == "the name" else login.names
        login.removed_at = clock.now() if lacks == "the login" else None
        with pytest.raises(InvalidState, match="in place"):
            restore_steps.start(session, restore, "shop", somebody(session))
        assert restore.status is RestoreStatus.PLANNED


def test_what_is_found_after_it_has_begun_changes_nothing(backup_id: UUID) -> None:
    with transaction() as session:
        restore, _ = begun_in_place(session, backup_id)
        restore_plans.surveyed(session, restore, {"paths": [], "databases": []})
        assert restore.in_place == ["shop"]


def test_one_that_failed_before_it_was_sent_has_changed_nothing(backup_id: UUID) -> None:
    with transaction() as session:
        restore, run = begun(session, backup_id)
        run.move(session, Status.FAILED)
        assert restore_steps.failed(session, run, CommandFailed("No.")) == []
        assert (restore.status, restore.error_code) == (RestoreStatus.FAILED, "COMMAND_FAILED")


def test_one_that_failed_is_put_back_until_it_is(backup_id: UUID) -> None:
    with transaction() as session:
        restore, run = begun(session, backup_id)
        ended(session, run, CommandFailed("No."))
        [undoing] = restore_steps.failed(session, run, CommandFailed("No."))
        assert (undoing.kind, restore.status) == (RunKind.UNDO, RestoreStatus.UNDOING)
        ended(session, undoing, RunLost("Gone."))
        [again] = restore_steps.not_put_back(session, undoing, RunLost("Gone."))
        assert again.next_look_at <= clock.now()
        ended(session, again, CommandFailed("A disk is away."))
        [later] = restore_steps.not_put_back(session, again, CommandFailed("A disk is away."))
        assert later.next_look_at > clock.now() + timedelta(seconds=100)
        ended(session, later)
        restore_steps.put_back(session, later)
        assert (restore.status, restore.error_code) == (RestoreStatus.FAILED, "COMMAND_FAILED")


def test_what_is_not_there_is_not_found(core: Flask, backup_id: UUID) -> None:
    with transaction() as session:
        with pytest.raises(NotFound):
            restores.find(session, UUID(int=1))
        assert restores.find(session, planned(session, backup_id).id).paths == ["/srv/shop"]
        with pytest.raises(NotFound):
            restores.of_run(session, session.scalars(select(Run)).first())  # type: ignore[arg-type]

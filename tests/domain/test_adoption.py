"""Backups that were found in a vault: what they are rows of, and what they are not counted as."""

from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from cloudpilot import clock
from cloudpilot.db import transaction
from cloudpilot.domain import adopted as finds
from cloudpilot.domain import (
    adoption,
    deletions,
    expiry,
    history,
    overview,
    protection,
    restore_plans,
    restore_sources,
    searches,
    servers,
    sites,
    subjects,
)
from cloudpilot.domain.adoption import Standing
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import Copy, CopyStatus
from cloudpilot.domain.history import Day
from cloudpilot.domain.objects import VaultObject
from cloudpilot.domain.protection import State
from cloudpilot.domain.restore_plans import Asked
from cloudpilot.domain.searches import Fate, Progress
from cloudpilot.domain.servers import Server
from cloudpilot.domain.status import Status
from cloudpilot.errors import BackupInProgress, InvalidConfig, NotFound
from cloudpilot.kinds import BackupType
from tests.support.adopting import a_folder, a_found, adopted
from tests.support.rows import add_database, add_person, add_server, add_site
from tests.support.vaulting import add_vault
from tests.web.scenes import add_backup

A_YEAR = timedelta(days=365)


@pytest.fixture
def vault_id(core: Flask) -> UUID:
    with transaction() as session:
        return add_vault(session).id


def test_it_gets_rows_and_its_server_a_tombstone(vault_id: UUID) -> None:
    folder = a_folder()
    with transaction() as session:
        backup = adopted(session, vault_id, folder)
        assert (backup.id, backup.server_id, backup.site_id) == (folder.backup, folder.server, None)
        assert (backup.status, backup.subject) == (Status.COMPLETED, "shop on web-1")
        [copy] = backup.copies
        assert (copy.status, copy.vault_id, copy.size) == (CopyStatus.STORED, vault_id, 4_711)
        rows = session.scalars(select(VaultObject).where(VaultObject.copy_id == copy.id)).all()
        assert sorted(one.name for one in rows) == ["archive", "index", "manifest"]
        assert {one.name: one.sha256 for one in rows}["archive"] == backup.sha256
        with pytest.raises(NotFound):
            servers.find(session, folder.server)
        assert servers.listed(session) == sites.listed(session) == []
        assert [one.id for one in servers.adopted(session)] == [folder.server]
        assert overview.server_rows(session, limit=10) == []
        [one] = finds.by_server(session, vault_id)
        assert (one.server.name, one.signed, one.unverified) == ("web-1", 0, 1)
        assert one.is_alone
        assert finds.by_server(session, uuid4()) == []
        assert len(finds.by_server(session)) == 1


def test_adopted_twice_it_is_there_once(vault_id: UUID) -> None:
    folder = a_folder()
    with transaction() as session:
        adopted(session, vault_id, folder)
        assert adoption.adopt(session, vault_id, a_found(folder)) is None
        assert len(session.scalars(select(Backup)).all()) == 1


def test_what_another_run_has_begun_is_left(
    vault_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have looked before either has written: the database refuses the second."""
    folder = a_folder()
    with transaction() as session:
        adopted(session, vault_id, folder)
    monkeypatch.setattr(adoption, "_is_there", lambda *_: False)
    with transaction() as session:
        assert adoption.adopt(session, vault_id, a_found(folder)) is None
    with transaction() as session:
        assert len(session.scalars(select(Copy)).all()) == 1


def test_an_attempt_that_somebody_has_copied_hides_nothing(vault_id: UUID) -> None:
    first, other = a_found(a_folder()), a_found(a_folder())
    with transaction() as session:
        assert adoption.adopt(session, vault_id, first)
        same = adoption.Found(other.manifest, first.attempt, other.objects)
        assert adoption.adopt(session, vault_id, same)


def test_what_is_known_of_a_folder(vault_id: UUID) -> None:
    folder, server = a_folder(), uuid4()
    with transaction() as session:
        assert adoption.standing(session, folder) is Standing.NEW
        found = adopted(session, vault_id, folder)
        assert adoption.standing(session, folder) is Standing.UNVERIFIED
        elsewhere = a_folder(backup=folder.backup)
        assert adoption.standing(session, elsewhere) is Standing.UNVERIFIED
        found.signed_at = clock.now()
        assert adoption.standing(session, folder) is Standing.KNOWN
        assert adoption.standing(session, elsewhere) is Standing.ELSEWHERE
        found.signed_at, found.delete_requested_at = None, clock.now()
        assert adoption.standing(session, folder) is Standing.KNOWN
        found.deleted_at = clock.now()
        assert adoption.standing(session, folder) is Standing.UNVERIFIED
        assert adoption.standing(session, elsewhere) is Standing.UNVERIFIED
        found.signed_at = clock.now()
        assert adoption.standing(session, elsewhere) is Standing.ELSEWHERE
        site = add_site(session, add_server(session, id=server))
        own = add_backup(session, session.get_one(Server, server), site, Status.RUNNING)
        its = a_folder(server=server, site=site.id, backup=own.id)
        assert adoption.standing(session, its) is Standing.KNOWN
        other = a_folder(server=server, backup=own.id)
        assert adoption.standing(session, other) is Standing.ELSEWHERE


def test_what_is_signed_takes_the_place_of_what_is_not(vault_id: UUID) -> None:
    """Somebody has laid a backup of the same id where it is found first."""
    forged, right = a_folder(), a_folder()
    right = a_folder(server=right.server, site=right.site, backup=forged.backup)
    with transaction() as session:
        adopted(session, vault_id, forged)
        found = a_found(right)
        assert not adoption.is_its_place(session, found)
        backup = adoption.replace(session, vault_id, found)
        assert (backup.server_id, len(backup.copies)) == (right.server, 1)
        assert adoption.is_its_place(session, found)
        keys = session.scalars(select(VaultObject.key)).all()
        assert all(key.startswith(right.name) for key in keys)
        assert len(keys) == 3


def test_what_the_panel_makes_itself_is_no_find(vault_id: UUID) -> None:
    with transaction() as session:
        server = add_server(session)
        own = add_backup(session, server, add_site(session, server), Status.RUNNING)
        folder = a_folder(server=server.id, backup=own.id)
        assert adoption.adopt(session, vault_id, a_found(folder)) is None
        assert own.adopted_at is None


def test_a_server_and_site_of_this_panel_stay_as_they_are(vault_id: UUID) -> None:
    with transaction() as session:
        server = add_server(session, "db-1")
        site, other = add_site(session, server), add_site(session, add_server(session, "x"))
        backup = adopted(session, vault_id, a_folder(server=server.id, site=site.id))
        assert (backup.site_id, server.name, server.removed_at) == (site.id, "db-1", None)
        backup = adopted(session, vault_id, a_folder(server=server.id, site=other.id))
        assert (backup.site_id, backup.site_name) == (None, "shop")
        own = a_folder(server=server.id, site=server.id)
        backup = adopted(session, vault_id, own, plan={"site": None})
        assert backup.subject == "web-1"


def test_it_stands_in_for_no_other_backup(vault_id: UUID) -> None:
    """Whoever writes to a vault must not have the panel's own backups expire."""
    with transaction() as session:
        server = add_server(session)
        site = add_site(session, server)
        old = add_backup(session, server, site, Status.COMPLETED, age=timedelta(days=90))
        old.expires_at = old.judge_at = clock.now() - timedelta(days=60)
        folder = a_folder(server=server.id, site=site.id)
        found = adopted(session, vault_id, folder)
        assert found.judge_at is None
        found.judge_at = clock.now() - A_YEAR
        [subject] = subjects.due(session, 10)
        assert expiry.expire(session, subject) == []
        assert "newest good copy" in old.kept_because
        [standing] = protection.standings(session)
        assert standing.good_at == old.created_at
        assert standing.state is State.OLD
        old.judge_at = None
        assert subjects.due(session, 10) == []


def test_it_is_on_no_calendar(vault_id: UUID) -> None:
    """What was backed up day by day is what this panel has seen."""
    day = date(2026, 11, 20)
    with transaction() as session:
        server = add_server(session)
        own = add_backup(session, server, None, Status.COMPLETED)
        own.created_at = datetime(2026, 11, 20, 9, tzinfo=UTC)
        session.flush()
        assert history.days(session, day, day)[day] == Day(completed=1)
        adopted(session, vault_id, result={"warnings": 1})
        adopted(session, vault_id)
        assert history.days(session, day, day)[day] == Day(completed=1)


def test_what_is_continued_by_a_find_does_not_expire(vault_id: UUID) -> None:
    """The database is an older copy: of a chain it knows the full one, and not the increments."""
    with transaction() as session:
        server = add_server(session)
        site = add_site(session, server)
        for age in (90, 1):
            one = add_backup(session, server, site, Status.COMPLETED, age=timedelta(days=age))
            one.expires_at = one.judge_at = clock.now() - timedelta(hours=1)
            full = one if age == 90 else full  # noqa: F821
        result = {"level": 1, "base": str(full.id)}
        found = adopted(session, vault_id, a_folder(server=server.id), result=result)
        adoption.link_chains(session)
        assert full.chain_id == found.chain_id == full.id
        [subject] = subjects.due(session, 10)
        assert expiry.expire(session, subject) == []
        assert full.kept_because == expiry.CONTINUED


def test_increments_are_put_into_their_chain(vault_id: UUID) -> None:
    server = uuid4()
    full, one, two = (a_folder(server=server) for _ in range(3))
    with transaction() as session:
        last = {"level": 2, "base": str(one.backup)}
        top = adopted(session, vault_id, two, result=last)
        adopted(session, vault_id, one, result={"level": 1, "base": str(full.backup)})
        adoption.link_chains(session)
        assert restore_sources.places(session, top) == []
        adopted(session, vault_id, full)
        adoption.link_chains(session)
        assert restore_sources.places(session, top) == [vault_id]
        assert [copy.vault_id for _, copy in _read(session, top)] == [vault_id] * 3


def _read(session: Session, backup: Backup) -> list[tuple[Backup, object]]:
    wanted = SimpleNamespace(backup_id=backup.id, vault_id=backup.copies[0].vault_id)
    return restore_sources.archives(session, wanted)  # type: ignore[arg-type, return-value]


@pytest.mark.parametrize("why", ["server", "level", "deleted", "running", "itself"])
def test_what_cannot_be_continued_is_not(vault_id: UUID, why: str) -> None:
    folder = a_folder()
    with transaction() as session:
        server = add_server(session, id=folder.server)
        status = Status.RUNNING if why == "running" else Status.COMPLETED
        base = add_backup(session, server, None, status)
        if why == "server":
            base.server_id = add_server(session, "other").id
        if why == "deleted":
            base.deleted_at = clock.now()
        level = 2 if why == "level" else 1
        its = str(folder.backup if why == "itself" else base.id)
        found = adopted(session, vault_id, folder, result={"level": level, "base": its})
        adoption.link_chains(session)
        assert found.chain_id is base.chain_id is None
        assert restore_sources.places(session, found) == []


def test_a_person_has_it_deleted(vault_id: UUID) -> None:
    with transaction() as session:
        backup = adopted(session, vault_id)
        [run] = deletions.delete(session, backup, add_person(session))
        assert run.vault_id == vault_id


def test_a_restore_of_what_anybody_may_have_made_is_a_strangers(vault_id: UUID) -> None:
    with transaction() as session:
        server, by = add_server(session), add_person(session)
        backup = adopted(session, vault_id, a_folder(server=server.id))
        assert restore_sources.is_foreign(session, backup, server)
        asked = {"backup": backup, "server": server, "vault_id": vault_id, "into": "/srv/new"}
        with pytest.raises(InvalidConfig, match="tick"):
            restore_plans.plan(session, Asked(paths=["/srv/shop"], **asked), by)
        with pytest.raises(InvalidConfig, match="dump is a program"):
            restore_plans.plan(session, Asked(paths=[], dumps=[1], knows=True, **asked), by)
        planned = restore_plans.plan(session, Asked(paths=["/srv/shop"], knows=True, **asked), by)
        assert planned.vault_id == vault_id
        backup.signed_at = clock.now()
        assert not restore_sources.is_foreign(session, backup, server)
        assert restore_plans.plan(session, Asked(paths=["/srv/shop"], **asked), by)


def test_databases_of_a_find_need_a_login(vault_id: UUID) -> None:
    with transaction() as session:
        server = add_server(session)
        login = add_database(session, add_site(session, server))
        plan = {"type": "full", "databases": [login.plan()]}
        result = {"archive": "full-20261120-100000Z.tar.gz"}
        backup = adopted(session, vault_id, plan=plan, result=result)
        assert "dump is a program" in restore_plans.why_no_dumps(session, backup)
        backup.signed_at = clock.now()
        assert restore_plans.why_no_dumps(session, backup) == ""
        backup.databases = [login.plan() | {"id": str(uuid4())}]
        assert "no login" in restore_plans.why_no_dumps(session, backup)


def test_an_increment_is_as_unverified_as_what_it_continues(vault_id: UUID) -> None:
    server = uuid4()
    full, one = a_folder(server=server), a_folder(server=server)
    with transaction() as session:
        base = adopted(session, vault_id, full)
        top = adopted(session, vault_id, one, result={"level": 1, "base": str(full.backup)})
        adoption.link_chains(session)
        top.signed_at = clock.now()
        assert restore_sources.is_unverified(session, top)
        base.signed_at = clock.now()
        assert not restore_sources.is_unverified(session, top)


def test_one_search_at_a_time(core: Flask) -> None:
    with transaction() as session:
        vault, by = add_vault(session), add_person(session)
        assert searches.latest(session, vault.id) is None
        run = searches.ask(session, vault, by)
        with pytest.raises(BackupInProgress):
            searches.ask(session, vault, by)
        assert searches.latest(session, vault.id) is run
        assert searches.progress(run) == Progress()
        reached = Progress().after(a_folder(), Fate.UNVERIFIED)
        searches.note(run, reached)
        session.flush()
        assert searches.progress(run) == reached
        searches.pause(session, run)
        assert run.next_look_at <= clock.now()


def test_a_search_counts_what_it_finds() -> None:
    server, reached = uuid4(), Progress()
    for fate in (Fate.SIGNED, Fate.UNVERIFIED, Fate.KNOWN):
        reached = reached.after(a_folder(server=server), fate)
    last = a_folder()
    reached = reached.after(a_folder(), Fate.SIGNED).after(last, Fate.REFUSED, "It is no JSON.")
    assert (reached.found, reached.signed, reached.servers) == (3, 2, 2)
    assert (reached.known, reached.refused, reached.cursor) == (1, 1, last.name)
    assert reached.whys == [[last.name, "It is no JSON.", ""]]
    reached = reached.after(last, Fate.REFUSED, "x", datetime(2026, 11, 20, 10, tzinfo=UTC))
    assert reached.whys[1] == [last.name, "x", "2026-11-20 10:00:00 UTC"]
    for _ in range(60):
        reached = reached.after(last, Fate.REFUSED, "x")
    assert (reached.refused, len(reached.whys)) == (62, searches.WHYS_KEPT)


def test_types_have_their_own_archives(vault_id: UUID) -> None:
    plan, result = {"type": "full"}, {"archive": "full-20261120-100000Z.tar.gz"}
    with transaction() as session:
        backup = adopted(session, vault_id, plan=plan, result=result)
        assert backup.type is BackupType.FULL

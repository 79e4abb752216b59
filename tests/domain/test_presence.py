"""domain.presence, on both databases: what a Check looks for, and what becomes of what it saw."""

from datetime import timedelta
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from cloudpilot.db import reading, transaction
from cloudpilot.domain import outcomes, overview, presence, protection, servers, sites
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import Copy, CopyStatus
from cloudpilot.domain.protection import State
from cloudpilot.domain.status import LostRace, Status, StatusEvent
from tests.support.rows import add_person, add_server, add_site
from tests.web.scenes import add_backup

WHY = "It is not in /var/backups/cloudpilot any more."


@pytest.fixture
def server_id(core: Flask) -> UUID:
    """A server with a site that was backed up every other day."""
    with transaction() as session:
        add_person(session)
        server = add_server(session, "web-1")
        site = add_site(session, server, "shop")
        for day in range(3):
            age = timedelta(days=2 * day, hours=1)
            add_backup(session, server, site, Status.COMPLETED, age=age)
    return server.id


def newest(session: Session) -> Backup:
    rows = select(Backup).order_by(Backup.created_at.desc())
    return session.scalars(rows.limit(1)).one()


def note(why: str | None) -> Copy:
    """Of the newest backup's copy, and what becomes of it."""
    with transaction() as session:
        [copy] = newest(session).copies
        presence.note(session, {copy.id: why})
    with reading() as session:
        return session.get_one(Copy, copy.id)


def state() -> State:
    with reading() as session:
        [standing] = protection.standings(session)
        [row] = overview.site_rows(session, limit=5)
    assert row.state is standing.state
    return standing.state


def test_a_missing_archive_is_no_good_one_until_it_is_back(server_id: UUID) -> None:
    assert state() is State.FRESH
    copy = note(WHY)
    assert (copy.status, copy.missing_why) == (CopyStatus.MISSING, WHY)
    assert copy.missing_at
    assert state() is State.OLD
    with reading() as session:
        [backup] = presence.missing(session, 5)
        assert backup.is_missing
        event = session.scalars(select(StatusEvent).where(StatusEvent.subject == "copies")).one()
    assert (event.old, event.new, event.code) == ("stored", "missing", "ARCHIVE_MISSING")
    again = note("It has 3 bytes; 7 were written.")
    assert (again.missing_at, again.seen_at) == (copy.missing_at, None)
    assert again.missing_why == "It has 3 bytes; 7 were written."
    back = note(None)
    assert (back.status, back.missing_at, back.missing_why) == (CopyStatus.STORED, None, None)
    assert back.seen_at
    assert state() is State.FRESH
    with reading() as session:
        assert presence.missing(session, 5) == []


def test_what_is_there_is_only_noted_to_have_been_seen(server_id: UUID) -> None:
    copy = note(None)
    assert copy.status is CopyStatus.STORED
    assert copy.seen_at
    with reading() as session:
        assert list(session.scalars(select(StatusEvent))) == []


def test_what_was_deleted_meanwhile_stays_deleted(
    server_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    with transaction() as session:
        outcomes.remove(session, newest(session), by=None)
    assert note(WHY).status is CopyStatus.DELETING

    def lost(*_words: object, **_columns: object) -> None:
        raise LostRace("This is no longer stored.")

    with transaction() as session:
        [*_, backup] = session.scalars(select(Backup).order_by(Backup.created_at.desc()))
        monkeypatch.setattr(Copy, "move", lost)
        presence.note(session, {backup.copies[0].id: WHY})
        assert backup.copies[0].status is CopyStatus.STORED


def test_a_missing_backup_can_be_deleted_and_then_is_missing_no_more(server_id: UUID) -> None:
    note(WHY)
    with transaction() as session:
        outcomes.remove(session, newest(session), by=None)
        assert presence.missing(session, 5) == []
        assert newest(session).is_being_deleted


def test_the_newest_are_looked_for_and_of_each_site_one(
    server_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    with transaction() as session:
        server = servers.find(session, server_id)
        quiet = add_site(session, server, "quiet")
        add_site(session, server, "never")
        old = add_backup(session, server, quiet, Status.COMPLETED, age=timedelta(days=99))
        far = add_backup(session, server, quiet, Status.COMPLETED, age=timedelta(days=199))
        add_backup(session, server, quiet, Status.RUNNING)
        elsewhere = add_server(session, "web-2")
        add_backup(session, elsewhere, None, Status.COMPLETED)
        monkeypatch.setattr(presence, "AT_MOST", 2)
        asked = {copy.backup_id for copy in presence.looked_for(session, server_id)}
        [shop] = [site for site in sites.listed(session) if site.name == "shop"]
        rows = select(Backup.id).where(Backup.site_id == shop.id)
        newest_two = session.scalars(rows.order_by(Backup.created_at.desc()).limit(2)).all()
        assert asked == {*newest_two, old.id}
        far.copies[0].status = CopyStatus.MISSING
        session.flush()
        asked = {copy.backup_id for copy in presence.looked_for(session, server_id)}
        assert asked == {*newest_two, old.id, far.id}

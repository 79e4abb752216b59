"""What was found in a vault tells the panel nothing of its own backups: anybody who can write there
has said it."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from cloudpilot import clock
from cloudpilot.db import transaction
from cloudpilot.domain import (
    databases,
    failures,
    forecast,
    history,
    outcomes,
    protection,
    ratios,
)
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import Copy, CopyStatus
from cloudpilot.domain.servers import Server
from cloudpilot.domain.sites import Site
from cloudpilot.domain.status import Status
from cloudpilot.kinds import BackupType, Place
from tests.support.adopting import a_folder, adopted
from tests.support.rows import add_database, add_server, add_site
from tests.support.schedules import add_schedule
from tests.support.vaulting import add_vault
from tests.web.scenes import add_backup

HUGE = 2**50


class Around:
    """A site that was backed up yesterday, and a vault in which something newer of it is found."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.server: Server = add_server(session)
        self.site: Site = add_site(session, self.server)
        self.vault = add_vault(session)
        self.login = add_database(session, self.site)

    def made(self, status: Status = Status.COMPLETED, **columns: Any) -> Backup:
        """One of the panel's own."""
        age = timedelta(days=1)
        return add_backup(self.session, self.server, self.site, status, age=age, **columns)

    def found(self) -> Backup:
        """One that was found; of all kinds, so that it could stand in for any."""
        folder = a_folder(server=self.server.id, site=self.site.id)
        found = adopted(self.session, self.vault.id, folder)
        found.created_at = clock.now() - timedelta(minutes=1)
        found.size = found.tar_size = HUGE
        found.databases, found.census = [self.login.plan()], [{"name": "forged"}]
        self.session.flush()
        assert found.site_id == self.site.id
        return found


@pytest.fixture
def around(core: Flask) -> Any:
    with transaction() as session:
        yield Around(session)


def test_not_how_large_the_next_one_will_be(around: Around) -> None:
    session, own = around.session, around.made()
    schedule = add_schedule(session, around.server, around.site, "0 3 * * *")
    asked = around.made(Status.PENDING)

    def said() -> list[Any]:
        return [
            ratios.expected(session, asked),
            forecast._sizes(session, schedule),
            history.largest_last(session, around.server.id),
            history.sizes(session, around.site.id, 9),
        ]

    before = said()
    around.found()
    assert said() == before
    assert before[2] == (around.site.name, own.size)


def test_nor_that_a_failure_was_made_good(around: Around) -> None:
    session, failed = around.session, around.made(Status.FAILED)
    around.found()
    assert failures.not_made_good(session, 9) == [failed]


def test_nor_that_a_later_one_got_to_its_vault(around: Around) -> None:
    session, own = around.session, around.made()
    lost = {"place": Place.VAULT, "vault_id": around.vault.id, "status": CopyStatus.FAILED}
    own.copies.append(Copy(name=own.archive, **lost))
    session.flush()
    around.found()
    assert failures.not_offsite(session, 9) == [own]


def test_nor_what_was_in_the_dumps(around: Around) -> None:
    session = around.session
    census = [{"name": "shop", "engine": around.login.engine, "where": around.login.where}]
    plans = {"databases": [around.login.plan()], "census": census, "type": BackupType.FULL}
    around.made(**plans)
    asked = around.made(Status.PENDING, **plans)
    around.found().type = BackupType.FULL
    session.flush()
    assert outcomes._dumped_before(session, asked) == [census]
    assert databases.known(session, around.site.id) == {around.login.id: ["shop"]}


def test_nor_that_a_site_was_ever_backed_up(around: Around) -> None:
    once = select(Site.id).where(protection.was_completed())
    around.found()
    assert around.session.scalars(once).all() == []
    around.made()
    assert around.session.scalars(once).all() == [around.site.id]

"""Snapshot trees on the pages: where they are offered, what is refused, what is said of one."""

from collections.abc import Iterator
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select

from cloudpilot.db import reading, transaction
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.schedules import Schedule
from cloudpilot.domain.servers import Checkup, Server
from cloudpilot.domain.sites import Site
from cloudpilot.domain.status import Status
from cloudpilot.kinds import Method, Privilege
from tests.support.rows import add_database, add_server, add_site
from tests.support.vaulting import add_vault
from tests.web.conftest import Browser
from tests.web.scenes import add_backup

OFFERED = "Snapshot tree (rsync): every backup a full tree, only changes take space"
SCHEDULE = {"cron": "0 3 * * *", "zone": "UTC"}


@pytest.fixture(autouse=True)
def _context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


@pytest.fixture
def site_id(app: Flask) -> UUID:
    """A site of files, on a server that has rsync."""
    with transaction() as session:
        server = add_server(session)
        session.add(Checkup(server_id=server.id, lines=[], facts={"rsync": "3.2.7"}))
        return add_site(session, server).id


def server_of(site_id: UUID) -> UUID:
    with reading() as session:
        return session.get_one(Site, site_id).server_id


def forms(site_id: UUID) -> list[str]:
    """All pages on which a method is chosen."""
    own = server_of(site_id)
    return [
        f"/schedules/new?site={site_id}", f"/schedules/new?server={own}",
        f"/backups/new?site={site_id}", f"/backups/new?server={own}",
        f"/sites/{site_id}/edit", f"/servers/{own}/sites/new",
    ]  # fmt: skip


def test_trees_are_offered_where_rsync_was_found(owner: Browser, site_id: UUID) -> None:
    assert all(OFFERED in owner.get(path).text for path in forms(site_id))
    with transaction() as session:
        session.scalars(select(Checkup)).one().facts = {"rsync": ""}
    assert not any(OFFERED in owner.get(path).text for path in forms(site_id))


def test_what_a_site_says_is_what_its_forms_begin_with(owner: Browser, site_id: UUID) -> None:
    fields = {"name": "shop", "paths": "/srv/shop", "compression": "gzip"}
    owner.post(f"/sites/{site_id}/edit", **fields, method="tree")
    with reading() as session:
        assert session.get_one(Site, site_id).method is Method.TREE
    assert "Snapshot trees, of files" in owner.get(f"/sites/{site_id}").text
    for path in (f"/schedules/new?site={site_id}", f"/backups/new?site={site_id}"):
        assert "checked" in owner.get(path).one("input", name="method", value="tree").attrs
    owner.post(f"/backups/new?site={site_id}", method="tree")
    with transaction() as session:
        backup = session.scalars(select(Backup)).one()
        assert (backup.method, backup.archive[-7:]) == (Method.TREE, ".tar.gz")
        assert [copy.name for copy in backup.copies] == [backup.archive[:-7] + ".tree"]
        add_database(session, session.get_one(Site, site_id))
    page = owner.get(f"/backups/new?site={site_id}")  # all of it, which no tree can hold
    assert "checked" in page.one("input", name="method", value="archive").attrs


def test_a_schedule_of_trees(owner: Browser, site_id: UUID) -> None:
    new = f"/schedules/new?site={site_id}"
    refused = owner.post(new, 422, **SCHEDULE, method="tree", incremental="y")
    assert "takes room for changes alone anyway" in refused.text
    owner.post(new, **SCHEDULE, method="tree")
    with reading() as session:
        schedule = session.scalars(select(Schedule)).one()
    assert (schedule.method, schedule.incremental) == (Method.TREE, False)
    assert "Snapshot trees" in owner.get(f"/schedules/{schedule.id}").text
    page = owner.get(f"/schedules/{schedule.id}/edit")
    assert "checked" in page.one("input", name="method", value="tree").attrs


def test_what_a_tree_cannot_be_is_said(owner: Browser, site_id: UUID) -> None:
    with transaction() as session:
        vault_id = str(add_vault(session, "offsite").id)
    new = f"/schedules/new?site={site_id}"
    for local in ({"local": "streamed"}, {"local": "goes", "local_days": "0"}):
        refused = owner.post(new, 422, **SCHEDULE, method="tree", vault_id=vault_id, **local)
        assert "A snapshot tree" in refused.text
    server_id = server_of(site_id)
    with transaction() as session:
        server = session.get_one(Server, server_id)
        session.get_one(Site, site_id).method = Method.TREE
        server.privilege = Privilege.READ_ALL
    refused = owner.post(f"/backups/new?site={site_id}", 422, method="tree", vault_id="")
    assert "only root can keep owners" in refused.text


def test_a_page_of_a_tree_says_what_is_its_own(owner: Browser, site_id: UUID) -> None:
    with transaction() as session:
        site = session.get_one(Site, site_id)
        server = session.get_one(Server, site.server_id)
        sizes = {"size": 5_000_000_000, "tar_size": None, "own_size": 120_000_000}
        first = add_backup(session, server, site, Status.COMPLETED, method=Method.TREE, **sizes)
        tools = {"rsync": "3.2.7", "compared": "times"}
        more = {"tools": tools, "base_id": first.id, "method": Method.TREE}
        second = add_backup(session, server, site, Status.COMPLETED, **sizes, **more).id
    page = owner.get(f"/backups/{second}").text
    said = ("5.0 GB", "120.0 MB", "of its own", "by rsync 3.2.7", "the tree before", str(first.id))
    for words in said:
        assert words in page, words
    assert "its list of files" in page
    assert owner.get("/backups").text.count("of its own") == 2
    assert "Other trees stay whole" in owner.get(f"/backups/{second}/delete").text

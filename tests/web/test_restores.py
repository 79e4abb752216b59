"""The pages of restores: what is asked for, what stands in the way, and each button."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from cloudpilot import clock
from cloudpilot.db import reading, transaction
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.restores import Restore, RestoreStatus
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Server
from cloudpilot.domain.sites import Site
from cloudpilot.domain.status import Status
from cloudpilot.kinds import Privilege, RunKind
from tests.support.rows import add_database, add_server, add_site
from tests.web.conftest import Browser
from tests.web.scenes import OVER, SURVEY, SURVEYED, add_backup, restoring

COUNTED = {"engine": "mariadb", "where": "/run/mysqld/mysqld.sock", "name": "shop", "exact": True}


@pytest.fixture(autouse=True)
def _context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


@pytest.fixture
def backup_id(app: Flask) -> UUID:
    """Of /srv/shop and a database, where everything may be done."""
    with transaction() as session:
        server = add_server(session, privilege=Privilege.FULL)
        site = add_site(session, server)
        database = add_database(session, site, all_but=False, names=["shop"])
        backup = add_backup(session, server, site, Status.COMPLETED)
        backup.databases, backup.census = [database.plan()], [COUNTED]
        return backup.id


def asked(browser: Browser, backup_id: UUID, status: int = 303, **fields: object) -> Restore | None:
    """Sends the form; the restore that was planned."""
    with reading() as session:
        server = session.scalars(select(Server)).first()
    assert server
    plain = {"place": "", "server_id": str(server.id), "paths": "/srv/shop", "where": "here"}
    browser.post(f"/backups/{backup_id}/restore", status, **(plain | {"extent": "exact"} | fields))
    with reading() as session:
        return session.scalars(select(Restore)).first()


def test_what_is_asked_for_is_planned_and_looked_at(owner: Browser, backup_id: UUID) -> None:
    page = owner.get(f"/backups/{backup_id}/restore?path=/srv/shop/media")
    assert "/srv/shop/media" in page.text
    restore = asked(
        owner, backup_id, paths="/srv/shop/media", dumps="1", suffix="_back", user="admin",
        password="canary", safe="y",
    )  # fmt: skip
    assert restore
    assert (restore.paths, restore.safe, restore.exact) == (["/srv/shop/media"], True, True)
    assert [one["name"] for one in restore.databases] == ["shop_back"]
    assert restore.logins
    assert "canary" not in restore.logins
    with reading() as session:
        [run] = session.scalars(select(Run)).all()
    assert (run.kind, run.restore_id) == (RunKind.SURVEY, restore.id)
    assert f"restore-{restore.id}-status" in owner.get(f"/restores/{restore.id}").text


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"paths": "/etc"}, "/etc is not in this backup."),
        ({"paths": ""}, "There is nothing chosen"),
        ({"where": "there", "into": "relative"}, "whole path"),
        ({"where": "there", "into": "/a\n/b"}, "Give one folder"),
        ({"dumps": "1", "suffix": "; drop"}, "letters, digits and _"),
        ({"dumps": "1", "user": "a\x07b"}, "no control characters"),
    ],
)
def test_what_makes_no_sense_is_said_and_nothing_is_planned(
    owner: Browser, backup_id: UUID, fields: dict[str, str], said: str
) -> None:
    answer = owner.client.post(
        f"/backups/{backup_id}/restore",
        data={"csrf_token": owner.token(), "place": "", "where": "here", "extent": "exact"}
        | {"server_id": str(server_id()), "paths": "/srv/shop"}
        | fields,
    )
    assert answer.status_code == 422
    assert said in answer.text
    with reading() as session:
        assert session.scalars(select(Restore)).all() == []


def server_id() -> UUID:
    with reading() as session:
        return session.scalars(select(Server.id)).one()


def scene(status: RestoreStatus, **columns: object) -> UUID:
    """A restore that stands like this."""
    run = {"kind": RunKind.SURVEY, "status": Status.COMPLETED}
    with transaction() as session:
        return restoring(status, run, **columns)(session).ids["restore"]


def there(restore_id: UUID) -> Restore:
    with reading() as session:
        return session.get_one(Restore, restore_id)


def test_it_begins_when_the_name_is_typed(owner: Browser) -> None:
    restore_id = scene(RestoreStatus.PLANNED, survey=SURVEY | {"databases": []}, safe=False)
    page = owner.get(f"/restores/{restore_id}")
    assert "Type shop to be sure" in re.sub(r"<[^>]+>", "", page.text)
    wrong = owner.post(f"/restores/{restore_id}/start", 422, name="web-1")
    assert "Type shop to restore it." in wrong.text
    owner.post(f"/restores/{restore_id}/start", name="shop")
    assert there(restore_id).status is RestoreStatus.RUNNING
    again = owner.post(f"/restores/{restore_id}/start", 409, name="shop")
    assert "INVALID_STATE" in again.text


def test_what_stands_in_the_way_has_no_button(owner: Browser) -> None:
    link = SURVEY["paths"][0] | {"kind": "link"}  # type: ignore[index,operator]
    restore_id = scene(RestoreStatus.PLANNED, survey=SURVEY | {"paths": [link]})
    page = owner.get(f"/restores/{restore_id}")
    assert "PATH_IS_LINK" in page.text
    assert "Restore" not in page.buttons
    owner.post(f"/restores/{restore_id}/look")
    with reading() as session:
        kinds = list(session.scalars(select(Run.kind).where(Run.restore_id == restore_id)))
    assert kinds == [RunKind.SURVEY, RunKind.SURVEY]


@pytest.mark.parametrize("name", ["undo", "forget"])
def test_what_was_there_is_asked_about_once_more(owner: Browser, name: str) -> None:
    later = clock.now() + timedelta(days=1)
    restore_id = scene(RestoreStatus.COMPLETED, kept_until=later, finished_at=clock.now())
    assert "What was there" in owner.get(f"/restores/{restore_id}/{name}").text
    owner.post(f"/restores/{restore_id}/{name}")
    with reading() as session:
        rows = select(Run.kind).where(Run.restore_id == restore_id).order_by(Run.created_at.desc())
        assert session.scalars(rows).first() == RunKind(name)
    owner.post(f"/restores/{restore_id}/{name}", 409)


def over(session: Session, **columns: Any) -> UUID:
    """A restore of /srv/shop and of one database in place, behind a safe-mode backup."""
    found = restoring(columns.pop("status"), SURVEYED, survey=OVER, **columns)
    restore = session.get_one(Restore, found(session).ids["restore"])
    backup = session.get_one(Backup, restore.backup_id)
    site = session.get_one(Site, backup.site_id)
    login = add_database(session, site, all_but=False, names=["shop"])
    restore.databases = [
        {"number": 1, "backed_up": "shop", "name": "shop", "database": str(login.id)}
    ]
    safe = add_backup(session, session.get_one(Server, restore.server_id), None, Status.COMPLETED)
    restore.safe_backup_id = safe.id
    return restore.id


@pytest.mark.parametrize("safe", [True, False])
def test_a_plan_says_that_there_will_be_no_undo(owner: Browser, safe: bool) -> None:
    with transaction() as session:
        restore_id = over(session, status=RestoreStatus.PLANNED, safe=safe)
    page = owner.get(f"/restores/{restore_id}")
    text = re.sub(r"<[^>]+>", "", page.text)
    assert "The transaction that replaces shop comes last" in text
    assert "there is no Undo" in text
    assert ("Restore" in page.buttons) is safe
    assert ("safe mode is off" in text) is not safe
    owner.post(f"/restores/{restore_id}/start", 303 if safe else 409, name="shop")
    assert (there(restore_id).status is RestoreStatus.RUNNING) is safe


def test_one_in_place_has_no_undo_and_names_its_way_back(owner: Browser) -> None:
    later = clock.now() + timedelta(days=1)
    with transaction() as session:
        restore_id = over(session, status=RestoreStatus.COMPLETED, kept_until=later)
    page = owner.get(f"/restores/{restore_id}").text
    safe_id = there(restore_id).safe_backup_id
    assert "There is no Undo" in page
    assert f'href="/backups/{safe_id}/restore"' in page
    assert f"/restores/{restore_id}/undo" not in page
    assert f"/restores/{restore_id}/forget" in page  # of the files
    owner.post(f"/restores/{restore_id}/undo", 409)
    assert there(restore_id).status is RestoreStatus.COMPLETED
    with transaction() as session:
        session.get_one(Backup, safe_id).deleted_at = clock.now()
    assert "is not there any more" in owner.get(f"/restores/{restore_id}").text


def test_a_backup_says_what_was_restored_from_it(owner: Browser) -> None:
    restore_id = scene(RestoreStatus.UNDONE, finished_at=clock.now())
    with reading() as session:
        backup_id = session.scalars(select(Backup.id)).one()
    assert f"/restores/{restore_id}" in owner.get(f"/backups/{backup_id}").text
    assert f"/restores/{restore_id}" in owner.get("/restores").text

"""domain.orphans, which decides, and domain.known, which reads what the rows say."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from flask import Flask

from cloudpilot.db import reading, transaction
from cloudpilot.domain import known, orphans, schedules
from cloudpilot.domain.copies import Copy, CopyStatus
from cloudpilot.domain.objects import VaultObject
from cloudpilot.domain.orphans import KnownInVault, KnownOnServer
from cloudpilot.domain.servers import Server
from cloudpilot.domain.sites import Site
from cloudpilot.domain.status import Status
from cloudpilot.kinds import Place, RunKind
from cloudpilot.vaults import keys
from tests.support.rows import add_person, add_server, add_site
from tests.support.schedules import add_schedule
from tests.support.vaulting import add_vault
from tests.web.scenes import add_backup, add_run

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
OLD, YOUNG = NOW - timedelta(days=1, seconds=1), NOW - timedelta(hours=23)
SERVER, SITE, BACKUP, ATTEMPT = (UUID(int=0xA0 + number) for number in range(4))
KEY = keys.backup_key(SERVER, SITE, BACKUP, f"{ATTEMPT}/files.tar.gz")
OURS = KnownInVault(servers=frozenset({str(SERVER)}))


@dataclass(frozen=True)
class Folder:
    kind: str = "backup"
    id: str = "a"
    age: int = 3601


@dataclass(frozen=True)
class Object:
    key: str = KEY
    modified_at: datetime = OLD


@dataclass(frozen=True)
class Upload:
    key: str = KEY
    begun_at: datetime | None = OLD


@pytest.mark.parametrize(
    ("folder", "is_orphan"),
    [
        (Folder(), True),
        (Folder(age=3600), False),
        (Folder(age=-5), False),  # of the future: the server's clock was set back
        (Folder(id="known"), False),
        (Folder(id="plan"), True),  # no backup's
        (Folder("schedule"), True),
        (Folder("schedule", age=10), False),
        (Folder("schedule", "plan"), False),
        (Folder("schedule", "known"), True),
    ],
)
def test_a_folder_that_nobody_knows_is_an_orphan_after_an_hour(
    folder: Folder, is_orphan: bool
) -> None:
    there = KnownOnServer(frozenset({"known"}), frozenset({"plan"}))
    assert orphans.folders([folder], there) == [folder] * is_orphan


def test_what_was_known_before_or_after_looking_is_known() -> None:
    """What is deleted meanwhile was known before, what is begun meanwhile is known after."""
    before = KnownOnServer(frozenset({"deleted"}), frozenset({"removed"}))
    after = KnownOnServer(frozenset({"begun"}), frozenset({"new"}))
    there = [Folder(id="deleted"), Folder(id="begun"), Folder("schedule", "removed")]
    there += [Folder("schedule", "new"), Folder(id="left")]
    assert orphans.folders(there, before | after) == [Folder(id="left")]

    one, other = (keys.backup_key(SERVER, SITE, uuid4(), "a") for _ in range(2))
    both = KnownInVault(frozenset({one})) | KnownInVault(frozenset({other}))
    found = orphans.in_vault([Object(one), Object(other)], [], both, NOW)
    assert found.objects == []


@pytest.mark.parametrize(
    ("there", "known_there", "is_orphan"),
    [
        (Object(), OURS, True),
        (Object(modified_at=YOUNG), OURS, False),
        (Object(), OURS | KnownInVault(keys=frozenset({KEY})), False),
        (Object(), OURS | KnownInVault(at_work=frozenset({str(BACKUP)})), False),
        (Object(), OURS | KnownInVault(at_work=frozenset({str(SITE)})), True),
        (Object("cloudpilot-check/1"), OURS, True),
        (Object("cloudpilot-check/1", YOUNG), OURS, False),
    ],
)
def test_an_object_that_nobody_knows_is_an_orphan_after_a_day(
    there: Object, known_there: KnownInVault, is_orphan: bool
) -> None:
    found = orphans.in_vault([there], [Upload(there.key, there.modified_at)], known_there, NOW)
    assert found.objects == [there] * is_orphan
    assert len(found.uploads) == is_orphan
    assert (found.strange, found.foreign) == (0, 0)


@pytest.mark.parametrize(
    "key",
    [
        "photos/cat.jpg",
        "a",
        f"{SERVER}/{SITE}/photo",
        f"other/{KEY}",
        KEY.upper(),
        f"{SERVER}/x/y/z",
    ],
)
def test_what_is_not_called_as_we_call_things_is_not_ours(key: str) -> None:
    found = orphans.in_vault([Object(key)], [Upload(key)], OURS, NOW)
    assert (found.objects, found.uploads, found.foreign) == ([], [], 1)


def test_exports_of_panels_are_neither_strays_nor_foreign() -> None:
    """Another panel's, too: each deletes those that it has a row of."""
    key = "cloudpilot-panel/cloudpilot-20261129-080000Z-0a1b2c3d.age"
    there = Object(key, NOW - 9 * orphans.OBJECT_AGE)
    found = orphans.in_vault([there], [], KnownInVault(), NOW)
    assert (found.objects, found.foreign) == ([], 0)


def test_what_another_panel_may_keep_there_is_told_apart() -> None:
    found = orphans.in_vault([Object(), Object("cloudpilot-check/1")], [], KnownInVault(), NOW)
    assert (len(found.objects), found.strange) == (2, 1)


def test_of_an_upload_of_which_nobody_knows_since_when_nothing_is_said() -> None:
    assert orphans.in_vault([], [Upload(begun_at=None)], OURS, NOW).uploads == []


@pytest.fixture
def server_id(core: Flask) -> UUID:
    with transaction() as session:
        add_person(session)
        return add_server(session).id


@pytest.mark.parametrize("status", CopyStatus)
def test_a_backup_is_known_until_its_copy_is_proven_gone(
    server_id: UUID, status: CopyStatus
) -> None:
    with transaction() as session:
        server = session.get_one(Server, server_id)
        backup = add_backup(session, server, None, Status.COMPLETED)
        backup.copies[0].status = status
        session.flush()
        there = known.on_server(session, server_id)
        assert (str(backup.id) in there.backups) is (status is not CopyStatus.GONE)


@pytest.mark.parametrize("kind", [RunKind.MAKE, RunKind.UPLOAD, RunKind.DELETE])
@pytest.mark.parametrize("status", Status)
def test_what_something_is_being_done_with_is_known(
    server_id: UUID, kind: RunKind, status: Status
) -> None:
    with transaction() as session:
        server, vault = session.get_one(Server, server_id), add_vault(session)
        plan = add_schedule(session, server, None, "0 0 * * *")
        schedules.remove(session, plan)
        backup = add_backup(session, server, None, Status.FAILED, schedule_id=plan.id)
        add_run(session, server, kind, status, backup_id=backup.id, vault_id=vault.id)
        there, in_vault = known.on_server(session, server_id), known.in_vault(session, vault.id)
        nothing = known.in_vault(session, add_vault(session, "another").id)
    active = not status.is_final
    assert (str(backup.id) in there.backups) is active
    assert (str(plan.id) in there.schedules) is active
    assert (str(backup.id) in in_vault.at_work) is active
    assert nothing.at_work == frozenset()
    assert in_vault.servers == {str(server_id)}


def test_a_schedule_is_known_on_its_server_until_it_is_removed(server_id: UUID) -> None:
    with transaction() as session:
        server = session.get_one(Server, server_id)
        plan = add_schedule(session, server, None, "0 0 * * *")
        other = add_server(session, "web-2")
        assert known.on_server(session, server_id).schedules == {str(plan.id)}
        assert known.on_server(session, other.id).schedules == frozenset()
        schedules.pause(session, plan)
        assert known.on_server(session, server_id).schedules == {str(plan.id)}
        schedules.remove(session, plan)
        assert known.on_server(session, server_id).schedules == frozenset()


def test_all_directories_that_were_used_are_looked_at(server_id: UUID) -> None:
    with transaction() as session:
        server = session.get_one(Server, server_id)
        assert known.roots(session, server) == [server.backup_root]
        server.backup_root = "/old"
        add_backup(session, server, None, Status.COMPLETED)
        server.backup_root = "/new"
        vault = add_vault(session)
        backup = add_backup(session, server, None, Status.FAILED)
        backup.copies.append(Copy(place=Place.VAULT, vault_id=vault.id, name="a"))
        session.flush()
        assert known.roots(session, server) == ["/new", "/old"]
        assert known.on_server(session, uuid4()).backups == frozenset()


def test_what_lies_on_another_server_is_told_apart(server_id: UUID) -> None:
    with transaction() as session:
        other = add_server(session, "web-2")
        mine, theirs, gone = (
            add_backup(session, server, None, status)
            for server, status in (
                (session.get_one(Server, server_id), Status.COMPLETED),
                (other, Status.COMPLETED),
                (other, Status.FAILED),
            )
        )
        ids = [str(one.id) for one in (mine, theirs, gone)]
        assert known.elsewhere(session, server_id, ids) == {str(theirs.id)}


def test_an_object_is_known_until_it_is_proven_gone(server_id: UUID) -> None:
    with transaction() as session:
        server, vault = session.get_one(Server, server_id), add_vault(session)
        site: Site = add_site(session, server)
        backup = add_backup(session, server, site, Status.COMPLETED)
        copy = Copy(id=uuid4(), place=Place.VAULT, vault_id=vault.id, name="a")
        backup.copies.append(copy)
        session.flush()
        for name, gone_at in (("archive", None), ("index", NOW)):
            values = {"attempt": uuid4(), "key": name, "upload_secret": "", "gone_at": gone_at}
            session.add(VaultObject(copy_id=copy.id, vault_id=vault.id, name=name, **values))
        vault_id = vault.id
    with reading() as session:
        assert known.in_vault(session, vault_id).keys == {"archive"}
        assert known.in_vault(session, uuid4()).keys == frozenset()

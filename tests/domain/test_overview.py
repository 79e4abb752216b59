"""domain.overview and domain.removals, on both databases."""

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from cloudpilot import clock
from cloudpilot.db import reading, transaction
from cloudpilot.domain import failures, overview, removals, servers, sites, under_way
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import Copy, CopyStatus
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Checkup, Server
from cloudpilot.domain.status import Status
from cloudpilot.errors import BackupInProgress, NotFound
from cloudpilot.kinds import BackupType, RunKind
from tests.support.rows import add_person, add_run, add_server, add_site
from tests.web.scenes import add_backup


def made(
    session: Session,
    server: Server,
    *,
    site: str,
    status: Status,
    days: int,
    error_code: str = "DISK_FULL",
) -> None:
    """A backup of the site of that name, so many days ago."""
    found = next(s for s in sites.listed(session, server.id) if s.name == site)
    run = add_run(session, server, found)
    backup = session.get_one(Backup, run.backup_id)
    backup.created_at = clock.now() - timedelta(days=days)
    for row in (run, backup):
        row.move(session, Status.RUNNING)
        row.move(session, status)
    if status is Status.COMPLETED:
        copy_of(session, backup).move(session, CopyStatus.STORED)
    else:
        backup.error_code = error_code


def copy_of(session: Session, backup: Backup) -> Copy:
    """Its copy on the server."""
    return session.scalars(select(Copy).where(Copy.backup_id == backup.id)).one()


@pytest.mark.parametrize(
    ("failed", "later", "made_good"),
    [
        ("files", ["files"], True),
        ("files", ["full"], True),
        ("files", ["database"], False),
        ("database", ["database"], True),
        ("database", ["full"], True),
        ("database", ["files"], False),
        ("full", ["full"], True),
        ("full", ["files"], False),
        ("full", ["database"], False),
        ("full", ["database", "files"], True),
    ],
)
def test_a_failure_is_made_good_by_what_holds_the_same(
    core: Flask, failed: str, later: list[str], made_good: bool
) -> None:
    with transaction() as session:
        add_person(session)
        server = add_server(session)
        site = add_site(session, server)
        bad = {"type": BackupType(failed), "error_code": "DISK_FULL", "age": timedelta(hours=9)}
        add_backup(session, server, site, Status.FAILED, **bad)
        for kind in later:
            add_backup(session, server, site, Status.COMPLETED, type=BackupType(kind))
        assert (failures.not_made_good(session, 5) == []) is made_good


@pytest.fixture
def panel(core: Flask) -> None:
    """Two servers; the first has a site with a history, and one without."""
    with transaction() as session:
        first, second = add_server(session, "a"), add_server(session, "b")
        add_site(session, first, "shop")
        add_site(session, first, "blog")
        for days, status in ((9, Status.COMPLETED), (3, Status.COMPLETED), (1, Status.FAILED)):
            made(session, first, site="shop", status=status, days=days)
        for level, hours in (("failed", 2), ("warning", 1)):
            lines = [{"level": "ok"}, {"level": level}]
            at = clock.now() - timedelta(hours=hours)
            session.add(Checkup(server_id=first.id, at=at, lines=lines, facts={}))
        add_run(session, second)


def test_a_site_has_its_newest_good_backup_and_its_newest_attempt(panel: None) -> None:
    with reading() as session:
        blog, shop = overview.site_rows(session, limit=10)
    assert (blog.site.name, blog.good, blog.last) == ("blog", None, None)
    assert shop.server.name == "a"
    assert shop.good
    assert (clock.now() - shop.good.created_at).days == 3
    assert shop.last
    assert shop.last.status is Status.FAILED


def test_a_server_has_its_sites_its_last_backup_and_its_last_check(panel: None) -> None:
    with reading() as session:
        first, second = overview.server_rows(session, limit=10)
        assert [row.server.name for row in overview.server_rows(session, limit=1, offset=1)] == [
            "b"
        ]
    assert (first.sites, first.level) == (2, "warning")
    assert first.backed_up_at
    assert (clock.now() - first.backed_up_at).days == 3
    assert (second.sites, second.level, second.backed_up_at) == (0, None, None)


def test_what_runs_now_and_what_failed(panel: None) -> None:
    with reading() as session:
        assert [b.site_name for b in failures.not_made_good(session, 5)] == ["shop"]
        [run], count = under_way.newest(session, 9)
        assert count == 1
        assert (run.kind, run.subject) == (RunKind.MAKE, "b")


def test_a_removed_server_takes_its_sites_along(panel: None) -> None:
    with transaction() as session:
        server = servers.listed(session)[0]
        removals.remove_server(session, server)
    with reading() as session:
        assert [s.name for s in servers.listed(session)] == ["b"]
        assert sites.listed(session) == []
        assert overview.site_rows(session, limit=10) == []
        with pytest.raises(NotFound):
            servers.find(session, server.id)


def test_a_server_where_something_is_to_be_done_stays(panel: None) -> None:
    with (
        transaction() as session,
        pytest.raises(BackupInProgress, match="A backup of b is waiting to"),
    ):
        removals.remove_server(session, servers.listed(session)[1])


def test_a_removed_site_leaves_the_lists(panel: None) -> None:
    with transaction() as session:
        removals.remove_site(session, sites.listed(session)[0])
    with reading() as session:
        assert [row.site.name for row in overview.site_rows(session, limit=10)] == ["shop"]


def test_what_a_person_stopped_is_no_failure(panel: None) -> None:
    with transaction() as session:
        server = servers.listed(session)[0]
        stopped = {"status": Status.FAILED, "error_code": "STOPPED"}
        made(session, server, site="blog", days=1, **stopped)
    with reading() as session:
        assert [b.site_name for b in failures.not_made_good(session, 5)] == ["shop"]


@pytest.mark.parametrize("newer", [Status.COMPLETED, Status.FAILED])
def test_a_failure_is_shown_until_a_newer_attempt_has_ended(panel: None, newer: Status) -> None:
    with reading() as session:
        [before] = failures.not_made_good(session, 5)
    with transaction() as session:
        made(session, servers.listed(session)[0], site="shop", status=newer, days=0)
    with reading() as session:
        after = failures.not_made_good(session, 5)
    assert before.id not in {backup.id for backup in after}
    assert len(after) == (newer is Status.FAILED)


def test_a_failed_backup_of_paths_is_made_good_by_one_of_the_same_paths(panel: None) -> None:
    def end(session: Session, status: Status, minutes: int, paths: list[str]) -> None:
        server = servers.listed(session)[0]
        code = "DISK_FULL" if status is Status.FAILED else None
        age = timedelta(minutes=minutes)
        add_backup(session, server, None, status, age=age, paths=paths, error_code=code)

    def names() -> list[str]:
        with reading() as session:
            return [backup.subject for backup in failures.not_made_good(session, 5)]

    with transaction() as session:
        end(session, Status.FAILED, 9, ["/etc"])
    with transaction() as session:
        end(session, Status.COMPLETED, 8, ["/home"])
    assert names() == ["a", "shop on a"]
    with transaction() as session:
        end(session, Status.COMPLETED, 7, ["/etc"])
    assert names() == ["shop on a"]


@pytest.mark.parametrize("steps", [[CopyStatus.DELETING], [CopyStatus.DELETING, CopyStatus.GONE]])
def test_a_backup_that_goes_is_not_the_last_good_one(panel: None, steps: list[CopyStatus]) -> None:
    with transaction() as session:
        newest = overview.site_rows(session, limit=10)[1].good
        assert newest
        for step in steps:
            copy_of(session, newest).move(session, step)
    with reading() as session:
        shop = overview.site_rows(session, limit=10)[1]
        [first, _] = overview.server_rows(session, limit=2)
    assert shop.good
    assert (clock.now() - shop.good.created_at).days == 9
    assert first.backed_up_at == shop.good.created_at


def check(server: Server, status: Status, code: str | None, minutes: int) -> Run:
    """A Check of that server, so long ago."""
    at = clock.now() - timedelta(minutes=minutes)
    columns = {"status": status, "error_code": code, "created_at": at}
    return Run(kind=RunKind.CHECK, server_id=server.id, subject=server.name, **columns)


@pytest.mark.parametrize(
    ("checks", "trouble"),
    [
        ([(Status.FAILED, "SSH_AUTH_FAILED")], "SSH_AUTH_FAILED"),
        ([(Status.FAILED, None)], "INTERNAL"),
        ([(Status.FAILED, "TOOL_MISSING"), (Status.COMPLETED, None)], None),
        ([(Status.COMPLETED, None), (Status.PENDING, "SSH_UNREACHABLE")], "SSH_UNREACHABLE"),
        ([(Status.FAILED, "TOOL_MISSING"), (Status.PENDING, "SSH_UNREACHABLE")], "SSH_UNREACHABLE"),
        ([(Status.PENDING, "DISK_FULL")], None),
    ],
)
def test_a_server_tells_its_trouble(
    panel: None, checks: list[tuple[Status, str | None]], trouble: str | None
) -> None:
    with transaction() as session:
        server = servers.listed(session)[0]
        for number, (status, code) in enumerate(checks):
            session.add(check(server, status, code, minutes=9 - number))
            if status is Status.COMPLETED:
                server.checked_at = clock.now() - timedelta(minutes=9 - number)
    with reading() as session:
        rows = overview.server_rows(session, limit=10)
        assert [row.trouble for row in rows] == [trouble, None]
        assert overview.server_rows(session, server.id, limit=1) == rows[:1]
        found = overview.troubles(session)
    assert [(one.server.name, one.code) for one in found] == ([("a", trouble)] if trouble else [])
    assert all(one.remedy and one.is_unreached is one.code.startswith("SSH") for one in found)


@pytest.mark.parametrize(
    ("codes", "trouble"),
    [
        ([None, "SSH_UNREACHABLE"], "SSH_UNREACHABLE"),
        (["SSH_UNREACHABLE", None], None),
        (["SSH_AUTH_FAILED", "SSH_UNREACHABLE"], "SSH_UNREACHABLE"),
    ],
)
def test_what_was_begun_last_says_whether_a_server_answers(
    panel: None, codes: list[str | None], trouble: str | None
) -> None:
    with transaction() as session:
        server = servers.listed(session)[0]
        for number, code in enumerate(codes):
            session.add(check(server, Status.PENDING, code, minutes=9 - number))
    with reading() as session:
        assert [row.trouble for row in overview.server_rows(session, limit=10)] == [trouble, None]


def test_a_server_that_was_never_set_up_or_answers_again_is_no_trouble(panel: None) -> None:
    with transaction() as session:
        first, second = servers.listed(session)
        first.checked_at = clock.now()
        second.host_keys = []
        for server in (first, second):
            session.add(check(server, Status.FAILED, "SSH_UNREACHABLE", minutes=9))
    with reading() as session:
        assert overview.troubles(session) == []

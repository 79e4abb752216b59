"""What the next backup will fail on: told when it is so, and gone when it is not."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from cloudpilot import clock
from cloudpilot.db import reading, transaction
from cloudpilot.domain import checkups, forecast, scheduled, schedules
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import CopyStatus
from cloudpilot.domain.foresight import Doubt, Ground, Next, days_left, doubts
from cloudpilot.domain.schedules import Schedule
from cloudpilot.domain.servers import Server
from cloudpilot.domain.sites import Site
from cloudpilot.domain.status import Status
from cloudpilot.kinds import BackupType, Compression, Method
from tests.support.rows import add_database, add_server, add_site
from tests.support.schedules import add_schedule
from tests.support.vaulting import add_vault
from tests.web.scenes import add_backup

GB = 10**9
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
WELL = {"room": 50 * GB, "inodes": None, "tools": ["zstd", "curl", "rsync"], "skew": 3}
ROOT = "/var/backups/cloudpilot"


def line(key: str, level: str = "failed", **more: str) -> dict[str, Any]:
    plain = {"title": key, "detail": f"{key} is wrong.", "remedy": f"Mend {key}.", "code": ""}
    return {"key": key, "level": level} | plain | more


def ground(*lines: dict[str, Any], **facts: Any) -> Ground:
    return Ground(lines, WELL | facts)


def test_where_all_is_well_nothing_is_said() -> None:
    backup = Next(
        ["/srv"], ["1"], ROOT, size=3 * GB, tools=["curl"], vault="v", whole=3 * GB, most=5 * GB
    )
    well = ground(line("tar", "ok"), line("space", "warning"), paths={"/srv": "there"})
    assert doubts(backup, well) == []
    assert doubts(backup, Ground()) == []  # nobody has looked yet


@pytest.mark.parametrize(
    ("backup", "seen", "code", "said"),
    [
        (Next(), ground(line("tar")), "TOOL_MISSING", "tar is wrong."),
        (Next(), ground(line("directory")), "BACKUP_DIR_UNSAFE", "directory is wrong."),
        (Next(), ground(line("linger", remedy="")), "RUN_LOST", "linger is wrong."),
        (Next(tools=["rsync"]), ground(tools=["curl"]), "TOOL_MISSING", "rsync is not installed"),
        (Next(["/srv"]), ground(paths={"/srv": "absent"}), "PATH_MISSING", "/srv is not there."),
        (Next(["/srv"]), ground(paths={"/srv": "link"}), "PATH_IS_LINK", "/srv is a link now."),
        (Next(["/srv"]), ground(paths={"/srv": "closed"}), "PERMISSION_DENIED", "/srv cannot be"),
        (Next([], ["7"]), ground(line("database:7")), "DB_UNREACHABLE", "database:7 is wrong."),
        (
            Next([], ["7"]), ground(line("database:7", code="DB_AUTH_FAILED")),
            "DB_AUTH_FAILED", "database:7 is wrong.",
        ),
        (
            Next(root=ROOT, size=3 * GB, basis="the last one took 2.7 GB"), ground(room=GB),
            "DISK_FULL", "3.1 GB in /var/backups/cloudpilot (the last one took 2.7 GB); 1.0 GB is",
        ),
        (
            Next(root=ROOT), ground(room=1000),
            "DISK_FULL", f"It needs about 67.1 MB in {ROOT}; 1.0 kB is free.",
        ),
        (
            Next(root=ROOT, inodes=5000), ground(inodes=2000),
            "DISK_FULL", f"It needs about 5,100 inodes in {ROOT}; 2,000 are free.",
        ),
        (Next(is_vault_gone=True), ground(), "VAULT_MISSING", "was removed"),
        (
            Next(vault="v", vault_name="offsite", vault_lines=[line("write", code="VAULT_DENIED")]),
            ground(), "VAULT_DENIED", "The vault offsite fails its check: write is wrong.",
        ),
        (Next(vault="v"), ground(line("vault_v")), "VAULT_UNREACHABLE", "vault_v is wrong."),
        (
            Next(vault="v", vault_name="offsite", whole=3 * GB, most=2 * GB), ground(),
            "TOO_LARGE_FOR_VAULT", "About 3.0 GB are to go to offsite, which takes 2.0 GB at most.",
        ),
    ],
)  # fmt: skip
def test_each_reason_has_a_code_a_sentence_and_what_to_do(
    backup: Next, seen: Ground, code: str, said: str
) -> None:
    [found] = doubts(backup, seen)
    assert (found.code, found.level) == (code, "failed")
    assert found.sentence.startswith(said) or said in found.sentence
    assert found.remedy


def test_a_clock_that_is_days_off_is_told_of_what_goes_to_a_vault() -> None:
    [found] = doubts(Next(vault="v"), ground(skew=-3 * 86_400))
    assert (found.level, found.sentence[:36]) == ("warning", "The server's clock is 3 days off: it")
    assert doubts(Next(), ground(skew=-3 * 86_400)) == []


def fewer(*gigabytes: float, hours: int = 24) -> list[tuple[datetime, int]]:
    """Free space from Check to Check, the last one now."""
    count = len(gigabytes)
    return [
        (NOW - timedelta(hours=hours * (count - 1 - number)), int(size * GB))
        for number, size in enumerate(gigabytes)
    ]


@pytest.mark.parametrize(
    ("free", "days"),
    [
        (fewer(), None),
        (fewer(9, 8), None),
        (fewer(9, 8, 7, hours=1), None),  # an afternoon is no trend
        (fewer(7, 8, 9), None),
        (fewer(8, 8, 8), None),
        (fewer(9, 8, 7), 4),
        (fewer(7, 8, 9)[::-1], None),
        (fewer(9, 8, 3), 0),
        (fewer(4, 3, 2), 0),
    ],
)
def test_the_trend_says_when_there_is_too_little(
    free: list[tuple[datetime, int]], days: float | None
) -> None:
    left = days_left(free, 3 * GB)
    assert (left if left is None else round(left)) == days


@pytest.mark.parametrize(
    ("free", "when"), [(fewer(9, 8, 7), "in about 4 days"), (fewer(9.5, 6.5, 3.5), "within a day")]
)
def test_a_disk_that_fills_up_is_told_before_it_is_full(
    free: list[tuple[datetime, int]], when: str
) -> None:
    backup = Next(root=ROOT, size=3 * GB)
    [found] = doubts(backup, Ground((), WELL | {"room": free[-1][1]}, free))
    assert found.level == "warning"
    assert found.sentence.endswith(f"going on like this there is too little {when}.")
    later = Ground((), WELL | {"room": 50 * GB}, fewer(52, 51, 50))
    assert doubts(backup, later) == []


def test_what_will_fail_comes_first() -> None:
    backup = Next(["/srv"], root=ROOT, size=3 * GB)
    seen = ground(room=7 * GB, paths={"/srv": "absent"})
    seen = Ground(seen.lines, seen.facts, fewer(9, 8, 7))
    assert [one.level for one in doubts(backup, seen)] == ["failed", "warning"]


@pytest.fixture
def ids(core: Flask) -> tuple[UUID, UUID]:
    """A server and its site."""
    with transaction() as session:
        server = add_server(session)
        return server.id, add_site(session, server).id


def rows_of(session: Any, ids: tuple[UUID, UUID]) -> tuple[Server, Site]:
    return session.get_one(Server, ids[0]), session.get_one(Site, ids[1])


def ahead(session: Any, schedule: Schedule) -> Next:
    return forecast.upcoming(session, schedule, lambda _equal, _streamed: 5 * GB, lambda _: 100)


def made(session: Any, ids: tuple[UUID, UUID], days: int, **columns: Any) -> Backup:
    at = clock.now() - timedelta(days=days)
    server, site = rows_of(session, ids)
    return add_backup(session, server, site, Status.COMPLETED, created_at=at, **columns)


def test_an_archive_is_taken_to_be_as_large_as_the_last_one(ids: tuple[UUID, UUID]) -> None:
    with transaction() as session:
        schedule = add_schedule(session, *rows_of(session, ids), "0 3 * * *")
        assert ahead(session, schedule).size is None
        made(session, ids, 2, size=5 * GB)
        made(session, ids, 1, size=2 * GB)
        found = ahead(session, schedule)
        assert (found.size, found.whole) == (2_200_000_000, 2_200_000_000)
        assert found.basis == "the last one took 2.0 GB"
        assert (found.paths, found.databases, found.tools) == (["/srv/shop"], [], [])
        schedule.streamed = True
        assert ahead(session, schedule).size == 100


def test_paths_of_a_server_are_compared_with_the_same_paths(ids: tuple[UUID, UUID]) -> None:
    with transaction() as session:
        server, _ = rows_of(session, ids)
        schedule = add_schedule(session, server, None, "0 3 * * *")
        add_backup(session, server, None, Status.COMPLETED, paths=["/etc"], size=1000)
        add_backup(session, server, None, Status.COMPLETED, paths=["/opt"], size=10**12)
        assert ahead(session, schedule).size == 1100
        assert ahead(session, schedule).paths == ["/etc"]


def test_an_increment_is_taken_to_be_as_small_as_the_last_one(ids: tuple[UUID, UUID]) -> None:
    chain: dict[str, Any] = {"state_sha256": "ab"}
    with transaction() as session:
        schedule = add_schedule(
            session, *rows_of(session, ids), "0 3 * * *", incremental=True, full_every=4
        )
        chain["schedule_id"] = schedule.id
        made(session, ids, 4, size=4 * GB, **chain)
        assert ahead(session, schedule).size is None  # of an increment nothing is known yet
        second = made(session, ids, 3, size=GB, level=1, **chain)
        assert ahead(session, schedule).basis == "the last increment took 1.0 GB"
        third = made(session, ids, 2, size=2 * GB, level=2, **chain)
        assert ahead(session, schedule).size == 2_200_000_000
        for copy in third.copies:
            copy.status = CopyStatus.MISSING
        found = ahead(session, schedule)
        assert found.size == 4_400_000_000
        assert found.basis == "a full one, since what it would continue is missing"
        made(session, ids, 1, size=3 * GB, level=3, **chain)
        assert ahead(session, schedule).basis == "the last full one took 4.0 GB"
        assert second.level == 1


def test_a_tree_takes_what_changes(ids: tuple[UUID, UUID]) -> None:
    tree: dict[str, Any] = {"method": Method.TREE, "counts": {"directories": 40, "entries": 900}}
    with transaction() as session:
        schedule = add_schedule(session, *rows_of(session, ids), "0 3 * * *", method=Method.TREE)
        first = made(session, ids, 3, size=9 * GB, own_size=9 * GB, **tree)
        assert (ahead(session, schedule).size, ahead(session, schedule).whole) == (
            None,
            9_900_000_000,
        )
        last = made(session, ids, 2, size=9 * GB, own_size=GB, base_id=first.id, **tree)
        found = ahead(session, schedule)
        assert (found.size, found.inodes, found.tools) == (1_100_000_000, 40, ["rsync"])
        assert found.basis == "the last tree took 1.0 GB of its own"
        for copy in last.copies:
            copy.status = CopyStatus.MISSING
        found = ahead(session, schedule)
        assert (found.size, found.inodes) == (9_900_000_000, 900)


def test_what_it_takes_beside_paths_is_known(ids: tuple[UUID, UUID]) -> None:
    with transaction() as session:
        server, site = rows_of(session, ids)
        site.compression = Compression.ZSTD
        login, vault = add_database(session, site), add_vault(session)
        more = {"type": BackupType.DATABASE, "vault_id": vault.id}
        schedule = add_schedule(session, server, site, "0 3 * * *", **more)
        found = ahead(session, schedule)
        assert (found.paths, found.databases) == ([], [str(login.id)])
        assert (found.tools, found.vault, found.most) == (["zstd", "curl"], str(vault.id), 5 * GB)
        assert [one.id for one in forecast.of_vault(session, vault.id)] == [schedule.id]
        vault.removed_at = clock.now()
        found = ahead(session, schedule)
        assert (found.vault, found.is_vault_gone) == ("", True)


def test_each_path_is_asked_for_once_and_of_what_comes_by_itself(ids: tuple[UUID, UUID]) -> None:
    with transaction() as session:
        server, site = rows_of(session, ids)
        for cron in ("0 1 * * *", "0 2 * * *"):
            add_schedule(session, server, site, cron)
        add_schedule(session, server, None, "0 3 * * *")
        schedules.pause(session, add_schedule(session, server, None, "0 4 * * *", paths=["/opt"]))
        add_schedule(session, server, None, "0 5 * * *", type=BackupType.SNAPSHOT, paths=[])
        assert forecast.paths_of(session, server.id) == ["/etc", "/srv/shop"]


def test_the_ground_is_the_last_check_and_the_room_before_it(ids: tuple[UUID, UUID]) -> None:
    with transaction() as session:
        server, _ = rows_of(session, ids)
        assert forecast.ground_of(session, server.id) == Ground()
        for root, free in (("/elsewhere", 5), ("/b", 4), ("/b", 3), ("/b", None)):
            checkups.keep(session, server, [line("tar")], {"root": root, "room": free})
        found = forecast.ground_of(session, server.id)
        assert [free for _, free in found.free] == [3, 4]
        assert found.failed("tar")
        found = forecast.ground_of(session, server.id, ([], {"root": "/b", "room": 2}))
        assert [free for _, free in found.free] == [2, 3, 4]
        assert found.failed("tar") is None


def test_what_is_doubted_is_kept_and_goes_when_the_reason_goes(ids: tuple[UUID, UUID]) -> None:
    with transaction() as session:
        schedule = add_schedule(session, *rows_of(session, ids), "0 3 * * *")
        bad = ground(paths={"/srv/shop": "absent"})
        assert judged(session, schedule, bad) == ["PATH_MISSING"]
        since = schedule.doubted_at
        assert judged(session, schedule, bad) == ["PATH_MISSING"]
        assert schedule.doubted_at == since
    with reading() as session:
        [row] = scheduled.doubted(session)
        assert row.will_fail
        assert row.doubts[0]["code"] == "PATH_MISSING"
    with transaction() as session:
        schedule = session.get_one(Schedule, row.schedule.id)
        assert judged(session, schedule, ground()) == []
        assert (schedule.doubts, schedule.doubted_at) == (None, None)
        for forgets in (change, be_good):
            judged(session, schedule, bad)
            forgets(session, schedule)
            assert scheduled.doubted(session) == []
        judged(session, schedule, bad)
        schedules.pause(session, schedule)
        assert scheduled.doubted(session) == []
        assert scheduled.one(session, schedule).doubts == ()


def judged(session: Any, schedule: Schedule, seen: Ground) -> list[str]:
    found = forecast.judge(session, schedule, seen, lambda _equal, _streamed: 5 * GB, lambda _: 100)
    return [one.code for one in found]


def change(session: Any, schedule: Schedule) -> None:
    schedules.change(session, schedule, {"note": "another"})


def be_good(session: Any, schedule: Schedule) -> None:
    schedules.is_good(session, schedule, clock.now())


def test_a_check_tells_the_worst_of_it(ids: tuple[UUID, UUID]) -> None:
    with transaction() as session:
        schedule = add_schedule(session, *rows_of(session, ids), "0 3 * * *")
        assert forecast.line("shop", schedule, []) is None
        found = [Doubt("DISK_FULL", "Too little.", "Free some.")]
        told = forecast.line("shop", schedule, found)
        assert told
        assert (told["level"], told["detail"]) == ("failed", "It will fail. Too little.")
        told = forecast.line(
            "shop", schedule, [Doubt("DISK_FULL", "Soon.", "Free some.", "warning")]
        )
        assert told
        assert (told["key"], told["detail"]) == (f"ahead:{schedule.id}", "Soon.")

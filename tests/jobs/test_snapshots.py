"""Snapshots from request to end, at a cloud in memory that keeps the whole promise of one."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest
from flask import Flask

from cloudpilot.clouds.base import State
from cloudpilot.clouds.memory import GIB, WEB, MemoryCloud, MemoryStore
from cloudpilot.db import reading, transaction
from cloudpilot.domain import cloud_checks, clouds, deletions, instances, removals, runs, snapshots
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.clouds import Cloud
from cloudpilot.domain.copies import CopyStatus
from cloudpilot.domain.people import Person
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Server
from cloudpilot.domain.status import Status
from cloudpilot.errors import (
    CloudDenied,
    CloudPilotError,
    CloudThrottled,
    CloudUnreachable,
    InstanceMissing,
    RestoreInProgress,
    RunLost,
    RunStopped,
    SnapshotFailed,
    SnapshotMissing,
)
from cloudpilot.jobs import runs as jobs
from cloudpilot.kinds import RunKind
from cloudpilot.secrets import Secret
from tests.support import clouding
from tests.support.rows import add_person, add_server
from tests.support.time import Moment
from tests.support.uploading import due_now, found, kind, runs_of, step


@pytest.fixture
def present(moment: Moment) -> Moment:
    """The real instant, to be moved: rows get theirs from the real clock."""
    moment.at = datetime.now(UTC)
    return moment


@pytest.fixture
def server_id(core: Flask) -> UUID:
    with transaction() as session:
        add_person(session)
        return add_server(session, "web-1", host_keys=[]).id  # nobody logs in for a snapshot


@pytest.fixture
def cloud_id(server_id: UUID) -> UUID:
    with transaction() as session:
        return clouding.linked(session, session.get_one(Server, server_id)).id


@pytest.fixture
def store(core: Flask, cloud_id: UUID, monkeypatch: pytest.MonkeyPatch) -> MemoryStore:
    return clouding.in_memory(core, cloud_id, monkeypatch)


@pytest.fixture
def asked(server_id: UUID, store: MemoryStore) -> UUID:
    """The id of a backup that has just been asked for."""
    with transaction() as session:
        return clouding.ask(session, session.get_one(Server, server_id))


def looked(backup_id: UUID) -> Run:
    """Its newest run, after another look."""
    due_now(runs_of(backup_id)[-1])
    step()
    return runs_of(backup_id)[-1]


def person() -> Person:
    with reading() as session:
        return session.query(Person).one()


def test_it_is_begun_watched_and_whole(asked: UUID, store: MemoryStore) -> None:
    step()
    run = kind(asked, RunKind.SNAPSHOT)
    assert (run.status, run.done, run.total) == (Status.RUNNING, 0, 100)
    assert found(asked).status is Status.RUNNING
    assert store.titles[str(asked)].startswith("web-1 ")

    store.settle(str(asked), State.PENDING, percent=40)
    assert looked(asked).done == 40

    store.settle(str(asked))
    run, backup = looked(asked), found(asked)
    assert (run.status, backup.status) == (Status.COMPLETED, Status.COMPLETED)
    [copy] = backup.copies
    assert (copy.status, copy.size, backup.counts) == (CopyStatus.STORED, 30 * GIB, {"disks": 2})
    assert [part["disk"] for part in copy.parts or ()] == ["disk-0", "disk-1"]
    assert "$" in backup.tools["price"]
    assert backup.offsite_status is None


def test_an_answer_that_was_lost_makes_no_second_one(asked: UUID, store: MemoryStore) -> None:
    store.lost = 1
    step()
    run = kind(asked, RunKind.SNAPSHOT)
    assert (run.status, run.error_code) == (Status.PENDING, CloudUnreachable.code)
    assert found(asked).copies[0].name == ""
    looked(asked)
    store.settle("")
    assert looked(asked).status is Status.COMPLETED
    assert list(store.snapshots) == [str(asked)]


def test_a_job_that_was_killed_is_taken_up_again(
    asked: UUID, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the worst moment: the order was taken, and its ref was not written down."""

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(snapshots, "is_begun", killed)
        with pytest.raises(KeyboardInterrupt):
            step()
    assert found(asked).copies[0].name == ""
    looked(asked)
    store.settle("")
    assert looked(asked).status is Status.COMPLETED
    assert list(store.snapshots) == [str(asked)]


@pytest.mark.parametrize(
    "error", [CloudUnreachable("Away."), CloudDenied("No."), CloudThrottled("Slowly.", 90)]
)
def test_what_keeps_us_from_seeing_it_does_not_fail_it(
    present: Moment, asked: UUID, store: MemoryStore, error: CloudPilotError
) -> None:
    present.pass_by(minutes=1)
    step()
    store.errors = [error]
    present.pass_by(seconds=30)
    step()
    run = kind(asked, RunKind.SNAPSHOT)
    assert (run.status, run.error_code) == (Status.RUNNING, error.code)
    waits = (run.next_look_at - present.at).total_seconds()
    assert waits >= getattr(error, "seconds", 0)
    store.settle("")
    present.pass_by(seconds=waits)
    step()
    assert kind(asked, RunKind.SNAPSHOT).status is Status.COMPLETED


def test_a_cloud_that_is_silent_for_hours_is_given_up_and_what_it_makes_is_left(
    present: Moment, asked: UUID, store: MemoryStore
) -> None:
    present.pass_by(minutes=1)
    step()
    for _ in range(30):
        store.errors = [CloudUnreachable("Away.")]
        present.pass_by(hours=2)
        step()
    backup = found(asked)
    assert (backup.status, backup.error_code) == (Status.FAILED, RunLost.code)
    assert list(store.snapshots) == [str(asked)]


def test_one_that_fails_says_why_and_leaves_nothing(asked: UUID, store: MemoryStore) -> None:
    step()
    store.settle("", State.FAILED, why="The disk was detached.")
    looked(asked)
    step()
    backup = found(asked)
    assert (backup.status, backup.error_code) == (Status.FAILED, SnapshotFailed.code)
    assert backup.error_detail == "The disk was detached."
    assert (store.snapshots, backup.copies[0].status) == ({}, CopyStatus.GONE)


def test_one_that_somebody_removes_meanwhile_is_said(asked: UUID, store: MemoryStore) -> None:
    step()
    store.snapshots.clear()
    looked(asked)
    assert found(asked).error_code == SnapshotMissing.code


def test_a_machine_that_is_gone_is_said_at_once(
    present: Moment, asked: UUID, store: MemoryStore
) -> None:
    present.pass_by(minutes=1)
    store.machines.clear()
    step()
    backup = found(asked)
    assert (backup.status, backup.error_code) == (Status.FAILED, InstanceMissing.code)
    present.pass_by(minutes=11)
    step()
    assert found(asked).copies[0].status is CopyStatus.GONE


def stop(backup_id: UUID) -> None:
    run = kind(backup_id, RunKind.SNAPSHOT)
    with transaction() as session:
        runs.request_stop(session, runs.find(session, run.id))
    jobs.stop(str(run.id))


@pytest.mark.parametrize("begun", [True, False])
def test_stopped_it_is_given_up_at_the_cloud(asked: UUID, store: MemoryStore, begun: bool) -> None:
    if begun:
        step()
    stop(asked)
    step()
    backup = found(asked)
    assert (backup.status, backup.error_code) == (Status.FAILED, RunStopped.code)
    assert (store.snapshots, backup.copies[0].status) == ({}, CopyStatus.GONE)


@pytest.mark.parametrize("unlisted", [0, 5])
def test_stopped_while_the_answer_is_lost_it_is_given_up_all_the_same(
    present: Moment, asked: UUID, store: MemoryStore, unlisted: int
) -> None:
    """Nothing counts as gone while the provider may have it without listing it."""
    present.pass_by(minutes=1)
    store.lost, store.unlisted = 1, unlisted
    step()
    stop(asked)
    present.pass_by(minutes=1)
    for _ in range(3):
        step()
        present.pass_by(minutes=2)
    backup = found(asked)
    assert (backup.error_code, backup.copies[0].status) == (RunStopped.code, CopyStatus.DELETING)
    for _ in range(5):
        present.pass_by(minutes=20)
        step()
    assert found(asked).copies[0].status is CopyStatus.GONE
    assert store.snapshots == {}


def test_stopped_while_it_is_being_begun(
    asked: UUID, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = MemoryCloud.start

    def slow(cloud: MemoryCloud, *words: str) -> str:
        stop(asked)
        return start(cloud, *words)

    monkeypatch.setattr(MemoryCloud, "start", slow)
    step()
    step()
    assert found(asked).error_code == RunStopped.code
    assert store.snapshots == {}


def delete(backup_id: UUID) -> None:
    with transaction() as session:
        backup = session.get_one(Backup, backup_id)
        deletions.delete(session, backup, session.query(Person).one())


def whole(backup_id: UUID, store: MemoryStore) -> None:
    step()
    store.settle(str(backup_id))
    assert looked(backup_id).status is Status.COMPLETED


def test_deleted_it_is_asked_for_until_it_is_gone(asked: UUID, store: MemoryStore) -> None:
    whole(asked, store)
    store.lingering = 2
    delete(asked)
    for _ in range(4):
        assert found(asked).deleted_at is None or store.snapshots == {}
        looked(asked)
    assert (found(asked).deleted_at is None, store.snapshots) == (False, {})


def test_it_is_deleted_also_when_its_server_has_left(asked: UUID, store: MemoryStore) -> None:
    whole(asked, store)
    with transaction() as session:
        backup = session.get_one(Backup, asked)
        session.get_one(Server, backup.server_id).removed_at = backup.created_at
    delete(asked)
    step()
    assert (found(asked).deleted_at is None, store.snapshots) == (False, {})


@pytest.fixture
def check(cloud_id: UUID) -> Callable[[], dict[str, str]]:
    """Has the cloud checked, and says how each line ended."""

    def checked() -> dict[str, str]:
        with transaction() as session:
            cloud_checks.ask(session, clouds.find(session, cloud_id), None)
        step()
        with reading() as session:
            row = session.get_one(Cloud, cloud_id, populate_existing=True)
            return {line["key"]: line["level"] for line in row.lines or ()}

    return checked


def test_a_check_keeps_the_machines_and_finds_what_is_missing_or_nobodys(
    asked: UUID, store: MemoryStore, cloud_id: UUID, check: Callable[[], dict[str, str]]
) -> None:
    whole(asked, store)
    with transaction() as session:
        session.get_one(Cloud, cloud_id).instances = None
    found_lines = check()
    assert (found_lines["stored"], found_lines["strays"]) == ("ok", "ok")
    with reading() as session:
        [machine] = session.get_one(Cloud, cloud_id).instances or ()
    assert (machine["id"], machine["disks"]) == (WEB.id, 2)

    other = str(UUID(int=7))
    MemoryCloud(store).start(WEB.id, other, "of another panel")
    gone = store.snapshots.pop(str(asked))
    found_lines = check()
    assert (found_lines["stored"], found_lines["strays"]) == ("failed", "warning")
    assert found(asked).copies[0].status is CopyStatus.MISSING
    assert other in store.snapshots  # told, and never deleted

    store.snapshots[str(asked)] = gone
    assert check()["stored"] == "ok"
    assert found(asked).copies[0].status is CopyStatus.STORED


def test_a_check_with_a_wrong_secret_is_a_line_with_its_code(
    core: Flask, store: MemoryStore, cloud_id: UUID, check: Callable[[], dict[str, str]]
) -> None:
    with transaction() as session:
        row = session.get_one(Cloud, cloud_id)
        row.secret = core.extensions["sealer"].seal(Secret("wrong"), row.secret_place)
    assert "failed" in check().values()
    with reading() as session:
        row = session.get_one(Cloud, cloud_id)
        assert [line["code"] for line in row.lines or () if line["code"]] == [CloudDenied.code]
        assert row.instances == clouding.MACHINES  # those of the last check


def test_a_volume_is_made_once_whatever_gets_lost(asked: UUID, store: MemoryStore) -> None:
    whole(asked, store)
    part = (found(asked).copies[0].parts or [])[0]["id"]
    with transaction() as session:
        backup = session.get_one(Backup, asked)
        snapshots.create(session, backup, part, " web-1 back ", session.query(Person).one())
    store.lost = 1
    step()
    run = looked(asked)
    assert run.status is Status.COMPLETED
    assert [one.kind for one in store.restored.values()] == ["volume"]
    assert run.options["made"]["id"] == f"vol-{run.id}"


def test_a_cloud_in_use_is_not_removed(
    asked: UUID, store: MemoryStore, cloud_id: UUID, server_id: UUID
) -> None:
    whole(asked, store)

    def remove() -> None:
        with transaction() as session:
            instances.remove_cloud(session, clouds.find(session, cloud_id))

    with pytest.raises(CloudPilotError, match="the cloud of web-1"):
        remove()
    with transaction() as session:
        instances.unlink(session, session.get_one(Server, server_id))
    with pytest.raises(CloudPilotError, match="Snapshots are there"):
        remove()
    delete(asked)
    step()
    remove()
    with reading() as session:
        assert session.get_one(Cloud, cloud_id).secret == ""


def test_a_cloud_that_was_not_asked_for_hours_is_asked_before_anything_is_lost(
    present: Moment, asked: UUID, store: MemoryStore
) -> None:
    """The panel was off meanwhile, and the cloud has gone on."""
    present.pass_by(minutes=1)
    step()
    store.errors = [CloudUnreachable("Away.")]
    present.pass_by(minutes=1)
    step()
    store.settle("")
    present.pass_by(hours=13)
    step()
    assert found(asked).status is Status.COMPLETED


def test_while_something_is_made_of_it_it_is_not_deleted(asked: UUID, store: MemoryStore) -> None:
    whole(asked, store)
    part = (found(asked).copies[0].parts or [])[0]["id"]
    with transaction() as session:
        backup = session.get_one(Backup, asked)
        snapshots.create(session, backup, part, "back", session.query(Person).one())
    with pytest.raises(RestoreInProgress):
        delete(asked)


def test_a_part_that_is_missing_is_said(
    asked: UUID, store: MemoryStore, check: Callable[[], dict[str, str]]
) -> None:
    whole(asked, store)
    there = store.snapshots[str(asked)]
    store.snapshots[str(asked)] = replace(there, parts=there.parts[:1])
    assert check()["stored"] == "failed"
    assert found(asked).copies[0].status is CopyStatus.MISSING


def test_credentials_of_another_account_let_nothing_count_as_gone(
    asked: UUID, store: MemoryStore, cloud_id: UUID, check: Callable[[], dict[str, str]]
) -> None:
    whole(asked, store)
    theirs = dict(store.snapshots), dict(store.machines)
    store.snapshots.clear()
    store.machines.clear()
    with transaction() as session:
        row = session.get_one(Cloud, cloud_id)
        row.lines = row.checked_at = None  # as after a change
    delete(asked)
    step()
    assert found(asked).copies[0].status is CopyStatus.DELETING
    store.errors = [CloudUnreachable("Away.")]
    assert "account" not in check()  # a check that has seen nothing proves nothing
    assert check()["account"] == "failed"
    looked(asked)
    assert found(asked).copies[0].status is CopyStatus.DELETING
    store.snapshots.update(theirs[0])
    store.machines.update(theirs[1])
    assert check()["account"] == "ok"
    store.errors = [CloudUnreachable("Away.")]
    assert check()["account"] == "ok"  # by the same credentials it was seen before
    looked(asked)
    assert (found(asked).copies[0].status, store.snapshots) == (CopyStatus.GONE, {})


def test_a_server_leaves_though_its_cloud_does_not_delete(
    asked: UUID, store: MemoryStore, server_id: UUID
) -> None:
    whole(asked, store)
    store.lingering = 5
    delete(asked)
    step()
    with transaction() as session:
        assert removals.keeps_server(session, session.get_one(Server, server_id)) is None

"""The main job from the queue to the archive, and whatever may be killed on the way.

Every process is real. The server's compressor waits at a gate, so that a test can kill what it
wants at the moment it wants.
"""

import hashlib
import os
import signal
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import select

from cloudpilot import clock
from cloudpilot.db import reading
from cloudpilot.domain.copies import CopyStatus
from cloudpilot.domain.runs import Run
from cloudpilot.domain.status import Status, StatusEvent
from cloudpilot.jobs import queue
from cloudpilot.kinds import RunKind
from tests.support.proxy import proxied
from tests.support.until import until
from tests.support.world import World, kill_group


def assert_whole(world: World, run_id: UUID) -> None:
    """One backup, once, as the row says it, and nothing else on the server."""
    backup, archive = world.backup(run_id), world.archive(run_id)
    assert backup.status is Status.COMPLETED
    assert archive.stat().st_size == backup.size
    assert hashlib.sha256(archive.read_bytes()).hexdigest() == backup.sha256
    assert archive.stat().st_mode & 0o777 == 0o600
    assert archive.parent.stat().st_mode & 0o777 == 0o700
    names = world.names(run_id)
    assert names[0] == "manifest.json"
    assert names[-1] == "result.json"
    assert f"files{world.files}/index.html" in names
    assert f"files{world.files}/debug.log" not in names
    assert [copy.status for copy in backup.copies] == [CopyStatus.STORED]
    assert world.left_over() == [str(backup.id)]
    assert not [
        path for path in archive.parent.rglob("*") if ".new" in path.name or ".part" in path.name
    ]
    until(world.working, lambda left: not left)
    with reading() as session:
        events = select(StatusEvent).where(StatusEvent.subject_id == backup.id)
        steps = [event.new for event in session.scalars(events.order_by(StatusEvent.id))]
    assert steps == ["running", "completed"]


def packing(world: World, run_id: UUID) -> Path:
    """Wait until the archive is being written; returns the run's directory."""
    backup = world.backup(run_id)
    directory = world.root / str(backup.id) / f"run-{run_id}"
    world.until(run_id, lambda run: run.stage == "archive", seconds=20)
    return directory


def test_a_backup_completes_and_is_what_the_row_says(world: World) -> None:
    run_id = world.back_up()
    run = world.ended(run_id)
    assert_whole(world, run_id)
    backup = world.backup(run_id)
    assert run.total is None or run.done <= run.total
    assert backup.counts["files"] == 3  # the second hard link is an entry of its own kind
    assert backup.counts["hardlinks"] == 1
    assert backup.warning_count == 0


def test_it_is_taken_once_more_and_deleted_and_proven_gone(world: World) -> None:
    run_id = world.back_up()
    world.ended(run_id)
    world.ended(world.delete(run_id))
    backup = world.backup(run_id)
    assert backup.deleted_at is not None
    assert [copy.status for copy in backup.copies] == [CopyStatus.GONE]
    assert world.left_over() == []
    again = world.back_up()
    world.ended(again)
    assert_whole(world, again)


def kill_worker(world: World) -> None:
    world.processes.kill("worker")
    world.processes.start("worker")


def kill_worker_parent(world: World) -> None:
    world.processes.kill("worker", tree=False)
    world.processes.start("worker")


def kill_clock(world: World) -> None:
    world.processes.kill("clock")
    world.processes.start("clock")


def restart_all(world: World) -> None:
    world.processes.stop("worker")
    world.processes.stop("clock")
    world.processes.start("worker", "clock")


def empty_redis(world: World) -> None:
    queue.redis().flushall()


def cut_ssh(world: World) -> None:
    world.cut()
    world.sshd.start()


def kill_children(world: World) -> None:
    for pid in world.processes.children("worker"):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def taken(_world: World, run: Run) -> bool:
    """A job has the run: it connects, or will in a moment."""
    return run.next_look_at > run.created_at or run.status is not Status.PENDING


def sent(world: World, run: Run) -> bool:
    """The work is on its way to the server, or there."""
    return run.sent_at is not None


HARM = [
    kill_worker,
    kill_worker_parent,
    kill_children,
    kill_clock,
    restart_all,
    empty_redis,
    cut_ssh,
]


@pytest.mark.on_postgresql
@pytest.mark.parametrize("harm", HARM)
def test_killed_while_the_server_packs_it_completes_once(
    world: World, harm: Callable[[World], None]
) -> None:
    world.hold()
    run_id = world.back_up()
    packing(world, run_id)
    harm(world)
    world.release()
    world.ended(run_id)
    assert_whole(world, run_id)


@pytest.mark.parametrize("harm", HARM)
@pytest.mark.parametrize("moment", [taken, sent])
def test_killed_while_it_is_started_it_completes_once(
    world: World, harm: Callable[[World], None], moment: Callable[[World, Run], bool]
) -> None:
    run_id = world.back_up()
    world.until(run_id, lambda run: moment(world, run))
    harm(world)
    world.ended(run_id)
    assert_whole(world, run_id)


def test_killed_with_everything_down_it_is_found_again(world: World) -> None:
    world.hold()
    run_id = world.back_up()
    packing(world, run_id)
    world.processes.kill("worker")
    world.processes.kill("clock")
    queue.redis().flushall()
    world.release()
    directory = world.archive(run_id).parent / f"run-{run_id}"
    until((directory / "exit").exists, bool, seconds=30)
    said_at = (directory / "exit").stat().st_mtime
    until(lambda: clock.now().timestamp() - said_at, lambda age: age > 5)
    assert world.run(run_id).status is Status.RUNNING  # nobody has looked: nobody says otherwise
    world.processes.start("worker", "clock")
    run = world.ended(run_id)
    assert_whole(world, run_id)
    # That nobody looked is no part of how long it took.
    assert run.finished_at
    assert abs(run.finished_at.timestamp() - said_at) < 2
    assert world.backup(run_id).finished_at == run.finished_at


@pytest.mark.parametrize(
    ("number", "codes"), [(signal.SIGKILL, {"RUN_LOST"}), (signal.SIGTERM, {"RUN_KILLED"})]
)
def test_a_killed_remote_process_is_said_within_a_minute(
    world: World, number: int, codes: set[str]
) -> None:
    world.hold()
    run_id = world.back_up()
    kill_group(packing(world, run_id), number)
    run = world.ended(run_id, Status.FAILED)
    assert run.error_code in codes
    assert world.backup(run_id).status is Status.FAILED
    until(world.left_over, lambda left: left == [], seconds=60)
    until(world.working, lambda left: not left)


def test_stop_ends_it_and_leaves_nothing(world: World) -> None:
    world.hold()
    run_id = world.back_up()
    packing(world, run_id)
    world.stop(run_id)
    run = world.ended(run_id, Status.FAILED)
    assert run.error_code == "STOPPED"
    until(world.left_over, lambda left: left == [], seconds=60)
    until(world.working, lambda left: not left)


def test_stopped_before_it_began_it_never_begins(world: World) -> None:
    world.processes.stop("worker")
    run_id = world.back_up()
    world.stop(run_id)
    world.processes.start("worker")
    assert world.ended(run_id, Status.FAILED).error_code == "STOPPED"
    assert world.left_over() == []


def test_stop_reaches_a_server_that_was_away(world: World) -> None:
    world.hold()
    run_id = world.back_up()
    packing(world, run_id)
    world.cut()
    world.stop(run_id)
    world.until(run_id, lambda run: run.error_code == "SSH_UNREACHABLE")
    assert world.run(run_id).status is Status.RUNNING  # it may well be going on there
    world.sshd.start()
    assert world.ended(run_id, Status.FAILED).error_code == "STOPPED"
    until(world.left_over, lambda left: left == [], seconds=60)


def test_an_unreachable_server_fails_the_backup_after_some_attempts(world: World) -> None:
    world.cut()
    run_id = world.back_up()
    waiting = world.until(run_id, lambda run: run.error_code)
    assert (waiting.status, waiting.error_code) == (Status.PENDING, "SSH_UNREACHABLE")
    assert world.ended(run_id, Status.FAILED).error_code == "SSH_UNREACHABLE"
    assert [copy.status for copy in world.backup(run_id).copies] == [CopyStatus.GONE]


def test_a_deletion_waits_for_its_server(world: World) -> None:
    run_id = world.back_up()
    world.ended(run_id)
    world.cut()
    removal = world.delete(run_id)
    waiting = world.until(removal, lambda run: run.attempts >= 2)
    assert (waiting.status, waiting.error_code) == (Status.PENDING, "SSH_UNREACHABLE")
    assert world.backup(run_id).is_being_deleted
    assert world.backup(run_id).deleted_at is None
    world.sshd.start()
    world.ended(removal)
    assert world.left_over() == []
    assert world.backup(run_id).deleted_at is not None


def test_another_host_key_is_a_hard_stop(world: World) -> None:
    world.sshd.rekey()
    run_id = world.back_up()
    assert world.ended(run_id, Status.FAILED).error_code == "HOST_KEY_CHANGED"
    offered = world.server().offered_host_key
    assert offered is not None
    assert offered not in world.server().host_keys
    assert world.left_over() == []


def test_an_approved_key_that_is_shown_again_ends_the_alarm(world: World) -> None:
    approved = world.server().host_keys
    world.change_server(host_keys=["SHA256:" + "A" * 43])
    run = world.ended(world.back_up(), Status.FAILED)
    assert run.error_code == "HOST_KEY_CHANGED"
    world.change_server(host_keys=approved)
    world.ended(world.back_up())
    assert world.server().offered_host_key is None


def test_a_disk_that_is_not_mounted_proves_nothing_gone(world: World) -> None:
    run_id = world.back_up()
    world.ended(run_id)
    elsewhere = world.root.rename(world.root.with_name("unmounted"))
    removal = world.delete(run_id)
    waiting = world.until(removal, lambda run: run.attempts >= 2)
    assert waiting.error_code == "BACKUP_DIR_MISSING"
    assert world.backup(run_id).deleted_at is None
    elsewhere.rename(world.root)
    world.ended(removal)
    assert world.left_over() == []


def test_a_directory_that_vanished_is_a_lost_run(world: World) -> None:
    world.hold()
    run_id = world.back_up()
    directory = packing(world, run_id)
    world.root.rename(world.root.with_name("elsewhere"))  # as a reboot empties /tmp
    assert world.ended(run_id, Status.FAILED).error_code == "RUN_LOST"
    kill_group(
        world.root.with_name("elsewhere") / directory.relative_to(world.root), signal.SIGKILL
    )


def test_what_is_missing_has_its_own_code(world: World) -> None:
    world.files.rename(world.files.with_name("moved"))
    run_id = world.back_up()
    run = world.ended(run_id, Status.FAILED)
    assert run.error_code == "PATH_MISSING"
    assert str(world.files) in (run.error_detail or "")


def test_a_check_says_what_there_is(world: World) -> None:
    run = world.ended(world.check())
    assert run.kind is RunKind.CHECK
    assert world.server().checked_at is not None


def test_a_connection_that_says_nothing_more_is_given_up_and_made_anew(world: World) -> None:
    """A half-open connection: bytes go in, nothing comes back, nobody is told."""
    address = world.sshd.address
    with proxied(address.host, address.port) as proxy:
        world.change_server(port=proxy.port)
        world.hold()
        run_id = world.back_up()
        packing(world, run_id)
        proxy.freeze()
        world.until(run_id, lambda run: run.error_code == "SSH_UNREACHABLE")
        world.release()
        proxy.cut()
        proxy.thaw()
        world.ended(run_id)
    assert_whole(world, run_id)

"""Taking the panel off a server, and the proof of it; the worker and the script killed over it."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import pytest

from cloudpilot import clock
from cloudpilot.db import reading, transaction
from cloudpilot.domain import servers, uninstalls
from cloudpilot.domain.audit import Action
from cloudpilot.domain.restores import Restore, RestoreStatus
from cloudpilot.domain.runs import Run
from cloudpilot.domain.status import Status
from cloudpilot.engine import connecting
from cloudpilot.engine.pasted import THINGS
from cloudpilot.jobs import uninstall
from cloudpilot.jobs.on_server import login
from cloudpilot.kinds import Privilege
from tests.support.at_work import (
    FOREIGN,
    KEYS,
    NOBODY,
    Killed,
    acts,
    address,
    ask,
    killed_after,
    row,
    work,
)
from tests.support.machine import Machine
from tests.support.rows import add_run

# What is proven here is about sshd and our order of steps: one database is enough for it.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def test_removed_is_what_refuses_the_key_and_nothing_else(
    prepared: Machine, server_id: UUID
) -> None:
    said = dict.fromkeys(THINGS, True)
    run = work(ask(server_id, uninstalls.prove, keep=False, said=said))
    assert (run.status, run.error_code) == (Status.FAILED, "KEY_STILL_ACCEPTED")
    assert row(server_id).removed_at is None
    prepared.as_root(f"sed -i /cloudpilot-/d {KEYS}")
    run = work(ask(server_id, uninstalls.prove, keep=False, said=said))
    assert run.status is Status.COMPLETED, run.error_detail
    assert row(server_id).removed_at
    assert "refused the key" in acts(Action.UNINSTALLED)[0].details["proof"]


def test_a_server_that_is_not_reached_is_not_proven(server_id: UUID) -> None:
    with transaction() as session:
        servers.find(session, server_id).port = 1
    said = dict.fromkeys(THINGS, True)
    run = work(ask(server_id, uninstalls.prove, keep=False, said=said))
    assert (run.status.is_final, run.error_code) == (False, "SSH_UNREACHABLE")
    assert row(server_id).removed_at is None


def test_another_machine_at_the_address_proves_nothing(prepared: Machine, server_id: UUID) -> None:
    prepared.as_root(f"sed -i /cloudpilot-/d {KEYS}")
    with transaction() as session:
        servers.find(session, server_id).host_keys = [NOBODY]
    said = dict.fromkeys(THINGS, True)
    run = work(ask(server_id, uninstalls.prove, keep=False, said=said))
    assert run.error_code == "HOST_KEY_CHANGED"
    assert row(server_id).removed_at is None


def test_the_panel_takes_itself_off_where_it_may_do_all(prepared: Machine, server_id: UUID) -> None:
    run = work(ask(server_id, uninstalls.prove, keep=False))
    assert run.status is Status.COMPLETED, run.error_detail
    assert row(server_id).removed_at
    assert "proven" in run.log
    assert prepared.as_root(f"cat {KEYS}") == f"{FOREIGN}\n"
    assert prepared.as_root("ls -A /etc/sudoers.d | grep cloudpilot || true") == ""


def test_what_a_restore_keeps_stays_and_is_written_down(prepared: Machine, server_id: UUID) -> None:
    with transaction() as session:
        server = servers.find(session, server_id)
        run = add_run(session, server)
        run.move(session, Status.FAILED)
        restore = Restore(
            status=RestoreStatus.COMPLETED, kept_until=clock.now(), backup_id=run.backup_id,
            server_id=server.id, root=server.backup_root, paths=["/root/site"], subject="shop",
        )  # fmt: skip
        session.add(restore)
    beside, notes = f"/root/.cloudpilot-restore-{restore.id}", f"{prepared.root}/{restore.id}"
    prepared.as_root(f"mkdir -p {beside}/files {notes}/kept && chown -R cloudpilot: {notes}")

    run = work(ask(server_id, uninstalls.prove, keep=True))

    assert run.status is Status.COMPLETED, run.error_detail
    assert acts(Action.UNINSTALLED)[0].details["kept_for_undo"] == [str(restore.id)]
    with reading() as session:
        assert not session.get_one(Restore, restore.id).can_be_undone
    owners = prepared.as_root(f"stat -c %U {beside}/files {notes}/kept").split()
    prepared.as_root(f"rm -r {beside} {notes}")
    assert owners == ["root", "root"]


def test_a_key_that_is_refused_at_once_is_no_proof_of_removal(
    prepared: Machine, server_id: UUID
) -> None:
    prepared.as_root(f"sed -i /cloudpilot-/d {KEYS}")
    run = work(ask(server_id, uninstalls.prove, keep=False))
    assert (run.status, run.error_code) == (Status.FAILED, "REMOVAL_UNPROVEN")
    assert "paste its last line" in run.remedy
    assert row(server_id).removed_at is None


def set_up_again(prepared: Machine, server_id: UUID) -> None:
    """As it was before it was removed."""
    prepared.set_up(Privilege.FULL)
    with transaction() as session:
        session.get_one(servers.Server, server_id).removed_at = None


def assert_removed(prepared: Machine, server_id: UUID, run: Run) -> None:
    """Proven, and nothing of ours is left but the user, whom a stranger's key lets in."""
    assert run.status is Status.COMPLETED, (run.error_code, run.error_detail)
    assert row(server_id).removed_at
    assert connecting.refuses(address(server_id), login(server_id).private_key)
    assert prepared.as_root(f"cat {KEYS}") == f"{FOREIGN}\n"
    left = "ls -d /etc/sudoers.d/cloudpilot /usr/local/lib/cloudpilot /var/backups/cloudpilot"
    assert prepared.as_root(f"{left} 2>/dev/null || true") == ""


def test_killed_at_any_point_a_removal_ends_right(
    prepared: Machine, server_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in range(1, 20):
        set_up_again(prepared, server_id)
        run_id = ask(server_id, uninstalls.prove, keep=False)
        with killed_after(monkeypatch, uninstall, step) as left:
            try:
                run = work(run_id)
            except Killed:
                assert left == [0]
        was_killed = left[0] <= 0
        run = work(run_id) if was_killed else run
        assert_removed(prepared, server_id, run)
        assert len(acts(Action.UNINSTALLED)) == step
        if not was_killed:
            break
    assert step > 4, "there are that many points"


@contextmanager
def deadly(prepared: Machine, tool: str, when: str = "true") -> Iterator[None]:
    """Whoever calls that tool on the server is killed, where `when` is so."""
    trap = f"/usr/local/bin/{tool}"
    script = f'#!/bin/bash\n{when} && kill -9 $PPID\nexec /usr/bin/{tool} "$@"\n'
    prepared.as_root(f"printf %s {shlex.quote(script)} >{trap}; chmod 755 {trap}")
    try:
        yield
    finally:
        prepared.as_root(f"rm {trap}")


@pytest.mark.parametrize("tool", ["loginctl", "rmdir"])
def test_a_script_that_is_killed_before_the_key_is_asked_again(
    prepared: Machine, server_id: UUID, tool: str
) -> None:
    with deadly(prepared, tool):
        run = work(ask(server_id, uninstalls.prove, keep=False))
    assert (run.status, run.error_code) == (Status.FAILED, "COMMAND_FAILED")
    assert row(server_id).removed_at is None
    run = work(ask(server_id, uninstalls.prove, keep=False))
    assert set(run.options["said"]) == set(THINGS)
    assert_removed(prepared, server_id, run)


def test_killed_between_rule_and_key_it_says_what_a_person_has_to_do(
    prepared: Machine, server_id: UUID
) -> None:
    with deadly(prepared, "runuser"):
        work(ask(server_id, uninstalls.prove, keep=False))
    run = work(ask(server_id, uninstalls.prove, keep=False))
    assert (run.status, run.error_code) == (Status.FAILED, "REMOVAL_UNPROVEN")
    answer = prepared.as_root(uninstall.command(row(server_id), keep=False, roots=()))
    said = dict(uninstall.said_in(row(server_id), answer))
    run = work(ask(server_id, uninstalls.prove, keep=False, said=said))
    assert_removed(prepared, server_id, run)


@pytest.mark.parametrize("tool", ["restorecon", "getent"])
def test_killed_between_the_key_and_its_word_it_is_proven_all_the_same(
    prepared: Machine, server_id: UUID, tool: str
) -> None:
    with deadly(prepared, tool, f"! grep -q cloudpilot- {KEYS}"):
        run = work(ask(server_id, uninstalls.prove, keep=False))
    assert "What else is gone was not heard" in run.log
    assert_removed(prepared, server_id, run)

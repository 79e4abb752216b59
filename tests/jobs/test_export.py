"""The panel's own export as the queue makes it: into a real store, and open again with its key."""

import gzip
from datetime import timedelta
from io import BytesIO
from uuid import UUID

import pytest
from flask import Flask
from rq.timeouts import JobTimeoutException
from sqlalchemy import delete, select

from cloudpilot import clock, recovery
from cloudpilot.connections import Wire
from cloudpilot.db import Base, reading, transaction
from cloudpilot.domain import beginning, panel_exports, runs, vaults
from cloudpilot.domain import recovery as keys
from cloudpilot.domain.panel_exports import PanelExport
from cloudpilot.domain.people import Person
from cloudpilot.domain.runs import Run
from cloudpilot.domain.status import Status
from cloudpilot.exports import loading
from cloudpilot.jobs import opening
from cloudpilot.jobs import runs as work
from cloudpilot.kinds import RunKind
from cloudpilot.recovery import RecoveryKey
from cloudpilot.scheduling.tick import tick
from tests.domain.test_rest import add_import, old_run
from tests.support import curl
from tests.support.ports import free_port
from tests.support.rclone import Rclone
from tests.support.rows import add_person, add_server
from tests.support.vaulting import vault_in


@pytest.fixture
def key(core: Flask) -> RecoveryKey:
    """The panel has it, and a server."""
    made = recovery.new()
    with transaction() as session:
        sealer = core.extensions["sealer"]
        keys.confirm(session, keys.add(session, sealer, made, "hash", add_person(session)))
        add_server(session, "web-1")
    return made


def exported(vault_id: UUID) -> Run:
    """What a run has become after its job."""
    with transaction() as session:
        run = panel_exports.ask(session, vaults.find(session, vault_id))
    work.start(str(run.id))
    with reading() as session:
        return runs.find(session, run.id)


def rows() -> list[PanelExport]:
    with reading() as session:
        return list(session.scalars(select(PanelExport).order_by(PanelExport.created_at)))


def there(vault_id: UUID) -> list[str]:
    return [one.key for one in opening.vault(vault_id).list("cloudpilot-panel/")]


def test_it_lies_below_the_prefix_and_opens_with_the_key(
    core: Flask, rclone: Rclone, key: RecoveryKey
) -> None:
    vault_id = vault_in(core, rclone, prefix="of/ada")
    run = exported(vault_id)
    assert run.status is Status.COMPLETED, (run.error_code, run.error_detail)
    [row] = rows()
    assert there(vault_id) == [row.key]
    assert row.stored_at
    url = opening.vault(vault_id).sign_read(row.key, seconds=60, filename="x.age").reveal()
    assert "/of/ada/cloudpilot-panel/cloudpilot-2" in url
    data = curl.send("GET", url).body
    assert len(data) == row.size
    text = BytesIO()
    recovery.decrypt(key.secret, BytesIO(data), text)
    assert b'"web-1"' in gzip.decompress(text.getvalue())


def body(vault_id: UUID, key: str) -> bytes:
    """What a store has under that key."""
    url = opening.vault(vault_id).sign_read(key, seconds=60, filename="x.age")
    return curl.send("GET", url.reveal()).body


def bring_back(core: Flask, key: RecoveryKey, data: bytes) -> None:
    """The panel is a fresh one, brought back from what its old one has exported, and has begun."""
    with transaction() as session:
        for table in reversed(Base.metadata.sorted_tables):
            if table.name != "audit_entries":  # which nobody can delete
                session.execute(delete(table))
    with transaction() as session:
        loading.load(session, core.extensions["sealer"], key, BytesIO(data))
    with transaction() as session:
        beginning.begin(session, session.scalars(select(Person)).one())


def test_the_export_that_a_panel_is_from_stays(
    core: Flask, rclone: Rclone, key: RecoveryKey
) -> None:
    """It holds its own run as one that is under way, and its own row as not stored yet."""
    vault_id = vault_in(core, rclone)
    first = exported(vault_id)
    its = first.options["key"]
    data = body(vault_id, its)
    bring_back(core, key, data)
    [row] = rows()
    assert (row.key, row.stored_at) == (its, None)
    work.start(str(first.id))
    with reading() as session:
        run = runs.find(session, first.id)
    assert (run.status, run.error_code) == (Status.FAILED, "NOT_TAKEN_OVER")
    assert body(vault_id, its) == data
    for _ in range(2):
        assert exported(vault_id).status is Status.COMPLETED
    assert body(vault_id, its) == data


@pytest.mark.parametrize("kind", [RunKind.ROTATE, RunKind.UNINSTALL, RunKind.SIGN])
def test_what_the_old_panel_was_at_is_not_carried_on(
    core: Flask, monkeypatch: pytest.MonkeyPatch, kind: RunKind
) -> None:
    def carried_on(run: Run) -> None:
        raise AssertionError(run)

    monkeypatch.setitem(work.DIRECT, kind, carried_on)
    with transaction() as session:
        run = old_run(session, add_server(session), kind, Status.RUNNING)
        add_import(session, begun_at=clock.now())
    work.resume(str(run.id))
    with reading() as session:
        run = runs.find(session, run.id)
    assert (run.status, run.error_code) == (Status.FAILED, "NOT_TAKEN_OVER")


def test_the_oldest_go_and_nothing_else_does(
    core: Flask, rclone: Rclone, key: RecoveryKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(panel_exports, "KEPT", 2)
    vault_id = vault_in(core, rclone)
    first = exported(vault_id)
    with transaction() as session:  # another panel's, of which this one has no row
        [row] = session.scalars(select(PanelExport))
        session.delete(row)
    with transaction() as session:
        past = [PanelExport(vault_id=vault_id, key=f"{n}", recipient="r") for n in range(3)]
        for one in past:
            one.created_at, one.gone_at = clock.now() - timedelta(days=9), clock.now()
        session.add_all(past)
    for _ in range(4):
        last = exported(vault_id)
        assert last.status is Status.COMPLETED
    assert "is gone." in last.log
    assert not {one.id for one in past} & {row.id for row in rows()}
    mine = [row.key for row in rows() if row.gone_at is None]
    assert len(mine) == 2
    assert there(vault_id) == sorted([*mine, first.options["key"]])


def test_what_was_cut_off_is_done_again_under_the_same_name(
    core: Flask, rclone: Rclone, key: RecoveryKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault_id = vault_in(core, rclone)

    def die(*args: object, **more: object) -> None:
        raise JobTimeoutException

    with monkeypatch.context() as patched:
        patched.setattr(Wire, "send", die)
        run = exported(vault_id)
    assert (run.status.is_final, run.error_code) == (False, "VAULT_UNREACHABLE")
    assert there(vault_id) == []
    for _ in range(2):  # the second time its job was killed after the end
        with transaction() as session:
            session.get_one(Run, run.id).next_look_at = run.created_at
        work.start(str(run.id))
    assert [row.key for row in rows()] == there(vault_id) == [run.options["key"]]
    assert rows()[0].error_code is None


def test_a_failure_is_told_with_its_code(core: Flask, rclone: Rclone, key: RecoveryKey) -> None:
    vault_id = vault_in(core, rclone, "a wrong secret")
    run = exported(vault_id)
    assert (run.status, run.error_code) == (Status.FAILED, "VAULT_DENIED")
    [row] = rows()
    assert (row.error_code, row.stored_at) == ("VAULT_DENIED", None)


def test_who_does_not_answer_is_asked_again(core: Flask, rclone: Rclone, key: RecoveryKey) -> None:
    endpoint = f"http://127.0.0.1:{free_port()}"
    run = exported(vault_in(core, rclone, endpoint=endpoint))
    assert (run.status.is_final, run.error_code) == (False, "VAULT_UNREACHABLE")


def test_the_clock_asks_for_one_a_day(core: Flask, rclone: Rclone, key: RecoveryKey) -> None:
    vault_id = vault_in(core, rclone)
    for _ in range(2):
        tick()
    with reading() as session:
        [run] = session.scalars(select(Run).where(Run.kind == RunKind.EXPORT))
    assert run.vault_id == vault_id

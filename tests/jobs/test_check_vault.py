"""Checks of vaults as the queue does them: from the row to a real store and back."""

from datetime import timedelta
from uuid import UUID

import pytest
from flask import Flask
from rq.timeouts import JobTimeoutException
from sqlalchemy import select

from cloudpilot import clock
from cloudpilot.db import reading, transaction
from cloudpilot.domain import runs, vault_checks, vaults
from cloudpilot.domain.checked import worse
from cloudpilot.domain.runs import Run
from cloudpilot.domain.status import Status
from cloudpilot.domain.vaults import Vault
from cloudpilot.errors import VaultDenied
from cloudpilot.jobs import opening
from cloudpilot.jobs import runs as work
from cloudpilot.kinds import RunKind
from cloudpilot.vaults import checks
from cloudpilot.vaults.s3 import S3Vault
from tests.support import curl
from tests.support.ports import free_port
from tests.support.rclone import SECRET, Rclone
from tests.support.vaulting import vault_in
from tests.vaults.sending import Sender

WRONG = "a wrong secret, not to be seen"


def checked(vault_id: UUID) -> Run:
    """What a run has become after its job."""
    with transaction() as session:
        run = vault_checks.ask(session, vaults.find(session, vault_id), None)
    work.start(str(run.id))
    with reading() as session:
        return runs.find(session, run.id)


def row_of(vault_id: UUID) -> Vault:
    with reading() as session:
        return session.get_one(Vault, vault_id)


def line(vault_id: UUID, key: str) -> dict[str, str]:
    found = {one["key"]: one for one in row_of(vault_id).lines or ()}
    assert key in found, found
    return found[key]


def change(vault_id: UUID, **columns: object) -> None:
    with transaction() as session:
        row = session.get_one(Vault, vault_id)
        for name, value in columns.items():
            setattr(row, name, value)


def test_a_good_vault_says_what_was_done_there(core: Flask, rclone: Rclone) -> None:
    vault_id = vault_in(core, rclone)
    run = checked(vault_id)
    assert run.status is Status.COMPLETED, (run.error_code, run.error_detail)
    row = row_of(vault_id)
    assert row.level == "warning"  # it is http
    levels = {one["key"]: one["level"] for one in row.lines or ()}
    done = ("write", "read", "list", "delete", "abort")
    assert [levels[key] for key in done] == ["ok"] * len(done)
    assert "ok: Write: A small object was sent" in run.log
    assert row.checked_at
    assert row.next_check_at
    assert row.checked_at < row.next_check_at <= row.checked_at + timedelta(days=1)
    with reading() as session:
        assert vault_checks.troubles(session) == []


@pytest.mark.parametrize(
    ("columns", "secret", "key", "code"),
    [
        ({}, WRONG, "write", "VAULT_DENIED"),
        ({"bucket": "nobody-has-made-this"}, "", "write", "VAULT_MISSING"),
        ({"bucket": "!"}, "", "opening", "INVALID_CONFIG"),
        ({"endpoint": "http://169.254.169.254"}, "", "opening", "ADDRESS_REFUSED"),
    ],
)
def test_what_is_wrong_is_a_line_with_its_remedy(
    core: Flask, rclone: Rclone, columns: dict[str, str], secret: str, key: str, code: str
) -> None:
    vault_id = vault_in(core, rclone, secret, **columns)
    run = checked(vault_id)
    assert run.status is Status.COMPLETED
    found = line(vault_id, key)
    assert (found["level"], found["code"]) == ("failed", code)
    assert found["remedy"]
    assert row_of(vault_id).level == "failed"
    said = run.log + str(row_of(vault_id).lines)
    assert not [word for word in (WRONG, SECRET) if word in said]
    with reading() as session:
        [trouble] = vault_checks.troubles(session)
    assert (trouble.code, trouble.detail) == (code, found["detail"])


def test_who_does_not_answer_is_told_as_such(core: Flask, rclone: Rclone) -> None:
    vault_id = vault_in(core, rclone)
    change(vault_id, endpoint=f"http://127.0.0.1:{free_port()}")
    assert checked(vault_id).status is Status.COMPLETED
    assert line(vault_id, "write")["code"] == "VAULT_UNREACHABLE"


def test_a_secret_that_does_not_open_is_a_line(core: Flask, rclone: Rclone) -> None:
    vault_id = vault_in(core, rclone)
    change(vault_id, secret="v1.odd.odd")
    assert checked(vault_id).status is Status.COMPLETED
    assert line(vault_id, "opening")["code"] == "SECRET_KEY_WRONG"


def test_a_store_that_takes_too_long_is_not_asked_again_and_again(
    core: Flask, rclone: Rclone, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault_id = vault_in(core, rclone)

    def hang(_vault_id: UUID) -> None:
        raise JobTimeoutException

    monkeypatch.setattr(opening, "vault", hang)
    assert checked(vault_id).status is Status.COMPLETED
    found = line(vault_id, "opening")
    assert found["code"] == "VAULT_UNREACHABLE"
    assert "150 seconds" in found["detail"]


def test_it_tells_what_got_worse_and_looks_again_sooner(core: Flask, rclone: Rclone) -> None:
    vault_id = vault_in(core, rclone)
    checked(vault_id)
    with reading() as session:
        assert worse(session.get_one(Vault, vault_id)) == {}
    bucket = row_of(vault_id).bucket
    change(vault_id, bucket="nobody-has-made-this")
    checked(vault_id)
    row = row_of(vault_id)
    assert set(worse(row)) == {"write"}
    assert row.checked_at
    assert row.next_check_at == row.checked_at + timedelta(hours=1)
    change(vault_id, checked_at=row.checked_at - timedelta(hours=3))
    checked(vault_id)
    row = row_of(vault_id)
    assert set(worse(row)) == {"write"}
    assert row.checked_at
    assert row.next_check_at
    assert row.next_check_at - row.checked_at >= timedelta(hours=6)
    change(vault_id, bucket=bucket)
    checked(vault_id)
    assert worse(row_of(vault_id)) == {}


class Killed(BaseException):
    """No handler sees a kill -9."""


def killed(*_words: object) -> None:
    raise Killed


@pytest.mark.parametrize("step", ["_read", "_is_aborted"])
def test_what_a_check_left_that_was_cut_off_is_removed_by_the_next(
    core: Flask, rclone: Rclone, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """And nothing else: another panel may be checking there at this moment."""
    vault_id = vault_in(core, rclone)
    vault = opening.vault(vault_id)
    theirs = vault.begin(f"{checks.new_key()}/object", 1)
    Sender(vault, theirs, b"x", curl.send).complete(Sender(vault, theirs, b"x", curl.send).all())
    other = vault.begin(f"{checks.new_key()}/object", 1)
    with monkeypatch.context() as patch:
        patch.setattr(checks._Trial, step, killed)
        with pytest.raises(Killed):
            checked(vault_id)
    left = {one.key for one in (*vault.list(), *vault.open_uploads())}
    assert len(left) == 3
    with transaction() as session:
        [run] = session.scalars(select(Run))
        run.next_look_at = clock.now()  # its lease is over
        run_id = run.id
    work.start(str(run_id))
    assert line(vault_id, "delete")["level"] == "ok"
    assert [one.key for one in vault.list()] == [theirs.key]
    assert [one.key for one in vault.open_uploads()] == [other.key]
    with reading() as session:
        assert vault_checks.trials(session, vault_id, 5) == []


def test_what_cannot_be_removed_is_tried_again(
    core: Flask, rclone: Rclone, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault_id = vault_in(core, rclone)
    with monkeypatch.context() as patch:
        patch.setattr(S3Vault, "delete", denied)
        checked(vault_id)
        [key] = [one.key for one in opening.vault(vault_id).list()]
        checked(vault_id)
    with reading() as session:
        left = [one for _, one in vault_checks.trials(session, vault_id, 5)]
    assert key.rpartition("/")[0] in left
    checked(vault_id)
    assert list(opening.vault(vault_id).list()) == []
    with reading() as session:
        assert vault_checks.trials(session, vault_id, 5) == []


def denied(*_words: object) -> None:
    raise VaultDenied("The store answered 403.")


def test_only_what_is_a_checks_own_name_is_removed(core: Flask, rclone: Rclone) -> None:
    vault_id = vault_in(core, rclone)
    vault = opening.vault(vault_id)
    sender = Sender(vault, vault.begin("a/b", 1), b"x", curl.send)
    sender.complete(sender.all())
    run = checked(vault_id)
    for odd in ("", "a/b", checks.TRIALS, f"{checks.TRIALS}*"):
        with transaction() as session:
            vault_checks.note_trial(runs.find(session, run.id), odd)
    checked(vault_id)
    assert [one.key for one in vault.list()] == ["a/b"]


def test_what_was_changed_meanwhile_is_checked_anew(
    core: Flask, rclone: Rclone, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault_id = vault_in(core, rclone)
    real = opening.vault

    def changed(asked: UUID) -> object:
        change(asked, prefix="another", next_check_at=clock.now() + timedelta(days=1))
        return real(asked)

    monkeypatch.setattr(opening, "vault", changed)
    assert checked(vault_id).status is Status.COMPLETED
    row = row_of(vault_id)
    assert (row.lines, row.next_check_at) == (None, None)
    with reading() as session:
        assert vault_checks.due(session, 5) == [vault_id]


def test_a_vault_that_was_removed_is_not_asked(core: Flask, rclone: Rclone) -> None:
    vault_id = vault_in(core, rclone)
    with transaction() as session:
        run = vault_checks.ask(session, vaults.find(session, vault_id), None)
    change(vault_id, removed_at=clock.now())
    work.start(str(run.id))
    with reading() as session:
        assert runs.find(session, run.id).error_code == "NOT_FOUND"


def test_a_run_without_a_vault_fails(core: Flask) -> None:
    with transaction() as session:
        run = runs.add(session, Run(kind=RunKind.CHECK_VAULT, subject="nothing"))
    work.start(str(run.id))
    with reading() as session:
        assert runs.find(session, run.id).error_code == "INVALID_STATE"


def test_it_can_be_stopped(core: Flask, rclone: Rclone) -> None:
    vault_id = vault_in(core, rclone)
    with transaction() as session:
        run = vault_checks.ask(session, vaults.find(session, vault_id), None)
        runs.request_stop(session, run)
    work.start(str(run.id))
    with reading() as session:
        assert runs.find(session, run.id).error_code == "STOPPED"
        assert vault_checks.troubles(session) == []
    assert row_of(vault_id).lines is None

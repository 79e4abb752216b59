"""What a worker does with a run, in the test's own process: also one that is killed over it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from uuid import UUID

import pytest
from sqlalchemy import select

from cloudpilot.db import reading, transaction
from cloudpilot.domain import runs, servers
from cloudpilot.domain.audit import Action, AuditEntry
from cloudpilot.domain.people import Person
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Server
from cloudpilot.engine.address import Address
from cloudpilot.engine.ssh import Session
from cloudpilot.jobs import runs as jobs
from cloudpilot.jobs.on_server import login
from tests.support.machine import USER

FOREIGN = "ssh-ed25519 AAAAada ada@laptop"
KEYS = f"~{USER}/.ssh/authorized_keys"
NOBODY = "SHA256:" + "A" * 43


class Killed(BaseException):
    """As SIGKILL: nothing is cleaned up, and no `except` of ours hears of it."""


def row(server_id: UUID) -> Server:
    with reading() as session:
        return session.get_one(Server, server_id)


def ask(server_id: UUID, wish: Callable[..., Run], **also: object) -> UUID:
    """The run of a wish of the owner's."""
    with transaction() as session:
        owner = session.scalars(select(Person)).one()
        return wish(session, servers.find(session, server_id), owner, **also).id


def work(run_id: UUID) -> Run:
    """What a worker does with it, as often as it is due."""
    with transaction() as session:
        run = runs.find(session, run_id)
        runs.put_off(session, run, None, next_look_at=run.created_at)
    jobs.start(str(run_id))
    with reading() as session:
        return runs.find(session, run_id)


def acts(action: Action) -> list[AuditEntry]:
    with reading() as session:
        return list(session.scalars(select(AuditEntry).where(AuditEntry.action == action)))


def address(server_id: UUID) -> Address:
    return login(server_id).address


@contextmanager
def killed_after(
    monkeypatch: pytest.MonkeyPatch, job: ModuleType, step: int
) -> Iterator[list[int]]:
    """The worker dies after that many steps of a job's module: what it has written stays."""
    left = [step]

    def count() -> None:
        left[0] -= 1
        if left[0] == 0:
            raise Killed

    @contextmanager
    def dying_transaction() -> Iterator[object]:
        with transaction() as session:
            yield session
        count()

    def dying_run(self: Session, *words: object, **options: object) -> bytes:
        answer = real_run(self, *words, **options)  # type: ignore[arg-type]
        count()
        return answer

    real_run = Session.run
    with monkeypatch.context() as patch:
        patch.setattr(job, "transaction", dying_transaction)
        patch.setattr(Session, "run", dying_run)
        yield left

"""From request to deletion at each provider's API, as its stand-in follows it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select

from cloudpilot.clouds.account import Account
from cloudpilot.clouds.base import State
from cloudpilot.db import reading, transaction
from cloudpilot.domain import cloud_checks, clouds, deletions, instances, snapshots
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.clouds import Cloud
from cloudpilot.domain.copies import CopyStatus
from cloudpilot.domain.people import Person
from cloudpilot.domain.status import Status
from cloudpilot.kinds import RunKind
from tests.clouds.test_aws import Aws
from tests.clouds.test_azure import Azure
from tests.clouds.test_digitalocean import DigitalOcean
from tests.clouds.test_gcp import Google
from tests.support import clouding, fake_ec2
from tests.support.fake_azure import FakeAzure
from tests.support.fake_cloud import serving
from tests.support.fake_digitalocean import FakeDigitalOcean
from tests.support.fake_google import FakeGoogle
from tests.support.must_run import must_run
from tests.support.rows import add_person, add_server
from tests.support.until import until
from tests.support.uploading import due_now, found, kind, runs_of, step


@contextmanager
def aws() -> Iterator[Aws]:
    if not fake_ec2.PROGRAM.exists():
        must_run("moto", "it is not installed")
    with fake_ec2.running() as gate:
        yield Aws(gate, gate.run("web-1")[0])


@contextmanager
def digitalocean() -> Iterator[DigitalOcean]:
    with serving(FakeDigitalOcean()) as fake:
        yield DigitalOcean(fake)


@contextmanager
def google() -> Iterator[Google]:
    with serving(FakeGoogle()) as fake:
        yield Google(fake)


@contextmanager
def azure() -> Iterator[Azure]:
    with serving(FakeAzure()) as fake:
        yield Azure(fake)


@pytest.fixture(params=[aws, digitalocean, google, azure])
def provider(request: pytest.FixtureRequest) -> Iterator[Any]:
    opened: Callable[[], AbstractContextManager[Any]] = request.param
    with opened() as there:
        yield there


@pytest.fixture
def cloud_id(core: Flask, provider: Any, monkeypatch: pytest.MonkeyPatch) -> UUID:
    """The row of the account, as a person has entered it."""
    with monkeypatch.context() as patched:
        patched.setattr(f"{type(provider).__module__}.open_cloud", lambda account: account)
        account: Account = provider.cloud()
    names = ("kind", "region", "project", "tenant", "key_id", "endpoint")
    with transaction() as session:
        add_person(session)
        values = {name: getattr(account, name) for name in names}
        row = clouding.add_cloud(session, **values, instances=None)
        row.secret = core.extensions["sealer"].seal(account.secret, row.secret_place)
        cloud_checks.ask(session, row, None)
        return row.id


def over(backup_id: UUID) -> bool:
    """All that is under way has been asked once more; whether it has ended."""
    due_now(*(run for run in runs_of(backup_id) if not run.status.is_final))
    return step()


def made(provider: Any, cloud_id: UUID) -> UUID:
    """A whole snapshot of the machine that a check has found."""
    with transaction() as session:
        cloud = clouds.find(session, cloud_id)
        assert not cloud.failed, cloud.lines
        machine = instances.matching(cloud.instances or [], [], "web-1")
        assert machine
        server = add_server(session)
        instances.link(session, server, cloud, machine["id"])
        backup_id = clouding.ask(session, server)
    step()
    assert found(backup_id).status is Status.RUNNING
    provider.settle(str(backup_id), State.DONE)
    until(lambda: over(backup_id), bool)
    return backup_id


def do(act: Callable[..., object], backup_id: UUID, *words: str) -> None:
    """As the owner, to its end."""
    with transaction() as session:
        by = session.scalars(select(Person)).one()
        act(session, session.get_one(Backup, backup_id), *words, by)
    until(lambda: over(backup_id), bool)


def test_a_machine_is_found_kept_used_and_let_go(provider: Any, cloud_id: UUID) -> None:
    step()
    backup_id = made(provider, cloud_id)
    backup = found(backup_id)
    assert (backup.status, backup.error_detail) == (Status.COMPLETED, None)
    parts = backup.copies[0].parts or []
    assert len(parts) == provider.parts
    assert backup.tools["steps"]

    do(snapshots.create, backup_id, parts[0]["id"], "back")
    assert kind(backup_id, RunKind.CREATE).status is Status.COMPLETED
    assert provider.restored() == 1

    do(deletions.delete, backup_id)
    assert found(backup_id).copies[0].status is CopyStatus.GONE
    assert provider.made(str(backup_id)) == 0
    said = [run.log + (run.error_detail or "") for run in runs_of(backup_id)]
    with reading() as session:
        said.append(str(session.get_one(Cloud, cloud_id).lines))
    assert [secret for secret in provider.secrets if secret in "".join(said)] == []

"""Clouds: accounts with their sealed secrets, their checks, and which machine a server is."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import select

from cloudpilot import clock
from cloudpilot.clouds.memory import WEB
from cloudpilot.db import reading, transaction
from cloudpilot.domain import cloud_checks, clouds, instances
from cloudpilot.domain.clouds import Cloud
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Server
from cloudpilot.domain.status import Status
from cloudpilot.errors import (
    BackupInProgress,
    CloudDenied,
    InvalidConfig,
    InvalidState,
    NotFound,
)
from cloudpilot.jobs import lifecycle
from cloudpilot.kinds import CloudKind, RunKind
from cloudpilot.scheduling.tick import tick
from cloudpilot.secrets import Sealer, Secret
from tests.support import clouding
from tests.support.rows import add_person, add_server

VALUES = {"kind": CloudKind.AWS, "name": "aws", "region": "eu-central-1", "key_id": "AKIA1"}
EVERY = timedelta(hours=24)


@pytest.fixture
def sealer(core: Flask) -> Sealer:
    found: Sealer = core.extensions["sealer"]
    return found


@pytest.fixture
def cloud_id(sealer: Sealer) -> UUID:
    with transaction() as session:
        return clouds.add(session, sealer, Secret("canary"), VALUES).id


def of(cloud_id: UUID) -> Cloud:
    with reading() as session:
        return session.get_one(Cloud, cloud_id, populate_existing=True)


def test_its_secret_is_sealed_and_its_name_is_its_own(sealer: Sealer, cloud_id: UUID) -> None:
    cloud = of(cloud_id)
    assert "canary" not in cloud.secret
    assert sealer.open(cloud.secret, cloud.secret_place).reveal() == "canary"
    assert (cloud.level, cloud.failed, cloud.project) == ("", False, "")
    with transaction() as session, pytest.raises(InvalidConfig, match="called aws"):
        clouds.add(session, sealer, Secret("x"), VALUES)
    with reading() as session:
        assert [one.id for one in clouds.listed(session)] == [cloud_id]
        with pytest.raises(NotFound):
            clouds.find(session, uuid4())


def test_a_secret_is_used_for_nobody_else(sealer: Sealer, cloud_id: UUID) -> None:
    def change(secret: Secret | None = None, *, is_used: bool = False, **values: str) -> bool:
        with transaction() as session:
            row = clouds.locked(session, cloud_id)
            return clouds.change(session, row, sealer, secret, VALUES | values, is_used=is_used)

    with transaction() as session:
        session.get_one(Cloud, cloud_id).lines = []
    assert not change(name="amazon")  # nothing to check anew
    assert of(cloud_id).lines == []
    with pytest.raises(InvalidConfig, match="Another address and key id"):
        change(endpoint="https://elsewhere.example", key_id="AKIA2")
    with pytest.raises(InvalidConfig, match="Add another cloud"):
        change(is_used=True, region="us-east-1")
    assert change(Secret("new"), endpoint="https://elsewhere.example")
    cloud = of(cloud_id)
    assert (cloud.lines, cloud.endpoint) == (None, "https://elsewhere.example")
    assert sealer.open(cloud.secret, cloud.secret_place).reveal() == "new"
    assert change(region="us-east-1")


def line(level: str) -> dict[str, object]:
    return {"key": "rights", "level": level, "title": "Rights", "detail": "", "remedy": "",
            "code": ""}  # fmt: skip


def test_what_a_check_found_is_kept_and_says_when_the_next_one_is(cloud_id: UUID) -> None:
    machines = [{"id": str(number)} for number in range(cloud_checks.INSTANCES_AT_MOST + 1)]
    with transaction() as session:
        asked = clouds.find(session, cloud_id)
        cloud_checks.keep(session, asked, [line("ok")], machines, EVERY)
    cloud = of(cloud_id)
    assert (cloud.level, len(cloud.instances or ())) == ("ok", cloud_checks.INSTANCES_AT_MOST)
    assert cloud.next_check_at
    with transaction() as session:
        cloud_checks.keep(session, clouds.find(session, cloud_id), [line("failed")], None, EVERY)
    cloud = of(cloud_id)
    assert cloud.failed
    assert cloud.instances  # those of the check before
    assert cloud.next_check_at
    assert cloud.next_check_at - clock.now() < timedelta(hours=2)
    assert (cloud.lines or [{}])[0]["worse_at"]


def test_of_an_account_that_was_changed_meanwhile_nothing_is_kept(cloud_id: UUID) -> None:
    asked = of(cloud_id)
    with transaction() as session:
        session.get_one(Cloud, cloud_id).region = "us-east-1"
    with transaction() as session:
        cloud_checks.keep(session, asked, [line("ok")], [], EVERY)
    assert (of(cloud_id).lines, of(cloud_id).next_check_at) == (None, None)


def checks() -> list[Run]:
    with reading() as session:
        return list(session.scalars(select(Run).where(Run.kind == RunKind.CHECK_CLOUD)))


def test_the_clock_asks_once_until_the_check_has_ended(cloud_id: UUID) -> None:
    for _ in range(3):
        tick()
    [run] = checks()
    assert (run.cloud_id, run.server_id, run.requested_by) == (cloud_id, None, None)
    lifecycle.fail(run.id, CloudDenied("no"))
    tick()
    assert len(checks()) == 1  # it is tried in an hour
    with reading() as session:
        latest = cloud_checks.latest(session, cloud_id)
    assert latest
    assert latest.status is Status.FAILED


def test_of_many_clocks_one_asks(core: Flask, cloud_id: UUID) -> None:
    def ask(_number: int) -> bool:
        with core.app_context(), transaction() as session:
            return cloud_checks.claim(session, cloud_id) is not None

    with ThreadPoolExecutor(4) as executor:
        assert sum(executor.map(ask, range(4))) == 1
    assert len(checks()) == 1


def test_a_check_that_a_person_asks_for_at_that_moment_is_the_one(
    cloud_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    def taken(*_: object) -> None:
        raise BackupInProgress("It is being checked.")

    with transaction() as session:
        by = add_person(session)
        monkeypatch.setattr(cloud_checks, "ask", taken)
        assert cloud_checks.claim(session, cloud_id) is None
        monkeypatch.undo()
        assert cloud_checks.ask(session, clouds.find(session, cloud_id), by).requested_by == by.id


@pytest.fixture
def server_id(core: Flask) -> UUID:
    with transaction() as session:
        return add_server(session).id


def test_a_server_is_one_machine_and_no_other_server_is_it(server_id: UUID) -> None:
    with transaction() as session:
        server = session.get_one(Server, server_id)
        cloud = clouding.linked(session, server)
        assert (server.instance_id, server.instance_name) == (WEB.id, WEB.name)
        assert [one.id for one in instances.linked(session, cloud)] == [server_id]
        assert instances.is_used(session, cloud)
        other = add_server(session, "other")
        with pytest.raises(InvalidConfig, match="web-1 is web-1 already"):
            instances.link(session, other, cloud, WEB.id)
        with pytest.raises(InvalidConfig, match="has not shown this machine"):
            instances.link(session, other, cloud, "i-unknown")
        instances.unlink(session, server)
        assert (server.cloud_id, instances.is_used(session, cloud)) == (None, False)
        cloud.instances = None
        with pytest.raises(InvalidConfig, match="check the cloud"):
            instances.link(session, other, cloud, WEB.id)


def test_while_a_snapshot_is_made_the_machine_stays(server_id: UUID) -> None:
    with transaction() as session:
        server = session.get_one(Server, server_id)
        clouding.linked(session, server)
        clouding.ask(session, server)
        with pytest.raises(InvalidState, match="being made"):
            instances.unlink(session, server)


def test_a_cloud_that_is_asked_just_now_is_not_removed(cloud_id: UUID) -> None:
    with transaction() as session:
        run = cloud_checks.ask(session, clouds.find(session, cloud_id), None)
        with pytest.raises(BackupInProgress):
            instances.remove_cloud(session, clouds.find(session, cloud_id))
        run.move(session, Status.FAILED)
        instances.remove_cloud(session, clouds.find(session, cloud_id))
        assert clouds.listed(session) == []
        assert cloud_checks.due(session, 10) == []

"""domain.vault_checks: who of several clocks asks, and what the overview hears."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select

from cloudpilot import clock
from cloudpilot.db import reading, transaction
from cloudpilot.domain import checked, vault_checks
from cloudpilot.domain.runs import Run
from cloudpilot.domain.status import Status
from cloudpilot.domain.vaults import Vault
from cloudpilot.errors import VaultDenied
from cloudpilot.jobs import lifecycle
from cloudpilot.kinds import RunKind
from cloudpilot.scheduling.tick import tick
from tests.support.vaulting import add_vault

DAY = timedelta(days=1)


@pytest.fixture
def vault_id(core: Flask) -> UUID:
    with transaction() as session:
        return add_vault(session).id


def checks() -> list[Run]:
    with reading() as session:
        return list(session.scalars(select(Run).where(Run.kind == RunKind.CHECK_VAULT)))


def test_the_clock_asks_once_until_the_check_has_ended(vault_id: UUID) -> None:
    for _ in range(3):
        tick()
    [run] = checks()
    assert (run.vault_id, run.server_id, run.requested_by) == (vault_id, None, None)
    lifecycle.fail(run.id, VaultDenied("no"))
    tick()
    assert len(checks()) == 1  # it is tried in an hour
    with transaction() as session:
        session.get_one(Vault, vault_id).next_check_at = clock.now()
    tick()
    assert len(checks()) == 2


def test_of_many_clocks_one_asks(core: Flask, vault_id: UUID) -> None:
    def ask(_number: int) -> bool:
        with core.app_context(), transaction() as session:
            return vault_checks.claim(session, vault_id) is not None

    with ThreadPoolExecutor(4) as executor:
        assert sum(executor.map(ask, range(4))) == 1
    assert len(checks()) == 1


def test_a_check_that_a_person_asked_for_this_moment_is_no_reason_to_stumble(
    vault_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    with transaction() as session:
        vault_checks.ask(session, session.get_one(Vault, vault_id), None)
    monkeypatch.setattr(checked, "_is_due", lambda _table: (Vault.removed_at.is_(None),))
    with transaction() as session:
        assert vault_checks.claim(session, vault_id) is None


def test_a_check_that_could_not_be_done_is_trouble_until_one_could(vault_id: UUID) -> None:
    with transaction() as session:
        run = vault_checks.ask(session, session.get_one(Vault, vault_id), None)
    lifecycle.fail(run.id, VaultDenied("It said no."))
    with reading() as session:
        [trouble] = vault_checks.troubles(session)
    assert (trouble.code, trouble.detail) == ("VAULT_DENIED", "It said no.")
    with transaction() as session:
        vault = session.get_one(Vault, vault_id)
        vault_checks.keep(session, vault, [], DAY)
        assert vault.level == ""
    with reading() as session:
        assert vault_checks.troubles(session) == []


def test_the_newest_check_is_known(vault_id: UUID) -> None:
    with reading() as session:
        assert vault_checks.latest(session, vault_id) is None
    with transaction() as session:
        run = vault_checks.ask(session, session.get_one(Vault, vault_id), None)
    with reading() as session:
        found = vault_checks.latest(session, vault_id)
    assert found
    assert (found.id, found.status) == (run.id, Status.PENDING)

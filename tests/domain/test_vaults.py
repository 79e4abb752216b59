"""Vaults: where one is, for whom its secret was entered, and what keeps it."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from cloudpilot import clock
from cloudpilot.db import transaction
from cloudpilot.domain import destinations, vault_checks, vault_use, vaults
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import Copy, CopyStatus
from cloudpilot.domain.destinations import Destination
from cloudpilot.domain.objects import VaultObject
from cloudpilot.domain.runs import Run
from cloudpilot.domain.status import Status
from cloudpilot.domain.vaults import Vault
from cloudpilot.errors import BackupInProgress, InvalidConfig, InvalidState, NotFound
from cloudpilot.kinds import Place, RunKind, VaultKind
from cloudpilot.secrets import Sealer, Secret
from tests.support.rows import add_run, add_server, add_site
from tests.support.vaulting import add_vault
from tests.web.scenes import add_backup

VALUES: dict[str, Any] = {"name": "offsite", "kind": VaultKind.S3, "bucket": "of-ada"}


@pytest.fixture
def sealer(core: Flask) -> Sealer:
    found: Sealer = core.extensions["sealer"]
    return found


def test_no_two_vaults_are_one_place_or_have_one_name(sealer: Sealer) -> None:
    with transaction() as session:
        vaults.add(session, sealer, Secret("a-secret"), VALUES)
        with pytest.raises(InvalidConfig, match="called offsite"):
            vaults.add(session, sealer, Secret("a-secret"), VALUES | {"bucket": "another"})
        with pytest.raises(InvalidConfig, match="this place already"):
            vaults.add(session, sealer, Secret("a-secret"), VALUES | {"name": "twice"})
        vaults.add(session, sealer, Secret("a-secret"), VALUES | {"name": "b", "prefix": "b"})


def test_what_holds_backups_does_not_move(sealer: Sealer) -> None:
    with transaction() as session:
        vault = vaults.add(session, sealer, Secret("a-secret"), VALUES)
        secret = Secret("another")
        with pytest.raises(InvalidConfig, match="cannot be changed"):
            vaults.change(session, vault, sealer, secret, VALUES | {"prefix": "b"}, is_used=True)
        assert not vaults.change(session, vault, sealer, None, VALUES, is_used=True)
        with pytest.raises(InvalidConfig, match="entered for it"):
            vaults.change(session, vault, sealer, None, VALUES | {"bucket": "b"}, is_used=False)


def test_a_removed_vault_is_nowhere(sealer: Sealer) -> None:
    with transaction() as session:
        vault = vaults.add(session, sealer, Secret("a-secret"), VALUES)
        site = add_site(session, add_server(session))
        site.vault_id = vault.id
        assert destinations.of(session, site).vault is vault
        vault.removed_at = clock.now()
        assert destinations.of(session, site) == Destination()
        with pytest.raises(NotFound):
            vaults.locked(session, vault.id)


def test_a_change_of_where_backups_go_is_said_in_words() -> None:
    vault = Vault(name="offsite")
    changed = Destination().changes(Destination(vault, local_days=3))
    assert changed == {"vault": [None, "offsite"], "local_days": [None, 3]}
    assert destinations.rate_text(None) == ""


def add_object(session: Session, vault: Vault, run: Run) -> VaultObject:
    """What an upload of a backup has begun there."""
    backup = session.get_one(Backup, run.backup_id)
    copy = backup.copies[0]
    row = VaultObject(
        copy_id=copy.id,
        vault_id=vault.id,
        attempt=run.id,
        name="archive",
        key="k",
        upload_secret="",
    )
    session.add(row)
    session.flush()
    return row


def test_a_vault_is_not_removed_while_anything_is_to_be_done_there(core: Flask) -> None:
    with transaction() as session:
        vault = add_vault(session)
        run = vault_checks.ask(session, vault, None)
        assert run.kind is RunKind.CHECK_VAULT
        with pytest.raises(BackupInProgress):
            vault_use.remove(session, vault)
        run.move(session, Status.FAILED)
        making = add_run(session, add_server(session))
        backup = session.get_one(Backup, making.backup_id)
        backup.vault_id = vault.id
        session.flush()
        with pytest.raises(BackupInProgress, match="has not ended"):
            vault_use.remove(session, vault)
        backup.move(session, Status.FAILED)
        row = add_object(session, vault, making)
        with pytest.raises(InvalidState, match="not proven gone"):
            vault_use.remove(session, vault)
        row.gone_at = clock.now()
        session.flush()
        vault_use.remove(session, vault)
        assert vault.secret == ""


def test_every_copy_in_a_vault_is_looked_for_in_its_turn(core: Flask) -> None:
    """A check has time for some: the newest of each site, then those not seen for the longest."""
    with transaction() as session:
        vault, server = add_vault(session), add_server(session)
        sites = [add_site(session, server, name) for name in ("a", "b")]
        found = []
        for age in range(6):
            backup = add_backup(
                session, server, sites[age >= 4], Status.COMPLETED, age=timedelta(days=age)
            )
            seen = None if age == 3 else clock.now() - timedelta(hours=age)
            copy = Copy(
                place=Place.VAULT,
                vault_id=vault.id,
                name=backup.archive,
                status=CopyStatus.STORED,
                seen_at=seen,
            )
            backup.copies.append(copy)
            found.append(copy)
        session.flush()

        def ages(limit: int) -> list[int]:
            return [found.index(copy) for copy in vault_use.looked_for(session, vault.id, limit)]

        assert ages(4) == [0, 4, 3, 5]
        assert sorted(ages(200)) == list(range(6))
        found[2].move(session, CopyStatus.MISSING)
        assert ages(4) == [0, 4, 2, 3]


def test_an_object_and_a_place_say_where_their_secrets_belong() -> None:
    vault = Vault(id=UUID(int=1), name="v", kind=VaultKind.AZURE_BLOB, bucket="b", key_id="account")
    assert vault.place[-1] == "account"
    assert str(vault.id) in vault.secret_place
    row = VaultObject(id=UUID(int=2))
    assert row.upload_place == f"vault_objects/{row.id}/upload"

"""Adoption as the queue does it: real stores, and a panel that has never heard of what is there."""

from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import delete

from cloudpilot.db import Base, transaction
from cloudpilot.domain import searches
from cloudpilot.domain.copies import CopyStatus
from cloudpilot.domain.people import Person
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Server
from cloudpilot.domain.status import Status
from cloudpilot.domain.vaults import Vault
from cloudpilot.kinds import VaultKind
from tests.support.rows import add_person
from tests.support.uploading import Store, back_up, drive, found, objects

PAIRS = [
    ("sqlite", VaultKind.S3),
    ("postgresql", VaultKind.GCS),
    ("postgresql", VaultKind.AZURE_BLOB),
]
KEPT = {"vaults", "audit_entries", "alembic_version"}

everywhere = pytest.mark.parametrize(("database_url", "store"), PAIRS, indirect=True)


def lose() -> None:
    """The panel's database is a fresh one, but for its vault."""
    with transaction() as session:
        for table in reversed(Base.metadata.sorted_tables):
            if table.name not in KEPT:
                session.execute(delete(table))
        add_person(session)


def search(vault_id: UUID) -> Run:
    """Look for backups there, to the end."""
    with transaction() as session:
        by = session.query(Person).first() or add_person(session)
        run_id = searches.ask(session, session.get_one(Vault, vault_id), by).id
    drive()
    with transaction() as session:
        return session.get_one(Run, run_id)


@everywhere
def test_a_fresh_panel_finds_a_backup(
    core: Flask, site_id: UUID, vault_id: UUID, store: Store
) -> None:
    backup_id = back_up(site_id, vault_id)
    drive()
    before, its = found(backup_id), objects(backup_id)
    lose()
    run = search(vault_id)
    assert run.status is Status.COMPLETED, (run.error_code, run.error_detail)
    reached = searches.progress(run)
    assert (reached.unverified, reached.servers, reached.refused) == (1, 1, 0), run.log
    backup = found(backup_id)
    same = "type server_id server_name site_name paths excludes compression archive size sha256"
    for name in (*same.split(), "tar_size", "counts", "tools"):
        assert getattr(backup, name) == getattr(before, name), name
    assert backup.created_at == before.created_at.replace(microsecond=0)
    assert backup.is_unverified
    [copy] = backup.copies
    assert (copy.status, copy.size, copy.sha256) == (CopyStatus.STORED, before.size, before.sha256)
    for new, old in zip(objects(backup_id), its, strict=True):
        for name in ("name", "key", "size", "etag", "version", "attempt"):
            assert getattr(new, name) == getattr(old, name), name
    with transaction() as session:
        server = session.get_one(Server, backup.server_id)
        assert server.adopted_at
        assert server.removed_at

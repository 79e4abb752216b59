"""Backups that go to a vault, driven as worker and clock would, one job after the other."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from flask import Flask
from sqlalchemy import select

from cloudpilot.db import reading, transaction
from cloudpilot.domain import requests, runs
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.requests import Wish
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Server
from cloudpilot.domain.sites import Site
from cloudpilot.domain.status import ACTIVE, Status
from cloudpilot.jobs import looks
from cloudpilot.jobs import runs as jobs
from cloudpilot.jobs.runs import DIRECT
from cloudpilot.kinds import BackupType, RunKind, VaultKind
from tests.support import vaulting
from tests.support.until import until
from tests.vaults.azure_store import AzureStore
from tests.vaults.gcs_store import GcsStore
from tests.vaults.s3_store import S3Store

Store = S3Store | GcsStore | AzureStore
PREFIX = "backups"


def of_kind(kind: VaultKind, fixture: Callable[[str], Any]) -> Store:
    """An empty bucket of the server that stands in for that provider, which is a fixture."""
    if kind is VaultKind.GCS:
        return GcsStore(fixture("gcs"))
    if kind is VaultKind.AZURE_BLOB:
        return AzureStore(fixture("azurite"))
    return S3Store(fixture("rgw"))


def add_vault(core: Flask, store: Store) -> UUID:
    """The row of a vault whose bucket is there."""
    where = store.location
    keys = {"kind": where.kind, "key_id": where.key_id, "path_style": where.path_style}
    place = {"bucket": where.bucket, "endpoint": where.endpoint, "region": "", "prefix": PREFIX}
    with transaction() as session:
        row = vaulting.add_vault(session, **keys, **place)
        vaulting.seal(core, row, where.secret.reveal())
        return row.id


def back_up(site_id: UUID, vault_id: UUID | None, **columns: object) -> UUID:
    """Ask for a backup of a site's files; its id."""
    with transaction() as session:
        site = session.get_one(Site, site_id)
        wish = Wish(
            server=session.get_one(Server, site.server_id),
            site=site,
            paths=site.paths,
            excludes=site.excludes,
            compression=site.compression,
            type=BackupType.FILES,
        )
        run = requests.backup_now(session, wish, None)
        backup = session.get_one(Backup, run.backup_id)
        backup.vault_id = vault_id
        for name, value in columns.items():
            setattr(backup, name, value)
        return backup.id


def step() -> bool:
    """All that is due is done once; whether nothing is left to be done."""
    with reading() as session:
        due = runs.due(session, 100, Status.PENDING, kinds=list(RunKind))
        due += runs.due(session, 100, Status.RUNNING, kinds=list(DIRECT))
    for run_id in due:
        jobs.start(str(run_id))
    looks.look_round()
    with reading() as session:
        return session.scalar(select(Run.id).where(Run.status.in_(ACTIVE)).limit(1)) is None


def drive(seconds: float = 60) -> None:
    """Until nothing is to be done any more."""
    until(step, bool, seconds=seconds)


def found(backup_id: UUID) -> Backup:
    """The backup with its copies."""
    with reading() as session:
        return session.get_one(Backup, backup_id, populate_existing=True)


def runs_of(backup_id: UUID) -> list[Run]:
    """Its runs, in the order in which they were added."""
    with reading() as session:
        rows = select(Run).where(Run.backup_id == backup_id)
        return list(session.scalars(rows.order_by(Run.created_at, Run.id)))

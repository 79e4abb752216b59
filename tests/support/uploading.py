"""Backups that go to a vault, driven as worker and clock would, one job after the other."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from flask import Flask
from sqlalchemy import select

from cloudpilot import clock
from cloudpilot.db import reading, transaction
from cloudpilot.domain import leases, requests, runs, uploads
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.objects import VaultObject
from cloudpilot.domain.people import Person
from cloudpilot.domain.requests import Wish
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Server
from cloudpilot.domain.sites import Site
from cloudpilot.domain.status import ACTIVE, Status
from cloudpilot.domain.vaults import Vault
from cloudpilot.jobs import looks
from cloudpilot.jobs import runs as jobs
from cloudpilot.jobs.runs import DIRECT
from cloudpilot.kinds import BackupType, RunKind, VaultKind
from cloudpilot.secrets import Secret
from tests.support import vaulting
from tests.support.rows import add_person
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
        due = leases.due(session, 100, Status.PENDING, kinds=list(RunKind))
        due += leases.due(session, 100, Status.RUNNING, kinds=list(DIRECT))
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


def objects(backup_id: UUID) -> list[VaultObject]:
    """What its copies consist of in vaults, in the order in which it was begun."""
    copies = [copy.id for copy in found(backup_id).copies]
    with reading() as session:
        rows = select(VaultObject).where(VaultObject.copy_id.in_(copies))
        return list(session.scalars(rows.order_by(VaultObject.begun_at, VaultObject.name)))


def kind(backup_id: UUID, wanted: RunKind) -> Run:
    """Its last run of that kind."""
    return next(run for run in reversed(runs_of(backup_id)) if run.kind is wanted)


def push(backup_id: UUID, vault_id: UUID, rate: int | None = None) -> None:
    """Ask for its upload, at so many bytes a second."""
    with transaction() as session:
        backup = session.get_one(Backup, backup_id)
        backup.rate = rate
        person = session.scalars(select(Person)).first() or add_person(session)
        uploads.ask(session, backup, session.get_one(Vault, vault_id), person)


def change_secret(core: Flask, vault_id: UUID, secret: str) -> str:
    """The former one."""
    sealer = core.extensions["sealer"]
    with transaction() as session:
        row = session.get_one(Vault, vault_id)
        former = sealer.open(row.secret, row.secret_place).reveal()
        row.secret = sealer.seal(Secret(secret), row.secret_place)
    return str(former)


def due_now(*found_runs: Run) -> None:
    """Their time has come."""
    with transaction() as session:
        for run in found_runs:
            runs.find(session, run.id).next_look_at = clock.now()

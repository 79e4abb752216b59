"""Deleting: every copy is removed where it lies, and only what is proven gone counts as gone.

A run deletes in one place: a server that is offline keeps nothing in a vault.
"""

from contextlib import suppress
from datetime import timedelta
from uuid import UUID

from sqlalchemy import select

from cloudpilot import clock
from cloudpilot.clouds.base import Cloud
from cloudpilot.clouds.naming import Ref
from cloudpilot.db import reading, transaction
from cloudpilot.domain import (
    backups,
    cloud_checks,
    clouds,
    outcomes,
    presence,
    snapshots,
    uploads,
)
from cloudpilot.domain.copies import Copy, CopyStatus
from cloudpilot.domain.objects import VaultObject
from cloudpilot.domain.runs import Run
from cloudpilot.engine import detached
from cloudpilot.errors import ObjectMissing, SnapshotMissing, SnapshotStillThere, UploadStillOpen
from cloudpilot.jobs import emptying, lifecycle, opening, signing, stored
from cloudpilot.jobs.on_server import connected
from cloudpilot.kinds import Place
from cloudpilot.reports import Report

PATIENCE = timedelta(minutes=10)  # for a server to hear that its upload is to end


def perform(run: Run) -> None:
    """Remove the copies there; whatever comes between, it is tried again until they are gone."""
    if run.vault_id:
        _from_vault(run)
    elif run.cloud_id:
        _from_cloud(run, run.cloud_id)
    else:
        _from_server(run)


def _from_server(run: Run) -> None:
    planned = bool(run.options.get("uploaded")) and not _is_asked_for(run)
    if planned or _leaving(run, Place.SERVER):
        with connected(run.at) as ssh:
            lifecycle.begin(run)
            # Asked at each try: what the vault said when the server was away may be days old.
            if planned and not _is_uploaded(run):
                return
            for copy in _leaving(run, Place.SERVER):
                was_stored = copy.sha256 is not None
                detached.remove(ssh, copy.root or "", str(run.backup_id), stored=was_stored)
    else:
        lifecycle.begin(run)
    lifecycle.complete(run, Report(stage="delete", log="Gone from the server.", over=True))


def _is_asked_for(run: Run) -> bool:
    """Whether all of the backup is to go, and not only what the server has of it."""
    with reading() as session:
        backup = backups.find(session, run.backup_id) if run.backup_id else None
    return backup is not None and backup.delete_requested_at is not None


def _is_uploaded(run: Run) -> bool:
    """Before the other copy goes the vault is asked once more; if it has none, nothing goes."""
    with reading() as session:
        backup = backups.find(session, run.backup_id) if run.backup_id else None
    there = [copy for copy in backup.copies if copy.is_stored_in_vault] if backup else []
    whys = {
        copy.id: stored.why_not(opening.vault(copy.vault_id), copy)
        for copy in there
        if copy.vault_id
    }
    with transaction() as session:
        presence.note(session, whys)
        kept = all(whys.values())
        if backup:
            row = backups.find(session, backup.id)
            outcomes.keep_local(session, row) if kept else outcomes.let_local_go(session, row)
    if kept:
        lifecycle.fail(run.id, ObjectMissing("The vault does not have it: nothing was deleted."))
    return not kept


def _from_vault(run: Run) -> None:
    """An upload that is still on its way is ended first: it would bring back what is deleted."""
    vault = opening.vault(uploads.vault_of(run))
    leaving = [copy for copy in _leaving(run, Place.VAULT) if copy.vault_id == run.vault_id]
    lifecycle.begin(run)
    said = []
    for copy in leaving:
        _refuse_while_it_comes(copy)
        said += emptying.take_away(vault, _objects(copy))
        if not _is_unverified(copy):
            emptying.sweep(vault, _folder(copy))
    log = "\n".join(said) or "Nothing of it was in the vault."
    lifecycle.complete(run, Report(stage="delete", log=log, over=True))


def _from_cloud(run: Run, cloud_id: UUID) -> None:
    """By its ref; what no cloud was ever told to make is nowhere."""
    with reading() as session:
        cloud_checks.refuse_another_account(clouds.find(session, cloud_id))
        backup = backups.find(session, run.backup_id) if run.backup_id else None
        ordered = snapshots.ordered(session, backup) if backup else ""
    leaving, cloud = _leaving(run, Place.CLOUD), opening.cloud(cloud_id)
    lifecycle.begin(run)
    for copy in leaving:
        if copy.name:
            cloud.delete(copy.name)
        elif ordered:
            _take_back(cloud, str(copy.backup_id), ordered)
    lifecycle.complete(run, Report(stage="delete", log="Gone from its cloud.", over=True))


def _take_back(cloud: Cloud, tag: str, ordered: str) -> None:
    """What has come of an order whose answer got lost: it may be listed only after a while."""
    for ref in [one.ref for one in cloud.list() if one.tag == tag]:
        cloud.delete(ref)
    with suppress(SnapshotMissing):
        cloud.delete(ordered)
    if Ref.of(ordered).is_young:
        raise SnapshotStillThere("The order may have been taken, and is not listed yet.")


def _refuse_while_it_comes(copy: Copy) -> None:
    """Until the server has heard that it is to stop; one that is out of reach is not waited for."""
    now = clock.now()
    with reading() as session:
        coming = uploads.under_way(session, copy)
    if any(now - (run.stop_requested_at or now) < PATIENCE for run in coming):
        raise UploadStillOpen("Its upload is being ended.")


def _leaving(run: Run, place: Place) -> list[Copy]:
    with reading() as session:
        backup = backups.find(session, run.backup_id) if run.backup_id else None
    copies = backup.copies if backup else []
    going = (copy for copy in copies if copy.status is CopyStatus.DELETING)
    return [copy for copy in going if copy.place is place]


def _objects(copy: Copy) -> list[VaultObject]:
    with reading() as session:
        rows = select(VaultObject).where(VaultObject.copy_id == copy.id)
        return list(session.scalars(rows.order_by(VaultObject.begun_at, VaultObject.name)))


def _is_unverified(copy: Copy) -> bool:
    """What was found and nobody has signed: somebody may have laid it into the folder of another,
    which is a good one. So only what its row names goes."""
    with reading() as session:
        return backups.find(session, copy.backup_id).is_unverified


def _folder(copy: Copy) -> str:
    with reading() as session:
        backup = backups.find(session, copy.backup_id)
    if backup.adopted_at:  # it may be of a site that the panel never had
        return "".join(f"{part}/" for part in _objects(copy)[0].key.split("/")[:3])
    return signing.folder_of(backup)

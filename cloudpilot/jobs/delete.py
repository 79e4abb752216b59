"""Deleting: every copy is removed where it lies, and only what is proven gone counts as gone.

A run deletes in one place: a server that is offline keeps nothing in a vault.
"""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import select

from cloudpilot import clock
from cloudpilot.db import reading, transaction
from cloudpilot.domain import backups, outcomes, presence, uploads
from cloudpilot.domain.copies import Copy, CopyStatus
from cloudpilot.domain.objects import VaultObject
from cloudpilot.domain.runs import Run
from cloudpilot.engine import detached
from cloudpilot.engine.ssh import Session
from cloudpilot.errors import ObjectMissing, UploadStillOpen
from cloudpilot.jobs import emptying, lifecycle, opening, signing, stored
from cloudpilot.jobs.on_server import connected
from cloudpilot.kinds import Place
from cloudpilot.reports import Report

PATIENCE = timedelta(minutes=10)  # for a server to hear that its upload is to end


def perform(run: Run) -> None:
    """Remove the copies there; whatever comes between, it is tried again until they are gone."""
    if run.vault_id:
        _from_vault(run)
    else:
        _from_server(run)


def _from_server(run: Run) -> None:
    if run.options.get("uploaded") and not _is_wanted_by_a_person(run):
        _from_server_once_uploaded(run)
        return
    leaving = _leaving(run, Place.SERVER)
    if leaving:
        with connected(run.at) as ssh:
            lifecycle.begin(run)
            _remove(ssh, run, leaving)
    else:
        lifecycle.begin(run)
    _gone(run)


def _from_server_once_uploaded(run: Run) -> None:
    """The vault is asked on every try, once the server is there: what it said days ago, before a
    server was away, proves nothing, and this may be the only copy by now."""
    with connected(run.at) as ssh:
        if _is_uploaded(run):
            lifecycle.begin(run)
            _remove(ssh, run, _leaving(run, Place.SERVER))
            _gone(run)


def _remove(ssh: Session, run: Run, leaving: Sequence[Copy]) -> None:
    for copy in leaving:
        was_stored = copy.sha256 is not None
        detached.remove(ssh, copy.root or "", str(run.backup_id), stored=was_stored)


def _gone(run: Run) -> None:
    lifecycle.complete(run, Report(stage="delete", log="Gone from the server.", over=True))


def _is_wanted_by_a_person(run: Run) -> bool:
    """Whether somebody has all of the backup deleted meanwhile."""
    with reading() as session:
        backup = backups.find(session, run.backup_id) if run.backup_id else None
    return backup is not None and backup.delete_requested_at is not None


def _is_uploaded(run: Run) -> bool:
    """Before the other copy goes the vault is asked once more; if it has none, nothing goes.

    Raises ObjectMissing, to be tried again, if an earlier try may have removed some of it.
    """
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
        if backup and not kept:
            outcomes.let_local_go(session, backups.find(session, backup.id))
    if kept and _leaving(run, Place.SERVER):
        raise ObjectMissing("The vault does not have it any more: what the server has is kept.")
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
        emptying.sweep(vault, _folder(copy))
    log = "\n".join(said) or "Nothing of it was in the vault."
    lifecycle.complete(run, Report(stage="delete", log=log, over=True))


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


def _folder(copy: Copy) -> str:
    with reading() as session:
        return signing.folder_of(backups.find(session, copy.backup_id))

"""Uploading a backup: what the server is told, and what it says that it has sent."""

from collections.abc import Mapping
from dataclasses import replace

from sqlalchemy.orm import Session as OrmSession

from cloudpilot.db import reading, transaction
from cloudpilot.domain import backups, uploads
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.objects import ARCHIVE, NAMES
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Server
from cloudpilot.domain.vaults import Vault as VaultRow
from cloudpilot.engine import detached, uploading
from cloudpilot.engine.detached import Place
from cloudpilot.engine.packed import Packed
from cloudpilot.engine.script import merged
from cloudpilot.engine.ssh import Session
from cloudpilot.engine.uploading import Item, Sending, Sent
from cloudpilot.errors import ChecksumMismatch, CloudPilotError, CommandFailed, SshUnreachable
from cloudpilot.jobs import lifecycle, make, opening, signing
from cloudpilot.jobs.payload import Payload
from cloudpilot.kinds import RunKind
from cloudpilot.reports import Report

PARALLEL = 4  # parts at once: more makes no fast link faster, and costs the server memory
LOOKS_MISSED = 5  # the slowest ones, that may pass before a server is without signed requests

roots, place = make.roots, make.place


def payload(run: Run) -> Payload:
    """The script, and signed requests for the first parts of everything that is sent."""
    vault = opening.vault(uploads.vault_of(run))
    begun = signing.begun(run, vault)
    with reading() as session:
        backup = backups.find(session, uploads.copy_of(session, run).backup_id)
        making = backups.latest_run(session, backup, RunKind.MAKE)
        row = session.get_one(VaultRow, run.vault_id)
        packed = _packed(session, backup)
    following, whole = _followed(run, backup, making), not packed and backup.sha256 is not None
    sending = Sending(
        upload_id=str(run.options["attempt"]),
        items=tuple(
            Item(name, signing.sent_from(backup, run, name), begun[name].plan.tiers)
            for name in NAMES
        ),
        following=following,
        size=backup.size if whole else None,
        sha256=backup.sha256 if whole else None,
        parallel=min(PARALLEL, vault.abilities.parallel),
        whole_md5=vault.abilities.needs_whole_md5,
        in_clear=row.in_clear,
        rate=backup.rate,
        streamed=backup.streamed or backup.is_tree,
        margin=round(LOOKS_MISSED * lifecycle.settings().look_seconds_at_most),
        tree=packed,
    )
    signed = signing.requests(vault, run, [(name, 1) for name in NAMES])
    secrets = uploading.secrets(signed, seconds=signing.SIGNED_SECONDS)
    return Payload(uploading.files(sending), secrets)


def _followed(run: Run, backup: Backup, making: Run | None) -> str | None:
    """The run that makes the archive, if it is not whole by now: of a tree, the upload itself."""
    if backup.is_tree:
        return str(run.id)
    return None if backup.sha256 or making is None else str(making.id)


def _packed(session: OrmSession, backup: Backup) -> Packed | None:
    """The tree that an archive is made of; what lies inside another of its paths is in that."""
    copy = backup.server_copy
    if not backup.is_tree or copy is None:
        return None
    return Packed(
        name=copy.name,
        size=backup.size or 0,
        sha256=backup.sha256 or "",
        paths=merged(backup.paths),
        backup_root=copy.root or "",
        compression=backup.compression,
        privilege=session.get_one(Server, backup.server_id).privilege,
        plan=backup.plan(),
    )


def undo(ssh: Session, where: Place) -> None:
    """What has been begun at the vault is taken back by another run."""
    detached.stop(ssh, where)


def heard(ssh: Session, run: Run, where: Place, report: Report) -> Report:
    """Requests for what it wants; its receipts, when it has ended well."""
    if not report.over and report.wants:
        vault = opening.vault(uploads.vault_of(run))
        signed = signing.requests(vault, run, report.wants, rate=run.rate)
        uploading.feed(ssh, where, signed, seconds=signing.SIGNED_SECONDS)
    if report.over and not report.error:
        try:
            _keep(run, uploading.sent(ssh, where, str(run.options["attempt"])))
        except SshUnreachable:
            raise
        except CloudPilotError as error:
            return replace(report, error=error)
    return report


def _keep(run: Run, sent: Mapping[str, Sent]) -> None:
    """Write its receipts down: from here on the vault can be asked without the server."""
    if set(sent) != set(NAMES):
        raise CommandFailed("The server has not sent all that belongs to a backup.")
    with transaction() as session:
        backup = backups.find(session, uploads.copy_of(session, run).backup_id)
        _compare(backup, sent[ARCHIVE])
        for row in uploads.objects_of(session, run):
            receipts = sent[row.name]
            row.size, row.md5 = receipts.size, receipts.md5
            row.sha256 = receipts.sha256
            row.parts = [list(part) for part in receipts.parts]


def _compare(backup: Backup, archive: Sent) -> None:
    """If the archive is known by now, what was sent has to be it; else that is asked later."""
    if backup.is_tree:
        return  # its server has compared it with what it made of the tree, and that with the tree
    if backup.sha256 and (archive.sha256, archive.size) != (backup.sha256, backup.size):
        raise ChecksumMismatch("What the server has sent is not the archive.")

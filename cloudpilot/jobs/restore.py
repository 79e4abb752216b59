"""Restoring: what the server is told, and the signed requests by which it reads from a vault."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.orm import Session as OrmSession

from cloudpilot.db import reading
from cloudpilot.domain import restore_sources, restores, uploads
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import Copy
from cloudpilot.domain.objects import ARCHIVE, VaultObject
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Server
from cloudpilot.domain.vaults import Vault as VaultRow
from cloudpilot.engine import detached, requests, restored_databases, restoring, uploading
from cloudpilot.engine.detached import Place
from cloudpilot.engine.requests import Request
from cloudpilot.engine.restored_databases import Target
from cloudpilot.engine.restoring import Archive, Restoration, Tree
from cloudpilot.engine.ssh import Session
from cloudpilot.errors import InvalidState
from cloudpilot.jobs import opening, restored, signing, stored
from cloudpilot.jobs.payload import Payload
from cloudpilot.kinds import Privilege
from cloudpilot.reports import Report
from cloudpilot.secrets import Secret
from cloudpilot.vaults.base import Vault


def roots(session: OrmSession, work: Sequence[Run]) -> Mapping[UUID, str]:
    """By run: in which directory of its server its restore is."""
    found = restores.roots(session, {run.restore_id for run in work if run.restore_id})
    return {run.id: found[run.restore_id] for run in work if run.restore_id in found}


def place(run: Run, root: str) -> Place:
    """The folder that all runs of a restore share."""
    return Place(root, str(run.restore_id), str(run.id))


def payload(run: Run) -> Payload:
    """The script, and a signed request for each archive that lies in a vault."""
    what = _what(run)
    signed = _secrets(run, range(1, len(what.archives) + 1))
    return Payload(restoring.restore(what), {**what.secrets(), **signed})


def undo(ssh: Session, where: Place) -> None:
    """It was ended while it was being sent; what it may have begun is put back by another run."""
    detached.stop(ssh, where)


def heard(ssh: Session, run: Run, where: Place, report: Report) -> Report:
    """Requests for what it wants, when those that it had are too old."""
    if not report.over and report.wants and run.vault_id:
        signed = _signed(run, [number for _, number in report.wants])
        uploading.feed(ssh, where, signed, seconds=signing.SIGNED_SECONDS)
    return report


def _what(run: Run) -> Restoration:
    """As the rows say."""
    with reading() as session:
        restore = restores.of_run(session, run)
        read = restore_sources.archives(session, restore)
        server = session.get_one(Server, restore.server_id)
        vault = session.get(VaultRow, restore.vault_id) if restore.vault_id else None
        backup = read[-1][0]
        return Restoration(
            restore_id=str(restore.id),
            privilege=server.privilege,
            archives=tuple(_archive(one, copy) for one, copy in read if not _is_tree(one, copy)),
            tree=_tree(*read[-1]) if _is_tree(*read[-1]) else None,
            paths=tuple(restore.paths),
            tops=tuple(backup.paths),
            needed=restore_sources.needed(session, backup),
            needed_files=restore_sources.names(session, backup),
            is_part=restore_sources.is_part(backup, restore.paths),
            into=restore.into,
            excludes=tuple(backup.excludes),
            exact=restore.exact,
            foreign=restore_sources.is_foreign(session, backup, server),
            in_clear=vault is not None and vault.in_clear,
            databases=restored.targets(session, restore),
        )


def _is_tree(backup: Backup, copy: Copy) -> bool:
    """Whether what lies there is a snapshot tree; in a vault it is an archive."""
    return backup.is_tree and copy.vault_id is None


def _tree(backup: Backup, copy: Copy) -> Tree:
    return Tree(copy.path, tuple(backup.paths), backup.sha256 or "")


def _archive(backup: Backup, copy: Copy) -> Archive:
    if copy.size is None or copy.sha256 is None:
        raise InvalidState("A part of this backup has no size or no SHA-256.")
    path = "" if copy.vault_id else copy.path
    return Archive(signing.file_of(backup, ARCHIVE), copy.size, copy.sha256, path)


def _secrets(run: Run, numbers: Sequence[int]) -> Mapping[str, Secret]:
    if not run.vault_id:
        return {}
    return requests.secrets(_signed(run, numbers), seconds=signing.SIGNED_SECONDS)


def _signed(run: Run, numbers: Sequence[int]) -> Mapping[str, Sequence[Request]]:
    """For the archives of these numbers, counted from 1: each by GET, from any byte on."""
    with reading() as session:
        read = restore_sources.archives(session, restores.of_run(session, run))
    vault = opening.vault(uploads.vault_of(run))
    objects = {number: stored.archive_of(copy) for number, (_, copy) in enumerate(read, 1)}
    wanted = [number for number in numbers if number in objects]
    return {ARCHIVE: [_request(vault, number, objects[number]) for number in wanted]}


def _request(vault: Vault, number: int, archive: VaultObject) -> Request:
    seconds, version = signing.SIGNED_SECONDS, archive.version
    address = vault.sign_read(archive.key, seconds=seconds, filename="archive", version=version)
    return Request(number, address, (), method="GET")


@dataclass(frozen=True, slots=True)
class AfterIt:
    """What is done once a restore has ended: by one script, which needs no more than its place."""

    script: Callable[[str, Privilege, Sequence[Target]], dict[str, bytes]]

    def roots(self, session: OrmSession, work: Sequence[Run]) -> Mapping[UUID, str]:
        """As above."""
        return roots(session, work)

    def place(self, run: Run, root: str) -> Place:
        """As above."""
        return place(run, root)

    def payload(self, run: Run) -> Payload:
        """The script, and the logins of the databases that it is about."""
        with reading() as session:
            restore = restores.of_run(session, run)
            server = session.get_one(Server, restore.server_id)
            where = restored.targets(session, restore)
        files = self.script(str(restore.id), server.privilege, where)
        return Payload(files, restored_databases.secrets(where))

    def undo(self, ssh: Session, where: Place) -> None:
        """It may be done in part, and is done again."""
        detached.stop(ssh, where)

    def heard(self, ssh: Session, run: Run, where: Place, report: Report) -> Report:
        """All that it has to say is in the report."""
        return report


UNDO = AfterIt(restoring.undo)
FORGET = AfterIt(restoring.forget)

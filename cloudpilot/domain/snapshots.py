"""Snapshots: backups of whole servers that their cloud makes and keeps."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloudpilot import clock
from cloudpilot.domain import backups, outcomes, runs, tries
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.clouds import Cloud
from cloudpilot.domain.copies import Copy, CopyStatus
from cloudpilot.domain.people import Person
from cloudpilot.domain.runs import Run
from cloudpilot.domain.status import Status
from cloudpilot.errors import CloudPilotError, InvalidState, NotCompleted
from cloudpilot.kinds import Place, RunKind

NAME_LENGTH = 60


@dataclass(frozen=True, slots=True)
class Found:
    """What a provider has said of a whole snapshot.

    parts  id, disk and size (bytes) of each
    price  a sentence, or nothing
    steps  how a person restores it there: sentence and command of each
    """

    size: int | None
    parts: list[dict[str, Any]]
    price: str = ""
    steps: Sequence[Mapping[str, str]] = ()


def copy_of(backup: Backup) -> Copy:
    """Where it lies; raises InvalidState for a backup that is no snapshot."""
    for copy in backup.copies:
        if copy.place is Place.CLOUD:
            return copy
    raise InvalidState("This backup is no snapshot.")


def cloud_of(backup: Backup) -> UUID:
    """The cloud that keeps it."""
    cloud_id = copy_of(backup).cloud_id
    if cloud_id is None:
        raise InvalidState("This snapshot is of no cloud.")
    return cloud_id


def of_run(session: Session, run: Run) -> tuple[Backup, Copy]:
    """What a run works on."""
    if run.backup_id is None:
        raise InvalidState("This run is of no backup.")
    backup = backups.find(session, run.backup_id)
    return backup, copy_of(backup)


def is_ordered(session: Session, run: Run, ref: str) -> bool:
    """It is about to be ordered; False if nobody wants it any more. `ref` finds what may come of
    the order, even if its answer gets lost."""
    if not runs.mark_sent(session, run):
        return False
    row = runs.find(session, run.id)
    row.options = row.options | {"ordered": ref}
    return True


def ordered(session: Session, backup: Backup) -> str:
    """The ref of its last order; nothing if there was none."""
    run = backups.latest_run(session, backup, RunKind.SNAPSHOT)
    return str(run.options.get("ordered", "")) if run else ""


def is_begun(session: Session, run: Run, ref: str) -> None:
    """The provider has taken the order; by `ref` it is found again."""
    _, copy = of_run(session, run)
    copy.name = ref


def describe(session: Session, run: Run, found: Found) -> None:
    """Keep what there is to know of a whole one."""
    backup, copy = of_run(session, run)
    backup.size = copy.size = found.size
    backup.counts = {"disks": len(found.parts)}
    copy.parts = found.parts
    backup.tools = {"price": found.price, "steps": list(found.steps)}


def ended(session: Session, run: Run, error: CloudPilotError | None, *, leave: bool) -> list[Run]:
    """The run that makes it is over; the runs that follow."""
    backup, copy = of_run(session, run)
    if backup.status.is_final:
        return []
    if error and leave:
        outcomes.lost(session, backup, error)
        return []
    if error:
        return outcomes.failed(session, backup, error, sent=run.sent_at is not None)
    now = clock.now()
    backup.move(session, Status.COMPLETED, finished_at=now)
    copy.move(session, CopyStatus.STORED, verified_by="provider", verified_at=now)
    tries.made(session, backup)
    return []


def known(session: Session, cloud: Cloud) -> dict[UUID, Copy]:
    """All copies there that are not gone, by the backup's id, which is what snapshots are tagged
    with."""
    rows = select(Copy).where(
        Copy.cloud_id == cloud.id, Copy.place == Place.CLOUD, Copy.status != CopyStatus.GONE
    )
    return {copy.backup_id: copy for copy in session.scalars(rows)}


def unlisted(known: Mapping[UUID, Copy], listed: Mapping[str, Set[str]]) -> list[Copy]:
    """Those that should be there and that the provider does not list with all of their parts: to be
    looked for one by one, since a list may lag behind; those first that count as stored.

    listed  by tag, the ids of parts
    """
    found = [
        copy
        for backup_id, copy in known.items()
        if copy.status in (CopyStatus.STORED, CopyStatus.MISSING)
        and not parts_of(copy) <= listed.get(str(backup_id), set())
    ]
    return sorted(found, key=lambda copy: copy.status is CopyStatus.MISSING)


def parts_of(copy: Copy) -> set[str]:
    """The ids of its parts; something that nobody has, if they are not known."""
    return {str(part["id"]) for part in copy.parts or ()} or {""}


def create(session: Session, backup: Backup, part: str, name: str, by: Person) -> Run:
    """A run that has a disk or machine made of one part, beside what there is. Raises NotCompleted,
    InvalidState, BackupInProgress."""
    copy = copy_of(backup)
    if backup.status is not Status.COMPLETED or copy.status is not CopyStatus.STORED:
        raise NotCompleted("Only a snapshot that is whole can be made something of.")
    if part not in {one["id"] for one in copy.parts or ()}:
        raise InvalidState("The snapshot has no such part.")
    return runs.add(
        session,
        Run(
            kind=RunKind.CREATE,
            claim=f"create:{backup.id}:{part}"[:200],
            server_id=backup.server_id,
            cloud_id=copy.cloud_id,
            backup_id=backup.id,
            requested_by=by.id,
            subject=backup.subject,
            options={"part": part, "name": name.strip()[:NAME_LENGTH]},
        ),
    )


def created(session: Session, backup: Backup) -> list[Run]:
    """The runs that have made something of it, the newest first."""
    rows = select(Run).where(Run.backup_id == backup.id, Run.kind == RunKind.CREATE)
    return list(session.scalars(rows.order_by(Run.created_at.desc(), Run.id)))

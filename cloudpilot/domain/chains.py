"""Chains of increments: what the next backup continues, and what belongs together.

A backup is continued only if it and all that it continues are proven to be where the next one is to
go: in the same vault, or else on the same server. docs/increments.md
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloudpilot import clock
from cloudpilot.domain.archives import Made
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import CopyStatus
from cloudpilot.domain.schedules import Schedule
from cloudpilot.domain.status import Status
from cloudpilot.errors import CommandFailed, InvalidState

TRIED = 5  # of the newest backups: one that is not proven is passed over

WHY_FULL = {
    "state_missing": "what the server keeps of the backup before was not there",
    "state_damaged": "what the server keeps of the backup before could not be used",
    "clock_back": "the server's clock has been set back",
    "path_is_no_folder": "one of its paths is no folder",
}


def is_wanted(session: Session, backup: Backup) -> bool:
    """Whether its schedule makes increments."""
    schedule = session.get(Schedule, backup.schedule_id) if backup.schedule_id else None
    wanted = schedule is not None and schedule.incremental
    return wanted and backup.type.has_files and not backup.is_tree


def join(session: Session, backup: Backup) -> Backup | None:
    """Give a backup that is about to be made its place; returns what it continues, None: nothing.

    From now on what it continues is not deleted. Asked again, it has the place that it was given.
    Only of a backup of which `is_wanted` holds.
    """
    if backup.chain_id:
        return session.get(Backup, backup.base_id) if backup.base_id else None
    base = _base_of(session, backup)
    backup.base_id = base.id if base else None
    backup.chain_id = base.chain_id if base else backup.id
    backup.level = base.level + 1 if base else 0
    return base


def made(backup: Backup, result: Made) -> None:
    """What became of it on the server, which may have had to make a full one.

    Raises CommandFailed if it says that it continues what it was not told to.
    """
    if backup.chain_id is None:
        return
    if result.level == 0:
        leave(backup)
        backup.chain_id = backup.id
    elif (result.level, result.base) != (backup.level, str(backup.base_id)):
        raise CommandFailed("The server's result continues another backup than it was told.")
    backup.state_sha256 = result.state or None


def leave(backup: Backup) -> None:
    """It continues nothing: it has failed, or is full."""
    backup.chain_id, backup.base_id, backup.level = None, None, 0


def members(session: Session, backup: Backup) -> list[Backup]:
    """The backups of its chain that were not deleted, from the full one on."""
    if backup.chain_id is None:
        return []
    rows = select(Backup).where(Backup.chain_id == backup.chain_id, Backup.deleted_at.is_(None))
    return list(session.scalars(rows.order_by(Backup.level, Backup.created_at, Backup.id)))


def needed(session: Session, backup: Backup) -> list[Backup]:
    """What has to be restored before it, from the full one on, and itself."""
    by_id = {one.id: one for one in members(session, backup)}
    found, at = [backup], backup
    while at.base_id and at.base_id in by_id:
        at = by_id[at.base_id]
        found.append(at)
    return found[::-1]


def depending(session: Session, backup: Backup) -> list[Backup]:
    """The backups that cannot be restored without it, the last ones first."""
    found: dict[UUID, Backup] = {}
    for one in members(session, backup):
        if one.base_id == backup.id or one.base_id in found:
            found[one.id] = one
    return list(found.values())[::-1]


def refuse_while_made(found: Sequence[Backup]) -> None:
    """Raises InvalidState if one that depends on what is to be deleted is being made."""
    if any(not one.status.is_final for one in found):
        raise InvalidState("An increment that continues this backup is being made: stop it first.")


def _base_of(session: Session, backup: Backup) -> Backup | None:
    schedule = session.get_one(Schedule, backup.schedule_id)
    rows = select(Backup).where(
        Backup.schedule_id == schedule.id,
        Backup.status == Status.COMPLETED,
        Backup.id != backup.id,
        Backup.deleted_at.is_(None),
        Backup.delete_requested_at.is_(None),
    )
    newest = session.scalars(rows.order_by(Backup.created_at.desc(), Backup.id).limit(TRIED))
    base = next((one for one in newest if _can_be_continued(session, one, backup)), None)
    return base if base and not _is_long_enough(session, schedule, base) else None


def _can_be_continued(session: Session, base: Backup, backup: Backup) -> bool:
    """Whether it left a state, is of the same, and all that it builds on is proven."""
    same = all(getattr(base, name) == getattr(backup, name) for name in _SAME)
    line = needed(session, base)
    whole = len(line) == base.level + 1 and line[0].level == 0
    proven = all(_is_proven(one, backup) for one in line)
    return base.state_sha256 is not None and same and whole and proven


def _is_long_enough(session: Session, schedule: Schedule, base: Backup) -> bool:
    """Whether it is time for a full one."""
    if base.level + 1 >= schedule.full_every:
        return True
    age = clock.now() - needed(session, base)[0].created_at
    return schedule.full_days is not None and age >= timedelta(schedule.full_days)


_SAME = ("server_id", "type", "paths", "excludes", "vault_id")


def _is_proven(one: Backup, following: Backup) -> bool:
    """In the vault that the next one goes to; without one, where the next one will lie."""
    stored = [copy for copy in one.copies if copy.status is CopyStatus.STORED]
    if following.vault_id:
        return any(copy.vault_id == following.vault_id for copy in stored)
    there: Any = following.server_copy
    return any(copy.vault_id is None and copy.root == there.root for copy in stored)

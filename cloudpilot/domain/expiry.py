"""Expiry: which backups have had their time, and why the others stay though their days are over.

retention decides; this reads the rows and does what was decided. What goes is deleted everywhere,
by recorded names only, and tried until it is proven gone.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloudpilot import clock
from cloudpilot.domain import audit, chains, outcomes, reach, restore_sources, retention, subjects
from cloudpilot.domain.audit import Action
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.clouds import Cloud
from cloudpilot.domain.copies import CopyStatus
from cloudpilot.domain.retention import Rules, Verdict
from cloudpilot.domain.runs import Run
from cloudpilot.domain.schedules import Schedule
from cloudpilot.domain.subjects import Subject
from cloudpilot.domain.vaults import Vault

AGAIN = timedelta(days=1)  # what is kept beyond its days is looked at again
AFTER_A_RESTORE = timedelta(hours=1)
CONTINUED = "Kept: a backup that was found in a vault continues it."
OUT_OF_REACH = "Kept: CloudPilot was removed from its server and cannot delete it there."


@dataclass(frozen=True, slots=True)
class Judged:
    """A backup and what was decided of it."""

    backup: Backup
    verdict: Verdict


def judged(session: Session, subject: Subject, now: datetime) -> list[Judged]:
    """All backups of the subject, the newest first, and what is true of them at that time."""
    by_id = {backup.id: backup for backup in subjects.backups(session, subject)}
    asked_by = {backup.schedule_id for backup in by_id.values() if backup.schedule_id}
    planned = session.scalars(
        select(Schedule).where(Schedule.id.in_(asked_by), Schedule.removed_at.is_(None))
    )
    rules: dict[UUID | None, Rules] = {schedule.id: schedule.rules for schedule in planned}
    vaults = session.execute(select(Vault.id, Vault.name))
    called = {str(vault_id): f"in {name}" for vault_id, name in vaults}
    keeping = session.execute(select(Cloud.id, Cloud.name))
    called |= {str(cloud_id): f"at {name}" for cloud_id, name in keeping}
    items = [subjects.item_of(backup) for backup in by_id.values()]
    verdicts = retention.decide(items, rules, now, called)
    return [Judged(by_id[verdict.id], verdict) for verdict in verdicts]


def expire(session: Session, subject: Subject) -> list[Run]:
    """Have deleted what may go, and write down why the rest stays; the runs that delete."""
    now, following = clock.now(), list[Run]()
    for one in judged(session, subject, now):
        backup, verdict = one.backup, one.verdict
        if verdict.keep:
            is_over = backup.expires_at <= now
            backup.kept_because = verdict.detail if is_over else ""
            backup.judge_at = now + AGAIN if is_over else backup.expires_at
        else:
            following += _go(session, backup, now)
    return following


def _go(session: Session, backup: Backup, now: datetime) -> list[Run]:
    """It goes from every place that we reach."""
    reach.let_forgotten_go(session, backup)
    lies = [copy for copy in backup.copies if copy.status is not CopyStatus.GONE]
    within_reach = reach.copies(session, backup)
    if lies and not any(copy in within_reach for copy in lies):
        backup.kept_because, backup.judge_at = OUT_OF_REACH, now + AGAIN
        return []
    if any(one.adopted_at for one in chains.depending(session, backup)):
        backup.kept_because, backup.judge_at = CONTINUED, now + AGAIN
        return []
    if restore_sources.uses(session, backup):
        backup.kept_because, backup.judge_at = "Kept: a restore reads it.", now + AFTER_A_RESTORE
        return []
    backup.delete_requested_at, backup.judge_at = now, None
    following = outcomes.remove(session, backup, by=None)
    if not lies:
        backup.deleted_at = now  # it has left nothing: an attempt that failed
    audit.record(session, audit.PANEL, Action.BACKUP_EXPIRED, backup, name=backup.subject)
    return following

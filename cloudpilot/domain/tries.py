"""What the end of a backup means for the slot and the schedule that it was made for."""

from datetime import timedelta

from sqlalchemy.orm import Session

from cloudpilot import clock
from cloudpilot.domain import goodness, schedules
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.schedules import Schedule
from cloudpilot.domain.slots import Slot, SlotStatus
from cloudpilot.errors import (
    CloudPilotError,
    CloudThrottled,
    CloudUnreachable,
    DbConnectionLost,
    DbLockTimeout,
    DbUnreachable,
    RunKilled,
    RunLost,
    SnapshotFailed,
    SshUnreachable,
    UploadFailed,
    UploadIncomplete,
    VaultUnreachable,
)

FIRST_PAUSE = timedelta(minutes=5)  # three times as long after each further try
# What may have passed when the backup is made again: a reboot, a network, a lock.
PASSING = (
    SshUnreachable,
    RunLost,
    RunKilled,
    DbUnreachable,
    DbConnectionLost,
    DbLockTimeout,
    VaultUnreachable,
    UploadFailed,
    UploadIncomplete,
    CloudUnreachable,
    CloudThrottled,
    SnapshotFailed,
)


def pause(attempts: int) -> timedelta:
    """How long after so many attempts the next one begins.

    >>> [pause(attempts).seconds // 60 for attempts in (1, 2, 3)]
    [5, 15, 45]
    """
    return FIRST_PAUSE * int(3 ** (attempts - 1))


def made(session: Session, backup: Backup) -> None:
    """It is completed: so is its slot."""
    slot = _slot(session, backup)
    if slot:
        slot.status, slot.why, slot.error_code = SlotStatus.COMPLETED, "", None
    if backup.vault_id is None:
        is_good(session, backup)


def is_good(session: Session, backup: Backup) -> None:
    """It is completed and, if it was to go to a vault, there; one with serious warnings is not
    what its schedule waits for."""
    slot = _slot(session, backup)
    schedule = session.get(Schedule, backup.schedule_id) if backup.schedule_id else None
    if slot and schedule and not goodness.is_serious(backup):
        schedules.is_good(session, schedule, slot.due_at)


def failed(session: Session, backup: Backup, error: CloudPilotError) -> None:
    """It has failed: its slot is tried again if that may help, and else has failed, too."""
    slot = _slot(session, backup)
    if slot is None or slot.status is not SlotStatus.STARTED:
        return
    slot.error_code = error.code
    schedule = session.get_one(Schedule, slot.schedule_id)
    goes_on = schedule.next_run_at is not None or (slot.by_hand and not schedule.removed_at)
    if goes_on and isinstance(error, PASSING) and slot.attempts <= schedule.retries:
        slot.status, slot.try_at = SlotStatus.WAITING, clock.now() + pause(slot.attempts)
        slot.why = f"Try {slot.attempts} failed, which may pass by itself: another one follows."
    else:
        slot.status, slot.why = SlotStatus.FAILED, str(error)


def _slot(session: Session, backup: Backup) -> Slot | None:
    return session.get(Slot, backup.slot_id) if backup.slot_id else None

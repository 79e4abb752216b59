"""One tick: milliseconds, harmless to repeat, and at home in any process.

It starts nothing itself. It rings for rows whose time has come: whatever was lost between the
database and the queue (a killed worker, an emptied Redis) is rung for again here. The rows that it
makes are those that a time calls for: of schedules, of daily Checks, of removals that were planned,
of what expires.
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from datetime import timedelta
from functools import partial

from sqlalchemy.orm import Session

from cloudpilot.db import reading, transaction
from cloudpilot.domain import (
    backups,
    cloud_checks,
    copies,
    daily,
    expiry,
    leases,
    listings,
    outcomes,
    panel_exports,
    rest,
    restore_kept,
    restores,
    schedules,
    slots,
    starting,
    subjects,
    vault_checks,
    vaults,
)
from cloudpilot.domain.status import LostRace, Status
from cloudpilot.errors import BackupInProgress
from cloudpilot.jobs import lifecycle, pulse, queue
from cloudpilot.jobs.pulse import Part
from cloudpilot.jobs.runs import DIRECT
from cloudpilot.jobs.work import KINDS
from cloudpilot.kinds import RunKind

STARTS_A_TICK = 500  # of each queue
CHECKS_A_TICK = 20
REMOVALS_A_TICK = 20
EXPIRED_A_TICK = 20  # sites whose backups are judged
BATCH = 500  # rows of one transaction
SECONDS_A_TICK = 2.0  # looks wait meanwhile; what is left is there in a second


def tick() -> None:
    """Ring for every run that is due: to be started, taken up again, or looked at."""
    with reading() as session:
        is_at_rest, may_expire = rest.is_at_rest(session), rest.may_expire(session)
    if not is_at_rest:
        ask_for_backups()
        ask_for_checks()
        ask_for_exports()
    if may_expire:
        ask_for_removals()
        ask_for_expiry()
        ask_to_forget()
    drop_listings()
    with reading() as session:
        waiting = leases.to_start(session, STARTS_A_TICK, Status.PENDING, kinds=list(RunKind))
        left = leases.to_start(session, STARTS_A_TICK, Status.RUNNING, kinds=list(DIRECT))
        looks = leases.due(session, 1, Status.RUNNING, kinds=list(KINDS))
    if waiting or left:
        queue.ring_again(*waiting, *left)
    if looks:
        queue.ring_looks()
    pulse.note(queue.redis(), Part.TICK)


def ask_for_backups() -> None:
    """Have those backups made whose schedules are due, and say which schedules are late."""
    with reading() as session:
        if not starting.is_anything_due(session):
            return  # a look costs less than the right to write
    until = time.monotonic() + SECONDS_A_TICK
    _in_batches(slots.make_due, until)
    most = lifecycle.settings().backups_at_once
    _in_batches(partial(starting.start_due, most=most), until)
    _in_batches(schedules.say_late, until)


def _in_batches(step: Callable[[Session, int], int], until: float) -> None:
    """Do it until there is no more to do, or time is up. Another clock may be at it: what it does
    stands."""
    with suppress(LostRace):
        found = BATCH
        while found == BATCH:
            with transaction() as session:
                found = step(session, BATCH)
            if time.monotonic() > until:
                break


def ask_for_removals() -> None:
    """Have those copies on servers removed that were to stay for some days after their upload."""
    with reading() as session:
        due = copies.due_to_go(session, REMOVALS_A_TICK)
    for backup_id in due:
        with _unless_another_clock_does(), transaction() as session:
            for run in outcomes.remove_uploaded(session, backups.find(session, backup_id)):
                queue.ring(session, run)


def _unless_another_clock_does() -> AbstractContextManager[None]:
    """For one row: another clock that has begun the same keeps nobody from the next."""
    return suppress(BackupInProgress, LostRace)


def ask_for_expiry() -> None:
    """Have those backups deleted that have had their time."""
    with reading() as session:
        due = subjects.due(session, EXPIRED_A_TICK)
    for subject in due:
        with _unless_another_clock_does(), transaction() as session:
            for run in expiry.expire(session, subject):
                queue.ring(session, run)


def ask_to_forget() -> None:
    """Have what was there before a restore removed when it has been kept for long enough."""
    with reading() as session:
        due = restore_kept.due_to_forget(session)
        has_old_logins = restore_kept.has_old_logins(session)
    if has_old_logins:
        with transaction() as session:
            restore_kept.drop_logins(session)
    for restore_id in due:
        with _unless_another_clock_does(), transaction() as session:
            run = restore_kept.forget(session, restores.find(session, restore_id), None)
            queue.ring(session, run)


def drop_listings() -> None:
    """What nobody looks at any more of what archives hold."""
    with reading() as session:
        if not listings.is_anything_old(session):
            return
    with transaction() as session:
        listings.dropped(session)


def ask_for_exports() -> None:
    """Have the panel itself exported into each vault, once a day."""
    with reading() as session:
        due = panel_exports.due(session)
    for vault_id in due:
        with _unless_another_clock_does(), transaction() as session:
            queue.ring(session, panel_exports.ask(session, vaults.find(session, vault_id)))


def ask_for_checks() -> None:
    """Have those servers, vaults and clouds checked whose daily Check is due."""
    _ask_for_checks_of_vaults()
    _ask_for_checks_of_clouds()
    every = timedelta(hours=lifecycle.settings().check_hours)
    with reading() as session:
        due = daily.due(session, CHECKS_A_TICK)
    for server_id in due:
        with transaction() as session:
            run = daily.claim(session, server_id, every)
            if run:
                queue.ring(session, run)


def _ask_for_checks_of_vaults() -> None:
    with reading() as session:
        due = vault_checks.due(session, CHECKS_A_TICK)
    for vault_id in due:
        with transaction() as session:
            run = vault_checks.claim(session, vault_id)
            if run:
                queue.ring(session, run)


def _ask_for_checks_of_clouds() -> None:
    with reading() as session:
        due = cloud_checks.due(session, CHECKS_A_TICK)
    for cloud_id in due:
        with transaction() as session:
            run = cloud_checks.claim(session, cloud_id)
            if run:
                queue.ring(session, run)

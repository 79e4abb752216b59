"""One tick: milliseconds, harmless to repeat, and at home in any process.

It starts nothing itself. It rings for rows whose time has come: whatever was lost between the
database and the queue (a killed worker, an emptied Redis) is rung for again here. The only rows
that it makes are those of the daily Checks, and of removals that were planned.
"""

from datetime import timedelta

from cloudpilot.db import reading, transaction
from cloudpilot.domain import backups, daily, outcomes, runs, vault_checks
from cloudpilot.domain.status import Status
from cloudpilot.jobs import lifecycle, queue
from cloudpilot.jobs.runs import DIRECT
from cloudpilot.jobs.work import KINDS
from cloudpilot.kinds import RunKind

STARTS_A_TICK = 500
CHECKS_A_TICK = 20
REMOVALS_A_TICK = 20


def tick() -> None:
    """Ring for every run that is due: to be started, taken up again, or looked at."""
    ask_for_checks()
    ask_for_removals()
    with reading() as session:
        waiting = runs.due(session, STARTS_A_TICK, Status.PENDING, kinds=list(RunKind))
        left = runs.due(session, STARTS_A_TICK, Status.RUNNING, kinds=list(DIRECT))
        looks = runs.due(session, 1, Status.RUNNING, kinds=list(KINDS))
    for run_id in (*waiting, *left):
        queue.ring_again(run_id)
    if looks:
        queue.ring_looks()


def ask_for_removals() -> None:
    """Have those copies on servers removed that were to stay for some days after their upload."""
    with reading() as session:
        due = outcomes.due_to_go(session, REMOVALS_A_TICK)
    for backup_id in due:
        with transaction() as session:
            for run in outcomes.remove_uploaded(session, backups.find(session, backup_id)):
                queue.ring(session, run)


def ask_for_checks() -> None:
    """Have those servers and vaults checked whose daily Check is due."""
    _ask_for_checks_of_vaults()
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

"""The checks of clouds: what the last one found, and when the next one is due."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from cloudpilot import clock
from cloudpilot.domain import checked, clouds, runs, vault_checks
from cloudpilot.domain.changes import Lines
from cloudpilot.domain.checked import Trouble
from cloudpilot.domain.clouds import Cloud
from cloudpilot.domain.daily import slot
from cloudpilot.domain.people import Person
from cloudpilot.domain.runs import Run
from cloudpilot.errors import BackupInProgress, CloudUnreachable
from cloudpilot.kinds import RunKind

ACCOUNT = "account"  # key of the line that says whose the credentials are
INSTANCES_AT_MOST = 2000  # machines that a check keeps


def ask(session: Session, cloud: Cloud, by: Person | None) -> Run:
    """A run that checks the cloud; raises BackupInProgress if one is under way."""
    return runs.add(
        session,
        Run(
            kind=RunKind.CHECK_CLOUD,
            claim=cloud.claim,
            cloud_id=cloud.id,
            requested_by=by.id if by else None,
            subject=cloud.name,
        ),
    )


def keep(
    session: Session,
    asked: Cloud,
    lines: Lines,
    instances: Sequence[dict[str, Any]] | None,
    every: timedelta,
) -> None:
    """Write down what a check found, and when the next one is.

    asked      the row as it was when the provider was asked: if it is another by now, nothing is
               kept, and it is checked again at once
    instances  None: they could not be listed, so those of the last check stay
    """
    cloud = session.get_one(Cloud, asked.id, populate_existing=True)
    if _settings(cloud) != _settings(asked) or cloud.removed_at:
        cloud.next_check_at = None
        return
    now, former = clock.now(), cloud.lines or []
    if not any(line["key"] == ACCOUNT for line in lines):  # it did not come so far
        lines = [*lines, *(line for line in former if line["key"] == ACCOUNT)]
    failed_before = cloud.checked_at if cloud.failed else None
    cloud.lines = [vault_checks.told(former, line, now) for line in lines]
    if instances is not None:
        cloud.instances = list(instances[:INSTANCES_AT_MOST])
    cloud.checked_at = now
    pause = vault_checks.pause_after_failure(failed_before, now, every)
    cloud.next_check_at = now + pause if cloud.failed else slot(cloud.id, now, every)


def latest(session: Session, cloud_id: UUID) -> Run | None:
    """The newest run that checks this cloud."""
    return checked.latest(session, Cloud, cloud_id)


def troubles(session: Session) -> list[Trouble]:
    """The clouds whose last check failed or could not be done, by name."""
    return checked.troubles(session, clouds.listed(session))


def due(session: Session, limit: int) -> list[UUID]:
    """Clouds to be checked now, the longest overdue first."""
    return checked.due(session, Cloud, limit)


def claim(session: Session, cloud_id: UUID) -> Run | None:
    """The daily check's run; None if another clock was first, or a check is under way."""
    if not checked.is_claimed(session, Cloud, cloud_id):
        return None
    try:
        return ask(session, session.get_one(Cloud, cloud_id, populate_existing=True), None)
    except BackupInProgress:
        return None


def may_be_another_account(cloud: Cloud) -> bool:
    """Whether nobody has seen yet that the credentials are of the account that they were of."""
    return not any(line["key"] == ACCOUNT and line["level"] == "ok" for line in cloud.lines or ())


def refuse_another_account(cloud: Cloud) -> None:
    """Raises CloudUnreachable: what another account does not have is not gone."""
    if may_be_another_account(cloud):
        raise CloudUnreachable(
            f"No check of {cloud.name} has seen yet that its credentials are of the same account."
        )


def _settings(cloud: Cloud) -> tuple[object, ...]:
    """All that a check depends on."""
    return (*cloud.account, cloud.key_id, cloud.secret)

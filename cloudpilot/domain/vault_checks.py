"""The checks of vaults: what the last one found, and when the next one is due."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloudpilot import clock
from cloudpilot.domain import checked, runs, vaults
from cloudpilot.domain.changes import RANK, Lines
from cloudpilot.domain.checked import Trouble
from cloudpilot.domain.daily import AGAIN, slot
from cloudpilot.domain.people import Person
from cloudpilot.domain.runs import Run
from cloudpilot.domain.vaults import Vault
from cloudpilot.errors import BackupInProgress
from cloudpilot.kinds import RunKind

LOOKED_AT = 100  # checks, of which one may have left something


def ask(session: Session, vault: Vault, by: Person | None) -> Run:
    """A run that checks the vault; raises BackupInProgress if one is under way."""
    return runs.add(
        session,
        Run(
            kind=RunKind.CHECK_VAULT,
            claim=vault.claim,
            vault_id=vault.id,
            requested_by=by.id if by else None,
            subject=vault.name,
        ),
    )


def keep(session: Session, asked: Vault, lines: Lines, every: timedelta) -> None:
    """Write down what a check found, and when the next one is.

    asked  the row as it was when the store was asked: if it is another by now, nothing is kept,
           and it is checked again at once
    every  from check to check; one that failed is followed sooner (see `pause_after_failure`)
    """
    vault = session.get_one(Vault, asked.id, populate_existing=True)
    if _settings(vault) != _settings(asked) or vault.removed_at:
        vault.next_check_at = None
        return
    now, former = clock.now(), vault.lines or []
    failed_before = vault.checked_at if vault.failed else None
    vault.lines = [told(former, line, now) for line in lines]
    vault.checked_at = now
    well = not vault.failed
    vault.next_check_at = (
        slot(vault.id, now, every) if well else now + pause_after_failure(failed_before, now, every)
    )


def note_trial(run: Run, key: str) -> None:
    """This run's check is about to write what begins with that key."""
    run.options = run.options | {"trials": [*_trials(run), key]}


def forget_trial(run: Run, key: str) -> None:
    """Nothing of it is there any more."""
    left = [one for one in _trials(run) if one != key]
    rest = {name: value for name, value in run.options.items() if name != "trials"}
    run.options = rest | ({"trials": left} if left else {})


def trials(session: Session, vault_id: UUID | None, limit: int) -> list[tuple[Run, str]]:
    """What checks of this vault have written and not been seen to remove, the newest first."""
    rows = select(Run).where(Run.vault_id == vault_id, Run.kind == RunKind.CHECK_VAULT)
    newest = session.scalars(rows.order_by(Run.created_at.desc(), Run.id.desc()).limit(LOOKED_AT))
    return [(run, key) for run in newest for key in _trials(run)][:limit]


def _trials(run: Run) -> list[str]:
    return [str(key) for key in run.options.get("trials", ())]


def latest(session: Session, vault_id: UUID) -> Run | None:
    """The newest run that checks this vault."""
    return checked.latest(session, Vault, vault_id)


def troubles(session: Session) -> list[Trouble]:
    """The vaults whose last check failed or could not be done, by name."""
    return checked.troubles(session, vaults.listed(session))


def due(session: Session, limit: int) -> list[UUID]:
    """Vaults to be checked now, the longest overdue first."""
    return checked.due(session, Vault, limit)


def claim(session: Session, vault_id: UUID) -> Run | None:
    """The daily check's run; None if another clock was first, or a check is under way."""
    if not checked.is_claimed(session, Vault, vault_id):
        return None
    try:
        return ask(session, session.get_one(Vault, vault_id, populate_existing=True), None)
    except BackupInProgress:
        return None


def pause_after_failure(
    failed_before: datetime | None, now: datetime, every: timedelta
) -> timedelta:
    """After a check that failed: an hour, then twice as long as since the one before."""
    since = 2 * (now - failed_before) if failed_before else AGAIN
    return min(every, max(AGAIN, since))


def _settings(vault: Vault) -> tuple[object, ...]:
    """All that a check depends on; a secret that is sealed anew is another one, which does no
    harm."""
    more = (vault.region, vault.key_id, vault.secret, vault.path_style, vault.equal_parts)
    return (*vault.place, *more)


def told(
    former: Sequence[Mapping[str, Any]], line: Mapping[str, Any], now: datetime
) -> dict[str, Any]:
    """With when it got worse, if it did and nothing has changed since."""
    was = next((one for one in former if one["key"] == line["key"]), None)
    at = None
    if was and RANK[line["level"]] > RANK[was["level"]]:
        at = now.isoformat()
    elif was and line["level"] == was["level"]:
        at = was["worse_at"]
    return {**line, "worse_at": at}

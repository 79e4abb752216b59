"""Checking a vault: what a backup will do there is done once, with a small object."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from rq.timeouts import JobTimeoutException

from cloudpilot.db import reading, transaction
from cloudpilot.domain import vault_checks, vaults
from cloudpilot.domain.runs import Run
from cloudpilot.errors import CloudPilotError, InvalidState, VaultUnreachable
from cloudpilot.jobs import lifecycle, opening
from cloudpilot.jobs.queue import SECONDS_BY_KIND
from cloudpilot.kinds import RunKind
from cloudpilot.reports import Report
from cloudpilot.secrets import CannotOpenError
from cloudpilot.vaults import checks
from cloudpilot.vaults.base import CheckLine, Grade

_TITLES = {
    "abort": "Giving up an upload",
    "opening": "Settings",
    "encryption": "Encryption on the way",
    "rules": "Lifecycle rules",
}


def perform(run: Run) -> None:
    """Ask the store, and keep what was found: whatever is wrong with a vault is a line."""
    if run.vault_id is None:
        raise InvalidState("This is not done at a vault.")
    with reading() as session:
        vault = vaults.find(session, run.vault_id)
    lifecycle.begin(run)
    lines = [as_line(one) for one in _telling(_lines(vault.id))]
    every = timedelta(hours=lifecycle.settings().check_hours)
    with transaction() as session:
        vault_checks.keep(session, vault, lines, every)
    words = "\n".join(f"{line['level']}: {line['title']}: {line['detail']}" for line in lines)
    lifecycle.complete(run, Report(stage="check-vault", log=words, over=True))


def as_line(found: CheckLine) -> dict[str, Any]:
    """As the row keeps it and pages show it: of the form of a server's Check."""
    return {
        "key": found.about,
        "level": found.grade.value,
        "title": _TITLES.get(found.about, found.about.capitalize()),
        "detail": found.sentence,
        "remedy": found.remedy,
        "code": found.code,
    }


def _telling(found: Sequence[CheckLine]) -> Sequence[CheckLine]:
    """Who is not let in may not ask for settings either: that is no finding of its own."""
    if not any(one.grade is Grade.FAILED for one in found):
        return found
    return [one for one in found if one.remedy != checks.MAY_NOT_ASK]


def _lines(vault_id: UUID) -> Sequence[CheckLine]:
    try:
        return opening.vault(vault_id).check()
    except JobTimeoutException:
        # Nobody would get further by trying it again and again.
        seconds = SECONDS_BY_KIND[RunKind.CHECK_VAULT]
        slow = VaultUnreachable(f"The store was not done within {seconds} seconds.")
        return [checks.failed("opening", slow)]
    except (CloudPilotError, CannotOpenError) as error:
        known = error if isinstance(error, CloudPilotError) else lifecycle.unexpected(error)
        return [checks.failed("opening", known)]

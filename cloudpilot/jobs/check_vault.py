"""Checking a vault: what a backup will do there is done once, with a small object."""

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

from rq.timeouts import JobTimeoutException

from cloudpilot.db import reading, transaction
from cloudpilot.domain import presence, vault_checks, vault_use, vaults, vouching
from cloudpilot.domain.runs import Run
from cloudpilot.errors import CloudPilotError, InvalidState, ObjectMissing, VaultUnreachable
from cloudpilot.jobs import foresight, lifecycle, opening, orphans, sign, stored, trials
from cloudpilot.jobs.queue import SECONDS_BY_KIND
from cloudpilot.kinds import RunKind
from cloudpilot.reports import CheckLine, Grade, Report
from cloudpilot.secrets import CannotOpenError
from cloudpilot.vaults import checks
from cloudpilot.vaults.base import Vault

COPIES_AT_MOST = 200
FOR_COPIES = 90  # seconds of the job, the check of the store itself included
FOR_ORPHANS = 110  # the same, and the copies included
_TITLES = {
    "abort": "Giving up an upload",
    "opening": "Settings",
    "encryption": "Encryption on the way",
    "rules": "Lifecycle rules",
    "copies": "Stored backups",
    "stored": "Stored snapshots",
    "strays": "Snapshots of nobody",
    "account": "The same account",
}


def perform(run: Run) -> None:
    """Ask the store, and keep what was found: whatever is wrong with a vault is a line."""
    if run.vault_id is None:
        raise InvalidState("This is not done at a vault.")
    with reading() as session:
        vault = vaults.find(session, run.vault_id)
    lifecycle.begin(run)
    began = time.monotonic()
    lines = [as_line(one) for one in _telling(_lines(run, vault.id))]
    if not any(line["level"] == "failed" for line in lines):
        lines += [as_line(one) for one in _copies(vault.id, began + FOR_COPIES)]
        left = orphans.in_vault(opening.vault(vault.id), vault.id, began + FOR_ORPHANS)
        lines += [as_line(one) for one in (left, *_signatures(vault.id))]
    every = timedelta(hours=lifecycle.settings().check_hours)
    with transaction() as session:
        vault_checks.keep(session, vault, lines, every)
        foresight.after_vault_check(session, vault.id)
    words = "\n".join(f"{line['level']}: {line['title']}: {line['detail']}" for line in lines)
    lifecycle.complete(run, Report(stage="check-vault", log=words, over=True))


def _tried(run: Run, vault: Vault) -> Sequence[CheckLine]:
    """The vault's own lines; beside them what earlier checks have left is removed."""
    trials.remove_left(vault, run)
    key = trials.begin(run)
    lines = vault.check(key)
    if not any(one.grade is Grade.FAILED for one in lines):
        trials.end(run, key)
    return lines


def _copies(vault_id: UUID, until: float) -> Sequence[CheckLine]:
    """Whether what was stored is still there, as many as there is time for."""
    with reading() as session:
        copies = vault_use.looked_for(session, vault_id, COPIES_AT_MOST)
    vault, whys = opening.vault(vault_id), {}
    with suppress(VaultUnreachable):  # what was seen until then is worth keeping
        for copy in copies:
            if time.monotonic() > until:
                break
            whys[copy.id] = stored.why_not(vault, copy)
    with transaction() as session:
        presence.note(session, whys)
    return [_said(whys)] if whys else []


def _said(whys: Mapping[UUID, str | None]) -> CheckLine:
    missing = sum(1 for why in whys.values() if why)
    looked = f"{len(whys):,} of the backups there were looked for"
    if not missing:
        return CheckLine("copies", Grade.OK, f"{looked}: all are as they were stored.")
    sentence = f"{looked}: {missing:,} are not there, or not as they were stored."
    remedy = "Their pages say which; upload them again. Look who or what deletes in the bucket."
    return CheckLine("copies", Grade.FAILED, sentence, remedy, ObjectMissing.code)


def _signatures(vault_id: UUID) -> Sequence[CheckLine]:
    """What is not signed is signed now; why it was not, if that was tried."""
    with reading() as session:
        last = vouching.latest(session, vault_id)
    left = sign.ask(vault_id)
    if not left:
        return []
    sentence = f"{left:,} of the backups there are not signed yet: it is being done now."
    if last is None or last.error_code is None:
        return [CheckLine("signatures", Grade.OK, sentence)]
    sentence = f"{sentence} The last try ended with: {last.error_detail}"
    return [CheckLine("signatures", Grade.WARNING, sentence, last.remedy, last.error_code)]


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


def _lines(run: Run, vault_id: UUID) -> Sequence[CheckLine]:
    try:
        return _tried(run, opening.vault(vault_id))
    except JobTimeoutException:
        # Nobody would get further by trying it again and again.
        seconds = SECONDS_BY_KIND[RunKind.CHECK_VAULT]
        slow = VaultUnreachable(f"The store was not done within {seconds} seconds.")
        return [checks.failed("opening", slow)]
    except (CloudPilotError, CannotOpenError) as error:
        known = error if isinstance(error, CloudPilotError) else lifecycle.unexpected(error)
        return [checks.failed("opening", known)]

"""Checking a cloud: what its credentials may do, which machines are there, and whether snapshots
and rows say the same of each other."""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import asdict
from datetime import timedelta
from itertools import islice
from typing import Any
from uuid import UUID

from rq.timeouts import JobTimeoutException

from cloudpilot.clouds.base import Cloud, Snapshot, State
from cloudpilot.db import reading, transaction
from cloudpilot.domain import cloud_checks, clouds, instances, presence, snapshots
from cloudpilot.domain.copies import Copy, CopyStatus
from cloudpilot.domain.runs import Run
from cloudpilot.errors import (
    CloudDenied,
    CloudPilotError,
    CloudUnreachable,
    InvalidState,
    SnapshotMissing,
)
from cloudpilot.jobs import lifecycle, opening
from cloudpilot.jobs.check_vault import as_line
from cloudpilot.jobs.queue import SECONDS_BY_KIND
from cloudpilot.kinds import RunKind
from cloudpilot.reports import CheckLine, Grade, Report
from cloudpilot.secrets import CannotOpenError

LISTED_AT_MOST = 5000  # snapshots and machines that are looked at
ASKED_AT_MOST = 100  # snapshots that no list has, asked for one by one
NOT_THERE = "Its cloud does not have it any more, or not all of it."
_ANOTHER_ACCOUNT = CheckLine(
    cloud_checks.ACCOUNT,
    Grade.FAILED,
    "These credentials show none of the snapshots and machines that the former ones did.",
    "Enter credentials of the account that the snapshots are in. Until then none counts as gone.",
    CloudDenied.code,
)
_SAME_ACCOUNT = CheckLine(
    cloud_checks.ACCOUNT, Grade.OK, "Nothing that should be there speaks of another account."
)
NAMED = 20  # snapshots that a line names


def perform(run: Run) -> None:
    """Ask, and keep what was found: whatever is wrong with a cloud is a line."""
    if run.cloud_id is None:
        raise InvalidState("This is not done at a cloud.")
    with reading() as session:
        row = clouds.find(session, run.cloud_id)
    lifecycle.begin(run)
    lines, machines = _asked(row.id)
    found = [as_line(line) for line in lines]
    every = timedelta(hours=lifecycle.settings().check_hours)
    with transaction() as session:
        cloud_checks.keep(session, row, found, machines, every)
    words = "\n".join(f"{line['level']}: {line['title']}: {line['detail']}" for line in found)
    lifecycle.complete(run, Report(stage=RunKind.CHECK_CLOUD.value, log=words, over=True))


def _asked(cloud_id: UUID) -> tuple[Sequence[CheckLine], list[dict[str, Any]] | None]:
    """The lines, and the machines if they could be listed."""
    lines: list[CheckLine] = []
    try:
        cloud = opening.cloud(cloud_id)
        lines += cloud.check()
        if any(line.grade is Grade.FAILED for line in lines):
            return lines, None
        machines = [asdict(one) for one in islice(cloud.instances(), LISTED_AT_MOST)]
        seen = {str(machine["id"]) for machine in machines}
        return [*lines, *_compared(cloud, cloud_id, seen)], machines
    except JobTimeoutException:
        # Nobody would get further by trying it again and again.
        seconds = SECONDS_BY_KIND[RunKind.CHECK_CLOUD]
        slow = CloudUnreachable(f"The cloud was not done within {seconds} seconds.")
        return [*lines, _failed(slow)], None
    except (CloudPilotError, CannotOpenError) as error:
        known = error if isinstance(error, CloudPilotError) else lifecycle.unexpected(error)
        return [*lines, _failed(known)], None


def _failed(error: CloudPilotError) -> CheckLine:
    return CheckLine("opening", Grade.FAILED, str(error), error.remedy, error.code)


def _compared(cloud: Cloud, cloud_id: UUID, machines: Set[str]) -> Sequence[CheckLine]:
    """Both ways: rows without a snapshot, and snapshots of ours without a row. What is known is
    read before and after, so that nothing that is under way is told as either."""
    before = _known(cloud_id)
    listed = list(islice(cloud.list(), LISTED_AT_MOST))
    after = _known(cloud_id)
    there = {one.tag: {part.id for part in one.parts} for one in listed}
    if _is_another_account(cloud_id, before, there, machines):
        return [_ANOTHER_ACCOUNT]
    unsure = snapshots.unlisted(before, there)
    lost = [copy for copy in unsure[:ASKED_AT_MOST] if _is_gone(cloud, copy)]
    whys: dict[UUID, str | None] = dict.fromkeys((copy.id for copy in lost), NOT_THERE)
    seen = {copy.id for copy in before.values()} - {copy.id for copy in unsure}
    whys |= dict.fromkeys(seen, None)
    with transaction() as session:
        presence.note(session, whys)
    return [_SAME_ACCOUNT, _missing(lost, len(before)), _strays(listed, before, after)]


def _is_another_account(
    cloud_id: UUID, known: Mapping[UUID, Copy], there: Mapping[str, object], machines: Set[str]
) -> bool:
    """New credentials that show nothing of what the former ones did."""
    with reading() as session:
        row = clouds.find(session, cloud_id)
        ours = {server.instance_id for server in instances.linked(session, row)}
    there_once = {CopyStatus.STORED, CopyStatus.DELETING}
    stored = {str(one) for one, copy in known.items() if copy.name and copy.status in there_once}
    return bool(
        cloud_checks.may_be_another_account(row)
        and stored
        and not stored & set(there)
        and not ours & machines
    )


def _known(cloud_id: UUID) -> Mapping[UUID, Copy]:
    with reading() as session:
        return snapshots.known(session, clouds.find(session, cloud_id))


def _is_gone(cloud: Cloud, copy: Copy) -> bool:
    """All of it, or any part: what is left restores no machine."""
    try:
        found = cloud.look(copy.name)
    except SnapshotMissing:
        return True
    parts = {part.id for part in found.parts}
    return found.state is State.FAILED or not snapshots.parts_of(copy) <= parts


def _missing(lost: Sequence[Copy], known: int) -> CheckLine:
    if not lost:
        return CheckLine("stored", Grade.OK, f"{known:,} snapshots are known, and none is missing.")
    sentence = f"Of {known:,} known snapshots {len(lost):,} are not there any more."
    remedy = "Their pages say which. Look who or what deletes snapshots at the provider."
    return CheckLine("stored", Grade.FAILED, sentence, remedy, SnapshotMissing.code)


def _strays(
    listed: Iterable[Snapshot], before: Mapping[UUID, Copy], after: Mapping[UUID, Copy]
) -> CheckLine:
    known = {str(one) for one in (*before, *after)}
    strays = [one for one in listed if one.tag not in known]
    if not strays:
        return CheckLine(
            "strays", Grade.OK, "Every snapshot of CloudPilot there belongs to a backup."
        )
    parts = [part.id for one in strays for part in one.parts][:NAMED]
    sentence = f"{len(strays):,} snapshots of CloudPilot belong to no backup: {', '.join(parts)}"
    remedy = (
        "They cost money and nothing expires them. They may be of a panel whose database was put"
        " back from an older copy, or of another one: delete at the provider what nobody needs."
    )
    return CheckLine("strays", Grade.WARNING, f"{sentence}.", remedy)

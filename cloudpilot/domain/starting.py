"""Starting what is due: the backups of slots whose time has come, many at a time.

Backups of one site never overlap, a server makes so many at once that it can go on with what it
is for, and the panel so many as it may: what cannot begin now waits, and says for what.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from cloudpilot import clock
from cloudpilot.domain import at_once, databases, requests, slots
from cloudpilot.domain.databases import Database
from cloudpilot.domain.destinations import Destination
from cloudpilot.domain.people import Person
from cloudpilot.domain.requests import Wish, claim_of
from cloudpilot.domain.runs import Run
from cloudpilot.domain.schedules import Schedule
from cloudpilot.domain.servers import Server
from cloudpilot.domain.sites import Site
from cloudpilot.domain.slots import Slot, SlotStatus
from cloudpilot.domain.status import ACTIVE
from cloudpilot.domain.vaults import Vault
from cloudpilot.errors import BackupInProgress, CloudPilotError, NotFound
from cloudpilot.kinds import BackupType, RunKind

AGAIN = timedelta(seconds=20)  # who waits for another backup looks again

Due = tuple[Slot, Schedule]


def is_anything_due(session: Session) -> bool:
    """Whether a schedule has come to its time, a slot to its start, or a schedule is late."""
    now = clock.now()
    found = (
        (Schedule.next_run_at, Schedule.next_run_at <= now),
        (Slot.try_at, Slot.status == SlotStatus.WAITING, Slot.try_at <= now),
        (Schedule.late_at, Schedule.late_at <= now, Schedule.late_since.is_(None)),
    )
    # In order, so that an index is walked and not the table, whatever the database believes.
    rows = (select(at).where(*are_due).order_by(at).limit(1) for at, *are_due in found)
    return any(session.scalar(first) for first in rows)


def start_due(session: Session, limit: int, *, most: int = 0) -> int:
    """Begin the backups of slots whose time has come; returns how many slots were looked at.

    The clock rings for the runs. A slot that cannot be begun is failed, with the reason. One for
    which the panel has no room keeps its place before those that come later.

    most  backups at once, over all servers; 0: any number
    """
    if most and not at_once.take_turn(session):
        return 0  # another clock is at it
    room = at_once.room(session, most)
    rows = (
        select(Slot, Schedule)
        .join(Schedule, Schedule.id == Slot.schedule_id)
        .where(Slot.status == SlotStatus.WAITING, Slot.try_at <= clock.now())
        .order_by(Slot.try_at, Slot.id)
        .limit(limit)
        .with_for_update(skip_locked=True, of=Slot)
    )
    if not room:
        rows = rows.where(Schedule.type == BackupType.SNAPSHOT)
    due = slots.wanted([(slot, schedule) for slot, schedule in session.execute(rows)])
    if due:
        _begin(session, due, room)
    at_once.say_if_full(session, most)
    return len(due)


def start_now(session: Session, slot: Slot, schedule: Schedule, by: Person | None) -> Run:
    """Begin the backup of one slot; raises what `requests.backup_now` raises."""
    wish = _Around.of(session, [(slot, schedule)]).wish(slot, schedule)
    run = requests.backup_now(session, wish, by)
    _is_started(slot)
    return run


def _begin(session: Session, due: Sequence[Due], room: int) -> None:
    around = _Around.of(session, due)
    wishes: list[tuple[Slot, Wish]] = []
    for slot, schedule in due:
        if schedule.type is not BackupType.SNAPSHOT and around.begun >= room:
            continue
        why = around.why_not_now(schedule)
        if why:
            _put_off(slot, why)
            continue
        try:
            wish = around.wish(slot, schedule)
            wish.refuse_nothing()
        except BackupInProgress as error:
            _put_off(slot, str(error))
            continue
        except CloudPilotError as error:
            _has_failed(slot, error)
            continue
        around.takes(schedule)
        wishes.append((slot, wish))
    _make(session, wishes)


def _make(session: Session, wishes: Sequence[tuple[Slot, Wish]]) -> None:
    """All of them at once; if somebody has begun one by hand meanwhile, one by one."""
    made = [requests.new_backup(wish, None) for _, wish in wishes]
    try:
        with session.begin_nested():
            session.add_all(made)
            session.flush()
            session.add_all([requests.run_that_makes(backup) for backup in made])
    except IntegrityError:
        for slot, wish in wishes:
            _make_one(session, slot, wish)
        return
    for slot, _ in wishes:
        _is_started(slot)


def _make_one(session: Session, slot: Slot, wish: Wish) -> None:
    try:
        with session.begin_nested():
            requests.backup_now(session, wish, None)
        _is_started(slot)
    except BackupInProgress as error:
        _put_off(slot, str(error))


def _is_started(slot: Slot) -> None:
    slot.status, slot.why, slot.error_code = SlotStatus.STARTED, "", None
    slot.attempts += 1


def _put_off(slot: Slot, why: str) -> None:
    slot.try_at, slot.why = clock.now() + AGAIN, why


def _has_failed(slot: Slot, error: CloudPilotError) -> None:
    slot.status, slot.why, slot.error_code = SlotStatus.FAILED, str(error), error.code


@dataclass(slots=True)
class _Around:
    """What is asked once for all slots that are looked at.

    claimed  what is being backed up: see requests.claim_of
    at_work  how many backups each server is making
    begun    how many of those begin now
    leaving  servers that CloudPilot is being removed from
    changing servers to which something is being restored
    """

    servers: Mapping[UUID, Server]
    sites: Mapping[UUID, Site]
    vaults: Mapping[UUID, Vault]
    databases: Mapping[UUID, Sequence[Database]]
    claimed: set[str]
    at_work: Counter[UUID]
    leaving: set[UUID]
    changing: set[UUID]
    begun: int = 0

    @classmethod
    def of(cls, session: Session, due: Sequence[Due]) -> "_Around":
        """Of these; the servers' rows are locked: see requests._refuse_while_changed."""
        schedules = [schedule for _, schedule in due]
        server_ids = {schedule.server_id for schedule in schedules}
        site_ids = {schedule.site_id for schedule in schedules if schedule.site_id}
        locked = select(Server).where(Server.id.in_(server_ids)).order_by(Server.id)
        servers = {row.id: row for row in session.scalars(locked.with_for_update())}
        active = select(Run.kind, Run.claim, Run.server_id).where(
            Run.server_id.in_(server_ids), Run.status.in_(ACTIVE)
        )
        found = session.execute(active).all()
        making = [row for row in found if row.kind is RunKind.MAKE]
        claims = (row.claim for row in found if row.kind in {RunKind.MAKE, RunKind.SNAPSHOT})
        return cls(
            servers,
            _by_id(session, Site, site_ids),
            _by_id(session, Vault, {one.vault_id for one in schedules if one.vault_id}),
            databases.by_site(session, site_ids),
            set(claims),
            Counter(row.server_id for row in making),
            {row.server_id for row in found if row.kind is RunKind.UNINSTALL},
            {row.server_id for row in found if row.kind in requests.RESTORING},
        )

    def why_not_now(self, schedule: Schedule) -> str:
        """What this has to wait for, as a sentence; nothing if it may begin."""
        server = self.servers[schedule.server_id]
        if claim_of(schedule.server_id, schedule.site_id, schedule.type) in self.claimed:
            what = self.sites[schedule.site_id].name if schedule.site_id else server.name
            return f"Another backup of {what} has not ended."
        if server.id in self.changing:
            return f"A restore to {server.name} is under way."
        is_busy = self.at_work[server.id] >= server.backups_at_once
        if is_busy and schedule.type is not BackupType.SNAPSHOT:
            return f"{server.name} is making {self.at_work[server.id]} backups, as many as it may."
        return ""

    def takes(self, schedule: Schedule) -> None:
        """A backup of it begins."""
        self.claimed.add(claim_of(schedule.server_id, schedule.site_id, schedule.type))
        if schedule.type is not BackupType.SNAPSHOT:  # its cloud makes it
            self.at_work[schedule.server_id] += 1
            self.begun += 1

    def wish(self, slot: Slot, schedule: Schedule) -> Wish:
        """What is to be backed up, as site and schedule say now. Raises NotFound for what has been
        removed, BackupInProgress while CloudPilot is being removed from the server."""
        server = self.servers[schedule.server_id]
        site = self.sites[schedule.site_id] if schedule.site_id else None
        if server.removed_at or (site and site.removed_at):
            raise NotFound("Its server or site was removed.")
        if server.id in self.leaving:
            raise BackupInProgress(f"CloudPilot is being removed from {server.name}.")
        whose: Site | Schedule = site or schedule
        return Wish(
            server=server,
            site=site,
            paths=whose.paths,
            excludes=whose.excludes,
            compression=whose.compression,
            type=schedule.type,
            databases=list(self.databases.get(site.id, ())) if site else [],
            retention_days=schedule.retention_days,
            note=schedule.note,
            method=schedule.method,
            destination=self._destination(schedule),
            schedule_id=schedule.id,
            slot_id=slot.id,
        )

    def _destination(self, schedule: Schedule) -> Destination:
        vault = self.vaults.get(schedule.vault_id) if schedule.vault_id else None
        if schedule.vault_id and (vault is None or vault.removed_at):
            raise NotFound("Its vault was removed.")
        return Destination(vault, schedule.streamed, schedule.local_days, schedule.rate)


def _by_id(session: Session, kind: type[Any], ids: Iterable[UUID]) -> dict[UUID, Any]:
    return {row.id: row for row in session.scalars(select(kind).where(kind.id.in_(list(ids))))}

"""Schedules: what is backed up by itself, when, where to, and for how long it is kept.

`next_run_at` is the one thing that the clock looks at. Who is due is found by it, and taken by a
conditional UPDATE of it, so of several clocks one makes the slot (see slots).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, ForeignKey, Index, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from cloudpilot import clock
from cloudpilot.db import Base
from cloudpilot.domain import lateness, recurrence
from cloudpilot.domain.people import Person
from cloudpilot.domain.retention import Rules
from cloudpilot.domain.servers import Server
from cloudpilot.domain.sites import Site
from cloudpilot.domain.status import StatusEvent, values_of
from cloudpilot.domain.vaults import Vault
from cloudpilot.errors import NotFound
from cloudpilot.kinds import BackupType, Compression, Method

ON_TIME, LATE = "on time", "late"
RULES = ("last", "daily", "weekly", "monthly", "yearly")


class Schedule(Base):
    """One plan for a site, or for paths of a server that belong to no site."""

    __tablename__ = "schedules"
    __table_args__ = (
        Index(None, "next_run_at", "id"),
        Index(None, "late_at", "id"),
        Index(None, "site_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    server_id: Mapped[UUID] = mapped_column(ForeignKey(Server.id), index=True)
    site_id: Mapped[UUID | None] = mapped_column(ForeignKey(Site.id))
    type: Mapped[BackupType] = mapped_column(values_of(BackupType))
    # Without a site: what is backed up, and how it is packed. A site says so itself.
    paths: Mapped[list[str]] = mapped_column(default=list)
    excludes: Mapped[list[str]] = mapped_column(default=list)
    compression: Mapped[Compression] = mapped_column(
        values_of(Compression), default=Compression.GZIP
    )

    cron: Mapped[str]  # five fields; see recurrence
    zone: Mapped[str] = mapped_column(default="UTC")  # IANA's name
    spread_minutes: Mapped[int] = mapped_column(default=0)  # a start is put off by up to so many
    retries: Mapped[int] = mapped_column(default=2)  # of what may pass by itself
    grace_minutes: Mapped[int | None]  # until it is late; None: see lateness

    retention_days: Mapped[int] = mapped_column(default=30)
    # Beside the days: so many of the last, and of days, weeks, months and years the last of each.
    keep_last: Mapped[int] = mapped_column(default=0)
    keep_daily: Mapped[int] = mapped_column(default=0)
    keep_weekly: Mapped[int] = mapped_column(default=0)
    keep_monthly: Mapped[int] = mapped_column(default=0)
    keep_yearly: Mapped[int] = mapped_column(default=0)

    method: Mapped[Method] = mapped_column(values_of(Method), default=Method.ARCHIVE)
    incremental: Mapped[bool] = mapped_column(default=False)
    full_every: Mapped[int] = mapped_column(default=7)  # of so many backups one is full
    full_days: Mapped[int | None]  # after so many days, too

    # Where to, and how; see Destination.
    vault_id: Mapped[UUID | None] = mapped_column(ForeignKey(Vault.id), index=True)
    streamed: Mapped[bool] = mapped_column(default=False)
    local_days: Mapped[int | None]
    rate: Mapped[int | None] = mapped_column(BigInteger)  # bytes a second

    note: Mapped[str] = mapped_column(default="")
    created_by: Mapped[UUID | None] = mapped_column(ForeignKey(Person.id))
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    paused_at: Mapped[datetime | None]
    removed_at: Mapped[datetime | None]  # a tombstone: its backups keep their schedule
    next_run_at: Mapped[datetime | None]  # None: it is paused or removed
    good_at: Mapped[datetime | None]  # when its last good backup was complete, offsite included
    late_at: Mapped[datetime | None]  # it is late from then on; None as next_run_at
    late_since: Mapped[datetime | None]  # it has been said that it is late
    # What its next backup will fail on, see foresight.Doubt, and since when that is known.
    doubts: Mapped[list[dict[str, Any]] | None]
    doubted_at: Mapped[datetime | None] = mapped_column(index=True)

    @property
    def is_paused(self) -> bool:
        """Whether nothing of it is due until somebody resumes it."""
        return self.paused_at is not None

    @property
    def is_late(self) -> bool:
        """Whether it has had no good backup for longer than it should."""
        return self.late_at is not None and self.late_at <= clock.now()

    @property
    def is_on_time(self) -> bool:
        """Whether it has had a good backup, and the next one is not late."""
        return self.next_run_at is not None and self.good_at is not None and not self.is_late

    @property
    def rules(self) -> Rules:
        """What is kept beside the days."""
        return Rules(zone=self.zone, **{name: getattr(self, f"keep_{name}") for name in RULES})

    @property
    def described(self) -> str:
        """When it comes, in plain language."""
        return recurrence.described(self.cron)

    def upcoming(self, count: int) -> list[datetime]:
        """When it comes next; nothing while it is paused."""
        if self.next_run_at is None:
            return []
        later = recurrence.upcoming(self.cron, self.zone, self.next_run_at, count - 1)
        return [self.next_run_at, *later]


def find(session: Session, schedule_id: UUID) -> Schedule:
    """Raises NotFound, also for one that was removed."""
    schedule = session.get(Schedule, schedule_id)
    if schedule is None or schedule.removed_at:
        raise NotFound("There is no such schedule.")
    return schedule


def locked(session: Session, schedule_id: UUID) -> Schedule:
    """As find, and no clock takes it until this transaction is over."""
    rows = select(Schedule).where(Schedule.id == schedule_id, Schedule.removed_at.is_(None))
    schedule = session.scalar(rows.with_for_update().execution_options(populate_existing=True))
    if schedule is None:
        raise NotFound("There is no such schedule.")
    return schedule


def add(session: Session, columns: dict[str, Any], by: Person | None) -> Schedule:
    """A new schedule, due for the first time at its next slot."""
    schedule = Schedule(**columns, created_by=by.id if by else None)
    session.add(schedule)
    session.flush()  # which fills in what was not said
    _set_clock(session, schedule)
    session.flush()
    return schedule


def change(session: Session, schedule: Schedule, columns: dict[str, Any]) -> None:
    """Change what it says. If that is when it comes, it begins anew from now; the caller has it
    locked."""
    was = schedule.cron, schedule.zone
    for name, value in columns.items():
        setattr(schedule, name, value)
    _forget_doubts(schedule)
    if not schedule.is_paused and (schedule.cron, schedule.zone) != was:
        _set_clock(session, schedule)


def pause(session: Session, schedule: Schedule) -> None:
    """Nothing of it is due any more, and it is not late."""
    schedule.paused_at = clock.now()
    _stop_clock(session, schedule)


def resume(session: Session, schedule: Schedule) -> None:
    """From its next slot on; what would have come meanwhile was not missed."""
    schedule.paused_at = None
    _set_clock(session, schedule)


def remove(session: Session, schedule: Schedule) -> None:
    """Its backups stay as long as they were to."""
    schedule.removed_at = clock.now()
    _stop_clock(session, schedule)


def remove_all(session: Session, *conditions: Any) -> None:
    """Of a site or server that is removed: `Schedule.site_id == …`."""
    rows = select(Schedule).where(Schedule.removed_at.is_(None), *conditions)
    for schedule in session.scalars(rows).all():
        remove(session, schedule)


def is_good(session: Session, schedule: Schedule, due_at: datetime) -> None:
    """The backup of the slot that was due then is complete, and where it was to go."""
    now = clock.now()
    schedule.good_at = now
    _forget_doubts(schedule)
    if schedule.next_run_at is None:
        return
    after = recurrence.following(schedule.cron, schedule.zone, max(due_at, schedule.created_at))
    took = max(now - due_at, lateness.NO_TIME)
    late_at = lateness.late_at(schedule, max(after, due_at), took)
    schedule.late_at = max(late_at, schedule.late_at or late_at)
    if schedule.late_since and not schedule.is_late:
        schedule.late_since = None
        _say(session, schedule, LATE, ON_TIME)


def say_late(session: Session, limit: int) -> int:
    """Note of those that have become late that they are; how many there were."""
    now = clock.now()
    rows = select(Schedule).where(Schedule.late_at <= now, Schedule.late_since.is_(None))
    rows = rows.order_by(Schedule.late_at).limit(limit).with_for_update(skip_locked=True)
    found: Sequence[Schedule] = session.scalars(rows).all()
    for schedule in found:
        schedule.late_since = now
        _say(session, schedule, ON_TIME, LATE)
    return len(found)


def _set_clock(session: Session, schedule: Schedule) -> None:
    now = clock.now()
    schedule.next_run_at = recurrence.following(schedule.cron, schedule.zone, now)
    schedule.late_at = lateness.late_at(schedule, schedule.next_run_at, lateness.NO_TIME)
    _say_on_time(session, schedule)


def _stop_clock(session: Session, schedule: Schedule) -> None:
    schedule.next_run_at = schedule.late_at = None
    _say_on_time(session, schedule)


def _forget_doubts(schedule: Schedule) -> None:
    """They were of another backup than the next one; the next Check finds what is left of them."""
    schedule.doubts = schedule.doubted_at = None


def _say_on_time(session: Session, schedule: Schedule) -> None:
    if schedule.late_since:
        schedule.late_since = None
        _say(session, schedule, LATE, ON_TIME)


def _say(session: Session, schedule: Schedule, old: str, new: str) -> None:
    session.add(StatusEvent(subject="schedules", subject_id=schedule.id, old=old, new=new))

"""Runs: a run is one piece of slow work, and these are the states that it passes through.

No process remembers it. `next_look_at` is the time of the next question and the lease of whoever
asks it: a run that is due is taken by one conditional UPDATE, so no two processes ask at once, and
one that dies is replaced when the time has come again.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    Index,
    Text,
    and_,
    case,
    false,
    func,
    select,
    text,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from cloudpilot import clock
from cloudpilot.catalogue import by_code
from cloudpilot.db import Base
from cloudpilot.domain import pace, rest
from cloudpilot.domain.clouds import Cloud
from cloudpilot.domain.people import Person
from cloudpilot.domain.servers import Server
from cloudpilot.domain.status import ACTIVE, NEXT, HasStatus, Next, Status, values_of
from cloudpilot.domain.vaults import Vault
from cloudpilot.errors import BackupInProgress, CloudPilotError, InvalidState, NotFound
from cloudpilot.kinds import RunKind
from cloudpilot.reports import Report

_ACTIVE_ONLY = text(f"status IN ({', '.join(repr(status.value) for status in ACTIVE)})")


class Run(HasStatus, Base):
    """One piece of slow work on a server, at a vault or a cloud, or from one to the other."""

    __tablename__ = "runs"
    __table_args__ = (
        # One piece of work of its kind at a time: the database itself refuses the second.
        Index(
            "uq_runs_active_claim",
            "claim",
            unique=True,
            sqlite_where=_ACTIVE_ONLY,
            postgresql_where=_ACTIVE_ONLY,
        ),
        Index(None, "created_at", "id"),
        Index(None, "status", "created_at", "id"),
        Index(None, "server_id", "created_at", "id"),
        Index(None, "server_id", "kind", "created_at", "id"),
        Index(None, "backup_id"),
        Index(None, "restore_id", "created_at", "id"),
        *(Index(None, where, "created_at", "id") for where in ("vault_id", "cloud_id")),
        Index(None, "kind", "status", "created_at"),
        Index(
            "ix_runs_due",
            "next_look_at",
            sqlite_where=_ACTIVE_ONLY,
            postgresql_where=_ACTIVE_ONLY,
        ),
    )

    NEXT: ClassVar[Next] = NEXT

    kind: Mapped[RunKind] = mapped_column(values_of(RunKind))
    status: Mapped[Status] = mapped_column(values_of(Status), default=Status.PENDING)
    claim: Mapped[str | None]  # what no two active runs may work on: "make:site:<id>"
    server_id: Mapped[UUID | None] = mapped_column(ForeignKey(Server.id))  # None: of no server
    vault_id: Mapped[UUID | None] = mapped_column(ForeignKey(Vault.id))
    cloud_id: Mapped[UUID | None] = mapped_column(ForeignKey(Cloud.id))
    backup_id: Mapped[UUID | None] = mapped_column(ForeignKey("backups.id"))
    restore_id: Mapped[UUID | None] = mapped_column(ForeignKey("restores.id"))
    requested_by: Mapped[UUID | None] = mapped_column(ForeignKey(Person.id))  # None: the panel
    subject: Mapped[str]  # what it works on, in words, as it was called then
    options: Mapped[dict[str, Any]] = mapped_column(default=dict)  # what was asked for, by kind

    stage: Mapped[str] = mapped_column(default="")
    done: Mapped[int] = mapped_column(BigInteger, default=0)  # bytes of this stage; of a snapshot %
    total: Mapped[int | None] = mapped_column(BigInteger)  # bytes; None while unknown
    rate: Mapped[int] = mapped_column(BigInteger, default=0)  # bytes a second, smoothed
    log: Mapped[str] = mapped_column(Text, default="")

    of_old_panel: Mapped[bool] = mapped_column(default=False, server_default=false())  # see rest
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    sent_at: Mapped[datetime | None]  # from then on the server may hold something of it
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    seen_at: Mapped[datetime | None]  # when the work last answered
    next_look_at: Mapped[datetime] = mapped_column(default=clock.now)
    silent_since: Mapped[datetime | None]  # the first of the questions that nobody has answered
    attempts: Mapped[int] = mapped_column(default=0)  # to start it, or to reach its server since
    stop_requested_at: Mapped[datetime | None]

    error_code: Mapped[str | None]  # CloudPilotError.code, when FAILED; else what it waits for
    error_detail: Mapped[str | None] = mapped_column(Text)

    def __repr__(self) -> str:
        error = f" {self.error_code}: {self.error_detail}" if self.error_code else ""
        return f"<Run {self.kind} {self.status} {self.stage} {self.done}{error}>"

    @property
    def remedy(self) -> str:
        """What to do about the error."""
        return by_code(self.error_code).remedy

    @property
    def at(self) -> UUID:
        """Its server, of a kind of work that is done on one."""
        if self.server_id is None:
            raise InvalidState("This is not done on a server.")
        return self.server_id

    @property
    def seconds_left(self) -> int | None:
        """How long this stage goes on at the present rate; None while nobody can say."""
        if self.total is None or self.rate <= 0 or self.done >= self.total:
            return None
        return -(-(self.total - self.done) // self.rate)


def add(session: Session, run: Run) -> Run:
    """A new run; raises BackupInProgress if an active one has the same claim, PanelAtRest."""
    rest.refuse(session, run.kind)
    try:
        with session.begin_nested():
            session.add(run)
    except IntegrityError as error:
        rows = select(Run.id).where(Run.claim == run.claim, Run.status.in_(ACTIVE))
        if run.claim is None or session.scalar(rows.limit(1)) is None:
            raise
        raise BackupInProgress(f"{run.subject}: the same work is under way already.") from error
    return run


def find(session: Session, run_id: UUID) -> Run:
    """Raises NotFound."""
    run = session.get(Run, run_id)
    if run is None:
        raise NotFound("There is no such run.")
    return run


def request_stop(session: Session, run: Run) -> None:
    """Say that the run should end; its work hears of it from the next job.

    Raises InvalidState if it has ended, PanelAtRest.
    """
    rest.refuse(session, run.kind)
    wish = update(Run).where(Run.id == run.id, Run.status.in_(ACTIVE))
    asked = session.execute(
        wish.values(stop_requested_at=run.stop_requested_at or clock.now()).returning(Run.id),
        execution_options={"synchronize_session": False},
    )
    if asked.first() is None:
        raise InvalidState("It has ended already.")
    session.refresh(run)


def take_over(session: Session, run: Run, by: Person) -> bool:
    """What the panel has begun by itself becomes a person's wish; False if it has ended."""
    ours = update(Run).where(Run.id == run.id, Run.status.in_(ACTIVE))
    taken = session.execute(
        ours.values(requested_by=by.id).returning(Run.id),
        execution_options={"synchronize_session": False},
    )
    session.refresh(run)
    return taken.first() is not None


def mark_sent(session: Session, run: Run) -> bool:
    """From now on the server may hold something of it. False if it must not go there any more:
    somebody wants it stopped, or it has ended."""
    free = update(Run).where(
        Run.id == run.id, Run.status.in_(ACTIVE), Run.stop_requested_at.is_(None)
    )
    marked = session.execute(
        free.values(sent_at=func.coalesce(Run.sent_at, clock.now())).returning(Run.id),
        execution_options={"synchronize_session": False},
    )
    return marked.first() is not None


def note(session: Session, run: Run, report: Report, *, next_look_at: datetime) -> None:
    """Take over what the work said about itself, unless the run has ended meanwhile; what was read
    of it before stays as it was.

    Within a stage what is done never goes back, whoever has looked since `run` was read.
    """
    now = clock.now()
    seen_at = run.seen_at if report.stage == run.stage else None  # of a look at this stage
    since = (now - seen_at).total_seconds() if seen_at else None
    done = max(run.done, report.done) if report.stage == run.stage else report.done
    session.execute(
        update(Run)
        .where(Run.id == run.id, Run.status == Status.RUNNING)
        .values(
            stage=report.stage,
            done=case((and_(Run.stage == report.stage, Run.done > done), Run.done), else_=done),
            total=None if report.total is None else max(report.total, done),
            rate=pace.rate(run.rate, done - run.done, since),
            log=report.log,
            seen_at=now,
            next_look_at=next_look_at,
            silent_since=None,
            attempts=0,
            error_code=None,
            error_detail=None,
        ),
        execution_options={"synchronize_session": False},
    )


def ended_at(run: Run, report: Report) -> datetime:
    """When the work that a look has found over came to its end: not when somebody looked, which
    may be long after it. Never before it was last seen at work, whatever the server's clock says;
    to be asked before the look is noted."""
    now = clock.now()
    known = [now - timedelta(seconds=report.ended_ago), run.started_at, run.seen_at]
    return min(now, max(instant for instant in known if instant))


def put_off(
    session: Session, run: Run, error: CloudPilotError | None, *, next_look_at: datetime
) -> None:
    """It could not be asked now, or has nothing to say yet: say why, and when we ask again."""
    values: Mapping[str, object] = {"next_look_at": next_look_at}
    if error:
        values = {
            **values,
            "silent_since": func.coalesce(Run.silent_since, clock.now()),
            "attempts": Run.attempts + 1,
            "error_code": error.code,
            "error_detail": str(error),
        }
    session.execute(
        update(Run).where(Run.id == run.id, Run.status.in_(ACTIVE)).values(values),
        execution_options={"synchronize_session": False},
    )
    session.refresh(run)

"""How a status changes: in one place, by one conditional UPDATE that leaves an event."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID, uuid4

from sqlalchemy import Enum, Index, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from cloudpilot import clock
from cloudpilot.db import Base
from cloudpilot.errors import CloudPilotError, InvalidState

Next = Mapping[Any, frozenset[Any]]


class IllegalStep(InvalidState):
    """No such step exists from where the row stands."""


class LostRace(InvalidState):
    """Another process has moved the row meanwhile; theirs stands."""


class Status(StrEnum):
    """Of a run and of a backup."""

    PENDING = "pending"  # queued, nothing has been started yet
    RUNNING = "running"  # the server is at it
    COMPLETED = "completed"
    FAILED = "failed"  # error_code says why; being stopped is one of the reasons

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen."""
        return not NEXT[self]


NEXT: Mapping[Status, frozenset[Status]] = {
    Status.PENDING: frozenset({Status.RUNNING, Status.FAILED}),
    Status.RUNNING: frozenset({Status.COMPLETED, Status.FAILED}),
    Status.COMPLETED: frozenset(),
    Status.FAILED: frozenset(),
}
ACTIVE = tuple(status for status in Status if not status.is_final)


def values_of(kind: type[StrEnum]) -> Enum:
    """A column of an enumeration's values, as text on every database."""
    return Enum(kind, native_enum=False, length=20, values_callable=lambda e: [m.value for m in e])


class StatusEvent(Base):
    """One line of a row's history; written by `HasStatus.move`, never changed."""

    __tablename__ = "status_events"
    __table_args__ = (Index(None, "subject_id", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    subject: Mapped[str]  # the table: "runs", "backups", "copies"
    subject_id: Mapped[UUID]
    at: Mapped[datetime] = mapped_column(default=clock.now)
    old: Mapped[str]
    new: Mapped[str]
    code: Mapped[str | None]
    detail: Mapped[str] = mapped_column(default="")


class HasStatus:
    """A row with an id, a status and a table of the steps that are possible."""

    NEXT: ClassVar[Next]

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    status: Mapped[Any]

    def move(
        self, session: Session, to: StrEnum, *, because: CloudPilotError | None = None, **also: Any
    ) -> None:
        """Move to status `to`, set the columns of `also` with it, and write the change down.

        The UPDATE names the status that we believe in: of two processes that race for the same
        row exactly one changes it. Raises IllegalStep or LostRace, having changed nothing.
        """
        kind, old = type(self), self.status
        if to not in self.NEXT[old]:
            raise IllegalStep(f"This is {old}; it cannot become {to}.")
        change = update(kind).where(kind.id == self.id, kind.status == old)
        moved = session.execute(
            change.values(status=to, **also).returning(kind.id),
            execution_options={"synchronize_session": False},
        )
        if moved.first() is None:
            raise LostRace(f"This is no longer {old}.")
        session.add(
            StatusEvent(
                subject=kind.__tablename__,  # type: ignore[attr-defined]
                subject_id=self.id,
                old=old,
                new=to,
                code=because.code if because else None,
                detail=str(because or ""),
            )
        )
        session.refresh(self)  # a bulk UPDATE does not reach the object in memory by itself

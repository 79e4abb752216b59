"""A panel at rest: it was brought back from an export, and the old one may still be alive.

Two panels with the same keys would both make what is due, and each would delete by what it knows.
So until an owner says that the old one is gone nothing is made, changed or deleted; what only looks
may be asked for. What was under way when the export was made belongs to the old panel for good:
however it ends, nothing is removed or put back because of it.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, ForeignKey, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from cloudpilot import clock
from cloudpilot.db import Base
from cloudpilot.domain.people import Person
from cloudpilot.errors import InvalidState, PanelAtRest
from cloudpilot.kinds import RunKind

# What looks and leaves everything as it is.
LOOKS = frozenset(
    {
        RunKind.CHECK,
        RunKind.CHECK_VAULT,
        RunKind.CHECK_CLOUD,
        RunKind.PREVIEW,
        RunKind.INSPECT,
        RunKind.LIST,
        RunKind.SURVEY,
        RunKind.ADOPT,  # what it finds gets rows, and stays the old panel's
    }
)
# What the old panel was asked for and this one does, once it has begun: it is done twice without
# harm, and what it ends would stay for ever.
ENDED_ANYWAY = frozenset({RunKind.ABANDON, RunKind.CLEAR, RunKind.DELETE, RunKind.VERIFY})
# Of what a job does itself: what it may go on with if the old panel had it under way.
CARRIED_ON = ENDED_ANYWAY | LOOKS | {RunKind.SNAPSHOT}  # a cloud goes on with a snapshot by itself
# Backups that the old panel has made, or has deleted, are not known before everything was checked.
NOTHING_EXPIRES_FOR = timedelta(days=1)


class Import(Base):
    """This panel was brought back; at most one row."""

    __tablename__ = "imports"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    made_at: Mapped[datetime]  # when the export was made: nothing of what came after it is known
    panel: Mapped[str]  # the version of the panel that made it
    imported_at: Mapped[datetime] = mapped_column(default=clock.now)
    begun_at: Mapped[datetime | None]
    begun_by: Mapped[UUID | None] = mapped_column(ForeignKey(Person.id))


def current(session: Session) -> Import | None:
    """How this panel was brought back, if it was."""
    return session.scalar(select(Import).order_by(Import.imported_at.desc()).limit(1))


def is_at_rest(session: Session) -> bool:
    """Whether nobody has said yet that the old panel is gone."""
    rows = select(Import.id).where(Import.begun_at.is_(None))
    return session.scalar(rows.limit(1)) is not None


def refuse(session: Session, kind: RunKind | None = None) -> None:
    """Raises PanelAtRest if this must not be begun now; `kind` None: whatever it is."""
    if kind not in LOOKS and is_at_rest(session):
        raise PanelAtRest("This panel was brought back from an export and is at rest.")


def allowed(session: Session, runs: Any) -> Sequence[ColumnElement[bool]]:
    """What of these runs (the class Run) may be worked on: at rest what looks, and was asked for
    here."""
    if not is_at_rest(session):
        return ()
    return (runs.kind.in_(LOOKS), runs.of_old_panel.is_(False))


def may_expire(session: Session) -> bool:
    """Whether backups may be deleted because they have had their time."""
    back = current(session)
    if back is None:
        return True
    return back.begun_at is not None and clock.now() > back.begun_at + NOTHING_EXPIRES_FOR


def begin(session: Session, by: Person) -> Import:
    """The old panel is gone. Raises InvalidState if this one is not at rest."""
    back = current(session)
    if back is None or back.begun_at:
        raise InvalidState("This panel is at work already.")
    back.begun_at, back.begun_by = clock.now(), by.id
    return back

"""Databases of a site: on which server, who may read them, and which of them are backed up."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ForeignKey, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from cloudpilot import clock
from cloudpilot.db import Base
from cloudpilot.domain.sites import Site
from cloudpilot.domain.status import values_of
from cloudpilot.errors import NotFound
from cloudpilot.kinds import Engine


class Database(Base):
    """A login to a database server, as the site's own server reaches it, and what to dump there."""

    __tablename__ = "databases"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    site_id: Mapped[UUID] = mapped_column(ForeignKey(Site.id), index=True)
    engine: Mapped[Engine] = mapped_column(values_of(Engine))
    host: Mapped[str] = mapped_column(default="")  # "": by the socket
    port: Mapped[int | None]  # None: by the socket
    socket: Mapped[str] = mapped_column(default="")  # PostgreSQL: the folder that it lies in
    user: Mapped[str]
    password: Mapped[str]  # sealed at `password_place`
    all_but: Mapped[bool] = mapped_column(default=False)  # all that there are, without `names`
    names: Mapped[list[str]]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    removed_at: Mapped[datetime | None]  # a tombstone: backups say what they were made from
    findings: Mapped[dict[str, Any] | None]  # what the last INSPECT run found
    inspected_at: Mapped[datetime | None]

    @property
    def password_place(self) -> str:
        """Where the sealed password belongs."""
        return f"databases/{self.id}/password"

    @property
    def where(self) -> str:
        """How its server is reached, in words."""
        return f"{self.host}:{self.port}" if self.host else self.socket

    @property
    def which(self) -> str:
        """Which databases, in words."""
        names = ", ".join(self.names)
        if self.all_but:
            return f"all but {names}" if names else "all"
        return names

    def plan(self) -> dict[str, Any]:
        """What a backup keeps of it: everything but the password."""
        return {
            "id": str(self.id),
            "engine": self.engine.value,
            "where": self.where,
            "user": self.user,
            "all_but": self.all_but,
            "names": self.names,
        }


def find(session: Session, database_id: UUID) -> Database:
    """Raises NotFound, also for one that was removed."""
    database = session.get(Database, database_id)
    if database is None or database.removed_at:
        raise NotFound("There is no such database.")
    return database


def of_site(session: Session, site_id: UUID) -> list[Database]:
    """The databases of a site, in the order in which they were added."""
    rows = select(Database).where(Database.site_id == site_id, Database.removed_at.is_(None))
    return list(session.scalars(rows.order_by(Database.created_at, Database.id)))


def known(session: Session, site_id: UUID) -> dict[UUID, list[str]]:
    """Of each database of a site, which names its last completed backup holds."""
    return {}

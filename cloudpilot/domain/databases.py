"""Databases of a site: on which server, who may read them, and which of them are backed up."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ForeignKey, func, select
from sqlalchemy.orm import Mapped, Session, defer, mapped_column

from cloudpilot import clock
from cloudpilot.db import Base
from cloudpilot.domain import goodness
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.runs import Run
from cloudpilot.domain.sites import Site
from cloudpilot.domain.status import Status, values_of
from cloudpilot.errors import InvalidConfig, NotFound
from cloudpilot.kinds import Engine, RunKind
from cloudpilot.secrets import Sealer, Secret


class Database(Base):
    """A login to a database server, as the site's own server reaches it, and what to dump there."""

    __tablename__ = "databases"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    site_id: Mapped[UUID] = mapped_column(ForeignKey(Site.id), index=True)
    engine: Mapped[Engine] = mapped_column(values_of(Engine))
    host: Mapped[str] = mapped_column(default="")  # "": by the socket
    port: Mapped[int | None]  # by the socket: None, or PostgreSQL's if it is not its usual one
    socket: Mapped[str] = mapped_column(default="")  # PostgreSQL: the folder that it lies in
    user: Mapped[str]
    password: Mapped[str]  # sealed at `password_place`; "" once it was removed
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
        if self.host:
            return f"{self.host}:{self.port}"
        return f"{self.socket.rstrip('/')}/.s.PGSQL.{self.port}" if self.port else self.socket

    @property
    def title(self) -> str:
        """What it is called where more than one is spoken of."""
        return f"{self.engine.brand} at {self.where}"

    @property
    def claim(self) -> str:
        """Of the run that looks at it."""
        return f"inspect:database:{self.id}"

    @property
    def level(self) -> str:
        """What the last inspection says of it: ok, warning, failed, or nothing yet."""
        if self.findings is None:
            return ""
        if not self.findings.get("ok"):
            return "failed"
        warned = any(line.get("level") == "warning" for line in self.findings.get("lines", ()))
        return "warning" if warned else "ok"

    @property
    def which(self) -> str:
        """Which databases, in words."""
        names = ", ".join(self.names)
        if self.all_but:
            return f"all but {names}" if names else "all"
        return names

    def is_dumped(self, name: str) -> bool:
        """Whether a backup by this login holds the database of this name, if that is there."""
        return self.removed_at is None and (name in self.names) is not self.all_but

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


def by_site(
    session: Session, site_ids: Iterable[UUID] | None = None
) -> Mapping[UUID, list[Database]]:
    """The databases of all sites that have any, or of these sites; without their findings."""
    found: dict[UUID, list[Database]] = {}
    rows = select(Database).where(Database.removed_at.is_(None))
    rows = rows.order_by(Database.created_at, Database.id)
    if site_ids is not None:
        rows = rows.where(Database.site_id.in_(list(site_ids)))
    for database in session.scalars(rows.options(defer(Database.findings))):
        found.setdefault(database.site_id, []).append(database)
    return found


def add(
    session: Session, site: Site, sealer: Sealer, password: Secret, values: Mapping[str, Any]
) -> Database:
    """A new database of the site; raises InvalidConfig if it has the very same already.

    values  the other columns, by name
    """
    database = Database(id=uuid4(), site_id=site.id, **values)
    _refuse_twice(session, database)
    database.password = sealer.seal(password, database.password_place)
    session.add(database)
    session.flush()
    return database


def change(
    session: Session,
    database: Database,
    sealer: Sealer,
    password: Secret | None,
    values: Mapping[str, Any],
) -> None:
    """It is something else from now on; what was found by the last inspection is forgotten.

    password  None: as it was. A password goes to no other server than the one that it was typed
              for, since whoever may change a database could have it sent to a machine of theirs.

    Raises InvalidConfig.
    """
    new = Database(id=database.id, site_id=database.site_id, **values)
    _refuse_twice(session, new)
    if password is None and new.where != database.where:
        kept = sealer.open(database.password, database.password_place)
        if kept.reveal():
            raise InvalidConfig("It is another server now: type the password for it, too.")
    for name, value in values.items():
        setattr(database, name, value)
    if password is not None:
        database.password = sealer.seal(password, database.password_place)
    database.findings = database.inspected_at = None


def _refuse_twice(session: Session, database: Database) -> None:
    for other in of_site(session, database.site_id):
        if other.id != database.id and _selection(other) == _selection(database):
            raise InvalidConfig(f"The site has {database.title} with these databases already.")


def _selection(database: Database) -> tuple[Engine, str, bool, frozenset[str]]:
    return database.engine, database.where, database.all_but, frozenset(database.names)


def latest_looks(session: Session, databases: Sequence[Database]) -> Mapping[UUID, Run]:
    """The newest run that looks at each, of those that were ever looked at."""
    by_claim = {database.claim: database.id for database in databases}
    looks = (Run.kind == RunKind.INSPECT, Run.claim.in_(by_claim))
    newest = select(func.max(Run.created_at)).where(*looks).group_by(Run.claim)
    rows = select(Run).where(*looks, Run.created_at.in_(newest)).order_by(Run.created_at)
    found = session.scalars(rows) if by_claim else ()
    return {by_claim[run.claim]: run for run in found if run.claim}


def are_held(plans: Sequence[Mapping[str, Any]], databases: Iterable[Database]) -> bool:
    """Whether a backup that was made by these plans holds all that is to be dumped now."""
    made = {plan["id"]: plan for plan in plans}
    return all(_is_held(made.get(str(database.id), {}), database) for database in databases)


def _is_held(plan: Mapping[str, Any], database: Database) -> bool:
    if (plan.get("engine"), plan.get("where")) != (database.engine, database.where):
        return False
    then, now = set(plan["names"]), set(database.names)
    if plan["all_but"]:  # `then` is what it lacks
        return then <= now if database.all_but else not then & now
    return not database.all_but and now <= then


def known(session: Session, site_id: UUID) -> dict[UUID, list[str]]:
    """Of each database of a site, which names its last completed backup holds.

    What is left out on purpose now is not among them.
    """
    rows = select(Backup.databases, Backup.census).where(
        Backup.site_id == site_id,
        Backup.status == Status.COMPLETED,
        Backup.adopted_at.is_(None),
        goodness.has_databases(),
    )
    last = session.execute(rows.order_by(Backup.created_at.desc(), Backup.id).limit(1)).first()
    plans, census = last or ((), ())
    of_plan = {plan["id"]: _names(plan, plans, census) for plan in plans}
    return {
        database.id: [
            name
            for name in of_plan.get(str(database.id), ())
            if (name in database.names) is not database.all_but
        ]
        for database in of_site(session, site_id)
    }


def _names(
    plan: Mapping[str, Any], plans: Iterable[Mapping[str, Any]], census: Iterable[Mapping[str, Any]]
) -> list[str]:
    """The names that were dumped by this plan; another may be for the same server."""
    server = (plan["engine"], plan["where"])
    # A server may have said anything, or no name at all.
    of_server = [one for one in census if (one.get("engine"), one.get("where")) == server]
    there = [one["name"] for one in of_server if one.get("name")]
    if not plan["all_but"]:
        return [name for name in there if name in plan["names"]]
    by_name = {
        name
        for other in plans
        if (other["engine"], other["where"]) == server and not other["all_but"]
        for name in other["names"]
    }
    return [name for name in there if name not in by_name]

"""What a backup dumps: from its row and the sealed passwords to what goes to the server."""

from uuid import UUID

from flask import current_app
from sqlalchemy.orm import Session

from cloudpilot.domain import databases
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.databases import Database
from cloudpilot.engine.logins import Login
from cloudpilot.engine.script import Dump
from cloudpilot.errors import InvalidState
from cloudpilot.secrets import Sealer


def of(session: Session, backup: Backup) -> tuple[Dump, ...]:
    """What each of its databases is dumped with; raises InvalidState if one was changed."""
    known = databases.known(session, backup.site_id) if backup.site_id else {}
    return tuple(_dump(session, plan, known) for plan in backup.databases)


def _dump(session: Session, plan: dict[str, object], known: dict[UUID, list[str]]) -> Dump:
    database = session.get(Database, UUID(str(plan["id"])))
    if database is None or database.removed_at or database.plan() != plan:
        where = plan["where"]
        raise InvalidState(f"The site's database at {where} was changed meanwhile: back up again.")
    return Dump(
        login=login(database),
        where=database.where,
        names=tuple(database.names),
        all_but=database.all_but,
        known=tuple(known.get(database.id, ())),
    )


def login(database: Database) -> Login:
    """How its server is reached from the server that is backed up."""
    sealer: Sealer = current_app.extensions["sealer"]
    return Login(
        database.engine,
        database.host,
        database.port,
        database.socket,
        database.user,
        sealer.open(database.password, database.password_place),
    )

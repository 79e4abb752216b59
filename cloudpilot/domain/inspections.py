"""What was found about the databases of sites: kept, and told in the lines of a Check."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloudpilot import clock
from cloudpilot.domain.changes import RANK
from cloudpilot.domain.databases import Database
from cloudpilot.domain.runs import Run
from cloudpilot.domain.sites import Site
from cloudpilot.errors import CloudPilotError
from cloudpilot.kinds import RunKind

AT_ONCE = 20  # databases that one Check looks at; the others have their turn at the next
DETAILS_AT_MOST = 600  # characters of a line

Findings = Mapping[str, Any]  # see engine.inspection.findings


def keep(session: Session, database: Database, found: Findings, asked: Mapping[str, Any]) -> None:
    """Write down what was found; a database that was not there the last time is marked as new.

    asked  the `plan` of the row that was asked with: it may have been changed meanwhile
    """
    row = session.get_one(Database, database.id)
    former = _names(row.findings) if row.findings else None
    known = [
        {**one, "new": bool(former) and one["name"] not in (former or ())}
        for one in found["databases"]
    ]
    row.findings = {**found, "databases": known, "for": dict(asked)}
    row.inspected_at = clock.now()


def keep_each(
    session: Session,
    asked: Sequence[tuple[Database, Site]],
    found: Mapping[UUID, Findings | CloudPilotError],
) -> None:
    """Write down what was found for several; what failed leaves what is known as it is."""
    for database, _ in asked:
        now = found.get(database.id)
        if isinstance(now, Mapping):
            keep(session, database, now, database.plan())


def is_stale(database: Database) -> bool:
    """Whether the login or the choice has been changed since it was looked at."""
    return bool(database.findings) and (database.findings or {}).get("for") != database.plan()


def latest(session: Session, database: Database) -> Run | None:
    """The newest run that looks at this database."""
    rows = select(Run).where(
        Run.kind == RunKind.INSPECT, Run.claim == f"inspect:database:{database.id}"
    )
    return session.scalar(rows.order_by(Run.created_at.desc(), Run.id.desc()).limit(1))


def on_server(session: Session, server_id: UUID) -> list[tuple[Database, Site]]:
    """The databases of a server's sites, those that were not looked at for longest first."""
    rows = (
        select(Database, Site)
        .join(Site, Site.id == Database.site_id)
        .where(
            Site.server_id == server_id, Site.removed_at.is_(None), Database.removed_at.is_(None)
        )
        .order_by(Database.inspected_at.is_not(None), Database.inspected_at, Database.created_at)
    )
    return [(database, site) for database, site in session.execute(rows)]


def lines(
    asked: Sequence[tuple[Database, Site]], found: Mapping[UUID, Findings | CloudPilotError]
) -> list[dict[str, Any]]:
    """One line of a Check for each database: what was found now, else what was found last."""
    told = []
    for database, site in sorted(asked, key=lambda pair: (pair[1].name, pair[0].created_at)):
        now = found.get(database.id, database.findings)
        if now is not None:
            told.append(_line(database, site, now))
    return told


def _line(database: Database, site: Site, found: Findings | CloudPilotError) -> dict[str, Any]:
    line = {
        "key": f"database:{database.id}",
        "title": f"{database.engine.brand} of {site.name}",
        "steady": True,
    }
    if isinstance(found, CloudPilotError):
        return line | {"level": "failed", "detail": str(found), "remedy": found.remedy}
    level = max((one["level"] for one in found["lines"]), key=RANK.__getitem__, default="ok")
    if level == "ok":
        return line | {"level": level, "detail": _well(found), "remedy": ""}
    worst = [one for one in found["lines"] if one["level"] == level]
    detail = " ".join(one["detail"] for one in worst)
    return line | {
        "level": level,
        "detail": detail[:DETAILS_AT_MOST],
        "remedy": worst[0]["remedy"],
    }


def _well(found: Findings) -> str:
    """Nothing in it changes from day to day but versions."""
    return f"All that is to be backed up can be read, version {found['version']}; {found['tool']}."


def _names(found: Findings) -> set[str]:
    return {one["name"] for one in found["databases"]}

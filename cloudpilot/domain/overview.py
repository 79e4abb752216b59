"""What pages show together: each a fixed number of queries, however many rows there are."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, String, and_, case, cast, func, select
from sqlalchemy.orm import Session, aliased, raiseload

from cloudpilot import clock
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import Copy, CopyStatus
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Checkup, Server
from cloudpilot.domain.sites import Site
from cloudpilot.domain.status import ACTIVE, Status
from cloudpilot.errors import RunStopped, Unexpected
from cloudpilot.kinds import Place, RunKind

LATELY = timedelta(days=7)
ACTIVE_SHOWN = 100
LEVELS = ("failed", "warning", "ok")  # of a Check's lines, the worst first


@dataclass(frozen=True, slots=True)
class SiteRow:
    """A site, its newest good backup and its newest attempt at one; either may be missing."""

    site: Site
    server: Server
    good: Backup | None
    last: Backup | None


@dataclass(frozen=True, slots=True)
class ServerRow:
    """A server, how many sites it has, when it was last backed up, what its last Check found.

    trouble  the code of the error that keeps us from it or failed its last Check; None if none is
    """

    server: Server
    sites: int
    backed_up_at: datetime | None
    checkup: Checkup | None
    trouble: str | None

    @property
    def level(self) -> str | None:
        """The worst level of the last Check."""
        return worst(self.checkup)


@dataclass(frozen=True, slots=True)
class Summary:
    """The panel in numbers; completed and failed are backups begun lately, deleted or not.

    What a person stopped is neither.
    """

    servers: int
    sites: int
    completed: int
    failed: int


def summary(session: Session) -> Summary:
    """The panel in numbers."""
    since = clock.now() - LATELY

    def backups(*conditions: ColumnElement[bool]) -> Select[Any]:
        return select(func.count()).where(*conditions, Backup.created_at >= since)

    counts = (
        select(func.count()).select_from(Server).where(Server.removed_at.is_(None)),
        select(func.count()).select_from(Site).where(Site.removed_at.is_(None)),
        backups(Backup.status == Status.COMPLETED),
        backups(*_has_failed()),
    )
    row = session.execute(select(*(count.scalar_subquery() for count in counts))).one()
    return Summary(*row)


def active_runs(session: Session) -> list[Run]:
    """What is waiting or under way, the newest first."""
    rows = select(Run).where(Run.status.in_(ACTIVE))
    return list(session.scalars(rows.order_by(Run.created_at.desc(), Run.id).limit(ACTIVE_SHOWN)))


def failed_lately(session: Session, limit: int) -> list[Backup]:
    """Backups that have failed lately, the newest first; without their copies.

    Those that a person stopped are left out: there is nothing to be done about them.
    """
    rows = select(Backup).options(raiseload(Backup.copies))
    rows = rows.where(
        *_has_failed(),
        Backup.created_at >= clock.now() - LATELY,
        Backup.deleted_at.is_(None),
    )
    return list(session.scalars(rows.order_by(Backup.created_at.desc()).limit(limit)))


def site_rows(
    session: Session, server_id: UUID | None = None, *, limit: int, offset: int = 0
) -> list[SiteRow]:
    """Sites of one server or of all, by name, with what was last backed up of each."""
    good, last = aliased(Backup), aliased(Backup)
    rows = (
        select(Site, Server, good, last)
        .join(Server, Server.id == Site.server_id)
        .outerjoin(good, good.id == _newest_of_site(*_is_good()))
        .outerjoin(last, last.id == _newest_of_site())
        .where(Site.removed_at.is_(None))
        .options(raiseload(good.copies), raiseload(last.copies))
        .order_by(Site.name, Server.name, Site.id)
    )
    if server_id:
        rows = rows.where(Site.server_id == server_id)
    return [SiteRow(*row) for row in session.execute(rows.limit(limit).offset(offset))]


def server_rows(
    session: Session, server_id: UUID | None = None, *, limit: int, offset: int = 0
) -> list[ServerRow]:
    """Servers by name, or that one alone."""
    sites = select(func.count()).where(Site.server_id == Server.id, Site.removed_at.is_(None))
    backed_up = _newest(select(Backup.created_at), Backup.server_id == Server.id, *_is_good())
    newest_checkup = (
        select(Checkup.id).where(Checkup.server_id == Server.id).order_by(Checkup.at.desc())
    )
    newest_check = (
        select(Run.id)
        .where(Run.server_id == Server.id, _reads(Run.kind, RunKind.CHECK))
        .order_by(Run.created_at.desc(), Run.id.desc())
    )
    check_failed = and_(
        Run.id == newest_check.limit(1).correlate(Server).scalar_subquery(),
        _reads(Run.status, Status.FAILED),
    )
    rows = (
        select(
            Server,
            sites.correlate(Server).scalar_subquery(),
            backed_up.correlate(Server).scalar_subquery(),
            Checkup,
            case((Run.id.is_not(None), func.coalesce(Run.error_code, Unexpected.code))),
        )
        .outerjoin(
            Checkup, Checkup.id == newest_checkup.limit(1).correlate(Server).scalar_subquery()
        )
        .outerjoin(Run, check_failed)
        .where(Server.removed_at.is_(None))
        .order_by(Server.name, Server.id)
    )
    if server_id:
        rows = rows.where(Server.id == server_id)
    unreached = _unreached(session)
    return [
        ServerRow(server, count, backed_up_at, checkup, unreached.get(server.id) or failed)
        for server, count, backed_up_at, checkup, failed in session.execute(
            rows.limit(limit).offset(offset)
        )
    ]


def latest_check(session: Session, server_id: UUID) -> Run | None:
    """The newest run that checks this server."""
    rows = select(Run).where(Run.server_id == server_id, Run.kind == RunKind.CHECK)
    return session.scalar(rows.order_by(Run.created_at.desc(), Run.id.desc()).limit(1))


def worst_first(checkup: Checkup | None) -> list[dict[str, Any]]:
    """A Check's lines, what needs attention before what is well."""
    return sorted(checkup.lines if checkup else (), key=lambda line: LEVELS.index(line["level"]))


def worst(checkup: Checkup | None) -> str | None:
    """The worst level of a Check's lines; None without a Check."""
    return next((line["level"] for line in worst_first(checkup)), None)


def _unreached(session: Session) -> dict[UUID, str]:
    """By server: why what was begun last there waits, if it is because of SSH."""
    rows = select(Run.server_id, Run.error_code).where(Run.status.in_(ACTIVE))
    newest: dict[UUID, str] = {}
    for server_id, code in session.execute(rows.order_by(Run.created_at, Run.id)):
        newest[server_id] = code or ""
    return {server_id: code for server_id, code in newest.items() if code.startswith("SSH_")}


def _has_failed() -> tuple[ColumnElement[bool], ...]:
    """Failed, and not because a person stopped it."""
    return (
        Backup.status == Status.FAILED,
        Backup.error_code.is_distinct_from(RunStopped.code),
    )


def _is_good() -> tuple[ColumnElement[bool], ...]:
    """Completed, and still whole on its server."""
    copy = select(Copy.id).where(
        Copy.backup_id == Backup.id,
        Copy.place == Place.SERVER,
        _reads(Copy.status, CopyStatus.STORED),
    )
    return _reads(Backup.status, Status.COMPLETED), copy.correlate(Backup).exists()


def _newest_of_site(*conditions: ColumnElement[bool]) -> Any:
    newest = _newest(select(Backup.id), Backup.site_id == Site.id, *conditions)
    return newest.correlate(Site).scalar_subquery()


def _reads(column: Any, value: StrEnum) -> ColumnElement[bool]:
    """That value, said so that no index of such values is walked: for a site that was never backed
    up it would be walked to its end. The rows of one site or server are few."""
    return cast(column, String) == value.value


def _newest(rows: Select[Any], *conditions: Any) -> Select[Any]:
    rows = rows.where(*conditions, Backup.deleted_at.is_(None))
    return rows.order_by(Backup.created_at.desc(), Backup.id.desc()).limit(1)

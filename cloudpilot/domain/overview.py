"""What pages show together: each a fixed number of queries, however many rows there are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import String, and_, case, cast, func, or_, select, tuple_
from sqlalchemy.orm import Session, aliased, load_only, raiseload

from cloudpilot import clock
from cloudpilot.catalogue import by_code
from cloudpilot.domain import protection, sites
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.databases import Database
from cloudpilot.domain.failures import LATELY
from cloudpilot.domain.goodness import (
    has_databases,
    has_files,
    is_good,
    newest,
    newest_of_site,
    reads,
)
from cloudpilot.domain.protection import Around, State
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Checkup, Server
from cloudpilot.domain.sites import Site
from cloudpilot.domain.status import ACTIVE, Status
from cloudpilot.errors import RunStopped, Unexpected
from cloudpilot.kinds import BackupType, RunKind

# Made once: what SQLAlchemy finds out about their columns takes as long as the rest of a query.
_FILES, _DUMPS, _LAST = (aliased(Backup), aliased(Backup), aliased(Backup))
_LATER = aliased(Run)
_OF_BACKUPS = ("type", "status", "created_at", "size", "warning_count", "counts", "error_code")
LEVELS = ("failed", "warning", "ok")  # of a Check's lines, the worst first


@dataclass(frozen=True, slots=True)
class SiteRow:
    """A site, its newest good backup, its newest attempt at one (either may be missing), and how
    it stands. Where its paths and its databases are in two backups, `good` is the older one."""

    site: Site
    server: Server
    databases: Sequence[Database]
    good: Backup | None
    last: Backup | None
    state: State

    @property
    def types(self) -> tuple[BackupType, ...]:
        """What can be backed up of it, all of it first; nothing of an empty one."""
        return sites.types(self.site.paths, self.databases)


@dataclass(frozen=True, slots=True)
class Trouble:
    """A server that cannot be worked with, why, and when that was found out."""

    server: Server
    code: str
    detail: str
    at: datetime

    @property
    def remedy(self) -> str:
        """What to do about it."""
        return by_code(self.code).remedy

    @property
    def is_unreached(self) -> bool:
        """Whether we do not get in, or must not; else it answers and its Check failed."""
        return self.code.startswith(("SSH_", "HOST_KEY_"))


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


def site_rows(
    session: Session,
    server_id: UUID | None = None,
    *,
    site_ids: Sequence[UUID] | None = None,
    known: Around | None = None,
    limit: int,
) -> list[SiteRow]:
    """Sites of one server or of all by name, or those of `site_ids` in that order. Of all rows what
    pages show is read: to ask for more of them, in this session, is an error."""
    rows = _sites()
    if server_id:
        rows = rows.where(Site.server_id == server_id)
    if site_ids is not None:
        rows = rows.where(Site.id.in_(site_ids))
    seen = session.execute(rows.limit(limit)).all()
    found = _with_states(seen, known or protection.around(session))
    return sorted(found, key=lambda row: site_ids.index(row.site.id)) if site_ids else found


@cache
def _sites() -> Any:
    """Made once, as that takes longer than asking; without what no page shows of rows."""
    rows = select(Site, Server, _FILES, _DUMPS, _LAST, protection.was_completed())
    rows = rows.add_columns(*protection.columns())
    rows = (
        rows.join(Server, Server.id == Site.server_id)
        .outerjoin(_FILES, _FILES.id == _newest_good(protection.has_paths(), has_files()))
        .outerjoin(_DUMPS, _DUMPS.id == _newest_good(protection.has_dumps(), has_databases()))
        .outerjoin(_LAST, _LAST.id == newest_of_site(Backup.id))
    )
    shown = [_only(kind, *_OF_BACKUPS) for kind in (_FILES, _DUMPS, _LAST)]
    shown += [_only(Site, "server_id", "name", "paths"), _only(Server, "name", "host_keys")]
    without = (raiseload(kind.copies) for kind in (_FILES, _DUMPS, _LAST))
    rows = rows.where(Site.removed_at.is_(None)).options(*shown, *without)
    return rows.order_by(Site.name, Server.name, Site.id)


def _newest_good(of_site: Any, part: Any) -> Any:
    """The id of a site's newest good backup with that part, if the site has it."""
    return case((of_site, newest_of_site(Backup.id, part, *is_good())))


def _only(kind: Any, *names: str) -> Any:
    """Of such rows these columns and no other; whoever asks for one is told so."""
    return load_only(*(getattr(kind, name) for name in names), raiseload=True)


def _with_states(seen: Sequence[Any], known: Around) -> list[SiteRow]:
    of_sites, now, found = known.databases, clock.now(), []
    for site, server, files, dumps, last, ever, *of_parts in seen:
        good = min((b for b in (files, dumps) if b), key=lambda b: b.created_at, default=None)
        parts = protection.parts_of(of_parts, site.id, known)
        is_kept = server.id not in known.trapped
        state = protection.state_of(parts, ever, now, is_kept)
        found.append(SiteRow(site, server, of_sites.get(site.id, ()), good, last, state))
    return found


def server_rows(
    session: Session, server_id: UUID | None = None, *, limit: int, offset: int = 0
) -> list[ServerRow]:
    """Servers by name, or that one alone."""
    sites = select(func.count()).where(Site.server_id == Server.id, Site.removed_at.is_(None))
    backed_up = newest(select(Backup.created_at), Backup.server_id == Server.id, *is_good())
    newest_checkup = (
        select(Checkup.id).where(Checkup.server_id == Server.id).order_by(Checkup.at.desc())
    )
    newest_check = (
        select(Run.id)
        .where(Run.server_id == Server.id, Run.kind == RunKind.CHECK)
        .order_by(Run.created_at.desc(), Run.id.desc())
    )
    check_failed = and_(
        Run.id == newest_check.limit(1).correlate(Server).scalar_subquery(),
        reads(Run.status, Status.FAILED),
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


def troubles(session: Session) -> list[Trouble]:
    """Servers that were set up and do not let us in, by name: their newest Check failed lately,
    or what is to be done there waits because of SSH."""
    ready = (Server.removed_at.is_(None), cast(Server.host_keys, String) != "[]")
    failed = (
        Run.kind == RunKind.CHECK,
        Run.status == Status.FAILED,
        Run.error_code.is_distinct_from(RunStopped.code),
        Run.created_at >= clock.now() - LATELY,
        or_(Server.checked_at.is_(None), Run.created_at > Server.checked_at),
    )
    waits = (Run.status.in_(ACTIVE), Run.error_code.startswith("SSH_"))
    found: dict[UUID, Trouble] = {}
    for conditions in (failed, waits):
        rows = select(Server, Run.error_code, Run.error_detail, Run.created_at)
        rows = rows.join(Run, Run.server_id == Server.id).where(*ready, *conditions)
        for server, code, detail, at in session.execute(rows.order_by(Run.created_at)):
            found[server.id] = Trouble(server, code or Unexpected.code, detail or "", at)
    return sorted(found.values(), key=lambda trouble: (trouble.server.name, trouble.server.id))


def _unreached(session: Session) -> dict[UUID, str]:
    """By server: why what was begun last there waits, if it is because of SSH."""
    later = select(_LATER.id).where(
        _LATER.server_id == Run.server_id,
        _LATER.status.in_(ACTIVE),
        tuple_(_LATER.created_at, _LATER.id) > tuple_(Run.created_at, Run.id),
    )
    rows = select(Run.server_id, Run.error_code).where(
        Run.status.in_(ACTIVE), Run.error_code.startswith("SSH_"), ~later.exists()
    )
    return {server_id: code for server_id, code in session.execute(rows) if server_id and code}

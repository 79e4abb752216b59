"""How well each site is protected: computed from its backups at every look, never stored.

A good backup is completed, was whole when it was made, has not been deleted by us, was there when a
Check looked for it last, and has no serious warnings. It protects what the site is now only if it
holds all of its paths, and only where files stay. Without schedules nobody has said how often a
site should be backed up, so one rule is for all: a good backup is fresh for a day, and for two
hours more, so that tonight's may take longer than last night's.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, String, and_, cast, func, or_, select
from sqlalchemy.orm import Session

from cloudpilot import clock
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import Copy, CopyStatus
from cloudpilot.domain.servers import Checkup, Server
from cloudpilot.domain.sites import Site
from cloudpilot.domain.status import ACTIVE, Status
from cloudpilot.errors import RunStopped
from cloudpilot.kinds import Place

FRESH_FOR = timedelta(hours=26)
SERIOUS = 100  # one name in so many that could not be read makes warnings serious


class State(StrEnum):
    """How a site stands, the worst first."""

    NEVER = "never"  # no backup of it has ever been completed
    LOST = "lost"  # it had backups; none that is good is left
    FAILED = "failed"  # there is a good one, but the latest attempt failed
    CHANGED = "changed"  # the newest good one lacks a path that the site has now
    UNKEPT = "unkept"  # the last Check says that its server's backup directory keeps no files
    OLD = "old"
    FRESH = "fresh"


_AT_FIRST = datetime.min.replace(tzinfo=UTC)
RANK = {state: rank for rank, state in enumerate(State)}


@dataclass(frozen=True, slots=True)
class Standing:
    """How one site stands.

    good_at  when its newest good backup was asked for
    is_sound  whether that one holds all paths that the site has now, and lies where files stay
    """

    site_id: UUID
    name: str
    state: State
    good_at: datetime | None
    is_sound: bool


def state_of(
    good_at: datetime | None, tried: Status | None, ever: bool, now: datetime, doubt: State | None
) -> State:
    """How a site stands.

    tried  how its latest attempt ended that nobody stopped; None: there was none
    ever   whether a backup of it was ever completed, deleted or not
    doubt  what keeps its newest good backup from protecting it, see doubt_of
    """
    if good_at is None:
        return State.LOST if ever else State.NEVER
    if tried is Status.FAILED:
        return State.FAILED
    if doubt:
        return doubt
    return State.FRESH if now - good_at < FRESH_FOR else State.OLD


def doubt_of(backed_up: Sequence[str], paths: Sequence[str], is_kept: bool) -> State | None:
    """Why a good backup of `backed_up` does not protect a site of `paths`; None: it does."""
    if not holds(backed_up, paths):
        return State.CHANGED
    return None if is_kept else State.UNKEPT


def trapped(session: Session) -> set[UUID]:
    """Servers whose backup directory keeps no files, as their last Check says."""
    last = select(Checkup.id).where(Checkup.server_id == Server.id)
    last = last.order_by(Checkup.at.desc()).limit(1).correlate(Server)
    rows = select(Server.id).join(Checkup, Checkup.id == last.scalar_subquery())
    return set(session.scalars(rows.where(Checkup.facts["trap"].as_string().is_not(None))))


def holds(backed_up: Sequence[str], paths: Sequence[str]) -> bool:
    """Whether each path is one that was backed up, or lies in one; what was excluded is not asked.

    >>> holds(["/srv", "/etc"], ["/srv/www", "/etc"]), holds(["/"], ["/"]), holds(["/a"], ["/ab"])
    (True, True, False)
    """
    folders = tuple(f"{path.rstrip('/')}/" for path in backed_up)
    return all(f"{path.rstrip('/')}/".startswith(folders) for path in paths)


def standings(session: Session, search: str = "") -> list[Standing]:
    """Every site, or those whose name or server's name holds `search`, the worst first."""
    backed_up = newest_of_site(Backup.paths, *is_good()).label("backed_up")
    rows = select(Site.id, Site.name, Site.server_id, Site.paths, backed_up, *columns())
    rows = rows.where(Site.removed_at.is_(None))
    if search:
        names = (func.lower(name) for name in (Site.name, Server.name))
        fits = (name.contains(search.lower(), autoescape=True) for name in names)
        rows = rows.join(Server).where(or_(*fits))
    seen = session.execute(rows).all()
    once = backed_up_once(session, [row.id for row in seen if row.good_at is None])
    unkept, now, found = trapped(session), clock.now(), []
    for site_id, name, server_id, paths, held, good_at, tried in seen:
        doubt = doubt_of(held or (), paths, server_id not in unkept)
        state = state_of(good_at, tried, site_id in once, now, doubt)
        found.append(Standing(site_id, name, state, good_at, doubt is None))
    return sorted(found, key=_worst_first)


def backed_up_once(session: Session, site_ids: list[UUID]) -> set[UUID]:
    """Those of the sites of which a backup was completed at some time, deleted or not."""
    if not site_ids:
        return set()
    rows = select(Backup.site_id).where(
        Backup.site_id.in_(site_ids), reads(Backup.status, Status.COMPLETED)
    )
    return {site_id for site_id in session.scalars(rows.distinct()) if site_id}


def numbers(found: list[Standing]) -> Mapping[State, int]:
    """How many sites stand how; every state is in it."""
    counted = Counter(standing.state for standing in found)
    return {state: counted[state] for state in State}


def _worst_first(standing: Standing) -> tuple[int, datetime, str, UUID]:
    return RANK[standing.state], standing.good_at or _AT_FIRST, standing.name, standing.site_id


def columns() -> tuple[Any, Any]:
    """Of a query of sites: when the newest good backup was asked for, how the last try ended."""
    good_at = newest_of_site(Backup.created_at, *is_good())
    tried = newest_of_site(Backup.status, *has_ended())
    return good_at.label("good_at"), tried.label("tried")


def is_good() -> tuple[ColumnElement[bool], ...]:
    """Completed, on its server as far as we know, and without serious warnings."""
    copy = select(Copy.id).where(
        Copy.backup_id == Backup.id,
        Copy.place == Place.SERVER,
        reads(Copy.status, CopyStatus.STORED),
    )
    unreadable, files, folders = (
        func.coalesce(Backup.counts[name].as_float(), 0)
        for name in ("unreadable", "files", "directories")
    )
    few = unreadable * SERIOUS <= unreadable + files + folders
    return (
        reads(Backup.status, Status.COMPLETED),
        copy.correlate(Backup).exists(),
        or_(Backup.warning_count == 0, few),
    )


def is_serious(backup: Backup) -> bool:
    """Whether so much could not be read that the backup does not count as good."""
    count = backup.counts.get
    unreadable = count("unreadable", 0) if backup.warning_count else 0
    read = count("files", 0) + count("directories", 0)
    return bool(unreadable * SERIOUS > unreadable + read)


def has_ended() -> tuple[ColumnElement[bool], ...]:
    """Over, and not because a person stopped it."""
    return (
        and_(*(cast(Backup.status, String) != status.value for status in ACTIVE)),
        Backup.error_code.is_distinct_from(RunStopped.code),
    )


def has_failed() -> tuple[ColumnElement[bool], ...]:
    """Failed, and not because a person stopped it: there would be nothing to be done about it."""
    return (
        Backup.status == Status.FAILED,
        Backup.error_code.is_distinct_from(RunStopped.code),
    )


def newest_of_site(column: Any, *conditions: Any) -> Any:
    """That column of a site's newest such backup, within a query of sites."""
    rows = newest(select(column), Backup.site_id == Site.id, *conditions)
    return rows.correlate(Site).scalar_subquery()


def newest(rows: Select[Any], *conditions: Any) -> Select[Any]:
    """The newest backup of those, deleted ones left out."""
    rows = rows.where(*conditions, Backup.deleted_at.is_(None))
    return rows.order_by(Backup.created_at.desc(), Backup.id.desc()).limit(1)


def reads(column: Any, value: StrEnum) -> ColumnElement[bool]:
    """That value, said so that no index of such values is walked: for a site that was never backed
    up it would be walked to its end. The rows of one site or server are few."""
    return cast(column, String) == value.value

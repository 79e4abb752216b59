"""How well each site is protected: computed from its backups at every look, never stored.

A good backup (see goodness) protects what the site is now only if it holds all of its paths or
databases, and only where files stay. A site that has both may have them in one backup or in two:
it is as fresh as the older of them. A schedule says how often: what it has backed up is fresh until
the schedule is late. Without one, a good backup is fresh for a day, and for two hours more, so that
tonight's may take longer than last night's.
"""

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, String, case, cast, func, or_, select
from sqlalchemy.orm import Session

from cloudpilot import clock
from cloudpilot.domain import databases, scheduled
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.databases import Database
from cloudpilot.domain.goodness import (
    has_databases,
    has_ended,
    has_files,
    is_good,
    newest_of_site,
    reads,
)
from cloudpilot.domain.servers import Checkup, Server
from cloudpilot.domain.sites import Site
from cloudpilot.domain.status import Status
from cloudpilot.kinds import BackupType

FRESH_FOR = timedelta(hours=26)
_NONE = "[]"  # as columns of paths say it


class State(StrEnum):
    """How a site stands, the worst first."""

    NEVER = "never"  # no backup of it has ever been completed
    LOST = "lost"  # it had backups; none that is good is left
    FAILED = "failed"  # there is a good one, but the latest attempt failed
    CHANGED = "changed"  # the newest good ones lack a path or a database that the site has now
    UNKEPT = "unkept"  # the last Check says that its server's backup directory keeps no files
    OLD = "old"
    FRESH = "fresh"


_AT_FIRST = datetime.min.replace(tzinfo=UTC)
RANK = {state: rank for rank, state in enumerate(State)}


class Part(NamedTuple):
    """The paths of a site, or its databases, which are a part of it each; of a thousand sites a
    thousand, so no heavier than a tuple.

    good_at  when the newest good backup with this part was asked for; None: there is none
    tried    how the latest attempt at it ended that nobody stopped; None: there was none
    holds    whether that good backup holds all that this part of the site is now
    planned  whether a schedule has backed it up and is not late
    """

    good_at: datetime | None
    tried: Status | None
    holds: bool
    planned: bool = False


class Standing(NamedTuple):
    """How one site stands.

    good_at  when its newest good backup was asked for; of its two parts, the older one
    is_sound  whether all that the site has now is in good backups, which lie where files stay
    """

    site_id: UUID
    name: str
    state: State
    good_at: datetime | None
    is_sound: bool


@dataclass(frozen=True, slots=True)
class Around:
    """What is asked once, whatever is then said of sites: the databases of each,
    the servers whose backup directory keeps no files, as their last Check says, and of which types
    the schedules of each site are that are on time."""

    databases: Mapping[UUID, Sequence[Database]]
    trapped: Collection[UUID]
    on_time: Mapping[UUID, Sequence[BackupType]] = field(default_factory=dict)


def around(session: Session) -> Around:
    """Of all sites and servers; without what was found in the databases."""
    return Around(databases.by_site(session), trapped(session), scheduled.on_time(session))


def state_of(parts: Sequence[Part], ever: bool, now: datetime, is_kept: bool) -> State:
    """How a site stands that is made of these parts.

    ever     whether a backup of it was ever completed, deleted or not
    is_kept  whether its server's backup directory keeps files
    """
    good_at = good_at_of(parts)
    if good_at is None:
        return State.LOST if ever else State.NEVER
    if any(part.tried is Status.FAILED for part in parts):
        return State.FAILED
    if not all(part.holds for part in parts):
        return State.CHANGED
    if not is_kept:
        return State.UNKEPT
    return State.FRESH if all(_is_fresh(part, now) for part in parts) else State.OLD


def _is_fresh(part: Part, now: datetime) -> bool:
    return part.planned or (part.good_at is not None and now - part.good_at < FRESH_FOR)


def good_at_of(parts: Sequence[Part]) -> datetime | None:
    """Of the newest good backups of these parts, when the oldest was asked for."""
    return min([part.good_at for part in parts if part.good_at], default=None)


def is_sound(parts: Sequence[Part], is_kept: bool) -> bool:
    """Whether good backups hold all that these parts are now, and lie where files stay."""
    return bool(parts) and is_kept and all(part.holds for part in parts)


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


def standings(session: Session, search: str = "", known: Around | None = None) -> list[Standing]:
    """Every site, or those whose name or server's name holds `search`, the worst first."""
    rows = select(Site.id, Site.name, Site.server_id, was_completed(), *columns())
    rows = rows.where(Site.removed_at.is_(None))
    if search:
        names = (func.lower(name) for name in (Site.name, Server.name))
        fits = (name.contains(search.lower(), autoescape=True) for name in names)
        rows = rows.join(Server).where(or_(*fits))
    seen, known = session.execute(rows).all(), known or around(session)
    now, found = clock.now(), []
    for site_id, name, server_id, ever, *of_parts in seen:
        parts = parts_of(of_parts, site_id, known)
        is_kept = server_id not in known.trapped
        state, good_at = state_of(parts, ever, now, is_kept), good_at_of(parts)
        found.append(Standing(site_id, name, state, good_at, is_sound(parts, is_kept)))
    return sorted(found, key=_worst_first)


def parts_of(columns: Sequence[Any], site_id: UUID, known: Around) -> list[Part]:
    """What a site is made of, from its `columns()`: paths, databases, both, or nothing yet."""
    paths, files_at, files_held, files_tried, dumps_at, dumps_held, dumps_tried = columns
    of_site, on_time = known.databases.get(site_id, ()), known.on_time.get(site_id, ())
    parts = []
    if paths != _NONE:
        held = files_held is None or holds(files_held, json.loads(paths))
        complete = files_at is not None and held
        planned = any(kind.has_files for kind in on_time)
        parts.append(Part(files_at, files_tried, complete, planned))
    if of_site:
        complete = dumps_at is not None and databases.are_held(dumps_held, of_site)
        planned = any(kind.has_databases for kind in on_time)
        parts.append(Part(dumps_at, dumps_tried, complete, planned))
    return parts


def numbers(found: list[Standing]) -> Mapping[State, int]:
    """How many sites stand how; every state is in it."""
    counted = Counter(standing.state for standing in found)
    return {state: counted[state] for state in State}


@cache
def columns() -> tuple[Any, ...]:
    """Of a query of sites, for its paths and for its databases: when the newest good backup was
    asked for, what it holds, how the last try ended. Nothing is looked up for what it has not, and
    of paths none is read that are those of today."""
    today = cast(Site.paths, String)
    others = case((cast(Backup.paths, String) != today, Backup.paths))
    found = [today.label("paths")]
    for name, part, held, of_site in (
        ("files", has_files(), others, has_paths()),
        ("dumps", has_databases(), Backup.databases, has_dumps()),
    ):
        asked = {
            "at": newest_of_site(Backup.created_at, part, *is_good()),
            "held": newest_of_site(held, part, *is_good()),
            "tried": newest_of_site(Backup.status, part, *has_ended()),
        }
        found += [case((of_site, rows)).label(f"{name}_{key}") for key, rows in asked.items()]
    return tuple(found)


def was_completed() -> ColumnElement[bool]:
    """Within a query of sites: a backup of this one was completed at some time, deleted or not."""
    rows = select(Backup.id).where(
        Backup.site_id == Site.id,
        Backup.adopted_at.is_(None),
        reads(Backup.status, Status.COMPLETED),
    )
    return rows.correlate(Site).exists()


def has_paths() -> ColumnElement[bool]:
    """Within a query of sites: this one has paths."""
    return cast(Site.paths, String) != _NONE


def has_dumps() -> ColumnElement[bool]:
    """Within a query of sites: this one has databases."""
    there = select(Database.id).where(Database.site_id == Site.id, Database.removed_at.is_(None))
    return there.correlate(Site).exists()


def _worst_first(standing: Standing) -> tuple[int, datetime, str, UUID]:
    return RANK[standing.state], standing.good_at or _AT_FIRST, standing.name, standing.site_id

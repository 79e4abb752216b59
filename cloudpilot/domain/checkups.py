"""What has changed from Check to Check: better, worse, or silent where it used to answer."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import String, and_, bindparam, cast, delete, func, select
from sqlalchemy.orm import Session

from cloudpilot import clock
from cloudpilot.db import UtcDateTime
from cloudpilot.domain.changes import RANK, Changes, Lines, compare
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Checkup, Server, latest_checkup
from cloudpilot.domain.status import Status
from cloudpilot.errors import RunStopped
from cloudpilot.kinds import RunKind

KEPT = timedelta(days=90)
SINCE_YESTERDAY = timedelta(hours=36)  # a daily Check is not done at the same minute each day
EVENTS_SHOWN = 100
SILENT = "reach"  # the key of "it does not answer any more"
_SINCE = bindparam("since", type_=UtcDateTime)


@dataclass(frozen=True, slots=True)
class Worsening:
    """One thing on a server that is worse now than it was.

    before, after  levels of a Check's line; `before` is None for what was not there at all
    at             when the panel learnt of it
    """

    server: Server
    key: str
    title: str
    before: str | None
    after: str
    detail: str
    remedy: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of a server's history: what a Check saw change, or Checks that got no answer.

    failed  how many Checks in a row failed; `run` is the last of them, `at` when the first did
    """

    at: datetime
    changes: Changes
    run: Run | None = None
    failed: int = 0
    first: bool = False  # the first Check of all


def keep(session: Session, server: Server, lines: Lines, facts: Mapping[str, Any]) -> Checkup:
    """Write down what a Check found and what is new in it; what is older than KEPT goes."""
    former = latest_checkup(session, server.id)
    now = clock.now()
    found = Checkup(
        server_id=server.id,
        at=now,
        lines=[dict(line) for line in lines],
        facts=dict(facts),
        changes=compare(former.lines if former else None, lines),
    )
    server.checked_at = now
    session.add(found)
    session.flush()
    old = delete(Checkup).where(Checkup.server_id == server.id, Checkup.at < now - KEPT)
    session.execute(old, execution_options={"synchronize_session": False})
    return found


def worsened(session: Session, since: datetime) -> list[Worsening]:
    """What is worse now on any server than it was at `since`, the worst first, then by name.

    What got worse and well again meanwhile is not in it. A server that had answered before and
    whose Checks have failed from some moment after `since` on is one entry, with key SILENT.
    Two queries, however many servers there are. For "worse than yesterday" take
    `clock.now() - SINCE_YESTERDAY`.
    """
    found = [*_silent(session, since), *_seen(session, since)]
    return sorted(found, key=lambda one: (-RANK[one.after], one.server.name, one.title))


def worse_lines(session: Session, server_id: UUID) -> dict[str, datetime]:
    """The keys of those lines of a server that are worse than yesterday, and since when."""
    since = clock.now() - SINCE_YESTERDAY
    return {one.key: one.at for one in _seen(session, since, server_id)}


def history(session: Session, server_id: UUID) -> list[Event]:
    """What has changed on one server, the newest first, at most EVENTS_SHOWN of each kind."""
    rows = (
        select(Checkup.at, Checkup.changes)
        .where(Checkup.server_id == server_id)
        .order_by(Checkup.at.desc())
    )
    seen = session.execute(rows.limit(2 * EVENTS_SHOWN)).all()
    failures = list(session.scalars(_failed_checks(server_id).limit(EVENTS_SHOWN)))
    events = [Event(at, changes) for at, changes in seen if changes]
    if seen and len(seen) < 2 * EVENTS_SHOWN:
        first = seen[-1]
        events = [event for event in events if event.at != first.at]
        events.append(Event(first.at, first.changes, first=True))
    events += outages(failures, [at for at, _ in seen])
    return sorted(events, key=lambda event: event.at, reverse=True)[:EVENTS_SHOWN]


def outages(failures: Sequence[Run], answered: Sequence[datetime]) -> list[Event]:
    """Failed Checks, those in a row as one event: a row ends where the server has answered.

    failures  any order; answered  the instants at which a Check succeeded
    """
    rows: list[list[Run]] = []
    for run in sorted(failures, key=_ended):
        last = rows[-1][-1] if rows else None
        if last and not any(_ended(last) < at < _ended(run) for at in answered):
            rows[-1].append(run)
        else:
            rows.append([run])
    return [Event(_ended(row[0]), [], run=row[-1], failed=len(row)) for row in rows]


def _ended(run: Run) -> datetime:
    return run.finished_at or run.created_at


def _seen(session: Session, since: datetime, server_id: UUID | None = None) -> Iterable[Worsening]:
    """What answered Checks have told: of each line the first `before` against the last `after`."""
    rows = _changed()
    if server_id:
        rows = rows.where(Server.id == server_id)
    net: dict[tuple[UUID, str], Worsening] = {}
    for server, at, changes in session.execute(rows, {"since": since}):
        for change in changes:
            said = {name: change[name] for name in ("key", "title", "after", "detail", "remedy")}
            earlier = net.get((server.id, change["key"]))
            before = earlier.before if earlier else change["before"]
            net[server.id, change["key"]] = Worsening(server, before=before, at=at, **said)
    return (one for one in net.values() if RANK[one.after] > RANK[one.before])


@cache
def _changed() -> Any:
    """Made once, as that takes longer than asking; so is the next one. Parameter: since."""
    rows = select(Server, Checkup.at, Checkup.changes)
    rows = rows.join(Checkup, and_(Checkup.server_id == Server.id, Checkup.at >= _SINCE))
    return rows.where(
        Server.removed_at.is_(None),
        Server.checked_at >= _SINCE,
        cast(Checkup.changes, String) != "[]",
    ).order_by(Checkup.at)


def _silent(session: Session, since: datetime) -> Iterable[Worsening]:
    """Servers that have answered once, and whose Checks since all failed, first after `since`."""
    for server, run, began in session.execute(_failing(), {"since": since}):
        yield Worsening(
            server, SILENT, "Reachable", "ok", "failed", run.error_detail or "", run.remedy, began
        )


@cache
def _failing() -> Any:
    failed = (
        select(
            Run.server_id,
            func.min(Run.finished_at).label("began"),
            func.max(Run.finished_at).label("last"),
        )
        .join(Server, Server.id == Run.server_id)
        .where(*is_failed_check(), Server.removed_at.is_(None), Run.created_at > Server.checked_at)
        .group_by(Run.server_id)
        .having(func.min(Run.finished_at) >= _SINCE)
        .subquery()
    )
    return (
        select(Server, Run, failed.c.began)
        .join(failed, failed.c.server_id == Server.id)
        .join(Run, and_(Run.server_id == Server.id, Run.finished_at == failed.c.last))
        .where(*is_failed_check())
    )


def is_failed_check() -> tuple[Any, ...]:
    """Conditions on Run: a Check that nobody has stopped, and that failed."""
    return (
        Run.kind == RunKind.CHECK,
        Run.status == Status.FAILED,
        Run.error_code.is_distinct_from(RunStopped.code),
    )


def _failed_checks(server_id: UUID) -> Any:
    rows = select(Run).where(Run.server_id == server_id, *is_failed_check())
    return rows.order_by(Run.created_at.desc())

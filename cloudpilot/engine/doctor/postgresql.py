"""The findings about a PostgreSQL: what pg_dump may not read there, and what lets it."""

from collections.abc import Sequence
from typing import Any

from cloudpilot.engine.doctor import clients, logins
from cloudpilot.engine.doctor.line import Line
from cloudpilot.engine.doctor.postgresql_grants import Inside, newcomer, statements_for
from cloudpilot.engine.doctor.statements import (
    Judgement,
    Selection,
    listed,
    selected,
)
from cloudpilot.engine.inspected import Said, count, shown, unhex
from cloudpilot.engine.logins import Login
from cloudpilot.errors import DbPrivilegeMissing
from cloudpilot.kinds import Engine

__all__ = ["judged", "newcomer"]

PASTE = "Paste the statements that the site's page shows, as a superuser."


def judged(login: Login, selection: Selection, said: Said) -> Judgement:
    """All that there is to say about a server that lets us in."""
    version = shown(said.name("version").partition(" ")[0])[:50]
    rows = said.rows("database", 4)
    there = [unhex(row[0]) for row in rows]
    chosen, line = selected(selection, there)
    shut = [unhex(row[0]) for row in rows if row[2] != "t" and unhex(row[0]) in chosen]
    closed = {unhex(row[0]) for row in rows if row[3] != "t"}
    parts = said.parts()
    inside = [Inside(name, parts[name]) for name in chosen if name in parts]
    client = clients.missing(login.engine, said) or clients.compared(
        login.engine, said, version, Engine.POSTGRESQL
    )
    found = (
        _connect(shut, skipped=selection.all_but and not set(shut) - closed),
        _closed(inside),
        _unreadable(inside),
        _secured(inside),
        _objects(inside),
        _subscriptions(inside, said),
        _extensions(inside),
        _cut_off(chosen, shut, inside),
    )
    return Judgement(
        version=version,
        flavour=Engine.POSTGRESQL.value,
        databases=_databases(rows, parts),
        lines=[logins.ok(login, said), client, line, *(one for one in found if one)],
        statements=statements_for(said, closed, shut, inside),
    )


def _databases(rows: Sequence[Sequence[str]], parts: dict[str, Said]) -> list[dict[str, Any]]:
    found = []
    for encoded, size, connects, *_ in rows:
        name = unhex(encoded)
        inside = Inside(name, parts.get(name, Said(())))
        looked = inside.said.number("tables") is not None
        readable = not (inside.count("unreadables") or inside.count("secureds"))
        found.append(
            {
                "name": shown(name),
                "bytes": count(size),
                "tables": inside.said.number("tables"),
                "readable": connects == "t" and (readable if looked else not inside.closed),
            }
        )
    return found


def _faults(inside: Sequence[Inside], word: str) -> list[str]:
    return [".".join((one.name, *table)) for one in inside for table in one.tables(word)]


def _connect(shut: Sequence[str], *, skipped: bool) -> Line | None:
    """skipped: of all that there are, a backup leaves out those that take no connections at all."""
    if not shut:
        return None
    if skipped:
        detail = f"Nobody may connect to {listed(shut)}: they are not in the backup."
        return Line("connect", "warning", "Connecting", detail, PASTE)
    detail = f"It may not connect to {listed(shut)}: nothing of it can be dumped."
    return _failed("connect", "Connecting", detail)


def _closed(inside: Sequence[Inside]) -> Line | None:
    closed = [one for one in inside if one.closed]
    if not closed:
        return None
    detail = f"Could not be looked into: {listed(one.name for one in closed)}: {closed[0].closed}"
    return Line(
        "closed", "failed", "Connecting", detail, "See what the message says; it may be a lock."
    )


def _unreadable(inside: Sequence[Inside]) -> Line | None:
    total = sum(one.count("unreadables") for one in inside)
    if not total:
        detail = "All tables and sequences of what is backed up can be read."
        return Line("privileges", "ok", "Privileges", detail) if inside else None
    names = listed(_faults(inside, "unreadable"), total)
    detail = f"{total:,} tables and sequences may not be read: {names}."
    return _failed("privileges", "Privileges", detail)


def _secured(inside: Sequence[Inside]) -> Line | None:
    """pg_dump refuses to leave out rows without a word."""
    total = sum(one.count("secureds") for one in inside)
    if not total:
        return None
    names = listed(_faults(inside, "secured"), total)
    detail = f"Row security hides rows of {total:,} tables; pg_dump stops at the first: {names}."
    return _failed("rows", "Row security", detail)


def _objects(inside: Sequence[Inside]) -> Line | None:
    """pg_read_all_data does not include them."""
    total = sum(one.count("objects") for one in inside)
    if not total:
        return None
    detail = f"{total:,} large objects may not be read, and pg_dump stops at the first."
    return _failed("objects", "Large objects", detail)


def _subscriptions(inside: Sequence[Inside], said: Said) -> Line | None:
    """https://www.postgresql.org/docs/15/logical-replication-subscription.html: a user who is no
    superuser gets a warning and a dump without."""
    total = sum(one.count("subscriptions") for one in inside)
    if not total or "super" in said.texts("may"):
        return None
    detail = f"{total:,} subscriptions would be missing in a dump: only a superuser may dump them."
    remedy = "Keep their definitions elsewhere, or back up as a superuser."
    return Line("subscriptions", "warning", "Subscriptions", detail, remedy)


def _extensions(inside: Sequence[Inside]) -> Line | None:
    rows = [row for one in inside for row in one.said.rows("extension", 2)]
    named = [f"{unhex(name)} {unhex(version)}" for name, version, *_ in rows]
    if not named:
        return None
    detail = f"Where this is restored has to have {listed(dict.fromkeys(named))}."
    return Line("extensions", "ok", "Extensions", detail)


def _cut_off(chosen: Sequence[str], shut: Sequence[str], inside: Sequence[Inside]) -> Line | None:
    looked = {one.name for one in inside}
    unknown = [name for name in chosen if name not in looked and name not in shut]
    if not unknown:
        return None
    detail = (
        f"There was no time to look into {listed(unknown)}: what may be read there is not known."
    )
    return Line(
        "time", "warning", "Looked through", detail, "Look again when less is going on there."
    )


def _failed(key: str, title: str, detail: str) -> Line:
    return Line(key, "failed", title, detail, PASTE, code=DbPrivilegeMissing.code)

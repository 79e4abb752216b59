"""The findings about a MySQL or MariaDB: what a dump would lack, silently or with an error."""

from collections.abc import Sequence
from typing import Any

from cloudpilot.engine import grants
from cloudpilot.engine.doctor import clients, logins
from cloudpilot.engine.doctor.line import Line
from cloudpilot.engine.doctor.privileges import NEEDED, Rights
from cloudpilot.engine.doctor.statements import (
    PASSWORD,
    Judgement,
    Selection,
    Statement,
    listed,
    pasted,
    selected,
)
from cloudpilot.engine.findings import version as version_in
from cloudpilot.engine.inspected import Said, count, shown, unescaped, unhex
from cloudpilot.engine.logins import Login
from cloudpilot.engine.sqlnames import mysql_account, mysql_pattern, mysql_text
from cloudpilot.errors import DumpIncomplete
from cloudpilot.kinds import Engine

SYSTEM = {"information_schema", "performance_schema", "mysql", "sys"}


def judged(login: Login, selection: Selection, said: Said) -> Judgement:
    """All that there is to say about a server that lets us in."""
    server = said.name("version")
    flavour = (
        Engine.MARIADB if "mariadb" in f"{server}{said.name('comment')}".lower() else Engine.MYSQL
    )
    version = version_in(server)
    there = [unhex(text) for text in said.texts("database")]
    chosen, line = selected(selection, there)
    rights = Rights(
        account=said.name("account"),
        granted=grants.parse(unescaped(text) for text in said.texts("grant")),
        flavour=flavour,
        version=version,
        reads_proc=bool(said.first("proc")),
    )
    client = clients.missing(login.engine, said) or clients.compared(
        login.engine, said, version, flavour
    )
    lines = [logins.ok(login, said), client, line]
    lines += rights.lines(chosen, all_but=selection.all_but)
    wanted = chosen if selection.all_but else _named(selection)
    lines += [
        found for found in (_views(said, chosen), _plain(said, chosen), _cut_off(said)) if found
    ]
    return Judgement(
        version=version,
        flavour=flavour.value,
        databases=_databases(said, there, rights),
        lines=lines,
        statements=rights.statements(wanted, all_but=selection.all_but),
    )


def newcomer(login: Login, selection: Selection, said: Said) -> list[Statement]:
    """Statements that make a user who may read, where ours is not let in.

    Who it is and from where is what the server has said of it: 'user'@'host'.
    """
    words = logins.in_short(unhex(said.first("refused").partition(" ")[2]))
    host = logins.host_seen(words)
    if host is None:
        return []
    needed = ", ".join(NEEDED)

    def make(user: str, *_: str) -> str:
        account = mysql_account(user, host)
        return f"CREATE USER IF NOT EXISTS {account} IDENTIFIED BY {mysql_text(PASSWORD)};"

    def everywhere(user: str) -> str:
        return f"GRANT {needed} ON *.* TO {mysql_account(user, host)};"

    def on_one(user: str, name: str) -> str:
        return f"GRANT {needed} ON {mysql_pattern(name)}.* TO {mysql_account(user, host)};"

    def routines(user: str) -> str:
        of_mariadb = "GRANT SELECT ON `mysql`.`proc` TO"
        of_mysql = "GRANT SHOW_ROUTINE ON *.* TO"
        grant = of_mysql if login.engine is Engine.MYSQL else of_mariadb
        return f"{grant} {mysql_account(user, host)};"

    found = pasted("A user for backups, if there is none", make, login.user)
    if selection.all_but:
        found += pasted("Read all databases", everywhere, login.user)
    for name in () if selection.all_but else selection.names:
        found += pasted(f"Read {shown(name)}", on_one, login.user, name)
    return found + pasted("Read procedures and functions", routines, login.user)


def _named(selection: Selection) -> list[str]:
    """Those that are asked for by name, whether this user sees them or not."""
    return [name for name in selection.names if name.lower() not in SYSTEM]


def _databases(said: Said, there: Sequence[str], rights: Rights) -> list[dict[str, Any]]:
    sizes = {unhex(row[0]): row[1:] for row in said.rows("size", 3)}
    unknown = ["0", "0"] if said.texts("sized") else ["-", "-"]
    return [
        {
            "name": shown(name),
            "bytes": count(sizes.get(name, unknown)[1].partition(".")[0]),
            "tables": count(sizes.get(name, unknown)[0].partition(".")[0]),
            "readable": rights.reads(name),
        }
        for name in there
    ]


def _tables(said: Said, word: str, chosen: Sequence[str]) -> tuple[int, str]:
    """How many there are in what is backed up, and some of their names; if those that were told are
    all of other databases, the names of the databases."""
    counts = {unhex(row[0]): count(row[1]) or 0 for row in said.rows(f"{word}s", 2)}
    faulty = [name for name in chosen if counts.get(name)]
    rows = [(unhex(row[0]), unhex(row[1])) for row in said.rows(word, 2)]
    names = [f"{database}.{table}" for database, table in rows if database in faulty]
    total = sum(counts[name] for name in faulty)
    return total, listed(names, total) if names else listed(faulty)


def _views(said: Said, chosen: Sequence[str]) -> Line | None:
    """A dump ends at the first of them, with error 1356."""
    total, names = _tables(said, "broken", chosen)
    if not total:
        return None
    number = "A view is" if total == 1 else f"{total:,} views are"
    detail = f"{number} broken, and no dump gets past it: {names}."
    remedy = "What it shows is gone, or hidden from who has defined it: repair it, or drop it."
    return Line("views", "failed", "Views", detail, remedy, code=DumpIncomplete.code)


def _plain(said: Said, chosen: Sequence[str]) -> Line | None:
    """They are dumped, but not as of one moment: --single-transaction does not hold for them."""
    total, names = _tables(said, "plain", chosen)
    if not total:
        return None
    number = "A table is" if total == 1 else f"{total:,} tables are"
    what = "what is written during the dump may be half in it"
    detail = f"{number} not of InnoDB, {what}: {names}."
    remedy = "If nothing speaks against it, change them to ENGINE=InnoDB."
    return Line("engines", "warning", "Tables without transactions", detail, remedy)


def _cut_off(said: Said) -> Line | None:
    if said.texts("sized"):
        return None
    detail = "There was no time to look through all tables: whether views are broken is not known."
    return Line(
        "time", "warning", "Looked through", detail, "Look again when less is going on there."
    )

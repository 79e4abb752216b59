"""What a PostgreSQL is told to let a user read what is backed up; statements to paste."""

from collections.abc import Sequence
from dataclasses import dataclass

from cloudpilot.engine.doctor import logins
from cloudpilot.engine.doctor.statements import PASSWORD, Selection, Statement, pasted
from cloudpilot.engine.inspected import Said, shown, unhex
from cloudpilot.engine.logins import Login
from cloudpilot.engine.sqlnames import postgresql_name, postgresql_text

READ_ALL_SINCE = 140000  # pg_read_all_data: https://www.postgresql.org/docs/14/release-14.html


@dataclass(frozen=True, slots=True)
class Inside:
    """What was found within one database that is backed up; names of tables as SCHEMA.TABLE."""

    name: str
    said: Said

    @property
    def closed(self) -> str:
        """Why nobody could look into it; nothing if somebody could."""
        return logins.in_short(self.said.name("closed"))

    def tables(self, word: str) -> list[tuple[str, str]]:
        """Schema and table of each that has this fault, at most twelve."""
        return [(unhex(row[0]), unhex(row[1])) for row in self.said.rows(word, 2)]

    def count(self, word: str) -> int:
        return self.said.number(word) or 0


def newcomer(login: Login, selection: Selection, said: Said) -> list[Statement]:
    """Statements that make a user who may read, where ours is not let in."""
    del said
    found = pasted(
        "A user for backups, if there is none",
        lambda user: (
            f"CREATE ROLE {postgresql_name(user)} LOGIN PASSWORD {postgresql_text(PASSWORD)};"
        ),
        login.user,
    )
    for name in () if selection.all_but else selection.names:
        found += pasted(f"Connect to {shown(name)}", _grant_connect, name, login.user)
    return found + pasted(
        "Read all tables of all databases (PostgreSQL 14 and later)",
        lambda user: f"GRANT pg_read_all_data TO {postgresql_name(user)};",
        login.user,
    )


def statements_for(
    said: Said, closed: set[str], shut: Sequence[str], inside: Sequence[Inside]
) -> list[Statement]:
    """What is lacking of the rights to read all of these databases."""
    user = said.name("account")
    found: list[Statement] = []
    for name in shut:
        make = _allow if name in closed else _grant_connect
        found += pasted(f"Connect to {shown(name)}", make, name, user)
    if any(one.count("unreadables") for one in inside) or (shut and _may_read_all(said)):
        found += _read(said, inside, user)
    if any(one.count("secureds") for one in inside):
        found += pasted("Read all rows", lambda: f"ALTER ROLE {postgresql_name(user)} BYPASSRLS;")
    if any(one.count("objects") for one in inside):
        found += pasted(
            "Read large objects",
            lambda: f"ALTER ROLE {postgresql_name(user)} SET lo_compat_privileges = on;",
        )
    return found


def _may_read_all(said: Said) -> bool:
    """Whether there is a right to read what could not be looked into, and the user lacks it."""
    known = (said.number("number") or 0) >= READ_ALL_SINCE
    return known and {"super", "read"}.isdisjoint(said.texts("may"))


def _allow(name: str, _: str) -> str:
    return f"ALTER DATABASE {postgresql_name(name)} ALLOW_CONNECTIONS true;"


def _grant_connect(name: str, user: str) -> str:
    return f"GRANT CONNECT ON DATABASE {postgresql_name(name)} TO {postgresql_name(user)};"


def _read(said: Said, inside: Sequence[Inside], user: str) -> list[Statement]:
    if (said.number("number") or 0) >= READ_ALL_SINCE:
        return pasted(
            "Read all tables", lambda: f"GRANT pg_read_all_data TO {postgresql_name(user)};"
        )
    found: list[Statement] = []
    for one in inside:
        for schema in map(unhex, one.said.texts("schema")):
            for grant in ("USAGE ON", "SELECT ON ALL TABLES IN", "SELECT ON ALL SEQUENCES IN"):
                what = f"Read {shown(schema)} of {shown(one.name)}"
                found += pasted(what, _grant, grant, schema, user, database=one.name)
    return found


def _grant(what: str, schema: str, user: str) -> str:
    return f"GRANT {what} SCHEMA {postgresql_name(schema)} TO {postgresql_name(user)};"

"""Which privileges a dump of MySQL or MariaDB needs, what it lacks without, and what gives them.

Tried with MariaDB 10.11, one privilege removed at a time: without TRIGGER, SELECT on all tables or
a readable mysql.proc the dump ends well and lacks triggers, tables or routines.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cloudpilot.engine.doctor.line import Line
from cloudpilot.engine.doctor.statements import Statement, listed, pasted
from cloudpilot.engine.doctor.tools import dotted
from cloudpilot.engine.grants import ALL, Grants, holds
from cloudpilot.engine.inspected import shown
from cloudpilot.engine.sqlnames import mysql_account, mysql_pattern
from cloudpilot.errors import DbPrivilegeMissing
from cloudpilot.kinds import Engine

NEEDED = ("SELECT", "SHOW VIEW", "TRIGGER", "EVENT")
LOST = {
    "SELECT": "tables would be missing",
    "SHOW VIEW": "it ends at the first view",
    "TRIGGER": "triggers would be missing",
    "EVENT": "it ends without events",
}
TITLE = "Privileges"
PASTE = "Paste the statements that the site's page shows, as the database's administrator."
# https://dev.mysql.com/doc/refman/8.4/en/privileges-provided.html#priv_show-routine
SHOW_ROUTINE_SINCE = (8, 0, 20)


@dataclass(frozen=True, slots=True)
class Rights:
    """What a user may do on a server of this flavour and version."""

    account: str  # user@host, as the server knows it
    granted: Grants
    flavour: Engine
    version: str
    reads_proc: bool  # whether mysql.proc answers, which MySQL 8 does not have

    def missing(self, database: str) -> list[str]:
        """What a whole dump of a database needs and this user has not."""
        held = self.granted.on(database)
        return [name for name in NEEDED if not holds(held, name)]

    def missing_anywhere(self) -> list[str]:
        """The same for databases that nobody knows yet."""
        held = self.granted.on_any()
        return [name for name in NEEDED if not holds(held, name)]

    def reads(self, database: str) -> bool:
        """Whether every table of it can be read."""
        return holds(self.granted.on(database), "SELECT")

    @property
    def sees_routines(self) -> bool:
        """Whether a dump has procedures and functions."""
        if self._has_proc:
            return self.reads_proc
        held = self.granted.everywhere
        return holds(held, "SELECT") or holds(held, "SHOW_ROUTINE")

    @property
    def _has_proc(self) -> bool:
        return self.flavour is Engine.MARIADB or dotted(self.version) < (8,)

    def lines(self, chosen: Sequence[str], *, all_but: bool) -> list[Line]:
        """One on privileges, and one on routines."""
        return [self._on_data(chosen, all_but=all_but), self._on_routines()]

    def _on_data(self, chosen: Sequence[str], *, all_but: bool) -> Line:
        lacking = {name: self.missing(name) for name in chosen if self.missing(name)}
        if lacking:
            names = [name for name in NEEDED if any(name in every for every in lacking.values())]
            losses = "; ".join(f"without {name} {LOST[name]}" for name in names)
            detail = f"A dump of {listed(lacking)} would not be whole: {losses}."
            return _failed("privileges", TITLE, detail)
        if all_but and self.missing_anywhere():
            lacks = ", ".join(self.missing_anywhere())
            detail = (
                f"It has no {lacks} on *.*: which databases are hidden from it cannot be known,"
                " and they are not backed up."
            )
            return _failed("privileges", TITLE, detail)
        return Line("privileges", "ok", TITLE, f"{', '.join(NEEDED)}: all that a dump needs.")

    def _on_routines(self) -> Line:
        if self.sees_routines:
            return Line("routines", "ok", "Routines", "Procedures and functions can be read.")
        detail = "Procedures and functions would be missing in a dump, and nobody would be told."
        return _failed("routines", "Routines", detail)

    def statements(self, wanted: Sequence[str], *, all_but: bool) -> list[Statement]:
        """What makes all lines well, for a user who may read and nothing else.

        wanted  all databases that are asked for, also those that are hidden from this user
        """
        found: list[Statement] = []
        if all_but and (self.missing_anywhere() or any(map(self.missing, wanted))):
            found += pasted("Read all databases, also those that are hidden now", self._everywhere)
        elif not all_but:
            for name in wanted:
                if self.missing(name):
                    found += pasted(f"Read all of {shown(name)}", self._on_one, name)
        if not self.sees_routines:
            found += pasted("Read procedures and functions", self._routines)
        return found

    def _everywhere(self) -> str:
        return f"GRANT {', '.join(NEEDED)} ON *.* TO {self._to()};"

    def _on_one(self, database: str) -> str:
        """With what it has there by a less specific name: that one does not count any more."""
        user, _, host = self.account.rpartition("@")
        by_pattern = self.granted.by_name(database, f"`{user}`@`{host}`") - {ALL}
        others = sorted(name for name in by_pattern if name not in {*NEEDED, "USAGE"})
        privileges = ", ".join((*NEEDED, *others))
        return f"GRANT {privileges} ON {mysql_pattern(database)}.* TO {self._to()};"

    def _routines(self) -> str:
        if self._has_proc:
            return f"GRANT SELECT ON `mysql`.`proc` TO {self._to()};"
        if dotted(self.version) >= SHOW_ROUTINE_SINCE:
            return f"GRANT SHOW_ROUTINE ON *.* TO {self._to()};"
        return f"GRANT SELECT ON *.* TO {self._to()};"

    def _to(self) -> str:
        user, _, host = self.account.rpartition("@")
        return mysql_account(user, host)


def _failed(key: str, title: str, detail: str) -> Line:
    return Line(key, "failed", title, detail, PASTE, code=DbPrivilegeMissing.code)

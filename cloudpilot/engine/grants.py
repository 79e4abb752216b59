"""What SHOW GRANTS says: which privileges an account of MySQL or MariaDB has, and where.

https://mariadb.com/kb/en/grant/. In the name of a database, _ and % stand for anything. Of several
such names that fit a database the server takes the most specific one, and that one alone.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

ALL = "ALL PRIVILEGES"
EVERYWHERE = "*"  # in place of a database: *.*
# A name between its quotes; which ones it has depends on the server's mode.
_QUOTED = r"(?:`(?:[^`]|``)*`|\"(?:[^\"]|\"\")*\")"
_NAME = rf"(?:{_QUOTED}|\*)"
# Names of columns stand between parentheses: SELECT (`a`, `b`), which is not SELECT.
_ONE = rf"([A-Z_]+(?: [A-Z_]+)*)( \({_QUOTED}(?:, {_QUOTED})*\))?"
_SOME = _ONE.replace("([A-Z", "(?:[A-Z", 1).replace(r"( \(", r"(?: \(", 1)
_PRIVILEGES = re.compile(rf"{_ONE}(?:, ?|$)")
_GRANT = re.compile(
    rf"(GRANT|REVOKE) ({_SOME}(?:, ?{_SOME})*) ON (?:([A-Z ]+) )?"
    rf"({_NAME})\.({_NAME}) (?:TO|FROM) (.+)",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Grant:
    """Privileges of one grantee on everything, on the databases of a pattern, or on one table."""

    grantee: str
    database: str  # EVERYWHERE, or a pattern
    table: str  # "*": all of them
    privileges: frozenset[str]
    takes: bool = False  # a partial revoke of MySQL 8: https://dev.mysql.com/doc/refman/8.4/en/partial-revokes.html


@dataclass(frozen=True, slots=True)
class Grants:
    """All that an account has, by itself and by the roles that are active."""

    rows: tuple[Grant, ...]

    def on(self, database: str) -> frozenset[str]:
        """The privileges on all tables of a database."""
        held: set[str] = set(self.everywhere)
        for taken in self._of_databases(takes=True):
            if matches(taken.database, database):
                held -= taken.privileges
        for grantee in {row.grantee for row in self.rows}:
            held |= self.by_name(database, grantee)
        return frozenset(held)

    def on_any(self) -> frozenset[str]:
        """The privileges on databases that nobody knows yet."""
        held = {
            name
            for row in self._of_databases()
            if not row.database.strip("%")
            for name in row.privileges
        }
        return self.everywhere | held

    @property
    def everywhere(self) -> frozenset[str]:
        """The privileges on *.*."""
        rows = (row.privileges for row in self.rows if row.database == EVERYWHERE)
        return frozenset().union(*rows)

    def by_name(self, database: str, grantee: str) -> frozenset[str]:
        """What the most specific of the grantee's names that fit gives; of two that are as specific
        as each other, what both give: nobody knows which one the server takes."""
        fitting = [
            row
            for row in self._of_databases()
            if row.grantee == grantee and matches(row.database, database)
        ]
        best = max((_specific(row.database) for row in fitting), default=0)
        given = [row.privileges for row in fitting if _specific(row.database) == best]
        return frozenset.intersection(*given) if given else frozenset()

    def _of_databases(self, *, takes: bool = False) -> list[Grant]:
        return [
            row
            for row in self.rows
            if row.database != EVERYWHERE and row.table == "*" and row.takes is takes
        ]


def parse(lines: Iterable[str]) -> Grants:
    """The lines of SHOW GRANTS; what is no privilege on data, such as a role, is passed over.

    >>> found = parse(["GRANT SELECT, SHOW VIEW ON `shop\\\\_1`.* TO `u`@`%`"])
    >>> sorted(found.on("shop_1")), sorted(found.on("shop21"))
    (['SELECT', 'SHOW VIEW'], [])
    """
    rows = (_parsed(line) for line in lines)
    return Grants(tuple(row for row in rows if row))


def holds(held: frozenset[str], privilege: str) -> bool:
    """Whether a privilege is among them.

    >>> holds(frozenset({ALL}), "EVENT"), holds(frozenset({"SELECT"}), "EVENT")
    (True, False)
    """
    return privilege in held or ALL in held


def matches(pattern: str, name: str) -> bool:
    r"""Whether a database's name in a GRANT stands for this one.

    >>> matches(r"a\_b", "a_b"), matches(r"a\_b", "axb"), matches("a_b", "axb"), matches("%", "x")
    (True, False, True, True)
    """
    pieces, characters = [], iter(pattern)
    for char in characters:
        if char == "\\":
            pieces.append(re.escape(next(characters, "\\")))
        else:
            pieces.append({"%": ".*", "_": "."}.get(char) or re.escape(char))
    return re.fullmatch("".join(pieces), name, re.DOTALL) is not None


def _parsed(line: str) -> Grant | None:
    match = _GRANT.fullmatch(line)
    if match is None or match[3] not in {None, "TABLE"}:
        return None
    words = frozenset(word for word, columns in _PRIVILEGES.findall(match[2]) if not columns)
    grantee = match[6].removesuffix(" WITH GRANT OPTION")
    return Grant(grantee, _unquoted(match[4]), _unquoted(match[5]), words, match[1] == "REVOKE")


def _unquoted(name: str) -> str:
    return name if name == "*" else name[1:-1].replace(name[0] * 2, name[0])


def _specific(pattern: str) -> float:
    """Characters before the first that stands for others; a name without any is best."""
    literal = re.match(r"(?:\\.|[^\\%_])*", pattern, re.DOTALL)
    length = len(literal[0]) if literal else 0
    return float("inf") if length == len(pattern) else length

"""What a restore of databases is told: settings for restore_databases.sh. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from cloudpilot.engine.logins import Login
from cloudpilot.engine.program import quoted_words
from cloudpilot.errors import InvalidConfig
from cloudpilot.kinds import Engine
from cloudpilot.secrets import Secret

# After words.sh, ending.sh, prelude.sh and clients.sh, in this order; and what they call.
SCRIPTS = (
    "asking",
    "mysql_asking",
    "postgresql_asking",
    "restore_databases",
    "restore_mysql",
    "restore_postgresql",
)
PROGRAMS = (
    "rows.pl",
    "grants.pl",
    "events.pl",
    "compare.pl",
    "programs.pl",
    "database_lines.pl",
    "uncommitted.pl",
)
LOCK_SECONDS = 60  # for so long a restore waits for a lock that somebody holds on a database

_KEY = re.compile(r"[a-z0-9]{1,40}")  # with what is added to it, a name of 63 characters at most
_LONGEST = {Engine.POSTGRESQL: 63}  # bytes; of MariaDB and MySQL 64 characters


class Method(StrEnum):
    """How a database takes the place of the one that is there."""

    SWAP = "swap"  # made beside it, then their names are exchanged
    IN_PLACE = "in_place"  # over it, which nothing undoes: at most one in a restore


@dataclass(frozen=True, slots=True)
class Target:
    """A database of an archive, and where it goes.

    number     its member in the archive: databases/<number>
    backed_up  its name there
    name       the name that it is restored as
    owner      of PostgreSQL: everything will belong to this role; "": to whom it belonged
    strip_definers  of MariaDB and MySQL: whoever restores becomes the definer of all programs
    """

    login: Login
    number: int
    backed_up: str
    name: str
    method: Method = Method.SWAP
    owner: str = ""
    strip_definers: bool = False


def settings(
    targets: Sequence[Target], key: str, *, lock_seconds: int = LOCK_SECONDS
) -> tuple[bytes, ...]:
    """The lines that stand before the scripts.

    `key` names this restore at the database servers: the same in the run that restores and in
    those that undo or forget it, and never that of another. Raises InvalidConfig.
    """
    if not _KEY.fullmatch(key):
        raise InvalidConfig("A restore is named by up to 40 small letters and digits.")
    for target in targets:
        _check(target)
    if len({_place(target) for target in targets}) < len(targets):
        raise InvalidConfig("Two databases cannot be restored as one.")
    if sum(target.method is Method.IN_PLACE for target in targets) > 1:
        raise InvalidConfig("Only one database of a restore can be restored in place.")
    return (
        _array("engines", [target.login.engine.value for target in targets]),
        _array("numbers", [str(target.number) for target in targets]),
        _array("backed_up", [target.backed_up for target in targets]),
        _array("names", [target.name for target in targets]),
        _array("methods", [target.method.value for target in targets]),
        _array("owners", [target.owner for target in targets]),
        _array("strip_definers", ["yes" if one.strip_definers else "" for one in targets]),
        quoted_words("declare", (f"restore_key={key}", f"lock_seconds={int(lock_seconds)}")),
    )


def secrets(targets: Sequence[Target]) -> dict[str, Secret]:
    """The option file of each; goes to the run beside the files. Raises InvalidConfig."""
    return {f"login_{number}": target.login.file() for number, target in enumerate(targets)}


def _check(target: Target) -> None:
    if target.number < 1:
        raise InvalidConfig("Databases of an archive are counted from 1.")
    if not target.name or not target.backed_up:
        raise InvalidConfig("A database has a name.")
    if target.login.engine is Engine.POSTGRESQL:
        too_long = len(target.name.encode()) > _LONGEST[Engine.POSTGRESQL]
    else:
        too_long = len(target.name) > 64
    if too_long:
        raise InvalidConfig(f"{target.name} is too long for the name of a database.")


def _place(target: Target) -> tuple[str, int | None, str, str]:
    """Where it goes: of one server it is one database, whoever signs in."""
    login = target.login
    return login.host, login.port, login.socket, target.name


def _array(name: str, words: Sequence[str]) -> bytes:
    return quoted_words(f"{name}=(", tuple(words)) + b" )"

"""Looking at where a database is to be restored: what is there, what may be done, what lacks."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from cloudpilot.engine import grants, inspected
from cloudpilot.engine.doctor import clients, logins
from cloudpilot.engine.findings import of_database
from cloudpilot.engine.inspected import Said, count, shown, unescaped, unhex
from cloudpilot.engine.inspection import SCRIPTS
from cloudpilot.engine.logins import Login
from cloudpilot.engine.program import Program, printing, quoted_words, source, telling
from cloudpilot.engine.ssh import Session
from cloudpilot.kinds import Engine

SECONDS = 20  # of the script; a client has five to connect
ALLOWANCE = 3  # seconds more until the session is given up
BESIDE = "cp_"  # how the names of databases begin that a restore makes beside others
_OWNS = (
    *("SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "REFERENCES", "INDEX", "ALTER"),
    *("CREATE VIEW", "SHOW VIEW", "CREATE ROUTINE", "ALTER ROUTINE", "EXECUTE", "EVENT"),
    *("TRIGGER", "LOCK TABLES"),
)


@dataclass(frozen=True, slots=True)
class Needs:
    """What a dump needs of the server that it is restored to, by its census.

    version  of the server that was backed up; tool: what dumped it, as it says of itself
    """

    version: str = ""
    tool: str = ""
    roles: tuple[str, ...] = ()
    extensions: tuple[str, ...] = ()
    definers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found; None where nobody knows. Names are fit for a page.

    refused        why nobody can sign in, or what is not installed; "": it answers
    size, free     bytes, of the database as it is, and on the disk of its server
    superuser, may_create, owner  of PostgreSQL
    rights         of MariaDB and MySQL: which are missing for a swap, and `over`: for one in place
    sessions       how many are in the database now; held: how many of them may not be ended
    in_the_way     what keeps the old one from giving its place, in words
    missing_…      what the dump needs and the server has not
    """

    engine: Engine
    refused: str = ""
    version: str = ""
    client: str = ""
    exists: bool | None = None
    size: int | None = None
    tables: int | None = None
    free: int | None = None
    superuser: bool = False
    may_create: bool = False
    owner: bool = False
    rights: tuple[str, ...] = ()
    over: tuple[str, ...] = ()
    sessions: int | None = None
    held: int = 0
    in_the_way: tuple[str, ...] = ()
    missing_roles: tuple[str, ...] = ()
    missing_extensions: tuple[str, ...] = ()
    missing_definers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Question(Program):
    """Asks a database server; see restore_look.sh."""

    name: str = "restore_look"
    engine: Engine = Engine.MARIADB
    files: dict[str, bytes] = field(default_factory=dict)

    def text(self) -> bytes:
        """As Program.text: all of it in one function."""
        family = "postgres" if self.engine is Engine.POSTGRESQL else "mysql"
        scripts = (*SCRIPTS, f"inspect_{family}", f"restore_look_{family}", "restore_look")
        parts = (
            b"cloudpilot_main() {",
            quoted_words("set --", self.args),
            telling(self.secrets),
            printing(f"{family}_start", f"{family}_start.sql"),
            *(source(f"{name}.sh") for name in scripts),
            b"}\ncloudpilot_main </dev/null\nexit\n",
        )
        return b"\n".join(parts)


def look(
    session: Session, login: Login, name: str, needs: Needs, *, seconds: int = SECONDS
) -> Facts:
    """Ask the server, for at most some `seconds`, about the database `name` of this login.

    That it cannot be reached is a fact. Raises InvalidConfig for a login that no option file can
    hold, CommandFailed, and SshUnreachable.
    """
    answer = session.run(question(login, name, needs, seconds), timeout=seconds + ALLOWANCE)
    return facts(login, name, answer)


def question(login: Login, name: str, needs: Needs, seconds: int = SECONDS) -> Question:
    """What asks the server."""
    words = (
        *(f"role={one}" for one in needs.roles),
        *(f"extension={one}" for one in needs.extensions),
        *(f"definer={one}" for one in needs.definers),
    )
    return Question(
        args=(login.engine.value, str(seconds), name, *words),
        secrets={"login": login.file()},
        engine=login.engine,
    )


def facts(login: Login, name: str, answer: bytes) -> Facts:
    """The answer, understood; raises CommandFailed if it is not whole."""
    said = inspected.read(answer)
    refusal = logins.failure(login, said)
    line = clients.missing(login.engine, said) or (refusal.line if refusal else None)
    if line:
        return Facts(login.engine, refused=line.detail)
    if not said.first("version"):
        return Facts(login.engine, refused="The database server did not answer in time.")
    size, tables = _size(login.engine, said)
    may = set(said.texts("may"))
    held = said.number("held") or 0
    rights = login.engine is not Engine.POSTGRESQL
    beside = (*_lacking(said, name), *_lacking(said, f"{BESIDE}1"))
    return Facts(
        login.engine,
        version=shown(said.name("version"))[:100],
        client=of_database(_client(login.engine, said)),
        exists=None if said.number("there") is None else said.number("there") != 0,
        size=size,
        tables=tables,
        free=said.number("free"),
        superuser="super" in may,
        may_create="create" in may,
        owner="own" in may or "super" in may,
        rights=tuple(dict.fromkeys(beside)) if rights else (),
        over=tuple(_lacking(said, name)) if rights else (),
        sessions=said.number("sessions"),
        held=held,
        in_the_way=tuple(_in_the_way(said)),
        missing_roles=_missing(said, "role"),
        missing_extensions=_missing(said, "extension"),
        missing_definers=_missing(said, "definer"),
    )


def _size(engine: Engine, said: Said) -> tuple[int | None, int | None]:
    """Bytes and tables."""
    if engine is Engine.POSTGRESQL:
        return said.number("bytes"), said.number("tables")
    row = next(iter(said.rows("size", 2)), None)
    return (count(row[1]), count(row[0])) if row else (None, None)


def _client(engine: Engine, said: Said) -> str:
    there = clients.versions(said)
    names = ("pg_restore",) if engine is Engine.POSTGRESQL else clients.NEEDED[engine][0]
    return next((there[name] for name in names if name in there), "")


def _lacking(said: Said, name: str) -> list[str]:
    """Which rights that a restore needs are missing on a database."""
    held = grants.parse(unescaped(line) for line in said.texts("grant")).on(name)
    return [right for right in _OWNS if not grants.holds(held, right)]


def _missing(said: Said, word: str) -> tuple[str, ...]:
    rows = said.rows(word, 2)
    return tuple(shown(unhex(row[0])) for row in rows if row[1] == "0")


def _in_the_way(said: Said) -> Sequence[str]:
    found = []
    outside = [shown(unhex(text)) for text in said.texts("outside")]
    if outside:
        found.append(f"Tables of other databases have foreign keys into it: {', '.join(outside)}.")
    if said.number("prepared"):
        found.append("It has prepared transactions: end them first.")
    if said.number("slots") or said.number("subscriptions"):
        found.append("It has replication slots or subscriptions, which stay with the old one.")
    return found

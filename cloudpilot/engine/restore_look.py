"""Looking at where a database is to be restored: what is there, what may be done, what lacks."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from cloudpilot.engine import grants, inspected
from cloudpilot.engine.doctor import clients, logins
from cloudpilot.engine.doctor.tools import dotted
from cloudpilot.engine.findings import of_database
from cloudpilot.engine.inspected import Said, count, shown, unescaped, unhex
from cloudpilot.engine.inspection import SCRIPTS
from cloudpilot.engine.logins import Login
from cloudpilot.engine.program import Program, printing, quoted_words, source, telling
from cloudpilot.engine.restored_databases import Method
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
    line = clients.missing(login.engine, said) or logins.failure(login, said)
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


def method_for(found: Facts) -> tuple[Method | None, str]:
    """How the database can be restored, and why so; None: it cannot, until that is changed."""
    if found.refused:
        return None, found.refused
    if found.exists is None:
        return None, "The database server did not say what is there."
    if found.missing_extensions:
        return None, f"The server lacks extensions: {', '.join(found.missing_extensions)}."
    if found.in_the_way:
        return None, " ".join(found.in_the_way)
    if found.engine is Engine.POSTGRESQL:
        return _postgresql(found)
    return _mysql(found)


def _postgresql(found: Facts) -> tuple[Method | None, str]:
    if found.may_create and (found.owner or not found.exists) and not found.held:
        return Method.SWAP, _beside(found)
    if found.held:
        because = "somebody is in it whose session this user may not end"
    else:
        because = "this user may not create databases, or does not own this one"
    if not found.exists:
        return None, f"It is not there and {because}: ALTER ROLE … CREATEDB."
    return Method.IN_PLACE, (
        f"In one transaction over what is there, since {because}: all of it or nothing,"
        " and what the backup does not know stays. The way back is the backup that is made before."
    )


def _mysql(found: Facts) -> tuple[Method | None, str]:
    if not found.rights:
        return Method.SWAP, _beside(found)
    lacking = ", ".join(found.rights)
    if found.over or not found.exists:
        return None, f"This user lacks {lacking}."
    return Method.IN_PLACE, (
        f"Over what is there, since this user lacks {lacking} on databases called"
        f" {BESIDE}…: nothing rolls that back, and what the backup does not know stays."
        " The way back is the backup that is made before."
    )


def _beside(found: Facts) -> str:
    if not found.exists:
        return "It is not there yet: it is made beside and gets its name when it is whole."
    ended = "its sessions are ended" if found.engine is Engine.POSTGRESQL else "for a moment"
    return (
        "It is made beside, compared, and takes the place of the old one"
        f" ({ended}); the old one is kept for an undo."
    )


def remarks(found: Facts, needs: Needs) -> list[str]:
    """Sentences about what does not match, and what is not known; nothing forbids the restore."""
    said = []
    server, dumped = dotted(found.version)[:2], dotted(needs.version)[:2]
    if server and dumped and server < dumped:
        said.append(
            f"The backup is of a newer server ({shown(needs.version)}) than this ({found.version}):"
            " it may not be taken."
        )
    client, tool = dotted(found.client)[:1], dotted(of_database(needs.tool))[:1]
    if client and tool and client < tool:
        said.append(f"The client here, {found.client}, is older than the one that made the dump.")
    if found.missing_roles:
        names = ", ".join(found.missing_roles)
        said.append(f"These roles are not there: {names}. Make them, or name one that owns all.")
    if found.missing_definers:
        names = ", ".join(found.missing_definers)
        said.append(f"Programs work with the rights of users that are not there: {names}.")
    if found.sessions:
        said.append(f"There are {found.sessions} sessions in it now.")
    if found.free is None:
        said.append("How much room its server has is not known.")
    return said


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

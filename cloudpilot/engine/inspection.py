"""Inspecting a database server with a site's login: what is there, what may be read, what to paste.

A dump by a user that lacks a privilege may lack tables, triggers or routines and end with "Dump
completed": such a privilege is named here before anybody relies on it.
"""

from dataclasses import asdict, dataclass, field
from typing import Any

from cloudpilot.engine import inspected
from cloudpilot.engine.doctor import clients, logins, mysql, postgresql
from cloudpilot.engine.doctor.line import Line
from cloudpilot.engine.doctor.statements import Selection, Statement
from cloudpilot.engine.inspected import Said
from cloudpilot.engine.logins import Login
from cloudpilot.engine.program import Program, printing, quoted_words, source, telling
from cloudpilot.engine.ssh import Session
from cloudpilot.kinds import Engine

SECONDS = 20  # of the script; a client has five to connect
ALLOWANCE = 3  # seconds more until the session is given up
DATABASES_AT_MOST = 500
LINES_AT_MOST = 50
SCRIPTS = ("common", "clients", "inspect_words")
_SQL = {
    Engine.POSTGRESQL: ("postgres_start", "postgres_within"),
    Engine.MYSQL: ("mysql_start", "mysql_tables"),
    Engine.MARIADB: ("mysql_start", "mysql_tables"),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A login, and which databases are to be backed up with it."""

    login: Login
    selection: Selection


@dataclass(frozen=True)
class Question(Program):
    """Asks a database server about itself; see inspect.sh."""

    name: str = "inspect"
    engine: Engine = Engine.MARIADB
    words: tuple[str, ...] = field(default=())

    def text(self) -> bytes:
        """As Program.text: all of it in one function."""
        family = "postgres" if self.engine is Engine.POSTGRESQL else "mysql"
        parts = (
            b"cloudpilot_main() {",
            quoted_words("set --", self.args),
            telling(self.secrets),
            *(printing(name, f"{name}.sql") for name in _SQL[self.engine]),
            *(source(f"{name}.sh") for name in (*SCRIPTS, f"inspect_{family}")),
            source("inspect.sh"),
            b"}\ncloudpilot_main </dev/null\nexit\n",
        )
        return b"\n".join(parts)


def inspect(session: Session, asked: Asked, *, seconds: int = SECONDS) -> dict[str, Any]:
    """Ask the server, for at most some `seconds`, and judge what it says: see `findings`.

    That a database cannot be reached is a finding. Raises InvalidConfig for a login that no option
    file can hold, CommandFailed, and SshUnreachable.
    """
    answer = session.run(question(asked, seconds), timeout=seconds + ALLOWANCE)
    return findings(asked, answer)


def question(asked: Asked, seconds: int = SECONDS) -> Question:
    """What asks the server."""
    login, selection = asked.login, asked.selection
    which = "all-but" if selection.all_but else "only"
    return Question(
        args=(login.engine.value, str(seconds), which, *selection.names),
        secrets={"login": login.file()},
        engine=login.engine,
    )


def findings(asked: Asked, answer: bytes) -> dict[str, Any]:
    """For the database, and for pages: all that was found, in bytes.

    ok         whether nothing stands in the way of a whole dump
    version    of the server, "" if unknown; flavour: its make; tool: what dumps it
    databases  name, bytes, tables (None: unknown), readable; without those of the system
    lines      as those of a Check
    missing    what to paste: database ("": anywhere), what (in words), statement

    Raises CommandFailed if the answer is not whole.
    """
    said = inspected.read(answer)
    engine = asked.login.engine
    found: dict[str, Any] = {
        "version": "",
        "flavour": "",
        "tool": clients.dumper(engine, said),
        "databases": [],
    }
    lines, statements = _not_in(asked, said)
    if not lines:
        judge = postgresql.judged if engine is Engine.POSTGRESQL else mysql.judged
        judgement = judge(asked.login, asked.selection, said)
        lines, statements = judgement.lines, judgement.statements
        found |= {"version": judgement.version, "flavour": judgement.flavour}
        found["databases"] = judgement.databases[:DATABASES_AT_MOST]
    return found | {
        "ok": all(line.level != "failed" for line in lines),
        "lines": [_stored(line) for line in lines[:LINES_AT_MOST]],
        "missing": [asdict(statement) for statement in statements[:LINES_AT_MOST]],
    }


def _not_in(asked: Asked, said: Said) -> tuple[list[Line], list[Statement]]:
    """Why nothing could be asked; nothing if it could."""
    absent = clients.missing(asked.login.engine, said)
    refused = logins.failure(asked.login, said)
    if absent and not said.first("account"):
        return [absent, *([refused.line] if refused else [])], []
    if refused is None:
        return [], []
    if not refused.grants_help:
        return [refused.line], []
    maker = postgresql.newcomer if asked.login.engine is Engine.POSTGRESQL else mysql.newcomer
    return [refused.line], maker(asked.login, asked.selection, said)


def _stored(line: Line) -> dict[str, Any]:
    kept = asdict(line)
    kept.pop("steady")
    return kept

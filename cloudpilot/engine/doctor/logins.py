"""Whether a database server lets its user in, by what its client says when it does not."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from cloudpilot.engine.doctor.line import Line
from cloudpilot.engine.inspected import Said, shown, unhex
from cloudpilot.engine.logins import Login
from cloudpilot.errors import DbAuthFailed, DbNotFound, DbPrivilegeMissing, DbUnreachable
from cloudpilot.kinds import Engine
from cloudpilot.redaction import redacted

TITLE = "Login"
TIMED_OUT = ("124", "137")  # of timeout(1)
SEE_THAT_IT_RUNS = (
    "See that the database server runs, and where it listens: `ss -ltnx` on the server shows it."
)
# https://mariadb.com/kb/en/mariadb-error-code-reference/,
# https://dev.mysql.com/doc/mysql-errors/8.4/en/
_WRONG = {"1044", "1045", "1130", "1227", "1698", "1820", "1862", "3118", "4151"}
_PLUGIN = {"1251", "1275", "1524", "2059", "2061"}
_UNKNOWN_HOST = {"2005"}
_UNREACHABLE = {"2002", "2003", "2006", "2013", "2055", "1040", "1129", "1203", "1226"}
_NUMBER = re.compile(r"ERROR (\d+)")
# What libpq itself says is English; of what PostgreSQL says we know the English.
_POSTGRESQL: Sequence[tuple[str, str]] = (
    ("could not translate host name", "host"),
    ("Connection refused", "away"),
    ("No such file or directory", "away"),
    ("timeout expired", "away"),
    ("No route to host", "away"),
    ("Network is unreachable", "away"),
    ("server closed the connection", "away"),
    ("the database system is", "away"),
    ("too many clients", "away"),
    ("remaining connection slots", "away"),
    ("password authentication failed", "wrong"),
    ("no password supplied", "wrong"),
    ("authentication failed", "wrong"),
    ("no pg_hba.conf entry", "wrong"),
    ("pg_hba.conf rejects", "wrong"),
    ("is not permitted to log in", "wrong"),
    ("FATAL:  role ", "wrong"),
    ('" does not exist', "absent"),
    ("permission denied for database", "closed"),
    ("not currently accepting connections", "closed"),
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why nobody could sign in, and whether a GRANT may help: not where no server was reached."""

    line: Line
    grants_help: bool


def failure(login: Login, said: Said) -> Refusal | None:
    """None if somebody could sign in."""
    told = said.first("refused")
    if not told:
        return None
    status, _, encoded = told.partition(" ")
    words = in_short(unhex(encoded))
    kind = "away" if status in TIMED_OUT else _kind(login.engine, words)
    line = _LINES[kind](login, words or "It did not answer in time.")
    return Refusal(replace(line, code=_CODES[kind]), kind not in {"away", "host", "absent"})


def in_short(words: str) -> str:
    """What a client says of a failure, in one line and without a secret."""
    kept = [line.strip() for line in words.split("\n") if line.strip()]
    telling = [line for line in kept if re.match(r"ERROR|psql: error|FATAL", line)] or kept[-1:]
    text = re.sub(r" ?\(using password: \w+\)|^psql: error: ", "", telling[0] if telling else "")
    return redacted(shown(text))[:400]


def host_seen(words: str) -> str | None:
    """From where MySQL or MariaDB sees us come, if it says so when it refuses us."""
    match = re.search(r"'@'([\w.:%-]{1,255})'", words) or re.search(
        r"Host '([\w.:-]{1,255})'", words
    )
    return match[1] if match else None


def ok(login: Login, said: Said) -> Line:
    account = shown(said.name("account"))
    return Line("login", "ok", TITLE, f"Signed in as {account} {_where(login)}.")


def _kind(engine: Engine, words: str) -> str:
    if engine is Engine.POSTGRESQL:
        return next((kind for part, kind in _POSTGRESQL if part in words), "other")
    match = _NUMBER.search(words)
    number = match[1] if match else ""
    for kind, numbers in (
        ("wrong", _WRONG),
        ("plugin", _PLUGIN),
        ("host", _UNKNOWN_HOST),
        ("away", _UNREACHABLE),
    ):
        if number in numbers:
            return kind
    return "other"


def _failed(detail: str, remedy: str) -> Line:
    return Line("login", "failed", TITLE, detail, remedy)


def _away(login: Login, words: str) -> Line:
    return _failed(f"It cannot be reached {_where(login)}: {words}", SEE_THAT_IT_RUNS)


def _host(login: Login, words: str) -> Line:
    detail = f"The server does not know the host {login.host}: {words}"
    return _failed(detail, f"Correct the host, or look for it there: `getent hosts {login.host}`")


def _wrong(login: Login, words: str) -> Line:
    remedy = (
        "Correct user and password, or make the user by the statements that the site's page shows."
    )
    return _failed(f"It refuses the user {shown(login.user)}: {words}", remedy)


def _plugin(login: Login, words: str) -> Line:
    remedy = "Let the user sign in by a password, or install the client of the server's own make."
    return _failed(f"The client cannot sign in as this user has to: {words}", remedy)


def _absent(login: Login, words: str) -> Line:
    remedy = "Correct the names of the databases."
    return _failed(f"Not one of the databases that were tried is there: {words}", remedy)


def _closed(login: Login, words: str) -> Line:
    remedy = "Let the user connect: the site's page shows the statement."
    return _failed(f"Not one of the databases that were tried lets it in: {words}", remedy)


def _other(login: Login, words: str) -> Line:
    return _failed(f"It does not let us in {_where(login)}: {words}", SEE_THAT_IT_RUNS)


_LINES = {
    "away": _away,
    "host": _host,
    "wrong": _wrong,
    "plugin": _plugin,
    "absent": _absent,
    "closed": _closed,
    "other": _other,
}


_CODES = {
    "away": DbUnreachable.code,
    "host": DbUnreachable.code,
    "wrong": DbAuthFailed.code,
    "plugin": DbAuthFailed.code,
    "absent": DbNotFound.code,
    "closed": DbPrivilegeMissing.code,
    "other": DbUnreachable.code,
}


def _where(login: Login) -> str:
    return f"at {login.host}:{login.port}" if login.host else f"by {login.socket}"

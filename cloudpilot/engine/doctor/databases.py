"""Databases that run on a server, and whether what dumps them is there and new enough."""

from dataclasses import dataclass
from typing import Any

from cloudpilot.engine.doctor.line import Line
from cloudpilot.engine.doctor.tools import dotted
from cloudpilot.engine.findings import Found, of_database


@dataclass(frozen=True, slots=True)
class Engine:
    """A kind of database: by which process, socket and port it is known, and what dumps it."""

    key: str
    title: str
    processes: tuple[str, ...]
    socket: str  # a part of its path
    ports: tuple[int, ...]
    servers: tuple[str, ...]  # facts that hold the server's version
    clients: tuple[str, ...]  # facts that hold the dumping tool's


MYSQL = Engine(
    "mysql", "MySQL", ("mysqld",), "mysql", (3306,), ("mysqld",), ("mysqldump", "mariadb-dump")
)
MARIADB = Engine(
    "mariadb",
    "MariaDB",
    ("mariadbd", "mysqld"),
    "mysql",
    (3306,),
    ("mariadbd", "mysqld"),
    ("mariadb-dump", "mysqldump"),
)
POSTGRESQL = Engine(
    "postgresql",
    "PostgreSQL",
    ("postgres", "postmaster"),
    ".s.PGSQL.",
    (5432, 5433),
    ("postgres",),
    ("pg_dump",),
)


def running(found: Found) -> list[dict[str, Any]]:
    """The databases that run there: engine, version, sockets and ports; for forms."""
    return [
        {
            "engine": engine.key,
            "version": _server_version(found, engine),
            "sockets": _sockets(found, engine),
            "ports": [port for port in engine.ports if port in found["listens"]],
        }
        for engine in _engines(found)
        if _runs(found, engine)
    ]


def mysql(found: Found) -> Line | None:
    return _line(found, _of_mysql(found))


def postgresql(found: Found) -> Line | None:
    return _line(found, POSTGRESQL)


def _engines(found: Found) -> tuple[Engine, ...]:
    return _of_mysql(found), POSTGRESQL


def _of_mysql(found: Found) -> Engine:
    """MariaDB calls its programs mysql… as well, so its own name decides, where it has one."""
    own = "mariadbd" in found["process"] or found.has("mariadbd")
    return MARIADB if own or "mariadb" in (found["mysqld"] or "").lower() else MYSQL


def _runs(found: Found, engine: Engine) -> bool:
    """A container's database shows as a process, but neither its socket nor its port is here."""
    listens = bool(set(engine.ports) & set(found["listens"]))
    return bool(_sockets(found, engine)) or (
        listens and bool(set(engine.processes) & set(found["process"]))
    )


def _sockets(found: Found, engine: Engine) -> list[str]:
    """Each once: /var/run is a link to /run."""
    paths = [
        path.removeprefix("/var") if path.startswith("/var/run/") else path
        for path in found["socket"]
    ]
    return [path for path in dict.fromkeys(paths) if engine.socket in path]


def _server_version(found: Found, engine: Engine) -> str:
    versions: list[str] = []
    for fact in engine.servers:
        said = found[fact]
        versions += said if isinstance(said, list) else [said] if said else []
    return max(map(of_database, versions), key=dotted, default="")


def _line(found: Found, engine: Engine) -> Line | None:
    if not _runs(found, engine):
        return None
    server = _server_version(found, engine)
    runs = f"{server} runs here" if server else "Runs here"
    client = next((tool for tool in engine.clients if found.has(tool)), None)
    if client is None:
        wanted = engine.clients[0]
        detail = f"{runs}. {wanted} is not installed; a backup of it will need it."
        return Line(engine.key, "warning", engine.title, detail, f"`{found.install(wanted)}`")
    if server and dotted(found[client])[:1] < dotted(server)[:1]:
        detail = f"{runs}, but {client} is {found[client]}: older than what it dumps."
        remedy = f"Install the {client} of the server's own version."
        return Line(engine.key, "warning", engine.title, detail, remedy)
    return Line(engine.key, "ok", engine.title, f"{runs}; {client} {found[client]}.")

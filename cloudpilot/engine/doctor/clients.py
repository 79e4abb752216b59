"""The programs that dump a database: whether they are there, and new enough for its server."""

from cloudpilot.engine.doctor.line import Line
from cloudpilot.engine.doctor.tools import dotted
from cloudpilot.engine.findings import of_database
from cloudpilot.engine.inspected import Said, shown
from cloudpilot.engine.packages import install
from cloudpilot.errors import ToolMissing
from cloudpilot.kinds import Engine

TITLE = "Client"
NEEDED = {
    Engine.MARIADB: (("mariadb", "mysql"), ("mariadb-dump", "mysqldump")),
    Engine.MYSQL: (("mysql", "mariadb"), ("mysqldump", "mariadb-dump")),
    Engine.POSTGRESQL: (("psql",), ("pg_dump",), ("pg_restore",)),
}
DUMPERS = {
    Engine.MARIADB: ("mariadb-dump", "mysqldump"),
    Engine.MYSQL: ("mysqldump", "mariadb-dump"),
    Engine.POSTGRESQL: ("pg_dump",),
}


def versions(said: Said) -> dict[str, str]:
    """What each program that is there says of itself."""
    rows = (text.partition(" ") for text in said.texts("tool"))
    return {name: shown(words)[:200] for name, _, words in rows}


def dumper(engine: Engine, said: Said) -> str:
    """The dumping tool and its version, or nothing."""
    there = versions(said)
    name = next((name for name in DUMPERS[engine] if name in there), "")
    return f"{name} {of_database(there[name])}".strip() if name else ""


def missing(engine: Engine, said: Said) -> Line | None:
    """What is not installed of what a dump needs; None if all is there."""
    there = versions(said)
    lacking = [names[0] for names in NEEDED[engine] if not set(names) & set(there)]
    if not lacking:
        return None
    package = DUMPERS[engine][0]  # the package that brings it brings the others as well
    command = install(said.first("packager"), package)
    detail = f"Not installed on the server: {', '.join(lacking)}. Nothing can be dumped without."
    return Line("client", "failed", TITLE, detail, f"`{command}`", code=ToolMissing.code)


def compared(engine: Engine, said: Said, server: str, flavour: Engine) -> Line:
    """The dumping tool against its server, whose version is `server`."""
    tool = dumper(engine, said)
    name, _, version = tool.partition(" ")
    if engine is Engine.POSTGRESQL:
        return _postgresql(said, tool, version, server)
    maker = _maker(versions(said)[name])
    if maker is not flavour:
        detail = f"{tool} is {maker.brand}'s; the server is {flavour.brand} {server}."
        return Line("client", "warning", TITLE, detail, _install(said, "make", DUMPERS[flavour][0]))
    if dotted(version)[:1] < dotted(server)[:1]:
        detail = f"{tool} is older than the server, {server}."
        return Line(
            "client", "warning", TITLE, detail, _install(said, "version", DUMPERS[flavour][0])
        )
    return Line("client", "ok", TITLE, f"{tool}, for {flavour.brand} {server}.")


def _postgresql(said: Said, tool: str, version: str, server: str) -> Line:
    """pg_dump refuses a server that is newer than itself:
    https://www.postgresql.org/docs/current/app-pgdump.html#PG-DUMP-NOTES."""
    if major(version) >= major(server):
        return Line("client", "ok", TITLE, f"{tool}, for PostgreSQL {server}.")
    wanted = ".".join(map(str, major(server)))
    manager = said.first("packager")
    package = f"postgresql-client-{wanted}" if manager in {"", "apt-get"} else f"postgresql{wanted}"
    detail = f"{tool} refuses to dump this server: it is older than PostgreSQL {server}."
    remedy = f"Install the newer client, perhaps from postgresql.org: `{install(manager, package)}`"
    return Line("client", "failed", TITLE, detail, remedy, code=ToolMissing.code)


def major(version: str) -> tuple[int, ...]:
    """What two versions of PostgreSQL have to have in common.

    >>> major("15.18"), major("9.6.24")
    ((15,), (9, 6))
    """
    parts = dotted(version)
    return parts[:1] if parts[:1] >= (10,) else parts[:2]


def _maker(words: str) -> Engine:
    return Engine.MARIADB if "mariadb" in words.lower() else Engine.MYSQL


def _install(said: Said, what: str, tool: str) -> str:
    command = install(said.first("packager"), tool)
    return f"Install the client of the server's own {what}: `{command}`"

"""What people type of a database server: where it is, who may read it, which databases. Pure."""

from cloudpilot.domain.servers import shaped_host, valid_path
from cloudpilot.errors import InvalidConfig, InvalidPath
from cloudpilot.kinds import Engine
from cloudpilot.secrets import Secret
from cloudpilot.text import has_controls

NAMES_AT_MOST = 500
NAME_LENGTH = 64  # characters, of MySQL and MariaDB
PG_NAME_BYTES = 63  # of PostgreSQL, roles included
USER_LENGTH = 128
PASSWORD_LENGTH = 1000
PG_PASSWORD_BYTES = 200  # a line of the file that its clients read is short
SOCKET_BYTES = 107  # of a whole path, as the kernel has it
PG_SOCKET = ".s.PGSQL."  # how its sockets are called; the port follows
_MYSQL_SYSTEM = {"information_schema", "performance_schema", "mysql", "sys"}
SYSTEM = {
    Engine.MARIADB: _MYSQL_SYSTEM,
    Engine.MYSQL: _MYSQL_SYSTEM,
    Engine.POSTGRESQL: {"template0", "template1"},
}


def valid_socket(text: str, engine: Engine) -> tuple[str, int | None]:
    """Where the socket is, and the port that PostgreSQL's is called after if not the usual one.

    >>> valid_socket("/run/mysqld/mysqld.sock", Engine.MARIADB)
    ('/run/mysqld/mysqld.sock', None)
    >>> valid_socket("/run/postgresql/.s.PGSQL.5433", Engine.POSTGRESQL)
    ('/run/postgresql', 5433)
    """
    is_postgresql = engine is Engine.POSTGRESQL
    try:
        path = valid_path(text.strip()) if text.strip() else ""
    except InvalidPath as error:
        raise InvalidConfig(str(error)) from error
    if not path.strip("/"):
        what = "folder of the socket, such as /run/postgresql" if is_postgresql else ""
        raise InvalidConfig(f"Give the {what or 'socket, such as /run/mysqld/mysqld.sock'}.")
    folder, _, name = path.rpartition("/")
    port = engine.port
    if is_postgresql and name.startswith(PG_SOCKET):
        path, port = folder or "/", valid_port(name.removeprefix(PG_SOCKET), engine)
    whole = f"{path}/{PG_SOCKET}{port}" if is_postgresql else path
    if len(whole.encode()) > SOCKET_BYTES:
        raise InvalidConfig(f"The path of a socket has at most {SOCKET_BYTES} bytes.")
    return path, None if port == engine.port else port


def valid_host(text: str) -> str:
    """A host name or address; raises InvalidConfig.

    It is the server that is backed up that connects to it, 127.0.0.1 being that server itself:
    what this panel may connect to has nothing to do with it.
    """
    return shaped_host(text)


def valid_port(text: str, engine: Engine) -> int:
    """A TCP port, the engine's usual one if left blank; raises InvalidConfig."""
    typed = text.strip() or str(engine.port)
    digits = typed.isascii() and typed.isdigit() and len(typed) < 6
    if not digits or not 0 < int(typed) < 65536:
        usual = f"{engine.brand}'s own is {engine.port}"
        raise InvalidConfig(f"A port is a number from 1 to 65535; {usual}.")
    return int(typed)


def valid_user(text: str, engine: Engine) -> str:
    """Whom to sign in as; raises InvalidConfig."""
    user = text.strip()
    if not user:
        raise InvalidConfig("Give the user that may read the databases.")
    if has_controls(user):
        raise InvalidConfig("The user holds a character that cannot be seen; type it again.")
    is_postgresql = engine is Engine.POSTGRESQL
    if len(user) > USER_LENGTH or (is_postgresql and _is_too_long(user, engine)):
        raise InvalidConfig(f"{engine.brand} knows no user with so long a name.")
    return user


def valid_password(text: str, engine: Engine) -> Secret:
    """A password that the clients of this engine can be given; raises InvalidConfig.

    It may be empty: a server may know its user by the socket.
    """
    if any(char in text for char in "\n\r\0"):
        raise InvalidConfig("A password cannot hold a line break: no option file can hold it.")
    if len(text) > PASSWORD_LENGTH:
        raise InvalidConfig(f"A password has at most {PASSWORD_LENGTH} characters.")
    if engine is Engine.POSTGRESQL:
        if text != text.rstrip():
            raise InvalidConfig("PostgreSQL's clients leave out a blank at the password's end.")
        if len(text.encode(errors="replace")) > PG_PASSWORD_BYTES:
            raise InvalidConfig(
                f"PostgreSQL's clients read a password of at most {PG_PASSWORD_BYTES} bytes."
            )
    return Secret(text)


def valid_names(text: str, engine: Engine, *, all_but: bool) -> list[str]:
    """Names of databases, one a line, as they were typed; raises InvalidConfig.

    all_but  they are what is left out, so that there may be none

    >>> valid_names("shop\\n\\nblog", Engine.MARIADB, all_but=False)
    ['shop', 'blog']
    """
    lines = [line for line in text.replace("\r\n", "\n").split("\n") if line.strip()]
    names = list(dict.fromkeys(_valid_name(line, engine) for line in lines))
    if not names and not all_but:
        raise InvalidConfig("Give at least one database, or take all but these.")
    if len(names) > NAMES_AT_MOST:
        raise InvalidConfig(f"Give at most {NAMES_AT_MOST} databases; or take all but these?")
    return names


def _valid_name(line: str, engine: Engine) -> str:
    # MySQL has no name that ends with a blank, PostgreSQL has.
    name = line if engine is Engine.POSTGRESQL else line.rstrip()
    if has_controls(name):
        raise InvalidConfig("A name holds a character that cannot be seen; type it again.")
    if _is_too_long(name, engine):
        raise InvalidConfig(f"“{name[:40]}…” is longer than a name in {engine.brand} can be.")
    # MySQL takes INFORMATION_SCHEMA for information_schema.
    if (name if engine is Engine.POSTGRESQL else name.lower()) in SYSTEM[engine]:
        raise InvalidConfig(f"{name} is {engine.brand}'s own; it is in no backup, so leave it out.")
    return name


def _is_too_long(name: str, engine: Engine) -> bool:
    if engine is Engine.POSTGRESQL:
        return len(name.encode(errors="replace")) > PG_NAME_BYTES
    return len(name) > NAME_LENGTH

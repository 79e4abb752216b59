"""Logins to database servers: what their clients read instead of words that others could see.

A client is given one file, through a descriptor: no other option file is read, so nothing that
lies in a home directory empties a dump. The text goes to a run as a secret.
"""

from dataclasses import dataclass

from cloudpilot.errors import InvalidConfig
from cloudpilot.kinds import Engine
from cloudpilot.secrets import Secret

SERVICE = "cloudpilot"  # the section of a PostgreSQL service file


@dataclass(frozen=True, slots=True)
class Login:
    """How a database server is reached from the server that is backed up.

    host, port  "" and None: by the socket
    socket      of MySQL and MariaDB its path, of PostgreSQL the folder that it lies in
    """

    engine: Engine
    host: str
    port: int | None
    socket: str
    user: str
    password: Secret

    def file(self) -> Secret:
        """What the engine's clients read; raises InvalidConfig for what such a file cannot hold."""
        if self.engine is Engine.POSTGRESQL:
            return Secret(_service_file(self))
        return Secret(_option_file(self))


def _option_file(login: Login) -> str:
    """For `--defaults-file=/dev/fd/N`.

    https://mariadb.com/kb/en/configuring-mariadb-with-option-files/: a value in quotes keeps its
    blanks and its #; in it a backslash begins an escape, and another quote would end it.
    """
    values = {"user": login.user, "password": login.password.reveal()}
    if login.host:
        values |= {"protocol": "tcp", "host": login.host, "port": str(login.port)}
    else:
        values |= {"protocol": "socket", "socket": login.socket}
    lines = [f'{key}="{_escaped(_checked(key, value))}"' for key, value in values.items()]
    return "\n".join(("[client]", *lines, ""))


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')


def _service_file(login: Login) -> str:
    """For `PGSERVICEFILE=/dev/fd/N`; a value is all that follows the first =, blanks at its end
    left out: https://www.postgresql.org/docs/current/libpq-pgservice.html."""
    values = {"user": login.user, "password": login.password.reveal()}
    if login.host:
        values |= {"host": login.host, "port": str(login.port)}
    else:
        values |= {"host": login.socket}
        if login.port:
            values |= {"port": str(login.port)}
    lines = [f"{key}={_checked(key, value, ends=False)}" for key, value in values.items()]
    return "\n".join((f"[{SERVICE}]", *lines, ""))


def _checked(key: str, value: str, *, ends: bool = True) -> str:
    """`value`, if the file can hold it; `ends`: also with a blank as its last character."""
    if any(char in value for char in "\n\r\0"):
        raise InvalidConfig(f"The {key} holds a line break, which no option file can hold.")
    if not ends and value != value.rstrip():
        raise InvalidConfig(f"The {key} ends with a blank, which PostgreSQL's clients leave out.")
    return value

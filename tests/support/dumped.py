"""Logins to the servers of tests, as the panel has them."""

from cloudpilot.engine.logins import Login
from cloudpilot.kinds import Engine
from cloudpilot.secrets import Secret
from tests.support.mariadb import MariaDb
from tests.support.postgresql import OWNER, PostgreSql


def login_to(
    server: MariaDb | PostgreSql, user: str = "", password: str = "", *, by_port: bool = False
) -> Login:
    """By its socket, as its owner, unless told otherwise."""
    host = "127.0.0.1" if by_port else ""
    if isinstance(server, MariaDb):
        port = server.port if by_port else None
        socket = "" if by_port else server.socket
        return Login(Engine.MARIADB, host, port, socket, user or "root", Secret(password))
    socket = "" if by_port else str(server.home)
    return Login(Engine.POSTGRESQL, host, server.port, socket, user or OWNER, Secret(password))

"""Where a server is may only change if it stays the same machine: its backups lie on it."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from cloudpilot.domain import removals, uninstalls
from cloudpilot.domain.servers import Server
from cloudpilot.errors import BackupInProgress, InvalidConfig

ADDRESS = ("host", "port", "username")


def moves(server: Server, values: Mapping[str, Any]) -> bool:
    """Whether these values say another address."""
    return any(values.get(name, getattr(server, name)) != getattr(server, name) for name in ADDRESS)


def allow(session: Session, server: Server, values: Mapping[str, Any], *, same: bool) -> None:
    """Refuse an address at which work would be lost or archives be found missing.

    same  somebody says that it is the same machine; its host key, which stays, will tell

    Raises BackupInProgress, InvalidConfig.
    """
    if not moves(server, values):
        return
    if server.is_ready and values.get("username", server.username) != server.username:
        raise InvalidConfig(
            f"The panel's key is with {server.username} there. Remove CloudPilot from this server,"
            " then add it with the other user."
        )
    run = removals.keeps_server(session, server)
    if run:
        raise BackupInProgress(
            f"{removals.pending(run)} Host, port and user can be changed when it has ended."
        )
    if uninstalls.belongings(session, server).backups and not same:
        raise InvalidConfig(
            "Backups lie on this server. Say that it is the same machine at another address, or"
            " add the other machine as a server of its own."
        )

"""Ports of loopback for the private servers of tests."""

import socket

from tests.support.until import until


def free_port() -> int:
    """One that nobody listens at now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def wait_for(port: int, *, seconds: float = 30) -> None:
    """Come back when somebody listens there."""
    until(lambda: listens(port), bool, seconds=seconds)


def listens(port: int) -> bool:
    """Whether somebody does."""
    with socket.socket() as knock:
        knock.settimeout(1)
        return knock.connect_ex(("127.0.0.1", port)) == 0

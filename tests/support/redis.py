"""A real Redis of our own, on a unix socket."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from cloudpilot.embedded import redis_command
from tests.support.ports import free_port
from tests.support.until import until


@contextmanager
def running(home: Path) -> Iterator[str]:
    """Yields its URL; all its files are in `home`."""
    process = subprocess.Popen(redis_command(home))
    url = f"unix://{home / 'redis.sock'}"
    try:
        until(lambda: answers(url), bool, seconds=10)
        yield url
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def server(home: Path, port: int = 0) -> Iterator[int]:
    """One that listens on a port of loopback, and keeps nothing."""
    port = port or free_port()
    words = ("--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", str(home))
    process = subprocess.Popen([redis_command(Path("/"))[0], *words], stdout=subprocess.DEVNULL)
    try:
        until(lambda: answers(f"redis://127.0.0.1:{port}"), bool, seconds=10)
        yield port
    finally:
        process.kill()
        process.wait(10)


def answers(url: str) -> bool:
    """Whether a Redis is there."""
    try:
        with Redis.from_url(url) as connection:
            return bool(connection.ping())
    except RedisError:
        return False

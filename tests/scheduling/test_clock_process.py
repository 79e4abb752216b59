"""The clock as a process: whatever becomes of Redis, it goes on, and ends when it is told to."""

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from cloudpilot.scheduling.scheduler import TICK_ID
from tests.support.database import SECRET_KEY
from tests.support.panel import Processes
from tests.support.proxy import Proxy, proxied
from tests.support.redis import server
from tests.support.until import until

KEY = "rq:scheduler:scheduled_jobs"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def redis_port(home: Path) -> Iterator[int]:
    with server(home) as port:
        yield port


@pytest.fixture
def proxy(redis_port: int) -> Iterator[Proxy]:
    with proxied("127.0.0.1", redis_port) as found:
        yield found


@pytest.fixture
def processes(home: Path, proxy: Proxy) -> Iterator[Processes]:
    environ = {
        "DATABASE_URL": "sqlite:///nowhere.db",
        "REDIS_URL": f"redis://127.0.0.1:{proxy.port}",
        "CLOUDPILOT_SECRET_KEY": SECRET_KEY,
    }
    found = Processes(environ, home)
    found.start("clock")
    yield found
    found.stop_all()


def rings(port: int) -> bool:
    with Redis(port=port) as connection:
        connection.delete(KEY)
        return until(lambda: connection.zscore(KEY, TICK_ID) is not None, bool, seconds=30)


def test_redis_is_away_and_back(processes: Processes, proxy: Proxy, redis_port: int) -> None:
    assert rings(redis_port)
    pid = processes.pid("clock")
    proxy.freeze()
    until(lambda: processes.said("clock"), lambda said: "Redis does not answer" in said)
    proxy.cut()
    proxy.thaw()
    assert rings(redis_port)
    assert processes.pid("clock") == pid


def test_it_ends_when_told_though_redis_is_away(processes: Processes, proxy: Proxy) -> None:
    until(lambda: proxy.passed, bool)
    proxy.freeze()
    until(lambda: processes.said("clock"), lambda said: "Redis does not answer" in said)
    try:
        assert processes.stop("clock") in {0, -signal.SIGTERM}
    except subprocess.TimeoutExpired:
        pytest.fail("it did not end")

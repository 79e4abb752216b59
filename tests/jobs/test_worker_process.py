"""The workers as processes: whatever becomes of Redis, they go on, and their log stays short."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from rq import Worker

import worker
from cloudpilot import ROOT
from cloudpilot.settings import Settings, from_environment
from tests.support.database import SECRET_KEY
from tests.support.panel import Processes
from tests.support.ports import free_port
from tests.support.redis import server
from tests.support.until import until

CHILDREN = 4
AWAY = "Redis does not answer: ConnectionError"


@pytest.fixture
def port() -> int:
    """Where Redis will be."""
    return free_port()


@pytest.fixture
def environ(port: int) -> dict[str, str]:
    return {
        "DATABASE_URL": "sqlite:///nowhere.db",
        "REDIS_URL": f"redis://127.0.0.1:{port}",
        "CLOUDPILOT_SECRET_KEY": SECRET_KEY,
    }


@pytest.fixture
def processes(environ: dict[str, str], tmp_path: Path) -> Iterator[Processes]:
    found = Processes(environ, tmp_path)
    yield found
    found.stop_all()


def lines(processes: Processes) -> list[dict[str, Any]]:
    """The log; what is no JSON fails."""
    return [json.loads(line) for line in processes.said("worker").splitlines()]


def all_say(processes: Processes) -> None:
    """That Redis is away, and nothing else."""
    said = until(lambda: lines(processes), lambda said: len(said) >= CHILDREN)
    assert {line["message"] for line in said} == {AWAY}


def at_work(port: int) -> int:
    """How many have told this Redis that they live."""
    with Redis(port=port) as connection:
        return len(list(connection.scan_iter(f"{Worker.redis_worker_namespace_prefix}*")))


def test_a_redis_that_is_away_is_told_once_by_each_and_waited_for(
    processes: Processes, port: int, tmp_path: Path
) -> None:
    processes.start("worker")
    all_say(processes)
    children = processes.children("worker")
    with server(tmp_path, port):
        until(lambda: at_work(port), lambda count: count == CHILDREN, seconds=10)
    assert processes.children("worker") == children
    assert len(lines(processes)) == CHILDREN


def test_a_redis_that_goes_and_comes_is_told_once_by_each(
    processes: Processes, port: int, tmp_path: Path
) -> None:
    with server(tmp_path, port):
        processes.start("worker")
        until(lambda: at_work(port), lambda count: count == CHILDREN)
    all_say(processes)
    with server(tmp_path, port):
        until(lambda: at_work(port), lambda count: count == CHILDREN, seconds=15)
        assert len(lines(processes)) <= 2 * CHILDREN  # a child that was begun anew may say it, too


def test_workers_end_when_told_though_redis_is_away(processes: Processes) -> None:
    processes.start("worker")
    all_say(processes)
    assert processes.stop("worker") == 0


def test_what_ends_a_child_is_one_line_with_its_traceback(environ: dict[str, str]) -> None:
    code = (
        "import os, worker; from cloudpilot.settings import from_environment as read\n"
        "def broken(settings): raise ValueError('nobody has thought of this')\n"
        "worker.configure(); worker._child(broken, read(os.environ)).join()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | environ,
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    [line] = map(json.loads, done.stderr.splitlines())
    assert (line["level"], line["message"]) == ("error", "broken has ended")
    assert line["traceback"].endswith("ValueError: nobody has thought of this")


def test_who_ends_again_and_again_is_begun_later_and_later(environ: dict[str, str]) -> None:
    post = worker._Post(ends)
    settings = from_environment(environ)
    assert [pause_after(post, settings) for _ in range(5)] == [1, 2, 4, 5, 5]
    post.start = killed
    assert pause_after(post, settings) == 1


def pause_after(post: worker._Post, settings: Settings) -> float:
    post.changes_at = 0
    post.fill(settings)
    assert post.child is not None
    post.child.join(10)
    post.leave()
    assert post.child is None
    return post.pause


def ends(_settings: Settings) -> None:
    os._exit(1)


def killed(_settings: Settings) -> None:
    os.kill(os.getpid(), signal.SIGKILL)

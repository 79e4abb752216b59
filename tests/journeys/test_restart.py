"""What a platform does every day: SIGTERM to all processes, and all of them anew.

honcho starts the Procfile, as a PaaS does; database and server are real.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from flask import Flask
from honcho.environ import parse_procfile

from cloudpilot import ROOT
from cloudpilot.domain.status import Status
from cloudpilot.settings import Settings
from tests.journeys.test_endings import is_there
from tests.journeys.test_main_job import assert_whole, packing
from tests.support.database import SECRET_KEY
from tests.support.openssh import Sshd
from tests.support.panel import QUICK, STARTING, Processes, below
from tests.support.ports import free_port
from tests.support.until import until
from tests.support.world import World, enrolled

A_PLATFORM_WAITS = 30  # seconds


class Dynos:
    """All that the Procfile names, but the release command, under honcho."""

    def __init__(self, environ: Mapping[str, str], log: Path) -> None:
        self.port = free_port()
        self._log = log
        path = os.pathsep.join((str(STARTING), str(ROOT)))
        given = {"PYTHONPATH": path, "PORT": str(self.port), "CLOUDPILOT_BIND": "127.0.0.1"}
        programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.environ = {**os.environ, **QUICK, **given, **environ, "PATH": programs}
        self._honcho: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Come back when web, workers and clock have been seen."""
        command = [sys.executable, "-m", "honcho", "start", "web", "worker", "clock"]
        with self._log.open("ab") as log:
            self._honcho = subprocess.Popen(
                command, cwd=ROOT, env=self.environ, stdout=log, stderr=log
            )
        until(self.health, lambda said: said.get("status") == "ok", seconds=60)

    def health(self) -> dict[str, Any]:
        """What /healthz says; nothing while nobody answers."""
        try:
            with urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=5) as answer:
                found: dict[str, Any] = json.load(answer)
                return found
        except (URLError, OSError):
            return {}

    def stop(self) -> float:
        """SIGTERM; returns after how many seconds nothing is left."""
        if self._honcho is None:
            return 0
        tree = [self._honcho.pid, *below(self._honcho.pid)]
        began = time.monotonic()
        self._honcho.send_signal(signal.SIGTERM)
        self._honcho.wait(A_PLATFORM_WAITS)
        self._honcho = None
        left = until(lambda: [pid for pid in tree if is_there(pid)], lambda pids: not pids)
        assert left == []
        return time.monotonic() - began

    def release(self) -> subprocess.Popen[str]:
        """The release command, begun."""
        line = parse_procfile((ROOT / "Procfile").read_text()).processes["release"]
        return subprocess.Popen(
            ["sh", "-c", line],
            cwd=ROOT,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


@pytest.fixture
def dynos(settings: Settings, tmp_path: Path) -> Iterator[Dynos]:
    """As a platform configures them: postgres:// and a port."""
    url = settings.database_url.replace("postgresql+psycopg://", "postgres://")
    environ = {
        "DATABASE_URL": url,
        "REDIS_URL": settings.redis_url,
        "CLOUDPILOT_SECRET_KEY": SECRET_KEY,
    }
    found = Dynos(environ, tmp_path / "honcho.log")
    try:
        yield found
    finally:
        found.stop()


@pytest.fixture
def world(core: Flask, dynos: Dynos, gated_sshd: Sshd, tmp_path: Path) -> World:
    """The server and a site; the processes are the platform's."""
    files = tmp_path / "site"
    files.mkdir()
    (files / "index.html").write_text("<h1>hello</h1>")
    (files / "large.bin").write_bytes(os.urandom(2**22))
    nothing = Processes({}, tmp_path)
    return enrolled(core, nothing, gated_sshd, tmp_path / "backups", files, excludes=["*.log"])


@pytest.mark.on_postgresql
def test_a_daily_restart_in_the_middle_of_a_backup_loses_and_repeats_nothing(
    world: World, dynos: Dynos
) -> None:
    dynos.start()
    world.hold()
    run_id = world.back_up()
    packing(world, run_id)
    assert dynos.stop() < A_PLATFORM_WAITS
    assert world.run(run_id).status is Status.RUNNING
    assert world.working()  # the server goes on with it
    dynos.start()
    world.release()
    world.ended(run_id)
    assert_whole(world, run_id)


@pytest.mark.on_postgresql
def test_a_release_beside_another_and_beside_what_runs_is_harmless(
    world: World, dynos: Dynos
) -> None:
    dynos.start()
    releases = [dynos.release(), dynos.release()]
    run_id = world.back_up()
    for release in releases:
        said, _nothing = release.communicate(timeout=60)
        assert (release.returncode, said) == (0, "")
    world.ended(run_id)
    assert_whole(world, run_id)

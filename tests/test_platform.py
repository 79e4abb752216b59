"""What a platform is told: app.json, the Procfile, and what a process does that lacks something."""

import json
import os
import runpy
import subprocess
import sys
import time
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from honcho.environ import parse_procfile

from cloudpilot import ROOT
from cloudpilot.options import OPTIONS
from cloudpilot.settings import Settings, from_environment
from tests.support import postgres
from tests.support.database import SECRET_KEY
from tests.support.panel import running

APP = json.loads((ROOT / "app.json").read_text())
PROCFILE = parse_procfile((ROOT / "Procfile").read_text()).processes
A_BALANCER_KEEPS = 90  # seconds, an idle connection
WHOLE = {
    "DATABASE_URL": "sqlite:///nowhere.db",
    "REDIS_URL": "unix:///nowhere",
    "CLOUDPILOT_SECRET_KEY": SECRET_KEY,
}
BY_ADDONS = {  # what the add-ons of app.json set
    "DATABASE_URL": "postgres://user:password@host:5432/name",
    "REDIS_URL": "rediss://:password@host:6380",
}


def test_the_platform_asks_for_nothing_that_nobody_reads_and_for_all_that_must_be_set() -> None:
    known = {option.name: option for option in OPTIONS}
    assert set(APP["env"]) <= set(known)
    must = {name for name, option in known.items() if option.default is None}
    assert must <= set(APP["env"]) | set(BY_ADDONS)
    assert len(APP["addons"]) == len(BY_ADDONS)


def test_with_what_the_platform_sets_the_panel_starts() -> None:
    given = {name: said.get("value", "") for name, said in APP["env"].items()}
    made = {"CLOUDPILOT_SECRET_KEY": SECRET_KEY, "CLOUDPILOT_URL": "https://x.example.com"}
    assert APP["env"]["CLOUDPILOT_SECRET_KEY"]["generator"] == "secret"
    settings = from_environment(given | made | BY_ADDONS)
    assert settings.database_url.startswith("postgresql+psycopg://")
    assert (settings.is_https, settings.trusted_proxies) == (True, 1)


def test_each_process_of_the_procfile_is_started_and_is_what_its_signals_reach() -> None:
    assert set(APP["formation"]) | {"release"} == set(PROCFILE)
    for name, line in PROCFILE.items():
        assert line.startswith("exec ") or name == "release"


def test_two_releases_at_once_on_an_empty_database_are_one(postgres_url: str) -> None:
    url = postgres.create(postgres_url, f"t{uuid4().hex}")
    ours = {
        "DATABASE_URL": url,
        "REDIS_URL": "unix:///nowhere",
        "CLOUDPILOT_SECRET_KEY": SECRET_KEY,
    }
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "db", "upgrade"]
    options: dict[str, Any] = {"stderr": subprocess.PIPE, "text": True, "cwd": ROOT}
    releases = [subprocess.Popen(command, env=os.environ | ours, **options) for _ in range(2)]
    for release in releases:
        _nothing, said = release.communicate(timeout=90)
        assert release.returncode == 0, said


@pytest.mark.parametrize("name", sorted(PROCFILE))
def test_a_process_that_lacks_something_ends_with_a_sentence_for_each_fault(
    name: str, tmp_path: Path
) -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    wrong = {"CLOUDPILOT_TRUSTED_PROXIES": "one", "REDIS_URL": "host:6379", "PORT": "0"}
    done = subprocess.run(
        ["sh", "-c", PROCFILE[name]],
        cwd=ROOT,
        env={"PATH": path, "HOME": str(tmp_path), **wrong},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    faults = [line for line in done.stderr.splitlines() if line.startswith(("DATA", "REDIS", "CL"))]
    assert [fault.split(":")[0] for fault in faults] == [
        "DATABASE_URL is not set",
        "REDIS_URL is wrong",
        "CLOUDPILOT_SECRET_KEY is not set",
        "CLOUDPILOT_TRUSTED_PROXIES is wrong",
    ]
    assert "Traceback" not in done.stderr


LISTENING = [
    ({"PORT": "99999"}, "PORT"),
    ({"PORT": "-1"}, "PORT"),
    ({"PORT": "5000 "}, "PORT"),
    ({"PORT": "0", "CLOUDPILOT_BIND": "nonsense.invalid"}, "CLOUDPILOT_BIND"),
    ({"PORT": "0", "CLOUDPILOT_BIND": "192.0.2.1"}, "CLOUDPILOT_BIND"),
]


@pytest.mark.parametrize(("wrong", "name"), LISTENING)
def test_the_web_that_cannot_listen_there_ends_with_a_sentence(
    wrong: dict[str, str], name: str
) -> None:
    said = ended([sys.executable, "-m", "gunicorn"], WHOLE | wrong)
    [fault] = [line for line in said.splitlines() if "[INFO] Starting gunicorn" not in line]
    assert fault.startswith(f"{name} is wrong: give ")


@pytest.mark.parametrize("wrong", [{"PORT": "abc"}, {"PORT": "0"}, {"CLOUDPILOT_HOME": "/proc/x"}])
def test_the_demo_with_a_wrong_setting_ends_with_a_sentence(
    wrong: dict[str, str], tmp_path: Path
) -> None:
    home = {"CLOUDPILOT_HOME": str(tmp_path)}
    [fault] = ended([sys.executable, "-m", "bin.demo"], home | wrong).splitlines()
    assert fault.startswith(f"{next(iter(wrong))} is wrong: ")


def test_idle_connections_of_a_load_balancer_hold_no_thread_and_no_restart(
    core: Flask, settings: Settings, tmp_path: Path
) -> None:
    """Kept for longer than a load balancer keeps them, or it would use one that is just closed."""
    said = runpy.run_path(str(ROOT / "gunicorn.conf.py"))
    assert said["keepalive"] > A_BALANCER_KEEPS
    environ = {"DATABASE_URL": settings.database_url, "REDIS_URL": settings.redis_url}
    with running(WHOLE | environ, tmp_path, "web") as processes, ExitStack() as idle:
        for _number in range(3 * said["threads"]):
            connection = HTTPConnection("127.0.0.1", processes.port, timeout=10)
            idle.callback(connection.close)
            assert asked(connection) == "keep-alive"
        began = time.monotonic()
        assert processes.stop("web") == 0
        assert time.monotonic() - began < said["graceful_timeout"] / 2


def asked(connection: HTTPConnection) -> str | None:
    """Whether it stays, after one request."""
    connection.request("GET", "/healthz")
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 200
    return answer.getheader("Connection")


def ended(command: list[str], environ: dict[str, str]) -> str:
    """What a process says that fails at its start, and fails there."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environ},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1, done.stderr
    return done.stderr

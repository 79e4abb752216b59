"""rediss:// with a certificate that no authority has signed, as many providers have it: refused by
default, in every process, and trusted only as far as somebody says."""

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from redis import RedisError
from redis.exceptions import ConnectionError as NotConnected

from cloudpilot import ROOT, create_app, redis_server
from cloudpilot.db import db
from cloudpilot.jobs import pulse
from cloudpilot.jobs.pulse import Part
from cloudpilot.redis_server import WrongCertificateError
from cloudpilot.settings import MisconfiguredError, Settings, from_environment
from tests.support import tls_redis
from tests.support.database import SECRET_KEY
from tests.support.panel import running
from tests.support.tls_redis import PASSWORD, TlsRedis
from tests.support.until import until

OTHER = "sha256:" + "0" * 64


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsRedis]:
    with tls_redis.running(tmp_path_factory.mktemp("tls")) as found:
        yield found


@pytest.fixture
def environ(server: TlsRedis, sqlite_template: Path) -> dict[str, str]:
    return {
        "DATABASE_URL": f"sqlite:///{sqlite_template}",
        "REDIS_URL": server.url,
        "CLOUDPILOT_SECRET_KEY": SECRET_KEY,
    }


def trusting(environ: dict[str, str], certificate: str) -> Settings:
    return from_environment(environ | {"CLOUDPILOT_REDIS_CERTIFICATE": certificate})


@pytest.fixture(params=["redis", "rediss"])
def silent(
    request: pytest.FixtureRequest, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Settings]:
    """A Redis that takes connections and says nothing, for three seconds."""
    short = redis_server.IMPATIENT | {"socket_timeout": 0.2}  # type: ignore[operator]
    monkeypatch.setattr(redis_server, "IMPATIENT", short)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        end = threading.Timer(3, listener.close)
        end.start()
        url = f"{request.param}://127.0.0.1:{listener.getsockname()[1]}"
        yield from_environment(environ | {"REDIS_URL": url})
        end.cancel()
        end.join()


def test_a_redis_that_says_nothing_keeps_no_process_from_starting(silent: Settings) -> None:
    began = time.monotonic()
    redis_server.check(silent)
    assert time.monotonic() - began < 2


def test_who_asks_for_the_certificate_of_one_that_says_nothing_is_told(silent: Settings) -> None:
    began = time.monotonic()
    rediss = silent.redis_url.replace("redis://", "rediss://")
    with pytest.raises((OSError, RedisError)):
        redis_server.shown(replace(silent, redis_url=rediss))
    assert time.monotonic() - began < 2


def started(environ: dict[str, str], *words: str) -> tuple[int, str]:
    """How a process of the panel ends that must not start, and what it says."""
    given = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environ}
    command = [sys.executable, *words]
    options: dict[str, Any] = {"capture_output": True, "text": True, "timeout": 60}
    done = subprocess.run(command, cwd=ROOT, env=given, check=False, **options)
    return done.returncode, done.stderr + done.stdout


@pytest.mark.parametrize(
    "words",
    [["worker.py"], ["worker.py", "clock"], ["-m", "flask", "--app", "wsgi", "check-redis"]],
)
def test_worker_clock_and_release_stop_with_a_sentence(
    environ: dict[str, str], words: list[str]
) -> None:
    status, said = started(environ, *words)
    assert status == 1
    assert "is not trusted (self-signed certificate): " in said
    assert "redis-certificate" in said
    assert "Traceback" not in said
    assert PASSWORD not in said


def test_the_command_prints_what_trusts_it(environ: dict[str, str], server: TlsRedis) -> None:
    status, said = started(environ, "-m", "flask", "--app", "wsgi", "redis-certificate")
    assert (status, said.strip()) == (0, server.fingerprint)


@pytest.mark.parametrize("how", ["fingerprint", "several", "authority", "one line", "any"])
def test_trusted_as_told_every_connection_works(
    environ: dict[str, str], server: TlsRedis, how: str
) -> None:
    colons = ":".join(server.fingerprint[7:][n : n + 2] for n in range(0, 64, 2)).upper()
    settings = trusting(
        environ,
        {
            "fingerprint": server.fingerprint,
            "several": f"{OTHER}, SHA256:{colons}",
            "authority": server.pem,
            "one line": server.pem.replace("\n", "\\n"),
            "any": "any",
        }[how],
    )
    redis_server.check(settings)
    app = create_app(settings)
    with app.app_context():
        assert app.extensions["redis"].ping()
        assert pulse.take().is_there
        assert limiter_counts(app)
        db.engine.dispose()


def test_workers_and_clock_work_over_it(
    environ: dict[str, str], server: TlsRedis, sqlite_template: Path, tmp_path: Path
) -> None:
    shutil.copy(sqlite_template, tmp_path / "panel.db")
    ours = {
        "DATABASE_URL": f"sqlite:///{tmp_path}/panel.db",
        "CLOUDPILOT_REDIS_CERTIFICATE": server.fingerprint,
    }
    redis = redis_server.client(trusting(environ, server.fingerprint))
    redis.flushall()
    with running(environ | ours, tmp_path, "worker", "clock"):
        until(lambda: [redis.get(f"cloudpilot:seen:{part}") for part in Part], all)
    redis.close()


def limiter_counts(app: Flask) -> bool:
    """Whether sign-ins are counted in Redis, not in this process."""
    storage = app.extensions["cloudpilot.attempts"].storage
    return bool(storage.check())


def test_another_certificate_is_refused_before_the_password_is_sent(
    environ: dict[str, str],
) -> None:
    settings = trusting(environ, OTHER)
    with pytest.raises(WrongCertificateError):
        redis_server.client(settings).ping()
    with pytest.raises(MisconfiguredError, match="its certificate is sha256:"):
        redis_server.check(settings)


def test_a_name_that_the_certificate_does_not_have_is_refused(
    environ: dict[str, str], server: TlsRedis
) -> None:
    settings = replace(
        trusting(environ, server.pem), redis_url=server.url.replace("127.0.0.1", "localhost")
    )
    with pytest.raises(NotConnected) as refused:
        redis_server.client(settings).ping()
    assert "localhost" in (redis_server.distrust(refused.value) or "")


def test_the_panel_says_why_it_does_not_ask_redis(environ: dict[str, str]) -> None:
    app = create_app(from_environment(environ))
    with app.app_context():
        found = pulse.take()
        db.engine.dispose()
    assert (found.is_there, found.distrust) == (False, "self-signed certificate")
    assert not limiter_counts(app)


def test_a_redis_that_is_away_is_waited_for(environ: dict[str, str], server: TlsRedis) -> None:
    port = str(urlsplit(server.url).port)
    away = replace(from_environment(environ), redis_url=server.url.replace(port, "1"))
    redis_server.check(away)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CLOUDPILOT_REDIS_CERTIFICATE", "none"),
        ("CLOUDPILOT_REDIS_CERTIFICATE", "sha256:12"),
        ("CLOUDPILOT_REDIS_CERTIFICATE", "-----BEGIN CERTIFICATE-----\nAAAA\n"),
        ("REDIS_URL", "rediss://host:6379/0?ssl_cert_reqs=none"),
    ],
)
def test_what_is_wrong_stops_the_start_with_a_sentence(
    environ: dict[str, str], name: str, value: str
) -> None:
    with pytest.raises(MisconfiguredError, match=rf"^{name} is wrong: .*\.$"):
        from_environment(environ | {name: value})

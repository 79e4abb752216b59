"""Downloading an archive from its server through the web process, against `ssh server cat`."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import flask_migrate
from flask import Flask

from bench.figures import say, timed
from cloudpilot import create_app
from cloudpilot.db import transaction
from cloudpilot.domain import sessions
from cloudpilot.domain.status import Status
from cloudpilot.settings import from_environment
from tests.support.database import SECRET_KEY
from tests.support.openssh import Sshd
from tests.support.panel import running
from tests.support.rows import add_person, add_real_server
from tests.support.sshd import private_sshd
from tests.web.scenes import add_backup

SIZE = 600 * 2**20
ROUNDS = 3


def main() -> None:
    """Prints the ratio of the rates."""
    home = Path(tempfile.mkdtemp(prefix="cloudpilot-bench-"))
    environ = {
        "DATABASE_URL": f"sqlite:///{home / 'panel.db'}",
        "REDIS_URL": f"unix://{home}/no-redis.sock",
        "CLOUDPILOT_SECRET_KEY": SECRET_KEY,
    }
    (home / "sshd").mkdir()
    app = create_app(from_environment(environ))
    with private_sshd(home / "sshd") as sshd, app.app_context():
        flask_migrate.upgrade()
        address, file, cookie = _prepared(app, sshd, home)
        command = [*_login(sshd, home / "key"), f"cat {file}"]
        ours, hand = [], []
        with running(environ, home, "web") as web:
            for _ in range(ROUNDS):  # in turn, so that both meet the same other load
                hand.append(timed(lambda: _by_hand(command)))
                ours.append(timed(lambda: _ours(web.port, address, cookie)))
    shutil.rmtree(home)
    rate = f"{SIZE / 1e6 / min(ours):.0f} MB/s"
    say("download from a server through the panel", rate, "")
    say("  against `ssh server cat`", f"{min(hand) / min(ours):.2f} × its rate", "≥ 0.8 ×")


def _prepared(app: Flask, sshd: Sshd, home: Path) -> tuple[str, Path, str]:
    """The address of a download, the archive, and the cookie of who may have it."""
    with transaction() as session:
        person = add_person(session)
        row = add_real_server(app, session, sshd, home / "root")
        backup = add_backup(session, row, None, Status.COMPLETED, size=SIZE)
        file = home / "root" / str(backup.id) / backup.archive
        _write(file)
        sha256 = subprocess.check_output(["sha256sum", file], text=True).split()[0]
        backup.sha256 = backup.copies[0].sha256 = sha256
        token = sessions.begin(session, person, "127.0.0.1", "bench").reveal()
    client = app.test_client()
    with client.session_transaction() as cookie:
        cookie["_user_id"] = token
    found = client.get_cookie(app.config["SESSION_COOKIE_NAME"])
    assert found
    return f"/backups/{backup.id}/download", file, f"{found.key}={found.value}"


def _login(sshd: Sshd, key: Path) -> list[str]:
    key.write_text(sshd.private_key.reveal())
    key.chmod(0o600)
    options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-q"]
    return ["ssh", "-i", str(key), *options, "-p", str(sshd.port), f"{sshd.user}@127.0.0.1"]


def _write(file: Path) -> None:
    file.parent.mkdir(parents=True)
    with file.open("wb") as output:
        for _ in range(SIZE // 2**20):
            output.write(os.urandom(2**20))


def _by_hand(command: list[str]) -> None:
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)


def _ours(port: int, address: str, cookie: str) -> None:
    """By curl, which costs no more than ssh does: all three share the cores."""
    url = f"http://127.0.0.1:{port}{address}"
    told = ["--fail", "--silent", "--output", "/dev/null", "--write-out", "%{size_download}"]
    given = subprocess.check_output(["curl", *told, "--header", f"Cookie: {cookie}", url])
    assert int(given) == SIZE, given


if __name__ == "__main__":
    main()

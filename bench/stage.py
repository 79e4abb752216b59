"""A panel with its processes and a private sshd, set up for measuring."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import flask_migrate

from cloudpilot import cli, create_core
from cloudpilot.settings import from_environment
from tests.support import redis as private_redis
from tests.support.database import SECRET_KEY
from tests.support.panel import running
from tests.support.sshd import private_sshd
from tests.support.world import World, enrolled


@contextmanager
def stage(data: Path) -> Iterator[World]:
    """A worker and a clock with the periods of a real panel; its site is `data`."""
    with TemporaryDirectory(prefix="cloudpilot-bench-") as folder:
        home = Path(folder)
        for name in ("panel", "sshd", "redis"):
            (home / name).mkdir()
        with (
            private_redis.running(home / "redis") as redis_url,
            private_sshd(home / "sshd") as sshd,
        ):
            environ = {
                "DATABASE_URL": f"sqlite:///{home / 'panel.db'}",
                "REDIS_URL": redis_url,
                "CLOUDPILOT_SECRET_KEY": SECRET_KEY,
                "CLOUDPILOT_LOOK_SECONDS": "1",
                "CLOUDPILOT_LOOK_SECONDS_AT_MOST": "30",
            }
            core = create_core(from_environment(environ))
            cli.register(core)
            with core.app_context():
                flask_migrate.upgrade()
                with running(environ, home / "panel", "worker", "clock") as processes:
                    yield enrolled(core, processes, sshd, home / "backups", data)


def memory(pids: list[int]) -> int:
    """Bytes that these processes have for themselves, shared pages divided among their sharers."""
    total = 0
    for pid in pids:
        with suppress(FileNotFoundError):  # a job's process, which has ended meanwhile
            lines = Path(f"/proc/{pid}/smaps").read_text().split("\n")
            total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    return total


def scratch() -> Path:
    """Where data for measuring is kept between runs."""
    folder = Path(os.environ.get("CLOUDPILOT_BENCH", "var/bench")).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    return folder

"""A panel with its processes and a private sshd, set up for measuring."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import flask_migrate

from cloudpilot import cli, create_core
from cloudpilot.db import transaction
from cloudpilot.domain import servers
from cloudpilot.settings import from_environment
from tests.support import redis as private_redis
from tests.support.database import SECRET_KEY
from tests.support.panel import running
from tests.support.rows import add_person, add_server, add_site
from tests.support.sshd import private_sshd
from tests.support.world import World


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
                server_id = uuid4()
                place = servers.key_place(server_id)
                with transaction() as session:
                    server = add_server(
                        session,
                        id=server_id,
                        host="127.0.0.1",
                        port=sshd.port,
                        username=sshd.user,
                        host_keys=[sshd.fingerprint],
                        private_key=core.extensions["sealer"].seal(sshd.private_key, place),
                        backup_root=str(home / "backups"),
                    )
                    site = add_site(session, server, paths=[str(data)])
                    person = add_person(session)
                with running(environ, home / "panel", "worker", "clock") as processes:
                    yield World(
                        core=core,
                        processes=processes,
                        sshd=sshd,
                        server_id=server_id,
                        site_id=site.id,
                        root=home / "backups",
                        files=data,
                        gate=home / "gate",
                        person_id=person.id,
                    )


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

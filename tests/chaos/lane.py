"""A whole panel of its own, and a server, a bucket and a cloud for it: all of it to be killed."""

import os
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from flask import Flask
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from cloudpilot import cli, create_core
from cloudpilot.db import db, transaction
from cloudpilot.domain import passwords
from cloudpilot.domain.people import Person
from cloudpilot.domain.servers import Server
from cloudpilot.domain.sites import Site
from cloudpilot.domain.vaults import Vault
from cloudpilot.kinds import CloudKind, Engine
from cloudpilot.secrets import Secret
from cloudpilot.settings import from_environment
from tests.chaos.parts import PostgresServer, RedisServer
from tests.chaos.visitor import Visitor
from tests.support import clouding
from tests.support.database import SECRET_KEY
from tests.support.fake_cloud import serving
from tests.support.fake_digitalocean import FakeDigitalOcean
from tests.support.openssh import Sshd
from tests.support.panel import Processes
from tests.support.proxy import Proxy, proxied
from tests.support.rgw import Rgw
from tests.support.rows import add_database
from tests.support.sshd import private_sshd
from tests.support.uploading import add_vault
from tests.support.world import World, enrolled
from tests.vaults.s3_store import S3Store

NAMES = ("web", "worker", "clock")
LARGE = 20 * 2**20  # bytes of the site that cannot be packed
JOURNAL = "packed"
SLOW = 0.3  # seconds for which a compressor waits with each piece: else nothing is met at work


@dataclass
class Lane:
    """One of them. `panel`: the proxies of each process, by name, to PostgreSQL and to Redis."""

    world: World
    redis: RedisServer
    postgres: PostgresServer
    panel: dict[str, list[Proxy]]
    ssh: Proxy
    vault: Proxy
    store: S3Store
    vault_id: UUID
    fake: FakeDigitalOcean
    visitor: Visitor
    journal: Path  # a line for each archive that was begun: the run that has
    temporary: Path  # where processes of panel and server put what they need for a while

    def ask(self, question: Callable[[], Any], otherwise: Any = None) -> Any:
        """What the database says; `otherwise` while it is away."""
        try:
            return question()
        except (SQLAlchemyError, RedisError):
            db.session.remove()
            db.engine.dispose()
            return otherwise


@dataclass(frozen=True)
class Shared:
    """What all lanes have of one.

    template  the data folder of a stopped PostgreSQL with a migrated database `panel`
    source    the port of a PostgreSQL with the database of everybody's site
    """

    template: Path
    source: int
    rgw: Rgw


@contextmanager
def lane(home: Path, shared: Shared) -> Iterator[Lane]:
    """It runs until the block ends."""
    with ExitStack() as stack:
        temporary = home / "tmp"
        temporary.mkdir(mode=0o777)
        redis, postgres = RedisServer(home), PostgresServer(home / "pg", shared.template)
        for part in (redis, postgres):
            part.start()
            stack.callback(part.kill, 9)
        panel = {
            name: [
                stack.enter_context(proxied("127.0.0.1", port.port)) for port in (postgres, redis)
            ]
            for name in NAMES
        }
        processes = Processes(_environ(temporary), home, _own(postgres, panel))
        stack.callback(processes.stop_all)
        sshd = stack.enter_context(_server(home / "sshd", temporary))
        ssh = stack.enter_context(proxied("127.0.0.1", sshd.port))
        core = stack.enter_context(_at_home(_core(postgres, redis)))
        processes.start(*NAMES)
        world = enrolled(core, processes, sshd, home / "backups", _site(home / "site"))
        _add_database(core, world, shared.source)
        vault = stack.enter_context(proxied("127.0.0.1", shared.rgw.port))
        store = S3Store(shared.rgw)
        fake = stack.enter_context(serving(FakeDigitalOcean()))
        _link(core, world, fake)
        vault_id = _vault(core, store, vault)
        world.change_server(port=ssh.port)
        visitor = _visitor(processes, world, stack)
        parts = (panel, ssh, vault, store, vault_id, fake, visitor)
        yield Lane(world, redis, postgres, *parts, home / "sshd" / JOURNAL, temporary)


def _visitor(processes: Processes, world: World, stack: ExitStack) -> Visitor:
    password = Secret("correct horse battery staple")
    with transaction() as session:
        person = session.get_one(Person, world.person_id)
        person.password_hash = passwords.hashed(password)
        found = Visitor(processes.url, person.email, password.reveal())
    return stack.enter_context(found.visiting())


@contextmanager
def _at_home(core: Flask) -> Iterator[Flask]:
    """In its context, and with no connection left at the end."""
    with core.app_context():
        yield core
        db.session.remove()
        db.engine.dispose()


def template_in(home: Path) -> Path:
    """The data folder of a PostgreSQL with a migrated database, to copy for each lane."""
    import flask_migrate  # noqa: PLC0415

    server = PostgresServer(home)
    server.start()
    try:
        server.create("panel")
        core = _core(server, None)
        with core.app_context():
            flask_migrate.upgrade()
            db.engine.dispose()
    finally:
        server.kill(15)
    return server.data


def _core(postgres: PostgresServer, redis: RedisServer | None) -> Flask:
    environ = {
        "DATABASE_URL": postgres.url,
        "REDIS_URL": f"redis://127.0.0.1:{redis.port if redis else 1}",
        "CLOUDPILOT_SECRET_KEY": SECRET_KEY,
    }
    core = create_core(from_environment(environ))
    cli.register(core)
    return core


def _environ(temporary: Path) -> dict[str, str]:
    return {"CLOUDPILOT_SECRET_KEY": SECRET_KEY, "TMPDIR": str(temporary)}


def _own(postgres: PostgresServer, panel: dict[str, list[Proxy]]) -> dict[str, dict[str, str]]:
    return {
        name: {
            "DATABASE_URL": postgres.at(database.port),
            "REDIS_URL": f"redis://127.0.0.1:{queue.port}",
        }
        for name, (database, queue) in panel.items()
    }


@contextmanager
def _server(home: Path, temporary: Path) -> Iterator[Sshd]:
    tools = home / "tools"
    tools.mkdir(parents=True)
    for name in ("igzip", "pigz", "gzip"):
        if real := shutil.which(name):
            (tools / name).write_text(f'#!/bin/bash\nsleep {SLOW}\nexec {real} "$@"\n')
            (tools / name).chmod(0o755)
    packs = '[[ "$*" != *--create* || "$*" != *--file=-* ]]'
    noted = f'{packs} || echo "$CLOUDPILOT_RUN" >>"{home / JOURNAL}"'
    (tools / "tar").write_text(f'#!/bin/bash\n{noted}\nexec {shutil.which("tar")} "$@"\n')
    (tools / "tar").chmod(0o755)
    path = f"PATH={tools}:{os.defpath.lstrip(':')}"
    with private_sshd(home, environment=f"{path} TMPDIR={temporary}") as sshd:
        yield sshd


def _site(folder: Path) -> Path:
    chance = random.Random(1)
    (folder / "deep").mkdir(parents=True)
    for number in range(200):
        (folder / "deep" / f"{number}.html").write_bytes(chance.randbytes(chance.randrange(4000)))
    (folder / "large.bin").write_bytes(os.urandom(LARGE))
    (folder / "link").symlink_to("large.bin")
    return folder


def _add_database(core: Flask, world: World, port: int) -> None:
    """A PostgreSQL's login lies in a file on the server while it is dumped."""
    with transaction() as session:
        where = {"engine": Engine.POSTGRESQL, "host": "127.0.0.1", "port": port, "socket": ""}
        site = session.get_one(Site, world.site_id)
        row = add_database(session, site, user="panel", names=["shop"], all_but=False, **where)
        row.password = core.extensions["sealer"].seal(Secret("s3cret"), row.password_place)


def _vault(core: Flask, store: S3Store, proxy: Proxy) -> UUID:
    vault_id = add_vault(core, store)
    with transaction() as session:
        session.get_one(Vault, vault_id).endpoint = f"http://127.0.0.1:{proxy.port}"
    return vault_id


def _link(core: Flask, world: World, fake: FakeDigitalOcean) -> None:
    machine = fake.add_droplet("web-1")
    with transaction() as session:
        cloud = clouding.add_cloud(
            session,
            kind=CloudKind.DIGITALOCEAN,
            region="",
            key_id="",
            endpoint=fake.endpoint,
            instances=[clouding.MACHINES[0] | {"id": machine, "disks": 1}],
        )
        cloud.secret = core.extensions["sealer"].seal(Secret(fake.token), cloud.secret_place)
        clouding.instances.link(session, session.get_one(Server, world.server_id), cloud, machine)

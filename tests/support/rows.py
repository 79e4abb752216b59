"""Rows to start a test from."""

from pathlib import Path
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from cloudpilot.db import transaction
from cloudpilot.domain import databases, requests, servers
from cloudpilot.domain.databases import Database
from cloudpilot.domain.people import Person
from cloudpilot.domain.requests import Wish
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Server
from cloudpilot.domain.sites import Site
from cloudpilot.kinds import BackupType, Compression, Engine, Role
from tests.support.openssh import Sshd


def add_person(session: Session, role: Role = Role.OWNER) -> Person:
    """Somebody with that role; the password hash is of nothing."""
    person = Person(email=f"{role}@example.com", name=role.title(), role=role, password_hash="!")
    session.add(person)
    session.flush()
    return person


def add_server(session: Session, name: str = "web-1", **columns: object) -> Server:
    """A server that has been set up, unless `host_keys` says otherwise."""
    values: dict[str, object] = {
        "id": uuid4(),
        "name": name,
        "host": "127.0.0.1",
        "port": 22,
        "username": "cloudpilot",
        "backup_root": "/var/backups/cloudpilot",
        "public_key": "ssh-ed25519 AAAA",
        "private_key": "sealed",
        "host_keys": ["SHA256:approved"],
    }
    server = Server(**(values | columns))
    session.add(server)
    session.flush()
    return server


def add_real_server(core: Flask, session: Session, sshd: Sshd, root: Path) -> Server:
    """One that is really there, with the key that it lets in; backups go to `root`."""
    server_id = uuid4()
    sealed = core.extensions["sealer"].seal(sshd.private_key, servers.key_place(server_id))
    return add_server(
        session,
        id=server_id,
        host=sshd.address.host,
        port=sshd.port,
        username=sshd.user,
        host_keys=[sshd.fingerprint],
        private_key=sealed,
        backup_root=str(root),
    )


def add_site(session: Session, server: Server, name: str = "shop", **columns: object) -> Site:
    """A site of that server."""
    values: dict[str, object] = {
        "id": uuid4(),
        "server_id": server.id,
        "name": name,
        "paths": ["/srv/shop"],
        "excludes": [],
        "compression": Compression.GZIP,
    }
    site = Site(**(values | columns))
    session.add(site)
    session.flush()
    return site


def add_database(session: Session, site: Site, **columns: object) -> Database:
    """A database server of that site, all of whose databases are dumped."""
    values: dict[str, object] = {
        "id": uuid4(),
        "site_id": site.id,
        "engine": Engine.MARIADB,
        "host": "",
        "port": None,
        "socket": "/run/mysqld/mysqld.sock",
        "user": "backup",
        "password": "sealed",
        "all_but": True,
        "names": [],
    }
    database = Database(**(values | columns))
    session.add(database)
    session.flush()
    return database


def add_run(
    session: Session,
    server: Server,
    site: Site | None = None,
    type: BackupType = BackupType.FILES,  # noqa: A002  (as the column is called)
) -> Run:
    """The run that makes a new backup of the site, or of /etc of the server."""
    wish = Wish(
        server=server,
        site=site,
        paths=list(site.paths) if site else ["/etc"],
        excludes=list(site.excludes) if site else [],
        compression=site.compression if site else Compression.GZIP,
        type=type,
        databases=databases.of_site(session, site.id) if site else [],
    )
    return requests.backup_now(session, wish, by=None)


@pytest.fixture
def make_run(core: Flask) -> UUID:
    """A pending run that makes a backup."""
    with transaction() as session:
        server = add_server(session)
        return add_run(session, server, add_site(session, server)).id

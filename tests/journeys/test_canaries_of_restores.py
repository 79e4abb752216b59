"""A restore of files and a database from a vault: its secrets are seen by nobody on the way.

Beside the places of test_canaries the server's own files are looked through: its backup directory,
the site, and what is beside it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from cloudpilot.db import reading
from cloudpilot.domain.copies import Offsite
from cloudpilot.domain.restores import Restore, RestoreStatus
from cloudpilot.kinds import VaultKind
from cloudpilot.settings import Settings
from tests.journeys.test_canaries import (
    ADDRESS,
    CONTROL,
    Panel,
    assert_silent,
    become_owner,
    heard_and_written,
    panel,
    prepare_server,
)
from tests.support.canaries import files, tables, watching
from tests.support.client import Client
from tests.support.mariadb import MariaDb
from tests.support.rgw import Rgw
from tests.support.uploading import Store, found, of_kind

__all__ = ["panel"]
pytestmark = pytest.mark.xdist_group("rgw")

ODD = 'it\'s "secret" # \\'  # after what is looked for: however it is quoted, that is found


@dataclass(frozen=True)
class Shop:
    """A database, who backs it up, and who is signed in as for a restore alone."""

    server: MariaDb
    name: str
    backs_up: str
    restores: str

    def rows(self) -> list[str]:
        return self.server.sql("select v from t order by v", self.name).split()


@pytest.fixture
def shop(mariadb: MariaDb) -> Iterator[Shop]:
    """With a row of then, and so much more that its client is at work for some looks."""
    name = f"cp_{uuid4().hex[:8]}"
    made = Shop(mariadb, name, *(f"cAnArY-{uuid4().hex}" for _ in range(2)))
    mariadb.sql(f"create database {name}; use {name}; create table t (v varchar(9))")
    more = "create table more as select seq, repeat('x', 90) from seq_1_to_100000"
    mariadb.sql(f"insert into t values ('then'); {more}", name)
    for user, password in ((f"{name}_b", made.backs_up), (f"{name}_r", made.restores)):
        quoted = f"{password}{ODD}".replace("\\", "\\\\").replace("'", "\\'")
        mariadb.sql(f"create user {user}@'%' identified by '{quoted}'")
        mariadb.sql(f"grant all on *.* to {user}@'%'")
    yield made
    for database in mariadb.databases():
        if database.startswith("cp_"):
            mariadb.sql(f"drop database {database}")
    mariadb.sql(f"drop user {name}_b@'%', {name}_r@'%'")


@pytest.fixture
def store(rgw: Rgw, request: pytest.FixtureRequest) -> Store:
    return of_kind(VaultKind.S3, request.getfixturevalue)


def plant(panel: Panel, shop: Shop, store: Store) -> None:
    where = store.location
    planted = {
        "vault": where.secret.reveal(),
        ADDRESS: f"X-Amz-Credential={where.key_id}",
        "password of the database": shop.backs_up,
        "password for the restore": shop.restores,
    }
    for name, value in planted.items():
        panel.sightings.plant(name, value)


def add_vault(owner: Client, panel: Panel, store: Store) -> str:
    where = store.location
    fields = {"name": CONTROL, "bucket": where.bucket, "endpoint": where.endpoint, "region": ""}
    fields |= {"prefix": "panel", "key_id": where.key_id, "path_style": "y"}
    vault = owner.send(
        f"/vaults/new?kind={where.kind}", **fields, secret=where.secret.reveal()
    ).rpartition("/")[2]
    panel.done()
    return vault


def back_up(owner: Client, panel: Panel, page: str, shop: Shop, vault: str) -> str:
    """Files and the database, which are only in the vault afterwards; the page of the backup."""
    panel.server.as_root("mkdir -p /root/site && echo then >/root/site/file")
    to = {"vault_id": vault, "local": "streamed", "local_days": "", "rate": ""}
    what = {"paths": "/root/site", "excludes": "", "compression": "gzip"}
    site = owner.send(f"{page}/sites/new", name="shop", **what, **to)
    where = {"engine": "mariadb", "reach": "host", "host": "127.0.0.1", "socket": ""}
    login = {"user": f"{shop.name}_b", "password": f"{shop.backs_up}{ODD}"}
    where |= {"port": str(shop.server.port), "which": "these", "names": shop.name}
    owner.send(f"{site}/databases/new", **where, **login)
    panel.done()
    asked = {"retention_days": "7", "note": "", "accept_trap": "y", "type": "full"}
    backup = owner.send(f"/backups/new?site={site.rpartition('/')[2]}", **asked, **to)
    panel.done()
    assert found(UUID(backup.rpartition("/")[2])).offsite_status is Offsite.UPLOADED
    return backup


def restore(owner: Client, panel: Panel, backup: str, shop: Shop, vault: str) -> str:
    """Planned with a login of its own, refused once, done; the page of the restore."""
    asked = {"place": vault, "server_id": str(found(UUID(backup.rpartition("/")[2])).server_id)}
    asked |= {"paths": "/root/site", "where": "here", "into": "", "extent": "exact"}
    asked |= {"dumps": "1", "user": f"{shop.name}_r", "password": f"{shop.restores}{ODD}"}
    owner.send(f"{backup}/restore", status=422, **asked, suffix="!", safe="y")
    page = owner.send(f"{backup}/restore", **asked, suffix="")
    panel.done()
    owner.send(f"{page}/start", page, status=422, name="shopping")
    owner.send(f"{page}/start", page, name="shop")
    owner.get(page)
    panel.done()
    return page


def status() -> tuple[RestoreStatus, str | None, bool]:
    """How the restore stands, and whether a password is kept for it."""
    with reading() as session:
        row = session.scalars(select(Restore)).one()
    return row.status, row.error_detail, row.logins is not None


def look_around(owner: Client, panel: Panel, *pages: str) -> None:
    for run in panel.rows():
        owner.get(f"/runs/{run.id}")
    for page in (*pages, "/restores", "/activity", "/audit", "/audit/export", "/"):
        owner.get(page)


@pytest.mark.on_postgresql
def test_no_secret_is_seen_during_a_restore_from_a_vault(
    panel: Panel, shop: Shop, store: Store, settings: Settings, tmp_path: Path
) -> None:
    plant(panel, shop, store)
    inside = Path(f"/proc/{panel.server.pid}/root")
    servers = files(*(inside / folder for folder in ("root", "home", "var/backups")))
    url = settings.database_url
    database_log = files(Path(url.partition("host=")[2]) / "log")
    looked_through = (*heard_and_written(panel, tmp_path), tables(url), database_log, servers)
    with watching(panel.sightings, *looked_through):
        owner = become_owner(panel)
        page = prepare_server(panel, owner, "full")
        vault = add_vault(owner, panel, store)
        backup = back_up(owner, panel, page, shop, vault)
        panel.server.as_root("echo now >/root/site/file")
        shop.server.sql("insert into t values ('now')", shop.name)

        restored = restore(owner, panel, backup, shop, vault)
        assert status() == (RestoreStatus.COMPLETED, None, True)
        assert (panel.server.as_root("cat /root/site/file"), shop.rows()) == ("then\n", ["then"])
        look_around(owner, panel, backup, restored, f"{restored}/undo")

        owner.send(f"{restored}/undo")
        panel.done()
        assert status() == (RestoreStatus.UNDONE, None, False)
        assert panel.server.as_root("cat /root/site/file") == "now\n"
        assert shop.rows() == ["now", "then"]
        look_around(owner, panel, restored)
    assert_silent(panel, "the database")

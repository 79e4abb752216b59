"""Whether a server reaches the vault of its sites: a Check tries it as a backup does."""

from pathlib import Path
from uuid import UUID

import pytest
from flask import Flask

from cloudpilot.db import reading, transaction
from cloudpilot.domain import requests, servers
from cloudpilot.domain.servers import Server
from cloudpilot.domain.sites import Site
from cloudpilot.domain.vaults import Vault
from cloudpilot.engine import reaching
from cloudpilot.jobs import runs as jobs
from tests.support.ports import free_port
from tests.support.rgw import Rgw
from tests.support.rows import add_real_server, add_site
from tests.support.sshd import Sshd
from tests.support.uploading import add_vault
from tests.vaults.s3_store import S3Store

pytestmark = pytest.mark.xdist_group("rgw")


@pytest.fixture(scope="module")
def store(rgw: Rgw) -> S3Store:
    return S3Store(rgw)


@pytest.fixture
def server_id(core: Flask, server: Sshd, store: S3Store, tmp_path: Path) -> UUID:
    """A server with a site whose backups go to a vault."""
    vault_id = add_vault(core, store)
    with transaction() as session:
        row = add_real_server(core, session, server, tmp_path / "root")
        add_site(session, row, paths=[str(tmp_path)]).vault_id = vault_id
        return row.id


def checked(server_id: UUID) -> dict[str, str]:
    """The line about the vault after a Check."""
    [line] = all_checked(server_id)
    return line


def all_checked(server_id: UUID) -> list[dict[str, str]]:
    with transaction() as session:
        run = requests.check(session, session.get_one(Server, server_id), by=None)
    jobs.start(str(run.id))
    with reading() as session:
        checkup = servers.latest_checkup(session, server_id)
    assert checkup
    return [one for one in checkup.lines if one["key"].startswith("vault_")]


def test_a_server_that_reaches_its_vault(server_id: UUID, store: S3Store) -> None:
    line = checked(server_id)
    assert (line["level"], line["title"]) == ("ok", "Vault offsite"), line
    assert "A small object was sent from here to 127.0.0.1" in line["detail"]
    assert "Contents" not in store.s3.list_objects_v2(Bucket=store.bucket)
    assert "Uploads" not in store.s3.list_multipart_uploads(Bucket=store.bucket)


def test_a_vault_that_the_panel_cannot_open(server_id: UUID, store: S3Store) -> None:
    with transaction() as session:
        site = session.query(Site).one()
        session.get_one(Vault, site.vault_id).endpoint = f"http://127.0.0.1:{free_port()}"
    line = checked(server_id)
    assert line["level"] == "warning"
    assert "could not be tried from this server" in line["detail"]


def test_every_vault_is_tried_and_what_was_not_is_said(
    server_id: UUID, core: Flask, rgw: Rgw, monkeypatch: pytest.MonkeyPatch
) -> None:
    with transaction() as session:
        session.query(Vault).one().name = "first"
    for name in ("second", "third", "fourth", "fifth"):
        vault_id = add_vault(core, S3Store(rgw))
        with transaction() as session:
            session.get_one(Vault, vault_id).name = name
            server = session.get_one(Server, server_id)
            add_site(session, server, name).vault_id = vault_id
    assert [line["level"] for line in all_checked(server_id)] == ["ok"] * 5
    monkeypatch.setattr(reaching, "SECONDS", 10_000)
    lines = all_checked(server_id)
    assert [line["level"] for line in lines] == ["warning"] * 5
    assert all("no time" in line["detail"] for line in lines)

"""A Check on the real sshd that tells of tomorrow, and a vault's that takes it back."""

import shutil
from pathlib import Path
from uuid import UUID

import pytest
from flask import Flask

from cloudpilot import clock
from cloudpilot.db import reading, transaction
from cloudpilot.domain import requests, scheduled, servers
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.schedules import Schedule
from cloudpilot.domain.servers import Server
from cloudpilot.domain.sites import Site
from cloudpilot.domain.status import Status
from cloudpilot.domain.vaults import Vault
from cloudpilot.jobs import foresight
from cloudpilot.vaults import plans
from tests.support.rows import add_real_server, add_site
from tests.support.schedules import add_schedule
from tests.support.sshd import Sshd
from tests.support.uploading import drive
from tests.support.vaulting import add_vault
from tests.web.scenes import add_backup


@pytest.fixture
def schedule_id(core: Flask, server: Sshd, tmp_path: Path) -> UUID:
    """Of a site with a folder, every night."""
    (tmp_path / "www").mkdir()
    with transaction() as session:
        row = add_real_server(core, session, server, tmp_path / "root")
        site = add_site(session, row, paths=[str(tmp_path / "www")])
        return add_schedule(session, row, site, "0 3 * * *").id


def checked(schedule_id: UUID) -> dict[str, str]:
    """Check its server; by code, what its next backup will fail on."""
    with transaction() as session:
        row = session.get_one(Server, session.get_one(Schedule, schedule_id).server_id)
        requests.check(session, row, by=None)
    drive()
    return doubted(schedule_id)


def doubted(schedule_id: UUID) -> dict[str, str]:
    with reading() as session:
        schedule = session.get_one(Schedule, schedule_id, populate_existing=True)
        return {one["code"]: one["sentence"] for one in schedule.doubts or ()}


def line_of(schedule_id: UUID) -> str:
    """What the page of its server says of it."""
    with reading() as session:
        schedule = session.get_one(Schedule, schedule_id)
        found = servers.latest_checkup(session, schedule.server_id)
        assert found
        said = (one for one in found.lines if one["key"] == f"ahead:{schedule_id}")
        return next((one["detail"] for one in said), "")


def test_a_path_that_is_gone_is_told_the_day_before(schedule_id: UUID, tmp_path: Path) -> None:
    assert checked(schedule_id) == {}
    shutil.rmtree(tmp_path / "www")
    assert checked(schedule_id) == {"PATH_MISSING": f"{tmp_path}/www is not there."}
    assert line_of(schedule_id) == f"It will fail. {tmp_path}/www is not there."
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "www").symlink_to(tmp_path / "elsewhere")
    assert list(checked(schedule_id)) == ["PATH_IS_LINK"]
    (tmp_path / "www").unlink()
    (tmp_path / "www").mkdir()
    assert checked(schedule_id) == {}
    assert line_of(schedule_id) == ""


def test_what_is_too_large_is_told_until_there_is_room(schedule_id: UUID) -> None:
    with transaction() as session:
        schedule = session.get_one(Schedule, schedule_id)
        server = session.get_one(Server, schedule.server_id)
        site = session.get_one(Site, schedule.site_id)
        backup_id = add_backup(session, server, site, Status.COMPLETED, size=10**15).id
    found = checked(schedule_id)
    assert found["DISK_FULL"].startswith("It needs about 1.1 PB in ")
    assert "(the last one took 1.0 PB)" in found["DISK_FULL"]
    with transaction() as session:
        session.get_one(Backup, backup_id).size = 1000
    assert checked(schedule_id) == {}


def test_a_vault_that_works_again_takes_it_back(schedule_id: UUID) -> None:
    assert checked(schedule_id) == {}
    refused = {"key": "write", "level": "failed", "title": "Writing", "detail": "It says no."}
    with transaction() as session:
        vault = add_vault(session, checked_at=clock.now())
        vault.lines = [refused | {"remedy": "Let it.", "code": "VAULT_DENIED", "worse_at": ""}]
        session.get_one(Schedule, schedule_id).vault_id = vault.id
        foresight.after_vault_check(session, vault.id)
    said = "The vault offsite fails its check: It says no."
    assert doubted(schedule_id) == {"VAULT_DENIED": said}
    with transaction() as session:
        row = session.get_one(Vault, vault.id)
        row.lines = [one | {"level": "ok"} for one in row.lines or ()]
        foresight.after_vault_check(session, vault.id)
        assert scheduled.doubted(session) == []


@pytest.mark.parametrize(("size", "at_once"), [(1000, 1000), (10**9, 224), (10**12, 928)])
def test_what_is_streamed_takes_some_parts_at_once(size: int, at_once: int) -> None:
    taken = foresight._at_once(size)
    assert taken == (size if size == at_once else at_once * plans.MIB)

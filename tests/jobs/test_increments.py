"""Increments as schedules have them made: real server, real store, each job by itself."""

import subprocess
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select

from cloudpilot.db import reading, transaction
from cloudpilot.domain import schedules, slots, starting
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import Copy, CopyStatus, Offsite
from cloudpilot.domain.schedules import Schedule
from cloudpilot.domain.servers import Server
from cloudpilot.domain.sites import Site
from cloudpilot.domain.status import Status
from tests.support.rgw import Rgw
from tests.support.rows import add_real_server, add_site
from tests.support.schedules import add_schedule
from tests.support.sshd import Sshd
from tests.support.tree import assert_same
from tests.support.uploading import add_vault, drive, found
from tests.vaults.s3_store import S3Store

pytestmark = pytest.mark.xdist_group("rgw")
DOCS = Path(__file__).parents[2] / "docs/increments.md"


@pytest.fixture(scope="module")
def store(rgw: Rgw) -> S3Store:
    return S3Store(rgw)


@pytest.fixture
def site_id(core: Flask, server: Sshd, tmp_path: Path) -> UUID:
    """A site on the real server, of a folder."""
    (tmp_path / "site/folder").mkdir(parents=True)
    (tmp_path / "site/folder/file").write_text("from the beginning")
    with transaction() as session:
        row = add_real_server(core, session, server, tmp_path / "root")
        return add_site(session, row, paths=[str(tmp_path / "site")], excludes=[]).id


def plan(site_id: UUID, **columns: Any) -> UUID:
    """A schedule of increments."""
    with transaction() as session:
        site = session.get_one(Site, site_id)
        server = session.get_one(Server, site.server_id)
        values = {"incremental": True} | columns
        return add_schedule(session, server, site, "0 0 1 1 *", **values).id


def back_up(schedule_id: UUID) -> Backup:
    """One backup of the schedule, with all that follows it."""
    with transaction() as session:
        schedule = schedules.locked(session, schedule_id)
        run = starting.start_now(session, slots.by_hand(session, schedule), schedule, None)
        assert run.backup_id
    drive()
    backup = found(run.backup_id)
    assert backup.status is Status.COMPLETED, backup.error_detail
    return backup


def restored(archives: list[Path], target: Path) -> Path:
    """By the command of the documentation, level by level."""
    target.mkdir()
    command = DOCS.read_text().split("```sh\n")[1].split("```")[0]
    for archive in archives:
        line = command.replace("ARCHIVE", f"'{archive}'")
        subprocess.run(["bash", "-euc", line], check=True, cwd=target)
    return target / "files"


def change(tmp_path: Path, number: int) -> None:
    """A new file, one that is gone, and a folder with another name."""
    top = tmp_path / "site"
    (top / f"new {number}").write_text("new")
    (top / f"new {number - 1}").unlink(missing_ok=True)
    next(top.glob("folder*")).rename(top / f"folder {number}")


def levels(schedule_id: UUID) -> list[int]:
    with reading() as session:
        rows = select(Backup.level).where(Backup.schedule_id == schedule_id)
        return list(session.scalars(rows.order_by(Backup.created_at)))


def test_a_chain_on_the_server(site_id: UUID, tmp_path: Path) -> None:
    schedule_id = plan(site_id, full_every=3)
    made = []
    for number in range(4):
        made.append(back_up(schedule_id))
        change(tmp_path, number)
    assert levels(schedule_id) == [0, 1, 2, 0]
    assert [backup.chain_id for backup in made[:3]] == [made[0].id] * 3
    assert [backup.base_id for backup in made] == [None, made[0].id, made[1].id, None]
    archives = [Path(str(backup.server_copy.path)) for backup in made if backup.server_copy]
    top = tmp_path / "site"
    back = restored(archives[:3], tmp_path / "target") / top.relative_to("/")
    assert {path.name for path in back.iterdir()} == {"new 1", "folder 1"}


def test_a_chain_goes_on_in_the_vault_without_local_copies(
    core: Flask, site_id: UUID, store: S3Store, tmp_path: Path
) -> None:
    vault_id = add_vault(core, store)
    schedule_id = plan(site_id, vault_id=vault_id, streamed=True)
    archives, top = [], tmp_path / "site"
    for number in range(3):
        change(tmp_path, number)
        backup = back_up(schedule_id)
        assert backup.offsite_status is Offsite.UPLOADED
        [key] = [
            one["Key"]
            for one in store.s3.list_objects_v2(Bucket=store.bucket)["Contents"]
            if str(backup.id) in one["Key"] and one["Key"].endswith(".tar.gz")
        ]
        archives.append(tmp_path / f"{number}.tar.gz")
        store.s3.download_file(store.bucket, key, str(archives[-1]))
    assert levels(schedule_id) == [0, 1, 2]
    back = restored(archives, tmp_path / "target")
    assert_same(top, back / top.relative_to("/"))


def lose(backup: Backup) -> None:
    """Its copies are not where they were."""
    with transaction() as session:
        for copy in session.scalars(select(Copy).where(Copy.backup_id == backup.id)).all():
            copy.move(session, CopyStatus.MISSING)


@pytest.mark.parametrize("which", [0, 1])
def test_a_lost_part_of_the_chain_makes_the_next_one_full(site_id: UUID, which: int) -> None:
    schedule_id = plan(site_id)
    made = [back_up(schedule_id) for _ in range(2)]
    lose(made[which])
    back_up(schedule_id)
    # Without its newest increment the full one is still there, and can be continued.
    assert levels(schedule_id) == ([0, 1, 0] if which == 0 else [0, 1, 1])


def test_a_state_that_is_lost_on_the_server_makes_a_full_one_that_says_why(
    site_id: UUID, tmp_path: Path
) -> None:
    schedule_id = plan(site_id)
    back_up(schedule_id)
    for state in (tmp_path / "root/state").rglob("*-*"):
        if state.is_file():
            state.unlink()
    second = back_up(schedule_id)
    assert (second.level, second.chain_id) == (0, second.id)
    assert second.tools["full_because"] == "state_missing"
    assert back_up(schedule_id).level == 1


def test_what_an_upload_has_not_brought_to_the_vault_is_not_continued(
    core: Flask, site_id: UUID, store: S3Store
) -> None:
    """The state advances only when the backup is proven where it was to go."""
    vault_id = add_vault(core, store)
    schedule_id = plan(site_id, vault_id=vault_id)
    first, second = back_up(schedule_id), back_up(schedule_id)
    assert second.base_id == first.id
    with transaction() as session:
        rows = select(Copy).where(Copy.backup_id == second.id, Copy.vault_id.is_not(None))
        session.scalars(rows).one().move(session, CopyStatus.MISSING)
    third = back_up(schedule_id)
    assert (third.base_id, third.level) == (first.id, 1)


@pytest.mark.parametrize("changed", ["paths", "excludes"])
def test_what_is_backed_up_has_changed_so_it_is_full(
    site_id: UUID, tmp_path: Path, changed: str
) -> None:
    schedule_id = plan(site_id)
    back_up(schedule_id)
    (tmp_path / "more").mkdir()
    with transaction() as session:
        site = session.get_one(Site, site_id)
        if changed == "paths":
            site.paths = [*site.paths, str(tmp_path / "more")]
        else:
            site.excludes = ["*.log"]
    back_up(schedule_id)
    assert levels(schedule_id) == [0, 0]


def test_a_full_one_comes_after_some_days_too(site_id: UUID) -> None:
    schedule_id = plan(site_id, full_days=1)
    back_up(schedule_id)
    back_up(schedule_id)
    with transaction() as session:
        for backup in session.scalars(select(Backup)):
            backup.created_at = backup.created_at.replace(year=2025)
    back_up(schedule_id)
    assert levels(schedule_id)[-1] == 0


def test_a_schedule_without_increments_makes_none(site_id: UUID) -> None:
    schedule_id = plan(site_id, incremental=False)
    assert [back_up(schedule_id).chain_id for _ in range(2)] == [None, None]
    with reading() as session:
        assert session.get_one(Schedule, schedule_id).good_at

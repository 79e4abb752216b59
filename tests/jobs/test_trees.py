"""Snapshot trees as schedules have them made: real server, real store, each job by itself."""

import shutil
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from cloudpilot import clock
from cloudpilot.db import reading, transaction
from cloudpilot.domain import deletions, presence, trees, uploads
from cloudpilot.domain.archives import Made
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import CopyStatus, Offsite
from cloudpilot.domain.destinations import Destination
from cloudpilot.domain.servers import Checkup
from cloudpilot.domain.sites import Site
from cloudpilot.domain.status import Status
from cloudpilot.domain.vaults import Vault
from cloudpilot.engine.presence import Archive, look
from cloudpilot.errors import CommandFailed, InvalidConfig, RunKilled
from cloudpilot.kinds import BackupType, Method, Privilege, RunKind
from tests.jobs.test_increments import back_up, plan, site_id, store
from tests.support.rows import add_person, add_server
from tests.support.sshd import Sshd
from tests.support.tree import assert_same
from tests.support.uploading import add_vault, drive, found
from tests.vaults.s3_store import S3Store

__all__ = ["site_id", "store"]
pytestmark = pytest.mark.xdist_group("rgw")
RESTORE = (
    "mkdir target && tar --extract --file={} --directory=target --strip-components=1"
    " --numeric-owner --same-permissions --acls --xattrs --xattrs-include='*' files"
)


def tree_of(backup: Backup, top: Path) -> Path:
    """Where that folder is in its tree."""
    assert backup.server_copy
    assert backup.server_copy.name.endswith("Z.tree")
    return Path(backup.server_copy.path) / "files" / top.relative_to("/")


def schedule_of(site_id: UUID, **columns: Any) -> UUID:
    return plan(site_id, method=Method.TREE, incremental=False, **columns)


def test_trees_on_the_server_link_to_the_last_and_do_not_need_it(
    site_id: UUID, tmp_path: Path
) -> None:
    schedule_id, top = schedule_of(site_id), tmp_path / "site"
    (top / "large").write_bytes(bytes(range(256)) * 4000)
    made = [back_up(schedule_id)]
    (top / "new").write_text("new")
    made.append(back_up(schedule_id))
    first, second = made
    assert (first.base_id, second.base_id) == (None, first.id)
    assert (first.method, first.tar_size, first.level, first.chain_id) == ("tree", None, 0, None)
    sizes = [(one.size or 0, one.own_size or 0) for one in made]
    assert sizes[0][1] >= sizes[0][0] > 1_000_000
    assert sizes[1][0] == sizes[0][0] + 3
    assert sizes[1][1] < 100_000
    assert [copy.size for copy in second.copies] == [second.own_size]
    assert second.tools["compared"] == "times"
    assert_same(top, tree_of(second, top))
    with transaction() as session:
        deletions.delete(session, session.get_one(Backup, first.id), add_person(session))
    drive()
    assert found(first.id).deleted_at
    assert not tree_of(first, top).exists()
    assert_same(top, tree_of(second, top))


def test_a_tree_that_is_gone_is_missing_and_not_linked_to(
    site_id: UUID, server: Sshd, tmp_path: Path
) -> None:
    schedule_id, top = schedule_of(site_id), tmp_path / "site"
    first, second = back_up(schedule_id), back_up(schedule_id)
    with reading() as session:
        copies = presence.looked_for(session, second.server_id)
    asked = [Archive(str(c.root), str(c.backup_id), c.name, c.size or 0) for c in copies]
    with server.session() as ssh:
        assert {one.how for one in look(ssh, asked)} == {"there"}
        shutil.rmtree(tree_of(second, top).parents[len(top.parts) - 2])
        lost = {one.archive.backup_id: one.how for one in look(ssh, asked)}
    assert lost == {str(first.id): "there", str(second.id): "absent"}
    with transaction() as session:
        presence.note(session, {copy.id: "It is not there." for copy in second.copies})
    third = back_up(schedule_id)
    assert third.base_id == first.id
    assert_same(top, tree_of(third, top))


def test_a_tree_is_an_archive_in_its_vault(
    core: Flask, site_id: UUID, store: S3Store, tmp_path: Path
) -> None:
    vault_id, top = add_vault(core, store), tmp_path / "site"
    (top / "second name").hardlink_to(top / "folder/file")
    backup = back_up(schedule_of(site_id, vault_id=vault_id))
    assert backup.offsite_status is Offsite.UPLOADED
    [copy] = backup.in_vaults()
    assert (copy.name, copy.status) == (backup.archive, CopyStatus.STORED)
    assert backup.archive.endswith("Z.tar.gz")
    assert copy.sha256 not in {None, backup.sha256}
    [key] = [
        one["Key"]
        for one in store.s3.list_objects_v2(Bucket=store.bucket)["Contents"]
        if str(backup.id) in one["Key"] and one["Key"].endswith(".tar.gz")
    ]
    archive = tmp_path / "from the vault.tar.gz"
    store.s3.download_file(store.bucket, key, str(archive))
    digest = subprocess.check_output(["sha256sum", archive], text=True).split()[0]
    assert (digest, archive.stat().st_size) == (copy.sha256, copy.size)
    subprocess.run(RESTORE.format(f"'{archive}'"), shell=True, check=True, cwd=tmp_path)
    assert_same(top, tmp_path / "target" / top.relative_to("/"))
    assert_same(top, tree_of(backup, top))  # it stays
    with transaction() as session:
        deletions.delete(session, session.get_one(Backup, backup.id), add_person(session))
    drive()
    assert found(backup.id).deleted_at


def test_an_upload_whose_process_was_lost_begins_anew(
    core: Flask, site_id: UUID, store: S3Store
) -> None:
    backup = back_up(schedule_of(site_id))
    vault_id = add_vault(core, store)
    with transaction() as session:
        row, vault = session.get_one(Backup, backup.id), session.get_one(Vault, vault_id)
        run = uploads.ask(session, row, vault, add_person(session))
        run.move(session, Status.FAILED)
        following = uploads.failed(session, run, RunKilled("Killed."))
        assert [one.kind for one in following] == [RunKind.UPLOAD, RunKind.ABANDON]
        attempts = [one.options["attempt"] for one in (run, *following)]
        assert attempts[0] == attempts[2] != attempts[1]


def test_contents_are_compared_when_they_have_not_been_for_a_month(site_id: UUID) -> None:
    schedule_id = schedule_of(site_id)
    first = back_up(schedule_id)
    with transaction() as session:
        row = session.get_one(Backup, first.id)
        row.created_at = clock.now() - timedelta(days=31)
    second = back_up(schedule_id)
    assert (second.base_id, second.tools["compared"]) == (first.id, "contents")
    assert back_up(schedule_id).tools["compared"] == "times"


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": BackupType.DATABASE},
        {"type": BackupType.FULL},
        {"privilege": Privilege.READ_ALL},
        {"destination": Destination(Vault(), streamed=True)},
        {"destination": Destination(Vault(), local_days=0)},
    ],
)
def test_what_cannot_be_a_tree_is_refused(wrong: dict[str, Any]) -> None:
    usual: dict[str, Any] = {
        "type": BackupType.FILES, "privilege": Privilege.FULL, "destination": None,
    }  # fmt: skip
    words = list((usual | wrong).values())
    with pytest.raises(InvalidConfig):
        trees.refuse(Method.TREE, *words)
    trees.refuse(Method.ARCHIVE, *words)
    trees.refuse(Method.TREE, *usual.values())


def test_a_server_says_what_it_was_told_or_it_is_refused() -> None:
    tree = Made(1, "ab" * 32, None, {}, 0, {}, own=1, base="another")
    with pytest.raises(CommandFailed):
        trees.made(Backup(method=Method.TREE, base_id=None), tree)
    with pytest.raises(CommandFailed):
        trees.made(Backup(method=Method.TREE), Made(1, "ab" * 32, 1, {}, 0, {}))
    trees.made(Backup(method=Method.ARCHIVE), tree)


def test_trees_are_offered_where_a_check_has_found_rsync(core: Flask) -> None:
    with transaction() as session:
        row = add_server(session)
        assert not trees.are_possible(session, row)
        session.add(Checkup(server_id=row.id, lines=[], facts={"rsync": "3.2.7"}))
        session.flush()
        assert trees.are_possible(session, row)
        row.privilege = Privilege.READ_ALL
        assert not trees.are_possible(session, row)
        site = Site(method=Method.TREE)
        assert trees.usual(site, (BackupType.FILES,)) is Method.TREE
        assert trees.usual(site, (BackupType.FULL,)) is Method.ARCHIVE
        assert trees.usual(None, (BackupType.FILES,)) is Method.ARCHIVE

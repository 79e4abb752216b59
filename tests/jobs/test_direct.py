"""Checks and previews as the queue does them: from the row to the real server and back."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select

from cloudpilot import clock
from cloudpilot.db import reading, transaction
from cloudpilot.domain import checkups, requests, runs
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.checkups import SILENT
from cloudpilot.domain.copies import CopyStatus
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Checkup, Server
from cloudpilot.domain.sites import Site
from cloudpilot.domain.status import Status
from cloudpilot.errors import CommandFailed
from cloudpilot.jobs import check
from cloudpilot.jobs import runs as work
from tests.support.rows import add_person, add_real_server, add_site
from tests.support.sshd import Sshd
from tests.web.scenes import add_backup


@pytest.fixture
def site_id(core: Flask, server: Sshd, tmp_path: Path) -> UUID:
    """A site on the real server, of one file and one that is left out."""
    files = tmp_path / "site"
    files.mkdir()
    (files / "index.html").write_text("hello")
    (files / "debug.log").write_text("0123456789")
    with transaction() as session:
        row = add_real_server(core, session, server, tmp_path / "root")
        return add_site(session, row, paths=[str(files)], excludes=["*.log", "none"]).id


def site_of(site_id: UUID) -> Site:
    with reading() as session:
        return session.get_one(Site, site_id)


def done(ask: Callable[..., Run], site_id: UUID) -> Run:
    """What a run has become after its job, asked for as a page does."""
    with transaction() as session:
        site = session.get_one(Site, site_id)
        if ask is requests.check:
            run = requests.check(session, session.get_one(Server, site.server_id), by=None)
        else:
            run = requests.preview(session, site, by=None)
    work.start(str(run.id))
    with reading() as session:
        return runs.find(session, run.id)


def test_a_preview_ends_in_the_sites_row(site_id: UUID) -> None:
    run = done(requests.preview, site_id)
    assert run.status is Status.COMPLETED, (run.error_code, run.error_detail)
    assert run.log == "2 files and folders are backed up, 1 left out."
    site = site_of(site_id)
    assert site.preview
    assert site.previewed_at
    assert [one["entries"] for one in site.preview["patterns"]] == [1, 0]
    assert site.preview["for"] == {"paths": site.paths, "excludes": site.excludes}


def test_a_preview_of_what_is_gone_fails_as_a_backup_would(site_id: UUID) -> None:
    with transaction() as session:
        session.get_one(Site, site_id).paths = ["/there/is/no/such"]
    run = done(requests.preview, site_id)
    assert (run.status, run.error_code) == (Status.FAILED, "PATH_MISSING")
    assert site_of(site_id).preview is None


def test_a_check_says_what_has_changed_and_when_the_next_one_is(
    site_id: UUID, tmp_path: Path
) -> None:
    assert done(requests.check, site_id).status is Status.COMPLETED
    (tmp_path / "root").touch()
    assert done(requests.check, site_id).status is Status.COMPLETED
    with reading() as session:
        first, second = session.scalars(select(Checkup).order_by(Checkup.at))
        row = session.get_one(Server, session.get_one(Site, site_id).server_id)
        worse = checkups.worsened(session, clock.now() - timedelta(hours=1))
    assert first.changes == []
    changed = {change["key"]: change["after"] for change in second.changes}
    assert changed["directory"] == "failed"
    assert [one.key for one in worse] == ["directory"]
    assert first.lines[0]["key"] == SILENT
    assert "Signed in" in first.lines[0]["detail"]
    assert row.next_check_at
    assert timedelta(0) < row.next_check_at - clock.now() <= timedelta(days=1)


def test_a_server_that_stops_answering_is_worse_than_it_was(site_id: UUID) -> None:
    done(requests.check, site_id)
    server_id = site_of(site_id).server_id
    with transaction() as session:
        session.get_one(Server, server_id).host_keys = ["SHA256:another"]
    run = done(requests.check, site_id)
    assert (run.status, run.error_code) == (Status.FAILED, "HOST_KEY_CHANGED")
    with reading() as session:
        [one] = checkups.worsened(session, clock.now() - timedelta(hours=1))
    assert (one.key, one.after) == (SILENT, "failed")


def add_stored(site_id: UUID, **columns: object) -> Backup:
    """A backup of the site that is known to have been stored."""
    with transaction() as session:
        site = session.get_one(Site, site_id)
        add_person(session)
        server = session.get_one(Server, site.server_id)
        return add_backup(session, server, site, Status.COMPLETED, **columns)


def checked(site_id: UUID, backup: Backup) -> tuple[str, str, CopyStatus]:
    """The Check's line about archives, and how the copy stands after it."""
    assert done(requests.check, site_id).status is Status.COMPLETED
    with reading() as session:
        checkup = session.scalars(select(Checkup).order_by(Checkup.at.desc()).limit(1)).one()
        [copy] = session.get_one(Backup, backup.id).copies
    [line] = [line for line in checkup.lines if line["key"] == "archives"]
    return line["level"], line["detail"], copy.status


def test_an_archive_that_vanished_is_told_and_is_back_when_its_disk_is(
    site_id: UUID, tmp_path: Path
) -> None:
    root, backup = tmp_path / "root", add_stored(site_id, size=7)
    archive = root / str(backup.id) / backup.archive
    archive.parent.mkdir(parents=True)
    archive.write_text("archive")
    assert checked(site_id, backup)[::2] == ("ok", CopyStatus.STORED)
    archive.write_text("arch")
    level, detail, status = checked(site_id, backup)
    assert (level, status) == ("failed", CopyStatus.MISSING)
    assert "1 is of another size" in detail
    archive.write_text("archive")
    root.rename(tmp_path / "unmounted")
    level, detail, status = checked(site_id, backup)
    assert (level, status) == ("failed", CopyStatus.MISSING)
    assert f"nothing is left in {root}" in detail
    (tmp_path / "unmounted").rename(root)
    assert checked(site_id, backup)[::2] == ("ok", CopyStatus.STORED)


def test_a_server_that_answers_nonsense_about_its_archives_loses_none(
    site_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = add_stored(site_id)

    def nonsense(*_words: object) -> None:
        raise CommandFailed("The server's answer about its archives is not whole.")

    monkeypatch.setattr(check, "look", nonsense)
    run = done(requests.check, site_id)
    assert run.status is Status.COMPLETED
    assert "warning: Stored archives" in run.log
    with reading() as session:
        assert session.get_one(Backup, backup.id).copies[0].status is CopyStatus.STORED

"""Files out of archives: what is refused, what is damaged, and the command that needs no panel."""

import re
import subprocess
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest

from cloudpilot.db import transaction
from cloudpilot.domain.copies import Copy, CopyStatus
from cloudpilot.domain.index import Entry, escaped
from cloudpilot.downloads import content, members
from cloudpilot.downloads.members import cut_out, unpacked
from cloudpilot.errors import ChecksumMismatch, DownloadFailed
from cloudpilot.kinds import Place, Role
from tests.downloads.conftest import Panel


@pytest.fixture
def only_in_vault(listed: Panel) -> Iterator[Panel]:
    """The server has lost its copy."""
    with transaction() as session:
        session.query(Copy).filter_by(place=Place.SERVER).update({"status": CopyStatus.MISSING})
    yield listed
    with transaction() as session:
        session.query(Copy).filter_by(place=Place.SERVER).update({"status": CopyStatus.STORED})


def member(panel: Panel, name: str) -> dict[str, str]:
    return {"path": f"files{escaped(f'{panel.files}/{name}')}"}


@pytest.mark.parametrize(
    "path", ["", "/etc/passwd", "files/../../etc/passwd", "files/nothing", "a%00b", "files//x"]
)
def test_nothing_outside_of_the_archive_is_given(listed: Panel, path: str) -> None:
    browser = listed.browser()
    for place in ("files/download", "files/command"):
        for more in ({}, {"folder": "1"}):
            asked = {"path": path, **more}
            answer = browser.client.get(f"/backups/{listed.backup_id}/{place}", query_string=asked)
            assert answer.status_code == 422
            assert "INVALID_PATH" in answer.text
    for asked in ({"path": path}, {"path": path, "words": "a"}):
        answer = browser.client.get(f"/backups/{listed.backup_id}/files", query_string=asked)
        assert answer.status_code == (422 if path else 200)


def test_a_link_is_no_file(listed: Panel) -> None:
    address = f"/backups/{listed.backup_id}/files/download"
    answer = listed.browser().client.get(address, query_string=member(listed, "linked/link"))
    assert (answer.status_code, "INVALID_PATH" in answer.text) == (422, True)


def test_a_damaged_piece_never_ends_as_a_whole_file(listed: Panel) -> None:
    """It is unpacked to its end, where gzip tells; the last piece of the answer is held back."""
    archive = listed.archive
    good = archive.read_bytes()
    browser = listed.browser()
    with transaction() as session:
        session.query(Copy).filter_by(place=Place.VAULT).update({"status": CopyStatus.MISSING})
    try:
        for at in (len(good) // 3, len(good) // 2, len(good) * 2 // 3):
            archive.write_bytes(good[:at] + bytes([good[at] ^ 8]) + good[at + 1 :])
            answer = None
            with pytest.raises(DownloadFailed):  # noqa: PT012  (a body is read where it is asked for)
                answer = browser.client.get(
                    f"/backups/{listed.backup_id}/files/download",
                    query_string=member(listed, "large.bin"),
                    buffered=False,
                )
                if answer.status_code == 502:
                    raise DownloadFailed(answer.text)
                for _ in answer.response:
                    pass
    finally:
        archive.write_bytes(good)
        with transaction() as session:
            session.query(Copy).filter_by(place=Place.VAULT).update({"status": CopyStatus.STORED})


def test_a_large_file_in_a_vault_comes_without_the_panel(
    only_in_vault: Panel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel, browser = only_in_vault, only_in_vault.browser()
    monkeypatch.setattr(members, "FROM_VAULT_AT_MOST", 1_000_000)
    for name, more in (("large.bin", {}), ("linked", {"folder": "1"})):
        asked = member(panel, name) | more
        address = f"/backups/{panel.backup_id}/files/download"
        answer = browser.client.get(address, query_string=asked)
        assert answer.status_code == 303
        assert "/files/command?" in answer.location
        page = browser.get(answer.location)
        command = unescape(re.findall(r'<pre id="take-out"[^>]*>([^<]*)</pre>', page.text)[0])
        subprocess.run(["bash", "-c", command], cwd=tmp_path, check=True)
    out = Path(f"{tmp_path}/files{panel.files}")
    for name in ("large.bin", "linked/again.bin"):
        assert (out / name).read_bytes() == (panel.files / name).read_bytes()


def test_who_may_not_download_sees_no_such_link(listed: Panel) -> None:
    viewer, path = listed.browser(Role.VIEWER), f"/backups/{listed.backup_id}/files"
    page = viewer.get(path)
    assert "large.bin" in page.text
    assert "download" not in page.text.lower()


def test_pieces_that_are_not_whole_are_noticed() -> None:
    import gzip  # noqa: PLC0415

    packed = gzip.compress(b"one") + gzip.compress(b"two")
    assert b"".join(unpacked([packed[:5], packed[5:]])) == b"onetwo"
    for damaged in (packed[:-1], packed[:-3] + b"xxx", b"", b"nothing"):
        with pytest.raises(ChecksumMismatch):
            b"".join(unpacked([damaged]))
    assert b"".join(cut_out([b"abc", b"def", b"ghi"], 2, 5)) == b"cdefg"


def test_what_is_not_what_the_index_says_is_not_given() -> None:
    for tar in ([], [b"x" * 512], [bytes(1024)], [b"\0"]):
        with pytest.raises(DownloadFailed):
            b"".join(content.of(Entry("a", "0", 0, 512, 1), tar))

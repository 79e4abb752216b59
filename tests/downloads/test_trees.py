"""Snapshot trees, looked through and downloaded from the server that they lie on."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudpilot.domain.index import escaped
from cloudpilot.errors import DownloadFailed
from cloudpilot.kinds import Method, VaultKind
from tests.downloads.conftest import ODD, Panel, made
from tests.support.openssh import Sshd
from tests.support.tree import assert_same
from tests.support.uploading import of_kind

GZIP = b"\x1f\x8b"


@pytest.fixture(scope="module")
def panel(
    sqlite_template: Path, server: Sshd, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Panel]:
    home = tmp_path_factory.mktemp("tree")
    with made(home, sqlite_template, server, None, method=Method.TREE) as found:
        yield found


def get(panel: Panel, place: str, **query: str) -> bytes:
    """The body of an answer whose length nobody has said."""
    address = f"/backups/{panel.backup_id}/{place}"
    answer = panel.browser().client.get(address, query_string=query, buffered=False)
    assert answer.status_code == 200, answer.text
    return b"".join(answer.response)  # type: ignore[arg-type]


def path_of(panel: Panel, name: str) -> str:
    return f"files{escaped(str(panel.files))}{name}"


def unpacked(panel: Panel, tar: bytes, target: Path) -> Path:
    """The site, as it is in that tar."""
    target.mkdir()
    packed = ["--gzip"] if tar[:2] == GZIP else []
    command = ["tar", "--extract", "--same-permissions", *packed, "--file=-"]
    subprocess.run(command, input=tar, cwd=target, check=True)
    return target / "files" / panel.files.relative_to("/")


def test_one_file_is_what_was_backed_up(listed: Panel) -> None:
    for name in ("large.bin", "linked/again.bin", "sparse", "empty"):
        content = get(listed, "files/download", path=path_of(listed, f"/{name}"))
        assert content == (listed.files / name).read_bytes(), name


def test_files_with_odd_names_are_found_by_the_names_of_the_page(listed: Panel) -> None:
    page = listed.browser().get(f"/backups/{listed.backup_id}/files?path={path_of(listed, '/odd')}")
    links = [one.attrs["href"] for one in page.all("a") if "files/download?" in one.attrs["href"]]
    files = [link for link in links if "folder=1" not in link]
    assert len(files) == len(ODD)
    client = listed.browser().client
    given = sorted(client.get(link).data for link in files)
    assert given == sorted(name * (number + 1) for number, name in enumerate(ODD))


def test_a_folder_is_a_tar_and_the_whole_tree_a_packed_one(listed: Panel, tmp_path: Path) -> None:
    folder = get(listed, "files/download", path=path_of(listed, "/odd"), folder="1")
    assert_same(listed.files / "odd", unpacked(listed, folder, tmp_path / "folder") / "odd")
    whole = get(listed, "download")
    assert whole[:2] == GZIP
    assert_same(listed.files, unpacked(listed, whole, tmp_path / "whole"))


def test_a_tree_that_was_changed_never_ends_as_a_whole_archive(panel: Panel) -> None:
    added = panel.archive / "files" / panel.files.relative_to("/") / "added"
    added.write_text("since")
    try:
        with pytest.raises(DownloadFailed, match="other than"):
            get(panel, "download")
    finally:
        added.unlink()
    index = panel.archive.with_name(f"{panel.archive.name}.index.gz")
    good = index.read_bytes()
    index.write_bytes(good[:-20])
    try:
        answer = panel.browser().client.get(f"/backups/{panel.backup_id}/download")
        assert "CHECKSUM_MISMATCH" in answer.text
    finally:
        index.write_bytes(good)


def test_a_tree_in_a_vault_is_looked_through_there(
    sqlite_template: Path,
    server: Sshd,
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    home, store = tmp_path_factory.mktemp("both"), of_kind(VaultKind.S3, request.getfixturevalue)
    with made(home, sqlite_template, server, store, method=Method.TREE) as both:
        assert both.read_list().error_code is None
        (both.archive / "files").rename(both.archive / "elsewhere")  # the server's is no help
        content = get(both, "files/download", path=path_of(both, "/large.bin"))
        assert content == (both.files / "large.bin").read_bytes()

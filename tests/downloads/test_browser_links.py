"""Every link of the file browser gives the right bytes, whatever the name and kind of a file."""

import os
import re
import subprocess
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from cloudpilot.db import transaction
from cloudpilot.domain.copies import Copy, CopyStatus
from cloudpilot.domain.index import escaped
from cloudpilot.kinds import Place
from tests.downloads.conftest import Panel
from tests.support.tree import assert_same
from tests.web.conftest import Browser
from tests.web.test_pages import WEIGHT


def pages(browser: Browser, panel: Panel) -> Iterator[str]:
    """Every page that links lead to, from the archive's top on."""
    start = f"/backups/{panel.backup_id}/files"
    waiting, seen = [f"{start}?path="], set()
    while waiting:
        address = waiting.pop()
        if address in seen:
            continue
        seen.add(address)
        page = browser.get(address)
        assert len(page.text) < WEIGHT
        yield page.text
        links = [unescape(one) for one in re.findall(r'href="([^"]+)"', page.text)]
        waiting += [one for one in links if one.startswith(f"{start}?")]


def downloads(browser: Browser, panel: Panel) -> dict[str, str]:
    """The links that give something, by path; folders end with a slash."""
    found = {}
    for text in pages(browser, panel):
        for link in map(unescape, re.findall(r'href="([^"]+/files/download[^"]*)"', text)):
            asked = parse_qs(urlsplit(link).query)
            found[asked["path"][0] + ("/" if "folder" in asked else "")] = link
    return found


def on_disk(panel: Panel) -> dict[str, Path]:
    """What is to be found, by the path in the archive."""
    names = [path for path in panel.files.rglob("*") if path.is_file() and not path.is_symlink()]
    return {f"files{escaped(str(path))}": path for path in names}


@pytest.fixture(params=["server", "vault"])
def only(request: pytest.FixtureRequest, listed: Panel) -> Iterator[str]:
    """That is where the only copy is, as far as the panel knows."""
    other = Place.VAULT if request.param == "server" else Place.SERVER
    with transaction() as session:
        copy = session.query(Copy).filter_by(place=other).one()
        session.query(Copy).filter_by(id=copy.id).update({"status": CopyStatus.MISSING})
    yield request.param
    with transaction() as session:
        session.query(Copy).filter_by(id=copy.id).update({"status": CopyStatus.STORED})


def test_every_link_gives_the_right_bytes(listed: Panel, only: str) -> None:
    browser = listed.browser()
    links, expected = downloads(browser, listed), on_disk(listed)
    files = {path: link for path, link in links.items() if not path.endswith("/")}
    assert set(files) - {"manifest.json", "result.json"} == set(expected)
    for path, link in files.items():
        if "/many/" in path and not path.endswith("7"):
            continue  # they are alike
        answer = browser.client.get(link)
        assert answer.status_code == 200, (path, answer.text[:500])
        if path in expected:
            assert answer.data == expected[path].read_bytes(), path
        assert answer.headers["Content-Disposition"].startswith("attachment; ")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in answer.headers["Content-Security-Policy"]
        assert "\n" not in answer.headers["Content-Disposition"]


def test_a_folder_comes_as_a_tar_that_gives_the_same_tree(
    listed: Panel, only: str, tmp_path: Path
) -> None:
    browser = listed.browser()
    top = f"files{escaped(str(listed.files))}"
    for path in ("", "/odd", "/linked", "/empty%20folder"):
        address = f"/backups/{listed.backup_id}/files/download"
        answer = browser.client.get(address, query_string={"path": top + path, "folder": "1"})
        assert answer.status_code == 200, answer.text[:500]
        assert answer.content_length == len(answer.data)
        target = tmp_path / f"t{path.replace('/', '-')}"
        target.mkdir()
        tar = ["tar", "-xpf", "-", "-C", target, "--numeric-owner"]
        subprocess.run(tar, input=answer.data, check=True)
        inside = path.replace("%20", " ")
        if path != "/linked":  # the file that its hard link is of comes with it
            assert_same(
                Path(f"{target}/files{listed.files}{inside}"), Path(f"{listed.files}{inside}")
            )
        else:
            again = Path(f"{target}/files{listed.files}/linked/again.bin")
            assert again.read_bytes() == (listed.files / "large.bin").read_bytes()
            assert os.readlink(again.with_name("link")) == "../secret"  # noqa: PTH115

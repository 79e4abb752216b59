"""Who puts files in their place: real users, sudo, and what comes from elsewhere."""

import hashlib
import io
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from cloudpilot.engine import detached, fetching, restoring
from cloudpilot.engine.detached import Place
from cloudpilot.engine.fetching import OfTree
from cloudpilot.engine.restoring import Archive, Restoration
from cloudpilot.engine.script import Tree
from cloudpilot.engine.ssh import Session
from cloudpilot.errors import InvalidConfig, InvalidPath, PermissionDenied, PrivilegeMissing
from cloudpilot.kinds import Privilege
from cloudpilot.reports import Report
from tests.engine.test_restore_files import good
from tests.engine.test_restore_kills import killed, waiting_at
from tests.support.machine import Machine, machine
from tests.support.until import until

FILES = """
rm -rf /root/site /root/.cloudpilot-* /home/back /home/cloudpilot/back
mkdir -p /root/site/inner
echo then >/root/site/inner/file
chown 1234:1234 /root/site/inner/file; chmod 4751 /root/site/inner/file
chmod 700 /root/site
"""
LOOK = "cd /root/site; find . -printf '%p %U:%G %m %T@ '; cat inner/file"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with machine(tmp_path_factory.mktemp("machine")) as found:
        yield found


@pytest.fixture
def session(server: Machine) -> Iterator[Session]:
    server.set_up(Privilege.FULL)
    server.as_root(FILES)
    opened = server.session()
    yield opened
    opened.close()


def backed_up(server: Machine, session: Session, **more: object) -> Restoration:
    """Of /root/site, and it is changed since."""
    place = server.start(session, Privilege.FULL, "/root/site")
    result = good(server.over(session, place)).result
    where = f"{place.backup_directory}/a.tar.gz"
    archive = Archive("a.tar.gz", int(result["size"]), result["sha256"], where)
    plain = Restoration(
        restore_id=str(uuid4()),
        privilege=Privilege.FULL,
        archives=(archive,),
        paths=("/root/site",),
        tops=("/root/site",),
        needed=int(result["tar_bytes"]),
    )
    return replace(plain, **more)  # type: ignore[arg-type]


def place_of(server: Machine, what: Restoration, run: str) -> Place:
    return Place(server.root, what.restore_id, run)


def run(server: Machine, session: Session, what: Restoration, kind: str = "restore") -> Report:
    files = (
        restoring.restore(what)
        if kind == "restore"
        else restoring.undo(what.restore_id, what.privilege)
    )
    place = place_of(server, what, kind)
    detached.launch(session, place, files)
    return server.over(session, place)


def test_roots_files_come_back_by_sudo_with_all_that_they_had(
    server: Machine, session: Session
) -> None:
    before = server.as_root(LOOK)
    what = backed_up(server, session)
    server.as_root("echo now >/root/site/inner/file; touch /root/site/since")
    changed = server.as_root(LOOK)

    good(run(server, session, what))
    assert server.as_root(LOOK) == before
    assert server.as_root("stat -c '%U %a' /root/.cloudpilot-restore-*") == "root 700\n"
    good(run(server, session, what, "undo"))
    assert server.as_root(LOOK) == changed
    assert server.as_root("ls -A /root") == "site\n"


def test_a_tree_comes_back_by_sudo_with_all_that_it_had(server: Machine, session: Session) -> None:
    place = server.start(session, Privilege.FULL, "/root/site", tree=Tree("a.tree"))
    made = good(server.over(session, place)).result
    before = server.as_root(LOOK)
    server.as_root("echo now >/root/site/inner/file; touch /root/site/since")
    what = Restoration(
        restore_id=str(uuid4()),
        privilege=Privilege.FULL,
        archives=(),
        tree=restoring.Tree(f"{place.backup_directory}/a.tree", ("/root/site",), made["sha256"]),
        paths=("/root/site",),
        tops=("/root/site",),
        needed=int(made["size"]),
    )
    good(run(server, session, what))
    assert server.as_root(LOOK) == before
    asked = OfTree(
        root=server.root,
        backup_id=place.backup_id,
        tree="a.tree",
        sha256=made["sha256"],
        members=["files/root/site/inner/file"],
        privilege=Privilege.FULL,
    )
    tar = b"".join(fetching.read_tree(session, asked))
    with tarfile.open(fileobj=io.BytesIO(tar)) as opened:
        [member] = opened.getmembers()
        assert (member.uid, member.mode) == (1234, 0o4751)
        content = opened.extractfile(member)
        assert content
        assert content.read() == b"then\n"


def test_killed_as_root_it_is_put_back(server: Machine, session: Session) -> None:
    what = backed_up(server, session)
    server.as_root("echo now >/root/site/inner/file")
    changed = server.as_root(LOOK)
    place = place_of(server, what, "restore")
    detached.launch(session, place, waiting_at("swap", restoring.restore(what)))
    until(lambda: server.as_root(f"ls {place.run_directory}"), lambda names: "at" in names.split())
    killed(what.restore_id)
    good(run(server, session, what, "undo"))
    assert server.as_root(LOOK) == changed


def test_without_the_rights_that_were_promised_nothing_begins(
    server: Machine, session: Session
) -> None:
    what = backed_up(server, session)
    server.as_root("rm /etc/sudoers.d/cloudpilot")
    assert isinstance(run(server, session, what).error, PrivilegeMissing)
    assert server.as_root("ls -A /root") == "site\n"


def test_a_plain_user_restores_into_a_folder_of_its_own(server: Machine, session: Session) -> None:
    into = "/home/cloudpilot/back"
    what = backed_up(server, session, privilege=Privilege.PLAIN, into=into)
    good(run(server, session, what))
    assert server.as_root(f"cat {into}/root/site/inner/file") == "then\n"
    assert server.as_root(f"stat -c %U {into}/root/site/inner/file") == "cloudpilot\n"
    elsewhere = replace(what, restore_id=str(uuid4()), into="/home/back")
    assert isinstance(run(server, session, elsewhere).error, PermissionDenied)


def test_what_comes_from_another_server_brings_no_rights(server: Machine, session: Session) -> None:
    what = backed_up(server, session, foreign=True)
    report = good(run(server, session, what))
    assert server.as_root("stat -c %a /root/site/inner/file") == "751\n"
    assert report.warnings == (
        "1 file(s) were set-uid or set-gid on the other server; here they are not.",
    )

    server.as_root("mknod /root/site/null c 1 3")
    devices = backed_up(server, session, foreign=True)
    before = server.as_root(LOOK)
    report = run(server, session, devices)
    assert isinstance(report.error, InvalidConfig)
    assert "/root/site/null" in str(report.error)
    assert server.as_root(LOOK) == before


HASH = hashlib.sha256(b"").hexdigest()


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"paths": ("/",), "tops": ("/",)}, InvalidPath),
        ({"paths": ("/srv/b",)}, InvalidPath),
        ({"into": "/"}, InvalidPath),
        ({"archives": ()}, InvalidConfig),
        ({"archives": (Archive("../a.tar.gz", 1, HASH),)}, InvalidConfig),
        ({"archives": (Archive("a.tar.gz", 1, "no"),)}, InvalidConfig),
        ({"archives": (Archive("a.tar.gz", 0, HASH),)}, InvalidConfig),
        ({"restore_id": "../../etc"}, InvalidConfig),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_not_sent(change: dict[str, object], error: type[Exception]) -> None:
    plain = Restoration(
        str(uuid4()), Privilege.PLAIN, (Archive("a.tar.gz", 1, HASH),), ("/srv/a",), ("/srv/a",), 1
    )
    assert restoring.restore(plain)["script"].startswith(b"main() {")
    assert restoring.forget(plain.restore_id, Privilege.FULL).keys() == {"script", "swap.pl"}
    with pytest.raises(error):
        restoring.restore(replace(plain, **change))  # type: ignore[arg-type]


def test_it_is_one_function_however_odd_its_words(tmp_path: Path) -> None:
    odd = "/srv/it's $(touch x)\nyes"
    plain = Restoration(
        str(uuid4()), Privilege.PLAIN, (Archive("a.tar.gz", 1, HASH),), (odd,), (odd,), 1
    )
    script = restoring.restore(plain)["script"]
    assert script.endswith(b'}\nmain "$@"; exit\n')
    assert b"'/srv/it'\"'\"'s $(touch x)\nyes'" in script

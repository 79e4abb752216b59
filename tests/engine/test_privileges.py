"""What a server lets us read, with real users, sudo and capabilities."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from cloudpilot.engine import detached
from cloudpilot.engine.detached import Place
from cloudpilot.engine.script import Chain, Tree
from cloudpilot.engine.ssh import Session
from cloudpilot.errors import (
    PathIsLink,
    PathMissing,
    PermissionDenied,
    PrivilegeMissing,
    RunStopped,
)
from cloudpilot.kinds import Privilege
from tests.support.machine import Machine, machine
from tests.support.until import until

MORE = [Privilege.READ_ALL, Privilege.FULL]
FILES = """
mkdir -p /root/secret/deeper /home/open
echo 'of root' >/root/secret/deeper/file
echo 'of all' >/home/open/file
chmod 700 /root/secret
ln -sfn /root/secret /root/link
"""
READ_ALL = "/usr/local/lib/cloudpilot/tar"
RULE = "/etc/sudoers.d/cloudpilot"
# Packing waits while there is a gate; `works` tries a compressor before there is an archive.
WAITING = """
touch /usr/local/gate
for tool in igzip pigz gzip; do
  cat >/usr/local/bin/$tool <<TOOL
#!/bin/bash
while [ -e work/archive ] && [ -e /usr/local/gate ]; do sleep 0.05; done
exec /usr/bin/$tool "\\$@"
TOOL
  chmod 755 /usr/local/bin/$tool
done
[ -e /root/secret/large ] || head -c 300000000 /dev/urandom >/root/secret/large
"""
# A tar that hangs in a read, and does not listen.
HANGING = """
cat >/usr/local/bin/tar <<'TAR'
#!/bin/bash
[[ " $* " = *' --file=- '* ]] || exec /usr/bin/tar "$@"
trap '' TERM
while :; do sleep 1; done
TAR
chmod 755 /usr/local/bin/tar
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with machine(tmp_path_factory.mktemp("machine")) as found:
        found.as_root(FILES)
        found.set_up()
        yield found


@pytest.fixture
def session(server: Machine) -> Iterator[Session]:
    with server.session() as opened:
        yield opened
    server.as_root("rm -f /usr/local/bin/* /usr/local/gate")


def test_plain_reads_what_its_user_may_read(server: Machine, session: Session) -> None:
    server.set_up(Privilege.PLAIN)
    assert server.over(session, server.start(session, Privilege.PLAIN, "/home/open")).error is None
    for path in ("/root", "/root/secret/deeper"):
        report = server.over(session, server.start(session, Privilege.PLAIN, path))
        assert isinstance(report.error, PermissionDenied), path


@pytest.mark.parametrize("level", MORE)
def test_a_closed_folder_is_in_the_archive(
    server: Machine, session: Session, level: Privilege
) -> None:
    server.set_up(level)
    place = server.start(session, level, "/root/secret/deeper", "/home/open", "/root")
    report = server.over(session, place)
    assert report.error is None, (report.error, report.log)
    assert report.warnings == ()
    archive = f"{place.backup_directory}/a.tar.gz"
    listed = server.as_root(f"tar -tzf {archive}").splitlines()
    assert {"files/root/secret/deeper/file", "files/home/open/file"} <= set(listed)
    stored = server.as_root(f"tar -xOzf {archive} files/root/secret/deeper/file")
    assert stored == "of root\n"
    owned = server.as_root(f"cd {place.backup_directory}; stat -c '%U %a' . run-r1 * | sort -u")
    assert {line.split()[0] for line in owned.splitlines()} == {"cloudpilot"}
    assert server.as_root(f"stat -c %a {archive}") == "600\n"


@pytest.mark.parametrize("level", MORE)
def test_an_increment_goes_through_closed_folders(
    server: Machine, session: Session, level: Privilege
) -> None:
    server.set_up(level)
    full = server.start(session, level, "/root/secret", chain=Chain(f"closed-{level}"))
    first = server.over(session, full)
    assert first.error is None, (first.error, first.log)
    server.as_root("mv /root/secret/deeper /root/secret/away; echo new >/root/secret/new")
    try:
        chain = Chain(f"closed-{level}", full.backup_id, first.result["state_sha256"], 1)
        place = server.start(session, level, "/root/secret", chain=chain)
        second = server.over(session, place)
        assert second.error is None, (second.error, second.log)
        assert second.result["level"] == "1"
        listed = server.as_root(f"tar -tzf {place.backup_directory}/a.tar.gz").split()
        assert {"files/root/secret/new", "files/root/secret/away/file"} <= set(listed)
        owners = server.as_root(f"stat -c '%U %a' {place.root}/state/*/* | sort -u")
        assert owners == "cloudpilot 600\n"
    finally:
        server.as_root("mv /root/secret/away /root/secret/deeper; rm /root/secret/new")


def test_what_could_not_be_read_is_no_base(server: Machine, session: Session) -> None:
    """Once it can be read nothing of it looks new: an increment would lack it for ever."""
    server.set_up(Privilege.PLAIN)
    server.as_root("echo of root >/home/open/closed; chmod 600 /home/open/closed")
    place = server.start(session, Privilege.PLAIN, "/home/open", chain=Chain("open"))
    report = server.over(session, place)
    server.as_root("rm /home/open/closed")
    assert report.error is None
    assert (report.result["unreadable"], report.result["state_sha256"]) == ("1", "")


@pytest.mark.parametrize("level", MORE)
def test_what_cannot_be_packed_is_told_also_where_we_cannot_look(
    server: Machine, session: Session, level: Privilege
) -> None:
    server.set_up(level)
    for path, error, words in (
        ("/root/secret/nothing", PathMissing, "does not exist"),
        ("/root/secret/deeper/file/x", PathMissing, "does not exist"),
        ("/root/link", PathIsLink, "link to /root/secret"),
    ):
        report = server.over(session, server.start(session, level, path))
        assert isinstance(report.error, error), (path, report.error)
        assert words in str(report.error)


@pytest.mark.parametrize(
    ("level", "loss"),
    [
        (Privilege.READ_ALL, f"setcap -r {READ_ALL}"),
        (Privilege.READ_ALL, f"rm {READ_ALL}"),
        (Privilege.READ_ALL, f"chmod 700 {READ_ALL}"),
        (Privilege.FULL, f"rm {RULE}"),
        (Privilege.FULL, f"sed -i 's/NOPASSWD://' {RULE}"),
    ],
)
def test_who_has_less_than_was_promised_does_not_back_up(
    server: Machine, session: Session, level: Privilege, loss: str
) -> None:
    server.set_up(level)
    server.as_root(loss)
    place = server.start(session, level, "/home/open")
    report = server.over(session, place)
    assert isinstance(report.error, PrivilegeMissing), report.error
    assert server.as_root(f"ls {place.backup_directory}") == "run-r1\n"


def test_a_right_that_is_lost_on_the_way_fails_the_backup(
    server: Machine, session: Session
) -> None:
    server.set_up(Privilege.READ_ALL)
    server.as_root(WAITING)
    place = server.start(session, Privilege.READ_ALL, "/root/secret")
    reader(server, session, place)
    server.as_root(f"setcap -r {READ_ALL}; rm /usr/local/gate")
    assert isinstance(server.over(session, place).error, PrivilegeMissing)


def test_the_tar_that_reads_everything_gives_nothing_on(server: Machine) -> None:
    server.set_up(Privilege.READ_ALL)
    asked = (
        f"{READ_ALL} -cf /dev/null -I 'cat /proc/self/status >/tmp/cp-caps; cat' /home/open 2>&1;"
        " grep CapEff /tmp/cp-caps; rm /tmp/cp-caps;"
        f" echo x >/tmp/cp-x; {READ_ALL} -cf /tmp/cp.tar -C /tmp cp-x;"
        f" {READ_ALL} -xf /tmp/cp.tar -C /root 2>&1 | head -n 1; rm /tmp/cp.tar /tmp/cp-x;"
        f" sh -c 'echo > {READ_ALL}' 2>&1; {READ_ALL} --version | head -n 1"
    )
    said = server.as_root(f'runuser -u cloudpilot -- bash -c "{asked}"').splitlines()
    assert [line for line in said if "CapEff" in line] == ["CapEff:\t0000000000000000"]
    assert sum("Permission denied" in line for line in said) == 2
    assert "x" not in server.as_root("ls /root").split()
    assert server.as_root(f"sha256sum --check {Path(READ_ALL).parent}/tar.sha256").endswith("OK\n")


def test_another_level_takes_back_what_the_former_one_gave(server: Machine) -> None:
    given = f"ls -d {RULE} {Path(READ_ALL).parent} 2>/dev/null || true"
    server.set_up(Privilege.FULL)
    assert server.as_root(given).split() == [RULE]
    assert server.as_root(f"stat -c '%a %U' {RULE}") == "440 root\n"
    assert server.set_up(Privilege.READ_ALL).privilege is Privilege.READ_ALL
    assert server.as_root(given).split() == [str(Path(READ_ALL).parent)]
    server.set_up(Privilege.PLAIN)
    assert server.as_root(given) == ""


def test_a_rule_that_sudo_does_not_understand_never_counts(server: Machine) -> None:
    server.set_up(Privilege.PLAIN)
    server.as_root(
        "printf '#!/bin/sh\\nexit 1\\n' >/usr/local/sbin-visudo; mkdir -p /usr/local/sbin"
    )
    server.as_root(
        "mv /usr/local/sbin-visudo /usr/local/sbin/visudo; chmod 755 /usr/local/sbin/visudo"
    )
    said = server.as_root(
        f"PATH=/usr/local/sbin:$PATH; {server.command(Privilege.FULL)} 2>&1 || ls -A /etc/sudoers.d"
    )
    server.as_root("rm -r /usr/local/sbin")
    assert "does not understand" in said
    assert "cloudpilot" not in said.split("rule.")[1]


def test_root_s_tar_that_hangs_is_ended_with_the_run(server: Machine, session: Session) -> None:
    server.set_up(Privilege.FULL)
    server.as_root(HANGING)
    place = server.start(session, Privilege.FULL, "/root/secret")
    pid = reader(server, session, place)
    until(lambda: work_of(place), lambda found: len(found) > 3)
    detached.stop(session, place)
    assert isinstance(detached.look(session, place).error, RunStopped)
    assert not lives(pid)
    assert work_of(place) == []


@pytest.mark.parametrize("level", MORE)
def test_a_tar_whose_script_was_killed_is_ended_by_the_deletion(
    server: Machine, session: Session, level: Privilege
) -> None:
    server.set_up(level)
    server.as_root(WAITING)
    place = server.start(session, level, "/root/secret")
    pid = reader(server, session, place)
    # It hears nothing, not even that nobody reads any more.
    assert lives(pid)
    for process in [pid, *children(pid)]:
        os.kill(process, signal.SIGSTOP)
    script = server.as_root(f"cut -d ' ' -f 1 {place.run_directory}/pid")
    os.kill(int(script), signal.SIGKILL)
    detached.remove(session, place.root, place.backup_id)
    assert not lives(pid)
    assert work_of(place) == []


def reader(server: Machine, session: Session, place: Place) -> int:
    """The process that reads for the archive, once it is at it."""

    def found() -> str:
        look = detached.look(session, place)
        assert not look.over, (look.error, look.log)
        if look.stage != "archive":
            return ""
        noted = server.as_root(f"cat {place.run_directory}/reader || true")
        return noted if noted and lives(int(noted.split()[0])) else ""  # else it was to measure

    return int(until(found, bool, seconds=60).split()[0])


def lives(pid: int) -> bool:
    """Whether it still runs: nobody may have asked yet how it ended."""
    with suppress(FileNotFoundError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


def children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


def work_of(place: Place) -> list[int]:
    """Processes with the mark of the run, root's and others; this test is root."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"CLOUDPILOT_RUN={place.backup_id}".encode() in (folder / "environ").read_bytes():
                found.append(int(folder.name))
    return found


OF_ALL = """
mkdir -p /home/tree/closed /home/tree/empty
echo 'of root' >/home/tree/closed/file
echo 'of the web' >/home/tree/page
ln -f /home/tree/page /home/tree/second
cp /bin/true /home/tree/suid; chmod 4755 /home/tree/suid
mkfifo /home/tree/fifo 2>/dev/null
chown 33:33 /home/tree/page; chown 1000:1000 /home/tree/empty
chmod 500 /home/tree/closed /home/tree/empty
"""
LISTED = (
    "find . ! -name . -printf '%p %y %m %U %G %T@ %l\\n' | sort;"
    " find . -type f | sort | xargs sha256sum"
)


def test_with_all_rights_a_tree_is_everybodys_files_and_goes_whole(
    server: Machine, session: Session
) -> None:
    server.set_up(Privilege.FULL)
    server.as_root(OF_ALL)
    first = server.start(session, Privilege.FULL, "/home/tree", tree=Tree("a.tree"))
    report = server.over(session, first)
    assert report.error is None, (report.error, report.log)
    tree = Tree("a.tree", first.backup_id, "a.tree", report.result["sha256"])
    second = server.start(session, Privilege.FULL, "/home/tree", tree=tree)
    report = server.over(session, second)
    assert report.error is None, (report.error, report.log)
    assert (report.result["base"], report.warnings) == (first.backup_id, ())
    kept = f"{second.backup_directory}/a.tree"
    assert server.as_root(f"stat -c '%U %a' {kept}") == "cloudpilot 700\n"
    as_it_is = server.as_root(f"cd /home/tree; {LISTED}")
    assert server.as_root(f"cd {kept}/files/home/tree; {LISTED}") == as_it_is
    server.as_root(f"rm -rf /home/back; mkdir /home/back; cd {second.backup_directory}; "
                   "rsync -aHAXS --numeric-ids a.tree/files/home/tree/ /home/back/")  # fmt: skip
    assert server.as_root(f"cd /home/back; {LISTED}") == as_it_is
    detached.remove(session, first.root, first.backup_id, stored=True)
    there = server.as_root(f"ls {first.root}").split()
    assert first.backup_id not in there
    assert second.backup_id in there
    assert server.as_root(f"cd {kept}/files/home/tree; {LISTED}") == as_it_is


def test_a_tree_that_is_stopped_leaves_nothing_of_roots(server: Machine, session: Session) -> None:
    server.set_up(Privilege.FULL)
    server.as_root(f"{OF_ALL}head -c 400000000 /dev/urandom >/home/tree/large")
    try:
        place = server.start(session, Privilege.FULL, "/home/tree", tree=Tree("a.tree"))
        until(lambda: detached.look(session, place).stage not in {"", "measure"}, bool)
        detached.stop(session, place)
        assert isinstance(server.over(session, place).error, RunStopped)
    finally:
        server.as_root("rm /home/tree/large")
    left = server.as_root(f"find {place.backup_directory} -mindepth 1 ! -user cloudpilot")
    assert left == ""
    assert "work" not in server.as_root(f"ls {place.run_directory}").split()


def test_to_read_everything_is_not_enough_for_a_tree(server: Machine, session: Session) -> None:
    server.set_up(Privilege.READ_ALL)
    place = server.start(session, Privilege.READ_ALL, "/home/open", tree=Tree("a.tree"))
    report = server.over(session, place)
    assert isinstance(report.error, PrivilegeMissing)
    assert "it takes root to keep owners" in str(report.error)

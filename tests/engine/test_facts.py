"""What the check finds: on the real sshd, and in answers of other distributions."""

import json
import shutil
import subprocess
from pathlib import Path
from uuid import uuid4

import pytest

from cloudpilot.engine import facts, tmpfiles
from cloudpilot.engine.doctor.line import Line
from cloudpilot.engine.facts import Checkup
from cloudpilot.engine.findings import (
    BY_NAME,
    FACTS,
    LINES_AT_MOST,
    TEXT_AT_MOST,
    Asked,
    Last,
    read,
)
from cloudpilot.engine.program import source
from cloudpilot.engine.ssh import Session
from cloudpilot.errors import CommandFailed
from cloudpilot.kinds import Privilege
from tests.engine.conftest import Backups, mounted
from tests.support.must_run import must_run
from tests.support.sshd import IS_ROOT

ANSWERS = sorted((Path(__file__).parent / "answers").glob("*.json"))
NOW = 1795416863
DAY = 86400


def judged(
    answer: list[str],
    root: str = "/tmp/cloudpilot-backups",
    days: int = 30,
    privilege: Privilege = Privilege.PLAIN,
    seconds: float = 0.2,
) -> Checkup:
    text = "\n".join(answer).encode()
    return facts.judge(read(text, Asked(root, privilege, days, NOW, seconds)))


def levels(checkup: Checkup) -> dict[str, str]:
    return {line.key: line.level for line in checkup.lines if line.level != "ok"}


@pytest.mark.parametrize("file", ANSWERS, ids=lambda file: file.stem)
def test_answers_of_other_systems_are_understood(file: Path) -> None:
    known = json.loads(file.read_text())
    checkup = judged(known["answer"], known["root"], privilege=Privilege(known["privilege"]))
    assert levels(checkup) == known["levels"]
    for key, value in known["facts"].items():
        assert checkup.facts[key] == value, key
    for line in checkup.lines:
        assert line.detail
        assert line.remedy or line.level == "ok", line
        assert "None" not in line.detail + line.remedy
        assert line.remedy.count("`") % 2 == 0
    assert {file.stem.partition("-")[0] for file in ANSWERS} >= {
        "debian",
        "ubuntu",
        "alma",
        "rocky",
    }


def test_each_word_of_the_probe_has_a_parser_and_each_parser_its_word() -> None:
    script = source("probe.sh").decode()
    said = {line.split("say ", 1)[1].split()[0] for line in script.splitlines() if "say " in line}
    said = {word for word in said if word.isidentifier()} - {"WORD"}
    here = {fact.name for fact in FACTS if not fact.command}
    assert here - said == {"tar_knows", "process"} - said
    assert said <= {*here, "rules"}
    assert len(BY_NAME) == len(FACTS)


def changed(
    *, privilege: Privilege = Privilege.PLAIN, seconds: float = 0.2, **changes: str | None
) -> Checkup:
    """A Debian where all is well with some words changed; None takes a word away, `_` is a dash."""
    known = json.loads((ANSWERS[0].parent / "debian-12-systemd.json").read_text())
    new = {word.replace("__", "-"): text for word, text in changes.items()}
    kept = [line for line in known["answer"] if line.split(" ")[0] not in new]
    added = [
        f"{word} {one}"
        for word, text in new.items()
        if text is not None
        for one in text.split("\n")
    ]
    root = "/var/backups/cloudpilot"
    return judged([*kept[:-1], *added, "end"], root, privilege=privilege, seconds=seconds)


CASES: list[tuple[dict[str, str | None], str, str]] = [
    ({"now": str(NOW + 61)}, "clock", "warning"),
    ({"now": str(NOW - 3600)}, "clock", "warning"),
    ({"now": str(NOW + 60)}, "clock", "ok"),
    ({"uid": "0"}, "privilege", "warning"),
    ({"groups": "cloudpilot docker"}, "privilege", "warning"),
    ({"sudo": "yes"}, "privilege", "warning"),
    ({"sudo": "no"}, "privilege", "ok"),
    ({"copy": "there\nruns\nreads\nsame"}, "privilege", "warning"),
    ({"copy": "there"}, "privilege", "ok"),
    ({"shell": "/usr/bin/fish"}, "shell", "warning"),
    ({"kills": "yes"}, "linger", "ok"),
    ({"kills": "yes", "linger": None}, "linger", "failed"),
    ({"linger": None}, "linger", "ok"),
    ({"bash": "4.2.46(2)-release"}, "bash", "failed"),
    ({"bash": None}, "bash", "failed"),
    ({"tar": "bsdtar 3.6.2"}, "tar", "failed"),
    ({"tar": None}, "tar", "failed"),
    ({"tar": "tar (GNU tar) 1.26"}, "tar", "failed"),
    ({"tar_knows": "acls"}, "tar", "warning"),
    ({"perl": None}, "needed", "failed"),
    ({"gzip": None}, "needed", "failed"),
    ({"gzip": None}, "compressor", "failed"),
    ({"setsid": None}, "needed", "failed"),
    ({"igzip": "igzip 2.30.0"}, "compressor", "ok"),
    ({"pigz": "pigz 2.6"}, "compressor", "ok"),
    ({"openssl": None}, "hash", "ok"),
    ({"openssl": None, "sha256sum": None}, "hash", "failed"),
    ({"curl": None}, "optional", "ok"),
    ({"directory": "ours"}, "directory", "ok"),
    ({"directory": "link"}, "directory", "failed"),
    ({"directory": "shared"}, "directory", "failed"),
    ({"directory": "foreign", "owner": "mallory"}, "directory", "failed"),
    ({"directory": "other"}, "directory", "failed"),
    ({"directory": "readonly"}, "directory", "failed"),
    ({"directory": "hidden"}, "directory", "failed"),
    ({"above_writable": None}, "directory", "failed"),
    ({"above_unsafe": "yes"}, "directory", "failed"),
    ({"blocks": "25 5000000 4096"}, "space", "failed"),
    ({"blocks": "0 5000000 4096"}, "space", "failed"),
    ({"blocks": "200000 5000000 4096"}, "space", "warning"),
    ({"blocks": "odd"}, "space", "warning"),
    ({"inodes": "5 100000"}, "space", "failed"),
    ({"inodes": "0 0"}, "space", "ok"),
    ({"file_system": "ramfs"}, "trap", "warning"),
    ({"file_system": "overlayfs"}, "trap", "warning"),
    ({"os": None, "kernel": None}, "os", "ok"),
    ({"mariadb__dump": None, "mysqldump": None}, "mariadb", "warning"),
    ({"mariadb__dump": None}, "mariadb", "ok"),
    ({"mariadbd": "mariadbd  Ver 11.4.2-MariaDB"}, "mariadb", "warning"),
    ({"process": "postgres", "listens": "5432", "postgres": None}, "postgresql", "warning"),
]  # fmt: skip


def line_of(checkup: Checkup, key: str) -> Line | None:
    return next((line for line in checkup.lines if line.key == key), None)


@pytest.mark.parametrize(("changes", "key", "level"), CASES)
def test_a_line_follows_from_what_was_found(
    changes: dict[str, str | None], key: str, level: str
) -> None:
    line = line_of(changed(**changes), key)
    assert line
    assert line.level == level, line
    assert line.remedy or level == "ok"


@pytest.mark.parametrize(
    ("privilege", "changes", "level", "words"),
    [
        (Privilege.READ_ALL, {}, "failed", "is not there"),
        (Privilege.READ_ALL, {"copy": "there"}, "failed", "may not run"),
        (Privilege.READ_ALL, {"copy": "there\nruns"}, "failed", "lost its permission"),
        (Privilege.READ_ALL, {"copy": "there\nruns\nreads"}, "warning", "older tar"),
        (Privilege.READ_ALL, {"copy": "there\nruns\nreads\nsame"}, "ok", "Reads every file"),
        (
            Privilege.READ_ALL,
            {"copy": "there\nruns\nreads\nsame", "sudo": "yes"},
            "warning",
            "sudo lets it do anything",
        ),
        (Privilege.PLAIN, {"sudo": "unknown"}, "ok", "sudo lets it do more is not known"),
        (Privilege.FULL, {"sudo": "yes"}, "ok", "anything, through sudo"),
        (Privilege.FULL, {"sudo": "no"}, "failed", "sudo refuses"),
        (Privilege.FULL, {}, "failed", "sudo refuses"),
    ],
)
def test_what_it_may_do_is_compared_with_what_it_was_given(
    privilege: Privilege, changes: dict[str, str | None], level: str, words: str
) -> None:
    line = line_of(changed(privilege=privilege, **changes), "privilege")
    assert line
    assert line.level == level
    assert words in line.detail
    assert ("set-up command" in line.remedy) is (level != "ok")


def test_a_slow_login_is_said() -> None:
    assert levels(changed(seconds=6.5)) == {"reach": "warning"}
    assert levels(changed()) == {}


def test_what_no_backup_needs_is_no_fault_but_a_tip() -> None:
    checkup = changed(curl="curl 7.61.1", openssl=None, rsync="rsync  version 3.2.7  protocol 31")
    assert levels(checkup) == {}
    said = line_of(checkup, "optional")
    assert said
    assert "cannot say why" in said.detail
    assert "not needed now: zstd, age" in said.detail
    assert "apt-get install isal" in str(line_of(checkup, "compressor"))
    assert "apt-get install openssl" in str(line_of(checkup, "hash"))


def test_who_can_make_snapshot_trees_is_said_and_known() -> None:
    for said, version, words in (
        ("rsync  version 3.2.7  protocol version 31", "3.2.7", "3.2.7: they can be made"),
        ("rsync  version 3.1.2  protocol version 31", "", "3.1.2 is too old"),
        (None, "", "only changes take room"),
    ):
        checkup = changed(rsync=said)
        line = line_of(checkup, "trees")
        assert line
        assert line.level == "ok"
        assert words in line.detail
        assert checkup.facts["rsync"] == version
    assert "apt-get install rsync" in str(line_of(changed(rsync=None), "trees"))


@pytest.mark.parametrize(
    ("manager", "install"),
    [
        ("apt-get", "apt-get install perl gzip util-linux"),
        ("dnf", "dnf install perl-interpreter gzip util-linux"),
        ("zypper", "zypper install perl gzip util-linux"),
        ("odd; reboot", "apt-get install perl gzip util-linux"),
    ],
)
def test_the_remedy_fits_the_package_manager(manager: str, install: str) -> None:
    line = line_of(judged(["now 1", f"packager {manager}", "end"]), "needed")
    assert line
    assert line.remedy == f"`{install}`"


def test_a_database_in_a_container_is_not_ours_to_dump() -> None:
    """Its process is seen, but neither its socket nor its port is here."""
    checkup = changed(socket=None, listens=None, process="mysqld")
    assert checkup.facts["databases"] == []
    assert line_of(checkup, "mariadb") is None


def test_a_hostile_server_cannot_write_the_command_that_people_paste() -> None:
    checkup = changed(above_unsafe="yes", above="/tmp/`reboot`; rm -rf ~", user="a;b", shell="/x")
    line = line_of(checkup, "directory")
    assert line
    assert "`" not in line.remedy
    shell = line_of(checkup, "shell")
    assert shell
    assert "`usermod -s /bin/bash 'a;b'`" in shell.remedy


def test_a_hostile_server_cannot_flood_us() -> None:
    flood = [f"site folder\topen\t\t/srv/{n}" for n in range(9000)]
    checkup = judged(["end", "now 1", "os " + "x" * 90_000 + "\x1b[2J", *flood])
    assert len(checkup.facts["sites"]) == 50
    assert len(checkup.facts["os"]) <= TEXT_AT_MOST
    assert LINES_AT_MOST < 9000


@pytest.mark.parametrize("answer", [[], ["now 1"], ["end"], ["\x00\x1b"], ["rule D /tmp", "now 1"]])
def test_half_an_answer_is_none(answer: list[str]) -> None:
    with pytest.raises(CommandFailed):
        judged(answer)


def rules(*files: tuple[str, list[str]]) -> list[tmpfiles.Rule]:
    return tmpfiles.in_force(files)


LIB, ETC = "/usr/lib/tmpfiles.d/tmp.conf", "/etc/tmpfiles.d/tmp.conf"
FATES: list[tuple[list[tuple[str, list[str]]], tuple[bool, float | None]]] = [
    ([], (False, None)),
    ([(LIB, ["q /tmp 1777 root root 10d"])], (False, 10 * DAY)),
    ([(ETC, ["q /tmp - - - 60d"]), (LIB, ["q /tmp - - - 10d"])], (False, 60 * DAY)),
    ([(ETC, []), (LIB, ["D /tmp 1777 root root 10d"])], (False, None)),
    ([(LIB, ["D! /tmp 1777 root root -"])], (True, None)),
    ([(LIB, ["q /tmp - - - 10d", "x /tmp/cloudpilot-backups"])], (False, None)),
    ([(LIB, ["q /tmp - - - 10d", "x /tmp/cloudpilot*"])], (False, None)),
    ([(LIB, ["q /tmp - - - 10d", "X /tmp/cloudpilot-backups"])], (False, 10 * DAY)),
    ([(LIB, ["D /tmp - - - 10d", "x /tmp/cloudpilot*"])], (True, None)),
    ([(LIB, ["R! /tmp/cloud*", "x /tmp/cloudpilot*"])], (True, None)),
    ([(LIB, ["q /tmp - - - 10d", "d /tmp/cloudpilot-backups - - - -"])], (False, None)),
    ([(LIB, ["R! /tmp/cloudpilot*"])], (True, None)),
    ([(LIB, ["R! /tmp/systemd-private-*"])], (False, None)),
    ([(LIB, ["q /tmp - - - 9d"]), ("/run/a.conf", ["d /tmp - - - 5d"])], (False, 5 * DAY)),
    ([(LIB, ["odd", "q", "q relative - - - 1d", "e /var/tmp - - - 30d"])], (False, None)),
    ([(LIB, ["q / - - - 1w"])], (False, 7 * DAY)),
]  # fmt: skip


@pytest.mark.parametrize(("files", "fate"), FATES)
def test_tmpfiles_rules_hide_and_spare(
    files: list[tuple[str, list[str]]], fate: tuple[bool, float | None]
) -> None:
    assert tmpfiles.fate(rules(*files), "/tmp/cloudpilot-backups") == fate


@pytest.mark.parametrize(
    ("rules", "boot", "kept"),
    [
        ("D /tmp - - - -", True, False),
        ("D /tmp - - - -\nx /tmp/cloudpilot-backups", True, False),
        ("q /tmp - - - 0", True, True),
        ("q /tmp - - - 0", False, False),
        ("q /tmp - - - 0\nx /tmp/cloudpilot-backups", False, True),
        ("q /tmp - - - 0\nX /tmp/cloudpilot-backups", False, False),
        ("q /tmp - - - 0\nd /tmp/cloudpilot-backups - - - -", False, True),
    ],
)
def test_the_real_systemd_tmpfiles_does_what_we_say(
    tmp_path: Path, rules: str, boot: bool, kept: bool
) -> None:
    if not IS_ROOT or not shutil.which("systemd-tmpfiles"):
        must_run("systemd-tmpfiles", "it is not installed, or we are not root")
    folder = tmp_path / "usr/lib/tmpfiles.d"
    folder.mkdir(parents=True)
    (folder / "tmp.conf").write_text(f"{rules}\n")
    file = tmp_path / "tmp/cloudpilot-backups/shop/archive"
    file.parent.mkdir(parents=True)
    file.touch()
    does = ["--remove", "--boot"] if boot else ["--clean"]
    subprocess.run(["systemd-tmpfiles", f"--root={tmp_path}", *does], check=True)
    assert file.exists() is kept
    emptied, age = tmpfiles.fate(
        tmpfiles.in_force([(LIB, rules.split("\n"))]), "/tmp/cloudpilot-backups"
    )
    assert (not emptied if boot else age is None) is kept


@pytest.mark.parametrize("age", ["", "-", "odd", "10parsecs", "1..2d", "d"])
def test_an_odd_age_is_none(age: str) -> None:
    assert tmpfiles.seconds(age) is None


def test_ageing_slower_than_the_retention_is_no_trap() -> None:
    answer = ["now 1", f"rules {LIB}", "rule q /tmp 1777 root root 10d", "end"]
    assert judged(answer, days=10).facts["trap"] is None
    assert "after 10 days" in str(judged(answer, days=11).facts["trap"])


def test_the_real_server_can_make_backups(session: Session, tmp_path: Path) -> None:
    checkup = facts.check(session, str(tmp_path / "a b/it's"), login_seconds=0.3)
    assert "failed" not in levels(checkup).values()
    assert checkup.facts["free"]
    assert abs(int(checkup.facts["skew"] or 0)) <= 5
    assert not (tmp_path / "a b").exists()
    said = {line.key: line.detail for line in checkup.lines}
    assert "in 0.3 s" in said["reach"]
    tar = subprocess.run(["tar", "--version"], check=True, capture_output=True, text=True).stdout
    assert tar.split("\n")[0].split()[-1] in said["tar"]


def test_the_real_server_shows_what_is_wrong_with_a_directory(
    session: Session, plain_backups: Backups, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    root.symlink_to(tmp_path)
    assert levels(facts.check(session, str(root)))["directory"] == "failed"
    root.unlink()
    root.touch()
    assert levels(facts.check(session, str(root)))["directory"] == "failed"
    root.unlink()
    root.mkdir()
    assert "directory" not in levels(facts.check(session, str(root)))
    root.chmod(0o1777)  # launch.sh refuses it
    assert levels(facts.check(session, str(root)))["directory"] == "failed"
    root.chmod(0o755)
    if IS_ROOT:
        tmp_path.chmod(0o755)
        foreign = facts.check(plain_backups.session, str(root))
        assert "belongs to root" in str(foreign.lines)
        assert line_of(foreign, "privilege").level == "ok"  # type: ignore[union-attr]
        with mounted(root, "2m"):
            found = facts.check(session, str(root))
            assert "in memory" in str(found.facts["trap"])
            assert found.facts["free"] == 2 * 1024 * 1024


def test_the_real_server_names_folders_that_look_like_sites(session: Session) -> None:
    if not IS_ROOT:
        pytest.skip("only root may put something into /srv")
    top = Path("/srv") / f"it's {uuid4().hex[:8]}"
    shop = top / "shop"
    (shop / "public").mkdir(parents=True)
    try:
        (shop / "artisan").touch()
        (top / "a\nb").mkdir()
        (top / "a\nb" / "manage.py").touch()
        found = facts.check(session, str(top / "backups")).facts["sites"]
    finally:
        subprocess.run(["rm", "-rf", top], check=True)
    ours = [site for site in found if str(site["path"]).startswith(str(top))]
    assert ours == [{"name": "shop", "path": str(shop), "kind": "laravel", "readable": True}]


@pytest.mark.parametrize(
    ("last", "level", "words"),
    [
        (
            Last("shop", 900_000_000),
            "failed",
            "819.2 MB free on ext2/ext3. The last backup of shop",
        ),
        (Last("shop", 700_000_000), "warning", "819.2 MB free on ext2/ext3."),
        (None, "warning", "819.2 MB free on ext2/ext3."),
    ],
)
def test_room_is_held_against_the_last_backup(last: Last | None, level: str, words: str) -> None:
    known = json.loads((ANSWERS[0].parent / "debian-12-systemd.json").read_text())
    answer = [line for line in known["answer"] if not line.startswith("blocks ")]
    text = "\n".join(["blocks 200000 5000000 4096", *answer]).encode()
    asked = Asked(known["root"], Privilege.PLAIN, 30, NOW, last=last)
    [line] = [line for line in facts.judge(read(text, asked)).lines if line.key == "space"]
    assert line.level == level
    assert line.detail.startswith(words)
    assert ("took 900.0 MB" in line.detail) == (level == "failed")


@pytest.mark.parametrize("options", ["mode=755", "mode=755,nr_inodes=90"])
@pytest.mark.parametrize("exists", [True, False])
def test_what_fills_a_disk_is_looked_for_on_that_disk(
    session: Session, tmp_path: Path, options: str, exists: bool
) -> None:
    """Not on the one that / is on; the command is run as it would be pasted."""
    disk = tmp_path / "it's a disk"
    disk.mkdir()
    with mounted(disk, "20m", options):
        (disk / "what fills it").mkdir()
        (disk / "root").mkdir(mode=0o700)
        root = disk / "root" / ("" if exists else "backups")
        found = facts.check(session, str(root))
        line = line_of(found, "space")
        assert line
        assert line.level == "failed"
        command = line.remedy.split("`")[1]
        said = subprocess.run(["bash", "-c", command], check=True, capture_output=True, text=True)
    assert f"{disk}/what fills it" in said.stdout
    assert said.stderr == ""


def test_a_name_that_cannot_be_pasted_is_in_no_command() -> None:
    answer = [f"now {NOW}", "blocks 25 5000000 4096", "directory ours", "end"]
    line = line_of(judged(answer, root="/srv/`reboot`"), "space")
    assert line
    assert line.remedy == "Free space, or choose a larger disk."

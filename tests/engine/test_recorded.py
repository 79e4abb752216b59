"""What others have recorded on other systems, through the real probe: see answers/SOURCES.md."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import uuid4

import pytest

from cloudpilot.engine import facts
from cloudpilot.engine.facts import Checkup
from cloudpilot.engine.findings import BY_NAME, Asked, Found, read, version
from cloudpilot.engine.program import Program
from cloudpilot.kinds import Privilege
from tests.support.sshd import IS_ROOT

ANSWERS = Path(__file__).parent / "answers"
RAW = ANSWERS / "raw"
SYSTEMS = sorted(folder.name for folder in RAW.iterdir())
# What is about the server that a file imagines, and not about the system.
# fmt: off
IMAGINED = {
    "", "now", "user", "uid", "groups", "linger", "sudo", "copy", "directory", "owner", "above",
    "above_writable", "alternative", "process", "socket", "listens", "end",
}
# fmt: on
# What `stat -f` calls a file system that goes by another name elsewhere.
CALLED = {"ext4": "ext2/ext3"}
# What is asked by no command of that name.
NO_COMMANDS = {"os", "bash", "rules", "file_system"}
# What no line of a Check shows if all is well.
UNSHOWN = {"setsid", "ionice", "sha256sum"}


def known(system: str) -> dict[str, Any]:
    text = (ANSWERS / f"{system}.json").read_text()
    return dict(json.loads(text))


def lines_of(answer: list[str], word: str) -> list[str]:
    words = {"rules", "rule"} if word == "rules" else {word}
    return [line for line in answer if line.split(" ")[0] in words]


def stub(folder: Path, name: str, script: str) -> None:
    folder.mkdir(exist_ok=True)
    file = folder / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


def run(
    program: Program, commands: Path, instead: Mapping[str, str] = MappingProxyType({})
) -> list[str]:
    """The answer of a program here, where these commands are found first.

    instead  what to read instead of a file or folder, by the script's own words
    """
    text = program.text().decode()
    for ours, theirs in instead.items():
        assert ours in text, ours
        text = text.replace(ours, theirs)
    path = f"{commands}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash"], input=text.encode(), env={"PATH": path}, check=True, capture_output=True
    )
    return done.stdout.decode().split("\n")


def probed(system: str, folder: Path) -> list[str]:
    """What the real probe answers if its commands say what was recorded on another system."""
    raw, commands = RAW / system, folder / "bin"
    commands.mkdir()
    for file in raw.iterdir():
        if file.name not in NO_COMMANDS:
            stub(commands, BY_NAME[file.name].command.split()[0], f"cat '{file}'")
    if (raw / "file_system").exists():
        real = shutil.which("stat")
        script = f"case $* in '-f -c %T -- '*) exec cat '{raw / 'file_system'}' ;; esac"
        stub(commands, "stat", f'{script}\nexec {real} "$@"')
    instead = {"/etc/os-release": str(raw / "os"), "/run/systemd/system": str(folder)}
    if (raw / "rules").exists():
        rules = folder / "usr/lib/tmpfiles.d"
        rules.mkdir(parents=True)
        shutil.copy(raw / "rules", rules / "tmp.conf")
        instead["in /etc /run /usr/lib;"] = f"in {folder}/usr/lib;"
    program = facts.probe("/var/backups/cloudpilot", Privilege.PLAIN)
    return [line.replace(str(folder), "") for line in run(program, commands, instead)]


def found(system: str) -> Found:
    one = known(system)
    asked = Asked(one["root"], Privilege(one["privilege"]), 30, 1795416863)
    return read("\n".join(one["answer"]).encode(), asked)


@pytest.mark.parametrize("system", SYSTEMS)
def test_what_was_recorded_becomes_the_answer(system: str, tmp_path: Path) -> None:
    one, said = known(system), probed(system, tmp_path)
    assert said[-2:] == ["end", ""]
    for word in one["recorded"]:
        if word != "bash":  # tells its own version by itself
            assert lines_of(said, word) == lines_of(one["answer"], word)
    if "bash" in one["recorded"]:
        assert version((RAW / system / "bash").read_text()) == found(system)["bash"]


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_line_says_where_it_is_from(system: str) -> None:
    one = known(system)
    recorded, others, documented = one["recorded"], one["known"], one["documented"]
    assert set(recorded) == {file.name for file in (RAW / system).iterdir()}
    ours = [*recorded, *others, *documented, *(["rule"] if "rules" in recorded else [])]
    words = {line.split(" ")[0] for line in one["answer"]}
    assert sorted(ours) == sorted(words - IMAGINED)
    sources = (ANSWERS / "SOURCES.md").read_text()
    for source in [*recorded.values(), *(source for _, source in others.values())]:
        assert f"\n| {source} | " in sources


@pytest.mark.parametrize("system", SYSTEMS)
def test_what_is_known_in_another_form_agrees(system: str) -> None:
    one = known(system)
    for word, (value, _) in one["known"].items():
        [line] = lines_of(one["answer"], word)
        text = line.partition(" ")[2]
        match word:
            case "file_system":
                assert text == CALLED.get(value, value)
            case "blocks":
                assert [int(count) * 4 for count in text.split()[:2]] == list(
                    map(int, value.split())
                )
            case "inodes":
                assert text == value
            case "packager":
                assert text.partition("-")[0] == value.partition(" ")[0]
            case "systemd":
                assert (text, value) == ("yes", "init_package systemd")
            case _:
                assert version(text) == version(value) != ""


@pytest.mark.parametrize("system", SYSTEMS)
def test_what_was_recorded_is_in_what_people_read(system: str) -> None:
    one, understood = known(system), found(system)
    details = " ".join(line.detail for line in facts.judge(understood).lines)
    for word in {*one["recorded"], *one["known"]} - UNSHOWN - {"blocks", "inodes", "rules"}:
        value = understood[word]
        assert value
        if word not in {"gzip", "perl", "mysqld", "packager", "systemd"}:
            assert str(value).removeprefix("tar (GNU tar) ") in details
    assert understood.free == understood["blocks"][0] * 4096
    assert all(understood[word] for word in UNSHOWN)


def trap(system: str, root: str) -> str | None:
    said: str | None = facts.judge(
        read("\n".join(known(system)["answer"]).encode(), Asked(root, Privilege.PLAIN, 30, 0))
    ).facts["trap"]
    return said


def test_a_backup_below_tmp_is_lost_on_the_ubuntu_that_was_recorded() -> None:
    assert "emptied at every boot" in str(trap("ubuntu-24.04", "/tmp/cloudpilot-backups"))
    assert trap("ubuntu-24.04", "/var/tmp/cloudpilot-backups") is None


DEPRECATED = (
    "mysqldump: Deprecated program name. It will be removed in a future release,"
    " use '/usr/bin/mariadb-dump' instead"
)
DUMPS = "mysqldump from 11.2.2-MariaDB, client 10.19 for linux-systemd (x86_64)"


def test_what_mariadb_says_about_its_name_is_not_its_version(tmp_path: Path) -> None:
    stub(tmp_path / "bin", "mysqldump", f'echo "{DEPRECATED}" >&2\necho "{DUMPS}"')
    said = run(facts.probe("/var/backups/cloudpilot", Privilege.PLAIN), tmp_path / "bin")
    assert lines_of(said, "mysqldump") == [f"mysqldump {DUMPS}"]
    answer = "\n".join(["now 1", f"mysqldump {DUMPS}", "end"]).encode()
    assert read(answer, Asked("/b", Privilege.PLAIN, 30, 1))["mysqldump"] == "11.2.2"


def test_what_a_program_says_of_its_failure_alone_is_an_answer(tmp_path: Path) -> None:
    stub(tmp_path / "bin", "loginctl", "echo 'not booted with systemd' >&2; exit 1")
    said = run(facts.probe("/var/backups/cloudpilot", Privilege.PLAIN), tmp_path / "bin")
    assert lines_of(said, "kills") == ["kills not booted with systemd"]


def test_the_servers_of_red_hats_family_are_asked_where_they_are(tmp_path: Path) -> None:
    if not IS_ROOT:
        pytest.skip("only root may put something into /usr/libexec")
    name = f"cloudpilot-{uuid4().hex[:8]}"
    stub(Path("/usr/libexec"), name, "echo here")
    try:
        program = Program("probe", (str(tmp_path), "plain", f"mysqld={name} --version"))
        assert lines_of(run(program, tmp_path), "mysqld") == ["mysqld here"]
    finally:
        Path("/usr/libexec", name).unlink()


OLD = "/usr/libexec/mysqld  Ver 10.3.28-MariaDB for Linux on x86_64 (MariaDB Server)"


@pytest.mark.parametrize(
    ("mysqld", "engine", "number"),
    [
        (OLD, "mariadb", "10.3.28"),
        ((RAW / "rocky-9/mysqld").read_text().strip(), "mysql", "8.0.32"),
    ],
)
def test_whose_mysqld_it_is_stands_in_its_words(mysqld: str, engine: str, number: str) -> None:
    """The process of MariaDB 10.3 on Alma and Rocky 8 is mysqld, and there is no mariadbd."""
    answer = ["now 1", f"mysqld {mysqld}", "process mysqld", "socket /var/lib/mysql/mysql.sock"]
    text = "\n".join([*answer, "mysqldump " + mysqld, "end"]).encode()
    checkup: Checkup = facts.judge(read(text, Asked("/b", Privilege.PLAIN, 30, 1)))
    [database] = checkup.facts["databases"]
    assert (database["engine"], database["version"]) == (engine, number)
    [line] = [line for line in checkup.lines if line.key == engine]
    assert (line.level, number in line.detail) == ("ok", True)

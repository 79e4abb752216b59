"""What the check asks a server, and how each answer is understood: commands and their parsers."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cloudpilot.engine import tmpfiles
from cloudpilot.engine.packages import install
from cloudpilot.errors import CommandFailed
from cloudpilot.kinds import Privilege
from cloudpilot.text import decode, lines

TEXT_AT_MOST = 1000  # characters of one answer: whatever a server says, a page stays a page
LINES_AT_MOST = 5000
_VERSION = r"\d+(?:\.\d+)+(?:[a-z]\d*)?"
_DUMPS = re.compile(rf"(?:Distrib|from) ({_VERSION})")


def version(text: str) -> str:
    """The first version in a text, or nothing.

    >>> version("tar (GNU tar) 1.34"), version("OpenSSL 1.1.1k  FIPS 25 Mar 2021"), version("?")
    ('1.34', '1.1.1k', '')
    """
    match = re.search(_VERSION, text)
    return match[0] if match else ""


def of_database(text: str) -> str:
    """The version of a database's program: not that of its protocol, which stands before it.

    >>> of_database("mysqldump  Ver 10.19 Distrib 10.11.6-MariaDB, for debian-linux-gnu (x86_64)")
    '10.11.6'
    >>> of_database("mariadb-dump from 11.8.1-MariaDB, client 10.19 for Linux (x86_64)")
    '11.8.1'
    >>> of_database("pg_dump (PostgreSQL) 15.5 (Debian 15.5-0+deb12u1)")
    '15.5'
    """
    match = _DUMPS.search(text)
    return match[1] if match else version(text)


def numbers(text: str) -> list[int]:
    """
    >>> numbers("12 -1 x 7")
    [12, 7]
    """
    return [int(one) for one in text.split() if one.isascii() and one.isdigit() and len(one) < 19]


def number(text: str) -> int | None:
    """The first number of a text."""
    return next(iter(numbers(text)), None)


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing to know: the command that says it, and the parser of its first line.

    command  run as it stands, if there is such a program; "": remote/probe.sh finds it out itself
    many     it may be said more than once: the value is a list
    """

    name: str
    parse: Callable[[str], Any]
    command: str = ""
    many: bool = False


FACTS: tuple[Fact, ...] = (
    Fact("now", number, "date +%s"),
    Fact("kernel", str, "uname -r"),
    Fact("user", str, "id -un"),
    Fact("uid", number, "id -u"),
    Fact("groups", str.split, "id -Gn"),
    Fact("container", str, "systemd-detect-virt --container"),
    Fact("kills", str, "loginctl show-user --property=KillUserProcesses --value"),
    # Tools that a backup is made with.
    Fact("tar", str, "tar --version"),
    Fact("gzip", version, "gzip --version"),
    Fact("perl", version, 'perl -e printf("%vd",$^V)'),
    Fact("setsid", version, "setsid --version"),
    Fact("sha256sum", version, "sha256sum --version"),
    Fact("ionice", version, "ionice --version"),
    # Tools that make it faster or serve something else.
    Fact("igzip", version, "igzip --version"),
    Fact("pigz", version, "pigz --version"),
    Fact("zstd", version, "zstd --version"),
    Fact("openssl", version, "openssl version"),
    Fact("curl", version, "curl --version"),
    Fact("age", version, "age --version"),
    Fact("rsync", version, "rsync --version"),
    # Databases: the servers' programs, and those that dump.
    Fact("mysqld", str, "mysqld --version"),  # whose it is stands in its words
    Fact("mariadbd", of_database, "mariadbd --version"),
    Fact("mysqldump", of_database, "mysqldump --version"),
    Fact("mariadb-dump", of_database, "mariadb-dump --version"),
    Fact("pg_dump", of_database, "pg_dump --version"),
    # What takes more than a command.
    Fact("os", str),
    Fact("packager", str),
    Fact("bash", version),
    Fact("shell", str),
    Fact("linger", str),
    Fact("tar_knows", str, many=True),
    Fact("sudo", str),
    Fact("copy", str, many=True),
    Fact("directory", str),
    Fact("owner", str),
    Fact("above", str),
    Fact("above_writable", str),
    Fact("above_unsafe", str),
    Fact("file_system", str),
    Fact("blocks", numbers),
    Fact("inodes", numbers),
    Fact("alternative", str),
    Fact("systemd", str),
    Fact("process", str, many=True),
    Fact("socket", str, many=True),
    Fact("listens", number, many=True),
    Fact("postgres", of_database, many=True),
    Fact("site", str, many=True),
    Fact("unfinished", str, many=True),
)
BY_NAME: Mapping[str, Fact] = {fact.name: fact for fact in FACTS}


@dataclass(frozen=True, slots=True)
class Last:
    """How large the last backup of a site was, in bytes, and its name."""

    of: str
    size: int


@dataclass(frozen=True, slots=True)
class Asked:
    """What the answers are judged against.

    now  by our clock; login_seconds  how long it took to get in
    last  the largest of the last backups of the server's sites
    """

    root: str
    privilege: Privilege
    retention_days: int
    now: float
    login_seconds: float = 0.0
    last: Last | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of a server; what it did not say is None, or an empty list."""

    known: Mapping[str, Any]
    rules: tuple[tmpfiles.Rule, ...]
    asked: Asked

    def __getitem__(self, name: str) -> Any:
        """What FACTS has made of it; a name that is not there is a mistake of ours."""
        fact = BY_NAME[name]
        return self.known.get(name, [] if fact.many else None)

    def has(self, tool: str) -> bool:
        """Whether such a program is there."""
        return self[tool] is not None

    @property
    def free(self) -> int:
        """Bytes that we may still write in the backup directory."""
        blocks = self["blocks"] or []
        return blocks[0] * blocks[2] if len(blocks) == 3 else 0

    def install(self, *tools: str) -> str:
        """The command that installs these here."""
        return install(self["packager"] or "", *tools)


def read(answer: bytes, asked: Asked) -> Found:
    """The answer, understood; raises CommandFailed if it is not whole.

    Each of its lines is WORD TEXT. Words that nobody knows are passed over.
    """
    known: dict[str, Any] = {}
    rules: list[tuple[str, list[str]]] = []
    whole = False
    for line in lines(decode(answer, limit=len(answer)))[:LINES_AT_MOST]:
        word, _, text = line.partition(" ")
        if word == "rules":
            rules.append((text, []))
        elif word == "rule" and rules:
            rules[-1][1].append(text)
        elif word in BY_NAME:
            _learn(known, BY_NAME[word], text.strip()[:TEXT_AT_MOST])
        whole = whole or word == "end"
    if not whole or known.get("now") is None:
        raise CommandFailed("The server's answer to the check is not whole.")
    return Found(known, tuple(tmpfiles.in_force(rules)), asked)


def _learn(known: dict[str, Any], fact: Fact, text: str) -> None:
    value = fact.parse(text)
    if fact.many:
        known.setdefault(fact.name, []).append(value)
    else:
        known[fact.name] = value

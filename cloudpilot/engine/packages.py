"""Which package brings a tool, by the package manager that a server has."""

from collections.abc import Mapping
from shlex import quote

COMMANDS: Mapping[str, str] = {
    "apt-get": "apt-get install",
    "dnf": "dnf install",
    "yum": "yum install",
    "zypper": "zypper install",
    "apk": "apk add",
}
# What is not here is called like the tool everywhere.
PACKAGES: Mapping[str, Mapping[str, str]] = {
    "setsid": {"": "util-linux"},
    "sha256sum": {"": "coreutils"},
    "perl": {"dnf": "perl-interpreter", "yum": "perl-interpreter"},
    "igzip": {"apt-get": "isal", "dnf": "isa-l-tools", "yum": "isa-l-tools", "": "pigz"},
    "setcap": {"apt-get": "libcap2-bin", "": "libcap", "zypper": "libcap-progs"},
    "mariadb-dump": {"apt-get": "mariadb-client", "": "mariadb", "zypper": "mariadb-client"},
    "mysqldump": {"apt-get": "default-mysql-client", "": "mysql", "zypper": "mysql-client"},
    "pg_dump": {"apt-get": "postgresql-client", "": "postgresql"},
}


def install(manager: str, *tools: str) -> str:
    """The command that installs `tools`.

    >>> install("apt-get", "tar", "igzip"), install("dnf", "perl"), install("", "curl")
    ('apt-get install tar isal', 'dnf install perl-interpreter', 'apt-get install curl')
    """
    manager = manager if manager in COMMANDS else "apt-get"
    names = [_package(tool, manager) for tool in tools]
    return " ".join([COMMANDS[manager], *dict.fromkeys(names)])


def _package(tool: str, manager: str) -> str:
    known = PACKAGES.get(tool, {})
    return known.get(manager) or known.get("") or tool


def command(*words: str) -> str:
    """A command to paste, between backquotes; nothing if one of its words cannot be pasted.

    What a server has called something may hold anything, and people paste this as root.

    >>> command("chmod", "+t", "/srv/it's"), command("chmod", "+t", "`reboot`")
    ('`chmod +t \\'/srv/it\\'"\\'"\\'s\\'`', '')
    """
    text = " ".join(map(quote, words))
    return "" if "`" in text or "\\" in text else f"`{text}`"

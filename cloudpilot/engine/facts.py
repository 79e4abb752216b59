"""What a server has, what is wrong with it, and what would help."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from cloudpilot.engine import tmpfiles
from cloudpilot.engine.findings import Found, read
from cloudpilot.engine.program import Program
from cloudpilot.engine.ssh import Session

Level = Literal["ok", "warning", "failed"]

PROBE_SECONDS = 20
BASH_AT_LEAST = (4, 4)
TAR_AT_LEAST = (1, 29)
SKEW_AT_MOST = 60  # seconds
SPACE_AT_LEAST = 1024**3  # bytes; below it the check warns
IN_MEMORY = {"tmpfs", "ramfs"}


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was looked at. `remedy` is a sentence or a command."""

    key: str
    level: Level
    title: str
    detail: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Checkup:
    """Lines for people; facts for forms and decisions: numbers in bytes and seconds."""

    lines: tuple[Line, ...]
    facts: dict[str, str | int | None]


def check(session: Session, backup_root: str, *, retention_days: int = 30) -> Checkup:
    """Ask the server about everything that a backup needs; changes nothing there.

    retention_days  how long backups are to stay, for folders that are cleaned by age
    """
    answer = session.run(Program("probe", (backup_root,)), timeout=PROBE_SECONDS)
    return judge(read(answer, backup_root, retention_days, time.time()))


def judge(found: Found) -> Checkup:
    """Every line of the list below, and the facts behind them."""
    facts: dict[str, str | int | None] = {
        "os": found.said.get("os", ""),
        "user": found.said.get("user", ""),
        "free": found.free,
        "file_system": found.said.get("file_system", ""),
        "skew": _skew(found),
        "trap": _trap(found),
        "alternative": found.said.get("alternative"),
    }
    return Checkup(tuple(ask(found) for ask in ASKED), facts)


def _system(found: Found) -> Line:
    name = found.said.get("os") or "Unknown"
    return Line("os", "ok", "System", f"{name}, kernel {found.said.get('kernel', '?')}.")


def _user(found: Found) -> Line:
    user = found.said.get("user", "?")
    if found.said.get("uid") != "0":
        return Line("user", "ok", "User", f"Logs in as {user}; reads what {user} may read.")
    return Line(
        "user",
        "warning",
        "User",
        "Logs in as root: whoever has this panel has the whole server.",
        "Use the set-up command's user, cloudpilot, and let it read what is to be backed up.",
    )


def _skew(found: Found) -> int:
    return round((found.numbers("now") or [0])[0] - found.now)


def _clock(found: Found) -> Line:
    skew = _skew(found)
    if abs(skew) <= SKEW_AT_MOST:
        return Line("clock", "ok", "Clock", "Agrees with the panel's.")
    which = "fast" if skew > 0 else "slow"
    detail = f"{abs(skew)} seconds {which}, compared with the panel's."
    return Line("clock", "warning", "Clock", detail, "timedatectl set-ntp true")


def _bash(found: Found) -> Line:
    version = found.said.get("bash", "?")
    if _version(version) >= BASH_AT_LEAST:
        return Line("bash", "ok", "bash", version)
    return Line(
        "bash", "failed", "bash", f"{version} is too old.", "Version 4.4 or later is needed."
    )


def _tar(found: Found) -> Line:
    version = found.said.get("tar", "")
    if "GNU tar" not in version:
        detail = f"{version or 'Not installed'}: GNU tar is needed."
        return Line("tar", "failed", "tar", detail, found.install("tar"))
    if _version(version) < TAR_AT_LEAST:
        return Line("tar", "failed", "tar", f"{version} is too old.", "1.29 or later is needed.")
    names = {"acls": "access control lists", "xattrs": "extended attributes"}
    lacking = [name for word, name in names.items() if word not in found.tar_knows]
    if lacking:
        detail = f"{version}, built without {' and '.join(lacking)}: archives will not hold them."
        return Line("tar", "warning", "tar", detail, "Install the distribution's own tar.")
    return Line("tar", "ok", "tar", f"{version}, with access control lists and attributes.")


def _needed(key: str, apt: str, dnf: str) -> "Ask":
    def ask(found: Found) -> Line:
        if key in found.tools:
            return Line(key, "ok", key, "Installed.")
        return Line(key, "failed", key, "Not installed.", found.install(apt, dnf))

    return ask


def _compressor(found: Found) -> Line:
    title = "Compression"
    other = " zstd is there, too." if "zstd" in found.tools else " zstd is not installed."
    if "igzip" in found.tools:
        return Line("compressor", "ok", title, "igzip, the fastest for .tar.gz." + other)
    remedy = found.install("isal", "isa-l-tools  # from EPEL")
    if "pigz" in found.tools:
        detail = "pigz. igzip would be about six times as fast on the same cores."
        return Line("compressor", "warning", title, detail + other, remedy)
    if "gzip" in found.tools:
        detail = "gzip. igzip would be about fourteen times as fast."
        return Line("compressor", "warning", title, detail + other, remedy)
    return Line("compressor", "failed", title, "No gzip." + other, found.install("gzip"))


def _hash(found: Found) -> Line:
    if "openssl" in found.tools:
        return Line("hash", "ok", "SHA-256", "openssl.")
    if "sha256sum" in found.tools:
        detail = "sha256sum. openssl would be about four times as fast."
        return Line("hash", "warning", "SHA-256", detail, found.install("openssl"))
    return Line("hash", "failed", "SHA-256", "No tool for it.", found.install("openssl"))


def _curl(found: Found) -> Line:
    if "curl" in found.tools:
        return Line("curl", "ok", "curl", "Installed.")
    detail = "Not installed; uploads to a vault will need it."
    return Line("curl", "warning", "curl", detail, found.install("curl"))


def _directory(found: Found) -> Line:
    title, root, above = "Backup directory", found.root, found.said.get("above", "/")
    kind = found.said.get("directory", "hidden")
    if "above_unsafe" in found.said:
        detail = f"{above} is writable for all without a sticky bit: anybody may replace {root}."
        return Line("directory", "failed", title, detail, f"chmod +t {above}")
    if kind == "ours":
        return Line("directory", "ok", title, f"{root} is there.")
    if kind == "absent" and "above_writable" in found.said:
        return Line("directory", "ok", title, f"{root} will be created.")
    wrong = {
        "link": f"{root} is a symbolic link: whoever made it chooses where backups go.",
        "foreign": f"{root} belongs to {found.said.get('owner', 'somebody else')}.",
        "other": f"{root} is not a directory.",
        "readonly": f"{root} cannot be written to.",
        "absent": f"{root} cannot be created: {above} is not writable.",
    }
    remedy = "Choose another directory, such as /var/backups/cloudpilot from the set-up command."
    detail = wrong.get(kind, f"{root} cannot be reached.")
    return Line("directory", "failed", title, detail, remedy)


def _space(found: Found) -> Line:
    title = "Free space"
    inodes = found.numbers("inodes")
    detail = f"{found.free / 1000**3:.1f} GB on {found.said.get('file_system', 'unknown')}."
    if len(inodes) == 2 and inodes[1] and inodes[0] < 100:
        return Line(
            "space", "failed", title, f"{detail} No inodes are left.", "Delete small files."
        )
    if found.free < SPACE_AT_LEAST:
        return Line("space", "warning", title, detail, "Free space or choose a larger disk.")
    return Line("space", "ok", title, detail)


def _trap(found: Found) -> str | None:
    """Why this directory does not keep what is put there; None if it does."""
    if found.said.get("file_system") in IN_MEMORY:
        return f"{found.root} is in memory: it is lost at every reboot and fills the server's RAM."
    emptied, age = tmpfiles.fate(found.rules, found.root)
    if emptied:
        return f"{found.root} is emptied at every boot."
    if age is not None and age < found.retention_days * 86400:
        days = f"{age / 86400:g}"
        return f"Files in {found.root} are removed after {days} days; backups are to stay longer."
    return None


def _keeps(found: Found) -> Line:
    trap = _trap(found)
    if trap is None:
        return Line("trap", "ok", "Keeps files", "Nothing is known to clean the backup directory.")
    return Line("trap", "warning", "Keeps files", trap, "Choose /var/backups/cloudpilot.")


def _version(text: str) -> tuple[int, ...]:
    """The first version number in a text.

    >>> _version("tar (GNU tar) 1.34"), _version("5.2.15(1)-release"), _version("?")
    ((1, 34), (5, 2, 15), ())
    """
    match = re.search(r"\d+(?:\.\d+)+", text)
    return tuple(int(part) for part in match[0].split(".")) if match else ()


Ask = Callable[[Found], Line]
ASKED: tuple[Ask, ...] = (
    _system,
    _user,
    _clock,
    _bash,
    _tar,
    _needed("perl", "perl", "perl-interpreter"),
    _needed("gzip", "gzip", "gzip"),
    _compressor,
    _hash,
    _needed("setsid", "util-linux", "util-linux"),
    _curl,
    _directory,
    _space,
    _keeps,
)

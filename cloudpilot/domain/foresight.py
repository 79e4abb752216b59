"""What a scheduled backup will fail on, told a day before: decided from what is known. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cloudpilot.catalogue import by_code
from cloudpilot.kinds import Method
from cloudpilot.sizes import human_bytes as human

SPARE = 64 * 1024 * 1024  # bytes that stay free on a disk, see room.sh
SPARE_INODES = 100
SOON = 7  # days
SKEW_AT_MOST = 86_400  # seconds: certificates count for days
DAY = 86_400

# Lines of a Check without which no backup can be made, and the code that it would end in.
NEEDED: Mapping[str, str] = {
    "bash": "TOOL_MISSING",
    "tar": "TOOL_MISSING",
    "needed": "TOOL_MISSING",
    "compressor": "TOOL_MISSING",
    "hash": "TOOL_MISSING",
    "directory": "BACKUP_DIR_UNSAFE",
    "privilege": "PRIVILEGE_MISSING",
    "linger": "RUN_LOST",
}
OF_PATHS: Mapping[str, tuple[str, str]] = {
    "absent": ("PATH_MISSING", "{} is not there."),
    "link": ("PATH_IS_LINK", "{} is a link now."),
    "closed": ("PERMISSION_DENIED", "{} cannot be read."),
}
LESS = "Free space there, keep fewer days of backups on the server, or choose a larger disk."
INSTALL = "Install it: `apt-get install {0}`, or `dnf install {0}`."


@dataclass(frozen=True, slots=True)
class Doubt:
    """What stands in the way of a backup: a code of the catalogue, a sentence, what to do.

    level  failed: it will not be made; warning: that is not far
    """

    code: str
    sentence: str
    remedy: str
    level: str = "failed"


@dataclass(frozen=True, slots=True)
class Next:
    """The next backup of a schedule.

    paths      that it is of; databases: the ids of its logins
    size       bytes that it will take in the backup directory, None: nothing tells; basis: what
               that is taken from
    whole      bytes of its archive, for the vault; None: nothing tells
    inodes     that it takes there
    tools      names of programs that it takes beside those of all
    vault      the id of where it goes, "" if it stays; most: bytes that an object may have there
    """

    paths: Sequence[str] = ()
    databases: Sequence[str] = ()
    root: str = ""
    method: Method = Method.ARCHIVE
    size: int | None = None
    basis: str = ""
    whole: int | None = None
    inodes: int = 0
    tools: Sequence[str] = ()
    vault: str = ""
    vault_name: str = ""
    vault_lines: Sequence[Mapping[str, Any]] = ()
    is_vault_gone: bool = False
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Ground:
    """What a server's last Check has found.

    lines  of the Check; facts: see engine.facts and jobs.foresight
    free   bytes in the backup directory at this Check and those before, as (when, bytes)
    """

    lines: Sequence[Mapping[str, Any]] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    free: Sequence[tuple[datetime, int]] = ()

    def failed(self, key: str) -> Mapping[str, Any] | None:
        """The line of that key, if it has failed."""
        return next((one for one in self.lines if one["key"] == key and _is_bad(one)), None)


def doubts(backup: Next, ground: Ground) -> list[Doubt]:
    """All that is known to stand in its way, what will fail it before what may."""
    found = [
        *_of_server(ground),
        *_of_tools(backup, ground),
        *_of_paths(backup, ground),
        *_of_databases(backup, ground),
        *_of_room(backup, ground),
        *_of_vault(backup, ground),
    ]
    return sorted(found, key=lambda doubt: doubt.level != "failed")


def days_left(free: Sequence[tuple[datetime, int]], needed: int) -> float | None:
    """In how many days there will be less than `needed` bytes, going on as until now; None if it
    does not become less, or too little is known: less than three Checks, or than two days.

    free  as Ground has it, any order
    """
    known = sorted(free)
    if len(known) < 3 or (known[-1][0] - known[0][0]).total_seconds() < 2 * DAY:
        return None
    # The line that lies nearest to all of them: one large file more or less is no trend.
    days = [(at - known[-1][0]).total_seconds() / DAY for at, _ in known]
    middle, level = sum(days) / len(days), sum(size for _, size in known) / len(known)
    spread = sum((day - middle) ** 2 for day in days)
    slope = sum((day - middle) * (size - level) for day, (_, size) in zip(days, known, strict=True))
    if slope >= 0:
        return None
    return max(0.0, (known[-1][1] - needed) / (-slope / spread))


def _of_server(ground: Ground) -> Iterable[Doubt]:
    for key, code in NEEDED.items():
        if line := ground.failed(key):
            yield Doubt(code, line["detail"], line["remedy"] or by_code(code).remedy)


def _of_tools(backup: Next, ground: Ground) -> Iterable[Doubt]:
    there = ground.facts.get("tools")
    if there is None:  # an older Check did not ask
        return
    for tool in backup.tools:
        if tool not in there:
            said = f"{tool} is not installed there, or too old."
            yield Doubt("TOOL_MISSING", said, INSTALL.format(tool))


def _of_paths(backup: Next, ground: Ground) -> Iterable[Doubt]:
    kinds = ground.facts.get("paths", {})
    for path in backup.paths:
        if known := OF_PATHS.get(kinds.get(path, "")):
            code, sentence = known
            yield Doubt(code, sentence.format(path), by_code(code).remedy)


def _of_databases(backup: Next, ground: Ground) -> Iterable[Doubt]:
    for database in backup.databases:
        if line := ground.failed(f"database:{database}"):
            code = line.get("code") or "DB_UNREACHABLE"
            yield Doubt(code, f"{line['title']}: {line['detail']}", line["remedy"])


def _of_room(backup: Next, ground: Ground) -> Iterable[Doubt]:
    free, inodes = ground.facts.get("room"), ground.facts.get("inodes")
    if not isinstance(free, int):
        return
    needed = (backup.size or 0) + SPARE
    if free < needed:
        because = f" ({backup.basis})" if backup.size is not None else ""
        said = f"It needs about {human(needed)} in {backup.root}{because}; {human(free)} is free."
        yield Doubt("DISK_FULL", said, LESS)
    elif (left := days_left(ground.free, needed)) is not None and left < SOON:
        when = "within a day" if left < 1 else f"in about {left:.0f} days"
        said = f"It takes about {human(needed)} in {backup.root}, and {human(free)} is free: going"
        yield Doubt(
            "DISK_FULL", f"{said} on like this there is too little {when}.", LESS, "warning"
        )
    if isinstance(inodes, int) and inodes < backup.inodes + SPARE_INODES:
        needed = backup.inodes + SPARE_INODES
        said = f"It needs about {needed:,} inodes in {backup.root}; {inodes:,} are free."
        yield Doubt("DISK_FULL", said, LESS)


def _of_vault(backup: Next, ground: Ground) -> Iterable[Doubt]:
    if backup.is_vault_gone:
        said = "The vault that it goes to was removed."
        yield Doubt("VAULT_MISSING", said, "Choose another one in the schedule.")
    if not backup.vault:
        return
    line = next((one for one in backup.vault_lines if _is_bad(one)), None)
    if line:
        code = line.get("code") or "VAULT_UNREACHABLE"
        yield Doubt(
            code, f"The vault {backup.vault_name} fails its check: {line['detail']}", line["remedy"]
        )
    elif line := ground.failed(f"vault_{backup.vault}"):
        yield Doubt("VAULT_UNREACHABLE", line["detail"], line["remedy"])
    if backup.most is not None and backup.whole is not None and backup.whole > backup.most:
        said = f"About {human(backup.whole)} are to go to {backup.vault_name}, which takes"
        said = f"{said} {human(backup.most)} at most."
        yield Doubt("TOO_LARGE_FOR_VAULT", said, by_code("TOO_LARGE_FOR_VAULT").remedy)
    skew = ground.facts.get("skew", 0)
    if abs(skew) > SKEW_AT_MOST:
        said = f"The server's clock is {abs(skew) / DAY:.0f} days off: it may not trust the vault."
        yield Doubt("VAULT_UNREACHABLE", said, "`timedatectl set-ntp true`", "warning")


def _is_bad(line: Mapping[str, Any]) -> bool:
    return bool(line["level"] == "failed")

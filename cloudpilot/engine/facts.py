"""Checking a server: everything that a backup needs is asked at once, and judged line by line."""

import time
from dataclasses import dataclass
from typing import Any

from cloudpilot.engine import suggestions
from cloudpilot.engine.doctor import databases, machine, place, privilege, tools
from cloudpilot.engine.doctor.line import Ask, Line
from cloudpilot.engine.findings import FACTS, Asked, Found, Last, read
from cloudpilot.engine.program import Program
from cloudpilot.engine.ssh import Session
from cloudpilot.kinds import Privilege

PROBE_SECONDS = 25

ASKED: tuple[Ask, ...] = (
    machine.reach,
    machine.system,
    privilege.privilege,
    machine.clock,
    machine.shell,
    machine.goes_on,
    tools.bash,
    tools.tar,
    tools.needed,
    tools.compressor,
    tools.hashing,
    tools.trees,
    tools.optional,
    place.directory,
    place.space,
    place.keeps,
    databases.mysql,
    databases.postgresql,
)


@dataclass(frozen=True, slots=True)
class Checkup:
    """Lines for people; facts for forms and decisions: numbers in bytes and seconds."""

    lines: tuple[Line, ...]
    facts: dict[str, Any]


def check(
    session: Session,
    backup_root: str,
    *,
    privilege: Privilege = Privilege.PLAIN,
    retention_days: int = 30,
    login_seconds: float = 0.0,
    last: Last | None = None,
) -> Checkup:
    """Ask the server about everything that a backup needs; changes nothing there.

    retention_days  how long backups are to stay, for folders that are cleaned by age
    login_seconds   how long it took to open the session
    last            the largest of the last backups of its sites
    """
    answer = session.run(probe(backup_root, privilege), timeout=PROBE_SECONDS)
    asked = Asked(backup_root, privilege, retention_days, time.time(), login_seconds, last)
    return judge(read(answer, asked))


def probe(backup_root: str, privilege: Privilege) -> Program:
    """What asks the server, in one go."""
    questions = tuple(f"{fact.name}={fact.command}" for fact in FACTS if fact.command)
    return Program("probe", (backup_root, privilege.value, *questions))


def judge(found: Found) -> Checkup:
    """Every line that there is something to say for, and the facts behind them."""
    facts: dict[str, Any] = {
        "os": found["os"] or "",
        "user": found["user"] or "",
        "free": found.free,
        "room": found.free if found["blocks"] else None,  # None: nobody knows
        "inodes": place.inodes(found),
        "tools": tools.usable(found),
        "file_system": found["file_system"] or "",
        "rsync": tools.rsync_of_trees(found),
        "skew": machine.clock_skew(found),
        "root": found.asked.root,
        "trap": place.trap(found),
        "alternative": found["alternative"],
        "databases": databases.running(found),
        "sites": suggestions.sites(
            found["site"], sees_all=found.asked.privilege is not Privilege.PLAIN
        ),
        "sites_cut_off": "sites" in found["unfinished"],
    }
    lines = (ask(found) for ask in ASKED)
    return Checkup(tuple(line for line in lines if line), facts)

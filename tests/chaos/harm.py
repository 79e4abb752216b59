"""Killing, and what the platform does afterwards: it starts again what it finds dead."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.chaos.cells import Kill, Victim, Way
from tests.chaos.lane import Lane
from tests.support.panel import below
from tests.support.proxy import Proxy
from tests.support.until import pause

NUMBERS = {Way.TERM: signal.SIGTERM, Way.KILL: signal.SIGKILL}
GRACE = 10  # seconds between TERM and KILL: as platforms do it, only sooner
GONE = 0  # the parent and group of who has ended
DEAD = (0.0, 2.0)  # seconds until it is started again
FROZEN = (0.5, 6.0)  # seconds for which nothing passes before a connection is cut


def do(lane: Lane, kill: Kill) -> int:
    """Kill, and start again; returns how many processes or connections it has hit."""
    chance = random.Random(kill.seed)
    if kill.cell.way is Way.CUT:
        return _cut(CONNECTIONS[kill.cell.victim](lane), chance)
    return PROCESSES[kill.cell.victim](lane, NUMBERS[kill.cell.way], chance)


def _cut(proxies: list[Proxy], chance: random.Random) -> int:
    """Nothing passes for a while, nobody is told; then all of these connections end."""
    for proxy in proxies:
        proxy.freeze()
    pause(chance.uniform(*FROZEN))
    hit = sum(proxy.cut() for proxy in proxies)
    for proxy in proxies:
        proxy.thaw()
    return hit


def _panel(name: str) -> Callable[[Lane, int, random.Random], int]:
    def kill(lane: Lane, number: int, chance: random.Random) -> int:
        processes = lane.world.processes
        all_ = [processes.pid(name), *processes.children(name)]
        if number == signal.SIGKILL:
            processes.kill(name)
        else:
            _ended(lane, name)
        pause(chance.uniform(*DEAD))
        processes.start(name)
        return len(all_)

    return kill


def _ended(lane: Lane, name: str) -> None:
    """TERM to all of its processes, and KILL to those that are there after a while."""
    processes = lane.world.processes
    first = processes.pid(name)
    all_ = {first, *processes.children(name)}
    _signal(all_, signal.SIGTERM)
    deadline = time.monotonic() + GRACE
    while time.monotonic() < deadline and any(map(_is_alive, all_)):
        all_ |= set(below(first))
        pause(0.05)
    _signal(filter(_is_alive, all_ - {first}), signal.SIGKILL)  # with what has lost its parent
    processes.kill(name)


def _horse(lane: Lane, number: int, _chance: random.Random) -> int:
    """Processes that a worker has forked for one job; it starts others by itself."""
    processes = lane.world.processes
    workers = [
        pid for pid in processes.children("worker") if _parent(pid) != processes.pid("worker")
    ]
    return _signal(workers, number)


def _part(name: str) -> Callable[[Lane, int, random.Random], int]:
    def kill(lane: Lane, number: int, chance: random.Random) -> int:
        part = getattr(lane, name)
        part.kill(number)
        pause(chance.uniform(*DEAD))
        part.start()
        return 1

    return kill


def _ssh(lane: Lane, number: int, _chance: random.Random) -> int:
    return _signal(_sessions(lane), number)


def _remote(lane: Lane, number: int, _chance: random.Random) -> int:
    """Each run's process group."""
    groups = {_group(pid) for pid in _working(lane)} - {GONE, os.getpgrp()}
    hit = 0
    for group in groups:
        done = subprocess.run(["kill", f"-{number}", "--", f"-{group}"], check=False)
        hit += done.returncode == 0
    return hit


def _server(lane: Lane, number: int, chance: random.Random) -> int:
    """It is switched off and on again: all that works there, its sessions, and sshd."""
    sshd = lane.world.sshd
    sessions = _sessions(lane)
    sshd.stop()
    hit = _signal([*sessions, *_working(lane)], number)
    pause(chance.uniform(*DEAD))
    _signal([*sessions, *_working(lane)], signal.SIGKILL)  # at the end nothing is on
    sshd.start()
    return hit


PROCESSES: dict[Victim, Callable[[Lane, int, random.Random], int]] = {
    Victim.WEB: _panel("web"),
    Victim.WORKER: _panel("worker"),
    Victim.HORSE: _horse,
    Victim.CLOCK: _panel("clock"),
    Victim.REDIS: _part("redis"),
    Victim.POSTGRESQL: _part("postgres"),
    Victim.SSH: _ssh,
    Victim.REMOTE: _remote,
    Victim.SERVER: _server,
}
CONNECTIONS: dict[Victim, Callable[[Lane], list[Proxy]]] = {
    Victim.WEB: lambda lane: lane.panel["web"],
    Victim.WORKER: lambda lane: [*lane.panel["worker"], lane.ssh],
    Victim.CLOCK: lambda lane: lane.panel["clock"],
    Victim.REDIS: lambda lane: [proxies[1] for proxies in lane.panel.values()],
    Victim.POSTGRESQL: lambda lane: [proxies[0] for proxies in lane.panel.values()],
    Victim.SSH: lambda lane: [lane.ssh],
    Victim.REMOTE: lambda lane: [lane.vault],
    Victim.SERVER: lambda lane: [lane.ssh, lane.vault],
}


def _sessions(lane: Lane) -> list[int]:
    return [pid for pid in below(lane.world.sshd.pid) if _name(pid).startswith("sshd")]


def _working(lane: Lane) -> list[int]:
    """Processes of runs in the lane's backup directory; not the sessions that look at them."""
    root = f"{lane.world.root}/"
    return [pid for pid in _all() if _in_run(pid) and str(_cwd(pid)).startswith(root)]


def _in_run(pid: int) -> bool:
    try:
        return b"CLOUDPILOT_RUN=" in Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False


def _signal(pids: Iterable[int], number: int) -> int:
    hit = 0
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
        hit += 1
    return hit


def _all() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").glob("[0-9]*")]


def _cwd(pid: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/cwd").readlink())
    except OSError:
        return ""


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ["Z", str(GONE), str(GONE)]


def _is_alive(pid: int) -> bool:
    return _stat(pid)[0] != "Z"


def _parent(pid: int) -> int:
    return int(_stat(pid)[1])


def _group(pid: int) -> int:
    return int(_stat(pid)[2])

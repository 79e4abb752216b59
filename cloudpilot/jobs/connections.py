"""Open SSH sessions, one a server, kept while they are used."""

import resource
import time
from dataclasses import dataclass, field
from threading import Lock
from uuid import UUID

from cloudpilot.engine.ssh import Session
from cloudpilot.jobs.on_server import Login, opened

IDLE_SECONDS = 60
BUSY_SECONDS = 12  # who was used since may be in use: nearly every look takes less
AT_MOST = 2000  # about 75 kB each
FILES_BESIDE = 700  # open files that are no kept connections: of looks under way, of the database


@dataclass(slots=True)
class _Open:
    who: Login
    ssh: Session
    used_at: float  # time.monotonic
    opened_at: float = field(default_factory=time.monotonic)


class Connections:
    """A cache that any thread may ask; a server whose row has changed gets a new session."""

    def __init__(self) -> None:
        self._open: dict[UUID, _Open] = {}
        self._lock = Lock()

    def get(self, who: Login) -> Session:
        """A session for `who`; raises what engine.connecting.connect raises."""
        if ssh := self._known(who):
            return ssh
        self.forget(who.server_id)
        ssh = opened(who)  # not under the lock: a dead host takes seconds
        if first := self._known(who):
            ssh.close()  # another thread was faster
            return first
        with self._lock:
            self._open[who.server_id] = _Open(who, ssh, time.monotonic())
        return ssh

    def _known(self, who: Login) -> Session | None:
        with self._lock:
            known = self._open.get(who.server_id)
            if known and known.who == who and known.ssh.alive:
                known.used_at = time.monotonic()
                return known.ssh
        return None

    def has(self, server_id: UUID) -> bool:
        """Whether one is open, or was until a moment ago."""
        return server_id in self._open

    def forget(self, server_id: UUID) -> None:
        """Close the session of that server, if there is one."""
        with self._lock:
            known = self._open.pop(server_id, None)
        if known:
            known.ssh.close()

    def close_idle(self) -> None:
        """Close what nobody has used for a while; and if there are too many, those that came last.

        All are asked in turn: were it those that were not used for longest, each would be closed
        just before its turn.
        """
        now = time.monotonic()
        with self._lock:
            at_rest = [
                (known.opened_at, server_id, now - known.used_at)
                for server_id, known in self._open.items()
                if now - known.used_at > BUSY_SECONDS
            ]
            excess = len(self._open) - most()
        at_rest.sort(reverse=True)
        for number, (_, server_id, idle) in enumerate(at_rest):
            if number < excess or idle > IDLE_SECONDS:
                self.forget(server_id)


def most() -> int:
    """How many sessions may be kept open, by what this process may have open at all."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:  # which is a negative number
        return AT_MOST
    return min(AT_MOST, max(FILES_BESIDE // 2, files - FILES_BESIDE))

"""Open SSH sessions, one a server, kept while they are used."""

import time
from dataclasses import dataclass
from threading import Lock
from uuid import UUID

from cloudpilot.engine.ssh import Session
from cloudpilot.jobs.on_server import Login, opened

IDLE_SECONDS = 60
AT_MOST = 1000


@dataclass(slots=True)
class _Open:
    who: Login
    ssh: Session
    used_at: float  # time.monotonic


class Connections:
    """A cache that any thread may ask; a server whose row has changed gets a new session."""

    def __init__(self) -> None:
        self._open: dict[UUID, _Open] = {}
        self._lock = Lock()

    def get(self, who: Login) -> Session:
        """A session for `who`; raises what engine.ssh.connect raises."""
        with self._lock:
            known = self._open.get(who.server_id)
        if known and known.who == who and known.ssh.alive:
            known.used_at = time.monotonic()
            return known.ssh
        self.forget(who.server_id)
        ssh = opened(who)  # not under the lock: a dead host takes seconds
        with self._lock:
            self._open[who.server_id] = _Open(who, ssh, time.monotonic())
        return ssh

    def forget(self, server_id: UUID) -> None:
        """Close the session of that server, if there is one."""
        with self._lock:
            known = self._open.pop(server_id, None)
        if known:
            known.ssh.close()

    def close_idle(self) -> None:
        """Close what nobody has used for a while, and the oldest if there are too many."""
        now = time.monotonic()
        with self._lock:
            by_age = sorted(self._open.items(), key=lambda item: item[1].used_at)
        excess = len(by_age) - AT_MOST
        for number, (server_id, known) in enumerate(by_age):
            if number < excess or now - known.used_at > IDLE_SECONDS:
                self.forget(server_id)

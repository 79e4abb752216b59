"""A real S3 server of our own: Ceph's gateway over one monitor and one store in memory.

All of them are private processes of a plain user on loopback; nothing outlives the block.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

from tests.support.ports import free_port, wait_for
from tests.support.postgres import as_plain_user
from tests.support.until import until

PROGRAMS = ("radosgw", "radosgw-admin", "ceph-mon", "ceph-osd", "ceph-authtool", "monmaptool")
CONFIG = """\
[global]
fsid = {fsid}
mon host = v2:127.0.0.1:{mon_port}
mon initial members = a
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
keyring = {home}/keyring
run dir = {home}
admin socket =
log file = {home}/$name.log
log to stderr = false
pid file =
ms bind ipv6 = false
public network = 127.0.0.0/8
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
mon allow pool size one = true
mon warn on pool no redundancy = false
osd crush chooseleaf type = 0
osd objectstore = memstore
memstore device bytes = {room}
osd data = {home}/osd
osd heartbeat grace = 600
mon data = {home}/mon
mon data avail crit = 1
mon data avail warn = 2
paxos propose interval = 0.02
mon osd min down reporters = 10
debug ms = 0
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:{port}
rgw data = {home}/rgw
rgw dns name = localhost
rgw thread pool size = 32
rgw enable ops log = false
rgw enable usage log = false
rgw cache enabled = true
rgw gc max objs = 7
rgw gc obj min wait = 10
rgw gc processor period = 10
rgw lc max objs = 1
rgw num rados handles = 1
rgw enable apis = s3, admin
rgw run sync thread = false
"""


@dataclass(frozen=True)
class Rgw:
    """One that runs: its address and a user of it."""

    port: int
    key_id: str
    secret: str
    user: Callable[[str], "Rgw"] | None = None  # the same gateway for another user, who is made

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def is_here() -> bool:
    """Whether it is installed."""
    return all(shutil.which(program, path=_path()) for program in PROGRAMS)


@contextmanager
def running(room: int = 3 * 2**30) -> Iterator[Rgw]:
    """An empty gateway with one user; takes some seconds to start.

    room  bytes of memory; what was deleted keeps its own for some seconds. A store that is full
          does not say no: it lets everybody wait.
    """
    with TemporaryDirectory(prefix="cp-rgw-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        cluster = _Cluster(home, room)
        try:
            cluster.start()
            yield cluster.gateway()
        finally:
            cluster.stop()


class _Cluster:
    def __init__(self, home: Path, room: int) -> None:
        self._home, self._room = home, room
        self._run: dict[str, Any] = as_plain_user(str(home))
        self._mon_port, self._port = free_port(), free_port()
        self._fsid = str(uuid4())
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        for name in ("mon", "osd", "rgw"):
            (self._home / name).mkdir()
        values = {"fsid": self._fsid, "home": self._home, "room": self._room}
        config = CONFIG.format(mon_port=self._mon_port, port=self._port, **values)
        (self._home / "conf").write_text(config)
        as_plain_user(str(self._home))
        for path in self._home.iterdir():
            if self._run:
                os.chown(path, self._run["user"], self._run["group"])
        self._monitor()
        self._store()

    def gateway(self) -> Rgw:
        owner = self._user("panel")
        self._start("radosgw", "-n", "client.rgw")
        wait_for(self._port)
        return owner

    def _user(self, name: str) -> Rgw:
        about = {
            "uid": name,
            "display-name": name,
            "access-key": f"{name.upper()}{uuid4().hex[:12].upper()}",
            "secret-key": f"a-secret-of-the-tests-{uuid4().hex}/+x=",
        }
        words = [f"--{word}={value}" for word, value in about.items()]
        user = json.loads(self._call("radosgw-admin", "-n", "client.rgw", "user", "create", *words))
        [key] = user["keys"]
        return Rgw(self._port, key["access_key"], key["secret_key"], self._user)

    def _monitor(self) -> None:
        keyring, monmap = self._home / "keyring", self._home / "monmap"
        everything = [
            "--cap",
            "mon",
            "allow *",
            "--cap",
            "osd",
            "allow *",
            "--cap",
            "mgr",
            "allow *",
        ]
        for name in ("mon.", "client.admin", "osd.0", "client.rgw"):
            create = [] if keyring.exists() else ["--create-keyring"]
            self._call("ceph-authtool", keyring, *create, "--gen-key", "-n", name, *everything)
        address = f"[v2:127.0.0.1:{self._mon_port}]"
        make = ["--create", "--addv", "a", address, "--fsid", self._fsid, monmap]
        self._call("monmaptool", "--enable-all-features", *make, configured=False)
        self._call("ceph-mon", "--mkfs", "-i", "a", "--monmap", monmap, "--keyring", keyring)
        self._start("ceph-mon", "-f", "-i", "a")
        wait_for(self._mon_port)

    def _store(self) -> None:
        uuid = str(uuid4())
        self._call("ceph", "osd", "new", uuid)
        self._call("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", uuid)
        self._start("ceph-osd", "-f", "-i", "0")
        until(lambda: self._call("ceph", "osd", "stat"), lambda said: "1 up" in said)

    def stop(self) -> None:
        for process in reversed(self._processes):
            process.kill()  # nothing of it is kept
            process.wait()

    def _call(self, program: str, *words: object, configured: bool = True) -> str:
        done = subprocess.run(
            self._command(program, words, configured=configured),
            capture_output=True, check=False, timeout=60, text=True, **self._run,
        )  # fmt: skip
        assert done.returncode == 0, f"{program} {words}: {done.stderr}"
        return done.stdout

    def _start(self, program: str, *words: object) -> None:
        quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        command = self._command(program, words, configured=True)
        command.append("-f") if "-f" not in command else None
        self._processes.append(subprocess.Popen(command, **quiet, **self._run))

    def _command(self, program: str, words: tuple[object, ...], *, configured: bool) -> list[str]:
        config = ["-c", str(self._home / "conf")] if configured else []
        if program == "ceph-authtool":
            config = []
        found = shutil.which(program, path=_path()) or program
        return [found, *config, *map(str, words)]


def _path() -> str:
    return f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin"

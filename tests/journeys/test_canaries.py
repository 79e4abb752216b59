"""From a panel's first page to a removal its secrets are looked for wherever they could be seen.

The panel is real processes, the server a machine of its own with a real sshd. Each secret is a
canary from the moment that it is made: the panel's key, the set-up code, passwords, session tokens,
private keys, one-time links.
"""

import json
import os
import re
import subprocess
import sys
import zlib
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from subprocess import PIPE
from threading import Lock
from uuid import UUID, uuid4

import pytest
from flask import Flask
from redis import Redis
from sqlalchemy import select

from cloudpilot import ROOT
from cloudpilot.db import reading, transaction
from cloudpilot.domain import passwords, people
from cloudpilot.domain.copies import Offsite
from cloudpilot.domain.people import Person
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Server
from cloudpilot.domain.status import Status
from cloudpilot.kinds import VaultKind
from cloudpilot.secrets import Sealer, Secret
from cloudpilot.settings import Settings
from tests.support.canaries import Places, Sightings, files, processes, tables, watching
from tests.support.client import Client
from tests.support.machine import Machine, machine
from tests.support.panel import Processes, running
from tests.support.until import until
from tests.support.uploading import Store, found, of_kind

# Of this process's panels alone: other tests have them in the environments of theirs.
KEY, KEY_TO_BE = (f"cAnArY-{word}-key-of-the-panel-{uuid4().hex}" for word in ("secret", "next"))
CODE = "cAnArY-setup-code"
WRONG, FIRST, SECOND = (f"cAnArY-password-{word}" for word in ("wrong", "first", "second"))
GUEST, RESET, RESCUED = (f"cAnArY-password-{word}" for word in ("of-a-guest", "reset", "rescued"))
MISTYPED = "cAnArY-mistyped"
CONTROL = "cAnArY-the-servers-name"  # no secret: who looks must find it
PROGRAMS = ("web", "worker", "clock")
# How signed requests of the providers can be told: whoever reads one may write a part, or read.
SIGNATURES = {
    "signature, S3": "X-Amz-Signature=",
    "signature, Google": "X-Goog-Signature=",
    "signature, Google's session": "upload_id=",
    "signature, Azure, to write": "&sr=b&sig=",
    "signature, Azure, to read": ".tar.gz&sig=",
}
ADDRESS = "signed address"  # of one store alone
DOWNLOAD = "an answer that leads to the vault"
AZURITE = "node"  # the provider itself, whose accounts are in its environment


class Panel:
    """All processes of a panel, and everything that is heard and seen of it."""

    def __init__(
        self, core: Flask, processes: Processes, server: Machine, environ: dict[str, str]
    ) -> None:
        self.core, self.processes, self.server = core, processes, server
        self.environ = environ | {"CLOUDPILOT_URL": processes.url}
        self._commands: set[int] = set()
        self._starting = Lock()  # held while a command begins and is not among them yet
        self.sightings = Sightings()
        words = {"key": KEY, "code": CODE, "wrong": WRONG, "first": FIRST, "second": SECOND}
        words |= {"guest": GUEST, "reset": RESET, "mistyped": MISTYPED, "control": CONTROL}
        words |= {"rescued": RESCUED, "next key": KEY_TO_BE}
        for name, value in words.items():
            self.sightings.plant(name, value)

    def client(self, *shown: str) -> Client:
        """A browser; `shown` are the canaries that its person is given to see."""

        def heard(path: str, headers: str, body: str) -> None:
            page, head = ("a page", "headers")
            if path.endswith("/download"):
                page = head = DOWNLOAD
            sessions = tuple(name for name in self.sightings.canaries if "session of" in name)
            self.sightings.look_through(page, body.encode(), but=shown)
            self.sightings.look_through(head, headers.encode(), but=(*shown, *sessions))

        return Client(self.processes.url, heard)

    def own(self) -> set[int]:
        """The processes that a platform configures by their environment."""
        with self._starting:
            return {self.processes.pid(name) for name in PROGRAMS} | self._commands

    def plant_session(self, client: Client, name: str) -> None:
        """The cookie that this browser was given, and the token inside."""
        cookies = {cookie.name: cookie.value or "" for cookie in client.cookies}
        cookie = cookies["cloudpilot"]
        self.sightings.plant(f"session of {name}, cookie", cookie)
        self.sightings.plant(f"session of {name}, token", _inside(cookie)["_user_id"])

    def plant_private_key(self, name: str) -> None:
        """The key that the panel has for its server now; its last lines are the private half."""
        sealer: Sealer = self.core.extensions["sealer"]
        with reading() as session:
            row = session.scalars(select(Server)).one()
        lines = sealer.open(row.private_key, row.key_place).reveal().split("\n")
        self.sightings.plant(f"private key, {name}", lines[3][:60])

    def rows(self) -> list[Run]:
        """All runs."""
        with reading() as session:
            return list(session.scalars(select(Run)))

    def done(self, *codes: str) -> None:
        """All that was asked for is over, and went well, or failed with one of these codes."""
        until(
            self.rows, lambda found: found and all(run.status.is_final for run in found), seconds=60
        )
        failed = [run for run in self.rows() if run.status is not Status.COMPLETED]
        assert [run for run in failed if run.error_code not in codes] == []

    def command(self, *words: str) -> str:
        """What a command of the panel's prints, with the key that is to be the panel's."""
        flask = [sys.executable, "-m", "flask", "--app", "wsgi", *words]
        environ = os.environ | self.environ | {"PYTHONPATH": str(ROOT)}
        environ |= {"CLOUDPILOT_SECRET_KEY": KEY_TO_BE, "CLOUDPILOT_SECRET_KEYS_OLD": KEY}
        with self._starting:
            command = subprocess.Popen(flask, cwd=ROOT, env=environ, stdout=PIPE, stderr=PIPE)
            self._commands.add(command.pid)
        said, complaint = command.communicate()
        assert command.returncode == 0, complaint.decode()
        return said.decode().strip()


@pytest.fixture
def panel(core: Flask, settings: Settings, tmp_path: Path) -> Iterator[Panel]:
    with transaction() as session:
        people.replace_setup_code(session, passwords.hashed(Secret(CODE)))
    core.extensions["sealer"] = Sealer(Secret(KEY), Secret(KEY_TO_BE))
    environ = {
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "CLOUDPILOT_SECRET_KEY": KEY,
        "CLOUDPILOT_SECRET_KEYS_OLD": KEY_TO_BE,
    }
    home, far = tmp_path / "panel", tmp_path / "server"
    home.mkdir()
    far.mkdir()
    with machine(far) as server, running(environ, home, *PROGRAMS) as started:
        yield Panel(core, started, server, environ)


def stored_in(redis: Redis) -> Places:
    """Everything in Redis, as it is there."""
    return lambda: {"Redis": b"".join(redis.dump(key) or b"" for key in redis.scan_iter())}


def area(page: str, name: str) -> str:
    """What the text area with that id holds."""
    found = re.search(rf'<textarea id="{name}"[^>]*>([^<]*)<', page)
    assert found, page
    return unescape(found[1]).strip()


def _inside(cookie: str) -> dict[str, str]:
    """What a cookie of Flask's says; it is signed, not encrypted."""
    payload = cookie.removeprefix(".").partition(".")[0]
    data = urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
    said: dict[str, str] = json.loads(zlib.decompress(data) if cookie.startswith(".") else data)
    return said


def become_owner(panel: Panel) -> Client:
    owner = panel.client()
    fields = {"name": "Ada", "email": "ada@example.com", "password": FIRST}
    # What was mistyped is shown again to who has typed it, to be corrected.
    panel.client("mistyped").send("/setup", status=422, **fields, code=MISTYPED)
    owner.send("/setup", **fields, code=CODE)
    panel.plant_session(owner, "the owner, first")
    owner.send("/sign-out", "/")
    owner.send("/sign-in", status=422, email="ada@example.com", password=WRONG)
    panel.client("mistyped").send("/sign-in", status=422, email=MISTYPED, password=FIRST)
    owner.send("/sign-in", email="ada@example.com", password=FIRST)
    panel.plant_session(owner, "the owner")
    return owner


def prepare_server(panel: Panel, owner: Client, level: str) -> str:
    """A server with these rights, set up by the panel's own command; returns where its page is."""
    place = {"host": "127.0.0.1", "port": str(panel.server.sshd.port), "username": "cloudpilot"}
    place |= {"backup_root": "/var/backups/cloudpilot", "privilege": level}
    page = owner.send("/servers/new", name=CONTROL, **place)
    panel.plant_private_key("first")
    said = panel.server.as_root(area(owner.get(page), "setup-command"))
    shown = (panel.server.sshd.home / "host_key.pub").read_text().split()[1]
    assert shown  # the private sshd has host keys of its own: what it shows is what is pinned
    ready = re.sub(r"SHA256:\S+", panel.server.sshd.fingerprint, said.splitlines()[-1])
    owner.send(f"{page}/approve", page, host_keys=ready)
    panel.done()
    return page


def back_up(panel: Panel, owner: Client, page: str) -> None:
    """A site, what its patterns leave out, a backup, the end of the backup."""
    panel.server.as_root("mkdir -p /root/site && echo secret >/root/site/file")
    site = owner.send(
        f"{page}/sites/new", name="shop", paths="/root/site", excludes="*.log", compression="gzip"
    )
    owner.send(f"{site}/preview", site)
    panel.done()
    asked = {"retention_days": "7", "note": "", "accept_trap": "y"}  # the machine is in memory
    backup = owner.send(f"/backups/new?site={site.rpartition('/')[2]}", **asked)
    panel.done()
    for path in (backup, site, f"{page}/history", "/activity", "/backups", "/"):
        owner.get(path)
    owner.send(f"{backup}/delete")
    panel.done()


def change_keys(panel: Panel, owner: Client, page: str) -> None:
    """A host key is announced and called off; the panel's own key is changed."""
    approved = panel.server.sshd.fingerprint
    announced = approved[:-1] + ("E" if approved.endswith("A") else "A")
    owner.send(f"{page}/host-key", expected=announced)
    owner.send(f"{page}/host-key/cancel", page)
    owner.send(f"{page}/ssh-key", page)
    panel.done()
    panel.plant_private_key("second")
    owner.send(f"{page}/check", page)
    panel.done()


def invite(panel: Panel, owner: Client) -> None:
    """Somebody comes, forgets their password, and is given a new one."""
    given = owner.send("/people/invite", status=200, email="bob@example.com", role="member")
    link = area(given, "link").removeprefix(panel.processes.url)
    panel.sightings.plant("invitation", link.rpartition("/")[2])
    bob = panel.client("invitation", "reset link")
    bob.send(link, name="Bob", password=GUEST)
    panel.plant_session(bob, "a guest")
    with reading() as session:
        person = session.scalars(select(Person).where(Person.email == "bob@example.com")).one()
    given = owner.send(f"/people/{person.id}/reset-link", f"/people/{person.id}", status=200)
    link = area(given, "link").removeprefix(panel.processes.url)
    panel.sightings.plant("reset link", link.rpartition("/")[2])
    bob.send(link, password=RESET)
    panel.plant_session(bob, "a guest, after the reset")
    bob.get("/")


def change_password(panel: Panel, owner: Client) -> None:
    owner.send("/account/password", "/account", status=422, old=WRONG, password=SECOND)
    owner.send("/account/password", "/account", old=FIRST, password=SECOND)
    elsewhere = panel.client()
    elsewhere.send("/sign-in", email="ada@example.com", password=SECOND)
    panel.plant_session(elsewhere, "the owner elsewhere")
    owner.send("/account/sessions/end-others", "/account")
    elsewhere.get("/", 303)
    for path in ("/people", "/audit", "/audit/export", "/account", "/nothing-here-at-all"):
        owner.get(path, 404 if "nothing" in path else 200)


def stop_a_backup(panel: Panel, owner: Client, page: str) -> None:
    """One that waits for its compressor until it is stopped."""
    panel.server.as_root(
        "for tool in igzip pigz gzip; do printf '#!/bin/bash\\n"
        'while [ -e work/archive ]; do sleep 0.05; done\\nexec /usr/bin/%s "$@"\' $tool'
        " >/usr/local/bin/$tool; chmod 755 /usr/local/bin/$tool; done; mkdir -p /root/site"
    )
    fields = {"paths": "/root/site", "excludes": "", "compression": "gzip"}
    site = owner.send(f"{page}/sites/new", name="shop", **fields)
    asked = {"retention_days": "7", "note": "", "accept_trap": "y"}  # the machine is in memory
    owner.send(f"/backups/new?site={site.rpartition('/')[2]}", **asked)
    running = until(panel.rows, lambda rows: any(row.stage == "archive" for row in rows))
    run = next(row for row in running if row.stage == "archive")
    owner.get(f"/runs/{run.id}")
    owner.send(f"/runs/{run.id}/stop", f"/runs/{run.id}")
    panel.done("STOPPED")
    owner.get(f"/runs/{run.id}")


def meet_another_host_key(panel: Panel, owner: Client, page: str) -> None:
    """The server shows a key that nobody has announced: a hard stop, until it is compared."""
    panel.server.sshd.rekey()
    panel.server.reread()
    owner.send(f"{page}/check", page)
    panel.done("STOPPED", "HOST_KEY_CHANGED")
    shown = panel.server.sshd.fingerprint
    assert shown in owner.get(page)
    owner.send(f"{page}/approve-offered", page, fingerprint=shown, compared="y")
    panel.done("STOPPED", "HOST_KEY_CHANGED")


def rescue_owner(panel: Panel, owner: Client) -> None:
    """Nobody gets in any more, so the way back is printed on the panel's own machine."""
    owner.send("/sign-out", "/")
    link = panel.command("reset-owner").removeprefix(panel.processes.url)
    panel.sightings.plant("reset link of the command", link.rpartition("/")[2])
    rescued = panel.client("reset link of the command")
    rescued.send(link, password=RESCUED)
    owner.send("/sign-in", email="ada@example.com", password=RESCUED)
    panel.plant_session(owner, "the owner, rescued")


def seal_anew(panel: Panel) -> None:
    """All that is sealed is sealed under another secret key."""
    assert "sealed anew" in panel.command("reseal")
    panel.plant_private_key("sealed anew")


def paste_the_removal(panel: Panel, owner: Client, page: str) -> None:
    """The removing command, and the line that it ends with."""
    asked = f"{page}/uninstall?archives=keep"
    said = panel.server.as_root(area(owner.get(asked), "removing-command"))
    owner.send(f"{page}/uninstall/proof", asked, removed=said.splitlines()[-1], archives="keep")
    panel.done("STOPPED", "HOST_KEY_CHANGED")
    for path in ("/activity", "/servers", "/audit"):
        owner.get(path)


def of_secret(kind: VaultKind, secret: str) -> str:
    """What of a vault's secret is the same however it is quoted, and is no public half."""
    if kind is VaultKind.GCS:
        return str(json.loads(secret)["private_key"].split("\n")[12][:60])
    return secret.partition("/")[0].rstrip("=")


def keep_offsite(panel: Panel, owner: Client, page: str, store: Store) -> str:
    """A vault is refused, corrected and used, what is there read and deleted; returns its page."""
    where, secret = store.location, store.location.secret.reveal()
    for name, value in (("vault", secret), ("vault, wrong", store.wrong)):
        panel.sightings.plant(name, of_secret(where.kind, value))
    for name, value in SIGNATURES.items():
        panel.sightings.plant(name, value)
    new = f"/vaults/new?kind={where.kind}"
    fields = {"name": CONTROL, "bucket": where.bucket, "endpoint": where.endpoint, "region": ""}
    fields |= {"prefix": "panel", "key_id": where.key_id, "path_style": "y"}
    owner.send(new, status=422, **fields | {"bucket": "!"}, secret=secret)
    vault = owner.send(new, **fields, secret=store.wrong)
    panel.done()
    assert "VAULT_DENIED" in owner.get(vault)
    owner.send(f"{vault}/edit", **fields, secret=secret)
    panel.done()
    assert "VAULT_DENIED" not in owner.get(vault)
    back_up_there(panel, owner, page, vault)
    assert store.keys("panel/") == []
    return vault


def back_up_there(panel: Panel, owner: Client, page: str, vault: str) -> None:
    """A backup that is uploaded; every page that says something about it."""
    panel.server.as_root("mkdir -p /root/site && head -c 3000000 /dev/urandom >/root/site/file")
    to = {"vault_id": vault.rpartition("/")[2], "local": "stays", "local_days": "", "rate": ""}
    what = {"paths": "/root/site", "excludes": "", "compression": "gzip"}
    site = owner.send(f"{page}/sites/new", name="shop", **what, **to)
    asked = {"retention_days": "7", "note": "", "accept_trap": "y"}  # the machine is in memory
    backup = owner.send(f"/backups/new?site={site.rpartition('/')[2]}", **asked, **to)
    panel.done()
    row = found(UUID(backup.rpartition("/")[2]))
    assert row.offsite_status is Offsite.UPLOADED
    for run in panel.rows():
        owner.get(f"/runs/{run.id}")
    for path in (backup, vault, f"{vault}/edit", "/vaults", "/activity", "/audit/export", "/"):
        owner.get(path)
    [copy] = row.in_vaults()
    owner.get(f"{backup}/copies/{copy.id}/download", 302)
    owner.send(f"{backup}/delete")
    panel.done()
    owner.send(f"{site}/edit", **what | to | {"vault_id": ""}, name="shop")


def heard_and_written(panel: Panel, home: Path) -> tuple[Places, ...]:
    """What there is whatever the database is."""
    logs = (home / "panel" / f"{name}.log" for name in PROGRAMS)
    return (
        processes(panel.own),
        files(Path("/dev/shm"), home / "server" / "log", *logs),
        stored_in(panel.core.extensions["redis"]),
    )


def is_meant(name: str, place: str) -> bool:
    """Whether that canary belongs there."""
    if place.startswith("configuration of "):
        return name in {"key", "next key", "control"}
    if place == DOWNLOAD or place.startswith("/dev/shm/cloudpilot-"):
        # For its person; for the server's user while it uploads or fetches.
        return name in {*SIGNATURES, ADDRESS}
    return name == "control" or (name, place) == ("vault", f"environ of {AZURITE}")


def assert_silent(panel: Panel, *controls: str) -> None:
    """Nothing was seen, by somebody who sees; `controls`: where the control was to be seen."""
    assert {one for one in panel.sightings.seen if not is_meant(*one)} == set()
    assert panel.sightings.rounds > 20
    found = {Path(place).name for name, place in panel.sightings.seen if name == "control"}
    assert {"a page", *controls} <= found


@pytest.mark.on_postgresql
def test_no_secret_is_seen_when_things_go_otherwise(
    panel: Panel, settings: Settings, tmp_path: Path
) -> None:
    """A server that is only read, a stop, a foreign host key, the panel's commands; PostgreSQL."""
    url = settings.database_url
    server_log = files(Path(url.partition("host=")[2]) / "log")
    looked_through = (*heard_and_written(panel, tmp_path), tables(url), server_log)
    with watching(panel.sightings, *looked_through):
        owner = become_owner(panel)
        page = prepare_server(panel, owner, "read-all")
        stop_a_backup(panel, owner, page)
        meet_another_host_key(panel, owner, page)
        rescue_owner(panel, owner)
        seal_anew(panel)
        paste_the_removal(panel, owner, page)
        until(lambda: panel.sightings.rounds, lambda rounds: rounds > 20)
    assert_silent(panel, "the database")


def test_no_secret_is_seen_anywhere(panel: Panel, tmp_path: Path) -> None:
    database = files(*(tmp_path / f"panel.db{suffix}" for suffix in ("", "-wal")))
    with watching(panel.sightings, *heard_and_written(panel, tmp_path), database):
        owner = become_owner(panel)
        page = prepare_server(panel, owner, "full")
        back_up(panel, owner, page)
        change_keys(panel, owner, page)
        invite(panel, owner)
        change_password(panel, owner)
        owner.send(f"{page}/uninstall/now", f"{page}/uninstall")
        panel.done()
        until(lambda: panel.sightings.saw("control", "panel.db"), bool)
        until(lambda: panel.sightings.rounds, lambda rounds: rounds > 20)
    assert_silent(panel)


@pytest.fixture
def store(request: pytest.FixtureRequest) -> Store:
    """An empty bucket."""
    return of_kind(request.param, request.getfixturevalue)


@pytest.mark.parametrize(
    "store",
    [
        pytest.param(VaultKind.S3, marks=pytest.mark.on_postgresql),
        VaultKind.GCS,
        VaultKind.AZURE_BLOB,
    ],
    indirect=True,
)
def test_no_secret_of_a_vault_is_seen(
    store: Store, panel: Panel, settings: Settings, tmp_path: Path
) -> None:
    """Its key is seen nowhere, and requests that were signed with it only by whom they are for."""
    url, database = settings.database_url, files(tmp_path / "panel.db", tmp_path / "panel.db-wal")
    if not url.startswith("sqlite"):
        database = tables(url)
    with watching(panel.sightings, *heard_and_written(panel, tmp_path), database):
        owner = become_owner(panel)
        vault = keep_offsite(panel, owner, prepare_server(panel, owner, "full"), store)
        seal_anew(panel)
        owner.send(f"{vault}/check", vault)
        panel.done()
        owner.send(f"{vault}/remove")
        owner.get("/audit")
        until(lambda: panel.sightings.rounds, lambda rounds: rounds > 20)
    assert_silent(panel)
    assert {name for name, place in panel.sightings.seen if place == DOWNLOAD} & set(SIGNATURES)

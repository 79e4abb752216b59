"""The server of `make demo`: a real sshd on loopback, registered, with a site, a database where a
MariaDB is installed, an S3 vault of its own and a backup that goes there.

Started by bin/demo.py beside the panel's processes; stays until it is told to end.
"""

import os
import pwd
import secrets as randomness
import signal
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from bin import demo_backup, demo_database, demo_vault
from bin.demo_backup import ENDING, is_ending, say
from cloudpilot import create_core
from cloudpilot.db import reading, transaction
from cloudpilot.domain import passwords, people, scheduled, schedules, servers, sites
from cloudpilot.domain.servers import Server
from cloudpilot.domain.sites import Site
from cloudpilot.domain.vaults import Vault
from cloudpilot.jobs import enrolment
from cloudpilot.kinds import BackupType, Compression, Role
from cloudpilot.secrets import Secret
from cloudpilot.settings import Settings, from_environment
from tests.support.openssh import Sshd
from tests.support.redis import answers
from tests.support.until import until

EMAIL, SITE = "demo@example.com", "Python's library"


def main() -> None:
    """Set up what is missing, make a backup, say how it went, and serve until the end."""
    settings = from_environment(os.environ)
    home = settings.home or Path.cwd()  # bin/demo.py has set CLOUDPILOT_HOME
    until(lambda: answers(settings.redis_url), bool, seconds=20)
    sshd, store = _sshd(home / "server"), demo_vault.started(home / "vault")
    try:
        with demo_database.running() as shop:
            _show(settings, home, _Around(sshd, store, shop))
    finally:
        sshd.stop()
        store.stop()


@dataclass(frozen=True, slots=True)
class _Around:
    """What runs beside the panel."""

    sshd: Sshd
    store: demo_vault.Store
    shop: demo_database.Shop | None


def _show(settings: Settings, home: Path, around: _Around) -> None:
    """Register all of it, back up, and wait for the end."""
    app = create_core(settings)
    with app.app_context():
        password = _owner(home)
        server = _server(around.sshd, home)
        vault = demo_vault.registered(app, around.store)
        site = _site(server, vault)
        _schedule(site, vault)
        say(f"Server “{server.name}” is a private sshd at {server.host}:{server.port}.")
        say(f"Vault “{vault.name}” is a private S3 server at {vault.endpoint}.")
        if around.shop:
            say(f"Database “{demo_database.NAME}” is in a private MariaDB.")
            with transaction() as session:
                demo_database.registered(session, app, site, around.shop)
        say(f"Backing up {site.paths[0]} …")
        demo_backup.follow(demo_backup.ask(server, site))
    if not is_ending():
        _invite(settings, password)
    signal.sigwait(ENDING)
    with app.app_context():
        demo_backup.stop_what_runs()


def _sshd(home: Path) -> Sshd:
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # sshd, as root, insists on it
    home.mkdir(mode=0o700, exist_ok=True)
    sshd = Sshd(home, pwd.getpwuid(os.geteuid()).pw_name)
    sshd.start()
    return sshd


def _owner(home: Path) -> str:
    """The owner, and the password that is printed; kept for the next start of this demo alone."""
    file = home / "demo-password"
    with reading() as session:
        if people.has_owner(session):
            return file.read_text()
    password = randomness.token_urlsafe(9)
    password_hash = passwords.hashed(Secret(password))
    with transaction() as session:
        people.add(session, email=EMAIL, name="Demo", role=Role.OWNER, password_hash=password_hash)
        file.write_text(password)  # 0600: bin/demo.py has set the umask
    return password


def _server(sshd: Sshd, home: Path) -> Server:
    """The demo server's row; a later start has another port and other keys."""
    with transaction() as session:
        found = [server for server in servers.listed(session) if server.name == "demo"]
        server = found[0] if found else _enrol(session, sshd, home)
        server.host, server.port, server.username = "127.0.0.1", sshd.port, sshd.user
        server.approve(sshd.fingerprint)
        sshd.authorize(sshd.user, server.public_key)
    return server


def _enrol(session: object, sshd: Sshd, home: Path) -> Server:
    return enrolment.enrol(
        session,  # type: ignore[arg-type]
        name="demo",
        host="127.0.0.1",
        port=sshd.port,
        username=sshd.user,
        backup_root=str(home / "backups"),
    )


def _site(server: Server, vault: Vault) -> Site:
    """A real folder of this machine: the library that comes with Python."""
    with transaction() as session:
        found = [one for one in sites.listed(session, server.id) if one.name == SITE]
        if found:
            return found[0]
        site = Site(
            id=uuid4(),
            server_id=server.id,
            name=SITE,
            paths=[sysconfig.get_path("stdlib")],
            excludes=["__pycache__", "*.pyc"],
            compression=Compression.GZIP,
            vault_id=vault.id,
        )
        session.add(site)
    return site


def _schedule(site: Site, vault: Vault) -> None:
    """What has changed of it, every half hour; the first time soon after the start."""
    with transaction() as session:
        if scheduled.of_site(session, site.id):
            return
        columns = {
            "server_id": site.server_id,
            "site_id": site.id,
            "type": BackupType.FILES,
            "cron": "*/30 * * * *",
            "vault_id": vault.id,
            "incremental": True,
            "retention_days": 7,
            "keep_monthly": 12,
            "note": "made by make demo",
        }
        schedules.add(session, columns, None)


def _invite(settings: Settings, password: str) -> None:
    say(f"\nThe panel runs at {settings.url}")
    say(f"Sign in as {EMAIL} with the password {password}")
    say("Ctrl-C stops everything.")


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    main()

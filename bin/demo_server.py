"""The server of `make demo`: a real sshd on loopback, registered, with a site, a database where a
MariaDB is installed, an S3 vault of its own and a backup that goes there.

Started by bin/demo.py beside the panel's processes; stays until it is told to end.
"""

import os
import pwd
import secrets as randomness
import signal
import sysconfig
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

from bin import demo_database, demo_vault
from cloudpilot import create_core
from cloudpilot.db import reading, transaction
from cloudpilot.domain import (
    backups,
    databases,
    overview,
    passwords,
    people,
    requests,
    runs,
    servers,
    sites,
)
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import Offsite
from cloudpilot.domain.requests import Wish
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Server
from cloudpilot.domain.sites import Site
from cloudpilot.domain.status import Status
from cloudpilot.domain.vaults import Vault
from cloudpilot.errors import BackupInProgress, CloudPilotError
from cloudpilot.jobs import enrolment, queue, work
from cloudpilot.kinds import BackupType, Compression, Role
from cloudpilot.secrets import Secret
from cloudpilot.settings import Settings, from_environment
from cloudpilot.web.words import proof
from tests.support.openssh import Sshd
from tests.support.redis import answers
from tests.support.until import until

EMAIL = "demo@example.com"
LOOK_SECONDS = 0.5
ENDING = {signal.SIGTERM, signal.SIGINT}  # blocked: they are asked for where it can end


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
        say(f"Server “{server.name}” is a private sshd at {server.host}:{server.port}.")
        say(f"Vault “{vault.name}” is a private S3 server at {vault.endpoint}.")
        if around.shop:
            say(f"Database “{demo_database.NAME}” is in a private MariaDB.")
            with transaction() as session:
                demo_database.registered(session, app, site, around.shop)
        say(f"Backing up {site.paths[0]} …")
        _follow(_back_up(server, site))
    if not _is_ending():
        _invite(settings, password)
    signal.sigwait(ENDING)
    with app.app_context():
        _stop_what_runs()


def _is_ending() -> bool:
    return bool(signal.sigpending() & ENDING)


def say(text: str) -> None:
    """One line for the person who started the demo."""
    print(text, flush=True)


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
        found = sites.listed(session, server.id)
        if found:
            return found[0]
        site = Site(
            id=uuid4(),
            server_id=server.id,
            name="Python's library",
            paths=[sysconfig.get_path("stdlib")],
            excludes=["__pycache__", "*.pyc"],
            compression=Compression.GZIP,
            vault_id=vault.id,
        )
        session.add(site)
    return site


def _back_up(server: Server, site: Site) -> UUID:
    """The run of a new backup, or of one that an earlier demo has left under way."""
    with reading() as session:
        found = databases.of_site(session, site.id)
    wish = Wish(
        server,
        site,
        site.paths,
        site.excludes,
        site.compression,
        type=BackupType.FULL if found else BackupType.FILES,
        databases=found,
        note="made by make demo",
    )
    with suppress(BackupInProgress), transaction() as session:
        queue.ring(session, requests.check(session, server, by=None))
    try:
        with transaction() as session:
            run = requests.backup_now(session, wish, by=None)
            session.get_one(Backup, run.backup_id).vault_id = site.vault_id
            queue.ring(session, run)
    except BackupInProgress:
        run = next(run for run in _under_way() if run.claim == f"make:site:{site.id}")
    return run.id


def _under_way() -> list[Run]:
    """What is at work on the server now."""
    with reading() as session:
        return [run for run in overview.active_runs(session) if run.kind.is_on_server]


def _follow(run_id: UUID) -> None:
    """Print the progress as it changes, then the result."""
    shown = ""
    while not _is_ending():
        with reading() as session:
            run = runs.find(session, run_id)
            backup = backups.find(session, run.backup_id or run_id)
        goes_on = backup.offsite_status is Offsite.UPLOADING
        line = "completed, uploading" if run.status.is_final and goes_on else _progress(run)
        if line != shown:
            say(f"  {line}")
            shown = line
        if run.status.is_final and not goes_on:
            _result(backup)
            return
        time.sleep(LOOK_SECONDS)


def _stop_what_runs() -> None:
    """A real server would go on; this one ends with the demo."""
    for run in _under_way():
        with suppress(CloudPilotError):
            work.end(run)


def _progress(run: Run) -> str:
    if run.status is not Status.RUNNING or run.total is None:
        return f"{run.status}" + (
            f" ({run.stage})" if run.stage and not run.status.is_final else ""
        )
    return f"{run.status} ({run.stage}) {run.done / 1e6:.0f} of {run.total / 1e6:.0f} MB"


def _result(backup: Backup) -> None:
    if backup.status is not Status.COMPLETED:
        say(f"  {backup.error_code}: {backup.error_detail}\n  {backup.remedy}")
        return
    copy = backup.server_copy
    rows = {
        "status": backup.status,
        "path": copy.path if copy else "",
        "size": f"{backup.size:,} bytes",
        "files": f"{backup.counts['files']:,}",
        "sha-256": backup.sha256,
        "seconds": backup.seconds,
        "offsite": _offsite(backup),
    }
    for name, value in rows.items():
        say(f"  {name:8} {value}")


def _offsite(backup: Backup) -> str:
    copy = next(iter(backup.in_vaults()), None)
    proven = f", proven by {proof(copy.verified_by)}" if copy and copy.verified_by else ""
    return f"{backup.offsite_status}{proven}"


def _invite(settings: Settings, password: str) -> None:
    say(f"\nThe panel runs at {settings.url}")
    say(f"Sign in as {EMAIL} with the password {password}")
    say("Ctrl-C stops everything.")


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    main()

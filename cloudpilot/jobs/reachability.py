"""Whether a server reaches the vaults that its backups go to: tried as a backup does it."""

import time
from contextlib import suppress
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from cloudpilot import clock
from cloudpilot.db import reading
from cloudpilot.domain import destined
from cloudpilot.domain.vaults import Vault as VaultRow
from cloudpilot.engine import reaching
from cloudpilot.engine.doctor import vaults
from cloudpilot.engine.doctor.line import Line
from cloudpilot.engine.ssh import Session
from cloudpilot.errors import CloudPilotError, SshUnreachable
from cloudpilot.jobs import lifecycle, opening, signing
from cloudpilot.secrets import CannotOpenError
from cloudpilot.vaults.base import Vault

CONTENT = b"A server has written this to see whether it can. It may be deleted.\n"
SIGNED_SECONDS = 600
NO_TIME = "Check again: each day another vault is the first."


def lines(ssh: Session, server_id: UUID, until: float) -> list[Line]:
    """A line for each vault that backups of this server go to.

    until  by time.monotonic: what has no time is not tried, and its line says so; another day it
           is another's turn to be the last
    """
    with reading() as session:
        rows = destined.vaults_of(session, server_id)
    first = clock.now().toordinal() % len(rows) if rows else 0
    found = [_line(ssh, row, until) for row in (*rows[first:], *rows[:first])]
    return sorted(found, key=lambda line: line.title)


def _line(ssh: Session, row: VaultRow, until: float) -> Line:
    if time.monotonic() + reaching.SECONDS >= until:
        return vaults.unknown(str(row.id), row.name, "there was no time left.", NO_TIME)
    try:
        vault = opening.vault(row.id)
        host, reached = _tried(ssh, vault, in_clear=row.in_clear)
    except SshUnreachable:
        raise
    except (CloudPilotError, CannotOpenError) as error:
        known = error if isinstance(error, CloudPilotError) else lifecycle.unexpected(error)
        return vaults.unknown(str(row.id), row.name, str(known), known.remedy)
    return vaults.line(str(row.id), row.name, host, reached)


def _tried(ssh: Session, vault: Vault, *, in_clear: bool) -> tuple[str, reaching.Reached]:
    upload = vault.begin(f"cloudpilot-check/{uuid4()}", len(CONTENT))
    try:
        [part] = vault.requests_for(upload, 1, 1, seconds=SIGNED_SECONDS)
        reached = reaching.reach(ssh, signing.request(part), CONTENT, in_clear=in_clear)
    finally:
        with suppress(CloudPilotError):
            vault.abort(upload)
        with suppress(CloudPilotError):  # where one part is all, the object is there now
            vault.delete(upload.key)
    return urlsplit(part.url.reveal()).hostname or "", reached

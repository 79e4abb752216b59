"""The panel's own export into a vault: written here, sent from here, proven there; then the oldest
go."""

import logging
from collections.abc import Callable

from flask import current_app

from cloudpilot import clock
from cloudpilot.connections import Wire
from cloudpilot.db import db, reading, transaction
from cloudpilot.domain import panel_exports, uploads
from cloudpilot.domain.panel_exports import PanelExport
from cloudpilot.domain.runs import Run
from cloudpilot.domain.status import Status
from cloudpilot.errors import CloudPilotError, VaultUnreachable
from cloudpilot.exports import files, writing
from cloudpilot.jobs import emptying, lifecycle, opening
from cloudpilot.reports import Report
from cloudpilot.secrets import Sealer
from cloudpilot.vaults import sending
from cloudpilot.vaults.base import StoredObject, Vault
from cloudpilot.vaults.uploads import Upload

log = logging.getLogger(__name__)


def perform(run: Run) -> None:
    """Done twice there are two of them, or one: a job that was killed had not ended its own."""
    sealer: Sealer = current_app.extensions["sealer"]
    with reading() as session:
        made = panel_exports.of_run(session, run)
        whom = writing.whom(session, sealer)
    lifecycle.begin(run)
    vault = opening.vault(uploads.vault_of(run))
    if made.stored_at is None:
        if run.attempts or run.status is Status.RUNNING:
            _sweep(vault, made)
        file, written = files.spooled(db.engine, sealer, whom)
        with file:
            what = sending.content(file)
            stored = sending.send(vault, _wire(), run.options["key"], what, _noting(made))
        _keep(made, whom, stored, what)
        stuck = f" Left sealed, since no key opens it: {', '.join(written.stuck)}."
        said = f"{sum(written.counts.values()):,} rows.{stuck if written.stuck else ''}"
    else:
        said = "It is there."
    lines = [said, *_let_old_go(vault, run)]
    lifecycle.complete(run, Report(stage="export", log="\n".join(lines), over=True))


def _wire() -> Wire:
    private = lifecycle.settings().private_networks
    return Wire(private=private, unreachable=VaultUnreachable)


def _sweep(vault: Vault, made: PanelExport) -> None:
    """What a job before this one has begun. Not every store lists what is open."""
    try:
        emptying.sweep(vault, made.key)
    except CloudPilotError as error:
        log.warning("%s: may be left in part: %s", made.key, error)


def _noting(made: PanelExport) -> Callable[[Upload], None]:
    """Writes down under which key the store has begun it."""

    def note(upload: Upload) -> None:
        with transaction() as session:
            session.get_one(PanelExport, made.id).key = upload.key

    return note


def _keep(
    made: PanelExport, whom: writing.For, stored: StoredObject, what: sending.Content
) -> None:
    with transaction() as session:
        row = session.get_one(PanelExport, made.id)
        row.key, row.version, row.stored_at = stored.key, stored.version, clock.now()
        row.size, row.sha256, row.recipient = what.size, what.sha256, whom.recipient
        row.error_code = row.error_detail = None


def _let_old_go(vault: Vault, run: Run) -> list[str]:
    """What cannot be removed now is tried again by the next one."""
    with reading() as session:
        old = panel_exports.to_go(session, uploads.vault_of(run))
    said = []
    for one in old:
        try:
            _let_go(vault, one)
        except CloudPilotError as error:
            said.append(f"{one.key} stays for now: {error}")
        else:
            said.append(f"{one.key} is gone.")
    with transaction() as session:
        panel_exports.prune(session, uploads.vault_of(run))
    return said


def _let_go(vault: Vault, old: PanelExport) -> None:
    if old.stored_at is None:
        _sweep(vault, old)
    else:
        emptying.judge(vault.delete(old.key, old.version))
    with transaction() as session:
        session.get_one(PanelExport, old.id).gone_at = clock.now()

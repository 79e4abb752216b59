"""Taking back an upload that was given up, until the vault says that nothing of it is left."""

from cloudpilot.db import reading
from cloudpilot.domain import backups, uploads
from cloudpilot.domain.runs import Run
from cloudpilot.jobs import emptying, lifecycle, opening, signing
from cloudpilot.reports import Report


def perform(run: Run) -> None:
    """Abort and delete what the attempt has begun; repeated until it is proven."""
    with reading() as session:
        copy = uploads.copy_of(session, run)
        folder = signing.folder_of(backups.find(session, copy.backup_id))
        rows = uploads.objects_of(session, run)
    lifecycle.begin(run)
    vault = opening.vault(uploads.vault_of(run))
    said = emptying.take_away(vault, rows)
    emptying.sweep(vault, f"{folder}{run.options['attempt']}/")
    lifecycle.complete(run, Report(stage="abandon", log="\n".join(said), over=True))

"""Searches for backups in a vault: how far one is, and what it has found; all in its run's row, so
that any job goes on with it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloudpilot import clock
from cloudpilot.domain import runs
from cloudpilot.domain.manifests import Folder
from cloudpilot.domain.people import Person
from cloudpilot.domain.runs import Run
from cloudpilot.domain.vaults import Vault
from cloudpilot.kinds import RunKind

WHYS_KEPT = 50
AT_ONCE = timedelta(0)


class Fate(StrEnum):
    """What became of a folder that looks like a backup's."""

    SIGNED = "signed"
    UNVERIFIED = "unverified"
    KNOWN = "known"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a search is.

    cursor   the last folder that was looked at; they come in the order of their names
    servers  how many servers those are of that were found
    server   the id of the last of them
    whys     of folders that were not understood, the first: the folder, a sentence, and when the
             newest object there was made, or nothing
    """

    cursor: str = ""
    signed: int = 0
    unverified: int = 0
    known: int = 0
    refused: int = 0
    servers: int = 0
    server: str = ""
    whys: Sequence[Sequence[str]] = ()

    @property
    def found(self) -> int:
        """How many backups have got rows."""
        return self.signed + self.unverified

    def after(
        self, folder: Folder, fate: Fate, why: str = "", made_at: datetime | None = None
    ) -> "Progress":
        """One folder further; `why` it was refused, and when what lies there was made."""
        counted = {fate.value: getattr(self, fate.value) + 1}
        new = replace(self, cursor=folder.name, **counted)
        if fate is Fate.REFUSED:
            made = f"{made_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if made_at else ""
            return replace(new, whys=[*self.whys, [folder.name, why, made]][:WHYS_KEPT])
        if fate is Fate.KNOWN or str(folder.server) == self.server:
            return new
        return replace(new, servers=self.servers + 1, server=str(folder.server))


def ask(session: Session, vault: Vault, by: Person) -> Run:
    """A run that looks for backups there; raises BackupInProgress if one is under way."""
    return runs.add(
        session,
        Run(
            kind=RunKind.ADOPT,
            claim=f"adopt:vault:{vault.id}",
            vault_id=vault.id,
            requested_by=by.id,
            subject=vault.name,
        ),
    )


def latest(session: Session, vault_id: UUID) -> Run | None:
    """The newest search in that vault."""
    rows = select(Run).where(Run.vault_id == vault_id, Run.kind == RunKind.ADOPT)
    return session.scalar(rows.order_by(Run.created_at.desc(), Run.id).limit(1))


def progress(run: Run) -> Progress:
    """How far it is."""
    return Progress(**run.options.get("progress", {}))


def note(run: Run, reached: Progress) -> None:
    """It is that far, in the transaction that writes down what was found."""
    run.options = run.options | {"progress": asdict(reached)}


def pause(session: Session, run: Run) -> None:
    """Another job goes on with it at once: none is to be long."""
    runs.put_off(session, run, None, next_look_at=clock.now() + AT_ONCE)

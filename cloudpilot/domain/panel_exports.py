"""The panel's exports in vaults: when one is due, which are there, which are to go.

Two panels may share a bucket: what is deleted is what a row of ours names, never what a list has.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, ForeignKey, Index, and_, delete, false, func, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from cloudpilot import clock
from cloudpilot.catalogue import by_code
from cloudpilot.db import Base
from cloudpilot.domain import recovery, runs, vaults
from cloudpilot.domain.runs import Run
from cloudpilot.domain.vaults import Vault
from cloudpilot.errors import CloudPilotError, InvalidState
from cloudpilot.kinds import RunKind

FOLDER = "cloudpilot-panel/"  # below the vault's prefix
EVERY, AGAIN, LATE = timedelta(days=1), timedelta(hours=1), timedelta(hours=48)
KEPT = 7  # the newest in each vault


class PanelExport(Base):
    """One export in one vault. Its row is there before its object, so that nothing is forgotten."""

    __tablename__ = "panel_exports"
    __table_args__ = (Index(None, "vault_id", "created_at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    vault_id: Mapped[UUID] = mapped_column(ForeignKey(Vault.id))
    key: Mapped[str]  # below the vault's prefix; as the store has made it once it was begun
    recipient: Mapped[str]  # for whom it is encrypted: the public half of a recovery key
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    of_old_panel: Mapped[bool] = mapped_column(default=False, server_default=false())  # see rest
    size: Mapped[int | None] = mapped_column(BigInteger)  # bytes
    sha256: Mapped[str | None]
    version: Mapped[str] = mapped_column(default="")  # the store's, where it keeps several
    stored_at: Mapped[datetime | None]  # proven to be there
    gone_at: Mapped[datetime | None]
    error_code: Mapped[str | None]
    error_detail: Mapped[str | None]

    @property
    def remedy(self) -> str:
        """What to do about the error."""
        return by_code(self.error_code).remedy


@dataclass(frozen=True, slots=True)
class Standing:
    """How it stands with the exports in one vault.

    newest    the newest that is there and opens with the present key
    there     how many are there
    last      the last attempt, if it has failed
    is_late   the newest is older than it should be, or there is none although there was time
    """

    vault: Vault
    newest: PanelExport | None
    there: int
    last: PanelExport | None
    is_late: bool


def due(session: Session) -> list[UUID]:
    """The vaults that are to have one now: daily, and an hour after one that has failed."""
    key = recovery.current(session)
    if key is None:
        return []
    now = clock.now()
    lately = select(PanelExport.vault_id).where(
        PanelExport.created_at > now - EVERY,
        PanelExport.recipient == key.recipient,
        or_(PanelExport.stored_at.is_not(None), PanelExport.created_at > now - AGAIN),
    )
    rows = select(Vault.id).where(Vault.removed_at.is_(None), Vault.id.not_in(lately))
    return list(session.scalars(rows.order_by(Vault.id)))


def ask(session: Session, vault: Vault) -> Run:
    """A run that puts one there; raises InvalidState without a recovery key, BackupInProgress."""
    key = recovery.current(session)
    if key is None:
        raise InvalidState("There is no recovery key yet.")
    made = PanelExport(id=uuid4(), vault_id=vault.id, recipient=key.recipient)
    made.key = f"{FOLDER}cloudpilot-{clock.now():%Y%m%d-%H%M%S}Z-{made.id.hex[:8]}.age"
    session.add(made)
    session.flush()
    return runs.add(
        session,
        Run(
            kind=RunKind.EXPORT,
            claim=f"export:vault:{vault.id}",
            vault_id=vault.id,
            subject=vault.name,
            options={"export": str(made.id), "key": made.key},
        ),
    )


def of_run(session: Session, run: Run) -> PanelExport:
    """What a run is to put there."""
    return session.get_one(PanelExport, UUID(str(run.options["export"])))


def failed(session: Session, run: Run, error: CloudPilotError) -> None:
    """It is not there."""
    made = of_run(session, run)
    made.error_code, made.error_detail = error.code, str(error)


def to_go(session: Session, vault_id: UUID) -> Sequence[PanelExport]:
    """Those that are too old, the oldest first; and what attempts that failed may have left.

    An export holds its own row as one that is not stored yet: what the panel before this one has
    begun may be whole, and may be the very one that this panel is from.
    """
    rows = select(PanelExport).where(
        PanelExport.vault_id == vault_id, PanelExport.gone_at.is_(None)
    )
    there = list(session.scalars(rows.order_by(PanelExport.created_at)))
    kept = {one.id for one in [one for one in there if one.stored_at][-KEPT:]}
    kept |= {one.id for one in there[-1:]}  # it may be on its way
    going = [one for one in there if one.id not in kept]
    return [one for one in going if one.stored_at or not one.of_old_panel]


def prune(session: Session, vault_id: UUID) -> None:
    """Rows of what is gone go, too: nothing there is found by them any more. The newest stay, of
    whatever became of them: the last one's failure is shown, and what is due is told by those of
    the last day."""
    of_vault = PanelExport.vault_id == vault_id
    newest = select(PanelExport.id).where(of_vault)
    newest = newest.order_by(PanelExport.created_at.desc(), PanelExport.id).limit(KEPT)
    session.execute(
        delete(PanelExport).where(
            of_vault,
            PanelExport.gone_at.is_not(None),
            PanelExport.created_at <= clock.now() - EVERY,
            PanelExport.id.not_in(newest),
        ),
        execution_options={"synchronize_session": False},
    )


def is_any_late(session: Session, key: recovery.PanelKey) -> bool:
    """Whether the newest export for this key in any vault is too old; see Standing."""
    of_key = and_(
        PanelExport.vault_id == Vault.id,
        PanelExport.recipient == key.recipient,
        PanelExport.stored_at.is_not(None),
        PanelExport.gone_at.is_(None),
    )
    rows = select(Vault.created_at, func.max(PanelExport.created_at)).outerjoin(PanelExport, of_key)
    found = session.execute(rows.where(Vault.removed_at.is_(None)).group_by(Vault.id))
    return any(_is_late(newest, key, added) for added, newest in found)


def standings(session: Session) -> list[Standing]:
    """Of all vaults, by name; none without a recovery key."""
    key = recovery.current(session)
    if key is None:
        return []
    of_vaults: dict[UUID, list[PanelExport]] = defaultdict(list)
    for one in session.scalars(select(PanelExport).order_by(PanelExport.created_at.desc())):
        of_vaults[one.vault_id].append(one)
    return [_standing(vault, of_vaults[vault.id], key) for vault in vaults.listed(session)]


def _standing(
    vault: Vault, newest_first: Sequence[PanelExport], key: recovery.PanelKey
) -> Standing:
    there = [one for one in newest_first if one.stored_at and one.gone_at is None]
    newest = next((one for one in there if one.recipient == key.recipient), None)
    last = newest_first[0] if newest_first and newest_first[0].error_code else None
    late = _is_late(newest.created_at if newest else None, key, vault.created_at)
    return Standing(vault, newest, len(there), last, late)


def _is_late(newest: datetime | None, key: recovery.PanelKey, added: datetime) -> bool:
    """There was time for one since the key counts and the vault is there."""
    since = max(key.confirmed_at or key.created_at, added)
    return (newest or since) < clock.now() - LATE

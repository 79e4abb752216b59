"""Destinations: the vault that backups go to, and how. Said of a site by default, and of a backup.

Pure, but for `of`, which reads what a row says.
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy.orm import Session

from cloudpilot.domain.vaults import Vault
from cloudpilot.errors import InvalidConfig

LOCAL_DAYS_AT_MOST = 365
MEGABYTE = 10**6
_DECIMAL = re.compile(r"[0-9]{1,5}(\.[0-9]{1,3})?")


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a backup goes beside, or instead of, its server.

    streamed    it is sent as it is made; the server stores no archive
    local_days  the server's copy goes that many days after the upload, 0 at once; None: it stays
                as long as the backup
    rate        bytes a second of the upload, at most; None: as fast as it goes
    """

    vault: Vault | None = None
    streamed: bool = False
    local_days: int | None = None
    rate: int | None = None

    def columns(self) -> dict[str, Any]:
        """As the rows of sites and backups have it."""
        return {
            "vault_id": self.vault.id if self.vault else None,
            "streamed": self.streamed,
            "local_days": self.local_days,
            "rate": self.rate,
        }

    def facts(self) -> dict[str, Any]:
        """As people read it: the vault by its name."""
        name = self.vault.name if self.vault else None
        options = {"streamed": self.streamed, "local_days": self.local_days, "rate": self.rate}
        return {"vault": name} | options

    def changes(self, to: "Destination") -> dict[str, list[Any]]:
        """What is different there, as name: [before, after], for the audit log."""
        before, after = self.facts(), to.facts()
        return {name: [before[name], new] for name, new in after.items() if before[name] != new}

    def judged(self) -> "Destination":
        """Itself; raises InvalidConfig for options that contradict each other or mean nothing."""
        if self.vault is None and self.streamed:
            raise InvalidConfig("Choose a vault: a backup that the server does not keep needs one.")
        if self.vault is None and self.local_days is not None:
            raise InvalidConfig("Choose a vault: the server's copy goes only after an upload.")
        if self.vault is None and self.rate is not None:
            raise InvalidConfig("Choose a vault: without one there is no upload to slow down.")
        if self.streamed and self.local_days is not None:
            raise InvalidConfig("What is not stored on the server is not removed there after days.")
        if self.local_days is not None:
            _judge_days(self.local_days)
        if self.rate is not None and self.rate <= 0:
            raise InvalidConfig("A rate is more than nothing; leave it blank for no limit.")
        return self


class HasDestination(Protocol):
    """A site or a backup."""

    vault_id: Any
    streamed: Any
    local_days: Any
    rate: Any


def of(session: Session, row: HasDestination) -> Destination:
    """What a row says; nowhere if its vault was removed."""
    vault_id: UUID | None = row.vault_id
    vault = session.get(Vault, vault_id) if vault_id else None
    if vault is None or vault.removed_at:
        return Destination()
    return Destination(vault, row.streamed, row.local_days, row.rate)


def valid_days(text: str) -> int:
    """Days after the upload; raises InvalidConfig.

    >>> valid_days(" 7 ")
    7
    """
    typed = text.strip()
    days = int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 4 else -1
    _judge_days(days)
    return days


def valid_rate(text: str) -> int | None:
    """Megabytes a second, as bytes; None if left blank. Raises InvalidConfig.

    >>> valid_rate("2.5"), valid_rate(" ")
    (2500000, None)
    """
    typed = text.strip()
    if not typed:
        return None
    rate = int(Decimal(typed) * MEGABYTE) if _DECIMAL.fullmatch(typed) else 0
    if rate <= 0:
        raise InvalidConfig("Give megabytes a second, such as 10 or 2.5, or leave it blank.")
    return rate


def rate_text(rate: int | None) -> str:
    """As it is typed.

    >>> rate_text(2_500_000), rate_text(10_000_000), rate_text(None)
    ('2.5', '10', '')
    """
    if rate is None:
        return ""
    return f"{Decimal(rate) / MEGABYTE:f}"


def _judge_days(days: int) -> None:
    if not 0 <= days <= LOCAL_DAYS_AT_MOST:
        raise InvalidConfig(f"Days are a number from 0 to {LOCAL_DAYS_AT_MOST}; 0 is at once.")

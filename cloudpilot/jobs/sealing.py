"""Sealing anew: after the secret key was changed, all that an old key has sealed.

While CLOUDPILOT_SECRET_KEYS_OLD names the old key, everything opens; once this has been done, the
old key is not needed any more.
"""

from dataclasses import dataclass
from typing import Any

from flask import current_app
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from cloudpilot.db import reading, transaction
from cloudpilot.exports.sealed import SEALED, Sealed
from cloudpilot.secrets import CannotOpenError, Sealer


@dataclass(frozen=True, slots=True)
class Outcome:
    """How many values were sealed anew, and the places of those that no key opens."""

    done: int
    stuck: tuple[str, ...]


def seal_anew() -> Outcome:
    """Seal with the newest key what an older one has sealed; to be repeated without harm.

    What does not open is left as it is: perhaps its key is found again.
    """
    sealer: Sealer = current_app.extensions["sealer"]
    done, stuck = 0, []
    for sealed in SEALED:
        for row in _old(sealer, sealed):
            try:
                with transaction() as session:
                    done += _seal_anew(session, sealer, sealed, row)
            except CannotOpenError:
                stuck.append(sealed.place(row))
    return Outcome(done, tuple(stuck))


def _old(sealer: Sealer, sealed: Sealed) -> list[Any]:
    with reading() as session:
        there = (sealed.column.is_not(None), sealed.column != "")  # else it was forgotten
        rows = session.scalars(select(sealed.table).where(*there))
        return [row for row in rows if not sealer.is_newest(getattr(row, sealed.column.key))]


def _seal_anew(session: Session, sealer: Sealer, sealed: Sealed, row: Any) -> int:
    """1, or 0 if the value was changed meanwhile: whoever did it has sealed it with the newest."""
    old, place = getattr(row, sealed.column.key), sealed.place(row)
    unchanged = update(sealed.table).where(sealed.table.id == row.id, sealed.column == old)
    new = sealer.seal(sealer.open(old, place), place)
    changed = session.execute(unchanged.values({sealed.column: new}).returning(sealed.table.id))
    return 1 if changed.first() else 0

"""What is typed about backups and schedules: days, numbers, notes. Pure."""

from cloudpilot.errors import InvalidConfig
from cloudpilot.text import has_controls

KEPT_AT_MOST = 1000
SPREAD_AT_MOST = 24 * 60  # minutes
GRACE_AT_MOST = 60 * 24 * 60  # minutes
RETRIES, RETRIES_AT_MOST = 2, 5
FULL_EVERY, FULL_EVERY_AT_MOST = 7, 100
DAYS_AT_MOST = 365
RETENTION_DAYS, RETENTION_DAYS_AT_MOST = 30, 365
NOTE_LENGTH = 500


def valid_kept(text: str) -> int:
    """How many of a rule; none if left blank. Raises InvalidConfig.

    >>> valid_kept(" 12 "), valid_kept("")
    (12, 0)
    """
    return _number(text, 0, KEPT_AT_MOST, f"Give a number up to {KEPT_AT_MOST}, or nothing.") or 0


def valid_spread(text: str) -> int:
    """Minutes; none if left blank. Raises InvalidConfig."""
    said = f"Give minutes, {SPREAD_AT_MOST} at most, or nothing."
    return _number(text, 0, SPREAD_AT_MOST, said) or 0


def valid_grace(text: str) -> int | None:
    """Minutes; None if left blank. Raises InvalidConfig.

    >>> valid_grace("90"), valid_grace("")
    (90, None)
    """
    return _number(text, 1, GRACE_AT_MOST, f"Give minutes, 1 to {GRACE_AT_MOST}, or nothing.")


def valid_full_every(text: str) -> int:
    """Of how many backups one is full, 7 if left blank; raises InvalidConfig.

    >>> valid_full_every("14"), valid_full_every("")
    (14, 7)
    """
    said = f"A full one comes every 2 to {FULL_EVERY_AT_MOST} backups."
    return _number(text, 2, FULL_EVERY_AT_MOST, said) or FULL_EVERY


def valid_full_days(text: str) -> int | None:
    """Days; None if left blank. Raises InvalidConfig."""
    return _number(text, 1, DAYS_AT_MOST, f"Give days, 1 to {DAYS_AT_MOST}, or nothing.")


def valid_retries(text: str) -> int:
    """How often a backup is tried again, 2 if left blank; raises InvalidConfig.

    >>> valid_retries("0"), valid_retries("")
    (0, 2)
    """
    said = f"Tries are a number from 0 to {RETRIES_AT_MOST}."
    found = _number(text, 0, RETRIES_AT_MOST, said)
    return RETRIES if found is None else found


def valid_retention(text: str | None) -> int:
    """Days to keep a backup, 1 to 365, 30 if left blank; raises InvalidConfig."""
    if not (text or "").strip():
        return RETENTION_DAYS
    typed = str(text).strip()
    days = int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 4 else 0
    if not 1 <= days <= RETENTION_DAYS_AT_MOST:
        raise InvalidConfig(f"Retention is a number of days from 1 to {RETENTION_DAYS_AT_MOST}.")
    return days


def valid_note(text: str) -> str:
    """A note of one line; raises InvalidConfig."""
    note = text.strip()
    if len(note) > NOTE_LENGTH or has_controls(note):
        raise InvalidConfig(f"A note is one line of at most {NOTE_LENGTH} characters.")
    return note


def _number(text: str, least: int, most: int, said: str) -> int | None:
    typed = text.strip()
    if not typed:
        return None
    if not (typed.isascii() and typed.isdigit() and len(typed) < 7):
        raise InvalidConfig(said)
    if not least <= int(typed) <= most:
        raise InvalidConfig(said)
    return int(typed)

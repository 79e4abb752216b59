"""Fields of a stranger's JSON: what they should be, or ManifestRefused with the reason. Pure."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn
from uuid import UUID

from cloudpilot.domain.servers import NAME_LENGTH
from cloudpilot.errors import ManifestRefused
from cloudpilot.text import plain

BYTES_AT_MOST = 4 * 1024 * 1024
AHEAD = timedelta(days=2)  # that a clock may be
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)


def read(body: bytes) -> dict[str, Any]:
    """The members of a JSON object; raises ManifestRefused for anything else."""
    if len(body) > BYTES_AT_MOST:
        raise ManifestRefused("It is larger than any that CloudPilot writes.")
    try:
        said = json.loads(body.decode(), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise ManifestRefused("It is no JSON.") from error
    if not isinstance(said, dict):
        raise ManifestRefused("It is no JSON object.")
    return said


def identity(value: object) -> UUID:
    """An id as CloudPilot writes it; raises ManifestRefused."""
    if not (isinstance(value, str) and _ID.fullmatch(value)):
        raise ManifestRefused("What should be an id is none.")
    return UUID(value)


def moment(value: object, now: datetime) -> datetime:
    """An aware moment that can have been; raises ManifestRefused."""
    try:
        found = datetime.fromisoformat(text(value))
        if found.tzinfo and _EARLIEST < found < now + AHEAD:
            return found.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise ManifestRefused("It says no time at which it can have been made.")


def name(value: object) -> str:
    """A name as it may be shown: what cannot be seen is written as an escape."""
    return short(value, NAME_LENGTH) or "(no name)"


def short(value: object, most: int) -> str:
    """Text of so many characters at most, as it may be shown: cut, a longer one would be taken for
    another. What only its escapes make longer is cut."""
    if len(text(value)) > most:
        raise ManifestRefused("It has a name that is longer than any that CloudPilot writes.")
    return plain(text(value), most)


def mapping(said: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """The object of that name."""
    found = said.get(key)
    if not isinstance(found, dict):
        raise ManifestRefused(f"It has no {key}.")
    return found


def listed(said: Mapping[str, Any], key: str, most: int) -> list[Any]:
    """The list of that name, of so many at most."""
    found = said.get(key)
    if not isinstance(found, list) or len(found) > most:
        raise ManifestRefused(f"It has no list of {key}, or too long a one.")
    return found


def text(value: object) -> str:
    """It, if it is text."""
    if not isinstance(value, str):
        raise ManifestRefused("What should be text is none.")
    return value


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")

"""What a provider's answer means, whoever's it is, and how its words are told."""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from cloudpilot import clock
from cloudpilot.errors import (
    CloudDenied,
    CloudPilotError,
    CloudRefused,
    CloudThrottled,
    CloudUnreachable,
)
from cloudpilot.secrets import Secret
from cloudpilot.text import decode

# What parsing raises when it stumbles over an answer that is not of the form it expects.
STUMBLES = (LookupError, TypeError, ValueError, AttributeError)
WORDS = 300  # characters of a provider's own that are told
WAIT, LONGEST_WAIT = 60, 3600  # seconds after which to come again, where nobody says


def said(brand: str, status: object, what: str, words: str, hidden: Iterable[Secret] = ()) -> str:
    """The sentence of an answer that is no success.

    what    was to be done
    words   the provider's own; on one line, without what is hidden
    """
    for secret in hidden:
        if secret.reveal():
            words = words.replace(secret.reveal(), "***")
    told = " ".join(decode(words.encode("utf-8", "replace")).split())[:WORDS].rstrip(" .")
    return f"{brand} answered {status} when asked to {what}{': ' if told else ''}{told}."


def by_status(
    status: int, sentence: str, seconds: int, *, missing: type[CloudPilotError] = CloudRefused
) -> CloudPilotError:
    """Our failure for it; `missing` is what 404 means here."""
    if status in {401, 403}:
        return CloudDenied(sentence)
    if status == 404:
        return missing(sentence)
    if status == 429:
        return CloudThrottled(sentence, seconds)
    if status == 408 or (status >= 500 and status != 501):
        return CloudUnreachable(sentence)
    return CloudRefused(sentence)


def seconds_in(headers: Mapping[str, str]) -> int:
    """After how long to come again, by headers with names in small letters.

    DigitalOcean says instead when its count begins anew.

    >>> seconds_in({"retry-after": "7"}), seconds_in({"retry-after": "nonsense"})
    (7, 60)
    """
    told = headers.get("retry-after", "")
    if re.fullmatch(r"\d{1,9}", told):
        return _within(int(told))
    try:
        at = parsedate_to_datetime(told) if told else _epoch(headers["ratelimit-reset"])
        return _within(int((at - clock.now()).total_seconds()))
    except STUMBLES:
        return WAIT


def _epoch(text: str) -> datetime:
    return datetime.fromtimestamp(int(text), UTC)


def _within(seconds: int) -> int:
    return min(max(seconds, 1), LONGEST_WAIT)


@contextmanager
def understood(brand: str, what: str) -> Iterator[None]:
    """Turn a stumble over an answer of another form into ours."""
    try:
        yield
    except STUMBLES as error:
        raise nonsense(brand, what) from error


def nonsense(brand: str, what: str) -> CloudRefused:
    """The failure of an answer that nobody understands: is the provider there at all?"""
    return CloudRefused(f"The answer was not {brand}'s when asked to {what}.")

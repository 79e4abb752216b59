"""The providers' interfaces of JSON over HTTP, asked without their libraries; nothing is retried
but a token that has ended, and nothing waits."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Protocol
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from cloudpilot.clouds import refusals
from cloudpilot.connections import Answer, Wire
from cloudpilot.errors import CloudPilotError, CloudRefused, CloudThrottled, CloudUnreachable
from cloudpilot.secrets import Secret

ANSWER_SECONDS = 20.0  # without a byte of an answer
MOST_PAGES = 1_000
# Google says of a rate limit that it is forbidden, and why.
# https://cloud.google.com/compute/docs/api/best-practices
_RATES = {"rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED"}

Query = Mapping[str, str]


class Tokens(Protocol):
    """What gives the right to ask; see `tokens`."""

    def token(self) -> Secret:
        """One that is good now; raises as every method of a cloud does."""

    def renew(self) -> bool:
        """Forget it: it was refused; whether another one is to be had."""


def path(*segments: str) -> str:
    """A path of these; none of them can add another.

    >>> path("v2", "droplets", "../a b?")
    '/v2/droplets/..%2Fa%20b%3F'
    """
    return "".join(f"/{quote(segment, safe='')}" for segment in segments)


class Rest:
    """A provider, asked by its own words.

    endpoint  `https://host[:port]`
    """

    def __init__(self, brand: str, endpoint: str, tokens: Tokens, *, private: bool) -> None:
        self._brand, self._endpoint, self._tokens = brand, endpoint, tokens
        self._wire = wire(private=private)

    def ask(
        self,
        what: str,
        method: str,
        target: str,
        query: Query | None = None,
        body: object = None,
        *,
        missing: type[CloudPilotError] = CloudRefused,
    ) -> Any:
        """What it answers, an object of JSON, empty if it says nothing.

        what     is to be done, for sentences
        target   a path; its segments are quoted
        missing  what 404 means here

        Raises as every method of a cloud does.
        """
        url = f"{self._endpoint}{target}" + (f"?{urlencode(query)}" if query else "")
        answer, token = self._send(method, url, body)
        if answer.status == 401 and self._tokens.renew():
            answer, token = self._send(method, url, body)
        return judged(self._brand, what, answer, missing=missing, hidden=(token,))

    def followed(self, what: str, target: str, query: Query, link: str) -> Iterator[Any]:
        """Every page of a list whose answers hold the address of the next one under `link`.

        Only the query of that address is used: it cannot send anybody elsewhere.
        """
        for _page in range(MOST_PAGES):
            found = self.ask(what, "GET", target, query)
            yield found
            with refusals.understood(self._brand, what):
                following = str(found.get(link) or "")
                query = dict(parse_qsl(urlsplit(following).query))
            if not following:
                return
        raise CloudRefused(f"{self._brand}'s list has no end when asked to {what}.")

    def _send(self, method: str, url: str, body: object) -> tuple[Answer, Secret]:
        """The answer, and the token with which it was asked for."""
        token = self._tokens.token()
        headers = [("Authorization", f"Bearer {token.reveal()}"), ("Accept", "application/json")]
        sent = b""
        if body is not None:
            sent = json.dumps(body).encode()
            headers.append(("Content-Type", "application/json"))
        return self._wire.send(method, url, headers, sent), token


def wire(*, private: bool) -> Wire:
    """What sends requests to a provider."""
    return Wire(private=private, unreachable=CloudUnreachable, seconds=ANSWER_SECONDS)


def judged(
    brand: str,
    what: str,
    answer: Answer,
    *,
    missing: type[CloudPilotError] = CloudRefused,
    hidden: tuple[Secret, ...] = (),
) -> Any:
    """What is in an answer; raises what it means if that is no success."""
    found = content(answer.body)
    if 200 <= answer.status < 300:
        if isinstance(found, dict):
            return found
        raise refusals.nonsense(brand, what)
    sentence = refusals.said(brand, answer.status, what, words(found), hidden)
    seconds = refusals.seconds_in(answer.headers)
    if answer.status == 403 and reasons(found) & _RATES:
        raise CloudThrottled(sentence, seconds)
    raise refusals.by_status(answer.status, sentence, seconds, missing=missing)


def reasons(found: object) -> set[str]:
    """The words of Google's for why."""
    error = found.get("error") if isinstance(found, dict) else None
    listed = error.get("errors") if isinstance(error, dict) else None
    each = listed if isinstance(listed, list) else []
    return {str(one.get("reason")) for one in each if isinstance(one, dict)}


def content(body: bytes) -> object:
    """What an answer holds; nothing is an empty object, None is no JSON."""
    try:
        return json.loads(body) if body.strip() else {}
    except ValueError:
        return None


def words(found: object) -> str:
    """What it says in words, wherever the providers put that."""
    if not isinstance(found, dict):
        return ""
    error = found.get("error")
    inner = error.get("message") if isinstance(error, dict) else None
    return str(inner or found.get("error_description") or found.get("message") or error or "")
